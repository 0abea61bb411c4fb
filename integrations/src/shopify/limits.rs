//! What Shopify means when it says no.
//!
//! Owns: the one table from status, and from the code of an error in an answer, to the reaction asked of the caller. Refuses: to read meaning out of
//! message texts. Invariant: a wait Shopify states is never shortened, and a shop that is closed for a while loses nothing: its work waits.

use super::cost::Cost;
use super::wire::{self, Problem, clipped};
use crate::{
    error::{ConnectorError, LimitScope},
    http::Answer,
};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// A query that asks for more points than any may.
pub(super) const TOO_COSTLY: &str = "MAX_COST_EXCEEDED";
/// Something of the answer is not granted.
pub(super) const DENIED: &str = "ACCESS_DENIED";
/// Shopify does not take a variable, such as a mark of a page it no longer knows.
pub(super) const BAD_INPUT: &str = "BAD_USER_INPUT";

/// How long to leave alone a shop that is closed, frozen or locked: only its owner or Shopify can change that.
const CLOSED: Duration = Duration::from_secs(3600);

/// The reaction to a status that is not a success.
pub(super) fn refusal(answer: &Answer) -> ConnectorError {
    let message = message(answer);
    let later = |floor: Option<Duration>| ConnectorError::Transient {
        retry_after: answer.retry_after().max(floor),
        message: message.clone(),
    };
    match answer.status {
        401 => ConnectorError::Auth {
            reconnect: false,
            message,
        },
        // The shop owes money, is locked, or refuses us for a while for its safety.
        402 | 423 | 430 => later(Some(CLOSED)),
        429 => ConnectorError::RateLimited {
            retry_after: answer.retry_after().unwrap_or(Duration::from_secs(2)),
            scope: LimitScope::Account,
        },
        404 => ConnectorError::permanent("shop_not_found", message),
        408 | 425 | 500..=599 => later(None),
        300..=399 => ConnectorError::permanent(
            "redirected",
            "Shopify answered with a redirect, which is not followed; the shop may have another name now",
        ),
        status => ConnectorError::permanent(format!("http_{status}"), message),
    }
}

/// One line for a person about an answer that is not a success. Its body may be JSON of two kinds, text or a page of HTML.
fn message(answer: &Answer) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        errors: Option<Value>,
        error: Option<Value>,
        error_description: Option<Value>,
    }
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => Some(clipped(&text)),
        _ => None,
    };
    let said = Problem::list(body.errors)
        .into_iter()
        .map(|problem| problem.message)
        .find(|message| !message.is_empty())
        .or_else(|| text(body.error_description))
        .or_else(|| text(body.error));
    match said {
        Some(said) => format!("Shopify answered {}: {said}", answer.status),
        None => format!("Shopify answered {}", answer.status),
    }
}

/// The reaction to the errors of an answer, but for those that only deny a part of it.
pub(super) fn reaction(problems: &[Problem], cost: &Cost) -> Option<ConnectorError> {
    let with = |code: &str| {
        problems
            .iter()
            .find(|problem| problem.code.as_deref() == Some(code))
    };
    if with("THROTTLED").is_some() {
        return Some(ConnectorError::RateLimited {
            retry_after: cost.throttled(),
            scope: LimitScope::Account,
        });
    }
    if let Some(problem) = with("SHOP_INACTIVE") {
        return Some(ConnectorError::Transient {
            message: problem.told(),
            retry_after: Some(CLOSED),
        });
    }
    let problem = problems
        .iter()
        .find(|problem| problem.code.as_deref() != Some(DENIED))?;
    Some(match problem.code.as_deref() {
        Some("INTERNAL_SERVER_ERROR" | "SERVICE_UNAVAILABLE" | "TIMEOUT") => {
            ConnectorError::transient(problem.told())
        }
        Some(code @ (TOO_COSTLY | BAD_INPUT)) => {
            ConnectorError::permanent(code.to_owned(), problem.told())
        }
        // While it runs an argument may turn out to be wrong; everything else is a document that does not fit this version.
        None if !problem.path.is_empty() => ConnectorError::permanent(BAD_INPUT, problem.told()),
        code => ConnectorError::schema(format!(
            "{} ({})",
            problem.told(),
            code.unwrap_or("no code")
        )),
    })
}

/// The refusal of everything that was asked for, for want of a grant.
pub(super) fn denied(problems: &[Problem]) -> ConnectorError {
    let told = problems
        .iter()
        .find(|problem| problem.code.as_deref() == Some(DENIED))
        .map_or_else(|| "Shopify denies access".to_owned(), Problem::told);
    ConnectorError::permanent(DENIED, told)
}

/// What the token endpoint means when it says no. It answers JSON, text or HTML.
pub(super) fn token_refusal(answer: &Answer) -> ConnectorError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        error: Option<Value>,
    }
    let body: Body = wire::read(&answer.body).unwrap_or_default();
    let word = match &body.error {
        Some(Value::String(word)) => word.as_str(),
        _ => "",
    };
    let message = message(answer);
    match (answer.status, word) {
        (400 | 401 | 403, "invalid_grant") => ConnectorError::Auth {
            reconnect: true,
            message,
        },
        // Our own registration is wrong; no person who connects a shop can mend that.
        (400 | 401 | 403, "invalid_client" | "application_cannot_be_found") | (401, _) => {
            ConnectorError::permanent(crate::oauth::INVALID_CLIENT, message)
        }
        _ => refusal(answer),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn said(errors: Value) -> Option<ConnectorError> {
        reaction(&Problem::list(Some(errors)), &Cost::default())
    }

    #[test]
    fn the_reaction_follows_the_status() {
        let dead = r#"{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}"#;
        let error = refusal(&answer(401, dead));
        assert!(
            matches!(&error, ConnectorError::Auth { reconnect: false, message } if message.contains("unrecognized login"))
        );
        for status in [402, 423, 430] {
            let error = refusal(&answer(status, r#"{"errors":"Unavailable Shop"}"#));
            assert_eq!(error.retry_after(), Some(CLOSED), "{status}");
            assert!(error.is_retryable());
        }
        for status in [500, 502, 503, 504, 520] {
            assert_eq!(refusal(&answer(status, "<html>")).code(), "TRANSIENT");
        }
        assert_eq!(refusal(&answer(429, "")).code(), "RATE_LIMITED");
        for status in [302, 400, 403, 404, 406, 422] {
            assert_eq!(
                refusal(&answer(status, "")).code(),
                "REFUSED_BY_VENDOR",
                "{status}"
            );
        }
    }

    #[test]
    fn the_reaction_follows_the_code() {
        let with = |code: &str| said(json!([{"message": "m", "extensions": {"code": code}}]));
        assert_eq!(with("THROTTLED").unwrap().code(), "RATE_LIMITED");
        assert_eq!(with("INTERNAL_SERVER_ERROR").unwrap().code(), "TRANSIENT");
        assert_eq!(with("SHOP_INACTIVE").unwrap().retry_after(), Some(CLOSED));
        assert!(
            matches!(with("MAX_COST_EXCEEDED"), Some(ConnectorError::Permanent { code, .. }) if code == TOO_COSTLY)
        );
        assert_eq!(with("undefinedField").unwrap().code(), "UNEXPECTED_ANSWER");
        assert_eq!(with("ACCESS_DENIED"), None);
        assert_eq!(
            said(json!([{"message": "Parse error"}])).unwrap().code(),
            "UNEXPECTED_ANSWER"
        );
        assert!(
            matches!(said(json!([{"message": "Invalid cursor", "path": ["page"]}])), Some(ConnectorError::Permanent { code, .. }) if code == BAD_INPUT)
        );
        assert_eq!(said(json!([])), None);
        // One that throttles beside others that deny is still a matter of waiting.
        let both = json!([{"extensions": {"code": "ACCESS_DENIED"}}, {"extensions": {"code": "THROTTLED"}}]);
        assert_eq!(said(both).unwrap().code(), "RATE_LIMITED");
    }

    #[test]
    fn only_a_refused_grant_asks_a_person() {
        let refused = |status, body| token_refusal(&answer(status, body));
        assert!(matches!(
            refused(
                400,
                r#"{"error":"invalid_grant","error_description":"expired"}"#
            ),
            ConnectorError::Auth {
                reconnect: true,
                ..
            }
        ));
        for body in [
            "Oauth error invalid_request: Could not find Shopify API application with api_key",
            "<html>Oauth error invalid_grant</html>",
            r#"{"error":"invalid_request"}"#,
            r#"{"error":7}"#,
            "",
        ] {
            assert_eq!(refused(400, body).code(), "REFUSED_BY_VENDOR", "{body}");
        }
        assert!(
            matches!(refused(400, r#"{"error":"application_cannot_be_found"}"#), ConnectorError::Permanent { code, .. } if code == "invalid_client")
        );
        for status in [500, 502, 520] {
            assert_eq!(
                refused(status, r#"{"error":"invalid_grant"}"#).code(),
                "TRANSIENT"
            );
        }
    }
}
