//! Companies that apply to a programme, and which programmes are open to them: none of those that are there.

use crate::table::Of::{Bool, Instant, Int, Text, Uuid};
use crate::table::{column, create_with_keys, index, optional, partial_index, row};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut open = column("accepts_applications", Bool);
        open.default(false);
        let mut program = Table::alter();
        program.table("program").add_column(open);
        manager.alter_table(program).await?;

        let application = row(vec![
            column("program_id", Uuid),
            optional("partner_id", Uuid),
            optional("partnership_id", Uuid),
            column("source", Text),
            column("status", Text),
            column("kind", Text),
            column("company_name", Text),
            optional("domain", Text),
            optional("website", Text),
            optional("country", Text),
            optional("employees", Int),
            column("contact_name", Text),
            optional("contact_email", Text),
            column("message", Text),
            column("submitted_by", Text),
            optional("question", Text),
            optional("answer_until", Instant),
            optional("answer", Text),
            optional("reason", Text),
            optional("internal_note", Text),
            optional("decided_by", Text),
            optional("decided_at", Instant),
        ]);
        let keys = [
            ("program_id", "program"),
            ("partner_id", "partner"),
            ("partnership_id", "partnership"),
        ];
        create_with_keys(manager, "partner_application", application, &keys).await?;
        for columns in [
            &["status", "id"][..],
            &["program_id", "id"],
            &["partner_id", "id"],
            &["domain"],
            &["created_at", "id"],
        ] {
            index(manager, "partner_application", columns).await?;
        }
        // A partner asks for the same thing once at a time, whatever code does.
        partial_index(
            manager,
            "ux_partner_application_open",
            "partner_application",
            "program_id, partner_id, kind",
            "partner_id IS NOT NULL AND status IN ('SUBMITTED', 'IN_REVIEW', 'INFORMATION_REQUESTED')",
            true,
        )
        .await?;
        partial_index(
            manager,
            "ix_partner_application_unanswered",
            "partner_application",
            "answer_until, id",
            "status = 'INFORMATION_REQUESTED'",
            false,
        )
        .await
    }
}
