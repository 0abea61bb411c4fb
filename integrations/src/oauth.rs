//! Connecting an account: the authorization code flow with PKCE, as a client of a vendor.
//!
//! Owns: the requests and answers every vendor shares, by way of the `oauth2` crate over our own client, and the form in which tokens
//! are sealed. Refuses: to make up randomness or time (both are handed in), to lose a refresh token an answer does not repeat, and to
//! show a token: errors are built from status and category, never from a body that was a success. Invariant: only a vendor's plain
//! "this grant is no longer valid" asks a person to connect again; everything else is worth another attempt.
//!
//! Revocation is a plain form post and not the crate's: it insists on https, which would leave the path untested against a sandbox.

use crate::{
    error::{ConnectorError, Result},
    http::{Answer, Call, Client},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entities::chance::Chance;
use futures::future::BoxFuture;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

/// Our registration with a vendor.
#[derive(Clone, Debug)]
pub struct AppCredentials {
    /// Public id of the app.
    pub client_id: String,
    /// Its secret, which also signs webhooks with some vendors.
    pub client_secret: SecretString,
    /// The secret before the current one, while it is being rotated: webhooks may still be signed with it, and a vendor that does not know the
    /// current one yet is asked with it.
    pub previous_client_secret: Option<SecretString>,
    /// The secret that signs webhooks, with a vendor that has one for that alone. None: the client secrets sign.
    pub signing_secret: Option<SecretString>,
    /// The signing secret before the current one, while it is being rotated.
    pub previous_signing_secret: Option<SecretString>,
}

impl AppCredentials {
    /// A registration with one secret for everything.
    #[must_use]
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<SecretString>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            previous_client_secret: None,
            signing_secret: None,
            previous_signing_secret: None,
        }
    }

    /// The secrets a webhook may be signed with, current first. With signing secrets of their own, a client secret signs nothing.
    #[must_use]
    pub fn webhook_secrets(&self) -> Vec<SecretString> {
        let (current, previous) = match &self.signing_secret {
            Some(signing) => (signing, &self.previous_signing_secret),
            None => (&self.client_secret, &self.previous_client_secret),
        };
        std::iter::once(current).chain(previous).cloned().collect()
    }
}

/// The code of the refusal that means: the vendor does not know our registration, or not with this secret.
pub const INVALID_CLIENT: &str = "invalid_client";

impl AppCredentials {
    /// The secret to ask with once more when the vendor does not know the current one: a rotation reaches the two sides at different moments.
    fn other_secret<T>(&self, first: &Result<T>) -> Option<&SecretString> {
        let refused =
            matches!(first, Err(ConnectorError::Permanent { code, .. }) if code == INVALID_CLIENT);
        let previous = self.previous_client_secret.as_ref().filter(|_| refused)?;
        tracing::warn!(
            client_id = self.client_id,
            "the vendor does not know the app's current secret; it is asked with the previous one"
        );
        Some(previous)
    }
}

/// The start of a connection. `state` and `pkce_verifier` are kept, sealed, until the person comes back.
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// Where the vendor sends the person back to; one of those registered.
    pub redirect_uri: Url,
    /// The account's own address, as [`crate::connector::Authenticate::site`] answered it.
    pub site: Option<Url>,
    /// 256 random bits that bind the answer to the browser that asked.
    pub state: SecretString,
    /// 256 random bits that bind the code to us.
    pub pkce_verifier: SecretString,
}

impl AuthorizeRequest {
    /// A request with fresh randomness.
    #[must_use]
    pub fn new(redirect_uri: Url, site: Option<Url>, chance: &dyn Chance) -> Self {
        Self {
            redirect_uri,
            site,
            state: random_text(chance),
            pkce_verifier: random_text(chance),
        }
    }
}

fn random_text(chance: &dyn Chance) -> SecretString {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    chance.fill(bytes.as_mut_slice());
    URL_SAFE_NO_PAD.encode(bytes.as_slice()).into()
}

/// What a browser came back with, before anything of it is believed.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// The query as it came.
    pub raw_query: &'a str,
    /// Its pairs, decoded, in their order.
    pub query: &'a [(String, String)],
    /// The account's own address, as it was kept.
    pub site: Option<&'a Url>,
}

impl<'a> Callback<'a> {
    /// The value of a parameter that occurs exactly once. Which of several was signed would be a guess.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value.as_str()),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Callback<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The query holds a code.
        f.debug_struct("Callback")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

/// What came back, with what was kept. The caller has compared the state.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The code of the redirect.
    pub code: SecretString,
    /// The same address as in the request.
    pub redirect_uri: Url,
    /// The account's own address, as it was kept.
    pub site: Option<Url>,
    /// The verifier that was kept.
    pub pkce_verifier: SecretString,
}

/// What lets us act for an account.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// Goes with every call.
    pub access_token: SecretString,
    /// Gets the next access token; none when the vendor's tokens do not end.
    pub refresh_token: Option<SecretString>,
    /// When the access token ends, in milliseconds since 1970 by our clock; none when the vendor does not say.
    pub expires_at_ms: Option<i64>,
    /// What was granted, sorted; empty when the vendor does not say.
    pub scopes: Vec<String>,
    /// The vendor's id of the account; none when the answer does not hold it.
    pub tenant_id: Option<String>,
    /// The account's own address, where it agreed and where its tokens are renewed; none when the vendor has one for all.
    pub site: Option<Url>,
    /// Where the account's API is, where the vendor tells with the tokens.
    pub api: Option<Url>,
}

#[derive(Serialize, Deserialize)]
struct SealedTokens {
    access_token: String,
    refresh_token: Option<String>,
    expires_at_ms: Option<i64>,
    scopes: Vec<String>,
    tenant_id: Option<String>,
    #[serde(default)]
    site: Option<Url>,
    #[serde(default)]
    api: Option<Url>,
}

impl Drop for SealedTokens {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl TokenSet {
    /// An access token of which nothing else is known.
    #[must_use]
    pub fn of(access_token: impl Into<SecretString>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            expires_at_ms: None,
            scopes: Vec::new(),
            tenant_id: None,
            site: None,
            api: None,
        }
    }

    /// The plain bytes to seal in the vault. They hold the tokens.
    #[must_use]
    pub fn to_plain_bytes(&self) -> Zeroizing<Vec<u8>> {
        let tokens = SealedTokens {
            access_token: self.access_token.expose_secret().to_owned(),
            refresh_token: self
                .refresh_token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
            expires_at_ms: self.expires_at_ms,
            scopes: self.scopes.clone(),
            tenant_id: self.tenant_id.clone(),
            site: self.site.clone(),
            api: self.api.clone(),
        };
        // Strings, numbers and lists of them always have a JSON form; an empty text would not open and so be noticed.
        Zeroizing::new(serde_json::to_vec(&tokens).unwrap_or_default())
    }

    /// The tokens of bytes the vault opened.
    ///
    /// # Errors
    /// [`ConnectorError::Schema`] when they are something else.
    pub fn from_plain_bytes(bytes: &[u8]) -> Result<Self> {
        let mut tokens: SealedTokens = serde_json::from_slice(bytes)
            .map_err(|_| ConnectorError::schema("the sealed value does not hold tokens"))?;
        Ok(Self {
            access_token: std::mem::take(&mut tokens.access_token).into(),
            refresh_token: tokens.refresh_token.take().map(Into::into),
            expires_at_ms: tokens.expires_at_ms,
            scopes: std::mem::take(&mut tokens.scopes),
            tenant_id: tokens.tenant_id.take(),
            site: tokens.site.take(),
            api: tokens.api.take(),
        })
    }

    /// Whether the access token ends within `margin_ms`, so that it should be refreshed before the next call.
    #[must_use]
    pub fn expires_within(&self, now_ms: i64, margin_ms: i64) -> bool {
        self.expires_at_ms
            .is_some_and(|at| at.saturating_sub(margin_ms) <= now_ms)
    }

    /// Which of the scopes were not granted. Nothing is missing when the vendor does not say what it granted.
    #[must_use]
    pub fn missing_scopes<'a>(&self, required: &[&'a str]) -> Vec<&'a str> {
        if self.scopes.is_empty() {
            return Vec::new();
        }
        required
            .iter()
            .copied()
            .filter(|scope| !self.scopes.iter().any(|granted| granted == scope))
            .collect()
    }
}

/// What a vendor adds to a token answer, as far as we use it.
pub trait VendorFields: ExtraTokenFields + Send + Sync + 'static {
    /// The account, when the answer says so.
    fn tenant_id(&self) -> Option<String>;
    /// What was granted, when the vendor says so elsewhere than in `scope`.
    fn scopes(&self) -> Option<Vec<String>>;
}

/// Where a vendor's authorization server is, and how it says no.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where people agree.
    pub authorize: Url,
    /// Where codes and refresh tokens are redeemed.
    pub token: Url,
    /// Reads a refusal. Given status and body, answers what the caller must do.
    pub refusal: fn(&Answer) -> ConnectorError,
}

type VendorClient<F> = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<F, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Server {
    fn client<F: VendorFields>(
        &self,
        app: &AppCredentials,
        secret: &SecretString,
    ) -> VendorClient<F> {
        oauth2::Client::new(ClientId::new(app.client_id.clone()))
            .set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(self.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(self.token.clone()))
    }

    /// Where to send the person, with these scopes.
    ///
    /// # Errors
    /// When the verifier is not of the length RFC 7636 asks for.
    pub fn authorize_url<F: VendorFields>(
        &self,
        app: &AppCredentials,
        request: &AuthorizeRequest,
        scopes: &[&str],
    ) -> Result<Url> {
        let verifier = PkceCodeVerifier::new(request.pkce_verifier.expose_secret().to_owned());
        if !(43..=128).contains(&verifier.secret().len()) {
            return Err(ConnectorError::permanent(
                "invalid_verifier",
                "a PKCE verifier has 43 to 128 characters",
            ));
        }
        let state = request.state.expose_secret().to_owned();
        let (url, _) = self
            .client::<F>(app, &app.client_secret)
            .set_redirect_uri(RedirectUrl::from_url(request.redirect_uri.clone()))
            .authorize_url(move || CsrfToken::new(state))
            .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// As the vendor refuses, or as the call fails.
    pub async fn exchange<F: VendorFields + Clone>(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let told = self.exchange_told::<F>(http, app, exchange, now_ms).await;
        told.map(|(tokens, _)| tokens)
    }

    /// Redeems a code, and answers also what the vendor says beside the tokens.
    ///
    /// # Errors
    /// As the vendor refuses, or as the call fails.
    pub async fn exchange_told<F: VendorFields + Clone>(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<(TokenSet, F)> {
        let mut answer = self
            .redeem_code::<F>(http, app, &app.client_secret, exchange)
            .await;
        if let Some(previous) = app.other_secret(&answer) {
            answer = self.redeem_code::<F>(http, app, previous, exchange).await;
        }
        let answer = answer?;
        let told = answer.extra_fields().clone();
        Ok((token_set(&answer, None, now_ms), told))
    }

    async fn redeem_code<F: VendorFields>(
        &self,
        http: &Client,
        app: &AppCredentials,
        secret: &SecretString,
        exchange: &Exchange,
    ) -> Result<StandardTokenResponse<F, BasicTokenType>> {
        let send = self.transport(http);
        self.client::<F>(app, secret)
            .set_redirect_uri(RedirectUrl::from_url(exchange.redirect_uri.clone()))
            .exchange_code(AuthorizationCode::new(
                exchange.code.expose_secret().to_owned(),
            ))
            .set_pkce_verifier(PkceCodeVerifier::new(
                exchange.pkce_verifier.expose_secret().to_owned(),
            ))
            .request_async(&send)
            .await
            .map_err(token_error)
    }

    /// Redeems a refresh token.
    ///
    /// # Errors
    /// As the vendor refuses, or as the call fails; asks to connect again when there is no refresh token.
    pub async fn refresh<F: VendorFields + Clone>(
        &self,
        http: &Client,
        app: &AppCredentials,
        tokens: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let told = self.refresh_told::<F>(http, app, tokens, now_ms).await;
        told.map(|(tokens, _)| tokens)
    }

    /// Redeems a refresh token, and answers also what the vendor says beside the tokens.
    ///
    /// # Errors
    /// As the vendor refuses, or as the call fails; asks to connect again when there is no refresh token.
    pub async fn refresh_told<F: VendorFields + Clone>(
        &self,
        http: &Client,
        app: &AppCredentials,
        tokens: &TokenSet,
        now_ms: i64,
    ) -> Result<(TokenSet, F)> {
        let Some(refresh_token) = &tokens.refresh_token else {
            return Err(ConnectorError::Auth {
                reconnect: true,
                message: "there is no refresh token".to_owned(),
            });
        };
        let mut answer = self
            .redeem_refresh::<F>(http, app, &app.client_secret, refresh_token)
            .await;
        if let Some(previous) = app.other_secret(&answer) {
            answer = self
                .redeem_refresh::<F>(http, app, previous, refresh_token)
                .await;
        }
        let answer = answer?;
        let told = answer.extra_fields().clone();
        Ok((token_set(&answer, Some(tokens), now_ms), told))
    }

    async fn redeem_refresh<F: VendorFields>(
        &self,
        http: &Client,
        app: &AppCredentials,
        secret: &SecretString,
        refresh_token: &SecretString,
    ) -> Result<StandardTokenResponse<F, BasicTokenType>> {
        let send = self.transport(http);
        self.client::<F>(app, secret)
            .exchange_refresh_token(&RefreshToken::new(refresh_token.expose_secret().to_owned()))
            .request_async(&send)
            .await
            .map_err(token_error)
    }

    /// Carries the crate's requests over our client. A refusal is read here, where the vendor's own fields are known; the crate only
    /// sees success.
    fn transport(
        &self,
        http: &Client,
    ) -> impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> + Send + Sync {
        let (http, refusal) = (http.clone(), self.refusal);
        move |request| {
            let http = http.clone();
            Box::pin(async move { carry(&http, refusal, request).await })
        }
    }
}

async fn carry(
    http: &Client,
    refusal: fn(&Answer) -> ConnectorError,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let url = Url::parse(&request.uri().to_string()).map_err(|_| {
        ConnectorError::permanent("invalid_address", "the token endpoint is not an address")
    })?;
    let body = String::from_utf8(request.into_body())
        .map_err(|_| ConnectorError::permanent("invalid_form", "the token request is not text"))?;
    let answer = http
        .send(&Call::post_encoded_form(url, Zeroizing::new(body)))
        .await?;
    if !answer.is_success() {
        return Err(refusal(&answer));
    }
    // No content type is passed on: the crate would refuse an answer for its header alone, and the body is parsed strictly anyway.
    Ok(HttpResponse::new(answer.body.to_vec()))
}

/// The crate's error in our words. A body that failed to parse was a success and may hold tokens: it is never shown.
fn token_error(error: RequestTokenError<ConnectorError, BasicErrorResponse>) -> ConnectorError {
    match error {
        RequestTokenError::Request(error) => error,
        // Cut on the way; asking again may bring all of it.
        RequestTokenError::Parse(at, _) if at.inner().is_eof() => {
            ConnectorError::transient("the token answer breaks off")
        }
        RequestTokenError::Parse(at, _) => ConnectorError::schema(format!(
            "the token answer is not as promised at {}",
            at.path()
        )),
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            ConnectorError::schema("the token answer is empty or not as promised")
        }
    }
}

fn token_set<F: VendorFields>(
    answer: &StandardTokenResponse<F, BasicTokenType>,
    before: Option<&TokenSet>,
    now_ms: i64,
) -> TokenSet {
    let extra = answer.extra_fields();
    let repeated = answer
        .refresh_token()
        .map(|token| token.secret().clone())
        .filter(|token| !token.is_empty());
    let standard = || {
        answer
            .scopes()
            .map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect())
    };
    let mut scopes: Vec<String> = extra
        .scopes()
        .or_else(standard)
        .or_else(|| before.map(|tokens| tokens.scopes.clone()))
        .unwrap_or_default();
    scopes.sort();
    scopes.dedup();
    let life_ms = answer
        .expires_in()
        .map(|life| i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
    TokenSet {
        access_token: answer.access_token().secret().clone().into(),
        refresh_token: repeated
            .map(Into::into)
            .or_else(|| before.and_then(|tokens| tokens.refresh_token.clone())),
        expires_at_ms: life_ms.map(|life| now_ms.saturating_add(life)),
        scopes,
        tenant_id: extra
            .tenant_id()
            .or_else(|| before.and_then(|tokens| tokens.tenant_id.clone())),
        site: before.and_then(|tokens| tokens.site.clone()),
        api: before.and_then(|tokens| tokens.api.clone()),
    }
}

#[cfg(test)]
mod tests;
