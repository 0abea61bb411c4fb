//! Money that came or went back, wishes under the law on personal data, and what is known of a connection's consent and subscriptions.

use crate::table::Of::{BigInt, Instant, Int, Json, Text, Uuid};
use crate::table::{column, create_with_keys, index, optional, partial_index, row, unique};
use sea_orm_migration::prelude::*;

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
        let revenue_event = vec![
            id,
            column("created_at", Instant),
            column("source", Text),
            column("external_key", Text),
            optional("connection_id", Uuid),
            optional("customer_id", Uuid),
            optional("deal_id", Uuid),
            optional("partnership_id", Uuid),
            optional("partner_id", Uuid),
            column("kind", Text),
            column("amount_minor", BigInt),
            column("amount_currency", Text),
            column("occurred_at", Instant),
        ];
        create_with_keys(
            manager,
            "revenue_event",
            revenue_event,
            &[
                ("connection_id", "connection"),
                ("customer_id", "customer"),
                ("deal_id", "deal"),
                ("partnership_id", "partnership"),
                ("partner_id", "partner"),
            ],
        )
        .await?;
        unique(manager, "revenue_event", &["source", "external_key"]).await?;
        index(manager, "revenue_event", &["occurred_at", "id"]).await?;
        for of in ["partner_id", "deal_id", "customer_id"] {
            index(manager, "revenue_event", &[of, "occurred_at", "id"]).await?;
        }

        let privacy_request = row(vec![
            column("connection_id", Uuid),
            column("kind", Text),
            column("request_id", Text),
            column("status", Text),
            optional("subject", Json),
            optional("export", Json),
            column("done", Json),
            optional("completed_at", Instant),
            column("attempts", Int),
            column("available_at", Instant),
            optional("error", Text),
        ]);
        create_with_keys(
            manager,
            "privacy_request",
            privacy_request,
            &[("connection_id", "connection")],
        )
        .await?;
        unique(
            manager,
            "privacy_request",
            &["connection_id", "kind", "request_id"],
        )
        .await?;
        partial_index(
            manager,
            "ix_privacy_request_due",
            "privacy_request",
            "available_at, id",
            "status = 'PENDING'",
            false,
        )
        .await?;

        for care in [
            optional("authorized_at", Instant),
            optional("scopes_changed_at", Instant),
            optional("tended_at", Instant),
            optional("tending_error", Text),
        ] {
            let mut alter = Table::alter();
            alter.table("connection").add_column(care);
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
