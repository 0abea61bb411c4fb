//! A record that kills whoever looks at it: it stops at its attempt limit, and those beside it go on.

use crate::portal::{Portal, issues};
use crate::processes::engine;
use crate::signing::{body, changed, headers};
use entities::chance::SystemChance;
use entities::database::{Database, DatabaseOptions};
use entities::sync_run::SyncRunStatus;
use integrations::sync::SyncKind;
use sandbox::Kind;
use std::sync::Arc;
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

/// Works like a process of its own until there is nothing to do, or until it dies: when it is about to write a partner's share. The answer says
/// whether it died. What it had claimed stays claimed.
async fn dies_of_shares(portal: &Portal) -> bool {
    let mut options = DatabaseOptions::new(portal.app.place().url().to_owned());
    options.observer = Some(Arc::new(|statement: &str| {
        assert!(
            !statement.starts_with("INSERT INTO \"deal_partner\""),
            "this process is dead"
        );
    }));
    let clock = portal.app.database().clock().clone();
    let database = Database::open(options, clock, Arc::new(SystemChance))
        .await
        .unwrap();
    let engine = engine(database, portal.hubspot().url().clone());
    let work = tokio::spawn(async move { while engine.step().await.unwrap() {} });
    work.await.is_err_and(|error| error.is_panic())
}

/// Lets one process after the other work until a run has ended, and counts those that died.
async fn deaths_until_done(portal: &Portal) -> u32 {
    let mut deaths = 0;
    for _ in 0..60 {
        deaths += u32::from(dies_of_shares(portal).await);
        if portal.last_run().await.status != SyncRunStatus::Running {
            return deaths;
        }
        portal.app.advance(Duration::from_secs(61));
    }
    panic!(
        "no end after {deaths} deaths: {:?}",
        portal.last_run().await
    );
}

#[tokio::test]
async fn a_record_that_kills_whoever_reads_its_page_is_kept_out_and_the_page_goes_on() {
    let mut portal = Portal::empty().await;
    portal.app.expect_warning("a record ends its workers");
    let partner = portal.partner("Partner");
    let deals: Vec<u64> = (0..30)
        .map(|n| portal.plain_deal(&format!("Deal {n}")))
        .collect();
    let poison = deals[17];
    portal.share(poison, partner);

    // Twice with its page, and twice alone.
    assert_eq!(deaths_until_done(&portal).await, 4);
    let run = portal.last_run().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{:?}", run.error);
    assert_eq!(issues(&run, poison), ["NEVER_ENDED -"]);
    assert_eq!(run.findings.counts["deal"].kept_out, 1);
    let link = portal.link("deal", poison).await.unwrap();
    assert_eq!(
        (link.subject, link.held.as_deref()),
        (None, Some("NEVER_ENDED"))
    );
    for deal in deals.iter().filter(|deal| **deal != poison) {
        assert!(!portal.deal_row(*deal).await.is_null(), "{deal}");
    }
    let told = "SELECT COUNT(*) FROM event WHERE kind = 'deal.created'";
    assert_eq!(portal.app.number(told).await, 29, "each once");

    // Nobody dies of it again, whoever reads everything anew.
    let core = &portal.app.state.core.engine;
    let asked = core.request_sync(portal.connection, SyncKind::Everything);
    asked.await.unwrap();
    assert_eq!(deaths_until_done(&portal).await, 0);
    assert!(portal.deal_row(poison).await.is_null());

    // Changed, and harmless by now, it comes in.
    portal.app.advance(Duration::from_secs(61));
    let name = [("dealname", "Changed")];
    portal.store().update(Kind::Deals, poison, &name).unwrap();
    portal.settle().await;
    let row = portal.deal_row(poison).await;
    assert_eq!(row["name"], "Changed");
    assert_eq!(row["partners"].as_array().unwrap().len(), 1);
    assert_eq!(portal.link("deal", poison).await.unwrap().held, None);

    // One that was here before stays as it was, and what changed with it comes in.
    let (other, beside) = (deals[3], deals[4]);
    portal.share(other, partner);
    for deal in [other, beside] {
        let name = [("dealname", "Both")];
        portal.store().update(Kind::Deals, deal, &name).unwrap();
    }
    portal.app.advance(Duration::from_secs(61));
    let core = &portal.app.state.core.engine;
    let asked = core.request_sync(portal.connection, SyncKind::Changes);
    asked.await.unwrap();
    assert_eq!(deaths_until_done(&portal).await, 4);
    assert_eq!(portal.deal_row(other).await["name"], "Deal 3");
    assert_eq!(portal.deal_row(beside).await["name"], "Both");
    assert_eq!(issues(&portal.last_run().await, other), ["NEVER_ENDED -"]);
    portal.app.finish().await;
}
