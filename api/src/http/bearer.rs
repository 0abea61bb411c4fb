//! Finds the bearer token of a request and has it verified.
//!
//! A token is taken from one `Authorization` header only: never from the address, which ends up in logs. A missing, a doubled, a
//! malformed and an invalid one are the same: no caller.

use crate::oauth::token::{TokenAuthority, VerifiedClaims};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};
use std::sync::Arc;

/// Says whose a token is. There is no default: whoever serves must hand one in.
pub trait Authenticate: Send + Sync + 'static {
    /// The claims of a valid token; none for any other text.
    fn authenticate(&self, token: &str) -> Option<Arc<VerifiedClaims>>;
}

impl Authenticate for TokenAuthority {
    fn authenticate(&self, token: &str) -> Option<Arc<VerifiedClaims>> {
        self.verify(token).ok()
    }
}

/// Who a request acts for, kept with it for the log line.
#[derive(Clone, Debug)]
pub struct Subject(pub Arc<VerifiedClaims>);

/// Verifies a request's token and notes its subject for the log.
pub fn authenticated(
    request: &HttpRequest,
    authenticate: &dyn Authenticate,
) -> Option<Arc<VerifiedClaims>> {
    let claims = authenticate.authenticate(bearer_token(request.headers())?)?;
    request
        .extensions_mut()
        .insert(Subject(Arc::clone(&claims)));
    Some(claims)
}

/// The token of a request as it stands there, for whoever asks about it again later.
#[must_use]
pub fn bearer_of(request: &HttpRequest) -> Option<String> {
    bearer_token(request.headers()).map(str::to_owned)
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn one_bearer_header_and_nothing_else() {
        let token = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values
                .iter()
                .for_each(|value| headers.append(AUTHORIZATION, HeaderValue::from_static(value)));
            bearer_token(&headers).map(ToOwned::to_owned)
        };
        assert_eq!(token(&["Bearer a.b.c"]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&["bEARER  a.b.c"]).as_deref(), Some("a.b.c"));
        for values in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["a.b.c"],
            &["Basic a"],
            &["Bearer a", "Bearer a"],
            &["Bearera.b.c"],
        ] {
            assert_eq!(token(values), None, "{values:?}");
        }
    }
}
