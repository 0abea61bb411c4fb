//! Deliveries: their attempts, what ends an endpoint's hearing, and telling it again.

use crate::webhook_endpoint::{endpoint, partner, started};
use entities::change::Origin;
use entities::partner::{self as partners, NewPartner};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::{Answer, Receiver, Reply, TestApp};

const HOUR: Duration = Duration::from_secs(3_600);
/// The waits of the schedule with all their jitter.
const WAITS: [u64; 7] = [6, 360, 2_160, 8_640, 21_600, 43_200, 43_200];

fn only_partners() -> Value {
    json!({ "types": ["partner.created"] })
}

async fn shown(app: &TestApp) -> Answer {
    app.ask(
        &app.admin(),
        "{ webhookEndpoints { nodes { status disabledReason failingSince } }
           webhookDeliveries(orderBy: [{ field: CREATED_AT }]) { nodes { id state attempts nextAttemptAt settledAt eventId type
               request { url body } answer { status body error durationMs } } } }",
    )
    .await
}

async fn do_it(app: &TestApp, mutation: &str, input: Value) -> Answer {
    let selected = match mutation {
        "replayWebhook" => "replayed",
        "testWebhook" => "deliveryId",
        _ => "webhookEndpoint { status }",
    };
    app.mutate(&app.admin(), mutation, input, selected).await
}

#[tokio::test]
async fn what_fails_is_tried_eight_times_with_the_same_bytes_and_id() {
    let receiver = Receiver::start();
    receiver.answers(Reply::status(500));
    let app = started(&[&receiver]).await;
    let (id, secret) = endpoint(&app, &app.admin(), &receiver.url("/"), only_partners()).await;
    partner(&app, "A").await;
    app.drain().await;
    let mut attempts = 1;
    for seconds in WAITS {
        app.deliver().await;
        assert_eq!(receiver.seen().len(), attempts, "not before its time");
        app.advance(Duration::from_secs(seconds));
        app.drain().await;
        attempts += 1;
        assert_eq!(receiver.seen().len(), attempts);
    }
    let log = shown(&app).await;
    let delivery = log.at("/webhookDeliveries/nodes/0");
    assert_eq!(delivery["state"], "FAILED", "{log}");
    assert_eq!(delivery["attempts"], 8);
    assert_eq!(delivery["answer"]["status"], 500);
    assert_eq!(delivery["answer"]["body"], "said");
    assert!(delivery["nextAttemptAt"].is_null());
    assert!(log.at("/webhookEndpoints/nodes/0/failingSince").is_string());
    app.advance(24 * HOUR);
    app.drain().await;
    let messages = receiver.take();
    assert_eq!(messages.len(), 8, "no ninth attempt");
    let alike: BTreeSet<_> = messages
        .iter()
        .map(|message| (&message.id, &message.body))
        .collect();
    assert_eq!(alike.len(), 1);
    assert!(messages.iter().all(|message| message.is_signed_by(&secret)));
    let times: BTreeSet<_> = messages.iter().map(|message| &message.timestamp).collect();
    assert_eq!(times.len(), 8, "each attempt is signed at its own time");

    // All that failed, again: the same message.
    receiver.answers(Reply::status(200));
    let again = do_it(&app, "replayWebhook", json!({ "id": id, "failed": true })).await;
    assert_eq!(again.at("/replayWebhook/replayed"), &json!(1));
    app.drain().await;
    let told = receiver.take();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0].id, &told[0].body),
        (&messages[0].id, &messages[0].body)
    );
    let log = shown(&app).await;
    assert_eq!(log.at("/webhookDeliveries/nodes/0/state"), "DELIVERED");
    assert!(
        log.at("/webhookEndpoints/nodes/0/failingSince").is_null(),
        "it arrives again"
    );
    // One that arrived can be told again as well; one of another endpoint, or none, cannot.
    let delivery = log.text("/webhookDeliveries/nodes/0/id");
    let again = do_it(
        &app,
        "replayWebhook",
        json!({ "id": id, "deliveryId": delivery }),
    )
    .await;
    assert_eq!(again.at("/replayWebhook/replayed"), &json!(1));
    app.drain().await;
    assert_eq!(receiver.take().len(), 1);
    for wrong in [
        json!({ "id": id, "deliveryId": "webhook_delivery_01h2xcejqtf2nbrexx3vqjhp41" }),
        json!({ "id": id }),
        json!({ "id": id, "failed": true, "deliveryId": delivery }),
        json!({ "id": id, "from": "2026-11-21T00:00:00Z" }),
        json!({ "id": id, "from": "2026-11-22T00:00:00Z", "until": "2026-11-21T00:00:00Z" }),
    ] {
        let refused = do_it(&app, "replayWebhook", wrong.clone()).await;
        assert_eq!(
            refused.list("/replayWebhook/userErrors").len(),
            1,
            "{wrong}: {refused}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it_and_a_redirect_is_a_failure() {
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    receiver.answers(Reply::status(503).with("retry-after", 600));
    let app = started(&[&receiver, &elsewhere]).await;
    endpoint(&app, &app.admin(), &receiver.url("/"), only_partners()).await;
    partner(&app, "A").await;
    app.drain().await;
    app.advance(Duration::from_secs(599));
    app.drain().await;
    assert_eq!(receiver.seen().len(), 1);
    receiver.answers(Reply::status(307).with("location", elsewhere.url("/")));
    app.advance(Duration::from_secs(2));
    app.drain().await;
    assert_eq!(receiver.seen().len(), 2);
    let log = shown(&app).await;
    assert_eq!(
        log.at("/webhookDeliveries/nodes/0/answer/status"),
        &json!(307)
    );
    assert_eq!(log.at("/webhookDeliveries/nodes/0/state"), "PENDING");
    // The longest answer is read to its 64 KiB and no further, and counts as what its status says.
    receiver.answers(Reply {
        body: "x".repeat(3 << 20),
        ..Reply::status(200)
    });
    app.advance(Duration::from_secs(360));
    app.drain().await;
    let log = shown(&app).await;
    assert_eq!(
        log.at("/webhookDeliveries/nodes/0/state"),
        "DELIVERED",
        "{log}"
    );
    assert!(elsewhere.seen().is_empty(), "no redirect is followed");
    app.finish().await;
}

#[tokio::test]
async fn gone_disables_at_once_and_five_days_of_failure_disable() {
    let (gone, failing) = (Receiver::start(), Receiver::start());
    gone.answers(Reply::status(410));
    failing.answers(Reply::status(500));
    let app = started(&[&gone, &failing]).await;
    let token = app.admin();
    let (id, _) = endpoint(&app, &token, &gone.url("/"), only_partners()).await;
    endpoint(&app, &token, &failing.url("/"), only_partners()).await;
    partner(&app, "A").await;
    app.drain().await;
    let log = shown(&app).await;
    assert_eq!(log.at("/webhookEndpoints/nodes/0/status"), "DISABLED");
    assert_eq!(log.at("/webhookEndpoints/nodes/1/status"), "ACTIVE");
    // It hears nothing while it is disabled; the other goes on failing until its patience is over.
    for day in 0..6 {
        partner(&app, &format!("P{day}")).await;
        app.advance(23 * HOUR);
        app.drain().await;
    }
    assert_eq!(gone.seen().len(), 1);
    let log = shown(&app).await;
    let status = |place: usize| {
        log.at(&format!("/webhookEndpoints/nodes/{place}/status"))
            .clone()
    };
    assert_eq!(
        (status(0), status(1)),
        (json!("DISABLED"), json!("DISABLED"))
    );
    let why = log.text("/webhookEndpoints/nodes/1/disabledReason");
    assert!(why.contains("five days"), "{why}");
    let events = app
        .ask(&app.admin(), "{ events(types: [\"webhook_endpoint.disabled\"]) { edges { node { subjectId data } } } }")
        .await;
    let told = events.list("/events/edges");
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["node"]["subjectId"], id.as_str());
    assert_eq!(
        told[0]["node"]["data"]["reason"],
        "the receiver answered 410 Gone"
    );

    // Resumed, it hears what happens from now on; what it has missed is raised by a replay of that time, once.
    gone.answers(Reply::status(204));
    let _ = gone.take();
    do_it(&app, "resumeWebhookEndpoint", json!({ "id": id })).await;
    app.drain().await;
    assert!(gone.take().is_empty());
    let range =
        json!({ "id": id, "from": "2026-11-21T00:00:00Z", "until": "2026-12-21T00:00:00Z" });
    let again = do_it(&app, "replayWebhook", range.clone()).await;
    assert_eq!(again.at("/replayWebhook/replayed"), &json!(7), "{again}");
    app.drain().await;
    let told = gone.take();
    let ids: BTreeSet<_> = told.iter().map(|message| message.id.clone()).collect();
    assert_eq!((told.len(), ids.len()), (7, 7));
    let again = do_it(&app, "replayWebhook", range).await;
    assert_eq!(
        again.at("/replayWebhook/replayed"),
        &json!(7),
        "the same seven: {again}"
    );
    app.drain().await;
    assert_eq!(
        gone.take()
            .iter()
            .map(|message| message.id.clone())
            .collect::<BTreeSet<_>>(),
        ids
    );
    app.finish().await;
}

#[tokio::test]
async fn paused_it_misses_nothing_and_a_test_is_sent_once() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let (id, secret) = endpoint(&app, &app.admin(), &receiver.url("/"), only_partners()).await;
    do_it(&app, "pauseWebhookEndpoint", json!({ "id": id })).await;
    partner(&app, "A").await;
    app.drain().await;
    assert!(receiver.seen().is_empty());
    let refused = do_it(&app, "testWebhook", json!({ "id": id })).await;
    assert_eq!(refused.list("/testWebhook/userErrors").len(), 1);
    do_it(&app, "resumeWebhookEndpoint", json!({ "id": id })).await;
    app.drain().await;
    assert_eq!(receiver.take().len(), 1);
    receiver.answers(Reply::status(500));
    do_it(&app, "testWebhook", json!({ "id": id }))
        .await
        .text("/testWebhook/deliveryId");
    app.drain().await;
    app.advance(24 * HOUR);
    app.drain().await;
    let told = receiver.take();
    assert_eq!(told.len(), 1, "a test is tried once");
    assert!(told[0].is_signed_by(&secret));
    assert_eq!(told[0].kind(), "webhook_endpoint.test");
    let log = shown(&app).await;
    assert!(
        log.at("/webhookEndpoints/nodes/0/failingSince").is_null(),
        "a test is no failure"
    );
    app.finish().await;
}

#[tokio::test]
async fn history_is_told_only_to_who_asks_for_it() {
    let (ordinary, curious) = (Receiver::start(), Receiver::start());
    let app = started(&[&ordinary, &curious]).await;
    let token = app.admin();
    endpoint(&app, &token, &ordinary.url("/"), only_partners()).await;
    let asks = json!({ "types": ["partner.created"], "includeHistory": true });
    endpoint(&app, &token, &curious.url("/"), asks).await;
    let mut change = app.change().await;
    assert_eq!(change.author().origin, Origin::Import);
    let new = NewPartner::named("Old");
    partners::create(&mut change, vec![new]).await.unwrap();
    change.commit().await.unwrap();
    app.drain().await;
    assert_eq!((ordinary.seen().len(), curious.seen().len()), (0, 1));
    app.finish().await;
}

#[tokio::test]
async fn an_endpoint_hears_of_the_partners_it_names_and_of_their_deals() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let token = app.admin();
    let (one, other) = (partner(&app, "One").await, partner(&app, "Other").await);
    let filter = json!({ "partnerIds": [one], "types": ["partner.updated"] });
    endpoint(&app, &token, &receiver.url("/"), filter).await;
    for id in [&one, &other] {
        app.mutate(
            &token,
            "updatePartner",
            json!({ "id": id, "country": "Peru" }),
            "partner { id }",
        )
        .await;
    }
    app.drain().await;
    let told = receiver.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["data"]["subjectId"], one.as_str());
    app.finish().await;
}
