//! What an application that writes meets: references, mandatory properties, uncertain answers, withheld scopes.

use sandbox::hubspot::{Effect, Fault, Rule};
use sandbox::{HubSpotOptions, Kind, Source};
use serde_json::{Value, json};
use url::Url;

use crate::harness::{Client, Receiver, consent, empty, ids, options, started, token};

const DEALS: &str = "/crm/objects/2026-09/deals/batch";

fn reference() -> Value {
    json!({"name": "our_reference", "label": "Reference", "type": "string", "fieldType": "text", "groupName": "dealinformation", "hasUniqueValue": true})
}

async fn with_reference(client: &Client) {
    let (status, made) = client
        .post("/crm/properties/2026-09/deals", reference())
        .await;
    assert_eq!((status, &made["hasUniqueValue"]), (201, &json!(true)));
}

fn upsert(references: &[&str], name: &str) -> Value {
    let inputs: Vec<Value> = references
        .iter()
        .map(|one| json!({"id": one, "idProperty": "our_reference", "objectWriteTraceId": format!("t-{one}"), "properties": {"dealname": name}}))
        .collect();
    json!({"inputs": inputs})
}

fn by_reference(references: &[&str]) -> Value {
    let inputs: Vec<Value> = references.iter().map(|one| json!({"id": one})).collect();
    json!({"idProperty": "our_reference", "properties": ["our_reference"], "inputs": inputs})
}

#[tokio::test]
async fn a_reference_finds_what_was_made_a_moment_ago() {
    let (hubspot, client) = empty().await;
    let (status, refused) = client
        .post(&format!("{DEALS}/upsert"), upsert(&["r-1"], "A"))
        .await;
    assert_eq!(
        (status, &refused["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    let (status, _) = client
        .post(&format!("{DEALS}/read"), by_reference(&["r-1"]))
        .await;
    assert_eq!(status, 400, "a property that is not unique names nothing");
    with_reference(&client).await;
    hubspot.faults(|faults| faults.index_lag_ms = Some(60_000));
    let (status, body) = client
        .post(&format!("{DEALS}/upsert"), upsert(&["r-1", "r-2"], "A"))
        .await;
    assert_eq!((status, &body["results"][1]["new"]), (200, &json!(true)));
    assert_eq!(body["results"][1]["objectWriteTraceId"], "t-r-2");
    let made = ids(&body);
    let found = client
        .post(
            &format!("{DEALS}/read"),
            by_reference(&["r-2", "r-1", "r-3"]),
        )
        .await;
    assert_eq!((found.0, ids(&found.1)), (207, vec![made[1], made[0]]));
    assert_eq!(found.1["errors"][0]["context"]["ids"], json!(["r-3"]));
    // Doing it again doubles nothing, and a search has not even seen the first time.
    let again = client
        .post(&format!("{DEALS}/upsert"), upsert(&["r-1"], "B"))
        .await
        .1;
    assert_eq!(
        (ids(&again), &again["results"][0]["new"]),
        (vec![made[0]], &json!(false))
    );
    assert!(ids(&client.search("deals", json!({"limit": 10})).await).is_empty());
    let (status, twice) = client
        .post(&format!("{DEALS}/upsert"), upsert(&["r-1", "r-1"], "C"))
        .await;
    assert_eq!(status, 400, "{twice}");
    assert_eq!(hubspot.store().count(Kind::Deals), 2);
}

#[tokio::test]
async fn a_property_is_made_whole_or_not_at_all() {
    let (_hubspot, client) = empty().await;
    for (change, value) in [
        ("groupName", json!("no_such_group")),
        ("groupName", Value::Null),
        ("fieldType", Value::Null),
        ("type", json!("datetime")),
        ("name", json!("Not a name")),
    ] {
        let mut body = reference();
        body[change] = value;
        let (status, _) = client.post("/crm/properties/2026-09/deals", body).await;
        assert_eq!(status, 400, "{change}");
    }
    assert_eq!(
        client
            .send("GET", "/crm/properties/2026-09/deals/our_reference", None)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn what_an_admin_made_mandatory_is_mandatory_here_too() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || HubSpotOptions {
        state: Some(folder.path().to_owned()),
        ..options(Source::Empty)
    };
    let (hubspot, client) = started(kept()).await;
    let rules = json!([
        {"property": "dealname"},
        {"property": "closed_lost_reason", "when": {"property": "dealstage", "value": "closedlost"}},
    ]);
    let (status, shown) = client
        .send("PUT", "/__sandbox/rules/deals", Some(rules.clone()))
        .await;
    assert_eq!((status, &shown), (200, &rules));
    hubspot.stop().await.unwrap();
    let (hubspot, client) = started(kept()).await;
    assert_eq!(client.get("/__sandbox/rules/deals").await, rules);
    let inputs = json!({"inputs": [
        {"objectWriteTraceId": "nameless", "properties": {"amount": "1"}},
        {"objectWriteTraceId": "reasonless", "properties": {"dealname": "L", "dealstage": "closedlost"}},
        {"objectWriteTraceId": "good", "properties": {"dealname": "G", "dealstage": "engaging"}},
    ]});
    let (status, body) = client.post(&format!("{DEALS}/create"), inputs).await;
    assert_eq!((status, ids(&body).len()), (207, 1));
    for (place, trace, property) in [
        (0, "nameless", "dealname"),
        (1, "reasonless", "closed_lost_reason"),
    ] {
        let error = &body["errors"][place];
        assert_eq!(error["context"]["objectWriteTraceId"], json!([trace]));
        assert_eq!(error["errors"][0]["code"], "MISSING_REQUIRED_PROPERTY");
        assert_eq!(
            error["errors"][0]["context"]["propertyName"],
            json!([property])
        );
    }
    let id = ids(&body)[0];
    let path = format!("/crm/objects/2026-09/deals/{id}");
    let change =
        |properties: Value| client.send("PATCH", &path, Some(json!({"properties": properties})));
    assert_eq!(change(json!({"dealstage": "closedlost"})).await.0, 400);
    let both = json!({"dealstage": "closedlost", "closed_lost_reason": "price"});
    assert_eq!(change(both).await.0, 200);
    assert_eq!(change(json!({"closed_lost_reason": ""})).await.0, 400);
    assert_eq!(change(json!({"amount": "7"})).await.0, 200);
    // A person is asked by a form, which a sandbox does not have.
    let store = hubspot.store();
    store
        .update(Kind::Deals, id, &[("closed_lost_reason", "")])
        .unwrap();
    assert_eq!(change(json!({"amount": "8"})).await.0, 200);
    assert_eq!(store.rules(Kind::Deals)[0], Rule::on_create("dealname"));
    store.set_rules(Kind::Deals, vec![]);
    assert_eq!(change(json!({"closed_lost_reason": ""})).await.0, 200);
}

#[tokio::test]
async fn a_write_can_fail_before_and_after_it_is_done() {
    let (hubspot, client) = empty().await;
    with_reference(&client).await;
    let path = format!("{DEALS}/upsert");
    let store = hubspot.store();
    let strike = |effect| {
        hubspot.fail(Fault {
            contains: "/batch/up".to_owned(),
            ..Fault::next("", 1, effect)
        });
    };
    strike(Effect::RateLimited {
        policy: "TEN_SECONDLY_ROLLING".to_owned(),
    });
    assert_eq!(client.post(&path, upsert(&["r-1"], "A")).await.0, 429);
    assert_eq!(store.count(Kind::Deals), 0);
    strike(Effect::StatusAfter { status: 500 });
    let (status, body) = client.post(&path, upsert(&["r-1"], "A")).await;
    assert_eq!((status, &body["category"]), (500, &json!("INTERNAL_ERROR")));
    assert_eq!(store.count(Kind::Deals), 1, "done and denied");
    strike(Effect::CloseAfter {});
    let url: Url = client.base.join(&path).unwrap();
    let sent = client
        .http
        .post(url)
        .bearer_auth(&client.token)
        .json(&upsert(&["r-2"], "B"))
        .send()
        .await;
    assert!(sent.is_err());
    assert_eq!(store.count(Kind::Deals), 2, "done without an answer");
    strike(Effect::Partial {});
    let (status, body) = client.post(&path, upsert(&["r-1", "r-2"], "C")).await;
    assert_eq!((status, ids(&body).len()), (207, 1));
    assert_eq!(
        body["errors"][0]["context"]["objectWriteTraceId"],
        json!(["t-r-1"])
    );
}

#[tokio::test]
async fn what_the_application_writes_comes_back_as_its_own() {
    let receiver = Receiver::start();
    let mut listening = options(Source::Empty);
    listening.webhook_target = Some(receiver.url.clone());
    let (hubspot, client) = started(listening).await;
    let body = json!({"properties": {"dealname": "Ours"}});
    client.post("/crm/objects/2026-09/deals", body).await;
    hubspot.webhooks_idle().await;
    let events = receiver.events();
    assert!(!events.is_empty());
    for event in &events {
        assert_eq!(
            (&event["changeSource"], &event["sourceId"]),
            (&json!("INTEGRATION"), &json!("1160452")),
            "{event}"
        );
    }
}

#[tokio::test]
async fn what_is_held_is_not_always_what_was_sent() {
    let (_hubspot, client) = empty().await;
    for (kind, name, sent, held) in [
        (
            "contacts",
            "email",
            "Ann@People.Example",
            "ann@people.example",
        ),
        ("deals", "closedate", "2026-11-30", "2026-11-30T00:00:00Z"),
        (
            "deals",
            "closedate",
            "1795996800500",
            "2026-11-30T00:00:00.500Z",
        ),
        ("deals", "amount", "1500.00", "1500.00"),
    ] {
        let body = json!({"properties": {name: sent}});
        let (_, made) = client
            .post(&format!("/crm/objects/2026-09/{kind}"), body)
            .await;
        assert_eq!(made["properties"][name], held, "{sent}");
    }
}

#[tokio::test]
async fn taking_away_the_plain_link_takes_away_its_labels() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    let deal = store.create(Kind::Deals, &[("dealname", "D")]).unwrap();
    let company = store.create(Kind::Companies, &[("name", "C")]).unwrap();
    let (from, to) = ((Kind::Deals, deal), (Kind::Companies, company));
    let archive = |category: &str, type_id: u32| {
        json!({"inputs": [{"from": {"id": deal.to_string()}, "to": {"id": company.to_string()},
            "types": [{"associationCategory": category, "associationTypeId": type_id}]}]})
    };
    let path = "/crm/associations/2026-09/deals/companies/batch/labels/archive";
    store
        .associate(from, to, sandbox::hubspot::DEAL_TO_PARTNER)
        .unwrap();
    assert_eq!(client.post(path, archive("USER_DEFINED", 11)).await.0, 204);
    assert_eq!(store.link_types(from, to).len(), 1);
    store
        .associate(from, to, sandbox::hubspot::DEAL_TO_PARTNER)
        .unwrap();
    assert_eq!(
        client.post(path, archive("HUBSPOT_DEFINED", 341)).await.0,
        204
    );
    assert!(store.link_types(from, to).is_empty());
}

#[tokio::test]
async fn an_account_may_withhold_what_is_optional() {
    let (hubspot, _client) = empty().await;
    hubspot
        .faults(|faults| faults.withhold_scopes = vec!["crm.schemas.companies.write".to_owned()]);
    let optional = "crm.schemas.companies.write crm.schemas.contacts.write";
    let query = consent(&hubspot.url(), &[("optional_scope", optional)]).await;
    let code = &query.iter().find(|(key, _)| key == "code").unwrap().1;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", crate::harness::REDIRECT),
    ];
    let (_, body) = token(&hubspot.url(), &form).await;
    let scopes = body["scopes"].as_array().unwrap();
    assert!(scopes.contains(&json!("crm.schemas.contacts.write")));
    assert!(!scopes.contains(&json!("crm.schemas.companies.write")));
}
