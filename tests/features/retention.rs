//! What is old leaves the log and the delivery log, and whoever goes on from before it is told.

use api::worker::retention::{Retention, step};
use serde_json::json;
use std::time::Duration;
use tests::{Options, Receiver, TestApp};

const DAY: Duration = Duration::from_secs(86_400);

async fn partner(app: &TestApp, name: &str) {
    let input = json!({ "name": name });
    let made = app
        .mutate(&app.admin(), "createPartner", input, "partner { id }")
        .await;
    made.text("/createPartner/partner/id");
}

async fn thrown_away(app: &TestApp, events_days: u32, deliveries_days: u32) {
    app.log_settled().await;
    let retention = Retention {
        events_days,
        deliveries_days,
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
        ["partner.created", "partner.created"],
        "one that waits and one that is new"
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
