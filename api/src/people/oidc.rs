//! The way to an identity provider and back (OpenID Connect Core 1.0, authorization code flow), as its client.
//!
//! What holds it together: a state and a nonce of 256 bits and a PKCE verifier, made for one way and good once; the state is bound to the
//! browser by a cookie, the code to us by the verifier, the token to the request by the nonce. The provider is remembered with the state and
//! never taken from what comes back; an `iss` that comes back (RFC 9207) must be its issuer. Not every provider tells that, and a partner sets its own:
//! therefore **each has a redirect address of its own**, and what comes back to another than that of the way's provider is refused, so that no
//! provider is sent the code of another (RFC 9700, 4.4.2). Every call to a provider leaves by the outgoing client,
//! which reaches public addresses only, so that a partner that configures a provider cannot have us call what is inside.
//!
//! Our registration proves itself by `client_secret_post`: the outgoing client lets nobody set an Authorization header of their own.

mod discovery;

use super::id_token::{Expected, Identity, InvalidIdToken, verify};
use super::provider::{Provider, key_of};
use super::target::Target;
use super::{People, PeopleError};
use crate::state::Core;
use discovery::Discovery;
pub use discovery::DiscoveryError;
use entities::chance::Chance;
use entities::id::IdentityProviderId;
use entities::{identity_provider, secret, sign_in_request};
use integrations::error::ConnectorError;
use integrations::http::{Answer, Client};
use integrations::oauth::{AuthorizeRequest, Exchange, Server, VendorFields};
use integrations::vault::{Binding, VaultError};
use oauth2::ExtraTokenFields;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use url::Url;

/// Where a provider sends people back to.
#[must_use]
pub fn callback_path(key: &str) -> String {
    format!("/sign-in/callback/{key}")
}

/// What is asked of a provider: who it is, and the address.
const SCOPES: [&str; 2] = ["openid", "email"];

/// Why a way to a provider came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// There is no such provider, or it is disabled.
    #[error("there is no such provider")]
    NoProvider,
    /// The state is unknown, used, too old or another browser's.
    #[error("the state is not one that was given to this browser")]
    UnknownState,
    /// The provider cannot be used as it describes itself.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The provider refused, or did not answer.
    #[error("the provider did not hand over a token: {0}")]
    Refused(#[from] ConnectorError),
    /// The answer holds no ID token.
    #[error("the provider's answer holds no ID token")]
    NoIdToken,
    /// The answer names another issuer.
    #[error("the answer came from another issuer")]
    AnotherIssuer,
    /// The ID token is not believed.
    #[error(transparent)]
    IdToken(#[from] InvalidIdToken),
    /// Something of ours.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl From<entities::error::Error> for OidcError {
    fn from(error: entities::error::Error) -> Self {
        Self::People(error.into())
    }
}

impl From<VaultError> for OidcError {
    fn from(error: VaultError) -> Self {
        Self::People(error.into())
    }
}

/// The beginning of a way.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub authorize: Url,
    /// What binds the way to the browser.
    pub cookie: SecretString,
}

/// What a browser came back with.
#[derive(Debug)]
pub struct Returned {
    /// Of which provider the address is at which they came back.
    pub provider: String,
    /// The state.
    pub state: SecretString,
    /// The code.
    pub code: SecretString,
    /// The issuer, where the provider tells.
    pub issuer: Option<String>,
    /// The browser's cookie.
    pub cookie: SecretString,
}

/// Who came back, and where to.
#[derive(Debug)]
pub struct Arrived {
    /// By which provider.
    pub provider: Provider,
    /// Who it says it is.
    pub identity: Identity,
    /// Where the person was going.
    pub target: Target,
}

/// What a provider adds to a token answer.
#[derive(Clone, Default, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl std::fmt::Debug for IdTokenField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdTokenField")
    }
}

impl ExtraTokenFields for IdTokenField {}

impl VendorFields for IdTokenField {
    fn tenant_id(&self) -> Option<String> {
        None
    }

    fn scopes(&self) -> Option<Vec<String>> {
        None
    }
}

/// A client of identity providers.
pub(super) struct Oidc {
    http: Client,
    chance: Arc<dyn Chance>,
    discovery: Discovery,
}

impl Oidc {
    pub(super) fn new(core: &Core) -> Self {
        Self {
            http: core.http.clone(),
            chance: Arc::clone(&core.chance),
            discovery: Discovery::default(),
        }
    }
}

const fn verifier_binding(state_hash: &str) -> Binding<'_> {
    Binding {
        purpose: "sign_in_request.sealed_verifier",
        row: state_hash,
    }
}

/// What a provider's refusal of a code means: a status, and its own word for it if that is one.
fn refusal(answer: &Answer) -> ConnectorError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    if answer.status >= 500 || answer.status == 429 {
        return ConnectorError::transient(format!("the token endpoint answers {}", answer.status));
    }
    let word = serde_json::from_slice::<Refusal>(&answer.body)
        .ok()
        .map(|refusal| refusal.error)
        .filter(|word| {
            word.len() <= 64
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
    ConnectorError::permanent(
        word.unwrap_or_else(|| "refused".to_owned()),
        format!("the token endpoint answers {}", answer.status),
    )
}

impl People {
    /// The provider that an address names: `staff`, or the id of an enabled row.
    ///
    /// # Errors
    /// [`OidcError::NoProvider`], or a fault.
    pub async fn provider(&self, key: &str) -> Result<Provider, OidcError> {
        if key == "staff" {
            return self.staff.clone().ok_or(OidcError::NoProvider);
        }
        let id = key
            .parse::<IdentityProviderId>()
            .map_err(|_| OidcError::NoProvider)?;
        self.provider_of(Some(id)).await
    }

    async fn provider_of(&self, row: Option<IdentityProviderId>) -> Result<Provider, OidcError> {
        let Some(id) = row else {
            return self.staff.clone().ok_or(OidcError::NoProvider);
        };
        let row = identity_provider::find_enabled(self.database.read(), id).await?;
        let row = row.ok_or(OidcError::NoProvider)?;
        Ok(Provider::of_row(&self.vault, row)?)
    }

    /// Begins a way to a provider.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn begin(&self, provider: &Provider, target: &Target) -> Result<Begun, OidcError> {
        let oidc = &self.oidc;
        let now = self.database.now();
        let found = oidc
            .discovery
            .get(&oidc.http, &provider.issuer, now)
            .await?;
        let redirect_uri = self.public_url.url_at(&callback_path(&provider.key()));
        let request = AuthorizeRequest::new(redirect_uri, None, oidc.chance.as_ref());
        let nonce = secret::generate(self.database.ids());
        let server = Server {
            authorize: found.authorization_endpoint.clone(),
            token: found.token_endpoint.clone(),
            refusal,
        };
        let mut authorize =
            server.authorize_url::<IdTokenField>(&provider.app, &request, &SCOPES)?;
        authorize
            .query_pairs_mut()
            .append_pair("nonce", nonce.expose_secret());
        let cookie = secret::generate(self.database.ids());
        let state_hash = secret::digest(request.state.expose_secret());
        let verifier = request.pkce_verifier.expose_secret().as_bytes();
        let row = sign_in_request::Model {
            cookie_hash: secret::digest(cookie.expose_secret()),
            provider_id: provider.side.row(),
            sealed_verifier: self.vault.seal(verifier_binding(&state_hash), verifier)?,
            nonce: nonce.expose_secret().to_owned(),
            continue_to: target.as_str().to_owned(),
            created_at: now,
            used_at: None,
            state_hash,
        };
        sign_in_request::insert(&self.database, row).await?;
        Ok(Begun { authorize, cookie })
    }

    /// Ends a way: who has come back.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn arrive(&self, returned: Returned) -> Result<Arrived, OidcError> {
        let state_hash = secret::digest(returned.state.expose_secret());
        let cookie_hash = secret::digest(returned.cookie.expose_secret());
        let row = sign_in_request::redeem(&self.database, &state_hash, &cookie_hash).await?;
        let row = row.ok_or(OidcError::UnknownState)?;
        if returned.provider != key_of(row.provider_id) {
            return Err(OidcError::UnknownState);
        }
        let provider = self.provider_of(row.provider_id).await?;
        let oidc = &self.oidc;
        let now = self.database.now();
        let found = oidc
            .discovery
            .get(&oidc.http, &provider.issuer, now)
            .await?;
        match &returned.issuer {
            Some(issuer) if *issuer != provider.issuer => return Err(OidcError::AnotherIssuer),
            None if found.tells_issuer => return Err(OidcError::AnotherIssuer),
            _ => {}
        }
        let verifier = self
            .vault
            .open(verifier_binding(&state_hash), &row.sealed_verifier)?;
        let verifier = String::from_utf8(verifier.to_vec()).map_err(|_| VaultError::CannotOpen)?;
        let server = Server {
            authorize: found.authorization_endpoint.clone(),
            token: found.token_endpoint.clone(),
            refusal,
        };
        let exchange = Exchange {
            code: returned.code,
            redirect_uri: self.public_url.url_at(&callback_path(&provider.key())),
            site: None,
            pkce_verifier: verifier.into(),
        };
        let (_, told) = server
            .exchange_told::<IdTokenField>(&oidc.http, &provider.app, &exchange, now.millis())
            .await?;
        let token = SecretString::from(told.id_token.ok_or(OidcError::NoIdToken)?);
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.app.client_id,
            nonce: &row.nonce,
            now: self.database.now(),
        };
        let mut identity = verify(token.expose_secret(), &found.keys, expected);
        if identity == Err(InvalidIdToken::Signature) {
            // The provider may have exchanged its keys since we asked.
            let fresh = oidc
                .discovery
                .get_anew(&oidc.http, &provider.issuer, now)
                .await?;
            identity = verify(token.expose_secret(), &fresh.keys, expected);
        }
        Ok(Arrived {
            identity: identity?,
            target: Target::read(Some(&row.continue_to)),
            provider,
        })
    }
}
