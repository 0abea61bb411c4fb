//! The event log and the epoch of its positions.

use crate::table::Of::{BigInt, Bool, Instant, Int, Json, Text, Uuid};
use crate::table::{column, create, index, is_postgres, optional, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite counts up only in a column declared INTEGER, and with AUTOINCREMENT never reuses a number.
        let mut seq = if is_postgres(manager) {
            ColumnDef::new("seq").big_integer().take()
        } else {
            ColumnDef::new("seq").integer().take()
        };
        seq.not_null().auto_increment().primary_key();
        let event = vec![
            seq,
            column("id", Uuid),
            column("position", BigInt),
            column("kind", Text),
            column("origin", Text),
            column("actor", Text),
            optional("connection_id", Uuid),
            column("subject_kind", Text),
            column("subject_id", Uuid),
            optional("partner_id", Uuid),
            column("internal", Bool),
            column("data", Json),
            column("occurred_at", Instant),
        ];
        create(manager, "event", event).await?;
        unique(manager, "event", &["position", "seq"]).await?;
        index(manager, "event", &["id"]).await?;
        index(manager, "event", &["subject_id", "position", "seq"]).await?;
        index(manager, "event", &["partner_id", "position", "seq"]).await?;

        let mut id = column("id", Int);
        id.primary_key();
        create(
            manager,
            "event_epoch",
            vec![id, column("epoch", BigInt), column("cluster", Text)],
        )
        .await
    }
}
