//! Who signs in, the software that asks for tokens, what was allowed to it, and the chain that seals the event log.

use crate::table::Of::{BigInt, Instant, Int, Json, Text, Uuid};
use crate::table::{column, create_keyed, create_with_keys, index, optional, row, unique};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        people(manager).await?;
        clients(manager).await?;
        grants(manager).await?;
        signing_keys(manager).await?;
        audit(manager).await
    }
}

async fn people(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let user = row(vec![
        optional("partner_id", Uuid),
        column("role", Text),
        column("name", Text),
        column("email", Text),
        column("status", Text),
        optional("password_hash", Text),
        // Rises when what its tokens say is no longer so; a token of an earlier epoch is worth nothing.
        column("token_epoch", BigInt),
        optional("last_signed_in_at", Instant),
        optional("erased_at", Instant),
    ]);
    create_with_keys(manager, "user_account", user, &[("partner_id", "partner")]).await?;
    unique(manager, "user_account", &["email"]).await?;
    index(manager, "user_account", &["partner_id", "id"]).await?;

    let identity_provider = row(vec![
        column("partner_id", Uuid),
        column("name", Text),
        column("issuer", Text),
        column("client_id", Text),
        column("sealed_secret", Text),
        // The domains of the addresses it may speak for.
        column("domains", Json),
        optional("disabled_at", Instant),
    ]);
    let key = [("partner_id", "partner")];
    create_with_keys(manager, "identity_provider", identity_provider, &key).await?;
    index(manager, "identity_provider", &["partner_id"]).await?;

    let user_identity = vec![
        column("issuer", Text),
        column("subject", Text),
        column("user_id", Uuid),
        column("created_at", Instant),
    ];
    create_keyed(
        manager,
        "user_identity",
        user_identity,
        &["issuer", "subject"],
    )
    .await?;
    index(manager, "user_identity", &["user_id"]).await?;

    // An invitation or a forgotten password: good once, known by its hash.
    let user_ticket = vec![
        column("ticket_hash", Text),
        column("purpose", Text),
        column("user_id", Uuid),
        column("created_at", Instant),
        column("expires_at", Instant),
        optional("used_at", Instant),
    ];
    create_keyed(manager, "user_ticket", user_ticket, &["ticket_hash"]).await?;
    index(manager, "user_ticket", &["user_id", "purpose"]).await?;

    // A way to an identity provider and back.
    let sign_in_request = vec![
        column("state_hash", Text),
        column("cookie_hash", Text),
        optional("provider_id", Uuid),
        column("sealed_verifier", Text),
        column("nonce", Text),
        column("continue_to", Text),
        column("created_at", Instant),
        optional("used_at", Instant),
    ];
    create_keyed(manager, "sign_in_request", sign_in_request, &["state_hash"]).await?;
    index(manager, "sign_in_request", &["created_at"]).await?;

    let mut id = column("id", Uuid);
    id.primary_key();
    let session = vec![
        id,
        column("user_id", Uuid),
        column("secret_hash", Text),
        // The secret before the last rotation, for requests that were under way.
        optional("previous_hash", Text),
        column("rotated_at", Instant),
        column("created_at", Instant),
        column("last_used_at", Instant),
        column("expires_at", Instant),
        optional("ended_at", Instant),
        column("method", Text),
        optional("user_agent", Text),
    ];
    create_with_keys(manager, "session", session, &[("user_id", "user_account")]).await?;
    unique(manager, "session", &["secret_hash"]).await?;
    index(manager, "session", &["previous_hash"]).await?;
    index(manager, "session", &["user_id"]).await?;

    // Failures in a row, by what was tried: an account's address or a client, as a keyed hash.
    let failed_attempt = vec![
        column("subject", Text),
        column("failures", Int),
        column("last_failed_at", Instant),
        optional("locked_until", Instant),
    ];
    create_keyed(manager, "failed_attempt", failed_attempt, &["subject"]).await?;
    index(manager, "failed_attempt", &["last_failed_at"]).await
}

async fn clients(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let oauth_client = row(vec![
        optional("partner_id", Uuid),
        column("name", Text),
        // How it proves itself: none, client_secret_basic, client_secret_post, private_key_jwt.
        column("auth_method", Text),
        optional("secret_hash", Text),
        optional("previous_secret_hash", Text),
        optional("previous_secret_until", Instant),
        optional("jwks", Json),
        column("redirect_uris", Json),
        column("grant_types", Json),
        column("scope", Text),
        column("token_epoch", BigInt),
        column("created_by", Text),
        optional("last_used_at", Instant),
        optional("disabled_at", Instant),
    ]);
    create_with_keys(
        manager,
        "oauth_client",
        oauth_client,
        &[("partner_id", "partner")],
    )
    .await?;
    index(manager, "oauth_client", &["partner_id", "id"]).await?;

    // A client's signed assertion counts once.
    let client_assertion = vec![
        column("client_id", Uuid),
        column("token_id", Text),
        column("expires_at", Instant),
    ];
    let key = ["client_id", "token_id"];
    create_keyed(manager, "client_assertion", client_assertion, &key).await?;
    index(manager, "client_assertion", &["expires_at"]).await
}

async fn grants(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut id = column("id", Uuid);
    id.primary_key();
    let oauth_grant = vec![
        id,
        column("client_id", Uuid),
        column("user_id", Uuid),
        column("scope", Text),
        column("created_at", Instant),
        optional("last_used_at", Instant),
        optional("revoked_at", Instant),
        optional("revoked_because", Text),
    ];
    let keys = [("client_id", "oauth_client"), ("user_id", "user_account")];
    create_with_keys(manager, "oauth_grant", oauth_grant, &keys).await?;
    index(manager, "oauth_grant", &["user_id", "client_id"]).await?;
    index(manager, "oauth_grant", &["client_id"]).await?;

    let authorization_code = vec![
        column("code_hash", Text),
        column("client_id", Uuid),
        column("user_id", Uuid),
        // The person's when they agreed: whoever has another role since then agrees anew.
        column("subject_epoch", BigInt),
        column("grant_id", Uuid),
        column("redirect_uri", Text),
        column("scope", Text),
        column("resource", Text),
        column("code_challenge", Text),
        column("created_at", Instant),
        column("expires_at", Instant),
        optional("used_at", Instant),
    ];
    create_keyed(
        manager,
        "authorization_code",
        authorization_code,
        &["code_hash"],
    )
    .await?;
    index(manager, "authorization_code", &["expires_at"]).await?;

    let refresh_token = vec![
        column("token_hash", Text),
        column("grant_id", Uuid),
        column("scope", Text),
        column("created_at", Instant),
        column("expires_at", Instant),
        optional("used_at", Instant),
    ];
    create_keyed(manager, "refresh_token", refresh_token, &["token_hash"]).await?;
    index(manager, "refresh_token", &["grant_id"]).await?;
    index(manager, "refresh_token", &["expires_at"]).await?;

    // What is to be refused although it is signed and has not ended: a token, those of a grant, or those below an epoch of a person or client.
    let token_revocation = vec![
        column("kind", Text),
        column("subject", Text),
        column("epoch", BigInt),
        column("created_at", Instant),
        column("expires_at", Instant),
    ];
    create_keyed(
        manager,
        "token_revocation",
        token_revocation,
        &["kind", "subject"],
    )
    .await?;
    index(manager, "token_revocation", &["created_at"]).await?;
    index(manager, "token_revocation", &["expires_at"]).await
}

/// A key is published before it signs, and its tokens may outlive its time.
async fn signing_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut signs_from = column("signs_from", Instant);
    signs_from.default(0);
    let columns = [
        signs_from,
        // Until when a token of it lives that was made for longer than usual.
        optional("tokens_until", Instant),
        // From when nothing of it is believed, whatever was signed: it is known to others.
        optional("distrusted_at", Instant),
    ];
    for column in columns {
        let mut table = Table::alter();
        table.table("signing_key").add_column(column);
        manager.alter_table(table).await?;
    }
    Ok(())
}

async fn audit(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // One link for each event, in the order of the log.
    let audit_link = vec![
        column("number", BigInt),
        column("event_id", Uuid),
        column("position", BigInt),
        column("seq", BigInt),
        // Of what may be erased: the event's data, salted so that a short value cannot be guessed from its digest.
        column("salt", Text),
        column("data_digest", Text),
        column("digest", Text),
        optional("redacted_at", Instant),
    ];
    create_keyed(manager, "audit_link", audit_link, &["number"]).await?;
    unique(manager, "audit_link", &["event_id"]).await
}
