//! Answers that say success and hold none: nobody is archived by them.

use crate::portal::Portal;
use crate::signing::{body, changed, headers};
use std::time::Duration;
use tests::chaos::{Mishap, Rule};
use tests::{CLIENT_SECRET, HubSpotSetup, Options, TestApp};

async fn told(portal: &Portal, deals: &[u64]) {
    let uri = portal.app.public_url().at("/hooks/hubspot");
    let events: Vec<_> = deals
        .iter()
        .zip(1..)
        .map(|(deal, number)| {
            let id = portal.hubspot().portal_id();
            changed(id, "deal", &deal.to_string(), number)
        })
        .collect();
    let bytes = body(&events);
    let now_ms = portal.app.database().now().millis();
    let signed = headers(CLIENT_SECRET, &uri, &bytes, now_ms);
    let signed: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = portal.app.post_raw("/hooks/hubspot", &signed, bytes).await;
    assert_eq!(answer.status, 204, "{answer}");
}

/// An answer that is none must never be taken for "they are all gone".
#[tokio::test]
async fn a_success_that_holds_an_error_archives_nobody() {
    let options = Options {
        chaos: true,
        ..Options::hubspot(HubSpotSetup::empty())
    };
    let mut portal = Portal::on(TestApp::start(options).await).await;
    portal.app.expect_warning("signals could not be worked on");
    let deals: Vec<u64> = (0..5)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    portal.settle().await;
    let chaos = portal.app.chaos();
    for lie in [
        r#"{"status":"error","message":"It went wrong."}"#,
        "{}",
        "null",
        "[]",
        "",
    ] {
        chaos.strike(Rule::on(
            "POST",
            "/deals/batch/read",
            Mishap::json(200, lie),
        ));
        told(&portal, &deals).await;
        portal.app.drain().await;
        let archived = "SELECT COUNT(*) FROM deal WHERE archived_at IS NOT NULL";
        assert_eq!(portal.app.number(archived).await, 0, "after {lie:?}");
        chaos.lift();
        portal.app.advance(Duration::from_secs(901));
        portal.app.drain().await;
    }
    portal.mirrors().await;
    told(&portal, &deals).await;
    portal.settle().await;
    portal.app.drain().await;
    portal.app.finish().await;
}
