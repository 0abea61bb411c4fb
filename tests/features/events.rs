//! The event log: in order, without a gap under concurrent writers, and what an event says.

use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::programme::{Size, fill};
use tests::{Answer, HubSpotSetup, Options, TestApp, rounds};

async fn page(app: &TestApp, token: &str, after: Option<&str>, size: u32) -> Answer {
    let query = "query($after: String, $first: Int) { events(after: $after, first: $first) {
        edges { cursor node { id type subjectId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let answer = app
        .graphql(token, query, json!({ "after": after, "first": size }))
        .await;
    answer.data();
    answer
}

/// While eight hands write, a reader that goes on from its last cursor sees every event once, and in the same order as one who reads later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_misses_nothing_while_eight_hands_write() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let each = rounds(12, 200);
    let writing = AtomicBool::new(true);
    let hand = async |hand: u32| {
        for n in 0..each {
            let made = app
                .mutate(
                    &token,
                    "createPartner",
                    json!({ "name": format!("{hand}-{n}") }),
                    "partner { id }",
                )
                .await;
            let id = made.text("/createPartner/partner/id");
            if n % 3 == 0 {
                app.mutate(
                    &token,
                    "updatePartner",
                    json!({ "id": id, "country": "Norway" }),
                    "partner { id }",
                )
                .await
                .text("/updatePartner/partner/id");
            }
        }
    };
    let writers = async {
        futures::future::join_all((0..8).map(hand)).await;
        writing.store(false, Ordering::SeqCst);
    };
    let reader = async {
        let mut seen: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        let mut asked_again = false;
        loop {
            let wrote = writing.load(Ordering::SeqCst);
            let answer = page(&app, &token, after.as_deref(), 7).await;
            let ids = answer.texts("/events/edges", "/node/id");
            if ids.is_empty() && !wrote {
                // On PostgreSQL the log may be held back for a moment after the last commit: ask once more before believing the end.
                if asked_again {
                    return seen;
                }
                app.log_settled().await;
                asked_again = true;
            }
            after = answer
                .at("/events/pageInfo/endCursor")
                .as_str()
                .map(str::to_owned)
                .or(after);
            seen.extend(ids);
        }
    };
    let ((), seen) = tokio::join!(writers, reader);
    let written = app.number("SELECT COUNT(*) FROM event").await;
    assert_eq!(
        seen.iter().collect::<BTreeSet<_>>().len(),
        seen.len(),
        "no event twice"
    );
    assert_eq!(
        i64::try_from(seen.len()).unwrap(),
        written,
        "no event missed"
    );
    let mut later = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let answer = page(&app, &token, after.as_deref(), 100).await;
        later.extend(answer.texts("/events/edges", "/node/id"));
        if answer.at("/events/pageInfo/hasNextPage") == &json!(false) {
            break;
        }
        after = Some(answer.text("/events/pageInfo/endCursor"));
    }
    assert_eq!(later, seen, "the order does not depend on when one reads");
    app.finish().await;
}

#[tokio::test]
async fn a_page_of_the_log_goes_on_where_the_last_ended() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let begin = page(&app, &token, None, 10).await;
    assert_eq!(
        begin.at("/events"),
        &json!({ "edges": [], "pageInfo": { "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null } })
    );
    for n in 0..5 {
        app.mutate(
            &token,
            "createPartner",
            json!({ "name": format!("P{n}") }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    }
    app.log_settled().await;
    let all = page(&app, &token, None, 10).await;
    assert_eq!(all.list("/events/edges").len(), 5);
    let first = page(&app, &token, None, 2).await;
    assert_eq!(first.list("/events/edges"), &all.list("/events/edges")[..2]);
    assert_eq!(first.at("/events/pageInfo/hasNextPage"), &json!(true));
    let rest = page(
        &app,
        &token,
        Some(&first.text("/events/pageInfo/endCursor")),
        100,
    )
    .await;
    assert_eq!(rest.list("/events/edges"), &all.list("/events/edges")[2..]);
    let end = rest.text("/events/pageInfo/endCursor");
    let nothing = page(&app, &token, Some(&end), 100).await;
    assert_eq!(
        nothing.text("/events/pageInfo/endCursor"),
        end,
        "where to go on, also when nothing follows yet"
    );
    for bad in [
        "first: 101",
        "first: -1",
        "after: \"nonsense\"",
        "after: \"\"",
        "types: [\"deal.exploded\"]",
    ] {
        let answer = app
            .graphql(
                &token,
                &format!("{{ events({bad}) {{ edges {{ cursor }} }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{bad}");
    }
    assert_eq!(
        app.ask(&token, "{ events(types: []) { edges { cursor } } }")
            .await
            .list("/events/edges")
            .len(),
        0
    );
    assert_eq!(
        app.ask(
            &token,
            "{ events(types: [\"partner.created\"], first: 3) { edges { cursor } } }"
        )
        .await
        .list("/events/edges")
        .len(),
        3
    );
    app.finish().await;
}

#[tokio::test]
async fn an_event_says_what_changed_and_who_did_it() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let id = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme", "country": "Norway" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    app.mutate(
        &token,
        "updatePartner",
        json!({ "id": id, "name": "Acme AS", "country": null }),
        "partner { id }",
    )
    .await
    .text("/updatePartner/partner/id");
    let query = "{ events { edges { node { id type occurredAt origin actor connectionId subjectId data } } } }";
    let events = app.ask(&token, query).await;
    let changed = events.at("/events/edges/1/node");
    assert_eq!(
        changed,
        &json!({
            "id": changed["id"], "type": "partner.updated", "occurredAt": "2026-11-01T08:00:00Z", "origin": "HUMAN", "actor": "tests",
            "connectionId": null, "subjectId": id, "data": { "name": { "from": "Acme", "to": "Acme AS" }, "country": { "from": "Norway", "to": null } },
        })
    );
    let software = app.token_for(
        entities::viewer::ViewerKind::Integration,
        entities::viewer::Scopes::all(),
    );
    app.mutate(
        &software,
        "createPartner",
        json!({ "name": "B" }),
        "partner { id }",
    )
    .await
    .text("/createPartner/partner/id");
    assert_eq!(
        app.ask(&token, query)
            .await
            .at("/events/edges/2/node/origin"),
        &json!("API")
    );
    app.finish().await;
}

/// History must not act: what a first reading brings is told as such, and what changes later is not.
#[tokio::test]
async fn history_is_told_apart_from_what_happens_now() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(20))).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.sync(connection).await;
    let origins = async |kind: &str| {
        let query = format!(
            "{{ events(first: 100, types: [{kind:?}]) {{ edges {{ node {{ origin connectionId }} }} }} }}"
        );
        let answer = app.ask(&token, &query).await;
        assert!(
            answer
                .list("/events/edges")
                .iter()
                .all(|edge| edge["node"]["connectionId"] == json!(connection))
        );
        answer.texts("/events/edges", "/node/origin")
    };
    let first = origins("deal.created").await;
    assert!(
        first.len() >= 20 && first.iter().all(|origin| origin == "BACKFILL"),
        "{first:?}"
    );
    assert_eq!(
        origins("deal.won").await,
        Vec::<String>::new(),
        "a deal that was won long ago is not won now"
    );

    let store = app.hubspot().store();
    let open = store
        .create(
            sandbox::Kind::Deals,
            &[
                ("dealname", "Open"),
                ("dealstage", "prospecting"),
                ("pipeline", "default"),
            ],
        )
        .unwrap();
    app.advance(Duration::from_secs(120));
    app.sync(connection).await;
    store
        .update(
            sandbox::Kind::Deals,
            open,
            &[("dealstage", "closedwon"), ("amount", "10")],
        )
        .unwrap();
    app.advance(Duration::from_secs(120));
    app.sync(connection).await;
    assert_eq!(origins("deal.won").await, ["SYNC"]);
    app.finish().await;
}

#[tokio::test]
async fn an_unfinished_transaction_holds_the_log_back_instead_of_leaving_a_gap() {
    let app = TestApp::plain().await;
    if !app.database().is_postgres() {
        // SQLite has one writer: its transactions cannot overtake each other.
        return app.finish().await;
    }
    let token = app.admin();
    fill(
        &app,
        Size {
            partners: 1,
            customers: 0,
            deals: 0,
        },
    )
    .await;
    app.log_settled().await;
    let before = page(&app, &token, None, 100)
        .await
        .list("/events/edges")
        .len();
    // A change that has begun to write and has not ended, and one that begins later and ends first.
    let mut slow = app.change().await;
    entities::partner::create(
        &mut slow,
        vec![entities::partner::NewPartner::named("slow")],
    )
    .await
    .unwrap();
    app.mutate(
        &token,
        "createPartner",
        json!({ "name": "fast" }),
        "partner { id }",
    )
    .await
    .text("/createPartner/partner/id");
    assert_eq!(
        page(&app, &token, None, 100)
            .await
            .list("/events/edges")
            .len(),
        before,
        "the fast one waits for the slow one"
    );
    slow.commit().await.unwrap();
    app.log_settled().await;
    assert_eq!(
        page(&app, &token, None, 100)
            .await
            .list("/events/edges")
            .len(),
        before + 2
    );
    app.finish().await;
}
