//! Webhooks out: where subscribers want to hear, and what is on its way to them.

use crate::table::Of::{BigInt, Bool, Bytes, Instant, Int, Json, Text, Uuid};
use crate::table::{column, create_with_keys, index, is_postgres, optional, partial_index, row};
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
        let webhook_endpoint = row(vec![
            optional("partner_id", Uuid),
            column("name", Text),
            column("url", Text),
            column("kinds", Json),
            column("partners", Json),
            column("with_history", Bool),
            column("selection", Text),
            column("rendering", BigInt),
            column("owner", Json),
            column("secret", Text),
            optional("previous_secret", Text),
            optional("previous_secret_until", Instant),
            column("status", Text),
            optional("disabled_reason", Text),
            optional("failing_since", Instant),
        ]);
        create_with_keys(
            manager,
            "webhook_endpoint",
            webhook_endpoint,
            &[("partner_id", "partner")],
        )
        .await?;
        index(manager, "webhook_endpoint", &["partner_id"]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let webhook_delivery = vec![
            id,
            column("created_at", Instant),
            column("endpoint_id", Uuid),
            optional("event_id", Uuid),
            column("kind", Text),
            column("occurred_at", Instant),
            column("state", Text),
            optional("rendering", BigInt),
            optional("body", Bytes),
            column("attempts", Int),
            column("retry", Bool),
            column("available_at", Instant),
            optional("lease_owner", Uuid),
            optional("lease_until", Instant),
            column("fence", BigInt),
            optional("settled_at", Instant),
            optional("attempted_at", Instant),
            optional("address", Text),
            optional("answer_status", Int),
            optional("answer_body", Text),
            optional("answer_millis", BigInt),
            optional("error", Text),
        ];
        create_with_keys(
            manager,
            "webhook_delivery",
            webhook_delivery,
            &[("endpoint_id", "webhook_endpoint")],
        )
        .await?;
        index(manager, "webhook_delivery", &["endpoint_id", "id"]).await?;
        for (name, columns, condition, unique) in [
            (
                "ux_webhook_delivery_event",
                "endpoint_id, event_id",
                "event_id IS NOT NULL",
                true,
            ),
            (
                "ix_webhook_delivery_due",
                "endpoint_id, retry, available_at",
                "state = 'PENDING'",
                false,
            ),
            (
                "ix_webhook_delivery_failed",
                "endpoint_id, id",
                "state = 'FAILED'",
                false,
            ),
            (
                "ix_webhook_delivery_event",
                "event_id",
                "state = 'PENDING'",
                false,
            ),
            (
                "ix_webhook_delivery_settled",
                "settled_at",
                "state <> 'PENDING'",
                false,
            ),
        ] {
            partial_index(
                manager,
                name,
                "webhook_delivery",
                columns,
                condition,
                unique,
            )
            .await?;
        }
        if is_postgres(manager) {
            // As the other queues: what was worked off must not pile up at the front of the index.
            let often = "ALTER TABLE webhook_delivery SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)";
            manager.get_connection().execute_unprepared(often).await?;
        }
        // A range of the log by time: what a subscriber wants to hear again, and what has grown old.
        index(manager, "event", &["occurred_at"]).await?;
        // That the log was shortened is for auditors too.
        let mut old = Index::drop();
        manager
            .drop_index(old.name("ix_event_audit").table("event").to_owned())
            .await?;
        let columns = "position, seq, occurred_at";
        let about_access =
            "substr(kind, 1, 5) IN ('user.', 'sessi', 'ident', 'oauth', 'signi', 'perso', 'log.p')";
        partial_index(
            manager,
            "ix_event_audit",
            "event",
            columns,
            about_access,
            false,
        )
        .await
    }
}
