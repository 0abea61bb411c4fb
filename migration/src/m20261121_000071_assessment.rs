//! What candidates are scored by, and how they were; and why one was approved all the same.

use crate::table::Of::{BigInt, Bool, Instant, Int, Json, Text, Uuid};
use crate::table::{column, create_with_keys, index, optional};
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
        let scheme = vec![
            id,
            column("created_at", Instant),
            column("name", Text),
            column("description", Text),
            column("criteria", Json),
            column("threshold_centi", Int),
            column("published_by", Text),
        ];
        create_with_keys(manager, "assessment_scheme", scheme, &[]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let assessment = vec![
            id,
            column("created_at", Instant),
            column("scheme_id", Uuid),
            optional("application_id", Uuid),
            optional("partnership_id", Uuid),
            column("scores", Json),
            column("numerator", BigInt),
            column("denominator", BigInt),
            column("meets", Bool),
            optional("note", Text),
            column("assessed_by", Text),
        ];
        let keys = [
            ("scheme_id", "assessment_scheme"),
            ("application_id", "partner_application"),
            ("partnership_id", "partnership"),
        ];
        create_with_keys(manager, "assessment", assessment, &keys).await?;
        index(manager, "assessment", &["application_id", "id"]).await?;
        index(manager, "assessment", &["partnership_id", "id"]).await?;

        let mut application = Table::alter();
        application
            .table("partner_application")
            .add_column(optional("override_reason", Text));
        manager.alter_table(application).await
    }
}
