//! Messages by mail, kept until they are sent.

use crate::table::Of::{BigInt, Instant, Int, Text, Uuid};
use crate::table::{column, create, index, is_postgres, optional, partial_index};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = column("id", Uuid);
        id.primary_key();
        let mail_message = vec![
            id,
            column("created_at", Instant),
            column("purpose", Text),
            column("subject_kind", Text),
            column("subject_id", Uuid),
            optional("sealed", Text),
            column("expires_at", Instant),
            column("state", Text),
            column("attempts", Int),
            column("available_at", Instant),
            optional("lease_owner", Uuid),
            optional("lease_until", Instant),
            column("fence", BigInt),
            optional("settled_at", Instant),
            optional("error", Text),
        ];
        create(manager, "mail_message", mail_message).await?;
        index(manager, "mail_message", &["created_at", "id"]).await?;
        index(manager, "mail_message", &["subject_id"]).await?;
        for (name, columns, condition) in [
            (
                "ix_mail_message_due",
                "available_at, id",
                "state = 'PENDING'",
            ),
            (
                "ix_mail_message_settled",
                "settled_at",
                "state <> 'PENDING'",
            ),
        ] {
            partial_index(manager, name, "mail_message", columns, condition, false).await?;
        }
        if is_postgres(manager) {
            let often = "ALTER TABLE mail_message SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)";
            manager.get_connection().execute_unprepared(often).await?;
        }
        Ok(())
    }
}
