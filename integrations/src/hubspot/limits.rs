//! What HubSpot means when it says no.
//!
//! Owns: the one table from status and error body to the reaction asked of the caller. Refuses: to read meaning out of message
//! texts, but for the one fact HubSpot puts nowhere else: the id of a contact that already exists. Invariant: a wait HubSpot states is
//! never shortened; where it states none, the window of the named policy is waited out whole.

use super::{error_body::ErrorBody, wire::clipped};
use crate::{
    connector::Lane,
    error::{ConnectorError, LimitScope},
    http::Answer,
};
use std::time::Duration;

/// The reaction to an answer that is not a success. `lane` is the budget the call counted against.
pub(super) fn refusal(answer: &Answer, lane: Lane) -> ConnectorError {
    let body = ErrorBody::read(&answer.body);
    let message = body.message_for(answer.status);
    let category = body.category.as_deref().unwrap_or_default();
    match answer.status {
        429 => rate_limited(answer, &body, lane),
        401 => ConnectorError::Auth {
            reconnect: false,
            message,
        },
        // A scope that was not granted only comes with a new consent.
        403 if category == "MISSING_SCOPES" => ConnectorError::Auth {
            reconnect: true,
            message,
        },
        404 => ConnectorError::NotFound { what: message },
        409 => ConnectorError::Conflict {
            existing_id: existing_id(&body),
            message,
        },
        // Locked: HubSpot asks for at least two seconds.
        423 => ConnectorError::Transient {
            retry_after: Some(at_least(answer, Duration::from_secs(2))),
            message,
        },
        // The account is being moved to another data centre, which may take a day.
        477 => ConnectorError::Transient {
            retry_after: Some(at_least(answer, Duration::from_secs(60))),
            message,
        },
        408 | 425 | 500..=599 => ConnectorError::Transient {
            retry_after: answer.retry_after(),
            message,
        },
        300..=399 => ConnectorError::permanent(
            "redirected",
            "HubSpot answered with a redirect, which is not followed",
        ),
        _ => {
            let code = if category.is_empty() {
                format!("http_{}", answer.status)
            } else {
                category.to_owned()
            };
            ConnectorError::permanent(code, message)
        }
    }
}

/// The reaction to an entry of a batch, which has a category and no status.
pub(super) fn entry(body: &ErrorBody) -> ConnectorError {
    let message = body.message_alone();
    match body.category.as_deref() {
        Some("OBJECT_NOT_FOUND") => ConnectorError::NotFound { what: message },
        Some("CONFLICT" | "OBJECT_ALREADY_EXISTS") => ConnectorError::Conflict {
            existing_id: existing_id(body),
            message,
        },
        Some("RATE_LIMITS" | "RATE_LIMIT") => ConnectorError::RateLimited {
            retry_after: Duration::from_secs(10),
            scope: LimitScope::Account,
        },
        Some("MISSING_SCOPES") => ConnectorError::permanent("missing_scope", message),
        // Trouble of HubSpot's own, and what has no reason at all, may pass.
        None | Some("INTERNAL_ERROR" | "SERVICE_UNAVAILABLE") => ConnectorError::transient(message),
        Some(category) => ConnectorError::permanent(clipped(category), message),
    }
}

fn rate_limited(answer: &Answer, body: &ErrorBody, lane: Lane) -> ConnectorError {
    let (window, scope) = match body.policy_name.as_deref() {
        Some("DAILY") => (Duration::from_secs(3600), LimitScope::Day),
        Some("SECONDLY") => (Duration::from_secs(1), scope_of(lane)),
        // The ten-second window, and any policy not known here.
        _ => (Duration::from_secs(10), scope_of(lane)),
    };
    ConnectorError::RateLimited {
        retry_after: answer.retry_after().unwrap_or(window),
        scope,
    }
}

const fn scope_of(lane: Lane) -> LimitScope {
    match lane {
        Lane::Standard => LimitScope::Account,
        Lane::Search => LimitScope::Search,
    }
}

fn at_least(answer: &Answer, floor: Duration) -> Duration {
    answer.retry_after().unwrap_or(floor).max(floor)
}

/// The id in "Contact already exists. Existing ID: 377…".
fn existing_id(body: &ErrorBody) -> Option<String> {
    let (_, tail) = body.message.as_deref()?.rsplit_once("ID:")?;
    let digits: String = tail
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then(|| clipped(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

    fn answer(status: u16, retry_after: Option<&'static str>, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        Answer {
            status,
            headers,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn said(status: u16, retry_after: Option<&'static str>, body: &'static str) -> ConnectorError {
        refusal(&answer(status, retry_after, body), Lane::Standard)
    }

    #[test]
    fn each_policy_waits_its_window_and_a_stated_wait_wins() {
        let limited = |secs, scope| ConnectorError::RateLimited {
            retry_after: Duration::from_secs(secs),
            scope,
        };
        let daily = r#"{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}"#;
        assert_eq!(said(429, None, daily), limited(3600, LimitScope::Day));
        let ten = r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#;
        assert_eq!(said(429, None, ten), limited(10, LimitScope::Account));
        assert_eq!(said(429, Some("17"), ten), limited(17, LimitScope::Account));
        let secondly = answer(429, None, r#"{"policyName":"SECONDLY"}"#);
        assert_eq!(
            refusal(&secondly, Lane::Search),
            limited(1, LimitScope::Search)
        );
        assert_eq!(
            said(429, None, "<html>slow down"),
            limited(10, LimitScope::Account)
        );
    }

    #[test]
    fn the_reaction_follows_status_and_category() {
        let expired = r#"{"status":"error","message":"The OAuth token used to make this call expired 7 second(s) ago.","category":"EXPIRED_AUTHENTICATION"}"#;
        assert!(matches!(
            said(401, None, expired),
            ConnectorError::Auth {
                reconnect: false,
                ..
            }
        ));
        let scopes = r#"{"category":"MISSING_SCOPES","message":"m"}"#;
        assert!(matches!(
            said(403, None, scopes),
            ConnectorError::Auth {
                reconnect: true,
                ..
            }
        ));
        assert!(matches!(
            said(403, None, "{}"),
            ConnectorError::Permanent { .. }
        ));
        assert_eq!(
            said(423, None, "{}").retry_after(),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            said(423, Some("1"), "{}").retry_after(),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            said(477, Some("86400"), "{}").retry_after(),
            Some(Duration::from_secs(86_400))
        );
        for status in [408, 500, 502, 503, 504, 523, 524] {
            assert_eq!(
                said(status, None, "<html>Bad gateway</html>").code(),
                "TRANSIENT",
                "{status}"
            );
        }
        let conflict = r#"{"status":"error","message":"Contact already exists. Existing ID: 37765128953","category":"CONFLICT"}"#;
        assert!(
            matches!(said(409, None, conflict), ConnectorError::Conflict { existing_id: Some(id), .. } if id == "37765128953")
        );
        let invalid =
            r#"{"status":"error","message":"Invalid input","category":"VALIDATION_ERROR"}"#;
        assert!(
            matches!(said(400, None, invalid), ConnectorError::Permanent { code, .. } if code == "VALIDATION_ERROR")
        );
        assert!(matches!(
            said(302, None, ""),
            ConnectorError::Permanent { .. }
        ));
        assert!(matches!(
            said(404, None, ""),
            ConnectorError::NotFound { .. }
        ));
    }
}
