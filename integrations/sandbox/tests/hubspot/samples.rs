//! Holds the sandbox against the published samples: every key a sample shows must be in the sandbox's answer, with the same JSON type.

use sandbox::Kind;
use serde_json::{Value, json};

use crate::harness::{Receiver, empty, options, shared, started, token};

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Fails when something the sample has is missing or of another type.
fn covers(path: &str, sample: &Value, ours: &Value) {
    assert_eq!(kind_of(sample), kind_of(ours), "{path}");
    match (sample, ours) {
        (Value::Object(sample), Value::Object(ours)) => {
            for (key, value) in sample {
                let found = ours
                    .get(key)
                    .unwrap_or_else(|| panic!("{path}.{key} is missing"));
                covers(&format!("{path}.{key}"), value, found);
            }
        }
        (Value::Array(sample), Value::Array(ours)) => {
            if let (Some(sample), Some(ours)) = (sample.first(), ours.first()) {
                covers(&format!("{path}[0]"), sample, ours);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn answers_cover_the_published_samples() {
    let Some(path) = shared("vendors/hubspot-samples.json") else {
        return;
    };
    let samples: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let receiver = Receiver::start();
    let mut with_target = options(sandbox::Source::Empty);
    with_target.webhook_target = Some(receiver.url.clone());
    let (hubspot, client) = started(with_target).await;
    let store = hubspot.store();
    for n in 0..2 {
        let name = format!("C{n}");
        store
            .create(
                Kind::Companies,
                &[("name", &name), ("domain", "acme.example")],
            )
            .unwrap();
    }
    let listed = client
        .get("/crm/objects/2026-09/companies?limit=1&properties=name,domain&associations=contacts")
        .await;
    covers("list", &samples["list_companies"]["json"], &listed);
    store
        .create(
            Kind::Contacts,
            &[
                ("email", "t@p.example"),
                ("firstname", "Test"),
                ("lastname", "Person"),
            ],
        )
        .unwrap();
    let found = client
        .search(
            "contacts",
            json!({"properties": ["email", "firstname", "lastname"], "limit": 200, "after": "0"}),
        )
        .await;
    covers("search", &samples["search_contacts"]["json"], &found);
    // The sample's own request: properties asked for are shown, the three the vendor adds are there.
    client
        .search(
            "contacts",
            samples["search_contacts"]["request"]["body"].clone(),
        )
        .await;
    let upsert =
        json!({"inputs": [{"id": "n@p.example", "idProperty": "email", "properties": {}}]});
    let (_, upserted) = client
        .post("/crm/objects/2026-09/contacts/batch/upsert", upsert)
        .await;
    let mut sample = samples["batch_upsert_response"]["json"].clone();
    for part in ["numErrors", "errors"] {
        sample.as_object_mut().unwrap().remove(part);
    }
    sample["results"][0]["properties"] = json!({});
    covers("upsert", &sample, &upserted);
    let clash = client
        .post(
            "/crm/v3/objects/contacts",
            json!({"properties": {"email": "t@p.example"}}),
        )
        .await;
    assert_eq!(clash.0, 409);
    covers("conflict", &samples["error_conflict"]["json"], &clash.1);
    let mut standard = samples["error_standard"]["json"].clone();
    standard.as_object_mut().unwrap().remove("links");
    let refused = client
        .post(
            "/crm/objects/2026-09/deals",
            json!({"properties": {"nope": "1"}}),
        )
        .await;
    covers("error", &standard, &refused.1);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh.as_str()),
    ];
    covers(
        "token",
        &samples["oauth_token_response"]["json"],
        &token(&hubspot.url(), &form).await.1,
    );
    let wrong = token(
        &hubspot.url(),
        &[("grant_type", "refresh_token"), ("refresh_token", "x")],
    )
    .await;
    assert_eq!(wrong.1, samples["oauth_errors"][0]["json"]);
    store
        .merge(
            Kind::Companies,
            store.ids(Kind::Companies)[0],
            store.ids(Kind::Companies)[1],
        )
        .unwrap();
    let deal = store.create(Kind::Deals, &[]).unwrap();
    let company = store.ids(Kind::Companies)[0];
    store
        .associate(
            (Kind::Deals, deal),
            (Kind::Companies, company),
            sandbox::hubspot::DEAL_TO_COMPANY,
        )
        .unwrap();
    hubspot.webhooks_idle().await;
    let events = receiver.events();
    let one = |suffix: &str| {
        let ends = |e: &&Value| e["subscriptionType"].as_str().unwrap().ends_with(suffix);
        events.iter().find(ends).unwrap().clone()
    };
    covers("merge", &samples["webhook_merge"]["json"], &one("merge"));
    covers(
        "association",
        &samples["webhook_association"]["json"],
        &one("associationChange"),
    );
    // The older sample calls the type eventType; the present name is subscriptionType.
    let mut change = samples["webhook_batch"]["json"][0].clone();
    change.as_object_mut().unwrap().remove("eventType");
    covers("propertyChange", &change, &one("propertyChange"));
}

#[tokio::test]
async fn a_429_has_the_published_body() {
    let (hubspot, client) = empty().await;
    hubspot.fail(sandbox::hubspot::Fault::next(
        "/crm",
        1,
        sandbox::hubspot::Effect::RateLimited {
            policy: "DAILY".to_owned(),
        },
    ));
    let (status, body) = client.send("GET", "/crm/objects/2026-09/deals", None).await;
    assert_eq!(
        (status, &body["message"]),
        (429, &json!("You have reached your daily limit."))
    );
    for key in [
        "status",
        "message",
        "errorType",
        "correlationId",
        "policyName",
        "requestId",
    ] {
        assert!(body[key].is_string(), "{key}");
    }
}
