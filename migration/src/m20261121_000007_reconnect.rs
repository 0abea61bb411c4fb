//! Consents begun in the API: the tickets that carry them into a browser, and the connection that a consent is meant to renew.

use crate::table::Of::{Instant, Text, Uuid};
use crate::table::{column, create, index, optional};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut renews = Table::alter();
        renews
            .table("authorization_request")
            .add_column(optional("connection_id", Uuid));
        manager.alter_table(renews).await?;

        let mut key = column("ticket_hash", Text);
        key.primary_key();
        let connect_ticket = vec![
            key,
            column("connector", Text),
            optional("connection_id", Uuid),
            column("subject", Text),
            column("created_at", Instant),
            optional("used_at", Instant),
        ];
        create(manager, "connect_ticket", connect_ticket).await?;
        index(manager, "connect_ticket", &["created_at"]).await
    }
}
