//! The way out: which rows of ours a vendor may not know yet, how far the log was read for it, and what both sides changed.

use crate::table::Of::{BigInt, Bool, Instant, Int, Json, Text, Uuid};
use crate::table::{
    column, create, create_keyed, create_with_keys, index, optional, partial_index, row,
};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let outbound_push = vec![
            column("connection_id", Uuid),
            column("subject_kind", Text),
            column("subject_id", Uuid),
            column("resource", Text),
            column("generation", BigInt),
            column("first_seen_at", Instant),
            optional("sent_at", Instant),
            column("attempts", Int),
            column("available_at", Instant),
            optional("lease_owner", Uuid),
            optional("lease_until", Instant),
            column("fence", BigInt),
            column("dead", Bool),
            optional("error", Text),
        ];
        create_keyed(
            manager,
            "outbound_push",
            outbound_push,
            &["connection_id", "subject_id"],
        )
        .await?;
        partial_index(
            manager,
            "ix_outbound_push_due",
            "outbound_push",
            "connection_id, available_at",
            "dead = false",
            false,
        )
        .await?;
        index(manager, "outbound_push", &["subject_id"]).await?;

        let mut reader = column("reader", Text);
        reader.primary_key();
        let event_reader = vec![reader, column("position", BigInt), column("seq", BigInt)];
        create(manager, "event_reader", event_reader).await?;

        let sync_conflict = row(vec![
            column("connection_id", Uuid),
            column("resource", Text),
            column("external_id", Text),
            column("subject_kind", Text),
            column("subject_id", Uuid),
            column("field", Text),
            column("ours", Json),
            column("theirs", Json),
            column("policy", Text),
            column("status", Text),
            optional("winner", Text),
            optional("resolved_by", Text),
            optional("resolved_at", Instant),
        ]);
        create_with_keys(
            manager,
            "sync_conflict",
            sync_conflict,
            &[("connection_id", "connection")],
        )
        .await?;
        partial_index(
            manager,
            "ux_sync_conflict_open",
            "sync_conflict",
            "connection_id, subject_id, field",
            "status = 'OPEN'",
            true,
        )
        .await?;
        index(manager, "sync_conflict", &["connection_id", "id"]).await?;
        index(manager, "sync_conflict", &["subject_id", "id"]).await?;

        // What a reconciliation has seen so far: scratch, emptied when it ends.
        let sync_seen = vec![
            column("connection_id", Uuid),
            column("resource", Text),
            column("external_id", Text),
        ];
        create_keyed(
            manager,
            "sync_seen",
            sync_seen,
            &["connection_id", "resource", "external_id"],
        )
        .await
    }
}
