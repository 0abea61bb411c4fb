//! What a token is, for the client it was made for (RFC 7662).
//!
//! Refuses to tell anybody else: a token of another client is as unknown as one that never was. The programme owner's own software may ask about any
//! token, for it serves others in the owner's name. A client that cannot prove itself is told nothing at all.

use super::AuthorizationServer;
use super::client_auth::ClientRequest;
use super::refusal::{Code, Refusal, Result};
use entities::oauth_client::{self, AuthMethod};
use entities::{oauth_grant, refresh_token};
use serde_json::{Value, json};

impl AuthorizationServer {
    /// Answers a request about a token.
    ///
    /// # Errors
    /// A refusal, or a fault of the database.
    pub async fn introspect(&self, request: &ClientRequest<'_>) -> Result<Value> {
        let client = self.authenticate(request).await?;
        if client.auth_method == AuthMethod::None {
            let why = "A client that cannot prove itself is told nothing of tokens.";
            return Err(Refusal::new(Code::InvalidClient, why).into());
        }
        let token = request.parameters.one("token")?;
        let token = token.ok_or(Refusal::request("token is missing."))?;
        let told = match self.access_token(&client, token) {
            Some(told) => Some(told),
            None => self.refresh_token(&client, token).await?,
        };
        Ok(told.unwrap_or_else(|| json!({ "active": false })))
    }

    fn access_token(&self, asking: &oauth_client::Model, token: &str) -> Option<Value> {
        let claims = self.tokens.verify(token).ok()?;
        let own = asking.id.to_string();
        let is_the_owners = asking.partner_id.is_none();
        (claims.client_id == own || is_the_owners).then(|| {
            json!({
                "active": true,
                "token_type": "Bearer",
                "iss": self.tokens.issuer(),
                "aud": self.tokens.audience(),
                "sub": claims.viewer.subject(),
                "client_id": claims.client_id,
                "scope": claims.viewer.scopes().to_claim(),
                "iat": claims.issued_at.secs(),
                "exp": claims.expires_at.secs(),
                "jti": claims.token_id,
            })
        })
    }

    async fn refresh_token(
        &self,
        asking: &oauth_client::Model,
        token: &str,
    ) -> Result<Option<Value>> {
        let now = self.database.now();
        let row = refresh_token::find(self.database.read(), token).await?;
        let Some(row) = row.filter(|row| row.used_at.is_none() && now < row.expires_at) else {
            return Ok(None);
        };
        let grant = oauth_grant::find(self.database.read(), row.grant_id).await?;
        // A refresh token is nobody's business but its client's: it is presented to us only.
        let grant = grant.filter(|grant| grant.is_live() && grant.client_id == asking.id);
        Ok(grant.map(|grant| {
            json!({
                "active": true,
                "iss": self.tokens.issuer(),
                "sub": grant.user_id,
                "client_id": grant.client_id,
                "scope": row.scope,
                "iat": row.created_at.secs(),
                "exp": row.expires_at.secs(),
            })
        }))
    }
}
