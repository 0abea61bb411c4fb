//! Indexes over what is there: an event that concerns no single partner is looked up by none, and most of them do not.
//!
//! A first synchronisation writes an event a record, and each index of the log is one more place to write to.

use crate::table::partial_index;
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
        let old = "DROP INDEX ix_event_partner_id_position_seq";
        manager.get_connection().execute_unprepared(old).await?;
        partial_index(
            manager,
            "ix_event_partner",
            "event",
            "partner_id, position, seq",
            "partner_id IS NOT NULL",
            false,
        )
        .await
    }
}
