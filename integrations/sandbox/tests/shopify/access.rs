use sandbox::shopify::{CompanyDraft, CustomerDraft, OrderDraft};
use sandbox::{ShopifyLimits, ShopifyOptions};
use serde_json::{Value, json};

use crate::harness::{Client, options, started};

#[tokio::test]
async fn what_no_scope_allows_is_null_with_a_reason() {
    let (shop, _) = started(options()).await;
    let customer = shop
        .store()
        .create_customer(CustomerDraft::named("A", "B", "a@b.example"))
        .unwrap();
    shop.store()
        .place_order(OrderDraft {
            customer: Some(customer),
            ..OrderDraft::paid("10")
        })
        .unwrap();
    let client = Client::connect(shop.url(), "read_orders").await;
    let answer = client
        .ask(
            "{ orders(first: 1) { nodes { id customer { id } } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        answer["data"]["orders"]["nodes"][0]["customer"],
        Value::Null
    );
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "ACCESS_DENIED");
    assert_eq!(error["path"], json!(["orders", "nodes", 0, "customer"]));
    assert!(
        error["extensions"]["requiredAccess"]
            .as_str()
            .unwrap()
            .contains("read_customers")
    );
    let answer = client
        .ask("{ customers(first: 1) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(
        answer["data"],
        Value::Null,
        "the list may not be null, so everything is"
    );
    for query in [
        "{ companies(first: 1) { nodes { id } } }",
        "{ node(id: \"gid://shopify/Customer/1\") { id } }",
        "mutation { customerCreate(input: {email: \"x@y.example\"}) { customer { id } } }",
        "mutation { orderUpdate(input: {id: \"gid://shopify/Order/1\"}) { order { id } } }",
    ] {
        assert_eq!(client.code(query).await, "ACCESS_DENIED", "{query}");
    }
    let scopes = client
        .data(
            "{ currentAppInstallation { accessScopes { handle } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        scopes["currentAppInstallation"]["accessScopes"],
        json!([{"handle": "read_orders"}])
    );
}

#[tokio::test]
async fn personal_data_needs_an_approval() {
    let (shop, client) = started(ShopifyOptions {
        limits: ShopifyLimits {
            personal_data_approved: false,
            ..ShopifyLimits::none()
        },
        ..options()
    })
    .await;
    shop.store()
        .create_customer(CustomerDraft::named("A", "B", "a@b.example"))
        .unwrap();
    shop.store()
        .create_company(CompanyDraft::named("C"))
        .unwrap();
    let answer = client.ask("{ customers(first: 1) { nodes { id firstName defaultEmailAddress { emailAddress } } } }", json!({})).await;
    let node = &answer["data"]["customers"]["nodes"][0];
    assert_eq!(
        (&node["firstName"], &node["defaultEmailAddress"]),
        (&Value::Null, &Value::Null)
    );
    assert!(node["id"].is_string());
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2);
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("not approved")
    );
    let answer = client
        .ask("{ companies(first: 1) { nodes { name } } }", json!({}))
        .await;
    assert_eq!(answer["data"]["companies"]["nodes"][0]["name"], "C");
}
