//! Whatever a vendor answers, there is one reaction: wait, try again, renew, give up. No answer that is not a success counts as one, and none
//! but a refused grant asks for a person.

use super::{Case, NOW_MS, Rig, app, cases, each};
use crate::connector::{Mode, PageRequest, PushItem, PushOutcome};
use crate::error::ConnectorError;
use crate::test_server::{Reply, json};
use std::time::Duration;

/// What a vendor's server says to every call.
#[derive(Clone, Copy)]
struct Said {
    status: u16,
    headers: &'static str,
    body: &'static str,
}

const fn said(status: u16, headers: &'static str, body: &'static str) -> Said {
    Said {
        status,
        headers,
        body,
    }
}

const PAGE: &str = "<html><body>Bad gateway</body></html>";
const ERROR: &str = r#"{"status":"error","message":"no","errors":"no"}"#;

/// One call of each kind the engine makes, and what came of it; a success is none.
async fn called(case: &Case, reply: Said) -> (Rig, Vec<(String, Option<ConnectorError>)>) {
    let rig = Rig::new(case, move |_| json(reply.status, reply.headers, reply.body)).await;
    let ctx = rig.context();
    let ids = cases::ids(case.id).map(str::to_owned);
    let known = ids.first().map(String::as_str);
    let mut outcomes = Vec::new();
    for resource in &rig.connector.descriptor().resources {
        let name = resource.resource;
        if let Some(pull) = rig.connector.pull() {
            for (mode, offered) in [
                (Mode::Backfill, true),
                (Mode::Delta, resource.delta),
                (Mode::Archived, resource.archived),
            ] {
                if !offered {
                    continue;
                }
                let request = PageRequest {
                    resource: name,
                    mode,
                    cursor: None,
                    fields: &[],
                    page_size: None,
                    now_ms: NOW_MS,
                };
                let outcome = pull.page(&ctx, &request).await;
                outcomes.push((format!("{name} {mode:?}"), outcome.err()));
            }
            if resource.fetch {
                let outcome = pull.fetch(&ctx, name, &ids, &[]).await;
                outcomes.push((format!("{name} fetch"), outcome.err()));
            }
        }
        if let Some(push) = rig
            .connector
            .push()
            .filter(|_| resource.push_scope.is_some())
        {
            for (kind, external_id, archive) in [
                ("create", None, false),
                ("update", known, false),
                ("archive", known, true),
            ] {
                let item = PushItem {
                    reference: "deal_01kaxyz".to_owned(),
                    external_id: external_id.map(str::to_owned),
                    fields: [(cases::property(case.id).to_owned(), Some("x".to_owned()))].into(),
                    links: Vec::new(),
                    unlinks: Vec::new(),
                    archive,
                };
                let error = match push.apply(&ctx, name, &[item], &[]).await {
                    Err(error) => Some(error),
                    Ok(outcomes) => {
                        assert_eq!(outcomes.len(), 1, "one outcome for one item");
                        match outcomes.into_iter().next() {
                            Some(PushOutcome::Refused(error)) => Some(error),
                            _ => None,
                        }
                    }
                };
                // A vendor that cannot put records away need not be asked.
                if !matches!(&error, Some(ConnectorError::Permanent { code, .. }) if code == "not_archivable")
                {
                    outcomes.push((format!("{name} {kind}"), error));
                }
            }
        }
    }
    (rig, outcomes)
}

/// Fails unless every call met what is expected of it.
async fn each_call(reply: Said, expected: impl Fn(&str, Option<&ConnectorError>) -> bool) {
    for (case, _) in each() {
        let (_rig, outcomes) = called(&case, reply).await;
        for (call, error) in outcomes {
            assert!(
                expected(&call, error.as_ref()),
                "{}: {call} after {} {:?}: {error:?}",
                case.id,
                reply.status,
                reply.body
            );
        }
    }
}

#[tokio::test]
async fn a_vendor_that_stumbles_is_asked_again_later() {
    for status in [500, 502, 503, 504] {
        for body in ["", PAGE, ERROR] {
            each_call(said(status, "", body), |_, error| {
                error.is_some_and(|error| error.code() == "TRANSIENT")
            })
            .await;
        }
        each_call(said(status, "retry-after: 40\r\n", ERROR), |_, error| {
            error.is_some_and(|error| {
                error.is_retryable() && error.retry_after() >= Some(Duration::from_secs(40))
            })
        })
        .await;
    }
}

#[tokio::test]
async fn a_vendor_that_asks_to_wait_is_left_alone_for_as_long() {
    each_call(said(429, "retry-after: 17\r\n", ERROR), |_, error| {
        error.is_some_and(|error| {
            error.code() == "RATE_LIMITED" && error.retry_after() >= Some(Duration::from_secs(17))
        })
    })
    .await;
    for body in ["", PAGE, ERROR] {
        each_call(said(429, "", body), |_, error| {
            error.is_some_and(|error| {
                error.code() == "RATE_LIMITED"
                    && error.retry_after() >= Some(Duration::from_millis(500))
            })
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_a_matter_of_the_token() {
    each_call(said(401, "", ERROR), |_, error| {
        error.is_some_and(|error| matches!(error, ConnectorError::Auth { .. }))
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_for_good_and_asks_for_no_person() {
    for status in [400, 403, 405, 410, 422] {
        for body in ["", PAGE, ERROR] {
            each_call(said(status, "", body), |_, error| {
                error.is_some_and(|error| {
                    !error.is_retryable() && !matches!(error, ConnectorError::Auth { .. })
                })
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_redirect_is_no_answer_and_is_not_followed() {
    for (case, _) in each() {
        let away = said(302, "location: /elsewhere\r\n", "");
        let (rig, outcomes) = called(&case, away).await;
        for (call, error) in outcomes {
            assert!(
                error
                    .as_ref()
                    .is_some_and(|error| !error.is_retryable()
                        && !matches!(error, ConnectorError::Auth { .. })),
                "{}: {call}: {error:?}",
                case.id
            );
        }
        assert!(
            rig.server
                .seen()
                .iter()
                .all(|seen| !seen.target.contains("elsewhere")),
            "{}",
            case.id
        );
    }
}

#[tokio::test]
async fn a_success_without_content_is_none() {
    // An error under the status of a success, or nothing at all: taken for an empty list it would mean that everything is gone.
    let plain = r#"{"status":"error","message":"no"}"#;
    for body in [
        ERROR,
        plain,
        PAGE,
        "",
        "{}",
        "17",
        "null",
        "[]",
        "\"ok\"",
        r#"{"results":"#,
    ] {
        each_call(said(200, "", body), |call, error| {
            // A vendor may thank for what it put away with any body.
            error.is_some() || call.ends_with("archive")
        })
        .await;
    }
}

#[tokio::test]
async fn only_a_refused_grant_asks_for_a_person() {
    let answers = [
        said(500, "", ERROR),
        said(502, "", PAGE),
        said(503, "", ""),
        said(429, "", ERROR),
        said(302, "location: /elsewhere\r\n", ""),
        said(400, "", PAGE),
        said(404, "", ""),
        said(200, "", ERROR),
        said(200, "", PAGE),
        said(200, "", ""),
        said(200, "", r#"{"access_token":17}"#),
        said(200, "", r#"{"access_token":""#),
    ];
    for (case, _) in each() {
        for reply in answers {
            let rig = Rig::new(&case, move |_| {
                json(reply.status, reply.headers, reply.body)
            })
            .await;
            let auth = rig.connector.auth();
            let outcome = auth.refresh(&rig.client, &app(), &rig.tokens, NOW_MS).await;
            let error = outcome.err();
            assert!(
                error
                    .as_ref()
                    .is_some_and(|error| error.code() != "REAUTH_REQUIRED"),
                "{}: a renewal after {} {:?}: {error:?}",
                case.id,
                reply.status,
                reply.body
            );
            let cut = reply.body.starts_with('{') && !reply.body.ends_with('}');
            if cut || matches!(reply.status, 500..=599 | 429) {
                assert!(
                    error.is_some_and(|error| error.is_retryable()),
                    "{}: {}",
                    case.id,
                    reply.status
                );
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    for (case, _) in each() {
        let rig = Rig::new(&case, |_| {
            Reply::ThenClose(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"res".to_vec())
        })
        .await;
        let refreshed = rig
            .connector
            .auth()
            .refresh(&rig.client, &app(), &rig.tokens, NOW_MS)
            .await;
        assert_eq!(
            refreshed.err().map(|error| error.code()),
            Some("TRANSIENT"),
            "{}",
            case.id
        );
        let Some(pull) = rig.connector.pull() else {
            continue;
        };
        for resource in &rig.connector.descriptor().resources {
            let request = PageRequest {
                resource: resource.resource,
                mode: Mode::Backfill,
                cursor: None,
                fields: &[],
                page_size: None,
                now_ms: NOW_MS,
            };
            let error = pull.page(&rig.context(), &request).await.err();
            assert_eq!(
                error.map(|error| error.code()),
                Some("TRANSIENT"),
                "{} {}",
                case.id,
                resource.resource
            );
        }
    }
}
