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
use crate::config::public_url::PublicUrl;
use crate::graphql::error::ErrorCode;
use crate::http::problem;
use crate::http::session::{self, cookie_value};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use entities::{authorization_request, connection};
use integrations::capability::capabilities;
use integrations::connector::Connector;
use integrations::sync::{Returned, SyncError};
use page::page;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// The name of the cookie that binds a consent to the browser that asked for it.
pub(crate) const fn cookie_name(public_url_is_https: bool) -> &'static str {
    if public_url_is_https {
        "__Host-entente_connect"
    } else {
        "entente_connect"
    }
}

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

/// The binding cookie as a header sets it; without a secret it is taken away.
fn cookie(public_url: &PublicUrl, secret: Option<&SecretString>) -> String {
    let name = cookie_name(public_url.is_https());
    match secret {
        Some(secret) => {
            let seconds = authorization_request::VALID_MILLIS / 1_000;
            session::cookie(public_url, name, secret.expose_secret(), seconds)
        }
        None => session::cookie(public_url, name, "", 0),
    }
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
    let (url, descriptor) = (&state.public_url, connector.descriptor());
    let ticket = query.ok().and_then(|query| query.into_inner().ticket);
    let Some(ticket) = ticket.map(SecretString::from) else {
        return begin_again(url, descriptor.name);
    };
    let redirect_uri = state.public_url.url_at(&callback_path(descriptor.id));
    let engine = &state.core.engine;
    match engine
        .redeem_ticket(descriptor.id, &ticket, redirect_uri)
        .await
    {
        Ok(begun) => {
            let cookie = cookie(url, Some(&begun.cookie));
            HttpResponse::SeeOther()
                .insert_header((LOCATION, begun.authorize.as_str()))
                .insert_header((SET_COOKIE, cookie))
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header((REFERRER_POLICY, "no-referrer"))
                .finish()
        }
        Err(SyncError::UnknownConsent) => begin_again(url, descriptor.name),
        Err(error) => failed(url, descriptor.id, descriptor.name, &error),
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
    let url = &state.public_url;
    let (id, name) = (connector.descriptor().id, connector.descriptor().name);
    let Ok(web::Query(answer)) = query else {
        return begin_again(url, name);
    };
    if let Some(error) = answer.error {
        // The word comes from outside; it is cut and quoted, so that it cannot forge a line of the log.
        tracing::warn!(connector = id, error = ?error.chars().take(100).collect::<String>(), "a vendor's consent was refused");
        return begin_again(url, name);
    }
    let name_of_cookie = cookie_name(url.is_https());
    let cookie = cookie_value(request.headers(), name_of_cookie);
    let (Some(code), Some(given), Some(cookie)) = (answer.code, answer.state, cookie) else {
        return begin_again(url, name);
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
            connected(url, connector.as_ref(), &connection)
        }
        Err(SyncError::UnknownConsent) => begin_again(url, name),
        Err(error @ (SyncError::MissingScopes(_) | SyncError::AnotherAccount)) => {
            tracing::warn!(connector = id, %error, "a consent came to nothing");
            let why = match &error {
                SyncError::MissingScopes(scopes) => {
                    format!("These permissions are needed and were not granted: {}.", scopes.join(", "))
                }
                _ => "You are signed in there to another account than the one of this connection. Sign in to that account and begin again, or connect this one as a connection of its own.".to_owned(),
            };
            page(
                url,
                StatusCode::FORBIDDEN,
                &format!("{name} was not connected"),
                &[why, "Nothing was changed.".to_owned()],
            )
        }
        Err(error) => failed(url, id, name, &error),
    }
}

fn connected(url: &PublicUrl, connector: &dyn Connector, row: &connection::Model) -> HttpResponse {
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
        url,
        StatusCode::OK,
        &format!("{} is connected", descriptor.name),
        &sentences,
    )
}

/// The one answer to whatever we did not ask for, or no longer expect.
fn begin_again(url: &PublicUrl, name: &str) -> HttpResponse {
    page(
        url,
        problem::status(ErrorCode::BadRequest),
        &format!("{name} was not connected"),
        &[
            "The consent was refused, is too old, was used already, or began in another browser."
                .to_owned(),
            "Nothing was changed: begin again.".to_owned(),
        ],
    )
}

fn failed(url: &PublicUrl, id: &str, name: &str, error: &SyncError) -> HttpResponse {
    tracing::error!(connector = id, %error, "an account could not be connected");
    page(
        url,
        problem::status(ErrorCode::Unavailable),
        &format!("{name} could not be connected just now"),
        &["Nothing was changed: begin again later.".to_owned()],
    )
}
