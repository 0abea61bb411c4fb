use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::{HubSpot, Kind, Limits, Source};
use serde_json::json;

use crate::harness::{Client, empty, ids, options, started};

#[tokio::test]
async fn the_window_ends_at_ten_thousand_and_a_tie_is_walked_by_id() {
    let (hubspot, client) = started(options(Source::Generated { deals: 10_300 })).await;
    let at = hubspot.clock().now_ms();
    hubspot.store().stamp_all(Kind::Deals, at);
    let tie =
        json!({"propertyName": "hs_lastmodifieddate", "operator": "EQ", "value": at.to_string()});
    let page = client
        .search(
            "deals",
            json!({"filterGroups": [{"filters": [tie]}], "limit": 200, "after": "9800"}),
        )
        .await;
    assert_eq!(page["total"], 10_300);
    assert_eq!(page["paging"]["next"]["after"], "10000");
    assert!(page["paging"]["next"].get("link").is_none());
    let (status, body) = client
        .post(
            "/crm/objects/2026-09/deals/search",
            json!({"filterGroups": [{"filters": [tie]}], "limit": 200, "after": "10000"}),
        )
        .await;
    assert_eq!(
        (status, &body["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    let mut last = 0;
    loop {
        let behind =
            json!({"propertyName": "hs_object_id", "operator": "GT", "value": last.to_string()});
        let page = client
            .search(
                "deals",
                json!({
                    "filterGroups": [{"filters": [tie, behind]}],
                    "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                    "properties": ["dealname"],
                    "limit": 200,
                }),
            )
            .await;
        let found = ids(&page);
        let Some(highest) = found.last() else { break };
        assert!(found.is_sorted());
        last = *highest;
        seen.extend(found);
    }
    assert_eq!(seen.len(), 10_300);
}

#[tokio::test]
async fn the_index_lags_behind_writes() {
    let (hubspot, client) = empty().await;
    hubspot.faults(|faults| faults.index_lag_ms = Some(30_000));
    let store = hubspot.store();
    let id = store.create(Kind::Companies, &[("name", "Old")]).unwrap();
    let all = || client.search("companies", json!({"properties": ["name"]}));
    assert_eq!(all().await["total"], 0);
    hubspot.clock().advance(Duration::from_secs(31));
    assert_eq!(all().await["total"], 1);
    store
        .update(Kind::Companies, id, &[("name", "New")])
        .unwrap();
    let since = json!({"filterGroups": [{"filters": [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": (hubspot.clock().now_ms() - 5000).to_string()},
    ]}]});
    assert_eq!(client.search("companies", since.clone()).await["total"], 0);
    assert_eq!(all().await["results"][0]["properties"]["name"], "Old");
    let read = client
        .get(&format!("/crm/objects/2026-09/companies/{id}"))
        .await;
    assert_eq!(read["properties"]["name"], "New");
    hubspot.clock().advance(Duration::from_secs(31));
    assert_eq!(all().await["results"][0]["properties"]["name"], "New");
    store.archive(Kind::Companies, id).unwrap();
    assert_eq!(all().await["total"], 0);
}

#[tokio::test]
async fn operators_do_what_they_say() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    for (name, amount, stage) in [
        ("Alpha One", "100", "closedwon"),
        ("Beta Two", "20", "engaging"),
        ("Gamma", "", "engaging"),
    ] {
        store
            .create(
                Kind::Deals,
                &[("dealname", name), ("amount", amount), ("dealstage", stage)],
            )
            .unwrap();
    }
    for (filter, expected) in [
        (
            json!({"propertyName": "amount", "operator": "GT", "value": "20"}),
            1,
        ),
        (
            json!({"propertyName": "amount", "operator": "GTE", "value": "20"}),
            2,
        ),
        (
            json!({"propertyName": "amount", "operator": "LT", "value": "100"}),
            1,
        ),
        (
            json!({"propertyName": "amount", "operator": "LTE", "value": "100.0"}),
            2,
        ),
        (
            json!({"propertyName": "amount", "operator": "BETWEEN", "value": "10", "highValue": "50"}),
            1,
        ),
        (
            json!({"propertyName": "amount", "operator": "HAS_PROPERTY"}),
            2,
        ),
        (
            json!({"propertyName": "amount", "operator": "NOT_HAS_PROPERTY"}),
            1,
        ),
        (
            json!({"propertyName": "dealstage", "operator": "EQ", "value": "engaging"}),
            2,
        ),
        (
            json!({"propertyName": "dealstage", "operator": "NEQ", "value": "engaging"}),
            1,
        ),
        (
            json!({"propertyName": "dealname", "operator": "IN", "values": ["gamma", "alpha one"]}),
            2,
        ),
        (
            json!({"propertyName": "dealname", "operator": "IN", "values": ["Gamma"]}),
            0,
        ),
        (
            json!({"propertyName": "dealname", "operator": "NOT_IN", "values": ["gamma"]}),
            2,
        ),
        (
            json!({"propertyName": "dealname", "operator": "CONTAINS_TOKEN", "value": "two"}),
            1,
        ),
        (
            json!({"propertyName": "dealname", "operator": "NOT_CONTAINS_TOKEN", "value": "two"}),
            2,
        ),
    ] {
        let page = client
            .search("deals", json!({"filterGroups": [{"filters": [filter]}]}))
            .await;
        assert_eq!(page["total"], expected, "{filter}");
    }
    let sorted = client
        .search("deals", json!({"sorts": ["-amount"], "limit": 1}))
        .await;
    assert_eq!(sorted["paging"]["next"]["after"], "1");
    for bad in [
        json!({"limit": 201}),
        json!({"after": "x"}),
        json!({"filterGroups": [{"filters": [{"propertyName": "nope", "operator": "EQ", "value": "1"}]}]}),
        json!({"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "ALMOST", "value": "1"}]}]}),
        json!({"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "GT", "value": "x"}]}]}),
        json!({"filterGroups": [{"filters": []}, {"filters": []}, {"filters": []}, {"filters": []}, {"filters": []}, {"filters": []}]}),
    ] {
        assert_eq!(
            client
                .post("/crm/v3/objects/deals/search", bad.clone())
                .await
                .0,
            400,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn limits_are_those_of_the_vendor() {
    let mut limited = options(Source::Empty);
    limited.limits = Limits {
        index_lag: Duration::ZERO,
        ..Limits::default()
    };
    let hubspot = HubSpot::start(limited).await.unwrap();
    let client = Client::connect(hubspot.url()).await;
    let mut refused = None;
    for _ in 0..6 {
        let answer = client
            .post("/crm/objects/2026-09/deals/search", json!({}))
            .await;
        if answer.0 == 429 {
            refused = Some(answer.1);
        }
    }
    assert_eq!(refused.unwrap()["policyName"], "SECONDLY");
    let url = hubspot.url().join("/crm/objects/2026-09/deals").unwrap();
    for n in 1..=111 {
        let answer = client
            .http
            .get(url.clone())
            .bearer_auth(&client.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["x-hubspot-ratelimit-max"], "110");
        assert_eq!(
            answer.headers()["x-hubspot-ratelimit-interval-milliseconds"],
            "10000"
        );
        if n == 111 {
            assert_eq!(answer.status(), 429);
            let body: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(
                (&body["errorType"], &body["policyName"]),
                (&json!("RATE_LIMIT"), &json!("TEN_SECONDLY_ROLLING"))
            );
        } else {
            assert_eq!(answer.status(), 200);
            assert_eq!(
                answer.headers()["x-hubspot-ratelimit-remaining"],
                (110 - n).to_string().as_str()
            );
        }
    }
    hubspot.clock().advance(Duration::from_secs(10));
    client.get("/crm/objects/2026-09/deals").await;
}
