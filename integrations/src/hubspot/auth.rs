//! Connecting a portal.
//!
//! Owns: what HubSpot adds to OAuth (the portal's id, the list of scopes, its spelling of a refused grant) and whose account a token
//! belongs to. Refuses: to take an expired access token for a lost connection: only the token endpoint decides that. Invariant: the
//! portal's id is text, everywhere.

use super::{
    API_DATE, HubSpot,
    descriptor::{OPTIONAL_SCOPES, REQUIRED_SCOPES},
    error_body::ErrorBody,
    limits, wire,
};
use crate::{
    connector::{Account, Authenticate, Context, INVALID_SITE, Lane},
    error::{ConnectorError, Result},
    http::{Answer, Call, Client},
    oauth::{AppCredentials, AuthorizeRequest, Callback, Exchange, TokenSet, VendorFields},
};
use async_trait::async_trait;
use oauth2::ExtraTokenFields;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// What HubSpot's token answer holds beyond the standard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HubSpotFields {
    /// A number; kept as it came and shown as text.
    #[serde(default)]
    hub_id: Value,
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

impl ExtraTokenFields for HubSpotFields {}

impl VendorFields for HubSpotFields {
    fn tenant_id(&self) -> Option<String> {
        match &self.hub_id {
            Value::Number(number) => number.as_u64().map(|id| id.to_string()),
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn scopes(&self) -> Option<Vec<String>> {
        self.scopes.clone()
    }
}

/// What the token endpoint means when it says no. A refused grant is spelled in one of two fields, by the age of the endpoint.
pub(super) fn refusal(answer: &Answer) -> ConnectorError {
    let body = ErrorBody::read(&answer.body);
    let spellings = [
        body.error.as_deref(),
        body.status.as_deref(),
        body.category.as_deref(),
    ];
    let is = |word: &str| {
        spellings
            .iter()
            .flatten()
            .any(|spelling| spelling.eq_ignore_ascii_case(word))
    };
    let message = body.message_for(answer.status);
    match answer.status {
        400 | 401 | 403
            if ["invalid_grant", "BAD_REFRESH_TOKEN", "BAD_AUTH_CODE"]
                .into_iter()
                .any(is) =>
        {
            ConnectorError::Auth {
                reconnect: true,
                message,
            }
        }
        // Our own registration is wrong; no person who connects an account can mend that.
        400 | 401 | 403
            if is("invalid_client") || is("BAD_CLIENT_ID") || is("BAD_CLIENT_SECRET") =>
        {
            ConnectorError::permanent("invalid_client", message)
        }
        401 => ConnectorError::permanent("invalid_client", message),
        _ => limits::refusal(answer, Lane::Standard),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    portal_id: wire::Id,
    time_zone: Option<String>,
    company_currency: Option<String>,
    ui_domain: Option<String>,
}

#[async_trait]
impl Authenticate for HubSpot {
    fn site(&self, typed: Option<&str>) -> Result<Option<Url>> {
        match typed {
            None => Ok(None),
            Some(_) => Err(ConnectorError::permanent(
                INVALID_SITE,
                "HubSpot has one address for all accounts: leave the site out.",
            )),
        }
    }

    /// HubSpot signs nothing here: state, cookie and PKCE are what binds the answer.
    fn check_callback(&self, _: &AppCredentials, _: &Callback<'_>, _: i64) -> Result<()> {
        Ok(())
    }

    fn origins(&self, _: &TokenSet) -> Result<Vec<Url>> {
        Ok(vec![self.endpoints.api.clone()])
    }

    fn authorize_url(&self, app: &AppCredentials, request: &AuthorizeRequest) -> Result<Url> {
        let mut url = self
            .server
            .authorize_url::<HubSpotFields>(app, request, &REQUIRED_SCOPES)?;
        url.query_pairs_mut()
            .append_pair("optional_scope", &OPTIONAL_SCOPES.join(" "));
        Ok(url)
    }

    async fn exchange(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet> {
        self.server
            .exchange::<HubSpotFields>(http, app, exchange, now_ms)
            .await
    }

    async fn refresh(
        &self,
        http: &Client,
        app: &AppCredentials,
        tokens: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet> {
        self.server
            .refresh::<HubSpotFields>(http, app, tokens, now_ms)
            .await
    }

    async fn revoke(&self, http: &Client, app: &AppCredentials, tokens: &TokenSet) -> Result<()> {
        let (token, hint) = match &tokens.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (&tokens.access_token, "access_token"),
        };
        let fields = [
            ("token", token.expose_secret()),
            ("token_type_hint", hint),
            ("client_id", app.client_id.as_str()),
            ("client_secret", app.client_secret.expose_secret()),
        ];
        let url = self
            .endpoints
            .api_url(&format!("/oauth/{API_DATE}/token/revoke"));
        let answer = http.send(&Call::post_form(url, &fields)).await?;
        if answer.is_success() {
            return Ok(());
        }
        match refusal(&answer) {
            // A token that is no longer valid is what was asked for.
            ConnectorError::Auth { .. } | ConnectorError::NotFound { .. } => Ok(()),
            error => Err(error),
        }
    }

    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let answer = self
            .get(ctx, &format!("/account-info/{API_DATE}/details"), &[])
            .await?;
        let details: Details = wire::read(&answer.body)?;
        Ok(Account {
            tenant_id: details.portal_id.0,
            name: None,
            currency: details.company_currency.filter(|text| !text.is_empty()),
            time_zone: details.time_zone.filter(|text| !text.is_empty()),
            ui_domain: details.ui_domain.filter(|text| !text.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn said(status: u16, body: &'static str) -> ConnectorError {
        refusal(&Answer {
            status,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        })
    }

    #[test]
    fn only_a_refused_grant_asks_a_person() {
        for body in [
            r#"{"error":"invalid_grant","error_description":"refresh token is invalid, expired or revoked","status":"BAD_REFRESH_TOKEN","message":"m"}"#,
            r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#,
            r#"{"error":"invalid_grant"}"#,
        ] {
            assert!(
                matches!(
                    said(400, body),
                    ConnectorError::Auth {
                        reconnect: true,
                        ..
                    }
                ),
                "{body}"
            );
        }
        assert!(matches!(
            said(400, r#"{"error":"invalid_client"}"#),
            ConnectorError::Permanent { .. }
        ));
        assert!(matches!(
            said(400, r#"{"error":"invalid_request"}"#),
            ConnectorError::Permanent { .. }
        ));
        for status in [500, 502, 503, 520] {
            assert_eq!(
                said(status, r#"{"status":"BAD_REFRESH_TOKEN"}"#).code(),
                "TRANSIENT"
            );
        }
        assert_eq!(said(429, "{}").code(), "RATE_LIMITED");
    }
}
