//! What is old leaves the log and the delivery log, and whoever goes on from before it is told.

use api::worker::retention::{Retention, step};
use entities::audit_link::{self, Anchor, Broken, Report};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use std::time::Duration;
use tests::{Options, Receiver, TestApp, people};

const DAY: Duration = Duration::from_secs(86_400);

async fn partner(app: &TestApp, name: &str) {
    let input = json!({ "name": name });
    let made = app
        .mutate(&app.admin(), "createPartner", input, "partner { id }")
        .await;
    made.text("/createPartner/partner/id");
}

/// Seals what has happened, as the worker does all the time.
async fn seal(app: &TestApp) {
    app.log_settled().await;
    while audit_link::seal(app.database(), 50).await.unwrap() {}
}

async fn thrown_away(app: &TestApp, events_days: u32, deliveries_days: u32) {
    seal(app).await;
    let retention = Retention {
        events_days,
        deliveries_days,
        mail_days: 30,
    };
    while step(app.database(), retention).await.unwrap() {}
}

#[tokio::test]
async fn old_events_leave_but_those_that_are_still_to_be_told() {
    let receiver = Receiver::start();
    let app = TestApp::start(Options {
        receivers: vec![receiver.address()],
        ..Options::standing_at("2026-11-21T12:00:00Z")
    })
    .await;
    let input = json!({ "name": "Ours", "url": receiver.url("/"), "types": ["partner.created"] });
    let made = app
        .mutate(
            &app.admin(),
            "createWebhookEndpoint",
            input,
            "webhookEndpoint { id }",
        )
        .await;
    let id = made.text("/createWebhookEndpoint/webhookEndpoint/id");
    partner(&app, "told").await;
    app.drain().await;
    let first = app
        .ask(
            &app.admin(),
            "{ events(first: 1) { pageInfo { endCursor } } }",
        )
        .await
        .text("/events/pageInfo/endCursor");
    app.mutate(
        &app.admin(),
        "pauseWebhookEndpoint",
        json!({ "id": id }),
        "webhookEndpoint { id }",
    )
    .await;
    partner(&app, "waits").await;
    app.drain().await;
    app.advance(40 * DAY);
    partner(&app, "new").await;
    app.drain().await;
    let events = "SELECT COUNT(*) FROM event";
    let before = app.number(events).await;
    thrown_away(&app, 0, 0).await;
    assert_eq!(app.number(events).await, before, "0 keeps everything");

    thrown_away(&app, 30, 30).await;
    let left = app
        .ask(&app.admin(), "{ events { edges { node { type } } } }")
        .await
        .texts("/events/edges", "/node/type");
    assert_eq!(
        left,
        ["partner.created", "partner.created", "log.pruned"],
        "one that waits, one that is new, and what tells of the others"
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM webhook_delivery WHERE state = 'DELIVERED'")
            .await,
        0
    );
    // Whoever goes on from before what has left is told, and not given a log with a gap.
    let query = format!("{{ events(after: \"{first}\") {{ edges {{ cursor }} }} }}");
    let refused = app.graphql(&app.admin(), &query, json!({})).await;
    assert_eq!(refused.codes(), ["BAD_USER_INPUT"], "{refused}");
    // What waited is told after all.
    let _ = receiver.take();
    app.mutate(
        &app.admin(),
        "resumeWebhookEndpoint",
        json!({ "id": id }),
        "webhookEndpoint { id }",
    )
    .await;
    app.drain().await;
    assert_eq!(receiver.take().len(), 2);
    app.finish().await;
}

async fn verified(app: &TestApp, anchor: Option<&Anchor>) -> Result<Report, Broken> {
    audit_link::verify(app.database(), anchor, 3).await.unwrap()
}

#[tokio::test]
async fn the_audit_chain_holds_when_events_have_left_and_says_so_when_others_are_gone() {
    let app = TestApp::start(people::standing()).await;
    let invite = async |name: &str| {
        let input =
            json!({ "name": name, "email": format!("{name}@x.example"), "role": "SUPPORT" });
        app.mutate(&app.admin(), "inviteUser", input, "user { id }")
            .await
            .text("/inviteUser/user/id");
    };
    for round in ["a", "b", "c"] {
        partner(&app, &format!("{round} one")).await;
        partner(&app, &format!("{round} two")).await;
        invite(round).await;
    }
    seal(&app).await;
    let whole = verified(&app, None).await.unwrap();
    let anchor = whole.head.clone().unwrap();
    assert_eq!((whole.sealed, whole.pruned), (9, 0));
    app.advance(40 * DAY);
    partner(&app, "new").await;
    thrown_away(&app, 30, 30).await;
    seal(&app).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, 5);
    let sound = verified(&app, Some(&anchor)).await.unwrap();
    assert_eq!((sound.sealed, sound.pruned), (11, 6), "{sound:?}");

    let data = if app.database().is_postgres() {
        "data || '{\"amount\": 1}'"
    } else {
        "json_set(data, '$.amount', 1)"
    };
    let here =
        |number: i64| format!("WHERE seq = (SELECT seq FROM audit_link WHERE number = {number})");
    for table in ["event", "audit_link"] {
        let keep = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
        app.database()
            .write()
            .execute_unprepared(&keep)
            .await
            .unwrap();
    }
    for (number, sql) in [
        // An event of the trail, and one that was not to leave.
        (3, format!("DELETE FROM event {}", here(3))),
        (10, format!("DELETE FROM event {}", here(10))),
        (6, format!("UPDATE event SET data = {data} {}", here(6))),
        // The links at both ends of a gap.
        (
            3,
            "UPDATE audit_link SET digest = salt WHERE number = 3".to_owned(),
        ),
        (
            5,
            "UPDATE audit_link SET digest = salt WHERE number = 5".to_owned(),
        ),
        // What tells of the gaps.
        (1, format!("DELETE FROM event {}", here(11))),
        (
            1,
            "UPDATE event SET data = '{}' WHERE kind = 'log.pruned'".to_owned(),
        ),
        (11, format!("UPDATE event SET data = {data} {}", here(11))),
    ] {
        app.database()
            .write()
            .execute_unprepared(&sql)
            .await
            .unwrap();
        let broken = verified(&app, None).await.unwrap_err();
        assert_eq!(broken.number, number, "{sql}: {broken}");
        for table in ["event", "audit_link"] {
            let back =
                format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
            app.database()
                .write()
                .execute_unprepared(&back)
                .await
                .unwrap();
        }
    }
    assert_eq!(verified(&app, Some(&anchor)).await, Ok(sound));
    app.end().await;
}

#[tokio::test]
async fn what_was_never_sealed_stays() {
    let app = TestApp::start(Options::standing_at("2026-11-21T12:00:00Z")).await;
    partner(&app, "old").await;
    app.advance(40 * DAY);
    app.log_settled().await;
    let retention = Retention {
        events_days: 30,
        deliveries_days: 0,
        mail_days: 30,
    };
    assert!(!step(app.database(), retention).await.unwrap());
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, 1);
    seal(&app).await;
    assert!(step(app.database(), retention).await.unwrap());
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event WHERE kind = 'partner.created'")
            .await,
        0
    );
    app.finish().await;
}
