use std::collections::BTreeMap;
use std::time::Duration;

use sandbox::shopify::OrderDraft;
use sandbox::{Shopify, ShopifyLimits, ShopifyOptions};
use serde_json::{Value, json};

use crate::harness::{Client, Receiver, SCOPES, generated, http, options, started, subscribe};

const RUN: &str = "mutation($query: String!, $group: Boolean = false) {
    bulkOperationRunQuery(query: $query, groupObjects: $group) { bulkOperation { id status } userErrors { field message code } }
}";
const LOOK: &str = "query($id: ID!) { bulkOperation(id: $id) {
    id status errorCode objectCount rootObjectCount fileSize url partialDataUrl query completedAt
} }";
const ORDERS: &str =
    "{ orders { edges { node { id name lineItems { edges { node { id title } } } } } } }";

async fn run(client: &Client, query: &str, group: bool) -> Value {
    let data = client
        .data(RUN, json!({"query": query, "group": group}))
        .await;
    data["bulkOperationRunQuery"].clone()
}

async fn done(client: &Client, id: &Value) -> Value {
    for _ in 0..500 {
        let data = client.data(LOOK, json!({"id": id})).await;
        let operation = data["bulkOperation"].clone();
        if !["CREATED", "RUNNING", "CANCELING"].contains(&operation["status"].as_str().unwrap()) {
            return operation;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the operation never ended");
}

async fn lines(url: &str) -> Vec<Value> {
    let text = http().get(url).send().await.unwrap().text().await.unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn rows_of_all_orders_with_children_apart() {
    let (shop, client) = started(generated(700)).await;
    let everything = Client::connect(shop.url(), &format!("{SCOPES},read_all_orders")).await;
    let started = run(&everything, ORDERS, false).await;
    assert_eq!(started["userErrors"], json!([]));
    assert_eq!(started["bulkOperation"]["status"], "CREATED");
    let operation = done(&everything, &started["bulkOperation"]["id"]).await;
    assert_eq!(operation["status"], "COMPLETED");
    assert_eq!(operation["rootObjectCount"], "700");
    let url = operation["url"].as_str().unwrap();
    let rows = lines(url).await;
    assert_eq!(operation["objectCount"], json!(rows.len().to_string()));
    let mut place = BTreeMap::new();
    let (mut children, mut neighbours) = (0, 0);
    for (n, row) in rows.iter().enumerate() {
        match row.get("__parentId") {
            None => {
                assert!(row.get("lineItems").is_none());
                place.insert(row["id"].as_str().unwrap().to_owned(), n);
            }
            Some(parent) => {
                children += 1;
                let parent = place[parent.as_str().unwrap()];
                neighbours += usize::from(n == parent + 1);
            }
        }
    }
    assert_eq!(place.len(), 700);
    assert!(
        children > 700 && neighbours <= 1,
        "{children} children, {neighbours} next to their parents"
    );
    let text = http().get(url).send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r"gid:\/\/shopify\/Order\/"));
    let recent = run(&client, ORDERS, true).await;
    let operation = done(&client, &recent["bulkOperation"]["id"]).await;
    let rows = lines(operation["url"].as_str().unwrap()).await;
    assert!(
        rows[1].get("__parentId") == Some(&rows[0]["id"]),
        "asked for, children follow their parents"
    );
    assert!(
        rows.len() < 2000,
        "old orders need a further scope here too"
    );
}

#[tokio::test]
async fn the_file_is_given_in_ranges_for_seven_days() {
    let (shop, client) = started(generated(50)).await;
    let started = run(&client, ORDERS, false).await;
    let id = started["bulkOperation"]["id"].clone();
    let operation = done(&client, &id).await;
    let url = operation["url"].as_str().unwrap().to_owned();
    let whole = http()
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(operation["fileSize"], json!(whole.len().to_string()));
    let part = http()
        .get(&url)
        .header("range", "bytes=10-109")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 10-109/{}", whole.len()).as_str()
    );
    assert_eq!(part.bytes().await.unwrap(), whole.slice(10..110));
    let beyond = http()
        .get(&url)
        .header("range", format!("bytes={}-", whole.len()))
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 416);
    shop.clock().advance(Duration::from_secs(7 * 24 * 3600 + 1));
    assert_eq!(http().get(&url).send().await.unwrap().status(), 400);
    let other = url.replace("/bulk/", "/bulk/0");
    assert_eq!(http().get(other).send().await.unwrap().status(), 404);
    let token = Client::connect(shop.url(), SCOPES).await;
    let operation = token.data(LOOK, json!({"id": id})).await["bulkOperation"].clone();
    assert_eq!(
        (&operation["status"], &operation["url"]),
        (&json!("EXPIRED"), &Value::Null)
    );
}

#[tokio::test]
async fn queries_that_do_not_fit_are_refused() {
    let (_shop, client) = started(options()).await;
    for (query, words) in [
        ("{ shop { id } }", "at least one connection"),
        (
            "{ order(id: \"gid://shopify/Order/1\") { id } }",
            "at least one connection",
        ),
        ("{ nodes(ids: []) { id } }", "top-level `node`"),
        ("{ orders { edges { node { nope } } } }", "doesn't exist"),
        (
            "query($x: String) { orders(query: $x) { nodes { id } } }",
            "cannot use variables",
        ),
        (
            "{ customers { nodes { id orders { nodes { id lineItems { nodes { id } } } } } } }",
            "nesting depth",
        ),
        (
            "{ orders { nodes { name lineItems { nodes { id } } } } }",
            "without 'id'",
        ),
        (
            "{ orders { nodes { id refunds { id refundLineItems { nodes { id } } } } } }",
            "within a list field",
        ),
        (
            "mutation { appUninstall { app { id } } }",
            "must be queries",
        ),
        ("{ orders { nodes {", "Invalid bulk query"),
    ] {
        let answer = run(&client, query, false).await;
        assert!(
            answer["userErrors"][0]["message"]
                .as_str()
                .unwrap_or_default()
                .contains(words),
            "{query}: {answer}"
        );
        assert_eq!(answer["bulkOperation"], Value::Null);
    }
}

#[tokio::test]
async fn five_at_a_time_and_they_can_be_cancelled() {
    let receiver = Receiver::start();
    let (_shop, client) = started(ShopifyOptions {
        limits: ShopifyLimits {
            bulk_delay: Duration::from_secs(3600),
            ..ShopifyLimits::none()
        },
        ..generated(10)
    })
    .await;
    subscribe(&client, "BULK_OPERATIONS_FINISH", &receiver.url, json!({})).await;
    for _ in 0..5 {
        assert_eq!(run(&client, ORDERS, false).await["userErrors"], json!([]));
    }
    let sixth = run(&client, ORDERS, false).await;
    assert_eq!(sixth["userErrors"][0]["code"], "OPERATION_IN_PROGRESS");
    let current = client
        .data(
            "{ currentBulkOperation { id status } bulkOperations(first: 10) { nodes { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        current["bulkOperations"]["nodes"].as_array().unwrap().len(),
        5
    );
    let cancel = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { message } } }";
    let answer = client
        .data(cancel, json!({"id": current["currentBulkOperation"]["id"]}))
        .await;
    assert_eq!(
        answer["bulkOperationCancel"]["bulkOperation"]["status"],
        "CANCELING"
    );
}

#[tokio::test]
async fn a_denied_field_fails_the_operation() {
    let (shop, _) = started(generated(5)).await;
    let client = Client::connect(shop.url(), "read_orders").await;
    let started = run(&client, "{ customers { nodes { id } } }", false).await;
    let operation = done(&client, &started["bulkOperation"]["id"]).await;
    assert_eq!(
        (&operation["status"], &operation["errorCode"]),
        (&json!("FAILED"), &json!("ACCESS_DENIED"))
    );
}

#[tokio::test]
async fn the_end_is_told_and_outlives_a_restart() {
    let receiver = Receiver::start();
    let home = tempfile::tempdir().unwrap();
    let kept = ShopifyOptions {
        state: Some(home.path().to_owned()),
        ..generated(20)
    };
    let (shop, client) = started(kept.clone()).await;
    subscribe(&client, "BULK_OPERATIONS_FINISH", &receiver.url, json!({})).await;
    let started = run(&client, ORDERS, false).await;
    let operation = done(&client, &started["bulkOperation"]["id"]).await;
    shop.webhooks_idle().await;
    let told = receiver.of("bulk_operations/finish").remove(0).json();
    assert_eq!(told["status"], "completed");
    assert_eq!(told["admin_graphql_api_id"], operation["id"]);
    let rows = lines(operation["url"].as_str().unwrap()).await;
    shop.stop().await.unwrap();
    let again = Shopify::start(kept).await.unwrap();
    assert_eq!(lines(operation["url"].as_str().unwrap()).await, rows);
    again.store().place_order(OrderDraft::paid("1")).unwrap();
}
