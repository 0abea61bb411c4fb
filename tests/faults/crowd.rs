//! Many callers, one refresh token that is good once: it is redeemed once, and nobody notices.

use crate::portal::Portal;
use sandbox::Limits;
use std::time::Duration;
use tests::HubSpotSetup;

/// Callers of each of the two nodes.
const CALLERS: usize = 250;

async fn rotating() -> Portal {
    let setup = HubSpotSetup::empty();
    Portal::of(HubSpotSetup {
        limits: Limits {
            rotate_refresh_tokens: true,
            ..setup.limits.clone()
        },
        ..setup
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_callers_of_two_nodes_redeem_a_rotating_token_once() {
    let portal = rotating().await;
    portal.settle().await;
    let other = portal.app.another_node().await;
    for round in 0..tests::rounds(2, 10) {
        portal.app.advance(Duration::from_secs(1_800));
        let asked = portal.hubspot().counts().of("/token");
        let mut callers = Vec::with_capacity(2 * CALLERS);
        for node in [&portal.app, &other] {
            for _ in 0..CALLERS {
                let engine = node.state.core.engine.clone();
                let connection = portal.connection;
                callers.push(tokio::spawn(async move {
                    engine.keeper().open(connection).await.map(|_| ())
                }));
            }
        }
        let mut failures = Vec::new();
        for caller in callers {
            if let Err(error) = caller.await.unwrap() {
                failures.push(error.to_string());
            }
        }
        assert!(
            failures.is_empty(),
            "round {round}: {} callers failed: {}",
            failures.len(),
            failures[0]
        );
        assert_eq!(
            portal.hubspot().counts().of("/token"),
            asked + 1,
            "round {round}: one redemption"
        );
    }
    other.end().await;
    portal.settle().await;
    portal.app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_before_a_token_endpoint_that_is_down_does_not_ask_five_hundred_times() {
    use sandbox::hubspot::{Effect, Fault};
    let mut portal = rotating().await;
    portal.app.expect_warning("a lane stumbled");
    portal.settle().await;
    portal.app.advance(Duration::from_secs(1_800));
    portal.hubspot().fail(Fault {
        contains: "/token".to_owned(),
        ..Fault::always("/oauth", Effect::Html { status: 503 })
    });
    let asked = portal.hubspot().counts().of("/token");
    let callers = (0..CALLERS).map(|_| {
        let engine = portal.app.state.core.engine.clone();
        let connection = portal.connection;
        tokio::spawn(async move { engine.keeper().open(connection).await.is_ok() })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert!(!caller.await.unwrap(), "there is no token to be had");
    }
    let asked = portal.hubspot().counts().of("/token") - asked;
    assert!(asked < 50, "asked {asked} times on behalf of {CALLERS}");
    portal.hubspot().faults(|faults| faults.rules.clear());
    portal.app.advance(Duration::from_secs(61));
    portal.settle().await;
    portal.app.finish().await;
}
