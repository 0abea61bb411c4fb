//! How workers find what is due: by connection, resource and instant, over the rows that live; and how people find what is dead.
//!
//! A row that is being worked on is due at the end of its lease. Rows that were claimed before this are made to say so.

use crate::table::{is_postgres, partial_index};
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
        let run = async |statement: String| {
            let connection = manager.get_connection();
            connection.execute_unprepared(&statement).await.map(drop)
        };
        run("DROP INDEX ix_outbound_push_due".to_owned()).await?;
        run("DROP INDEX ix_inbound_signal_dead_available_at".to_owned()).await?;
        for (table, key) in [
            ("outbound_push", "connection_id, subject_id"),
            ("inbound_signal", "connection_id, resource, external_id"),
        ] {
            run(format!(
                "UPDATE {table} SET available_at = lease_until WHERE lease_until IS NOT NULL AND dead = false"
            ))
            .await?;
            let due = "connection_id, resource, available_at";
            let name = format!("ix_{table}_due");
            partial_index(manager, &name, table, due, "dead = false", false).await?;
            let name = format!("ix_{table}_dead");
            partial_index(manager, &name, table, key, "dead = true", false).await?;
            if is_postgres(manager) {
                // What was worked off lies at the front of the index until it is vacuumed, and every claim walks over it; a share of a
                // long queue would be too much of that.
                run(format!(
                    "ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)"
                ))
                .await?;
            }
        }
        let (name, table) = ("ix_inbound_webhook_dead", "inbound_webhook");
        partial_index(
            manager,
            name,
            table,
            "connector, id",
            "state = 'DEAD'",
            false,
        )
        .await
    }
}
