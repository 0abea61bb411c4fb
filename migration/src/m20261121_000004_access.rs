//! Keys that sign tokens, consents under way, and kept answers of repeated requests.

use crate::table::Of::{Instant, Text, Uuid};
use crate::table::{column, create_keyed, index, optional};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let signing_key = vec![
            column("kid", Text),
            column("sealed", Text),
            column("created_at", Instant),
        ];
        create_keyed(manager, "signing_key", signing_key, &["kid"]).await?;

        let authorization_request = vec![
            column("state_hash", Text),
            column("connector", Text),
            column("sealed_verifier", Text),
            column("cookie_hash", Text),
            column("subject", Text),
            column("redirect_uri", Text),
            column("created_at", Instant),
            optional("used_at", Instant),
        ];
        create_keyed(
            manager,
            "authorization_request",
            authorization_request,
            &["state_hash"],
        )
        .await?;

        let idempotency_key = vec![
            column("caller", Text),
            column("key", Text),
            column("request", Text),
            column("subject_id", Uuid),
            column("created_at", Instant),
        ];
        create_keyed(
            manager,
            "idempotency_key",
            idempotency_key,
            &["caller", "key"],
        )
        .await?;
        index(manager, "idempotency_key", &["created_at"]).await
    }
}
