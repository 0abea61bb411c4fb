//! Connecting a team.
//!
//! Owns: what is particular to Slack's OAuth: refusals with status 200, scopes with commas, tokens that may or may not rotate, whose team a token
//! belongs to. Refuses: proof keys (they would make the app a public client), user tokens, and installs in a whole organisation. Invariant: only
//! the token endpoint decides that a grant is gone; no answer that held a token is ever shown.

use super::{
    Slack,
    descriptor::{OPTIONAL_SCOPES, REQUIRED_SCOPES},
    wire,
};
use crate::{
    connector::{Account, Authenticate, Context, INVALID_SITE},
    error::{ConnectorError, Result},
    http::{Call, Client},
    oauth::{AppCredentials, AuthorizeRequest, Callback, Exchange, INVALID_CLIENT, TokenSet},
};
use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// What a grant answers. `Debug` is left out on purpose.
#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<i64>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    team: Option<Team>,
    #[serde(default)]
    is_enterprise_install: Option<bool>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
}

#[derive(Deserialize)]
struct Whoami {
    team_id: String,
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

impl Slack {
    /// Asks the token endpoint, with the secret before the current one too when the current one is not known there.
    async fn grant(
        &self,
        http: &Client,
        app: &AppCredentials,
        fields: &[(&str, &str)],
    ) -> Result<Granted> {
        let first = self.grant_with(http, app, &app.client_secret, fields).await;
        let unknown =
            matches!(&first, Err(ConnectorError::Permanent { code, .. }) if code == INVALID_CLIENT);
        match &app.previous_client_secret {
            Some(previous) if unknown => {
                tracing::warn!(
                    client_id = app.client_id,
                    "Slack does not know the app's current secret; it is asked with the previous one"
                );
                self.grant_with(http, app, previous, fields).await
            }
            _ => first,
        }
    }

    async fn grant_with(
        &self,
        http: &Client,
        app: &AppCredentials,
        secret: &SecretString,
        fields: &[(&str, &str)],
    ) -> Result<Granted> {
        let mut form = vec![
            ("client_id", app.client_id.as_str()),
            ("client_secret", secret.expose_secret()),
        ];
        form.extend_from_slice(fields);
        let url = self.endpoints.method("oauth.v2.access");
        let answer = http.send(&Call::post_form(url, &form)).await?;
        let body = wire::body(&answer)?;
        // The reader's own words may repeat what they could not read, and that may be a token.
        serde_json::from_value(body)
            .map_err(|_| ConnectorError::schema("Slack's token answer is not as promised"))
    }
}

/// The tokens of a grant; what the answer does not repeat is kept from before.
fn tokens(granted: Granted, before: Option<&TokenSet>, now_ms: i64) -> Result<TokenSet> {
    if granted.is_enterprise_install == Some(true) {
        return Err(ConnectorError::permanent(
            "organisation_install",
            "the app was installed in a whole organisation: install it in one workspace",
        ));
    }
    let access_token = granted
        .access_token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| ConnectorError::schema("Slack's token answer holds no token of the app"))?;
    if granted
        .token_type
        .as_deref()
        .is_some_and(|kind| kind != "bot")
    {
        return Err(ConnectorError::schema(
            "Slack's token answer holds another token than the app's",
        ));
    }
    let tenant_id = granted.team.map(|team| team.id);
    let known = before.and_then(|tokens| tokens.tenant_id.clone());
    if let (Some(now), Some(known)) = (&tenant_id, &known)
        && now != known
    {
        return Err(ConnectorError::schema(
            "Slack renewed the token of another team",
        ));
    }
    let scopes = granted.scope.map(|scope| {
        let mut scopes: Vec<String> = scope
            .split([',', ' '])
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        scopes.sort();
        scopes.dedup();
        scopes
    });
    let refresh_token = granted
        .refresh_token
        .filter(|token| !token.is_empty())
        .map(Into::into)
        .or_else(|| before.and_then(|tokens| tokens.refresh_token.clone()));
    Ok(TokenSet {
        access_token: access_token.into(),
        refresh_token,
        expires_at_ms: granted
            .expires_in
            .filter(|seconds| *seconds > 0)
            .map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000))),
        scopes: scopes
            .or_else(|| before.map(|tokens| tokens.scopes.clone()))
            .unwrap_or_default(),
        tenant_id: tenant_id.or(known),
        site: None,
        api: None,
    })
}

#[async_trait]
impl Authenticate for Slack {
    fn site(&self, typed: Option<&str>) -> Result<Option<Url>> {
        match typed {
            None => Ok(None),
            Some(_) => Err(ConnectorError::permanent(
                INVALID_SITE,
                "Slack has one address for all teams: leave the site out.",
            )),
        }
    }

    /// All scopes are asked for together: Slack's page knows no optional ones. The verifier stays here, see the head of the folder.
    fn authorize_url(&self, app: &AppCredentials, request: &AuthorizeRequest) -> Result<Url> {
        let scopes: Vec<&str> = REQUIRED_SCOPES.into_iter().chain(OPTIONAL_SCOPES).collect();
        let mut url = self.endpoints.consent();
        url.query_pairs_mut()
            .append_pair("client_id", &app.client_id)
            .append_pair("scope", &scopes.join(","))
            .append_pair("redirect_uri", request.redirect_uri.as_str())
            .append_pair("state", request.state.expose_secret());
        Ok(url)
    }

    /// Slack signs nothing here: state and cookie are what binds the answer, and the code is worth nothing without our secret.
    fn check_callback(&self, _: &AppCredentials, _: &Callback<'_>, _: i64) -> Result<()> {
        Ok(())
    }

    fn origins(&self, _: &TokenSet) -> Result<Vec<Url>> {
        let mut origin = self.endpoints.base.clone();
        origin.set_path("/");
        Ok(vec![origin])
    }

    async fn exchange(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let fields = [
            ("code", exchange.code.expose_secret()),
            ("redirect_uri", exchange.redirect_uri.as_str()),
        ];
        let granted = self.grant(http, app, &fields).await?;
        let tokens = tokens(granted, None, now_ms)?;
        if tokens.tenant_id.is_none() {
            return Err(ConnectorError::schema("Slack's token answer names no team"));
        }
        Ok(tokens)
    }

    async fn refresh(
        &self,
        http: &Client,
        app: &AppCredentials,
        before: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let Some(refresh_token) = &before.refresh_token else {
            // Without rotation a token lives until it is taken back.
            return Err(ConnectorError::Auth {
                reconnect: true,
                message: "Slack no longer takes the token, and there is none to renew it with"
                    .to_owned(),
            });
        };
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        let granted = self.grant(http, app, &fields).await?;
        tokens(granted, Some(before), now_ms)
    }

    /// Takes the token back; the app stays listed in the team until somebody removes it there.
    async fn revoke(&self, http: &Client, _: &AppCredentials, tokens: &TokenSet) -> Result<()> {
        let session = http.session(
            self,
            tokens.tenant_id.as_deref().unwrap_or_default(),
            tokens,
        )?;
        let url = self.endpoints.method("auth.revoke");
        let answer = session
            .send(&Call::new(Method::POST, url, crate::http::Body::Empty))
            .await?;
        match wire::body(&answer) {
            Ok(_) => Ok(()),
            // A token that is no longer valid is what was asked for.
            Err(ConnectorError::Auth { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let url = self.endpoints.method("auth.test");
        let answer = ctx.http.send(&Call::get(url)).await?;
        let me: Whoami = wire::read(&answer)?;
        if !me.team_id.starts_with('T') || !crate::record::is_sound_id(&me.team_id) {
            return Err(ConnectorError::schema("Slack names no team"));
        }
        let host = me
            .url
            .and_then(|text| Url::parse(&text).ok())
            .and_then(|url| url.host_str().map(str::to_owned));
        Ok(Account {
            tenant_id: me.team_id,
            name: me
                .team
                .map(|name| wire::clipped(&name))
                .filter(|name| !name.is_empty()),
            currency: None,
            time_zone: None,
            ui_domain: host,
        })
    }
}
