//! Connecting a shop.
//!
//! Owns: consent at the shop's own address, the exchange of codes and refresh tokens, and whose account a token belongs to. Refuses: to send a secret
//! to any host but the shop's, and to take an error for a lost grant that does not say so: the token endpoint answers JSON, text or HTML.
//! Invariant: the shop's host, in small letters, is the account's id.
//!
//! Tokens are the expiring kind: an hour for the access token, ninety days for the refresh token, and both are new with each renewal. The old pair may
//! be used again until the new one is, so a renewal whose answer was lost loses nothing. Shopify documents no PKCE; state, cookie and the
//! signed callback ([`super::callback`]) bind the answer.

use super::{API_VERSION, Shopify, callback, documents, limits, scopes, shop, wire};
use crate::{
    connector::{Account, Authenticate, Context, INVALID_SITE},
    error::{ConnectorError, Result},
    http::{Answer, Call, Client},
    oauth::{AppCredentials, AuthorizeRequest, Callback, Exchange, INVALID_CLIENT, TokenSet},
};
use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{error::Category, json};
use url::Url;
use zeroize::Zeroize as _;

/// The header that carries the access token.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-shopify-access-token");

/// What the token endpoint answers.
#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
    scope: Option<String>,
    expires_in: Option<u32>,
    refresh_token: Option<String>,
}

impl Drop for TokenBody {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl TokenBody {
    /// Reads an answer. It may hold tokens, so an error says nothing of what is in it.
    fn read(answer: &Answer) -> Result<Self> {
        let body: Self =
            serde_json::from_slice(&answer.body).map_err(|error| match error.classify() {
                Category::Eof | Category::Io if !answer.body.is_empty() => {
                    ConnectorError::transient("the token answer breaks off")
                }
                _ => ConnectorError::schema("the token answer is not as promised"),
            })?;
        if body.access_token.is_empty() {
            return Err(ConnectorError::schema("the token answer holds no token"));
        }
        Ok(body)
    }

    fn tokens(mut self, site: Url, before: Option<&TokenSet>, now_ms: i64) -> TokenSet {
        let refresh_token = self.refresh_token.take().filter(|token| !token.is_empty());
        let life_ms = self.expires_in.map(|seconds| i64::from(seconds) * 1000);
        TokenSet {
            access_token: std::mem::take(&mut self.access_token).into(),
            refresh_token: refresh_token
                .map(SecretString::from)
                .or_else(|| before.and_then(|tokens| tokens.refresh_token.clone())),
            expires_at_ms: life_ms.map(|life| now_ms.saturating_add(life)),
            scopes: match &self.scope {
                Some(list) => scopes::granted(list),
                None => before
                    .map(|tokens| tokens.scopes.clone())
                    .unwrap_or_default(),
            },
            tenant_id: Some(shop::host(&site).to_owned()),
            site: Some(site),
            api: None,
        }
    }
}

impl Shopify {
    /// Asks the token endpoint; with the app's previous secret once more, where it does not know the present one.
    async fn redeem(
        &self,
        http: &Client,
        app: &AppCredentials,
        site: &Url,
        fields: &[(&str, &str)],
    ) -> Result<TokenBody> {
        let first = self
            .redeem_with(http, &app.client_id, &app.client_secret, site, fields)
            .await;
        match (&first, &app.previous_client_secret) {
            (Err(ConnectorError::Permanent { code, .. }), Some(previous))
                if code == INVALID_CLIENT =>
            {
                self.redeem_with(http, &app.client_id, previous, site, fields)
                    .await
            }
            _ => first,
        }
    }

    async fn redeem_with(
        &self,
        http: &Client,
        client_id: &str,
        secret: &SecretString,
        site: &Url,
        fields: &[(&str, &str)],
    ) -> Result<TokenBody> {
        let mut form = vec![
            ("client_id", client_id),
            ("client_secret", secret.expose_secret()),
        ];
        form.extend_from_slice(fields);
        let url = self.endpoints.url(site, "/admin/oauth/access_token")?;
        let answer = http.send(&Call::post_form(url, &form)).await?;
        if answer.is_success() {
            TokenBody::read(&answer)
        } else {
            Err(limits::token_refusal(&answer))
        }
    }

    /// Removes our app from a shop. Without a session: the token is named here and goes to the shop's host alone.
    async fn uninstall(&self, http: &Client, site: &Url, tokens: &TokenSet) -> Result<()> {
        let path = format!("/admin/api/{API_VERSION}/graphql.json");
        let url = self.endpoints.url(site, &path)?;
        let mut token = HeaderValue::from_str(tokens.access_token.expose_secret())
            .map_err(|_| ConnectorError::permanent("bad_token", "the token is no header"))?;
        token.set_sensitive(true);
        let body = json!({"query": documents::APP_UNINSTALL, "variables": {}});
        let call = Call::post_json(url, &body)
            .map_err(|_| ConnectorError::permanent("invalid_request", "the request has no form"))?
            .header(TOKEN_HEADER, token);
        let answer = http.send(&call).await?;
        if !answer.is_success() {
            return Err(limits::refusal(&answer));
        }
        #[derive(Deserialize)]
        struct Done {
            data: Option<wire::Mutated>,
        }
        let done: Done = wire::read(&answer.body)?;
        match done.data.and_then(|data| data.written) {
            Some(written) if written.user_errors.is_empty() => Ok(()),
            Some(written) => Err(wire::refused(&written.user_errors)),
            None => Err(ConnectorError::transient("Shopify did not remove the app")),
        }
    }
}

fn site_of(site: Option<&Url>) -> Result<&Url> {
    site.ok_or_else(|| ConnectorError::permanent(INVALID_SITE, "no shop is named"))
}

#[async_trait]
impl Authenticate for Shopify {
    fn site(&self, typed: Option<&str>) -> Result<Option<Url>> {
        shop::site(typed.unwrap_or_default()).map(Some)
    }

    fn authorize_url(&self, app: &AppCredentials, request: &AuthorizeRequest) -> Result<Url> {
        let site = site_of(request.site.as_ref())?;
        let mut url = self.endpoints.url(site, "/admin/oauth/authorize")?;
        let wanted: Vec<&str> = scopes::REQUIRED
            .into_iter()
            .chain(scopes::OPTIONAL)
            .filter(|scope| self.endpoints.all_orders || *scope != scopes::READ_ALL_ORDERS)
            .collect();
        url.query_pairs_mut()
            .append_pair("client_id", &app.client_id)
            .append_pair("scope", &wanted.join(","))
            .append_pair("redirect_uri", request.redirect_uri.as_str())
            .append_pair("state", request.state.expose_secret());
        Ok(url)
    }

    fn check_callback(
        &self,
        app: &AppCredentials,
        callback: &Callback<'_>,
        now_ms: i64,
    ) -> Result<()> {
        callback::check(app, callback, now_ms)
    }

    fn origins(&self, tokens: &TokenSet) -> Result<Vec<Url>> {
        let site = site_of(tokens.site.as_ref())?;
        if let Some(api) = &tokens.api {
            shop::checked(api)?;
        }
        Ok(vec![self.endpoints.origin(site)?])
    }

    async fn exchange(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let site = shop::checked(site_of(exchange.site.as_ref())?)?;
        let fields = [("code", exchange.code.expose_secret()), ("expiring", "1")];
        let body = self.redeem(http, app, &site, &fields).await?;
        Ok(body.tokens(site, None, now_ms))
    }

    async fn refresh(
        &self,
        http: &Client,
        app: &AppCredentials,
        tokens: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let site = shop::checked(site_of(tokens.site.as_ref())?)?;
        let Some(refresh_token) = &tokens.refresh_token else {
            return Err(ConnectorError::Auth {
                reconnect: true,
                message: "there is no refresh token".to_owned(),
            });
        };
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        let body = self.redeem(http, app, &site, &fields).await?;
        Ok(body.tokens(site, Some(tokens), now_ms))
    }

    async fn revoke(&self, http: &Client, app: &AppCredentials, tokens: &TokenSet) -> Result<()> {
        let site = shop::checked(site_of(tokens.site.as_ref())?)?;
        match self.uninstall(http, &site, tokens).await {
            // The token may only be an hour old; a fresh one can still remove the app.
            Err(ConnectorError::Auth { .. }) if tokens.refresh_token.is_some() => {}
            // Without one there is nothing left that could be taken back.
            Err(ConnectorError::Auth { .. }) => return Ok(()),
            other => return other,
        }
        match self.refresh(http, app, tokens, 0).await {
            Ok(fresh) => match self.uninstall(http, &site, &fresh).await {
                Err(ConnectorError::Auth { .. }) => Ok(()),
                other => other,
            },
            Err(ConnectorError::Auth { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        #[derive(Deserialize)]
        struct Data {
            shop: Shop,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shop {
            myshopify_domain: String,
            name: Option<String>,
            currency_code: Option<String>,
            iana_timezone: Option<String>,
        }
        let reply = self.post(ctx, documents::SHOP, json!({}), 1).await?;
        let Data { shop } = reply.read_whole()?;
        let host = shop::host_of(&shop.myshopify_domain).ok_or_else(|| {
            ConnectorError::schema("the shop does not say under which name Shopify knows it")
        })?;
        Ok(Account {
            ui_domain: Some(host.clone()),
            tenant_id: host,
            name: shop.name.filter(|text| !text.is_empty()),
            currency: shop.currency_code.filter(|text| !text.is_empty()),
            time_zone: shop.iana_timezone.filter(|text| !text.is_empty()),
        })
    }
}
