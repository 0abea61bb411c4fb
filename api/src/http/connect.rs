//! A person's consent in a browser: `GET /connect/{connector}/start`, which begins it, and `GET /oauth/callback/{connector}`, to which the
//! vendor sends the person back.
//!
//! **Why a page of ours begins it.** The consent must come back in the browser in which it began, which a cookie proves. A mutation cannot set that
//! cookie for a front end on another origin: the browser would drop it as a third party's. The mutation therefore answers an address of ours
//! with a ticket that is good once, for five minutes, and in the name of the one who asked for it; the browser that opens it gets the cookie as
//! that of the site it is visiting, and is sent on to the vendor. Whoever has the ticket can connect an account of their own and learns nothing.
//!
//! Both addresses are open, for a browser brings no token, and therefore believe nothing. Of what is wrong with a ticket or a state the answer
//! does not tell; who has come back from a consent that we asked for is told why it did not come to anything.

mod page;

use super::{Shared, Unknown, unknown};
use crate::graphql::error::ErrorCode;
use crate::http::problem;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, COOKIE as COOKIE_HEADER, HeaderMap, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use entities::{authorization_request, connection};
use integrations::capability::capabilities;
use integrations::connector::Connector;
use integrations::sync::{Returned, SyncError};
use page::page;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// The cookie that binds a consent to the browser that asked for it.
pub const COOKIE: &str = "entente_connect";

/// The address a vendor sends people back to.
#[must_use]
pub fn callback_path(connector: &str) -> String {
    format!("/oauth/callback/{connector}")
}

/// The address at which a consent begins, without its ticket.
#[must_use]
pub fn start_path(connector: &str) -> String {
    format!("/connect/{connector}/start")
}

/// The address at which a consent begins.
#[must_use]
pub fn start_url(mut start: Url, ticket: &SecretString) -> Url {
    start
        .query_pairs_mut()
        .append_pair("ticket", ticket.expose_secret());
    start
}

fn no_cookie() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
}

/// What brings a browser to the beginning.
#[derive(Deserialize)]
pub struct Start {
    ticket: Option<String>,
}

/// Begins a consent: the browser gets its cookie and is sent to the vendor.
pub async fn start(
    request: HttpRequest,
    path: web::Path<String>,
    query: Result<web::Query<Start>, actix_web::Error>,
    state: Shared,
    known: web::Data<Unknown>,
) -> HttpResponse {
    let Some(connector) = state.core.registry.get(&path).cloned() else {
        return unknown(request, known).await;
    };
    let descriptor = connector.descriptor();
    let ticket = query.ok().and_then(|query| query.into_inner().ticket);
    let Some(ticket) = ticket.map(SecretString::from) else {
        return begin_again(descriptor.name);
    };
    let redirect_uri = state.public_url.url_at(&callback_path(descriptor.id));
    let engine = &state.core.engine;
    match engine
        .redeem_ticket(descriptor.id, &ticket, redirect_uri)
        .await
    {
        Ok(begun) => {
            // The cookie goes over TLS only, except to a public address on loopback, which may be without it.
            let secure = if state.public_url.as_str().starts_with("https:") {
                "; Secure"
            } else {
                ""
            };
            let cookie = format!(
                "{COOKIE}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
                begun.cookie.expose_secret(),
                authorization_request::VALID_MILLIS / 1_000
            );
            HttpResponse::SeeOther()
                .insert_header((LOCATION, begun.authorize.as_str()))
                .insert_header((SET_COOKIE, cookie))
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header((REFERRER_POLICY, "no-referrer"))
                .finish()
        }
        Err(SyncError::UnknownConsent) => begin_again(descriptor.name),
        Err(error) => failed(descriptor.id, descriptor.name, &error),
    }
}

/// What a vendor sends along.
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Takes a person back from the vendor and ends the consent.
pub async fn callback(
    request: HttpRequest,
    path: web::Path<String>,
    query: Result<web::Query<Answer>, actix_web::Error>,
    state: Shared,
    known: web::Data<Unknown>,
) -> HttpResponse {
    let Some(connector) = state.core.registry.get(&path).cloned() else {
        return unknown(request, known).await;
    };
    let (id, name) = (connector.descriptor().id, connector.descriptor().name);
    let Ok(web::Query(answer)) = query else {
        return begin_again(name);
    };
    if let Some(error) = answer.error {
        // The word comes from outside; it is cut and quoted, so that it cannot forge a line of the log.
        tracing::warn!(connector = id, error = ?error.chars().take(100).collect::<String>(), "a vendor's consent was refused");
        return begin_again(name);
    }
    let (Some(code), Some(given), Some(cookie)) =
        (answer.code, answer.state, cookie(request.headers()))
    else {
        return begin_again(name);
    };
    let (given, cookie) = (SecretString::from(given), SecretString::from(cookie));
    let returned = Returned {
        connector: id,
        state: &given,
        code: code.into(),
        query: request.query_string(),
        cookie: &cookie,
    };
    match state.core.engine.complete_connect(returned).await {
        Ok(connection) => {
            tracing::info!(connector = id, connection = %connection.id, account = connection.tenant_id, "an account was connected");
            connected(connector.as_ref(), &connection)
        }
        Err(SyncError::UnknownConsent) => begin_again(name),
        Err(error @ (SyncError::MissingScopes(_) | SyncError::AnotherAccount)) => {
            tracing::warn!(connector = id, %error, "a consent came to nothing");
            let why = match &error {
                SyncError::MissingScopes(scopes) => {
                    format!("These permissions are needed and were not granted: {}.", scopes.join(", "))
                }
                _ => "You are signed in there to another account than the one of this connection. Sign in to that account and begin again, or connect this one as a connection of its own.".to_owned(),
            };
            page(
                StatusCode::FORBIDDEN,
                &format!("{name} was not connected"),
                &[why, "Nothing was changed.".to_owned()],
            )
        }
        Err(error) => failed(id, name, &error),
    }
}

fn connected(connector: &dyn Connector, row: &connection::Model) -> HttpResponse {
    let descriptor = connector.descriptor();
    let account = match &row.account.name {
        Some(name) => format!("{name} ({})", row.tenant_id),
        None => row.tenant_id.clone(),
    };
    let mut sentences = vec![format!(
        "The {} account {account} is connected.",
        descriptor.name
    )];
    let unwritable: Vec<&str> = capabilities(connector, &row.granted_scopes.0)
        .iter()
        .zip(&descriptor.resources)
        .filter(|(capability, described)| described.push_scope.is_some() && !capability.write)
        .map(|(capability, _)| capability.resource.as_str())
        .collect();
    if !unwritable.is_empty() {
        sentences.push(format!(
            "These records are read and not written: {}.",
            unwritable.join(", ")
        ));
    }
    sentences.push("You can close this page.".to_owned());
    page(
        StatusCode::OK,
        &format!("{} is connected", descriptor.name),
        &sentences,
    )
}

/// The one answer to whatever we did not ask for, or no longer expect.
fn begin_again(name: &str) -> HttpResponse {
    page(
        problem::status(ErrorCode::BadRequest),
        &format!("{name} was not connected"),
        &[
            "The consent was refused, is too old, was used already, or began in another browser."
                .to_owned(),
            "Nothing was changed: begin again.".to_owned(),
        ],
    )
}

fn failed(id: &str, name: &str, error: &SyncError) -> HttpResponse {
    tracing::error!(connector = id, %error, "an account could not be connected");
    page(
        problem::status(ErrorCode::Unavailable),
        &format!("{name} could not be connected just now"),
        &["Nothing was changed: begin again later.".to_owned()],
    )
}

/// The binding cookie, when the request carries exactly one: which of several is meant would be a guess.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers
        .get_all(COOKIE_HEADER)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let mut values = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned());
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn the_cookie_is_there_exactly_once() {
        let found = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values
                .iter()
                .for_each(|value| headers.append(COOKIE_HEADER, HeaderValue::from_static(value)));
            cookie(&headers)
        };
        assert_eq!(
            found(&["a=b; entente_connect=x; c=d"]).as_deref(),
            Some("x")
        );
        assert_eq!(found(&["a=b", "entente_connect=x"]).as_deref(), Some("x"));
        for values in [
            &[][..],
            &["a=b"],
            &["entente_connect="],
            &["entente_connect=x; entente_connect=y"],
            &["entente_connect=x", "entente_connect=x"],
            &["xentente_connect=x"],
        ] {
            assert_eq!(found(values), None, "{values:?}");
        }
    }
}
