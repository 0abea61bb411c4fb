//! What the programme wants to reach, and by when.

use crate::table::Of::{BigInt, Date, Instant, Text};
use crate::table::{column, create_with_keys, index, optional, row, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let goal = row(vec![
            column("key", Text),
            column("name", Text),
            column("metric", Text),
            column("scope", Text),
            column("unit", Text),
            optional("currency", Text),
            optional("baseline_micros", BigInt),
            column("target_micros", BigInt),
            optional("due_on", Date),
            optional("owner", Text),
            optional("benchmark", Text),
            optional("archived_at", Instant),
        ]);
        create_with_keys(manager, "goal", goal, &[]).await?;
        unique(manager, "goal", &["key"]).await?;
        index(manager, "goal", &["due_on", "id"]).await
    }
}
