//! Several workers over one database: nothing is applied twice, and who comes too late writes nothing.

use crate::portal::Portal;
use sandbox::Kind;
use sandbox::hubspot::{Effect, Fault};
use std::time::Duration;
use tests::{HubSpotSetup, TestApp, eventually};

async fn work(app: &TestApp, other: &TestApp) {
    // Neither knows when the other is done; both stop when the run has ended.
    let until_done = async |app: &TestApp| {
        loop {
            let worked = app
                .state
                .core
                .engine
                .step()
                .await
                .expect("a step of the worker succeeds");
            if !worked
                && app
                    .number("SELECT COUNT(*) FROM sync_run WHERE status = 'RUNNING'")
                    .await
                    == 0
                && app.number("SELECT COUNT(*) FROM sync_run").await > 0
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(until_done(app), until_done(other));
}

/// Where the lanes stand and what the runs have counted.
async fn standing(portal: &Portal) -> Vec<String> {
    let lanes = "SELECT resource || ' ' || lane || ' ' || CAST(fence AS TEXT) || ' ' || COALESCE(CAST(position AS TEXT), '-') FROM sync_cursor ORDER BY 1";
    let mut found = portal.app.rows(lanes).await;
    found.extend(
        portal
            .app
            .rows("SELECT CAST(findings AS TEXT) FROM sync_run ORDER BY id")
            .await,
    );
    found
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

async fn each_once(portal: &Portal, deals: i64) {
    portal.mirrors().await;
    assert_eq!(portal.app.number("SELECT COUNT(*) FROM deal").await, deals);
    assert_eq!(
        portal
            .app
            .number("SELECT COUNT(*) FROM event WHERE kind = 'deal.created'")
            .await,
        deals,
        "each is told of once"
    );
    assert_eq!(portal.app.number("SELECT COUNT(*) FROM (SELECT subject_id FROM event WHERE kind = 'deal.created' GROUP BY subject_id) AS told").await, deals);
}

#[tokio::test]
async fn two_nodes_share_a_backfill_and_double_nothing() {
    for round in 0..tests::rounds(2, 20) {
        let portal = Portal::of(HubSpotSetup {
            seed: 100 + u64::from(round),
            ..HubSpotSetup::generated(240)
        })
        .await;
        let other = portal.app.another_node().await;
        work(&portal.app, &other).await;
        each_once(&portal, 240).await;
        assert_eq!(
            portal.app.number("SELECT COUNT(*) FROM sync_run").await,
            1,
            "one run, whoever works on it"
        );
        other.end().await;
        portal.app.finish().await;
    }
}

#[tokio::test]
async fn two_nodes_share_the_inbox_and_double_nothing() {
    let portal = Portal::of(HubSpotSetup::empty().with_webhooks()).await;
    portal.settle().await;
    let other = portal.app.another_node().await;
    for _ in 0..tests::rounds(4, 40) {
        for n in 0..15 {
            portal.plain_deal(&format!("Deal {n}"));
        }
        portal.hubspot().webhooks_idle().await;
        let (one, two) = tokio::join!(portal.app.drain(), other.drain());
        assert!(one + two > 0);
        // What one of them held while the other looked is done by whoever looks next.
        portal.app.drain().await;
    }
    let made = i64::try_from(portal.store().count(Kind::Deals)).unwrap();
    each_once(&portal, made).await;
    other.end().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn who_comes_back_after_its_lease_writes_nothing() {
    let portal = Portal::of(HubSpotSetup::generated(240)).await;
    let other = portal.app.another_node().await;
    // Everything but the deals is read; then one node hangs on the vendor in the middle of them.
    let hang = Effect::Delay { ms: 2_500 };
    portal.hubspot().fail(Fault {
        contains: "/deals".to_owned(),
        method: Some("GET".to_owned()),
        skip: 1,
        ..Fault::next("/crm/objects", 1, hang)
    });
    let late = async {
        portal.app.drain().await;
    };
    let quick = async {
        eventually(
            "the first node hangs",
            Duration::from_secs(60),
            async || {
                let rules = {
                    let mut left = 1;
                    portal.hubspot().faults(|faults| left = faults.rules.len());
                    left
                };
                (rules == 0).then_some(())
            },
        )
        .await;
        let asked = portal.requests();
        other.drain().await;
        assert_eq!(portal.requests(), asked, "a lease is kept while it lasts");
        portal.app.advance(Duration::from_secs(61));
        other.drain().await;
        // The other node is done, and what the first one still brings is too late.
        assert_eq!(
            portal.app.number("SELECT COUNT(*) FROM deal").await,
            240,
            "the second node read everything"
        );
        (portal.snapshot().await, standing(&portal).await)
    };
    let ((), (before, stood)) = tokio::join!(late, quick);
    assert_eq!(
        portal.snapshot().await,
        before,
        "the first one wrote nothing after its lease was gone"
    );
    assert_eq!(
        standing(&portal).await,
        stood,
        "nor did it move a lane or count anything twice"
    );
    portal.settle().await;
    each_once(&portal, 240).await;
    other.end().await;
    portal.app.finish().await;
}

#[tokio::test]
async fn a_node_that_dies_in_the_middle_is_followed_by_another() {
    let portal = Portal::of(HubSpotSetup::generated(240)).await;
    let hang = Effect::Delay { ms: 60_000 };
    portal.hubspot().fail(Fault {
        contains: "/deals".to_owned(),
        method: Some("GET".to_owned()),
        skip: 1,
        ..Fault::next("/crm/objects", 1, hang)
    });
    // The work is dropped where it stands, as a process that ends drops it.
    let hanging = eventually("the worker hangs", Duration::from_secs(60), async || {
        let mut left = 1;
        portal.hubspot().faults(|faults| left = faults.rules.len());
        (left == 0).then_some(())
    });
    tokio::select! {
        _ = portal.app.drain() => panic!("it does not hang"),
        () = hanging => {}
    }
    let other = portal.app.another_node().await;
    let asked = portal.requests();
    other.drain().await;
    assert_eq!(portal.requests(), asked, "nobody knows that it has died");
    portal.app.advance(Duration::from_secs(61));
    other.drain().await;
    each_once(&portal, 240).await;
    other.end().await;
    portal.settle().await;
    portal.app.finish().await;
}
