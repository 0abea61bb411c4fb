//! A vendor that asks to wait: the wait stands in a row, every process keeps it, it is never shortened, and the run is not done before.

use crate::outage::{connection, filled, on};
use entities::sync_run::SyncRunStatus;
use sandbox::Kind;
use sandbox::hubspot::Effect;
use std::time::Duration;

/// Meets a rate limit, and answers how long it was honoured for.
async fn waited(effect: Effect, at_least: Duration) {
    let (mut portal, _) = filled().await;
    portal.app.expect_warning("a lane stumbled");
    portal.hubspot().fail(on("/deals", 1, effect));
    portal.app.drain().await;
    let paused = connection(&portal)
        .await
        .paused_until
        .expect("the wait stands in the row");
    let now = portal.app.database().now();
    assert!(
        paused.millis() >= now.millis() + i64::try_from(at_least.as_millis()).unwrap() - 2_000,
        "not shortened"
    );
    assert_eq!(
        portal.last_run().await.status,
        SyncRunStatus::Running,
        "a run that waits is not done"
    );
    assert_eq!(
        portal.app.number("SELECT COUNT(*) FROM customer").await,
        0,
        "the whole connection waits, for the limit is the account's"
    );
    let asked = portal.requests();
    portal
        .app
        .advance(at_least.saturating_sub(Duration::from_secs(4)));
    portal.app.drain().await;
    assert_eq!(portal.requests(), asked, "nobody asks before the time");
    // Another process keeps the wait too.
    let other = portal.app.another_node().await;
    other.drain().await;
    assert_eq!(portal.requests(), asked);
    portal.app.advance(Duration::from_secs(6));
    let run = portal.settle().await;
    assert_eq!(
        (run.status, run.findings.counts["deal"].created),
        (SyncRunStatus::Completed, 5),
        "one run from beginning to end"
    );
    assert_eq!(portal.app.number("SELECT COUNT(*) FROM sync_run").await, 1);
    portal.mirrors().await;
    portal.app.finish().await;
    other.end().await;
}

#[tokio::test]
async fn a_run_whose_last_part_waits_is_not_done() {
    let (mut portal, deals) = filled().await;
    portal.app.expect_warning("a lane stumbled");
    portal.sync().await;
    portal
        .store()
        .update(Kind::Deals, deals[0], &[("dealname", "Changed")])
        .unwrap();
    portal.app.advance(Duration::from_secs(61));
    let limited = Effect::Status {
        status: 429,
        body: None,
        retry_after: Some(30),
    };
    portal.hubspot().fail(on("/deals/search", 1, limited));
    portal.app.drain().await;
    assert_eq!(
        portal.last_run().await.status,
        SyncRunStatus::Running,
        "the deals have not been read"
    );
    let run = portal.settle().await;
    assert_eq!(
        (run.status, run.findings.counts["deal"].updated),
        (SyncRunStatus::Completed, 1),
        "the run that waited found it"
    );
    assert_eq!(portal.deal_row(deals[0]).await["name"], "Changed");
    portal.app.finish().await;
}

#[tokio::test]
async fn retry_after_is_waited_out() {
    waited(
        Effect::Status {
            status: 429,
            body: None,
            retry_after: Some(17),
        },
        Duration::from_secs(17),
    )
    .await;
}

#[tokio::test]
async fn a_limit_without_a_time_waits_out_its_window() {
    waited(
        Effect::RateLimited {
            policy: "TEN_SECONDLY_ROLLING".to_owned(),
        },
        Duration::from_secs(10),
    )
    .await;
}

#[tokio::test]
async fn a_daily_limit_waits_an_hour() {
    waited(
        Effect::RateLimited {
            policy: "DAILY".to_owned(),
        },
        Duration::from_secs(3_600),
    )
    .await;
}
