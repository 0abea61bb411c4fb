//! The cookie of a signed-in browser, and the proofs that a form is ours.
//!
//! Over TLS the cookie is `__Host-entente`, which a browser takes from this host alone, for the whole of it, and gives to nobody over a plain
//! connection; on loopback without TLS it has no prefix, because the prefix demands `Secure`. It is HttpOnly and SameSite=Lax: it comes along
//! when somebody follows a link to us, and with no form of another site.
//!
//! A form that changes anything must come by POST, from a page of ours (its `Origin`), and, where somebody is signed in, carry the session's
//! form token. Every one of these alone would do in a browser as it should be; together they do in browsers as they are.

use super::page;
use crate::config::public_url::PublicUrl;
use crate::people::Recognised;
use crate::state::State;
use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE as COOKIE_HEADER, HeaderMap, ORIGIN, USER_AGENT};
use entities::id::SessionId;
use entities::session::LONGEST_MILLIS;
use entities::user;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq as _;

/// Who is signed in, in the browser that asks.
#[derive(Clone)]
pub struct SignedIn {
    /// The person, who is active.
    pub user: user::Model,
    /// The session.
    pub session_id: SessionId,
    /// What every form for this person carries; see [`form_is_ours`].
    pub form_token: String,
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedIn")
            .field("user", &self.user.id)
            .field("session", &self.session_id)
            .finish_non_exhaustive()
    }
}

const fn cookie_name(public_url_is_https: bool) -> &'static str {
    if public_url_is_https {
        "__Host-entente"
    } else {
        "entente"
    }
}

/// A cookie of ours, as a header sets it.
pub(super) fn cookie(
    public_url: &PublicUrl,
    name: &str,
    value: &str,
    max_age_seconds: i64,
) -> String {
    let secure = if public_url.is_https() {
        "; Secure"
    } else {
        ""
    };
    format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// Who is signed in; nobody when there is no session that goes on, or the database cannot say. Where the cookie's secret was exchanged, the page or
/// redirect that answers the request brings the new one.
pub async fn current(request: &HttpRequest, state: &State) -> Option<SignedIn> {
    let name = cookie_name(state.public_url.is_https());
    let given = SecretString::from(cookie_value(request.headers(), name)?);
    match state.people.recognise_cookie(&given).await {
        Ok(Some(Recognised {
            user,
            session,
            fresh,
        })) => {
            if let Some(fresh) = fresh {
                keep(request, state, &fresh);
            }
            Some(SignedIn {
                user,
                session_id: session.id,
                form_token: state.people.form_token(session.id),
            })
        }
        Ok(None) => None,
        Err(error) => {
            tracing::error!(%error, "a session could not be looked up");
            None
        }
    }
}

/// Gives the browser a session's secret.
pub(super) fn keep(request: &HttpRequest, state: &State, secret: &SecretString) {
    let url = &state.public_url;
    let name = cookie_name(url.is_https());
    let value = secret.expose_secret();
    page::set_cookie(request, cookie(url, name, value, LONGEST_MILLIS / 1_000));
}

/// Takes the secret from the browser.
pub(super) fn forget(request: &HttpRequest, state: &State) {
    let url = &state.public_url;
    let name = cookie_name(url.is_https());
    page::set_cookie(request, cookie(url, name, "", 0));
}

/// Whether a form was sent from a page of this origin. A browser names the origin with every POST.
#[must_use]
pub fn comes_from_us(request: &HttpRequest, state: &State) -> bool {
    let mut origins = request.headers().get_all(ORIGIN);
    match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.as_bytes() == state.public_url.origin().as_bytes(),
        _ => false,
    }
}

/// Whether a form was sent from a page of ours that was made for this session.
#[must_use]
pub fn form_is_ours(
    request: &HttpRequest,
    state: &State,
    signed_in: &SignedIn,
    token: Option<&str>,
) -> bool {
    let right: bool = token
        .unwrap_or_default()
        .as_bytes()
        .ct_eq(signed_in.form_token.as_bytes())
        .into();
    right && !signed_in.form_token.is_empty() && comes_from_us(request, state)
}

/// What the browser calls itself.
pub(super) fn user_agent(request: &HttpRequest) -> Option<String> {
    let text = request.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(text.to_owned())
}

/// A cookie's value, when the request carries exactly one of that name: which of several is meant would be a guess.
pub(super) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs = headers
        .get_all(COOKIE_HEADER)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let mut values = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(own, _)| *own == name)
        .map(|(_, value)| value.to_owned());
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn the_cookie_is_there_exactly_once() {
        let found = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values
                .iter()
                .for_each(|value| headers.append(COOKIE_HEADER, HeaderValue::from_static(value)));
            cookie_value(&headers, "entente")
        };
        assert_eq!(found(&["a=b; entente=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(found(&["a=b", "entente=x"]).as_deref(), Some("x"));
        for values in [
            &[][..],
            &["a=b"],
            &["entente="],
            &["entente=x; entente=y"],
            &["entente=x", "entente=x"],
            &["xentente=x"],
            &["__Host-entente=x"],
        ] {
            assert_eq!(found(values), None, "{values:?}");
        }
    }

    #[test]
    fn over_tls_the_cookie_is_this_hosts_alone() {
        let tls = PublicUrl::parse("https://entente.example/below").unwrap();
        let name = cookie_name(tls.is_https());
        assert_eq!(
            cookie(&tls, name, "x", 9),
            "__Host-entente=x; Path=/; Max-Age=9; HttpOnly; SameSite=Lax; Secure"
        );
        let loopback = PublicUrl::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!(
            cookie(&loopback, cookie_name(loopback.is_https()), "x", 9),
            "entente=x; Path=/; Max-Age=9; HttpOnly; SameSite=Lax"
        );
    }
}
