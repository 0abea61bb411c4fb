//! What Slack means when it says no.
//!
//! Owns: the one table from Slack's word to the reaction asked of the caller, and the sentence a person reads. Refuses: to read meaning out of
//! the status, except where it is not 200. Invariant: a refusal that may nevertheless have been carried out is `Transient`, and nothing else is;
//! a wait Slack states is never shortened.

use super::wire::{Head, clipped};
use crate::{
    error::{ConnectorError, LimitScope},
    http::Answer,
    oauth::INVALID_CLIENT,
};
use serde_json::Value;
use std::time::Duration;

/// How long to wait where Slack does not say.
const USUAL_WAIT: Duration = Duration::from_secs(30);
/// A team that is being moved is moved for a while.
const MOVING_WAIT: Duration = Duration::from_secs(300);
/// A free team that has said too much in all.
const TEAM_WAIT: Duration = Duration::from_secs(3600);

/// The reaction to an answer whose status is no success.
pub(super) fn refusal(answer: &Answer) -> ConnectorError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let head = Head::of(&body);
    let message = match &head.error {
        Some(error) => format!("Slack answered {} ({})", answer.status, clipped(error)),
        None => format!("Slack answered {}", answer.status),
    };
    match answer.status {
        429 => limited(answer),
        401 => ConnectorError::Auth {
            reconnect: false,
            message,
        },
        408 | 425 | 500..=599 => ConnectorError::Transient {
            message,
            retry_after: answer.retry_after(),
        },
        300..=399 => ConnectorError::permanent(
            "redirected",
            "Slack answered with a redirect, which is not followed",
        ),
        // Some refusals of the token endpoint are said to come so.
        400 if head.error.as_deref() == Some("invalid_grant") => gone("invalid_grant"),
        404 => ConnectorError::NotFound { what: message },
        _ => ConnectorError::permanent(format!("http_{}", answer.status), message),
    }
}

/// The reaction to a refusal under the status of a success.
pub(super) fn said(head: &Head, answer: &Answer) -> ConnectorError {
    let error = head.error.as_deref().unwrap_or("unknown_error");
    match error {
        "ratelimited" | "rate_limited" => limited(answer),
        "message_limit_exceeded" => ConnectorError::RateLimited {
            retry_after: TEAM_WAIT,
            scope: LimitScope::Day,
        },
        // Whether anything was done is not known.
        "internal_error" | "fatal_error" | "request_timeout" | "service_unavailable" => {
            ConnectorError::Transient {
                message: format!("Slack says {error}, which may or may not have been carried out"),
                retry_after: answer.retry_after(),
            }
        }
        // Certainly nothing was done, and a person can only wait as well.
        "team_added_to_org" | "org_login_required" | "external_channel_migrating" => {
            ConnectorError::RateLimited {
                retry_after: answer.retry_after().unwrap_or(MOVING_WAIT),
                scope: LimitScope::Preparing,
            }
        }
        // Only the token endpoint decides whether the grant is gone: with rotation another process may hold a younger token.
        "token_expired" | "token_revoked" | "invalid_auth" | "not_authed" => ConnectorError::Auth {
            reconnect: false,
            message: format!("Slack does not take the token: {error}"),
        },
        "account_inactive"
        | "invalid_refresh_token"
        | "invalid_grant"
        | "invalid_code"
        | "code_already_used"
        | "oauth_authorization_url_mismatch" => gone(error),
        "missing_scope" | "not_allowed_token_type" | "no_permission" | "no_scopes" => {
            ConnectorError::Auth {
                reconnect: true,
                message: format!("a consent with more scopes is needed: Slack says {error}"),
            }
        }
        "invalid_client_id" | "bad_client_secret" => ConnectorError::permanent(
            INVALID_CLIENT,
            format!("Slack does not know our app so: {error}"),
        ),
        "invalid_cursor" => ConnectorError::CursorExpired {
            message: "Slack no longer takes the cursor".to_owned(),
        },
        "message_not_found" => ConnectorError::NotFound {
            what: "the message is no longer in its channel".to_owned(),
        },
        other => ConnectorError::permanent(clipped(other), sentence(other, head)),
    }
}

fn gone(error: &str) -> ConnectorError {
    ConnectorError::Auth {
        reconnect: true,
        message: format!("the team no longer lets us in: Slack says {error}"),
    }
}

/// One method of one team, or one channel, is over its limit: others may go on.
fn limited(answer: &Answer) -> ConnectorError {
    ConnectorError::RateLimited {
        retry_after: answer
            .retry_after()
            .filter(|wait| !wait.is_zero())
            .unwrap_or(USUAL_WAIT),
        scope: LimitScope::Place,
    }
}

/// What a person should know and do.
fn sentence(error: &str, head: &Head) -> String {
    let known = match error {
        "channel_not_found" => {
            "the channel does not exist, or it is private and our app was not invited"
        }
        "not_in_channel" => "our app is not in the channel: invite it there",
        "is_archived" | "is_inactive" => "the channel was archived: choose another one",
        "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "restricted_action_non_threadable_channel"
        | "restricted_action_thread_locked"
        | "posting_to_channel_denied" => "the channel's settings do not let our app post there",
        "ekm_access_denied"
        | "access_denied"
        | "accesslimited"
        | "app_access_restricted"
        | "enterprise_is_restricted"
        | "user_email_unverified"
        | "two_factor_setup_required" => {
            "the team's settings forbid it: an administrator must allow our app"
        }
        "cant_update_message" | "edit_window_closed" => {
            "the message can no longer be edited by our app"
        }
        "bad_redirect_uri" => "our return address is not registered with the Slack app",
        "pkce_not_allowed" => "the Slack app does not take proof keys",
        _ => "",
    };
    let error = clipped(error);
    if !known.is_empty() {
        return format!("{known} (Slack says {error})");
    }
    match head.details.first() {
        Some(detail) => format!("Slack says {error}: {}", clipped(detail)),
        None => format!("Slack says {error}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::slack::wire;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};

    fn answer(status: u16, wait: Option<&'static str>, body: String) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = wait {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        Answer {
            status,
            headers,
            body: Bytes::from(body),
        }
    }

    fn word(error: &str) -> ConnectorError {
        let body = serde_json::json!({"ok": false, "error": error}).to_string();
        wire::body(&answer(200, None, body)).unwrap_err()
    }

    /// One line for each word, so that a change of meaning shows.
    #[test]
    fn every_word_has_its_reaction() {
        for (words, code) in [
            (
                &[
                    "ratelimited",
                    "rate_limited",
                    "message_limit_exceeded",
                    "team_added_to_org",
                    "org_login_required",
                ][..],
                "RATE_LIMITED",
            ),
            (
                &[
                    "internal_error",
                    "fatal_error",
                    "request_timeout",
                    "service_unavailable",
                ],
                "TRANSIENT",
            ),
            (
                &[
                    "token_expired",
                    "token_revoked",
                    "invalid_auth",
                    "not_authed",
                ],
                "TOKEN_REFUSED",
            ),
            (
                &[
                    "account_inactive",
                    "invalid_refresh_token",
                    "invalid_code",
                    "missing_scope",
                    "not_allowed_token_type",
                ],
                "REAUTH_REQUIRED",
            ),
            (&["invalid_cursor"], "CURSOR_EXPIRED"),
            (&["message_not_found"], "NOT_FOUND"),
            (
                &[
                    "channel_not_found",
                    "not_in_channel",
                    "is_archived",
                    "restricted_action",
                    "ekm_access_denied",
                    "invalid_blocks",
                    "msg_blocks_too_long",
                    "no_text",
                    "bad_client_secret",
                    "invalid_client_id",
                    "unknown_method",
                    "something_new",
                    "too_many_attachments",
                ],
                "REFUSED_BY_VENDOR",
            ),
        ] {
            for error in words {
                assert_eq!(word(error).code(), code, "{error}");
            }
        }
        assert!(
            word("not_in_channel")
                .to_string()
                .contains("invite it there")
        );
        assert!(
            matches!(word("bad_client_secret"), ConnectorError::Permanent { code, .. } if code == INVALID_CLIENT)
        );
    }

    #[test]
    fn only_what_may_have_been_done_is_called_uncertain() {
        let path = "slack-samples.json";
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = folder
            .ancestors()
            .map(|dir| dir.join("shared/vendors").join(path))
            .find(|p| p.exists());
        let Some(found) = found else {
            eprintln!("SKIPPED: {path} is not there, so its errors were not tried");
            return;
        };
        let samples: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(found).unwrap()).unwrap();
        let errors = samples["chat_postMessage"]["errors"].as_array().unwrap();
        assert!(errors.len() > 50);
        let uncertain: Vec<&str> = errors
            .iter()
            .filter_map(|error| error.as_str())
            .filter(|error| word(error).code() == "TRANSIENT")
            .collect();
        assert_eq!(
            uncertain,
            ["fatal_error", "request_timeout", "service_unavailable"]
        );
    }

    #[test]
    fn a_wait_is_never_shortened_and_never_nothing() {
        let body = || r#"{"ok":false,"error":"ratelimited"}"#.to_owned();
        for (wait, seconds) in [
            (Some("1"), 1),
            (Some("120"), 120),
            (Some("0"), 30),
            (Some("soon"), 30),
            (None, 30),
        ] {
            let expected = ConnectorError::RateLimited {
                retry_after: Duration::from_secs(seconds),
                scope: LimitScope::Place,
            };
            assert_eq!(
                wire::body(&answer(429, wait, body())).unwrap_err(),
                expected
            );
            assert_eq!(
                wire::body(&answer(200, wait, body())).unwrap_err(),
                expected
            );
        }
    }

    #[test]
    fn statuses_other_than_200_are_read_too() {
        let said =
            |status, body: &str| wire::body(&answer(status, None, body.to_owned())).unwrap_err();
        for status in [500, 502, 503, 504, 408] {
            assert_eq!(said(status, "<html>").code(), "TRANSIENT");
        }
        assert_eq!(said(401, "{}").code(), "TOKEN_REFUSED");
        assert_eq!(
            said(400, r#"{"error":"invalid_grant"}"#).code(),
            "REAUTH_REQUIRED"
        );
        assert_eq!(said(400, "<html>").code(), "REFUSED_BY_VENDOR");
        assert_eq!(said(302, "").code(), "REFUSED_BY_VENDOR");
        assert_eq!(said(200, r#"{"ok":tr"#).code(), "TRANSIENT");
        for body in [
            "{}",
            "[]",
            "null",
            "<html>",
            r#"{"ok":"true"}"#,
            r#"{"channels":[]}"#,
        ] {
            assert_eq!(said(200, body).code(), "UNEXPECTED_ANSWER", "{body}");
        }
    }
}
