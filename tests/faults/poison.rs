//! A record that kills whoever looks at it, for every vendor: it stops at its attempt limit, and those beside it go on.
//!
//! Twice for each vendor whose records are read: told of by its webhooks, where each record is a signal of its own, and read with its page. What is
//! the same there is written here once; what a vendor's records are, and which of them is deadly, its [`Subject`] says. Slack has no records: what
//! kills there is a message to be posted and the press of a button (`slack`).

mod lies;
mod slack;
mod subjects;

use crate::linked::{Delivery, Linked, last_run, link};
use crate::portal::issues;
use crate::worker::engine;
use entities::chance::SystemChance;
use entities::database::{Database, DatabaseOptions};
use entities::sync_run::SyncRunStatus;
use futures::future::BoxFuture;
use integrations::sync::SyncKind;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use subjects::{HUBSPOT, SALESFORCE, SHOPIFY};
use tests::chaos::Rule;
use tests::{Options, Setups, TestApp, eventually};
use url::Url;

/// Attempts after which a signal, a delivery or a message is dead.
const LIMIT: i64 = 8;
/// How long a lease of a worker that died keeps its work from others, and a little more.
const LEASE: Duration = Duration::from_secs(61);

/// A vendor's records: how they are made and changed there, and what makes one of them deadly.
struct Subject {
    connector: &'static str,
    resource: &'static str,
    setups: fn() -> Setups,
    /// Where its double is.
    sandbox: fn(&TestApp) -> Url,
    /// What the deadly one will be tied to, if anything; made before all records.
    ally: for<'a> fn(&'a Linked) -> BoxFuture<'a, String>,
    /// Makes a record without flaws.
    make: fn(&TestApp, usize) -> String,
    /// Changes it as a person there does.
    change: fn(&TestApp, &str),
    /// Makes a record, or a further change of one, deadly: what comes of it is written by the statement that begins so.
    poison: fn(&TestApp, &str, &str),
    deadly: &'static str,
    /// Whether our row shows the change.
    is_changed: fn(&Value) -> bool,
    /// Whether our row shows what was deadly.
    bears: fn(&Value) -> bool,
    /// Strikes the call that reads this record by its id.
    read: fn(&str) -> Rule,
    /// What the vendor sends of changed records; `turn` tells one occasion from the next.
    told: for<'a> fn(&'a Linked, &'a [String], u64) -> BoxFuture<'a, Vec<Delivery>>,
}

impl Subject {
    async fn row(&self, linked: &Linked, record: &str) -> Value {
        linked.row(self.resource, record).await
    }

    async fn tell(&self, linked: &Linked, records: &[String], turn: u64) {
        for delivery in (self.told)(linked, records, turn).await {
            let answer = linked.send(delivery).await;
            assert!((200..300).contains(&answer.status), "{answer}");
        }
    }
}

/// Lets one worker after the other work until it meets what the proxy strikes, and die there; answers how many did.
async fn struck_down(app: &TestApp, rounds: u32) -> i64 {
    let chaos = app.chaos();
    let mut killed = 0;
    for _ in 0..rounds {
        let before = chaos.struck();
        let strike = eventually(
            "the worker meets what kills it",
            Duration::from_secs(60),
            async || (chaos.struck() > before).then_some(()),
        );
        // The work is dropped where it stands, as a process that dies drops it; its lease stays.
        tokio::select! {
            _ = app.drain() => {}
            () = strike => killed += 1,
        }
        app.advance(LEASE);
    }
    killed
}

/// Told of one by one.
async fn by_signal(subject: &Subject) {
    let options = Options {
        chaos: true,
        // Polling would bring the neighbours by another way.
        settings: vec![("ENTENTE_SYNC_INTERVAL_SECONDS", "86400".to_owned())],
        others: (subject.setups)(),
        ..Options::default()
    };
    let linked = Linked::to(subject.connector, options).await;
    let app = &linked.app;
    let records: Vec<String> = (0..40).map(|n| (subject.make)(app, n)).collect();
    linked.settle().await;
    for record in &records {
        (subject.change)(app, record);
    }
    let poison = &records[17];
    app.chaos().strike((subject.read)(poison));
    subject.tell(&linked, &records, 0).await;
    let killed = struck_down(app, 30).await;
    assert!(
        (1..=LIMIT).contains(&killed),
        "it killed {killed} workers, and may kill {LIMIT}"
    );
    let dead = app
        .rows("SELECT external_id FROM inbound_signal WHERE dead")
        .await;
    let dead: Vec<String> = dead
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(dead, [poison.as_str()], "it alone is given up");
    let waiting = "SELECT COUNT(*) FROM inbound_signal WHERE NOT dead";
    assert_eq!(app.number(waiting).await, 0);
    for record in &records {
        let row = subject.row(&linked, record).await;
        assert!(!row.is_null(), "{record}");
        assert_eq!((subject.is_changed)(&row), record != poison, "{row}");
    }

    // Once it is harmless, its next change brings it.
    app.chaos().lift();
    subject.tell(&linked, std::slice::from_ref(poison), 1).await;
    app.drain().await;
    let row = subject.row(&linked, poison).await;
    assert!((subject.is_changed)(&row), "{row}");
    linked.app.finish().await;
}

/// Works like a process of its own until there is nothing to do, or until it dies: when it is about to run a statement that begins so. The answer
/// says whether it died. What it had claimed stays claimed.
async fn dies(app: &TestApp, (connector, sandbox): (&str, Url), deadly: &'static str) -> bool {
    let mut options = DatabaseOptions::new(app.place().url().to_owned());
    options.observer = Some(Arc::new(move |statement: &str| {
        assert!(!statement.starts_with(deadly), "this process is dead");
    }));
    let clock = app.database().clock().clone();
    let database = Database::open(options, clock, Arc::new(SystemChance))
        .await
        .unwrap();
    let engine = engine(database, connector, sandbox);
    let work = tokio::spawn(async move { while engine.step().await.unwrap() {} });
    work.await.is_err_and(|error| error.is_panic())
}

/// Lets one process after the other work until a run has ended, and counts those that died.
async fn deaths_until_done(subject: &Subject, app: &TestApp) -> u32 {
    let mut deaths = 0;
    for _ in 0..60 {
        let place = (subject.connector, (subject.sandbox)(app));
        deaths += u32::from(dies(app, place, subject.deadly).await);
        if last_run(app).await.status != SyncRunStatus::Running {
            return deaths;
        }
        app.advance(LEASE);
    }
    panic!("no end after {deaths} deaths: {:?}", last_run(app).await);
}

/// Read with its page.
async fn by_page(subject: &Subject) {
    let options = Options {
        others: (subject.setups)(),
        ..Options::default()
    };
    let mut linked = Linked::to(subject.connector, options).await;
    linked.app.expect_warning("a record ends its workers");
    let app = &linked.app;
    let ask = async |kind: SyncKind| {
        let asked = app.state.core.engine.request_sync(linked.connection, kind);
        asked.await.unwrap();
    };
    let ally = (subject.ally)(&linked).await;
    let records: Vec<String> = (0..30).map(|n| (subject.make)(app, n)).collect();
    let poison = &records[17];
    (subject.poison)(app, poison, &ally);

    // Twice with its page, and twice alone.
    assert_eq!(deaths_until_done(subject, app).await, 4);
    let run = last_run(app).await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{:?}", run.error);
    assert_eq!(issues(&run, poison), ["NEVER_ENDED -"]);
    assert_eq!(run.findings.counts[subject.resource].kept_out, 1);
    let mark = link(app, subject.resource, poison).await.unwrap();
    assert_eq!(
        (mark.subject, mark.held.as_deref()),
        (None, Some("NEVER_ENDED"))
    );
    for record in records.iter().filter(|record| *record != poison) {
        assert!(!subject.row(&linked, record).await.is_null(), "{record}");
    }
    let told = "SELECT COUNT(*) FROM event WHERE kind = 'deal.created'";
    assert_eq!(app.number(told).await, 29, "each once");

    // Nobody dies of it again, whoever reads everything anew.
    ask(SyncKind::Everything).await;
    assert_eq!(deaths_until_done(subject, app).await, 0);
    assert!(subject.row(&linked, poison).await.is_null());

    // Changed, and harmless by now, it comes in.
    app.advance(LEASE);
    (subject.change)(app, poison);
    linked.catch_up().await;
    let row = subject.row(&linked, poison).await;
    assert!((subject.is_changed)(&row), "{row}");
    assert!((subject.bears)(&row), "{row}");
    let mark = link(app, subject.resource, poison).await.unwrap();
    assert_eq!(mark.held, None);

    // One that was here before stays as it was, and what changed with it comes in.
    let (other, beside) = (&records[3], &records[4]);
    (subject.poison)(app, other, &ally);
    for record in [other, beside] {
        (subject.change)(app, record);
    }
    app.advance(Duration::from_secs(150));
    ask(SyncKind::Changes).await;
    assert_eq!(deaths_until_done(subject, app).await, 4);
    let row = subject.row(&linked, other).await;
    assert!(!row.is_null() && !(subject.is_changed)(&row), "{row}");
    let row = subject.row(&linked, beside).await;
    assert!((subject.is_changed)(&row), "{row}");
    assert_eq!(issues(&last_run(app).await, other), ["NEVER_ENDED -"]);
    linked.app.finish().await;
}

#[tokio::test]
async fn a_signal_that_kills_stops_and_its_neighbours_go_on_in_hubspot() {
    by_signal(&HUBSPOT).await;
}

#[tokio::test]
async fn a_signal_that_kills_stops_and_its_neighbours_go_on_in_salesforce() {
    by_signal(&SALESFORCE).await;
}

#[tokio::test]
async fn a_signal_that_kills_stops_and_its_neighbours_go_on_in_shopify() {
    by_signal(&SHOPIFY).await;
}

#[tokio::test]
async fn a_record_that_kills_with_its_page_is_kept_out_and_the_page_goes_on_in_hubspot() {
    by_page(&HUBSPOT).await;
}

#[tokio::test]
async fn a_record_that_kills_with_its_page_is_kept_out_and_the_page_goes_on_in_salesforce() {
    by_page(&SALESFORCE).await;
}

#[tokio::test]
async fn a_record_that_kills_with_its_page_is_kept_out_and_the_page_goes_on_in_shopify() {
    by_page(&SHOPIFY).await;
}
