//! Which of a partner's provider's domains staff has confirmed: none of those that are there, for nobody was asked.

use crate::table::Of::Json;
use crate::table::column;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut confirmed = column("confirmed_domains", Json);
        confirmed.default("[]");
        let mut table = Table::alter();
        table.table("identity_provider").add_column(confirmed);
        manager.alter_table(table).await
    }
}
