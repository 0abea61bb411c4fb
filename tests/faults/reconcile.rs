//! The complete comparison over a vendor that answers by HTTP: what it finds, and what it must not believe.

use crate::portal::Portal;
use entities::sync_run::{self, Drift, SyncRunStatus};
use integrations::sync::SyncKind;
use sandbox::hubspot::{Effect, Fault};
use sea_orm::ConnectionTrait;

/// A portal of so many deals, all of them read.
async fn read(deals: usize) -> (Portal, Vec<u64>) {
    let portal = Portal::empty().await;
    let company = portal.company(&[("name", "Acme")]);
    let ids: Vec<u64> = (0..deals)
        .map(|number| portal.plain_deal(&format!("Deal {number}")))
        .collect();
    portal.tie(ids[0], company);
    portal.sync().await;
    (portal, ids)
}

async fn reconcile(portal: &Portal) -> sync_run::Model {
    let engine = &portal.app.state.core.engine;
    let run = engine
        .sync_connection(portal.connection, SyncKind::Reconcile, |_| {})
        .await
        .unwrap();
    assert_eq!(
        (run.status, run.kind.as_str(), run.error.as_deref()),
        (SyncRunStatus::Completed, "reconcile", None)
    );
    run
}

/// Makes links name records that the vendor never had: as if these were deleted there without a trace, and those it has were never shown.
async fn misplace(portal: &Portal, ids: &[u64]) {
    for id in ids {
        let statement = format!(
            "UPDATE external_link SET external_id = '9{id}' WHERE resource = 'deal' AND external_id = '{id}'"
        );
        let write = portal.app.database().write();
        write.execute_unprepared(&statement).await.unwrap();
    }
}

async fn archived(portal: &Portal) -> i64 {
    let statement = "SELECT COUNT(*) FROM deal WHERE archived_at IS NOT NULL";
    portal.app.number(statement).await
}

#[tokio::test]
async fn it_brings_what_was_missed_archives_what_has_gone_and_then_writes_nothing() {
    let (portal, ids) = read(250).await;
    // What was made just now is no drift, for the deltas may still bring it: these are from long ago.
    portal
        .store()
        .stamp_all(sandbox::Kind::Deals, 1_600_000_000_000);
    misplace(&portal, &ids[3..6]).await;
    let run = reconcile(&portal).await;
    let found = Drift {
        missing_here: 3,
        different: 0,
        missing_there: 3,
    };
    assert_eq!(run.findings.drift["deal"], found);
    assert_eq!(archived(&portal).await, 3);
    assert_eq!(portal.deal_row(ids[4]).await["name"], "Deal 4");
    let before = portal.snapshot().await;
    let run = reconcile(&portal).await;
    assert!(run.findings.drift.is_empty(), "{:?}", run.findings.drift);
    assert_eq!(portal.snapshot().await, before);
    assert_eq!(portal.app.number("SELECT COUNT(*) FROM sync_seen").await, 0);
    let told = "SELECT COUNT(*) FROM event WHERE kind = 'sync.drift'";
    assert_eq!(portal.app.number(told).await, 1);
    portal.app.finish().await;
}

#[tokio::test]
async fn more_than_a_twentieth_is_held_and_a_list_that_ends_too_soon_is_not_believed() {
    let (portal, ids) = read(250).await;
    portal.hubspot().fail(Fault {
        contains: "/deals".to_owned(),
        method: Some("GET".to_owned()),
        ..Fault::always("/crm/objects", Effect::NoPaging {})
    });
    let before = portal.snapshot().await;
    let run = reconcile(&portal).await;
    assert!(run.findings.drift.is_empty() && run.findings.issues.is_empty());
    assert_eq!(portal.snapshot().await, before);
    portal.hubspot().faults(|faults| faults.rules.clear());

    misplace(&portal, &ids[..15]).await;
    let run = reconcile(&portal).await;
    let codes: Vec<&str> = run
        .findings
        .issues
        .iter()
        .map(|issue| issue.code.as_str())
        .collect();
    assert_eq!((codes, archived(&portal).await), (vec!["DELETES_HELD"], 0));
    let author = entities::change::Author {
        actor: "ada".to_owned(),
        origin: entities::change::Origin::Human,
        connection: None,
    };
    let engine = &portal.app.state.core.engine;
    let run = engine
        .confirm_deletes(portal.connection, author)
        .await
        .unwrap();
    portal.app.drain().await;
    assert_eq!(archived(&portal).await, 15);
    let last = portal.last_run().await;
    assert_eq!((last.id, last.status), (run.id, SyncRunStatus::Completed));
    portal.app.finish().await;
}
