//! Webhook endpoints: what is taken and refused, who sees which, rotation, and what they are told.

use entities::change::{Author, Change, Origin};
use entities::event::{EventKind, NewEvent};
use entities::id::{PartnerId, SessionId};
use entities::viewer::{Scopes, StaffRole, ViewerKind};
use serde_json::{Value, json};
use std::time::Duration;
use tests::programme::{Size, fill};
use tests::{Options, Receiver, TestApp};

const NOW: &str = "2026-11-21T12:00:00Z";

pub async fn started(receivers: &[&Receiver]) -> TestApp {
    TestApp::start(Options {
        receivers: receivers
            .iter()
            .map(|receiver| receiver.address())
            .collect(),
        ..Options::standing_at(NOW)
    })
    .await
}

/// Makes an endpoint and answers its id and secret.
pub async fn endpoint(app: &TestApp, token: &str, url: &str, more: Value) -> (String, String) {
    let mut input = json!({ "name": "Ours", "url": url });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    let made = app
        .mutate(
            token,
            "createWebhookEndpoint",
            input,
            "webhookEndpoint { id status } secret",
        )
        .await;
    assert_eq!(
        made.refusals("createWebhookEndpoint"),
        Vec::<String>::new(),
        "{made}"
    );
    (
        made.text("/createWebhookEndpoint/webhookEndpoint/id"),
        made.text("/createWebhookEndpoint/secret"),
    )
}

pub async fn partner(app: &TestApp, name: &str) -> String {
    let made = app
        .mutate(
            &app.admin(),
            "createPartner",
            json!({ "name": name }),
            "partner { id }",
        )
        .await;
    made.text("/createPartner/partner/id")
}

#[tokio::test]
async fn an_event_is_told_in_the_subscribers_own_words_and_signed() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let selection =
        "{ id type subject { __typename ... on Partner { name country } ... on Deal { name } } }";
    let (_, secret) = endpoint(
        &app,
        &app.admin(),
        &receiver.url("/hook?key=1"),
        json!({ "selection": selection, "types": ["partner.created"] }),
    )
    .await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    let id = partner(&app, "Harbour").await;
    app.drain().await;
    let messages = receiver.take();
    assert_eq!(messages.len(), 1, "its own making is not of its types");
    let message = &messages[0];
    assert!(message.is_signed_by(&secret));
    assert!(!message.is_signed_by("whsec_AAAA"));
    assert_eq!(message.path, "/hook?key=1");
    assert_eq!(message.timestamp, "1795262400", "the time of the attempt");
    assert!(message.id.starts_with("webhook_delivery_"));
    let said = message.json();
    assert_eq!(said["type"], "partner.created");
    assert_eq!(
        said["data"]["subject"],
        json!({ "__typename": "Partner", "name": "Harbour", "country": null })
    );
    let text = String::from_utf8(message.body.clone()).unwrap();
    assert!(
        text.starts_with("{\"type\":\"partner.created\",\"timestamp\":"),
        "{text}"
    );

    // What is not of its types is not told; what the default says is.
    let (_, _) = endpoint(&app, &app.admin(), &receiver.url("/all"), json!({})).await;
    app.mutate(
        &app.admin(),
        "updatePartner",
        json!({ "id": id, "country": "Norway" }),
        "partner { id }",
    )
    .await;
    app.drain().await;
    let told: Vec<(String, String)> = receiver
        .take()
        .iter()
        .map(|message| (message.path.clone(), message.kind()))
        .collect();
    assert_eq!(
        told,
        [
            ("/all".to_owned(), "webhook_endpoint.created".to_owned()),
            ("/all".to_owned(), "partner.updated".to_owned())
        ]
    );
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_an_endpoint_is_refused_and_nothing_is_written() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let good = receiver.url("/");
    let long = "x".repeat(201);
    for (input, field) in [
        (json!({ "name": "", "url": good }), "name"),
        (json!({ "name": long, "url": good }), "name"),
        (json!({ "name": "A", "url": "nowhere" }), "url"),
        (json!({ "name": "A", "url": "http://127.0.0.1:1/" }), "url"),
        (
            json!({ "name": "A", "url": "http://169.254.169.254/" }),
            "url",
        ),
        (json!({ "name": "A", "url": format!("{good}#part") }), "url"),
        (
            json!({ "name": "A", "url": good, "types": ["deal.exploded"] }),
            "types",
        ),
        (
            json!({ "name": "A", "url": good, "partnerIds": ["partner_x"] }),
            "partnerIds",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ id colour }" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "id" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ id } viewer { subject }" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ id } } mutation { __typename" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ subject { ... on Secret { id } } }" }),
            "selection",
        ),
    ] {
        let made = app
            .mutate(
                &app.admin(),
                "createWebhookEndpoint",
                input.clone(),
                "secret webhookEndpoint { id }",
            )
            .await;
        let errors = made.list("/createWebhookEndpoint/userErrors");
        assert!(
            errors.iter().any(|error| error["field"][0] == field),
            "{input}: {made}"
        );
        assert!(made.at("/createWebhookEndpoint/secret").is_null());
    }
    // Only to be validated: no secret is answered either.
    let only = json!({ "name": "A", "url": good, "validateOnly": true });
    let made = app
        .mutate(
            &app.admin(),
            "createWebhookEndpoint",
            only,
            "secret webhookEndpoint { id }",
        )
        .await;
    assert!(made.at("/createWebhookEndpoint/secret").is_null());
    assert_eq!(app.number("SELECT COUNT(*) FROM webhook_endpoint").await, 0);
    // The same key twice makes one endpoint, and its secret is told once.
    let twice = json!({ "name": "A", "url": good, "idempotencyKey": "k" });
    for is_first in [true, false] {
        let made = app
            .mutate(
                &app.admin(),
                "createWebhookEndpoint",
                twice.clone(),
                "secret webhookEndpoint { id }",
            )
            .await;
        assert_eq!(
            made.at("/createWebhookEndpoint/secret").is_string(),
            is_first,
            "{made}"
        );
        made.text("/createWebhookEndpoint/webhookEndpoint/id");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM webhook_endpoint").await, 1);
    let kept = app.rows("SELECT secret FROM webhook_endpoint").await;
    let sealed: String = kept[0].try_get_by_index(0).unwrap();
    assert!(sealed.starts_with("v1."), "the secret is sealed");
    app.end().await;
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign_and_then_the_new_one_alone() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let token = app.admin();
    let types = json!({ "types": ["partner.created"] });
    let (id, old) = endpoint(&app, &token, &receiver.url("/"), types).await;
    let rotate = async |hours: i32| {
        let input = json!({ "id": id, "overlapHours": hours });
        app.mutate(
            &app.admin(),
            "rotateWebhookSecret",
            input,
            "secret webhookEndpoint { previousSecretUntil }",
        )
        .await
    };
    for wrong in [-1, 169] {
        let refused = rotate(wrong).await;
        assert_eq!(
            refused.list("/rotateWebhookSecret/userErrors").len(),
            1,
            "{refused}"
        );
    }
    let new = rotate(24).await.text("/rotateWebhookSecret/secret");
    assert_ne!(new, old);
    let said = async |name: &str| {
        partner(&app, name).await;
        app.drain().await;
        receiver.take().remove(0)
    };
    let both = said("A").await;
    assert!(both.is_signed_by(&old) && both.is_signed_by(&new));
    app.advance(Duration::from_secs(24 * 3_600));
    let one = said("B").await;
    assert!(!one.is_signed_by(&old) && one.is_signed_by(&new));
    let newest = rotate(0).await.text("/rotateWebhookSecret/secret");
    let alone = said("C").await;
    assert!(alone.is_signed_by(&newest) && !alone.is_signed_by(&new));
    app.finish().await;
}

#[tokio::test]
async fn a_partners_endpoint_is_its_own_and_hears_of_its_own() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let size = Size {
        partners: 2,
        customers: 2,
        deals: 0,
    };
    let made = fill(&app, size).await;
    let [one, other] = [made.partners[0].id, made.partners[1].id];
    let (token, stranger) = (app.partner_token(one), app.partner_token(other));
    let selection = "{ type actor subject { ... on Partner { name tags } } }";
    let (id, _) = endpoint(
        &app,
        &token,
        &receiver.url("/one"),
        json!({ "selection": selection }),
    )
    .await;
    let update = async |partner: PartnerId| {
        let input = json!({ "id": partner.to_string(), "country": "Chile", "tags": ["secret"] });
        app.mutate(&app.admin(), "updatePartner", input, "partner { id }")
            .await
    };
    update(one).await;
    update(other).await;
    app.drain().await;
    let told = receiver.take();
    let kinds: Vec<String> = told.iter().map(tests::Message::kind).collect();
    assert_eq!(kinds, ["webhook_endpoint.created", "partner.updated"]);
    let said = told[1].json();
    let name = &made.partners[0].name;
    assert_eq!(said["data"]["actor"], Value::Null, "internal");
    assert_eq!(said["data"]["subject"]["name"], name.as_str());

    // Another partner neither sees it nor changes it, and the deliveries are as invisible.
    let list =
        "{ webhookEndpoints { nodes { id } } webhookDeliveries { nodes { id request { body } } } }";
    let theirs = app.ask(&stranger, list).await;
    assert_eq!(theirs.list("/webhookEndpoints/nodes").len(), 0);
    assert_eq!(theirs.list("/webhookDeliveries/nodes").len(), 0);
    for (mutation, input, selected) in [
        (
            "updateWebhookEndpoint",
            json!({ "id": id, "name": "Mine" }),
            "webhookEndpoint { id }",
        ),
        ("rotateWebhookSecret", json!({ "id": id }), "secret"),
        (
            "pauseWebhookEndpoint",
            json!({ "id": id }),
            "webhookEndpoint { id }",
        ),
        (
            "resumeWebhookEndpoint",
            json!({ "id": id }),
            "webhookEndpoint { id }",
        ),
        ("testWebhook", json!({ "id": id }), "deliveryId"),
        (
            "replayWebhook",
            json!({ "id": id, "failed": true }),
            "replayed",
        ),
    ] {
        let refused = app.mutate(&stranger, mutation, input, selected).await;
        let errors = refused.list(&format!("/{mutation}/userErrors"));
        assert_eq!(errors[0]["code"], "NOT_FOUND", "{mutation}: {refused}");
    }
    // The programme's staff sees it, and neither redirects it nor gets its secret: what staff may read is not for the partner's address.
    let own = app.ask(&app.admin(), list).await;
    assert_eq!(own.list("/webhookEndpoints/nodes").len(), 1);
    for (mutation, input) in [
        (
            "updateWebhookEndpoint",
            json!({ "id": id, "url": receiver.url("/ours") }),
        ),
        ("rotateWebhookSecret", json!({ "id": id })),
    ] {
        let refused = app
            .mutate(&app.admin(), mutation, input, "webhookEndpoint { id }")
            .await;
        let errors = refused.list(&format!("/{mutation}/userErrors"));
        assert_eq!(errors[0]["code"], "LOCKED", "{mutation}: {refused}");
    }
    // A partner cannot listen to another partner either.
    let input = json!({ "name": "B", "url": receiver.url("/"), "partnerIds": [other.to_string()] });
    let refused = app
        .mutate(&token, "createWebhookEndpoint", input, "secret")
        .await;
    let errors = refused.list("/createWebhookEndpoint/userErrors");
    assert_eq!(errors[0]["code"], "NOT_FOUND", "{refused}");
    app.finish().await;
}

#[tokio::test]
async fn whoever_changes_an_endpoint_decides_what_it_may_be_told() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let types = json!({ "types": ["partner.created"] });
    let (id, _) = endpoint(&app, &app.admin(), &receiver.url("/"), types).await;
    partner(&app, "A").await;
    app.drain().await;
    let log = "{ webhookDeliveries(orderBy: [{ field: CREATED_AT }]) { nodes { type request { body } answer { status } } } }";
    let support = app.token_for(ViewerKind::Staff(StaffRole::Support), Scopes::all());
    let body = "/webhookDeliveries/nodes/0/request/body";
    assert!(app.ask(&app.admin(), log).await.at(body).is_string());
    let less = app.ask(&support, log).await;
    assert!(
        less.at(body).is_null(),
        "support may read less than the owner: {less}"
    );
    assert_eq!(
        less.at("/webhookDeliveries/nodes/0/answer/status"),
        &json!(204)
    );

    let input = json!({ "id": id, "url": receiver.url("/support") });
    let changed = app
        .mutate(
            &support,
            "updateWebhookEndpoint",
            input,
            "webhookEndpoint { owner }",
        )
        .await;
    assert_eq!(
        changed.refusals("updateWebhookEndpoint"),
        Vec::<String>::new(),
        "{changed}"
    );
    // What was rendered for the administrator is rendered anew before it goes to another address.
    let replay =
        json!({ "id": id, "from": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z" });
    app.mutate(&support, "replayWebhook", replay, "replayed")
        .await;
    let _ = receiver.take();
    app.drain().await;
    assert_eq!(receiver.take().len(), 1);
    assert!(app.ask(&support, log).await.at(body).is_string());
    // Events of the audit trail are not for support, whoever owned the endpoint before.
    let wide = json!({ "id": id, "types": [] });
    app.mutate(
        &support,
        "updateWebhookEndpoint",
        wide,
        "webhookEndpoint { id }",
    )
    .await;
    let author = Author {
        actor: "somebody".to_owned(),
        origin: Origin::Human,
        connection: None,
    };
    let mut change = Change::begin(app.database(), author).await.unwrap();
    let session: SessionId = change.new_id();
    change.record(NewEvent::about(
        EventKind::SessionStarted,
        session,
        json!({}),
    ));
    change.commit().await.unwrap();
    app.drain().await;
    let kinds: Vec<String> = receiver.take().iter().map(tests::Message::kind).collect();
    assert_eq!(kinds, ["webhook_endpoint.updated"]);
    app.finish().await;
}
