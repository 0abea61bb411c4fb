//! A record that kills whoever looks at it: it stops at its attempt limit, and those beside it go on.

use crate::portal::Portal;
use crate::signing::{body, changed, headers};
use sandbox::Kind;
use std::time::Duration;
use tests::chaos::{Mishap, Rule};
use tests::{CLIENT_SECRET, HubSpotSetup, Options, TestApp, eventually};

/// Attempts after which a signal is dead.
const LIMIT: i64 = 8;

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

#[tokio::test]
async fn a_record_that_kills_the_worker_stops_and_its_neighbours_go_on() {
    let options = Options {
        chaos: true,
        // Polling would bring the neighbours by another way.
        settings: vec![("ENTENTE_SYNC_INTERVAL_SECONDS", "86400".to_owned())],
        ..Options::hubspot(HubSpotSetup::empty())
    };
    let portal = Portal::on(TestApp::start(options).await).await;
    let deals: Vec<u64> = (0..40)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    portal.settle().await;
    for deal in &deals {
        portal
            .store()
            .update(Kind::Deals, *deal, &[("dealname", "Changed")])
            .unwrap();
    }
    let poison = deals[17];
    let chaos = portal.app.chaos();
    chaos.strike(Rule {
        body: poison.to_string(),
        ..Rule::on("POST", "/deals/batch/read", Mishap::Hang)
    });
    told(&portal, &deals).await;
    let mut killed = 0;
    for _ in 0..30 {
        let before = chaos.struck();
        let strike = eventually(
            "the worker meets the record",
            Duration::from_secs(60),
            async || (chaos.struck() > before).then_some(()),
        );
        // The work is dropped where it stands, as a process that dies drops it; its lease stays.
        tokio::select! {
            _ = portal.app.drain() => {}
            () = strike => killed += 1,
        }
        portal.app.advance(Duration::from_secs(61));
    }
    assert!(
        (1..=LIMIT).contains(&killed),
        "it killed {killed} workers, and may kill {LIMIT}"
    );
    let dead = portal
        .app
        .rows("SELECT external_id, attempts FROM inbound_signal WHERE dead")
        .await;
    let dead: Vec<String> = dead
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(dead, [poison.to_string()], "it alone is given up");
    assert_eq!(
        portal
            .app
            .number("SELECT COUNT(*) FROM inbound_signal WHERE NOT dead")
            .await,
        0
    );
    for deal in deals.iter().filter(|deal| **deal != poison) {
        assert_eq!(portal.deal_row(*deal).await["name"], "Changed", "{deal}");
    }
    assert_eq!(portal.deal_row(poison).await["name"], "Deal 17");

    // Once it is harmless, its next change brings it.
    chaos.lift();
    told(&portal, &[poison]).await;
    portal.app.drain().await;
    assert_eq!(portal.deal_row(poison).await["name"], "Changed");
    portal.app.finish().await;
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
