//! Whether a partner was ever shown an agreement: a draft that was withdrawn is no business of its partner's.

use crate::table::Of::Bool;
use crate::table::column;
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
        let shown = column("shown", Bool).default(false).take();
        let mut table = Table::alter();
        manager
            .alter_table(table.table("agreement").add_column(shown).take())
            .await?;
        // What was withdrawn from the negotiation or later has come there by a step of its own, before the withdrawal.
        let known = "UPDATE agreement SET shown = TRUE WHERE status NOT IN ('DRAFT', 'WITHDRAWN') OR (status = 'WITHDRAWN' AND 1 < \
                     (SELECT COUNT(*) FROM event WHERE event.subject_id = agreement.id AND event.kind = 'agreement.status_changed'))";
        manager.get_connection().execute_unprepared(known).await?;
        Ok(())
    }
}
