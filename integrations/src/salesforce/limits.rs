//! What Salesforce means when it says no, and how much of the customer's quota is used.
//!
//! Owns: the one table from status and code to the reaction asked of the caller, for whole answers and for single outcomes alike. Refuses: to read
//! meaning out of message texts, but for two facts told nowhere else: the id of a record that is there already, and whether it is the day's
//! requests or those under way at this moment that are too many. Invariant: a code decides before a status does.

use super::error_body::{Fault, line};
use crate::{
    connector::Usage,
    error::{ConnectorError, LimitScope},
    http::Answer,
};
use std::time::Duration;

/// How long the day's quota is left alone once it is spent: its window rolls, and Salesforce names no time.
const QUOTA: Duration = Duration::from_secs(900);
/// How long to wait when too much is under way at once.
const CROWD: Duration = Duration::from_secs(30);
/// How long to wait after a 429 that names no time.
const UNNAMED: Duration = Duration::from_secs(60);

/// The header that says how much of the quota is used.
pub(super) const USAGE_HEADER: &str = "sforce-limit-info";

/// Reads `api-usage=18/5000; per-app-api-usage=17/250(appName=…)`. Where there are two budgets, the one counts that is nearer to its end.
pub(super) fn usage(header: &str) -> Option<Usage> {
    let of = |part: &str| {
        let (name, counts) = part.trim().split_once('=')?;
        if !matches!(name.trim(), "api-usage" | "per-app-api-usage") {
            return None;
        }
        let counts = counts.split('(').next().unwrap_or_default();
        let (used, allowed) = counts.trim().split_once('/')?;
        Some(Usage {
            used: used.trim().parse().ok()?,
            allowed: allowed.trim().parse().ok().filter(|allowed| *allowed > 0)?,
        })
    };
    // Compared without division: a/b < c/d exactly when a·d < c·b.
    let share = |one: &Usage, other: &Usage| {
        let product = |used: u64, allowed: u64| u128::from(used) * u128::from(allowed);
        product(one.used, other.allowed).cmp(&product(other.used, one.allowed))
    };
    header.split(';').filter_map(of).max_by(share)
}

/// The reaction to an answer that is not a success.
pub(super) fn refusal(answer: &Answer) -> ConnectorError {
    let faults = Fault::read(&answer.body);
    let message = line(&format!("Salesforce answered {}", answer.status), &faults);
    match answer.status {
        429 => ConnectorError::RateLimited {
            retry_after: answer.retry_after().unwrap_or(UNNAMED),
            scope: LimitScope::Account,
        },
        408 | 425 | 500..=599 => ConnectorError::Transient {
            retry_after: answer.retry_after(),
            message,
        },
        300..=399 => ConnectorError::permanent(
            "redirected",
            "Salesforce answered with a redirect, which is not followed",
        ),
        401 => ConnectorError::Auth {
            reconnect: false,
            message,
        },
        // The session lives and may not call the API at all: only a new consent brings that.
        403 if faults.iter().any(|fault| fault.is("INVALID_SESSION_ID")) => ConnectorError::Auth {
            reconnect: true,
            message,
        },
        status => faults
            .iter()
            .find_map(|fault| by_code(fault, &message))
            .unwrap_or_else(|| {
                if status == 404 {
                    return ConnectorError::NotFound { what: message };
                }
                let named = faults.iter().find_map(|fault| fault.code.as_deref());
                ConnectorError::permanent(code_of(named, status), message)
            }),
    }
}

/// The reaction to an outcome that is not a success.
pub(super) fn outcome(faults: &[Fault]) -> ConnectorError {
    let message = line("Salesforce refuses", faults);
    let known = faults.iter().find_map(|fault| by_code(fault, &message));
    known.unwrap_or_else(
        || match faults.iter().find_map(|fault| fault.code.as_deref()) {
            Some(code) => ConnectorError::permanent(code_of(Some(code), 0), message),
            // What has no reason at all may pass.
            None => ConnectorError::transient(message),
        },
    )
}

fn code_of(named: Option<&str>, status: u16) -> String {
    named.map_or_else(|| format!("http_{status}"), super::wire::clipped)
}

/// What a code means, wherever it stands; none for those that are refusals for good.
fn by_code(fault: &Fault, message: &str) -> Option<ConnectorError> {
    let message = message.to_owned();
    Some(match fault.code.as_deref()? {
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" => ConnectorError::Auth {
            reconnect: false,
            message,
        },
        "REQUEST_LIMIT_EXCEEDED" => {
            let crowd = fault
                .message
                .as_deref()
                .is_some_and(|text| text.starts_with("Concurrent"));
            let (retry_after, scope) = if crowd {
                (CROWD, LimitScope::Account)
            } else {
                (QUOTA, LimitScope::Day)
            };
            ConnectorError::RateLimited { retry_after, scope }
        }
        // Somebody else has the record in hand, or Salesforce is busy with itself.
        "UNABLE_TO_LOCK_ROW"
        | "SERVER_UNAVAILABLE"
        | "QUERY_TIMEOUT"
        | "UNKNOWN_EXCEPTION"
        | "PROCESSING_HALTED"
        | "ALL_OR_NONE_OPERATION_ROLLED_BACK" => ConnectorError::transient(message),
        "DUPLICATES_DETECTED" | "DUPLICATE_VALUE" | "DUPLICATE_EXTERNAL_ID" => {
            ConnectorError::Conflict {
                existing_id: fault.existing_id.clone(),
                message,
            }
        }
        "ENTITY_IS_DELETED" | "NOT_FOUND" => ConnectorError::NotFound { what: message },
        // Without a field it is the record itself that is not there; with one, what the field refers to.
        "INVALID_CROSS_REFERENCE_KEY" if fault.fields.is_empty() => {
            ConnectorError::NotFound { what: message }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

    fn said(status: u16, body: &'static str) -> ConnectorError {
        refusal(&Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        })
    }

    #[test]
    fn the_usage_header_is_read_and_the_tighter_budget_counts() {
        let read = |text| usage(text).map(|usage| (usage.used, usage.allowed));
        assert_eq!(read("api-usage=18/5000"), Some((18, 5_000)));
        assert_eq!(
            read("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-app)"),
            Some((17, 250))
        );
        assert_eq!(
            read("api-usage=4500/5000; per-app-api-usage=17/250(appName=sample-app)"),
            Some((4_500, 5_000))
        );
        for bad in [
            "",
            "api-usage",
            "api-usage=",
            "api-usage=1/0",
            "api-usage=x/5",
            "other=1/2",
            "api-usage=-1/5",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_days_quota_and_the_moments_crowd_are_different_waits() {
        assert_eq!(
            said(
                403,
                r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#
            ),
            ConnectorError::RateLimited {
                retry_after: QUOTA,
                scope: LimitScope::Day
            }
        );
        assert_eq!(
            said(
                403,
                r#"[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#
            ),
            ConnectorError::RateLimited {
                retry_after: CROWD,
                scope: LimitScope::Account
            }
        );
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("17"));
        let answer = Answer {
            status: 429,
            headers,
            body: Bytes::new(),
        };
        assert_eq!(
            refusal(&answer).retry_after(),
            Some(Duration::from_secs(17))
        );
        assert_eq!(said(429, "<html>").retry_after(), Some(UNNAMED));
    }

    #[test]
    fn the_reaction_follows_code_and_status() {
        for (status, body, code) in [
            (
                401,
                r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
                "TOKEN_REFUSED",
            ),
            (401, "", "TOKEN_REFUSED"),
            (
                403,
                r#"[{"message":"m","errorCode":"API_DISABLED_FOR_ORG"}]"#,
                "REFUSED_BY_VENDOR",
            ),
            (
                400,
                r#"[{"message":"m","errorCode":"MALFORMED_QUERY"}]"#,
                "REFUSED_BY_VENDOR",
            ),
            (
                400,
                r#"[{"message":"unable to obtain exclusive access to this record","errorCode":"UNABLE_TO_LOCK_ROW","fields":[]}]"#,
                "TRANSIENT",
            ),
            (
                400,
                r#"[{"message":"Use one of these records?","errorCode":"DUPLICATES_DETECTED","fields":[]}]"#,
                "CONFLICT",
            ),
            (
                400,
                r#"[{"message":"m","errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION"}]"#,
                "REFUSED_BY_VENDOR",
            ),
            (
                404,
                r#"[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]"#,
                "NOT_FOUND",
            ),
            (
                404,
                r#"[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED"}]"#,
                "NOT_FOUND",
            ),
            (404, "", "NOT_FOUND"),
            (410, "", "REFUSED_BY_VENDOR"),
            (302, "", "REFUSED_BY_VENDOR"),
            (300, "[]", "REFUSED_BY_VENDOR"),
            (
                503,
                r#"[{"message":"Server is unavailable","errorCode":"SERVER_UNAVAILABLE"}]"#,
                "TRANSIENT",
            ),
            (500, "<html>", "TRANSIENT"),
            (403, "<html>", "REFUSED_BY_VENDOR"),
        ] {
            assert_eq!(said(status, body).code(), code, "{status} {body}");
        }
        assert!(matches!(
            said(401, "[]"),
            ConnectorError::Auth {
                reconnect: false,
                ..
            }
        ));
    }

    #[test]
    fn an_outcome_is_judged_like_an_answer() {
        let fault = |code: &str, fields: &[&str]| Fault {
            code: Some(code.to_owned()),
            message: Some("m".to_owned()),
            fields: fields.iter().map(|name| (*name).to_owned()).collect(),
            existing_id: None,
        };
        for (faults, code) in [
            (vec![fault("UNABLE_TO_LOCK_ROW", &[])], "TRANSIENT"),
            (
                vec![fault("REQUIRED_FIELD_MISSING", &["CloseDate"])],
                "REFUSED_BY_VENDOR",
            ),
            (vec![fault("INVALID_CROSS_REFERENCE_KEY", &[])], "NOT_FOUND"),
            (
                vec![fault("INVALID_CROSS_REFERENCE_KEY", &["AccountId"])],
                "REFUSED_BY_VENDOR",
            ),
            (
                vec![fault("STORAGE_LIMIT_EXCEEDED", &[])],
                "REFUSED_BY_VENDOR",
            ),
            (
                vec![fault("A_NEW_CODE", &[]), fault("ENTITY_IS_DELETED", &[])],
                "NOT_FOUND",
            ),
            (Vec::new(), "TRANSIENT"),
        ] {
            assert_eq!(outcome(&faults).code(), code, "{faults:?}");
        }
    }
}
