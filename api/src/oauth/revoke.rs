//! A client ends a token of its own (RFC 7009).
//!
//! An access token ends alone; a refresh token ends with its whole grant. The answer is the same whether there was anything to end: what is not the
//! client's is left alone without a word.

use super::AuthorizationServer;
use super::authorize::author;
use super::client_auth::ClientRequest;
use super::refusal::{Refusal, Result};
use entities::change::Change;
use entities::event::EventKind;
use entities::oauth_client;
use entities::{oauth_grant, refresh_token, token_revocation};
use serde_json::json;

impl AuthorizationServer {
    /// Ends a token.
    ///
    /// # Errors
    /// A refusal, or a fault of the database.
    pub async fn revoke(&self, request: &ClientRequest<'_>) -> Result<()> {
        let client = self.authenticate(request).await?;
        let token = request.parameters.one("token")?;
        let token = token.ok_or(Refusal::request("token is missing."))?;
        let mut change = Change::begin(&self.database, author(client.id.to_string())).await?;
        if let Ok(claims) = self.tokens.verify(token) {
            if claims.client_id == client.id.to_string() {
                let ends = claims.expires_at;
                token_revocation::revoke_token(&mut change, &claims.token_id, ends).await?;
                let data = json!({ "token": claims.token_id, "subject": claims.viewer.subject() });
                change.record(oauth_client::about(
                    EventKind::OAuthTokenRevoked,
                    &client,
                    data,
                ));
            }
        } else {
            self.end_refresh_token(&mut change, &client, token).await?;
        }
        change.commit().await?;
        Ok(())
    }

    async fn end_refresh_token(
        &self,
        change: &mut Change,
        client: &oauth_client::Model,
        token: &str,
    ) -> Result<()> {
        let Some(row) = refresh_token::find(change.transaction(), token).await? else {
            return Ok(());
        };
        let grant = oauth_grant::find(change.transaction(), row.grant_id).await?;
        if let Some(grant) = grant.filter(|grant| grant.client_id == client.id) {
            oauth_grant::revoke(change, &grant, "client").await?;
        }
        Ok(())
    }
}
