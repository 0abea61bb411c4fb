//! Connections and what the engine keeps: links with their shadows, cursors, runs, the inbox and its signals.

use crate::table::Of::{BigInt, Bool, Bytes, Instant, Int, Json, Text, Uuid};
use crate::table::{
    column, create, create_keyed, create_with_keys, index, optional, partial_index, row, unique,
};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The columns of a row that workers claim: attempts counted when claimed, waiting in the row, a lease with a fence.
fn claimable() -> Vec<ColumnDef> {
    vec![
        column("attempts", Int),
        column("available_at", Instant),
        optional("lease_owner", Uuid),
        optional("lease_until", Instant),
        column("fence", BigInt),
        optional("error", Text),
    ]
}

fn with_claim(mut own: Vec<ColumnDef>) -> Vec<ColumnDef> {
    own.extend(claimable());
    own
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = row(vec![
            column("connector", Text),
            column("tenant_id", Text),
            column("status", Text),
            optional("status_reason", Text),
            column("account", Json),
            column("granted_scopes", Json),
            column("mapping", Json),
            optional("credentials", Text),
            column("credentials_version", BigInt),
            optional("paused_until", Instant),
            optional("renewing_until", Instant),
        ]);
        create(manager, "connection", connection).await?;
        unique(manager, "connection", &["connector", "tenant_id"]).await?;

        let external_link = row(vec![
            column("connection_id", Uuid),
            column("resource", Text),
            column("external_id", Text),
            optional("subject_kind", Text),
            optional("subject_id", Uuid),
            column("shadow", Json),
            optional("external_updated_at", Instant),
            column("archived", Bool),
            optional("held_reason", Text),
        ]);
        create_with_keys(
            manager,
            "external_link",
            external_link,
            &[("connection_id", "connection")],
        )
        .await?;
        unique(
            manager,
            "external_link",
            &["connection_id", "resource", "external_id"],
        )
        .await?;
        index(manager, "external_link", &["subject_id"]).await?;
        partial_index(
            manager,
            "ix_external_link_held",
            "external_link",
            "connection_id, resource",
            "held_reason IS NOT NULL",
            false,
        )
        .await?;

        let pending_link = vec![
            column("connection_id", Uuid),
            column("from_resource", Text),
            column("from_external_id", Text),
            column("to_resource", Text),
            column("to_external_id", Text),
            column("created_at", Instant),
        ];
        let key = [
            "connection_id",
            "from_resource",
            "from_external_id",
            "to_resource",
            "to_external_id",
        ];
        create_keyed(manager, "pending_link", pending_link, &key).await?;
        index(
            manager,
            "pending_link",
            &["connection_id", "to_resource", "to_external_id"],
        )
        .await?;

        let sync_cursor = with_claim(vec![
            column("connection_id", Uuid),
            column("resource", Text),
            column("lane", Text),
            optional("position", Json),
            column("complete", Bool),
        ]);
        create_keyed(
            manager,
            "sync_cursor",
            sync_cursor,
            &["connection_id", "resource", "lane"],
        )
        .await?;
        index(manager, "sync_cursor", &["available_at"]).await?;

        let mut run_id = column("id", Uuid);
        run_id.primary_key();
        let sync_run = vec![
            run_id,
            column("connection_id", Uuid),
            column("kind", Text),
            column("status", Text),
            column("started_at", Instant),
            optional("finished_at", Instant),
            column("findings", Json),
            optional("error", Text),
        ];
        create_with_keys(
            manager,
            "sync_run",
            sync_run,
            &[("connection_id", "connection")],
        )
        .await?;
        index(manager, "sync_run", &["connection_id", "id"]).await?;
        partial_index(
            manager,
            "ix_sync_run_running",
            "sync_run",
            "connection_id",
            "status = 'RUNNING'",
            false,
        )
        .await?;

        let mut webhook_id = column("id", Uuid);
        webhook_id.primary_key();
        let inbound_webhook = with_claim(vec![
            webhook_id,
            column("connector", Text),
            column("dedupe_key", Text),
            column("body", Bytes),
            column("received_at", Instant),
            column("state", Text),
        ]);
        create(manager, "inbound_webhook", inbound_webhook).await?;
        unique(manager, "inbound_webhook", &["connector", "dedupe_key"]).await?;
        partial_index(
            manager,
            "ix_inbound_webhook_pending",
            "inbound_webhook",
            "available_at, id",
            "state = 'PENDING'",
            false,
        )
        .await?;

        let inbound_signal = with_claim(vec![
            column("connection_id", Uuid),
            column("resource", Text),
            column("external_id", Text),
            column("generation", BigInt),
            column("hint", Json),
            column("first_seen_at", Instant),
            column("dead", Bool),
        ]);
        create_keyed(
            manager,
            "inbound_signal",
            inbound_signal,
            &["connection_id", "resource", "external_id"],
        )
        .await?;
        index(manager, "inbound_signal", &["dead", "available_at"]).await
    }
}
