//! Automations: what is to be said or called when something happens, and the log of what they did.

use crate::table::Of::{BigInt, Instant, Int, Json, Text, Uuid};
use crate::table::{
    column, create, create_with_keys, index, is_postgres, optional, partial_index, row,
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
        let automation = row(vec![
            column("name", Text),
            column("kind", Text),
            column("partners", Json),
            column("selection", Text),
            column("conditions", Json),
            column("action", Json),
            column("owner", Json),
            column("per_hour", Int),
            column("status", Text),
            optional("disabled_reason", Text),
            column("enabled_at", Instant),
        ]);
        create(manager, "automation", automation).await?;
        index(manager, "automation", &["created_at", "id"]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let automation_run = vec![
            id,
            column("created_at", Instant),
            column("automation_id", Uuid),
            column("event_id", Uuid),
            column("kind", Text),
            column("state", Text),
            optional("sent_at", Instant),
            column("attempts", Int),
            column("available_at", Instant),
            optional("lease_owner", Uuid),
            optional("lease_until", Instant),
            column("fence", BigInt),
            optional("settled_at", Instant),
            optional("error", Text),
        ];
        let keys = [("automation_id", "automation")];
        create_with_keys(manager, "automation_run", automation_run, &keys).await?;
        index(manager, "automation_run", &["automation_id", "created_at"]).await?;
        for (name, columns, condition, unique) in [
            (
                "ux_automation_run_event",
                "automation_id, event_id",
                "event_id IS NOT NULL",
                true,
            ),
            (
                "ix_automation_run_due",
                "available_at, id",
                "state = 'PENDING'",
                false,
            ),
            (
                "ix_automation_run_event",
                "event_id",
                "state = 'PENDING'",
                false,
            ),
            (
                "ix_automation_run_settled",
                "settled_at",
                "state <> 'PENDING'",
                false,
            ),
        ] {
            partial_index(manager, name, "automation_run", columns, condition, unique).await?;
        }
        let database = manager.get_connection();
        // An endpoint may hear of nothing but what an automation calls it for.
        let called =
            "ALTER TABLE webhook_endpoint ADD COLUMN only_called boolean NOT NULL DEFAULT false";
        database.execute_unprepared(called).await?;
        if is_postgres(manager) {
            let often = "ALTER TABLE automation_run SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)";
            database.execute_unprepared(often).await?;
        }
        Ok(())
    }
}
