//! Vendors where each account has an address of its own, doors that belong to one connection, and headers that say what a delivery is.

use crate::table::Of::{Json, Text};
use crate::table::{column, optional, partial_index};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [
            ("authorization_request", "site"),
            ("connect_ticket", "site"),
            ("connection", "site"),
            ("connection", "hook_hash"),
            ("connection", "hook"),
            ("inbound_webhook", "tenant_id"),
        ] {
            add(manager, table, optional(column, Text)).await?;
        }
        let mut headers = column("headers", Json);
        headers.default("[]");
        add(manager, "inbound_webhook", headers).await?;
        partial_index(
            manager,
            "ux_connection_hook",
            "connection",
            "connector, hook_hash",
            "hook_hash IS NOT NULL",
            true,
        )
        .await
    }
}

async fn add(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: ColumnDef,
) -> Result<(), DbErr> {
    let mut alter = Table::alter();
    alter.table(table).add_column(column);
    manager.alter_table(alter).await
}
