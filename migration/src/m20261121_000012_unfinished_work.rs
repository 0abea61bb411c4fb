//! What a lane remembers of work that never came to an end: how often the page where it stands took its worker with it, and which record of
//! the page is being applied alone to find the one that does.

use crate::table::Of::{Int, Text};
use crate::table::{column, optional};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for added in [
            column("unfinished", Int).default(0).take(),
            optional("on_trial", Text),
        ] {
            let mut table = Table::alter();
            manager
                .alter_table(table.table("sync_cursor").add_column(added).take())
                .await?;
        }
        Ok(())
    }
}
