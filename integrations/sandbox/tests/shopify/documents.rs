use serde_json::{Value, json};

use crate::harness::{API, generated, options, started};

#[tokio::test]
async fn static_problems_are_told_in_the_vendors_words() {
    let (_shop, client) = started(options()).await;
    let cases = [
        ("{ shop { nope } }", "undefinedField"),
        ("{ shop }", "selectionMismatch"),
        ("{ shop { name { x } } }", "selectionMismatch"),
        (
            "{ orders(first: 1, banana: 2) { nodes { id } } }",
            "argumentNotAccepted",
        ),
        (
            "{ orders(first: \"many\") { nodes { id } } }",
            "argumentLiteralsIncompatible",
        ),
        (
            "{ orders(first: 1, sortKey: SIZE) { nodes { id } } }",
            "argumentLiteralsIncompatible",
        ),
        ("{ order { id } }", "missingRequiredArguments"),
        ("query($x: Int) { shop { id } }", "variableNotUsed"),
        (
            "{ orders(first: $n) { nodes { id } } }",
            "variableNotDefined",
        ),
        (
            "query($n: String) { orders(first: $n) { nodes { id } } }",
            "variableMismatch",
        ),
        ("{ ...Nowhere }", "useAndDefineFragment"),
        (
            "{ shop { id } } fragment Unused on Shop { id }",
            "useAndDefineFragment",
        ),
        ("{ shop { ... on Order { id } } }", "cannotSpreadFragment"),
        ("{ shop { ... on Banana { id } } }", "undefinedType"),
        (
            "{ shop { id ...A } } fragment A on Shop { ...B } fragment B on Shop { ...A }",
            "infiniteLoop",
        ),
        ("{ shop { x: id x: name } }", "fieldConflict"),
        (
            "mutation { customerCreate(input: {shoeSize: 9}) { customer { id } } }",
            "argumentNotAccepted",
        ),
    ];
    for (query, code) in cases {
        let answer = client.ask(query, json!({})).await;
        let codes: Vec<&str> = answer["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {answer}"))
            .iter()
            .filter_map(|error| error["extensions"]["code"].as_str())
            .collect();
        assert!(codes.contains(&code), "{query}: {answer}");
        assert!(answer.get("data").is_none(), "{query} must do nothing");
    }
    let answer = client.ask("{ shop { nope } }", json!({})).await;
    assert_eq!(
        answer["errors"][0],
        json!({
            "message": "Field 'nope' doesn't exist on type 'Shop'",
            "locations": [{"line": 1, "column": 10}],
            "path": ["query", "shop", "nope"],
            "extensions": {"code": "undefinedField", "typeName": "Shop", "fieldName": "nope"},
        })
    );
    let answer = client.ask("{ shop { ", json!({})).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("syntax error")
    );
}

#[tokio::test]
async fn variables_are_held_to_their_types() {
    let (_shop, client) = started(options()).await;
    let query = "mutation($input: CustomerInput!) { customerCreate(input: $input) { customer { id } userErrors { message } } }";
    let answer = client
        .ask(query, json!({"input": {"email": 7, "shoeSize": 9}}))
        .await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "INVALID_VARIABLE");
    assert_eq!(error["extensions"]["problems"].as_array().unwrap().len(), 2);
    let answer = client.ask(query, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INVALID_VARIABLE"
    );
    let list = "query($n: Int = 3, $key: OrderSortKeys) { orders(first: $n, sortKey: $key) { nodes { id } } }";
    client.data(list, json!({})).await;
    let answer = client.ask(list, json!({"key": "SIZE"})).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("$key")
    );
}

#[tokio::test]
async fn selections_aliases_fragments_and_directives() {
    let (_shop, client) = started(generated(12)).await;
    let query = "query Mixed($with: Boolean!, $without: Boolean!) {
        first: orders(first: 2, sortKey: ID) { edges { cursor node { ...Named __typename } } pageInfo { hasNextPage endCursor } }
        second: orders(first: 1, sortKey: ID, reverse: true) { nodes { name number @include(if: $with) test @skip(if: $without) } }
    }
    fragment Named on Order { id title: name customer { id } ...Money }
    fragment Money on Order { totalPriceSet { shopMoney { amount currencyCode } } }";
    let data = client
        .data(query, json!({"with": true, "without": true}))
        .await;
    let node = &data["first"]["edges"][0]["node"];
    assert_eq!(node["__typename"], "Order");
    assert!(node["title"].as_str().unwrap().starts_with("#10"));
    assert!(
        node["totalPriceSet"]["shopMoney"]["amount"]
            .as_str()
            .unwrap()
            .contains('.')
    );
    assert_eq!(data["first"]["pageInfo"]["hasNextPage"], true);
    let last = &data["second"]["nodes"][0];
    assert!(last["number"].is_number() && last.get("test").is_none());
    let keys: Vec<&String> = node.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 5);
}

#[tokio::test]
async fn several_operations_need_a_name() {
    let (_shop, client) = started(options()).await;
    let query = "query A { shop { id } } query B { shop { name } }";
    let answer = client.ask(query, json!({})).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("operation name")
    );
    let body = json!({"query": query, "operationName": "B"});
    let answer: Value = client.post(API, body).await.json().await.unwrap();
    assert!(answer["data"]["shop"]["name"].is_string());
}

#[tokio::test]
async fn nodes_by_id() {
    let (shop, client) = started(options()).await;
    let customer = shop
        .store()
        .create_customer(sandbox::shopify::CustomerDraft::named(
            "Ann",
            "Lee",
            "ann@lee.example",
        ))
        .unwrap();
    let id = format!("gid://shopify/Customer/{customer}");
    let data = client
        .data(
            "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename ... on Customer { firstName } } }",
            json!({"ids": [id, "gid://shopify/Customer/1", "gid://shopify/Order/1"]}),
        )
        .await;
    assert_eq!(
        data["nodes"],
        json!([{"id": id, "__typename": "Customer", "firstName": "Ann"}, null, null])
    );
    let answer = client.ask("{ node(id: \"17\") { id } }", json!({})).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("Invalid global id")
    );
}

#[tokio::test]
async fn a_dead_version_is_served_by_an_older_one_and_only_a_header_tells() {
    let (shop, client) = started(options()).await;
    let body = json!({"query": "{ shop { id } }"});
    let version = |answer: &reqwest::Response| {
        answer.headers()["x-shopify-api-version"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let answer = client.post(API, body.clone()).await;
    assert_eq!(version(&answer), "2026-10");
    let answer = client
        .post("/admin/api/2024-01/graphql.json", body.clone())
        .await;
    assert_eq!(version(&answer), "2026-01");
    shop.end_versions_before(Some("2027-01"));
    assert_eq!(version(&client.post(API, body.clone()).await), "2027-01");
    assert_eq!(
        client
            .post("/admin/api/2026-11/graphql.json", body.clone())
            .await
            .status(),
        404
    );
    assert_eq!(
        client
            .post("/admin/api/2026-10/orders.json", body)
            .await
            .status(),
        404
    );
}
