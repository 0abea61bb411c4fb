use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::shopify::{CustomerDraft, OrderDraft, OrderEdit};
use sandbox::{ShopifyLimits, ShopifyOptions};
use serde_json::{Value, json};

use crate::harness::{Client, SCOPES, generated, options, started};

const PAGE: &str = "query($first: Int!, $after: String, $query: String, $key: OrderSortKeys) {
    orders(first: $first, after: $after, query: $query, sortKey: $key) {
        nodes { id updatedAt }
        pageInfo { hasNextPage endCursor }
    }
}";

async fn all(client: &Client, query: Option<&str>, size: u32) -> Vec<String> {
    let (mut after, mut ids) = (Value::Null, Vec::new());
    loop {
        let variables = json!({"first": size, "after": after, "query": query, "key": "UPDATED_AT"});
        let data = client.data(PAGE, variables).await;
        let page = &data["orders"];
        ids.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["id"].as_str().unwrap().to_owned()),
        );
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return ids;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test]
async fn pages_hold_every_order_once_and_old_ones_need_a_scope() {
    let (shop, client) = started(generated(200)).await;
    let recent = all(&client, None, 17).await;
    let distinct: BTreeSet<&String> = recent.iter().collect();
    assert_eq!(distinct.len(), recent.len());
    assert!(
        recent.len() > 80 && recent.len() < 200,
        "{} orders are recent",
        recent.len()
    );
    let everything = Client::connect(shop.url(), &format!("{SCOPES},read_all_orders")).await;
    assert_eq!(all(&everything, None, 250).await.len(), 200);
}

#[tokio::test]
async fn an_edit_moves_an_order_behind_the_cursor() {
    let (shop, client) = started(generated(60)).await;
    let first = client
        .data(PAGE, json!({"first": 5, "key": "UPDATED_AT"}))
        .await;
    let id = first["orders"]["nodes"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let number = id.rsplit('/').next().unwrap().parse().unwrap();
    shop.store()
        .edit_order(
            number,
            OrderEdit {
                note: Some("call".to_owned()),
                ..OrderEdit::default()
            },
        )
        .unwrap();
    let after = &first["orders"]["pageInfo"]["endCursor"];
    let rest = client
        .data(
            PAGE,
            json!({"first": 250, "after": after, "key": "UPDATED_AT"}),
        )
        .await;
    let last = rest["orders"]["nodes"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["id"], json!(id));
}

#[tokio::test]
async fn filters_by_time_and_misspelt_filters() {
    let (shop, client) = started(generated(60)).await;
    let whole = all(&client, None, 250).await.len();
    shop.clock().advance(Duration::from_secs(10));
    let mark = client
        .data(
            "{ orders(first: 1, sortKey: UPDATED_AT, reverse: true) { nodes { updatedAt } } }",
            json!({}),
        )
        .await;
    let mark = mark["orders"]["nodes"][0]["updatedAt"]
        .as_str()
        .unwrap()
        .to_owned();
    shop.store().place_order(OrderDraft::paid("100")).unwrap();
    let found = all(&client, Some(&format!("updated_at:>'{mark}'")), 250).await;
    assert_eq!(found.len(), 1);
    let answer = client
        .ask(
            "{ orders(first: 250, query: \"updated_on:>2030-01-01\") { nodes { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        answer["data"]["orders"]["nodes"].as_array().unwrap().len(),
        whole + 1,
        "an unknown filter filters nothing"
    );
    assert_eq!(
        answer["extensions"]["search"][0]["warnings"][0]["field"],
        "updated_on"
    );
    let id = found[0].rsplit('/').next().unwrap();
    assert_eq!(all(&client, Some(&format!("id:{id}")), 250).await, found);
}

#[tokio::test]
async fn searches_lag_behind_and_lists_do_not() {
    let (shop, client) = started(ShopifyOptions {
        limits: ShopifyLimits {
            index_lag: Duration::from_secs(60),
            ..ShopifyLimits::none()
        },
        ..options()
    })
    .await;
    shop.store().place_order(OrderDraft::paid("100")).unwrap();
    assert_eq!(all(&client, None, 10).await.len(), 1);
    assert_eq!(
        all(&client, Some("updated_at:>2020-01-01"), 10).await.len(),
        0
    );
    shop.clock().advance(Duration::from_secs(61));
    assert_eq!(
        all(&client, Some("updated_at:>2020-01-01"), 10).await.len(),
        1
    );
}

#[tokio::test]
async fn sizes_are_required_and_bounded() {
    let (_shop, client) = started(options()).await;
    for (arguments, words) in [
        ("", "you must provide one of first or last"),
        ("(first: 251)", "first cannot exceed 250"),
        ("(first: -1)", "first cannot be negative"),
        ("(first: 1, after: \"nonsense\")", "Invalid cursor"),
    ] {
        let query = format!("{{ orders{arguments} {{ nodes {{ id }} }} }}");
        let answer = client.ask(&query, json!({})).await;
        assert!(
            answer["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains(words),
            "{answer}"
        );
        assert_eq!(answer["data"], Value::Null);
    }
}

#[tokio::test]
async fn customers_and_companies_are_listed_and_counted() {
    let (shop, client) = started(generated(100)).await;
    let query = "{ customers(first: 250, sortKey: UPDATED_AT) { nodes { id displayName defaultEmailAddress { emailAddress } numberOfOrders orders(first: 2) { nodes { id } } } }
        companies(first: 250, sortKey: UPDATED_AT, query: \"updated_at:>=2020-01-01\") { nodes { id name externalId mainContact { title customer { id } } contactsCount { count } totalSpent { amount } } }
        ordersCount { count precision } customersCount { count } companiesCount { count } }";
    let data = client.data(query, json!({})).await;
    assert_eq!(data["customers"]["nodes"].as_array().unwrap().len(), 34);
    assert_eq!(data["companies"]["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(data["customersCount"]["count"], 34);
    assert_eq!(
        data["companies"]["nodes"][0]["mainContact"]["title"],
        "Buyer"
    );
    let id = shop
        .store()
        .create_customer(CustomerDraft::named("Zoe", "Zed", "zoe@zed.example"))
        .unwrap();
    let data = client
        .data(
            "{ customers(first: 5, query: \"email:zoe@zed.example\") { nodes { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["customers"]["nodes"],
        json!([{"id": format!("gid://shopify/Customer/{id}")}])
    );
}
