//! Access and refresh tokens: renewed ahead of their end, redeemed once, and only a refused grant needs a person.

use crate::outage::{connection, filled, on};
use crate::portal::Portal;
use crate::signing::{body, changed, headers};
use entities::connection::ConnectionStatus;
use entities::sync_run::SyncRunStatus;
use sandbox::hubspot::{Effect, Fault};
use sandbox::{Kind, Limits};
use std::time::Duration;
use tests::{CLIENT_SECRET, HubSpotSetup};

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_renewed_once() {
    let (portal, _) = filled().await;
    let before = portal.hubspot().counts().of("/token");
    portal.hubspot().fail(Fault {
        skip: 2,
        ..on("", 1, Effect::Expired {})
    });
    let run = portal.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{:?}", run.error);
    assert_eq!(
        portal.hubspot().counts().of("/token"),
        before + 1,
        "renewed once"
    );
    portal.hubspot().expire_tokens().unwrap();
    portal.sync().await;
    assert_eq!(
        portal.hubspot().counts().of("/token"),
        before + 2,
        "and once again"
    );
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_never_used_after() {
    let (portal, _) = filled().await;
    portal.sync().await;
    let before = portal.hubspot().counts();
    for _ in 0..6 {
        portal.app.advance(Duration::from_secs(1_000));
        portal.settle().await;
    }
    let after = portal.hubspot().counts();
    assert!(after.of("/token") > before.of("/token"));
    assert_eq!(
        after.statuses.get(&401),
        None,
        "nothing was asked with an expired token"
    );
    portal.app.finish().await;
}

#[tokio::test]
async fn two_nodes_with_a_rotating_refresh_token_redeem_it_once() {
    let setup = HubSpotSetup::empty();
    let setup = HubSpotSetup {
        limits: Limits {
            rotate_refresh_tokens: true,
            ..setup.limits.clone()
        },
        ..setup
    };
    let portal = Portal::of(setup).await;
    for n in 0..30 {
        portal.company(&[("name", &format!("Company {n}"))]);
    }
    portal.sync().await;
    let other = portal.app.another_node().await;
    for round in 0..tests::rounds(3, 30) {
        let company = portal.company(&[("name", &format!("Late {round}"))]);
        portal.hubspot().expire_tokens().unwrap();
        // Both want a session at the same time, each with its own memory.
        let (one, two) = (
            portal.app.state.core.engine.keeper(),
            other.state.core.engine.keeper(),
        );
        let seen = connection(&portal).await.credentials_version;
        let asked = portal.hubspot().counts().of("/token");
        let (one, two) = tokio::join!(
            one.renew(portal.connection, seen),
            two.renew(portal.connection, seen)
        );
        assert!(one.is_ok() || two.is_ok(), "one of them gets it");
        for late in [one.err(), two.err()].into_iter().flatten() {
            assert!(late.is_retryable(), "the other may ask again: {late}");
        }
        assert_eq!(
            portal.hubspot().counts().of("/token"),
            asked + 1,
            "a refresh token is redeemed by one node"
        );
        assert_eq!(
            connection(&portal).await.status,
            ConnectionStatus::Active,
            "a lost race is no lost grant"
        );
        portal.app.advance(Duration::from_secs(61));
        portal.settle().await;
        assert!(!portal.company_row(company).await.is_null());
    }
    other.end().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_refused_grant_needs_a_person_and_forgets_nothing_meanwhile() {
    let (mut portal, deals) = filled().await;
    for warning in [
        "a lane stumbled",
        "a connection must be authorized again",
        "signals could not be worked on",
    ] {
        portal.app.expect_warning(warning);
    }
    portal.sync().await;
    portal.hubspot().uninstall().unwrap();
    portal.app.advance(Duration::from_secs(61));
    portal.app.drain().await;
    let row = connection(&portal).await;
    assert_eq!(row.status, ConnectionStatus::ReauthRequired);
    assert!(
        row.status_reason
            .as_deref()
            .is_some_and(|reason| !reason.is_empty())
    );
    let query = "{ events(types: [\"connection.reauth_required\"]) { edges { node { subjectId data } } } connections { nodes { status statusReason } } }";
    let answer = portal.app.ask(portal.admin(), query).await;
    assert_eq!(answer.list("/events/edges").len(), 1, "told once: {answer}");
    assert_eq!(
        answer.at("/events/edges/0/node/subjectId"),
        &serde_json::json!(portal.connection.to_string())
    );
    assert!(answer.to_string().contains("reason"));
    assert_eq!(answer.at("/connections/nodes/0/status"), "REAUTH_REQUIRED");

    // Its webhooks are taken, and wait.
    portal
        .store()
        .update(Kind::Deals, deals[0], &[("dealname", "Changed meanwhile")])
        .unwrap();
    let uri = portal.app.public_url().at("/hooks/hubspot");
    let bytes = body(&[changed(
        portal.hubspot().portal_id(),
        "deal",
        &deals[0].to_string(),
        1,
    )]);
    let signed = headers(
        CLIENT_SECRET,
        &uri,
        &bytes,
        portal.app.database().now().millis(),
    );
    let signed: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        portal
            .app
            .post_raw("/hooks/hubspot", &signed, bytes)
            .await
            .status,
        204
    );
    let asked = portal.requests();
    for _ in 0..20 {
        portal.app.advance(Duration::from_secs(600));
        portal.app.drain().await;
    }
    assert_eq!(
        portal.requests(),
        asked,
        "a connection that needs a person is not called"
    );
    assert_eq!(
        portal
            .app
            .number("SELECT COUNT(*) FROM inbound_signal WHERE NOT dead")
            .await,
        1,
        "the signal waits, and its attempts do not run out"
    );
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Deal 0");

    assert_eq!(
        portal.app.connect_hubspot().await,
        portal.connection,
        "the same account is the same connection"
    );
    portal.settle().await;
    assert_eq!(connection(&portal).await.status, ConnectionStatus::Active);
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Changed meanwhile");
    assert_eq!(
        portal
            .app
            .number("SELECT COUNT(*) FROM inbound_signal")
            .await,
        0
    );
    portal.mirrors().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_no_refused_grant() {
    let (mut portal, _) = filled().await;
    portal.app.expect_warning("a lane stumbled");
    portal.sync().await;
    let late = portal.plain_deal("Late");
    portal.hubspot().expire_tokens().unwrap();
    portal.hubspot().fail(Fault {
        contains: "/token".to_owned(),
        ..Fault::next("/oauth", 3, Effect::Html { status: 503 })
    });
    portal.app.advance(Duration::from_secs(61));
    let run = portal.settle().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{:?}", run.error);
    assert_eq!(connection(&portal).await.status, ConnectionStatus::Active);
    assert_eq!(portal.deal_row(late).await["name"], "Late");
    portal.app.finish().await;
}
