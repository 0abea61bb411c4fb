use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sandbox::hubspot::{DEAL_TO_PARTNER, DEAL_TO_PRIMARY_COMPANY};
use sandbox::{HubSpot, Kind, Source};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Arrived, Client, Receiver, SECRET, empty, http, options, started, token};

fn v3(arrived: &Arrived, uri: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(b"POST");
    mac.update(uri.as_bytes());
    mac.update(&arrived.body);
    mac.update(arrived.header("x-hubspot-request-timestamp").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn types(events: &[Value]) -> BTreeSet<&str> {
    events
        .iter()
        .map(|e| e["subscriptionType"].as_str().unwrap())
        .collect()
}

async fn listening() -> (HubSpot, Client, Receiver) {
    let receiver = Receiver::start();
    let mut options = options(Source::Empty);
    options.webhook_target = Some(receiver.url.clone());
    let (hubspot, client) = started(options).await;
    (hubspot, client, receiver)
}

#[tokio::test]
async fn a_humans_edit_is_told_and_signed() {
    let (hubspot, _client, receiver) = listening().await;
    let id = hubspot
        .store()
        .create(Kind::Companies, &[("name", "Acme")])
        .unwrap();
    hubspot.webhooks_idle().await;
    let arrived = receiver.arrived();
    let events = receiver.events();
    assert_eq!(
        types(&events),
        BTreeSet::from(["company.creation", "company.propertyChange"])
    );
    let change = events.iter().find(|e| e["propertyName"] == "name").unwrap();
    assert_eq!(
        (&change["propertyValue"], &change["changeSource"]),
        (&json!("Acme"), &json!("CRM_UI"))
    );
    assert_eq!(
        (&change["objectId"], &change["portalId"]),
        (&json!(id), &json!(hubspot.portal_id()))
    );
    assert_eq!(
        (&change["attemptNumber"], &change["appId"]),
        (&json!(0), &json!(1_160_452))
    );
    // The address has an escape in its query; the vendor decodes it before signing.
    let decoded = receiver.url.as_str().replace("%2C", ",");
    assert_eq!(
        arrived[0].header("x-hubspot-signature-v3"),
        v3(&arrived[0], &decoded)
    );
    assert_eq!(arrived[0].header("x-hubspot-signature-version"), "v1");
    assert_eq!(arrived[0].header("x-hubspot-signature").len(), 64);
}

#[tokio::test]
async fn every_kind_of_change_is_told() {
    let (hubspot, client, receiver) = listening().await;
    let store = hubspot.store();
    let a = store.create(Kind::Companies, &[("name", "A")]).unwrap();
    let b = store.create(Kind::Companies, &[("name", "B")]).unwrap();
    let deal = store.create(Kind::Deals, &[("dealname", "D")]).unwrap();
    let contact = store
        .create(Kind::Contacts, &[("email", "x@y.example")])
        .unwrap();
    store
        .associate(
            (Kind::Deals, deal),
            (Kind::Companies, a),
            DEAL_TO_PRIMARY_COMPANY,
        )
        .unwrap();
    store
        .associate((Kind::Deals, deal), (Kind::Companies, b), DEAL_TO_PARTNER)
        .unwrap();
    store.archive(Kind::Deals, deal).unwrap();
    store.restore(Kind::Deals, deal).unwrap();
    let into = store.merge(Kind::Companies, a, b).unwrap();
    let (status, _) = client
        .post(
            "/crm/objects/2026-09/contacts/gdpr-delete",
            json!({"objectId": contact.to_string()}),
        )
        .await;
    assert_eq!(status, 204);
    hubspot.webhooks_idle().await;
    let events = receiver.events();
    assert_eq!(
        types(&events),
        BTreeSet::from([
            "company.creation",
            "company.propertyChange",
            "company.associationChange",
            "company.merge",
            "deal.creation",
            "deal.propertyChange",
            "deal.associationChange",
            "deal.deletion",
            "deal.restore",
            "contact.creation",
            "contact.propertyChange",
            "contact.deletion",
            "contact.privacyDeletion",
        ])
    );
    let merge = events
        .iter()
        .find(|e| e["subscriptionType"] == "company.merge")
        .unwrap();
    assert_eq!(
        (&merge["newObjectId"], &merge["mergedObjectIds"]),
        (&json!(into), &json!([a, b]))
    );
    let links: Vec<&Value> = events
        .iter()
        .filter(|e| e["subscriptionType"] == "deal.associationChange" && e["toObjectId"] == a)
        .collect();
    let primary: Vec<&Value> = links.iter().map(|e| &e["isPrimaryAssociation"]).collect();
    assert_eq!(
        primary,
        [&json!(false), &json!(true)],
        "a primary change is told twice"
    );
    assert_eq!(links[0]["associationType"], "DEAL_TO_COMPANY");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_up_to_ten_times() {
    let (hubspot, _client, receiver) = listening().await;
    receiver.refuse(2, 503);
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    let attempts: Vec<Value> = receiver
        .events()
        .iter()
        .map(|e| e["attemptNumber"].clone())
        .collect();
    assert_eq!(attempts, [json!(0), json!(1), json!(2)]);
    receiver.refuse(usize::MAX, 401);
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    let counts = hubspot.webhook_counts();
    assert_eq!(
        (counts.attempts, counts.delivered, counts.given_up),
        (3 + 11, 1, 1)
    );
}

#[tokio::test]
async fn batches_hold_a_hundred_and_faults_spoil_them() {
    let (hubspot, _client, receiver) = listening().await;
    for _ in 0..250 {
        hubspot.store().create(Kind::Deals, &[]).unwrap();
    }
    hubspot.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 250);
    assert!(receiver.arrived().iter().all(|a| a.events().len() <= 100));
    hubspot.faults(|faults| faults.webhooks.duplicate = true);
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 252);
    hubspot.faults(|faults| faults.webhooks.drop = true);
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 252);
    hubspot.faults(|faults| {
        faults.webhooks = sandbox::hubspot::WebhookFaults {
            wrong_signature: true,
            ..Default::default()
        };
    });
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    let last = receiver.arrived().last().unwrap().clone();
    let decoded = receiver.url.as_str().replace("%2C", ",");
    assert_ne!(last.header("x-hubspot-signature-v3"), v3(&last, &decoded));
}

#[tokio::test]
async fn accounts_without_the_app_hear_nothing() {
    let receiver = Receiver::start();
    let mut options = options(Source::Empty);
    options.webhook_target = Some(receiver.url.clone());
    let hubspot = HubSpot::start(options).await.unwrap();
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    let client = Client::connect(hubspot.url()).await;
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 1);
    let (status, _) = client
        .send("DELETE", "/appinstalls/2026-09/external-install", None)
        .await;
    assert_eq!(status, 204);
    hubspot.store().create(Kind::Deals, &[]).unwrap();
    hubspot.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 1);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh.as_str()),
    ];
    assert_eq!(
        token(&hubspot.url(), &form).await.1["status"],
        "BAD_REFRESH_TOKEN"
    );
}

#[tokio::test]
async fn the_target_is_changed_by_the_app_only_and_stays_on_loopback() {
    let (hubspot, client) = empty().await;
    let receiver = Receiver::start();
    let path = "/app-webhooks/2026-09/1160452/settings";
    let body =
        json!({"targetUrl": receiver.url.as_str(), "throttling": {"maxConcurrentRequests": 10}});
    assert_eq!(client.send("PUT", path, Some(body.clone())).await.0, 403);
    let (_, app) = token(&hubspot.url(), &[("grant_type", "client_credentials")]).await;
    let app = Client {
        http: http(),
        base: hubspot.url(),
        token: app["access_token"].as_str().unwrap().to_owned(),
        refresh: String::new(),
    };
    assert_eq!(app.send("PUT", path, Some(body)).await.0, 200);
    let outside = json!({"targetUrl": "https://www.example.com/hook"});
    assert_eq!(app.send("PUT", path, Some(outside)).await.0, 400);
    assert_eq!(
        app.send("GET", "/crm/objects/2026-09/deals", None).await.0,
        401
    );
    let subscriptions = app.get("/app-webhooks/2026-09/1160452/subscriptions").await;
    let creation = subscriptions["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["eventType"] == "deal.creation")
        .unwrap();
    let one = format!(
        "/app-webhooks/2026-09/1160452/subscriptions/{}",
        creation["id"].as_str().unwrap()
    );
    assert_eq!(
        app.send("PATCH", &one, Some(json!({"active": false})))
            .await
            .0,
        200
    );
    hubspot
        .store()
        .create(Kind::Deals, &[("dealname", "quiet")])
        .unwrap();
    hubspot.webhooks_idle().await;
    assert_eq!(
        types(&receiver.events()),
        BTreeSet::from(["deal.propertyChange"])
    );
}
