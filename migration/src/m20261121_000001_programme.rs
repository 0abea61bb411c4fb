//! Partners, their partnerships and people, customers, deals and who shares in them.

use crate::table::Of::{BigInt, Date, Instant, Int, Json, Text, Uuid};
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
        let partner = row(vec![
            column("name", Text),
            optional("domain", Text),
            optional("website", Text),
            optional("country", Text),
            column("regions", Json),
            column("verticals", Json),
            optional("employees", Int),
            optional("description", Text),
            column("status", Text),
            optional("parent_id", Uuid),
            column("tags", Json),
            optional("archived_at", Instant),
        ]);
        create_with_keys(manager, "partner", partner, &[("parent_id", "partner")]).await?;
        partial_index(
            manager,
            "ux_partner_domain",
            "partner",
            "domain",
            "domain IS NOT NULL",
            true,
        )
        .await?;
        index(manager, "partner", &["updated_at", "id"]).await?;
        index(manager, "partner", &["name", "id"]).await?;
        index(manager, "partner", &["status", "id"]).await?;

        let customer = row(vec![
            column("name", Text),
            optional("domain", Text),
            optional("country", Text),
            optional("segment", Text),
            optional("archived_at", Instant),
        ]);
        create_with_keys(manager, "customer", customer, &[]).await?;
        index(manager, "customer", &["updated_at", "id"]).await?;
        index(manager, "customer", &["name", "id"]).await?;
        index(manager, "customer", &["domain"]).await?;

        let contact = row(vec![
            optional("partner_id", Uuid),
            optional("customer_id", Uuid),
            column("name", Text),
            optional("email", Text),
            optional("phone", Text),
            optional("title", Text),
            column("roles", Json),
            optional("archived_at", Instant),
        ]);
        create_with_keys(
            manager,
            "contact",
            contact,
            &[("partner_id", "partner"), ("customer_id", "customer")],
        )
        .await?;
        index(manager, "contact", &["updated_at", "id"]).await?;
        index(manager, "contact", &["name", "id"]).await?;
        index(manager, "contact", &["partner_id", "id"]).await?;
        index(manager, "contact", &["customer_id", "id"]).await?;
        index(manager, "contact", &["email"]).await?;

        let partnership = row(vec![
            column("partner_id", Uuid),
            column("kind", Text),
            column("models", Json),
            column("stage", Text),
            column("status", Text),
            column("priority", Text),
            optional("dri", Text),
            optional("value_for_us", Text),
            optional("value_for_them", Text),
            optional("value_for_customers", Text),
            optional("revenue_target_minor", BigInt),
            optional("revenue_target_currency", Text),
            optional("timeline_months", Int),
            column("tags", Json),
            optional("started_at", Instant),
            optional("live_at", Instant),
            optional("ended_at", Instant),
            optional("ended_reason", Text),
        ]);
        create_with_keys(
            manager,
            "partnership",
            partnership,
            &[("partner_id", "partner")],
        )
        .await?;
        index(manager, "partnership", &["partner_id", "id"]).await?;
        index(manager, "partnership", &["updated_at", "id"]).await?;
        index(manager, "partnership", &["stage", "id"]).await?;

        let deal = row(vec![
            column("name", Text),
            optional("customer_id", Uuid),
            column("stage", Text),
            optional("source_stage", Text),
            optional("amount_minor", BigInt),
            optional("amount_currency", Text),
            optional("expected_close_on", Date),
            optional("closed_at", Instant),
            optional("lost_reason", Text),
            optional("owner_name", Text),
            optional("owner_email", Text),
            column("products", Json),
            optional("archived_at", Instant),
        ]);
        create_with_keys(manager, "deal", deal, &[("customer_id", "customer")]).await?;
        index(manager, "deal", &["updated_at", "id"]).await?;
        index(manager, "deal", &["stage", "updated_at", "id"]).await?;
        index(manager, "deal", &["stage", "id"]).await?;
        index(manager, "deal", &["customer_id", "id"]).await?;
        index(manager, "deal", &["expected_close_on", "id"]).await?;
        index(manager, "deal", &["closed_at", "id"]).await?;
        index(manager, "deal", &["amount_currency", "amount_minor", "id"]).await?;
        index(manager, "deal", &["amount_minor", "id"]).await?;

        let deal_partner = row(vec![
            column("deal_id", Uuid),
            column("partnership_id", Uuid),
            column("partner_id", Uuid),
            column("role", Text),
            column("weight_bp", Int),
        ]);
        let keys = [
            ("deal_id", "deal"),
            ("partnership_id", "partnership"),
            ("partner_id", "partner"),
        ];
        create_with_keys(manager, "deal_partner", deal_partner, &keys).await?;
        unique(
            manager,
            "deal_partner",
            &["deal_id", "partnership_id", "role"],
        )
        .await?;
        index(manager, "deal_partner", &["partner_id", "deal_id"]).await?;
        index(manager, "deal_partner", &["partnership_id"]).await?;
        Ok(())
    }
}
