//! Connecting an account.
//!
//! Owns: what Salesforce adds to OAuth (an address for each account, who signed the answer, where the API is) and whose account a token belongs to.
//! Refuses: an answer that Salesforce did not sign with our secret, an API outside of its domain, and another account than before. Invariant: the
//! account's id is the organisation's, in its long form, from the signed part of the answer.
//!
//! Salesforce tells no end of an access token: it ends when the account's own policy says so, and is renewed when a call is told so. Where refresh
//! tokens rotate, the old one is dead at once; the engine stores the new one before it is used.

use super::{
    Salesforce,
    call::Bin,
    descriptor::{API_SCOPE, REFRESH_SCOPE, object},
    error_body::{Fault, line},
    id, limits,
    row::{Row, value},
    shape::Shape,
    wire,
};
use crate::{
    connector::{Account, Authenticate, Context},
    error::{ConnectorError, Result},
    http::{Answer, Call, Client},
    oauth::{
        AppCredentials, AuthorizeRequest, Callback, Exchange, INVALID_CLIENT, Server, TokenSet,
        VendorFields,
    },
    record::Resource,
    signature::{Encoding, Match, hmac_sha256},
};
use async_trait::async_trait;
use oauth2::ExtraTokenFields;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// What Salesforce's token answer holds beyond the standard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SalesforceFields {
    /// An address whose path ends in the ids of the organisation and of the user.
    id: Option<String>,
    issued_at: Option<Value>,
    signature: Option<String>,
    instance_url: Option<String>,
}

impl ExtraTokenFields for SalesforceFields {}

impl VendorFields for SalesforceFields {
    fn tenant_id(&self) -> Option<String> {
        let url = Url::parse(self.id.as_deref()?).ok()?;
        let mut path = url.path_segments()?;
        let (Some("id"), Some(organisation), Some(_user), None) =
            (path.next(), path.next(), path.next(), path.next())
        else {
            return None;
        };
        organisation
            .starts_with("00D")
            .then(|| id::long(organisation))?
    }

    fn scopes(&self) -> Option<Vec<String>> {
        None
    }
}

impl SalesforceFields {
    /// Whether Salesforce signed who this is, with one of our secrets.
    fn check(&self, app: &AppCredentials) -> Result<()> {
        let issued_at = match &self.issued_at {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let (Some(id), Some(issued_at), Some(signature)) = (&self.id, &issued_at, &self.signature)
        else {
            return Err(unsigned("it does not say who signed whose account"));
        };
        let secrets: Vec<SecretString> = std::iter::once(&app.client_secret)
            .chain(&app.previous_client_secret)
            .cloned()
            .collect();
        let parts: [&[u8]; 2] = [id.as_bytes(), issued_at.as_bytes()];
        match hmac_sha256(&secrets, &parts, signature, Encoding::Base64) {
            Match::Yes => Ok(()),
            Match::No | Match::Malformed => Err(unsigned("its signature is not Salesforce's")),
        }
    }
}

fn unsigned(why: &str) -> ConnectorError {
    ConnectorError::permanent(
        "unsigned_answer",
        format!("The token answer is not believed: {why}."),
    )
}

/// What the token endpoint means when it says no.
pub(super) fn refusal(answer: &Answer) -> ConnectorError {
    let faults = Fault::read(&answer.body);
    let message = line(&format!("Salesforce answered {}", answer.status), &faults);
    let is = |code: &str| faults.iter().any(|fault| fault.is(code));
    if !matches!(answer.status, 400 | 401 | 403) {
        return limits::refusal(answer);
    }
    if is("invalid_grant") || is("inactive_user") || is("inactive_org") {
        return ConnectorError::Auth {
            reconnect: true,
            message,
        };
    }
    // Our own registration is wrong; no person who connects an account can mend that.
    if is("invalid_client") || is("invalid_client_id") || is("invalid_client_credentials") {
        return ConnectorError::permanent(INVALID_CLIENT, message);
    }
    // "Retry your request" is what it says then.
    if is("unknown_error") || is("server_error") || is("temporarily_unavailable") {
        return ConnectorError::transient(message);
    }
    match limits::refusal(answer) {
        // Where tokens are asked for there is no token to renew.
        ConnectorError::Auth { .. } => ConnectorError::permanent(INVALID_CLIENT, message),
        other => other,
    }
}

impl Salesforce {
    /// The authorization server of an account.
    fn server(&self, site: Option<&Url>) -> Result<Server> {
        let site = match site {
            Some(site) => self.endpoints.trusted(site)?,
            None => self.endpoints.site(None)?,
        };
        let at = |path: &str| {
            let mut url = site.clone();
            url.set_path(path);
            url
        };
        Ok(Server {
            authorize: at("/services/oauth2/authorize"),
            token: at("/services/oauth2/token"),
            refusal,
        })
    }

    /// Tokens with what Salesforce says beside them, once that is believed.
    fn believed(
        &self,
        app: &AppCredentials,
        (mut tokens, told): (TokenSet, SalesforceFields),
        before: Option<&TokenSet>,
    ) -> Result<TokenSet> {
        // A renewal need not say again who it is for; what it says has to be signed.
        if before.is_none() || told.id.is_some() {
            told.check(app)?;
        }
        if let Some(known) = before.and_then(|before| before.tenant_id.as_deref())
            && told.tenant_id().is_some_and(|told| !id::same(&told, known))
        {
            return Err(ConnectorError::permanent(
                "foreign_account",
                "The renewed token belongs to another organisation.",
            ));
        }
        if tokens.tenant_id.is_none() {
            return Err(ConnectorError::schema(
                "the token answer does not name the organisation",
            ));
        }
        let told_api = told
            .instance_url
            .as_deref()
            .map(|text| {
                Url::parse(text)
                    .map_err(|_| ConnectorError::schema("the API's address is no address"))
                    .and_then(|url| self.endpoints.trusted(&url))
            })
            .transpose()?;
        tokens.api = told_api.or_else(|| before.and_then(|before| before.api.clone()));
        if tokens.api.is_none() && before.is_none() {
            return Err(ConnectorError::schema(
                "the token answer does not say where the API is",
            ));
        }
        // Two scopes have wider names that contain them.
        for (wide, narrow) in [("full", API_SCOPE), ("offline_access", REFRESH_SCOPE)] {
            let has = |name: &str| tokens.scopes.iter().any(|scope| scope == name);
            if has(wide) && !has(narrow) {
                tokens.scopes.push(narrow.to_owned());
            }
        }
        tokens.scopes.sort_unstable();
        Ok(tokens)
    }

    /// The currency of amounts that name none.
    async fn currency(&self, ctx: &Context<'_>, deals: &Shape) -> Result<Option<String>> {
        if deals.has("CurrencyIsoCode") {
            let soql = "SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true";
            let rows = forgiven(self.all_rows(ctx, soql).await)?.unwrap_or_default();
            return Ok(first(&rows, "IsoCode"));
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Features {
            default_currency_iso_code: Option<String>,
        }
        #[derive(Deserialize)]
        struct Organisation {
            features: Features,
        }
        // An account with one currency has no field for it anywhere in its records.
        let Some(answer) = forgiven(self.get(ctx, "connect/organization", &[]).await)? else {
            return Ok(None);
        };
        let told: Organisation = wire::read(&answer.body)?;
        Ok(told
            .features
            .default_currency_iso_code
            .filter(|code| !code.is_empty()))
    }
}

/// What an account may not let us see is not known; a call that failed is a failure.
fn forgiven<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(ConnectorError::Permanent { .. } | ConnectorError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn first(rows: &[Row], column: &str) -> Option<String> {
    value(rows.first()?, column).map(str::to_owned)
}

#[async_trait]
impl Authenticate for Salesforce {
    fn site(&self, typed: Option<&str>) -> Result<Option<Url>> {
        self.endpoints.site(typed).map(Some)
    }

    fn authorize_url(&self, app: &AppCredentials, request: &AuthorizeRequest) -> Result<Url> {
        let server = self.server(request.site.as_ref())?;
        server.authorize_url::<SalesforceFields>(app, request, &[API_SCOPE, REFRESH_SCOPE])
    }

    /// Salesforce signs nothing here: state, cookie and PKCE are what binds the answer. What it signs is the token answer.
    fn check_callback(&self, _: &AppCredentials, _: &Callback<'_>, _: i64) -> Result<()> {
        Ok(())
    }

    fn origins(&self, tokens: &TokenSet) -> Result<Vec<Url>> {
        match &tokens.api {
            Some(api) => Ok(vec![self.endpoints.trusted(api)?]),
            None => Err(ConnectorError::permanent(
                "no_instance",
                "the connection does not say where the account's API is; connect it again",
            )),
        }
    }

    async fn exchange(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let server = self.server(exchange.site.as_ref())?;
        let answer = server
            .exchange_told::<SalesforceFields>(http, app, exchange, now_ms)
            .await?;
        let mut tokens = self.believed(app, answer, None)?;
        tokens.site = Some(match &exchange.site {
            Some(site) => self.endpoints.trusted(site)?,
            None => self.endpoints.site(None)?,
        });
        Ok(tokens)
    }

    async fn refresh(
        &self,
        http: &Client,
        app: &AppCredentials,
        tokens: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet> {
        let server = self.server(tokens.site.as_ref())?;
        let answer = server
            .refresh_told::<SalesforceFields>(http, app, tokens, now_ms)
            .await?;
        self.believed(app, answer, Some(tokens))
    }

    async fn revoke(&self, http: &Client, _: &AppCredentials, tokens: &TokenSet) -> Result<()> {
        // Revoking the refresh token ends its access tokens as well.
        let token = tokens
            .refresh_token
            .as_ref()
            .unwrap_or(&tokens.access_token);
        let mut url = self.server(tokens.site.as_ref())?.token;
        url.set_path("/services/oauth2/revoke");
        let call = Call::post_form(url, &[("token", token.expose_secret())]);
        let answer = http.send(&call).await?;
        let gone = ["invalid_token", "unsupported_token_type"];
        let faults = Fault::read(&answer.body);
        if answer.is_success()
            || answer.status == 400
                && faults
                    .iter()
                    .any(|fault| gone.iter().any(|code| fault.is(code)))
        {
            return Ok(());
        }
        match refusal(&answer) {
            // A token that is no longer valid is what was asked for.
            ConnectorError::Auth { .. } | ConnectorError::NotFound { .. } => Ok(()),
            error => Err(error),
        }
    }

    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let soql = "SELECT Id, Name, TimeZoneSidKey, IsSandbox FROM Organization";
        let answer = self.query(ctx, Bin::Hidden, soql).await?;
        let frame: wire::QueryFrame<'_> = wire::read(&answer.body)?;
        let rows: Vec<Row> = frame
            .records
            .into_iter()
            .map(|raw| {
                let (shape, none) = (Shape::default(), super::shape::Selection::none());
                super::row::of_json(&shape, &none, raw).map_err(|flaw| {
                    ConnectorError::schema(format!("the organisation cannot be read: {flaw}"))
                })
            })
            .collect::<Result<_>>()?;
        let Some(tenant_id) = first(&rows, "Id").as_deref().and_then(id::long) else {
            return Err(ConnectorError::schema(
                "the organisation has no readable id",
            ));
        };
        let deals = match object(Resource::Deal) {
            Some(deal) => forgiven(self.shape(ctx, deal.name).await)?,
            None => None,
        };
        let currency = match deals {
            Some(deals) => self.currency(ctx, &deals).await?,
            None => None,
        };
        // A company's production and its sandboxes look alike; their ids differ, and so should what people see.
        let is_sandbox = first(&rows, "IsSandbox").as_deref() == Some("true");
        let name = first(&rows, "Name").map(|name| {
            if is_sandbox {
                format!("{name} (sandbox)")
            } else {
                name
            }
        });
        Ok(Account {
            tenant_id,
            name,
            currency,
            time_zone: first(&rows, "TimeZoneSidKey"),
            ui_domain: ctx
                .api
                .filter(|api| api.scheme() == "https")
                .and_then(Url::host_str)
                .map(str::to_owned),
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
            r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
            r#"{"error":"invalid_grant","error_description":"authentication failure"}"#,
            r#"{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}"#,
            r#"{"error":"inactive_user","error_description":"user is inactive"}"#,
        ] {
            assert_eq!(said(400, body).code(), "REAUTH_REQUIRED", "{body}");
        }
        for (status, body) in [
            (
                400,
                r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#,
            ),
            (401, r#"{"error":"invalid_client_id"}"#),
            (401, ""),
        ] {
            assert!(
                matches!(said(status, body), ConnectorError::Permanent { code, .. } if code == INVALID_CLIENT),
                "{body}"
            );
        }
        assert_eq!(
            said(
                400,
                r#"{"error":"invalid_request","error_description":"invalid code verifier"}"#
            )
            .code(),
            "REFUSED_BY_VENDOR"
        );
        assert_eq!(
            said(
                400,
                r#"{"error":"unknown_error","error_description":"retry your request"}"#
            )
            .code(),
            "TRANSIENT"
        );
        for status in [500, 502, 503] {
            assert_eq!(
                said(status, r#"{"error":"invalid_grant"}"#).code(),
                "TRANSIENT"
            );
        }
        assert_eq!(said(429, "{}").code(), "RATE_LIMITED");
    }

    #[test]
    fn the_organisation_is_read_out_of_the_identity_address_and_nothing_else() {
        let of = |id: &str| {
            SalesforceFields {
                id: Some(id.to_owned()),
                issued_at: None,
                signature: None,
                instance_url: None,
            }
            .tenant_id()
        };
        assert_eq!(
            of("https://login.salesforce.com/id/00Dx0000000BV7zEAC/005x00000012Q9PAAU").as_deref(),
            Some("00Dx0000000BV7zEAC")
        );
        assert_eq!(
            of("https://acme.my.salesforce.com/id/00D5e000000KQ2e/0055e000000KQ2e").as_deref(),
            Some("00D5e000000KQ2eEAG")
        );
        for bad in [
            "",
            "00Dx0000000BV7zEAC",
            "https://login.salesforce.com/id/005x00000012Q9PAAU/00Dx0000000BV7zEAC",
            "https://login.salesforce.com/id/00Dx0000000BV7zEAC",
            "https://login.salesforce.com/id/00Dx0000000BV7zEAC/005x00000012Q9PAAU/more",
            "https://login.salesforce.com/x/00Dx0000000BV7zEAC/005x00000012Q9PAAU",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
