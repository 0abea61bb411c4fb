//! Indexes by which auditors read the log: what is about access, and who did it. Both leave out what a synchronisation brings, which is most of it
//! and would have to be written to one more place.

use crate::table::partial_index;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = "position, seq, occurred_at";
        let about_access =
            "substr(kind, 1, 5) IN ('user.', 'sessi', 'ident', 'oauth', 'signi', 'perso')";
        partial_index(
            manager,
            "ix_event_audit",
            "event",
            columns,
            about_access,
            false,
        )
        .await?;
        let columns = "actor, position, seq, occurred_at";
        let not_sync = "actor <> 'sync'";
        partial_index(manager, "ix_event_actor", "event", columns, not_sync, false).await
    }
}
