use std::time::{Duration, Instant};

use sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::harness::{API, generated, http, options, started};

const SHOP: &str = "{ shop { id } }";

#[tokio::test]
async fn answers_can_be_denied_delayed_and_cut() {
    let (shop, client) = started(options()).await;
    let body = json!({"query": SHOP});
    shop.fail(Fault::next(
        API,
        1,
        Effect::Status {
            status: 503,
            body: None,
            retry_after: Some(3),
        },
    ));
    let answer = client.post(API, body.clone()).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "3")
    );
    shop.fail(Fault::next("/admin", 1, Effect::Html { status: 520 }));
    let answer = client.post(API, body.clone()).await;
    assert_eq!(answer.status(), 520);
    assert!(answer.text().await.unwrap().starts_with("<html>"));
    shop.fail(Fault::next("/admin", 1, Effect::Expired {}));
    assert_eq!(client.post(API, body.clone()).await.status(), 401);
    shop.fail(Fault::next(
        "/admin",
        1,
        Effect::RateLimited {
            policy: String::new(),
        },
    ));
    let answer = client.ask(SHOP, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(
        answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"],
        0
    );
    shop.fail(Fault::next("/admin", 1, Effect::Delay { ms: 60 }));
    let before = Instant::now();
    client.data(SHOP, json!({})).await;
    assert!(before.elapsed() >= Duration::from_millis(60));
    shop.fail(Fault::next("/admin", 1, Effect::Truncate {}));
    let text = client.post(API, body.clone()).await.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err());
    client.data(SHOP, json!({})).await;
}

#[tokio::test]
async fn a_rule_can_name_what_a_document_asks_for() {
    let (shop, client) = started(options()).await;
    let create = "mutation { customerCreate(input: {email: \"a@b.example\"}) { customer { id } userErrors { message } } }";
    shop.fail(Fault {
        contains: "#customerCreate".to_owned(),
        ..Fault::next(API, 1, Effect::CloseAfter {})
    });
    client.data(SHOP, json!({})).await;
    let url = client.base.join(API).unwrap();
    let lost = http()
        .post(url)
        .header("X-Shopify-Access-Token", &client.token)
        .json(&json!({"query": create}))
        .send()
        .await;
    assert!(lost.is_err(), "the answer is lost");
    let again = client.data(create, json!({})).await;
    assert_eq!(
        again["customerCreate"]["userErrors"][0]["message"], "Email has already been taken",
        "and yet it was done"
    );
}

#[tokio::test]
async fn pages_can_be_wrong_in_their_shape() {
    let (shop, client) = started(generated(20)).await;
    let query = "{ orders(first: 3) { nodes { id name } pageInfo { hasNextPage } } }";
    shop.fail(Fault::next(API, 1, Effect::WrongTypes {}));
    let answer = client.ask(query, json!({})).await;
    assert_eq!(answer["data"]["orders"]["nodes"][0]["name"], 17);
    shop.fail(Fault::next(API, 1, Effect::NoPaging {}));
    let answer = client.ask(query, json!({})).await;
    assert!(answer["data"]["orders"].get("pageInfo").is_none());
    shop.fail(Fault::next(
        API,
        1,
        Effect::Replace {
            pointer: "/data/orders/nodes".to_owned(),
            value: json!(null),
        },
    ));
    assert_eq!(
        client.ask(query, json!({})).await["data"]["orders"]["nodes"],
        Value::Null
    );
}

#[tokio::test]
async fn the_door_switches_them_too() {
    let (shop, client) = started(options()).await;
    let door = shop.url().join("/__sandbox/faults").unwrap();
    let rule = json!({"rules": [{"path": "/admin", "effect": {"status": {"status": 402}}}]});
    assert_eq!(
        http()
            .post(door.clone())
            .json(&rule)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let answer = client.post(API, json!({"query": SHOP})).await;
    assert_eq!(answer.status(), 402);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["errors"],
        "Unavailable Shop"
    );
    assert_eq!(http().delete(door).send().await.unwrap().status(), 204);
    client.data(SHOP, json!({})).await;
    assert!(shop.counts().of("graphql.json") >= 2);
}
