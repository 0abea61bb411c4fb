//! A complete walk: what it finds, what it archives, and what it leaves to a person.

use super::*;
use entities::change::{Author, Origin};
use entities::sync_run::Drift;
use entities::{sync_cursor, sync_seen};

fn deals(bed: &Bed, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let id = (1_000 + number).to_string();
        let name = format!("deal {number}");
        let fields = [("dealname", name.as_str()), ("dealstage", "prospecting")];
        bed.vendor.deal(&id, &fields, &[]);
    }
}

/// Takes a record away at the vendor without a trace.
fn vanish(bed: &Bed, number: usize) {
    let key = (Resource::Deal, (1_000 + number).to_string());
    bed.vendor.state.lock().unwrap().records.remove(&key);
}

/// Makes a record look so old that no delta shows it.
fn bury(bed: &Bed, number: usize, at_ms: i64) {
    let key = (Resource::Deal, (1_000 + number).to_string());
    let mut state = bed.vendor.state.lock().unwrap();
    state.records.get_mut(&key).unwrap().updated_at_ms = at_ms;
}

async fn reconcile(bed: &Bed) -> sync_run::Model {
    bed.engine
        .sync_connection(bed.connection.id, SyncKind::Reconcile, |_| {})
        .await
        .unwrap()
}

async fn archived(bed: &Bed) -> Vec<String> {
    let rows = bed.deals().await;
    rows.into_values()
        .filter(|row| row.archived_at.is_some())
        .map(|row| row.name)
        .collect()
}

async fn status(bed: &Bed) -> (ConnectionStatus, Option<String>) {
    let row = connection::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    (row.status, row.status_reason)
}

async fn told(bed: &Bed, kind: &str) -> usize {
    let rows = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    rows.iter().filter(|row| row.kind == kind).count()
}

async fn seen(bed: &Bed) -> usize {
    sync_seen::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap()
        .len()
}

fn drift(run: &sync_run::Model) -> Drift {
    run.findings.drift.get("deal").copied().unwrap_or_default()
}

fn operator() -> Author {
    Author {
        actor: "ada".to_owned(),
        origin: Origin::Human,
        connection: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_finds_what_was_missed_and_what_has_gone_and_then_nothing() {
    let bed = bed().await;
    deals(&bed, 0..250);
    bed.sync().await;
    // One that was never shown, one that was changed unseen, one that has gone without a trace.
    deals(&bed, 900..901);
    bury(&bed, 900, 5);
    let key = (Resource::Deal, "1003".to_owned());
    bed.vendor
        .state
        .lock()
        .unwrap()
        .records
        .get_mut(&key)
        .unwrap()
        .fields
        .insert("dealname".to_owned(), Some("changed".to_owned()));
    vanish(&bed, 7);
    bed.sync().await;
    assert_eq!(bed.deals().await.len(), 250, "no delta shows any of it");
    let run = reconcile(&bed).await;
    assert_eq!(
        (run.status, run.kind.as_str(), run.error.clone()),
        (SyncRunStatus::Completed, "reconcile", None)
    );
    let found = Drift {
        missing_here: 1,
        different: 1,
        missing_there: 1,
    };
    assert_eq!(drift(&run), found);
    assert_eq!(told(&bed, "sync.drift").await, 1);
    assert_eq!(archived(&bed).await, ["deal 7"]);
    let rows = bed.deals().await;
    assert!(rows.contains_key("changed") && rows.contains_key("deal 900"));
    assert_eq!(seen(&bed).await, 0);
    let before = bed.everything().await;
    let run = reconcile(&bed).await;
    assert_eq!(
        (drift(&run), run.findings.drift.len()),
        (Drift::default(), 0)
    );
    assert_eq!(bed.everything().await, before);
    assert_eq!(told(&bed, "sync.drift").await, 1);
    assert_eq!(status(&bed).await, (ConnectionStatus::Active, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn six_percent_are_held_back_until_a_person_confirms() {
    let bed = bed().await;
    deals(&bed, 0..250);
    bed.sync().await;
    for number in 0..15 {
        vanish(&bed, number * 3);
    }
    let refused = bed.engine.confirm_deletes(bed.connection.id, operator());
    assert!(refused.await.is_err(), "nothing is held yet");
    let run = reconcile(&bed).await;
    assert!(archived(&bed).await.is_empty());
    assert_eq!(told(&bed, "sync.held").await, 1);
    let issue = &run.findings.issues[0];
    assert_eq!(issue.code, "DELETES_HELD");
    let (held, reason) = status(&bed).await;
    let reason = reason.unwrap();
    assert_eq!(held, ConnectionStatus::Degraded);
    assert!(
        reason.contains("15 of 250") && reason.contains("confirm"),
        "{reason}"
    );
    // Nothing but a new walk or a person's word moves it; the rest goes on.
    deals(&bed, 300..301);
    bed.sync().await;
    assert!(bed.deals().await.contains_key("deal 300"));
    assert!(archived(&bed).await.is_empty());
    let run = bed
        .engine
        .confirm_deletes(bed.connection.id, operator())
        .await
        .unwrap();
    while bed.engine.step().await.unwrap() {}
    assert_eq!(archived(&bed).await.len(), 15);
    let run = sync_run::Entity::find_by_id(run.id)
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (run.status, drift(&run).missing_there),
        (SyncRunStatus::Completed, 15)
    );
    assert_eq!(status(&bed).await, (ConnectionStatus::Active, None));
    assert_eq!(seen(&bed).await, 0);
    let before = bed.everything().await;
    reconcile(&bed).await;
    assert_eq!(bed.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_let_go_when_the_records_come_back() {
    let bed = bed().await;
    deals(&bed, 0..100);
    bed.sync().await;
    let all = bed.vendor.state.lock().unwrap().records.clone();
    for number in 0..50 {
        vanish(&bed, number);
    }
    reconcile(&bed).await;
    assert_eq!(status(&bed).await.0, ConnectionStatus::Degraded);
    bed.vendor.state.lock().unwrap().records = all;
    let run = reconcile(&bed).await;
    assert_eq!(drift(&run), Drift::default());
    assert!(archived(&bed).await.is_empty());
    assert_eq!(status(&bed).await, (ConnectionStatus::Active, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_was_broken_off_archives_nothing_and_goes_on_where_it_was() {
    let bed = bed().await;
    deals(&bed, 0..950);
    bed.sync().await;
    for number in 0..5 {
        vanish(&bed, number * 100);
    }
    bed.engine
        .request_reconcile(bed.connection.id)
        .await
        .unwrap();
    // Step by step, until the walk over the deals has begun; then the vendor stumbles.
    bed.vendor.stumble_after(4);
    while seen(&bed).await == 0 {
        assert!(bed.engine.step().await.unwrap());
    }
    assert!(archived(&bed).await.is_empty());
    let lanes = sync_cursor::list(bed.database.read(), bed.connection.id)
        .await
        .unwrap();
    let lane = lanes
        .iter()
        .find(|lane| lane.lane == "reconcile" && lane.resource == "deal")
        .unwrap();
    assert!(lane.error.is_some(), "{lane:?}");
    let begun = seen(&bed).await;
    assert!(begun > 0 && begun < 945);
    bed.vendor.state.lock().unwrap().stumbles = None;
    // Another process goes on.
    let other = engine(&bed.database, &bed.vendor);
    let pages = bed.vendor.pages.load(Ordering::SeqCst);
    for _ in 0..200 {
        if !other.step().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !archived(&bed).await.is_empty() {
            break;
        }
    }
    assert_eq!(archived(&bed).await.len(), 5);
    let read = bed.vendor.pages.load(Ordering::SeqCst) - pages;
    assert!(read < 10, "it did not begin anew: {read} pages");
    while other.step().await.unwrap() {}
    let runs = sync_run::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let of: Vec<_> = runs.iter().filter(|run| run.kind == "reconcile").collect();
    assert_eq!(
        (of.len(), of[0].status, drift(of[0]).missing_there),
        (1, SyncRunStatus::Completed, 5)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_by_itself_once_a_day_and_a_wish_for_changes_does_not_bring_it() {
    let bed = bed().await;
    deals(&bed, 0..30);
    bed.sync().await;
    vanish(&bed, 3);
    bed.sync().await;
    while bed.engine.step().await.unwrap() {}
    assert!(archived(&bed).await.is_empty());
    bed.clock.0.store(86_500_000, Ordering::SeqCst);
    while bed.engine.step().await.unwrap() {}
    assert_eq!(archived(&bed).await, ["deal 3"]);
    assert_eq!(told(&bed, "sync.drift").await, 1);
}
