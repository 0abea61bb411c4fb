//! The way back from a vendor's consent: `GET /oauth/callback/{connector}`.
//!
//! It is open, for a browser brings no token, and therefore believes nothing: the state must be one we gave out, unused, lately, and to
//! the browser that comes back, which its cookie proves. Whatever is wrong, the answer is the same, and nothing is connected.

use super::problem::problem;
use super::{Shared, Unknown, unknown};
use crate::graphql::error::ErrorCode;
use actix_web::http::header::{
    CACHE_CONTROL, COOKIE as COOKIE_HEADER, HeaderMap, REFERRER_POLICY, SET_COOKIE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use integrations::sync::{Returned, SyncError};
use secrecy::SecretString;
use serde::Deserialize;

/// The cookie that binds a consent to the browser that asked for it.
pub const COOKIE: &str = "entente_connect";

/// The address a vendor sends people back to.
#[must_use]
pub fn callback_path(connector: &str) -> String {
    format!("/oauth/callback/{connector}")
}

/// What a vendor sends along.
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// The handler.
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
    let refused = || {
        problem(
            &request,
            ErrorCode::BadRequest,
            "The account was not connected: begin again.",
        )
    };
    let id = connector.descriptor().id;
    let Ok(web::Query(answer)) = query else {
        return refused();
    };
    if let Some(error) = answer.error {
        // The word comes from outside; it is cut and quoted, so that it cannot forge a line of the log.
        tracing::warn!(connector = id, error = ?error.chars().take(100).collect::<String>(), "a vendor's consent was refused");
        return refused();
    }
    let (Some(code), Some(given), Some(cookie)) =
        (answer.code, answer.state, cookie(request.headers()))
    else {
        return refused();
    };
    let (given, cookie) = (SecretString::from(given), SecretString::from(cookie));
    let returned = Returned {
        connector: id,
        state: &given,
        code: code.into(),
        cookie: &cookie,
    };
    match state.core.engine.complete_connect(returned).await {
        Ok(connection) => {
            tracing::info!(connector = id, connection = %connection.id, account = connection.tenant_id, "an account was connected");
            HttpResponse::Ok()
                .insert_header((
                    SET_COOKIE,
                    format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
                ))
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header((REFERRER_POLICY, "no-referrer"))
                .content_type("text/plain; charset=utf-8")
                .body("The account is connected. You can close this page.\n")
        }
        Err(SyncError::UnknownConsent) => refused(),
        Err(error) => {
            tracing::error!(connector = id, %error, "an account could not be connected");
            problem(
                &request,
                ErrorCode::Unavailable,
                "The account could not be connected just now: begin again later.",
            )
        }
    }
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
