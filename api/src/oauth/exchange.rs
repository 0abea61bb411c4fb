//! Tokens for a code, for a refresh token, or for a client itself (RFC 6749, sections 4.1.3, 4.4 and 6).
//!
//! **Once.** A code and a refresh token are used up by an UPDATE that only one of any number of requests can win, in the transaction that makes what
//! follows from them. A second use means that two have what one should have: the grant ends and with it everything that came of it, for nobody can tell
//! who of the two was first. An honest client whose answer was lost asks its person again; that is the price.
//!
//! **How much.** A token says what the person's role (or that of a partner's software) bounds, of what was allowed, of what the client may have now. A
//! refresh token keeps what was allowed and never more, however little was asked for in between.

use super::AuthorizationServer;
use super::authorize::{author, wanted};
use super::client_auth::ClientRequest;
use super::parameters::Parameters;
use super::pkce;
use super::refusal::{Code, OAuthError, Refusal, Result};
use super::token::{Basis, TokenRequest};
use entities::change::Change;
use entities::event::{EventKind, NewEvent};
use entities::id::OAuthGrantId;
use entities::oauth_client::{self, GrantType};
use entities::token_revocation::ACCESS_TOKEN_SECONDS;
use entities::viewer::{PartnerRole, Scopes, ViewerKind};
use entities::{authorization_code, oauth_grant, partner, refresh_token, user};
use secrecy::SecretString;
use serde_json::json;

/// What a client gets.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: SecretString,
    /// For how many seconds it is good.
    pub expires_in: i64,
    /// What it says.
    pub scopes: Scopes,
    /// What to exchange it for later, where the client may.
    pub refresh_token: Option<SecretString>,
}

/// Why the events say that people of a partner that does not take part get nothing.
const KEPT_OUT: &str = "the_partner_is_kept_out";

/// The one answer to a code or a refresh token that is not good, whatever is the matter with it.
const fn not_good() -> OAuthError {
    OAuthError::Refused(Refusal::new(
        Code::InvalidGrant,
        "The code or refresh token is not good: unknown, used, ended, or another client's.",
    ))
}

impl AuthorizationServer {
    /// Answers a request for tokens.
    ///
    /// # Errors
    /// A refusal, or a fault.
    pub async fn exchange(&self, request: &ClientRequest<'_>) -> Result<Tokens> {
        let parameters = request.parameters;
        let client = self.authenticate(request).await?;
        let name = parameters
            .one("grant_type")?
            .ok_or(Refusal::request("grant_type is missing."))?;
        let grant = GrantType::from_name(name).ok_or(Refusal::new(
            Code::UnsupportedGrantType,
            "There is no such grant_type here.",
        ))?;
        if !client.grant_types.has(grant) {
            let why = "The client is not registered for this grant_type.";
            return Err(Refusal::new(Code::UnauthorizedClient, why).into());
        }
        self.check_resource(parameters)?;
        match grant {
            GrantType::AuthorizationCode => self.for_code(&client, parameters).await,
            GrantType::RefreshToken => self.for_refresh_token(&client, parameters).await,
            GrantType::ClientCredentials => self.for_itself(&client, parameters).await,
        }
    }

    async fn for_code(
        &self,
        client: &oauth_client::Model,
        parameters: &Parameters,
    ) -> Result<Tokens> {
        let code = parameters
            .one("code")?
            .ok_or(Refusal::request("code is missing."))?;
        let redirect_uri = parameters
            .one("redirect_uri")?
            .ok_or(Refusal::request("redirect_uri is missing."))?;
        let verifier = parameters.one("code_verifier")?.ok_or(Refusal::request(
            "code_verifier is missing: PKCE is required (RFC 7636).",
        ))?;
        let row = authorization_code::find(self.database.read(), code).await?;
        let row = row.ok_or_else(not_good)?;
        if row.client_id != client.id {
            return Err(self
                .refused_grant(client, row.grant_id, "another_client")
                .await);
        }
        let change = self.begin(client).await?;
        // What is asked first is whether it was used: a second use is one, even by somebody who does not know the rest.
        if row.used_at.is_some() || !authorization_code::use_up(&change, &row).await? {
            self.end_reused(change, row.grant_id, "code").await?;
            return Err(not_good());
        }
        let is_bound = row.redirect_uri == redirect_uri
            && pkce::proves(verifier, &row.code_challenge)
            && row.resource == self.tokens.audience();
        if !is_bound || change.now() >= row.expires_at {
            // Nothing is written: whoever cannot prove that the code is theirs does not take it from whom it belongs to either.
            change.rollback().await?;
            let why = if is_bound { "ended" } else { "not_proved" };
            return Err(self.refused_grant(client, row.grant_id, why).await);
        }
        let grant = oauth_grant::find(change.transaction(), row.grant_id).await?;
        let user = user::find(change.transaction(), row.user_id).await?;
        let (Some(grant), Some(user)) = (grant.filter(oauth_grant::Model::is_live), user) else {
            change.rollback().await?;
            return Err(self.refused_grant(client, row.grant_id, "ended").await);
        };
        if !partner::takes_part(change.transaction(), user.partner_id).await? {
            change.rollback().await?;
            return Err(self.refused_grant(client, grant.id, KEPT_OUT).await);
        }
        if !user.is_active() || user.token_epoch != row.subject_epoch {
            change.rollback().await?;
            return Err(self
                .refused_grant(client, grant.id, "another_person_by_now")
                .await);
        }
        self.for_person(change, client, &user, &grant, row.scopes(), row.scopes())
            .await
    }

    async fn for_refresh_token(
        &self,
        client: &oauth_client::Model,
        parameters: &Parameters,
    ) -> Result<Tokens> {
        let token = parameters
            .one("refresh_token")?
            .ok_or(Refusal::request("refresh_token is missing."))?;
        let row = refresh_token::find(self.database.read(), token).await?;
        let row = row.ok_or_else(not_good)?;
        let grant = oauth_grant::find(self.database.read(), row.grant_id).await?;
        let grant = grant.ok_or_else(not_good)?;
        if grant.client_id != client.id {
            return Err(self.refused_grant(client, grant.id, "another_client").await);
        }
        let asked = wanted(parameters.one("scope")?, row.scopes())?;
        let change = self.begin(client).await?;
        if row.used_at.is_some() || !refresh_token::use_up(&change, &row).await? {
            self.end_reused(change, grant.id, "refresh_token").await?;
            return Err(not_good());
        }
        // Read again within the change: the grant may have ended meanwhile.
        let grant = oauth_grant::find(change.transaction(), grant.id).await?;
        let user = match &grant {
            Some(grant) => user::find(change.transaction(), grant.user_id).await?,
            None => None,
        };
        let (Some(grant), Some(user)) = (grant, user) else {
            change.rollback().await?;
            return Err(not_good());
        };
        // What is not taken while a partner is suspended is good again afterwards.
        if !partner::takes_part(change.transaction(), user.partner_id).await? {
            change.rollback().await?;
            return Err(self.refused_grant(client, grant.id, KEPT_OUT).await);
        }
        if !grant.is_live() || !user.is_active() || change.now() >= row.expires_at {
            change.rollback().await?;
            return Err(self.refused_grant(client, grant.id, "ended").await);
        }
        self.for_person(change, client, &user, &grant, asked, row.scopes())
            .await
    }

    /// Tokens in a person's name. `kept` is what a further refresh token may ask for.
    async fn for_person(
        &self,
        mut change: Change,
        client: &oauth_client::Model,
        user: &user::Model,
        grant: &oauth_grant::Model,
        asked: Scopes,
        kept: Scopes,
    ) -> Result<Tokens> {
        let role = user.user_role()?;
        let scopes = asked
            .within(grant.scopes())
            .within(client.scopes())
            .within(role.bounds());
        if scopes == Scopes::NONE {
            change.rollback().await?;
            let why = "Nothing is left of what was allowed.";
            return Err(Refusal::new(Code::InvalidScope, why).into());
        }
        let basis = Basis {
            grant: Some(grant.id),
            subject_epoch: user.token_epoch,
            client_epoch: client.token_epoch,
        };
        let access_token = self.sign(
            client,
            user.id.to_string(),
            role.viewer_kind(),
            scopes,
            basis,
        )?;
        let refresh_token = if client.grant_types.has(GrantType::RefreshToken) {
            Some(refresh_token::issue(&change, grant.id, kept).await?)
        } else {
            None
        };
        oauth_grant::used(&change, grant.id).await?;
        oauth_client::used(&change, client).await?;
        let data = json!({ "client": client.id, "user": user.id, "scope": scopes.to_claim() });
        change.record(NewEvent::about(EventKind::OAuthTokenIssued, grant.id, data).internal());
        change.commit().await?;
        Ok(Tokens {
            access_token,
            expires_in: ACCESS_TOKEN_SECONDS,
            scopes,
            refresh_token,
        })
    }

    async fn for_itself(
        &self,
        client: &oauth_client::Model,
        parameters: &Parameters,
    ) -> Result<Tokens> {
        let asked = wanted(parameters.one("scope")?, client.scopes())?;
        let (kind, scopes) = match client.partner_id {
            Some(partner) => (
                ViewerKind::Partner(partner, PartnerRole::Software),
                asked.within(PartnerRole::Software.bounds()),
            ),
            None => (ViewerKind::Integration, asked),
        };
        if scopes == Scopes::NONE {
            let why = "A client has none of these scopes in its own name.";
            return Err(Refusal::new(Code::InvalidScope, why).into());
        }
        let basis = Basis {
            grant: None,
            subject_epoch: 0,
            client_epoch: client.token_epoch,
        };
        let access_token = self.sign(client, client.id.to_string(), kind, scopes, basis)?;
        let mut change = self.begin(client).await?;
        oauth_client::used(&change, client).await?;
        let data = json!({ "scope": scopes.to_claim() });
        change.record(oauth_client::about(
            EventKind::OAuthTokenIssued,
            client,
            data,
        ));
        change.commit().await?;
        Ok(Tokens {
            access_token,
            expires_in: ACCESS_TOKEN_SECONDS,
            scopes,
            refresh_token: None,
        })
    }

    fn sign(
        &self,
        client: &oauth_client::Model,
        subject: String,
        kind: ViewerKind,
        scopes: Scopes,
        basis: Basis,
    ) -> Result<SecretString> {
        let request = TokenRequest {
            subject,
            client_id: client.id.to_string(),
            kind,
            scopes,
            lifetime_seconds: ACCESS_TOKEN_SECONDS,
            basis,
        };
        Ok(self.tokens.issue(&request, self.chance.as_ref())?)
    }

    /// The refusal of a code or refresh token that was ours to give, once it has been noted.
    async fn refused_grant(
        &self,
        client: &oauth_client::Model,
        grant: OAuthGrantId,
        why: &'static str,
    ) -> OAuthError {
        let noted = async {
            let mut change = self.begin(client).await?;
            let data = json!({ "grant": grant, "because": why });
            change.record(oauth_client::about(
                EventKind::OAuthGrantRefused,
                client,
                data,
            ));
            change.commit().await?;
            Result::Ok(())
        };
        match noted.await {
            Ok(()) => not_good(),
            Err(error) => error,
        }
    }

    /// Ends the grant of something that was presented twice.
    async fn end_reused(
        &self,
        mut change: Change,
        grant: OAuthGrantId,
        what: &'static str,
    ) -> Result<()> {
        let row = oauth_grant::find(change.transaction(), grant).await?;
        let ended = match row.filter(oauth_grant::Model::is_live) {
            Some(row) => oauth_grant::revoke_reused(&mut change, &row, what).await?,
            None => false,
        };
        if ended {
            tracing::info!(%grant, what, "something that is good once was presented twice: the grant was ended");
        }
        change.commit().await?;
        Ok(())
    }

    async fn begin(&self, client: &oauth_client::Model) -> Result<Change> {
        Ok(Change::begin(&self.database, author(client.id.to_string())).await?)
    }
}
