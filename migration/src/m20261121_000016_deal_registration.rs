//! Deal registrations: what partners claim, the cells that keep one approved claim apart from every other, and what was asked about accounts.

use crate::table::Of::{BigInt, Bool, Bytes, Date, Instant, Int, Json, Text, Uuid};
use crate::table::{
    column, create_keyed, create_with_keys, index, is_postgres, optional, partial_index, row,
};
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
        let deal_registration = row(vec![
            // Rises with every submission: who came first at the same instant.
            column("turn", BigInt),
            column("partnership_id", Uuid),
            column("partner_id", Uuid),
            optional("program_id", Uuid),
            column("status", Text),
            column("account_name", Text),
            optional("account_domain", Text),
            optional("account_country", Text),
            optional("account_duns", Text),
            column("contact_name", Text),
            optional("contact_email", Text),
            column("products", Json),
            column("territories", Json),
            optional("value_minor", BigInt),
            optional("value_currency", Text),
            optional("expected_close_on", Date),
            column("use_case", Text),
            optional("submitted_at", Instant),
            optional("protected_until", Instant),
            column("extensions", Int),
            optional("decided_at", Instant),
            optional("decided_by", Text),
            // What the partner is told; what it is not is a note.
            optional("decision", Text),
            optional("deal_id", Uuid),
            optional("receipt", Bytes),
            optional("receipt_signature", Bytes),
            optional("expiring_announced_at", Instant),
        ]);
        let keys = [
            ("partnership_id", "partnership"),
            ("partner_id", "partner"),
            ("program_id", "program"),
            ("deal_id", "deal"),
        ];
        create_with_keys(manager, "deal_registration", deal_registration, &keys).await?;
        index(manager, "deal_registration", &["partner_id", "id"]).await?;
        index(
            manager,
            "deal_registration",
            &["status", "submitted_at", "id"],
        )
        .await?;
        index(manager, "deal_registration", &["updated_at", "id"]).await?;
        partial_index(
            manager,
            "ix_deal_registration_protected",
            "deal_registration",
            "protected_until, id",
            "status = 'APPROVED'",
            false,
        )
        .await?;

        // The spellings under which a registration's account is known, to be found by others.
        let registration_key = vec![column("registration_id", Uuid), column("key", Text)];
        create_keyed(
            manager,
            "registration_key",
            registration_key,
            &["registration_id", "key"],
        )
        .await?;
        index(manager, "registration_key", &["key"]).await?;

        // The claim: one approved registration a cell, by the database's own rule.
        let registration_cell = vec![
            column("key", Text),
            column("product", Text),
            column("territory", Text),
            column("registration_id", Uuid),
        ];
        let cell = ["key", "product", "territory"];
        create_keyed(manager, "registration_cell", registration_cell, &cell).await?;
        index(manager, "registration_cell", &["registration_id"]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let registration_note = vec![
            id,
            column("created_at", Instant),
            column("registration_id", Uuid),
            column("partner_id", Uuid),
            column("kind", Text),
            column("internal", Bool),
            column("author", Text),
            column("text", Text),
        ];
        let keys = [
            ("registration_id", "deal_registration"),
            ("partner_id", "partner"),
        ];
        create_with_keys(manager, "registration_note", registration_note, &keys).await?;
        index(manager, "registration_note", &["registration_id", "id"]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let account_check = vec![
            id,
            column("created_at", Instant),
            column("partner_id", Uuid),
            column("actor", Text),
            column("account_key", Text),
            column("answer", Text),
        ];
        create_with_keys(
            manager,
            "account_check",
            account_check,
            &[("partner_id", "partner")],
        )
        .await?;
        index(manager, "account_check", &["partner_id", "created_at"]).await?;

        // Customers by the beginning of their name, however it is spelled.
        let names = if is_postgres(manager) {
            "CREATE INDEX ix_customer_lower_name ON customer (lower(name) text_pattern_ops)"
        } else {
            "CREATE INDEX ix_customer_lower_name ON customer (lower(name))"
        };
        manager.get_connection().execute_unprepared(names).await?;
        Ok(())
    }
}
