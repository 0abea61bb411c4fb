use std::time::{Duration, Instant};

use sandbox::Kind;
use sandbox::hubspot::{Effect, Fault};
use serde_json::{Value, json};

use crate::harness::{Client, empty};

const DEALS: &str = "/crm/objects/2026-09/deals";

async fn text(client: &Client, path: &str) -> Result<(u16, String), reqwest::Error> {
    let url = client.base.join(path).unwrap();
    let answer = client
        .http
        .get(url)
        .bearer_auth(&client.token)
        .send()
        .await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn faults_strike_as_often_as_they_should() {
    let (hubspot, client) = empty().await;
    for n in 0..3 {
        hubspot
            .store()
            .create(
                Kind::Deals,
                &[("dealname", &n.to_string()), ("amount", "5")],
            )
            .unwrap();
    }
    hubspot.fail(Fault::next(
        DEALS,
        2,
        Effect::Status {
            status: 503,
            body: None,
            retry_after: Some(3),
        },
    ));
    assert_eq!(text(&client, DEALS).await.unwrap().0, 503);
    assert_eq!(text(&client, "/crm/owners/2026-09").await.unwrap().0, 200);
    assert_eq!(text(&client, DEALS).await.unwrap().0, 503);
    assert_eq!(text(&client, DEALS).await.unwrap().0, 200);
    hubspot.fail(Fault::next(DEALS, 1, Effect::Html { status: 502 }));
    let (status, body) = text(&client, DEALS).await.unwrap();
    assert_eq!(status, 502);
    assert!(body.starts_with("<html>"));
    hubspot.fail(Fault::next(DEALS, 1, Effect::Close {}));
    assert!(text(&client, DEALS).await.is_err());
    hubspot.fail(Fault::next(DEALS, 1, Effect::CloseAfter {}));
    assert!(text(&client, DEALS).await.is_err());
    hubspot.fail(Fault::next(DEALS, 1, Effect::Truncate {}));
    let (status, body) = text(&client, DEALS).await.unwrap();
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&body).is_err());
    hubspot.fail(Fault::next(DEALS, 1, Effect::WrongTypes {}));
    let page = client.get(DEALS).await;
    assert_eq!(page["results"][0]["properties"]["amount"], 17);
    hubspot.fail(Fault::next(DEALS, 1, Effect::NoPaging {}));
    assert!(
        client
            .get(&format!("{DEALS}?limit=1"))
            .await
            .get("paging")
            .is_none()
    );
    assert!(
        client
            .get(&format!("{DEALS}?limit=1"))
            .await
            .get("paging")
            .is_some()
    );
    hubspot.fail(Fault::next(DEALS, 1, Effect::Partial {}));
    let (status, body) = client.send("GET", DEALS, None).await;
    assert_eq!((status, &body["numErrors"]), (207, &json!(1)));
    hubspot.fail(Fault::next(
        DEALS,
        1,
        Effect::Replace {
            pointer: "/results/0/properties/amount".to_owned(),
            value: json!("abc"),
        },
    ));
    assert_eq!(
        client.get(DEALS).await["results"][0]["properties"]["amount"],
        "abc"
    );
    hubspot.fail(Fault::next(DEALS, 1, Effect::Expired {}));
    assert_eq!(client.send("GET", DEALS, None).await.0, 401);
    hubspot.fail(Fault::next(
        DEALS,
        1,
        Effect::RateLimited {
            policy: "DAILY".to_owned(),
        },
    ));
    assert_eq!(
        client.send("GET", DEALS, None).await.1["policyName"],
        "DAILY"
    );
    hubspot.fail(Fault::next(DEALS, 1, Effect::Delay { ms: 60 }));
    let began = Instant::now();
    client.get(DEALS).await;
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn the_door_switches_faults_and_edits_records() {
    let (hubspot, client) = empty().await;
    let door = |path: &str| hubspot.url().join(path).unwrap();
    let change = json!({
        "rules": [{"path": "/crm/objects", "method": "get", "skip": 1, "times": 1, "effect": {"status": {"status": 500}}}],
        "expire_tokens": false,
    });
    let plain = client
        .http
        .post(door("/__sandbox/faults"))
        .body(change.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 415, "a web page must not reach the door");
    let changed = client
        .http
        .post(door("/__sandbox/faults"))
        .json(&change)
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 200);
    assert_eq!(client.send("GET", DEALS, None).await.0, 200);
    assert_eq!(client.send("GET", DEALS, None).await.0, 500);
    assert_eq!(client.send("GET", DEALS, None).await.0, 200);
    let made: Value = client
        .http
        .post(door("/__sandbox/records/deals"))
        .json(&json!({"properties": {"dealname": "By hand", "amount": "abc"}}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let one = format!("/__sandbox/records/deals/{}", made["id"]);
    let edit = client
        .http
        .patch(door(&one))
        .json(&json!({"properties": {"amount": "7"}}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        edit.json::<Value>().await.unwrap()["properties"]["amount"],
        "7"
    );
    let company = hubspot
        .store()
        .create(Kind::Companies, &[("name", "C")])
        .unwrap();
    let pair = json!({
        "from": {"kind": "deals", "id": made["id"]}, "to": {"kind": "companies", "id": company},
        "category": "USER_DEFINED", "type_id": 11,
    });
    let linked = client
        .http
        .post(door("/__sandbox/associations"))
        .json(&pair)
        .send()
        .await
        .unwrap();
    assert_eq!(linked.status(), 204);
    assert_eq!(
        client
            .http
            .delete(door(&one))
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(hubspot.store().count_archived(Kind::Deals), 1);
    let expire = json!({"expire_tokens": true, "one_timestamp": {"kind": "companies", "at_ms": 5}});
    client
        .http
        .post(door("/__sandbox/faults"))
        .json(&expire)
        .send()
        .await
        .unwrap();
    assert_eq!(
        client.send("GET", DEALS, None).await.1["category"],
        "EXPIRED_AUTHENTICATION"
    );
    assert_eq!(
        hubspot
            .store()
            .get(Kind::Companies, company)
            .unwrap()
            .updated_at,
        5
    );
    let stats: Value = client
        .http
        .get(door("/__sandbox/stats"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(stats["requests"]["GET /crm/objects/2026-09/{kind}"], 4);
    assert_eq!(hubspot.counts().of("/token"), 1);
}
