//! The turn of those who take something from an administrator: of two who take it from each other, the second finds one left.

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
        let turn = "INSERT INTO turn (name) VALUES ('administrators')";
        manager.get_connection().execute_unprepared(turn).await?;
        Ok(())
    }
}
