use sandbox::{ShopifyLimits, ShopifyOptions};
use serde_json::{Value, json};

use crate::harness::{generated, options, started};

fn limited(bucket: u32, linear: bool) -> ShopifyOptions {
    ShopifyOptions {
        limits: ShopifyLimits {
            bucket: Some(bucket),
            restore_per_second: 50,
            linear_costs: linear,
            ..ShopifyLimits::none()
        },
        ..generated(40)
    }
}

#[tokio::test]
async fn what_is_not_used_is_given_back() {
    let (_shop, client) = started(limited(1000, true)).await;
    let answer = client
        .ask("{ orders(first: 100) { nodes { id name } } }", json!({}))
        .await;
    let cost = &answer["extensions"]["cost"];
    assert_eq!(cost["requestedQueryCost"], 102);
    let actual = cost["actualQueryCost"].as_u64().unwrap();
    let found = answer["data"]["orders"]["nodes"].as_array().unwrap().len() as u64;
    assert_eq!(actual, found + 2);
    assert_eq!(cost["throttleStatus"]["maximumAvailable"], 1000.0);
    assert_eq!(cost["throttleStatus"]["restoreRate"], 50.0);
    let left = cost["throttleStatus"]["currentlyAvailable"]
        .as_u64()
        .unwrap();
    assert!(left >= 1000 - actual, "{left}");
}

#[tokio::test]
async fn an_empty_bucket_throttles_with_200_and_fills_again() {
    let (shop, client) = started(limited(120, true)).await;
    let query = "{ orders(first: 40) { nodes { id totalPriceSet { shopMoney { amount } } } } }";
    let answer = client.ask(query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(answer["errors"][0]["message"], "Throttled");
    assert_eq!(answer["extensions"]["cost"]["requestedQueryCost"], 122);
    assert_eq!(answer["extensions"]["cost"]["actualQueryCost"], Value::Null);
    assert!(answer.get("data").is_none());
    let small = "{ orders(first: 30) { nodes { id totalPriceSet { shopMoney { amount } } } } }";
    client.data(small, json!({})).await;
    let answer = client.ask(small, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "THROTTLED");
    shop.clock().advance(std::time::Duration::from_secs(2));
    client.data(small, json!({})).await;
}

#[tokio::test]
async fn a_query_may_not_cost_more_than_a_thousand() {
    let (_shop, client) = started(ShopifyOptions {
        limits: ShopifyLimits {
            linear_costs: true,
            ..ShopifyLimits::none()
        },
        ..options()
    })
    .await;
    let query = "{ orders(first: 250) { nodes { id lineItems(first: 10) { nodes { id } } } } }";
    let answer = client.ask(query, json!({})).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "MAX_COST_EXCEEDED");
    assert_eq!(error["extensions"]["maxCost"], 1000);
    assert_eq!(error["extensions"]["cost"], 250 * 13 + 2);
}

#[tokio::test]
async fn by_the_newer_rule_the_same_query_passes() {
    let (_shop, client) = started(limited(2000, false)).await;
    let query = "{ orders(first: 250) { nodes { id lineItems(first: 10) { nodes { id } } } } }";
    let answer = client.ask(query, json!({})).await;
    assert!(answer["data"]["orders"]["nodes"].is_array());
    let cost = answer["extensions"]["cost"]["requestedQueryCost"]
        .as_u64()
        .unwrap();
    assert!((10..200).contains(&cost), "{cost}");
}
