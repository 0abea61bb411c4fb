use std::collections::BTreeSet;

use sandbox::{Kind, Source};
use serde_json::{Value, json};

use crate::harness::{empty, ids, options, started};

#[tokio::test]
async fn a_listed_record_has_the_published_shape() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    for n in 0..3 {
        let name = format!("Company {n}");
        store
            .create(
                Kind::Companies,
                &[("name", &name), ("domain", "acme.example")],
            )
            .unwrap();
    }
    let page = client
        .get("/crm/objects/2026-09/companies?limit=2&properties=name,industry&properties=nonsense")
        .await;
    let row = &page["results"][0];
    let keys: BTreeSet<&str> = row
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        BTreeSet::from(["archived", "createdAt", "id", "properties", "updatedAt"])
    );
    let properties = row["properties"].as_object().unwrap();
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "createdate",
            "hs_lastmodifieddate",
            "hs_object_id",
            "industry",
            "name"
        ]
    );
    assert_eq!(row["properties"]["industry"], Value::Null);
    assert_eq!(row["properties"]["hs_object_id"], row["id"]);
    assert_eq!(row["archived"], false);
    let next = &page["paging"]["next"];
    assert!(next["link"].as_str().unwrap().contains("properties=name"));
    let link = next["link"].as_str().unwrap().to_owned();
    let last = client.get(&link).await;
    assert_eq!(ids(&last).len(), 1);
    assert!(last.get("paging").is_none());
    let defaults = client.get("/crm/v3/objects/0-3?limit=1").await;
    assert_eq!(defaults["results"], json!([]));
}

#[tokio::test]
async fn a_walk_sees_every_record_once() {
    let (hubspot, client) = started(options(Source::Generated { deals: 250 })).await;
    let mut seen = Vec::new();
    let mut path =
        "/crm/objects/2026-09/deals?limit=100&associations=companies,contacts".to_owned();
    loop {
        let page = client.get(&path).await;
        seen.extend(ids(&page));
        match page["paging"]["next"]["after"].as_str() {
            Some(after) => path = format!("/crm/objects/2026-09/deals?limit=100&after={after}"),
            None => break,
        }
    }
    assert_eq!(seen, hubspot.store().ids(Kind::Deals));
    assert_eq!(seen.len(), 250);
    assert_eq!(
        client
            .send("GET", "/crm/objects/2026-09/deals?limit=101", None)
            .await
            .0,
        400
    );
    let archived = client
        .get("/crm/objects/2026-09/companies?archived=true")
        .await;
    assert_eq!(ids(&archived).len(), 2);
    assert!(archived["results"][0]["archivedAt"].is_string());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_portal() {
    let (first, _) = started(options(Source::Generated { deals: 40 })).await;
    let (second, _) = started(options(Source::Generated { deals: 40 })).await;
    assert_eq!(first.portal_id(), second.portal_id());
    for kind in Kind::ALL {
        let ids = first.store().ids(kind);
        assert_eq!(ids, second.store().ids(kind));
        for id in ids {
            assert_eq!(first.store().get(kind, id), second.store().get(kind, id));
        }
    }
}

#[tokio::test]
async fn writes_are_checked_and_answered_with_the_record() {
    let (hubspot, client) = empty().await;
    let deals = "/crm/objects/2026-09/deals";
    let good = json!({"properties": {"dealname": "New deal", "dealstage": "engaging", "pipeline": "default", "amount": "1500.00"}});
    let (status, made) = client.post(deals, good).await;
    assert_eq!(
        (status, &made["properties"]["amount"]),
        (201, &json!("1500.00"))
    );
    for (name, value, code) in [
        ("amount", "abc", "INVALID_DOUBLE"),
        ("dealstage", "appointmentscheduled", "INVALID_OPTION"),
        ("deal_currency_code", "XXQ", "INVALID_OPTION"),
        ("closedate", "soon", "INVALID_DATE"),
        ("no_such", "x", "PROPERTY_DOESNT_EXIST"),
        ("hs_object_id", "1", "READ_ONLY_VALUE"),
        ("hubspot_owner_id", "12", "INVALID_OPTION"),
    ] {
        let (status, body) = client
            .post(deals, json!({"properties": {name: value}}))
            .await;
        assert_eq!(
            (status, &body["category"]),
            (400, &json!("VALIDATION_ERROR"))
        );
        assert_eq!(body["errors"][0]["code"], code);
        assert!(body["correlationId"].is_string());
    }
    let path = format!("{deals}/{}", made["id"].as_str().unwrap());
    let (status, body) = client
        .send("PATCH", &path, Some(json!({"properties": {"amount": ""}})))
        .await;
    assert_eq!(status, 200);
    assert!(body["properties"].get("amount").is_none());
    let read = client.get(&format!("{path}?properties=amount")).await;
    assert_eq!(read["properties"]["amount"], Value::Null);
    // A human's edit is not checked: connectors must survive old nonsense.
    let id = made["id"].as_str().unwrap().parse().unwrap();
    hubspot
        .store()
        .update(Kind::Deals, id, &[("amount", "abc")])
        .unwrap();
    assert_eq!(
        client.get(&format!("{path}?properties=amount")).await["properties"]["amount"],
        "abc"
    );
    assert_eq!(client.send("DELETE", &path, None).await.0, 204);
    assert_eq!(client.send("GET", &path, None).await.0, 404);
    assert_eq!(
        client.get(&format!("{path}?archived=true")).await["archived"],
        true
    );
    let (status, body) = client
        .send("POST", deals, Some(json!({"properties": []})))
        .await;
    assert_eq!(status, 400);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid input JSON on line 1")
    );
}

#[tokio::test]
async fn a_taken_address_is_told_in_the_text() {
    let (_hubspot, client) = empty().await;
    let contacts = "/crm/v3/objects/contacts";
    let body = json!({"properties": {"email": "A@people.example"}});
    let (_, made) = client.post(contacts, body).await;
    let (status, clash) = client
        .post(
            contacts,
            json!({"properties": {"email": "a@People.example"}}),
        )
        .await;
    assert_eq!((status, &clash["category"]), (409, &json!("CONFLICT")));
    assert_eq!(
        clash["message"],
        format!(
            "Contact already exists. Existing ID: {}",
            made["id"].as_str().unwrap()
        )
    );
    let found = client
        .get("/crm/objects/2026-09/contacts/a@people.example?idProperty=email")
        .await;
    assert_eq!(found["id"], made["id"]);
}

#[tokio::test]
async fn batches_answer_in_part() {
    let (hubspot, client) = empty().await;
    let id = hubspot
        .store()
        .create(Kind::Companies, &[("name", "Acme")])
        .unwrap();
    let base = "/crm/objects/2026-09/companies/batch";
    let inputs = json!({"properties": ["name"], "inputs": [{"id": id.to_string()}, {"id": "12"}]});
    let (status, body) = client.post(&format!("{base}/read"), inputs).await;
    assert_eq!(status, 207);
    assert_eq!(
        (&body["status"], &body["numErrors"]),
        (&json!("COMPLETE"), &json!(1))
    );
    assert_eq!(body["errors"][0]["context"]["ids"], json!(["12"]));
    assert_eq!(ids(&body), [id]);
    let many: Vec<Value> = (0..101).map(|n| json!({"id": n.to_string()})).collect();
    assert_eq!(
        client
            .post(&format!("{base}/read"), json!({"inputs": many}))
            .await
            .0,
        400
    );
    let create = json!({"inputs": [
        {"properties": {"name": "B"}, "objectWriteTraceId": "t1"},
        {"properties": {"annualrevenue": "much"}, "objectWriteTraceId": "t2"},
    ]});
    let (status, body) = client.post(&format!("{base}/create"), create).await;
    assert_eq!(status, 207);
    assert_eq!(body["results"][0]["objectWriteTraceId"], "t1");
    assert_eq!(
        body["errors"][0]["context"]["objectWriteTraceId"],
        json!(["t2"])
    );
    let update = json!({"inputs": [{"id": id.to_string(), "properties": {"name": "C"}}]});
    let (status, body) = client.post(&format!("{base}/update"), update).await;
    assert_eq!(
        (status, &body["results"][0]["properties"]["name"]),
        (200, &json!("C"))
    );
    let upsert = json!({"inputs": [{"id": "x@y.example", "idProperty": "email", "properties": {"firstname": "X"}}]});
    let path = "/crm/objects/2026-09/contacts/batch/upsert";
    assert_eq!(
        client.post(path, upsert.clone()).await.1["results"][0]["new"],
        true
    );
    assert_eq!(
        client.post(path, upsert).await.1["results"][0]["new"],
        false
    );
    let archive = json!({"inputs": [{"id": id.to_string()}]});
    assert_eq!(
        client.post(&format!("{base}/archive"), archive).await.0,
        204
    );
    assert_eq!(hubspot.store().count(Kind::Companies), 1);
}

#[tokio::test]
async fn a_merge_makes_a_new_record_that_answers_for_both() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    let first = store.create(Kind::Companies, &[("name", "Kept")]).unwrap();
    let second = store
        .create(
            Kind::Companies,
            &[("name", "Lost"), ("domain", "lost.example")],
        )
        .unwrap();
    let deal = store.create(Kind::Deals, &[("dealname", "D")]).unwrap();
    store
        .associate(
            (Kind::Deals, deal),
            (Kind::Companies, second),
            sandbox::hubspot::DEAL_TO_PRIMARY_COMPANY,
        )
        .unwrap();
    let body = json!({"primaryObjectId": first.to_string(), "objectIdToMerge": second.to_string()});
    let (status, merged) = client
        .post("/crm/objects/2026-09/companies/merge", body)
        .await;
    assert_eq!(status, 200);
    let into: u64 = merged["id"].as_str().unwrap().parse().unwrap();
    assert!(into > second);
    assert_eq!(
        (
            &merged["properties"]["name"],
            &merged["properties"]["domain"]
        ),
        (&json!("Kept"), &json!("lost.example"))
    );
    assert_eq!(
        client
            .get(&format!("/crm/objects/2026-09/companies/{second}"))
            .await["id"],
        merged["id"]
    );
    assert_eq!(store.ids(Kind::Companies), [into]);
    assert_eq!(
        store
            .link_types((Kind::Deals, deal), (Kind::Companies, into))
            .len(),
        2
    );
}

#[tokio::test]
async fn the_portal_describes_itself() {
    let (hubspot, client) = started(options(Source::Generated { deals: 20 })).await;
    let account = client.get("/account-info/2026-09/details").await;
    assert_eq!(account["portalId"], hubspot.portal_id());
    assert_eq!(
        (&account["companyCurrency"], &account["timeZone"]),
        (&json!("USD"), &json!("UTC"))
    );
    let owners = client.get("/crm/owners/2026-09?limit=5").await;
    assert_eq!(owners["results"].as_array().unwrap().len(), 5);
    assert!(owners["paging"]["next"]["after"].is_string());
    let pipelines = client.get("/crm/pipelines/2026-09/deals").await;
    let stages: Vec<(&str, &str)> = pipelines["results"][0]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["id"].as_str().unwrap(),
                s["metadata"]["isClosed"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        stages,
        [
            ("prospecting", "false"),
            ("engaging", "false"),
            ("closedwon", "true"),
            ("closedlost", "true")
        ]
    );
    let properties = client.get("/crm/properties/2026-09/companies").await;
    let kind = properties["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["name"] == "type")
        .unwrap();
    assert!(
        kind["options"]
            .as_array()
            .unwrap()
            .iter()
            .any(|o| o["value"] == "PARTNER")
    );
    let new = json!({"name": "entente_ref", "label": "Ref", "type": "string", "fieldType": "text", "groupName": "dealinformation", "hasUniqueValue": true});
    assert_eq!(
        client
            .post("/crm/properties/2026-09/deals", new.clone())
            .await
            .0,
        201
    );
    assert_eq!(
        client.post("/crm/properties/2026-09/deals", new).await.0,
        409
    );
    let upsert = json!({"inputs": [{"id": "r-1", "idProperty": "entente_ref", "properties": {"dealname": "Pushed"}}]});
    let (status, body) = client
        .post("/crm/objects/2026-09/deals/batch/upsert", upsert)
        .await;
    assert_eq!(
        (status, &body["results"][0]["properties"]["entente_ref"]),
        (200, &json!("r-1"))
    );
    assert_eq!(client.send("GET", "/no/such/path", None).await.0, 404);
}
