//! What is told in chats: messages on their way, the pace of each channel, where messages are, and what people answered.

use crate::table::Of::{BigInt, Bool, Instant, Int, Text, Uuid};
use crate::table::{
    column, create_keyed, create_with_keys, index, is_postgres, optional, partial_index, unique,
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
        let chat_message = vec![
            column("connection_id", Uuid),
            column("event_id", Uuid),
            column("resource", Text),
            column("deal_id", Uuid),
            column("generation", BigInt),
            column("first_seen_at", Instant),
            optional("sent_at", Instant),
            column("attempts", Int),
            column("available_at", Instant),
            optional("lease_owner", Uuid),
            optional("lease_until", Instant),
            column("fence", BigInt),
            column("dead", Bool),
            optional("error", Text),
        ];
        let key = ["connection_id", "event_id"];
        create_keyed(manager, "chat_message", chat_message, &key).await?;
        index(manager, "chat_message", &["deal_id"]).await?;
        for (name, columns, condition) in [
            (
                "ix_chat_message_due",
                "connection_id, resource, available_at",
                "dead = false",
            ),
            (
                "ix_chat_message_dead",
                "connection_id, event_id",
                "dead = true",
            ),
        ] {
            partial_index(manager, name, "chat_message", columns, condition, false).await?;
        }
        if is_postgres(manager) {
            // As the other queues: what was worked off must not pile up at the front of the index.
            let often = "ALTER TABLE chat_message SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)";
            manager.get_connection().execute_unprepared(often).await?;
        }

        let chat_channel = vec![
            column("connection_id", Uuid),
            column("channel", Text),
            column("next_at", Instant),
            column("free_at", Instant),
        ];
        create_keyed(
            manager,
            "chat_channel",
            chat_channel,
            &["connection_id", "channel"],
        )
        .await?;

        let chat_post = vec![
            column("connection_id", Uuid),
            column("event_id", Uuid),
            column("deal_id", Uuid),
            column("channel", Text),
            column("external_id", Text),
            column("posted_at", Instant),
        ];
        create_keyed(manager, "chat_post", chat_post, &key).await?;
        index(manager, "chat_post", &["deal_id"]).await?;

        let mut id = column("id", Uuid);
        id.primary_key();
        let deal_confirmation = vec![
            id,
            column("created_at", Instant),
            column("deal_id", Uuid),
            column("outcome", Text),
            column("decision", Text),
            column("event_id", Uuid),
            column("connection_id", Uuid),
            column("user_id", Text),
            optional("user_name", Text),
            column("occurred_at", Instant),
            column("dedupe_key", Text),
            optional("superseded_at", Instant),
        ];
        create_with_keys(
            manager,
            "deal_confirmation",
            deal_confirmation,
            &[("deal_id", "deal"), ("connection_id", "connection")],
        )
        .await?;
        unique(
            manager,
            "deal_confirmation",
            &["connection_id", "dedupe_key"],
        )
        .await?;
        index(manager, "deal_confirmation", &["deal_id", "id"]).await?;
        index(manager, "deal_confirmation", &["event_id", "id"]).await
    }
}
