//! Chats tell of registrations too: what a message is about is no longer always a deal. And who a chat's people are here, and what they decided. And what is
//! done once a day.

use crate::table::Of::{Date, Instant, Text, Uuid};
use crate::table::{column, create_keyed, create_with_keys, index, optional, unique};
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
        for table in ["chat_message", "chat_post"] {
            let about = format!("ALTER TABLE {table} RENAME COLUMN deal_id TO subject_id");
            let kind =
                format!("ALTER TABLE {table} ADD COLUMN subject_kind text NOT NULL DEFAULT 'deal'");
            for statement in [about, kind] {
                manager
                    .get_connection()
                    .execute_unprepared(&statement)
                    .await?;
            }
        }
        index(manager, "deal_registration", &["deal_id"]).await?;
        let daily = vec![
            column("task", Text),
            column("subject_id", Uuid),
            column("done_on", Date),
        ];
        create_keyed(manager, "daily", daily, &["task", "subject_id"]).await?;
        let chat_user = vec![
            column("connection_id", Uuid),
            column("external_id", Text),
            column("user_id", Uuid),
            column("created_at", Instant),
        ];
        create_keyed(
            manager,
            "chat_user",
            chat_user,
            &["connection_id", "external_id"],
        )
        .await?;
        index(manager, "chat_user", &["user_id"]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let registration_press = vec![
            id,
            column("created_at", Instant),
            column("registration_id", Uuid),
            column("event_id", Uuid),
            column("connection_id", Uuid),
            column("external_user_id", Text),
            optional("user_id", Uuid),
            column("wish", Text),
            column("outcome", Text),
            column("occurred_at", Instant),
            column("dedupe_key", Text),
        ];
        let keys = [
            ("registration_id", "deal_registration"),
            ("connection_id", "connection"),
        ];
        create_with_keys(manager, "registration_press", registration_press, &keys).await?;
        unique(
            manager,
            "registration_press",
            &["connection_id", "dedupe_key"],
        )
        .await?;
        index(manager, "registration_press", &["registration_id", "id"]).await
    }
}
