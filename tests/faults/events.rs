//! The log under many writers: a reader that follows `events(after:)` while they write sees every event once, in the order that stays.

use entities::change::{Author, Change, Origin};
use entities::partner::{self, NewPartner};
use rand::RngExt;
use serde_json::json;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::TestApp;

const WRITERS: usize = 16;

/// Reads one page after a cursor: the ids, and where to go on.
async fn page(app: &TestApp, token: &str, after: Option<&str>) -> (Vec<String>, Option<String>) {
    let query = "query($after: String) { events(first: 100, after: $after) { edges { node { id } } pageInfo { endCursor } } }";
    let answer = app.graphql(token, query, json!({ "after": after })).await;
    let end = answer
        .at("/events/pageInfo/endCursor")
        .as_str()
        .map(str::to_owned);
    (answer.texts("/events/edges", "/node/id"), end)
}

async fn whole(app: &TestApp, token: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (ids, end) = page(app, token, after.as_deref()).await;
        if ids.is_empty() {
            return all;
        }
        all.extend(ids);
        after = end;
    }
}

/// Writes partners, each change taking its time between its first row and its commit; some change their mind.
async fn write(app: &TestApp, writer: usize, changes: u32) -> usize {
    let mut chance = tests::rng(&format!("writer {writer}"));
    let mut written = 0;
    for n in 0..changes {
        let author = Author {
            actor: format!("writer {writer}"),
            origin: Origin::Api,
            connection: None,
        };
        let mut change = Change::begin(app.database(), author).await.unwrap();
        let count = chance.random_range(1..4);
        let new = (0..count)
            .map(|m| NewPartner::named(format!("Partner {writer} {n} {m}")))
            .collect();
        partner::create(&mut change, new).await.unwrap();
        tokio::time::sleep(Duration::from_micros(chance.random_range(0..3_000))).await;
        if chance.random_range(0..8) == 0 {
            change.rollback().await.unwrap();
        } else {
            change.commit().await.unwrap();
            written += count;
        }
    }
    written
}

#[tokio::test]
async fn a_reader_misses_nothing_while_sixteen_write() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let changes = tests::rounds(15, 1_000);
    let done = AtomicBool::new(false);
    let writers = async {
        let written =
            futures::future::join_all((0..WRITERS).map(|writer| write(&app, writer, changes)))
                .await;
        app.log_settled().await;
        done.store(true, Ordering::SeqCst);
        written.into_iter().sum::<usize>()
    };
    let follow = async |size: usize| {
        let (mut seen, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let last = done.load(Ordering::SeqCst);
            let (ids, end) = page(&app, &token, after.as_deref()).await;
            after = end;
            if ids.is_empty() && last {
                return seen;
            }
            // A reader may also come back to an earlier place.
            seen.extend(ids.into_iter().take(size));
            tokio::task::yield_now().await;
        }
    };
    let (written, one, other) = tokio::join!(writers, follow(100), follow(100));
    let all = whole(&app, &token).await;
    assert_eq!(
        all.len(),
        written,
        "every committed event, and none of a change that was taken back"
    );
    assert_eq!(
        all.iter().collect::<HashSet<_>>().len(),
        all.len(),
        "none twice"
    );
    assert_eq!(
        one, all,
        "the first reader saw all of it, in the order that stays"
    );
    assert_eq!(other, all, "and so did the second");
    app.finish().await;
}

#[tokio::test]
async fn a_change_that_lasts_holds_back_what_comes_after_it_and_loses_none() {
    let app = TestApp::plain().await;
    if !app.database().is_postgres() {
        // SQLite has one writer: while one change lasts there is no other.
        app.finish().await;
        return;
    }
    let token = app.admin();
    let begin = async |name: &str| {
        let mut change = app.change().await;
        partner::create(&mut change, vec![NewPartner::named(name)])
            .await
            .unwrap();
        change
    };
    let slow = begin("Slow").await;
    let quick = begin("Quick").await;
    quick.commit().await.unwrap();
    let (early, after) = page(&app, &token, None).await;
    slow.commit().await.unwrap();
    app.log_settled().await;
    let (late, _) = page(&app, &token, after.as_deref()).await;
    let all = whole(&app, &token).await;
    assert_eq!(
        [early, late].concat(),
        all,
        "whatever was answered first, nothing appears behind it"
    );
    assert_eq!(all.len(), 2);
    app.finish().await;
}
