use std::time::Duration;

use sandbox::shopify::{CompanyDraft, CustomerDraft, OrderDraft, OrderEdit};
use sandbox::{Shopify, ShopifyOptions};
use serde_json::json;

use crate::harness::{
    Arrived, Client, Receiver, SCOPES, SECRET, generated, http, options, signature, started,
    subscribe,
};

async fn heard(topics: &[&str]) -> (Shopify, Client, Receiver) {
    let receiver = Receiver::start();
    let (shop, client) = started(ShopifyOptions {
        webhook_target: Some(receiver.url.clone()),
        ..options()
    })
    .await;
    for topic in topics {
        let made = subscribe(&client, topic, &receiver.url, json!({})).await;
        assert_eq!(made["userErrors"], json!([]), "{topic}");
    }
    (shop, client, receiver)
}

fn signed(one: &Arrived, secret: &str) -> bool {
    one.header("X-Shopify-Hmac-Sha256") == signature(secret, &one.body)
}

#[tokio::test]
async fn an_order_is_told_with_everything_a_receiver_checks() {
    let (shop, _client, receiver) =
        heard(&["ORDERS_CREATE", "ORDERS_PAID", "CUSTOMERS_CREATE"]).await;
    let id = shop
        .store()
        .place_order(OrderDraft {
            new_customer: Some(CustomerDraft::named("Ann", "Lee", "ann@lee.example")),
            ..OrderDraft::paid("100")
        })
        .unwrap();
    shop.webhooks_idle().await;
    let created = receiver.of("orders/create").remove(0);
    let paid = receiver.of("orders/paid").remove(0);
    assert_eq!(receiver.of("customers/create").len(), 1);
    assert!(signed(&created, SECRET));
    assert_eq!(created.header("X-Shopify-Shop-Domain"), shop.tenant());
    assert_eq!(created.header("X-Shopify-API-Version"), "2026-10");
    assert_eq!(
        created.header("X-Shopify-Event-Id"),
        paid.header("X-Shopify-Event-Id"),
        "one action, several topics"
    );
    assert_ne!(
        created.header("X-Shopify-Webhook-Id"),
        paid.header("X-Shopify-Webhook-Id")
    );
    let stamp = created.header("X-Shopify-Triggered-At");
    assert_eq!(
        stamp.split_once('.').unwrap().1.len(),
        10,
        "nanoseconds: {stamp}"
    );
    let text = String::from_utf8(created.body.clone()).unwrap();
    assert!(
        text.contains(&format!("\"id\":{id},")),
        "the id is a number beyond 2^53, exact"
    );
    assert!(text.contains(r"gid:\/\/shopify\/Order\/"));
    let body = created.json();
    assert_eq!(body["total_price"], "100.00");
    assert_eq!(body["financial_status"], "paid");
    assert_eq!(body["customer"]["email"], "ann@lee.example");
    assert!(body["created_at"].as_str().unwrap().ends_with("-05:00"));
}

#[tokio::test]
async fn each_change_has_its_topics() {
    let topics = [
        "ORDERS_UPDATED",
        "ORDERS_CANCELLED",
        "ORDERS_DELETE",
        "REFUNDS_CREATE",
        "ORDER_TRANSACTIONS_CREATE",
        "CUSTOMERS_UPDATE",
        "CUSTOMERS_DELETE",
        "CUSTOMERS_MERGE",
        "COMPANIES_CREATE",
        "COMPANIES_UPDATE",
        "COMPANIES_DELETE",
        "COMPANY_CONTACTS_CREATE",
    ];
    let (shop, _client, receiver) = heard(&topics).await;
    let store = shop.store();
    let order = store.place_order(OrderDraft::paid("100")).unwrap();
    store.refund_order(order, None).unwrap();
    store.cancel_order(order, "fraud").unwrap();
    store
        .edit_order(
            order,
            OrderEdit {
                note: Some("x".to_owned()),
                ..OrderEdit::default()
            },
        )
        .unwrap();
    store.delete_order(order).unwrap();
    let one = store
        .create_customer(CustomerDraft::named("A", "A", "a@a.example"))
        .unwrap();
    let two = store
        .create_customer(CustomerDraft::named("B", "B", "b@b.example"))
        .unwrap();
    store
        .edit_customer(
            one,
            CustomerDraft {
                note: Some("n".to_owned()),
                ..CustomerDraft::default()
            },
        )
        .unwrap();
    let company = store
        .create_company(CompanyDraft {
            customer: Some(two),
            ..CompanyDraft::named("C")
        })
        .unwrap();
    store
        .edit_company(company, CompanyDraft::named("D"))
        .unwrap();
    store.merge_customers(one, two).unwrap();
    store.delete_company(company).unwrap();
    store.delete_customer(one).unwrap();
    shop.webhooks_idle().await;
    let counted = |topic: &str| receiver.of(topic).len();
    assert_eq!(counted("orders/updated"), 3);
    for topic in [
        "orders/cancelled",
        "orders/delete",
        "refunds/create",
        "order_transactions/create",
        "customers/merge",
        "companies/create",
        "companies/update",
        "companies/delete",
        "company_contacts/create",
        "customers/delete",
    ] {
        assert_eq!(counted(topic), 1, "{topic}");
    }
    assert_eq!(receiver.of("orders/delete")[0].json(), json!({"id": order}));
    assert_eq!(
        receiver.of("refunds/create")[0].json()["order_id"],
        json!(order)
    );
}

#[tokio::test]
async fn a_delivery_is_tried_nine_times_and_then_the_subscription_is_gone() {
    let (shop, _client, receiver) = heard(&["ORDERS_CREATE"]).await;
    receiver.refuse(8);
    shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.webhooks_idle().await;
    let tried = receiver.of("orders/create");
    assert_eq!(tried.len(), 9);
    let ids: std::collections::BTreeSet<&str> = tried
        .iter()
        .map(|one| one.header("X-Shopify-Webhook-Id"))
        .collect();
    assert_eq!(ids.len(), 1, "a repeated delivery keeps its id");
    assert_eq!(shop.subscriptions().len(), 1);
    receiver.refuse(9);
    shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.webhooks_idle().await;
    assert!(shop.subscriptions().is_empty());
    assert_eq!(shop.webhook_counts().given_up, 1);
    shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.webhooks_idle().await;
    assert_eq!(
        receiver.of("orders/create").len(),
        18,
        "nobody hears of the third order"
    );
}

#[tokio::test]
async fn subscriptions_are_checked_listed_narrowed_and_deleted() {
    let (shop, client, receiver) = heard(&["ORDERS_CREATE"]).await;
    let again = subscribe(&client, "ORDERS_CREATE", &receiver.url, json!({})).await;
    assert_eq!(
        again["userErrors"][0]["message"],
        "Address for this topic has already been taken"
    );
    let away = subscribe(
        &client,
        "ORDERS_PAID",
        &"https://example.com/hooks".parse().unwrap(),
        json!({}),
    )
    .await;
    assert!(
        away["userErrors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("Address is not allowed")
    );
    let refused = subscribe(&client, "DRAFT_ORDERS_CREATE", &receiver.url, json!({})).await;
    assert!(
        refused["userErrors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("read_draft_orders")
    );
    let narrow = subscribe(
        &client,
        "ORDERS_UPDATED",
        &receiver.url,
        json!({"includeFields": ["id", "updated_at"], "name": "narrow"}),
    )
    .await;
    let id = narrow["webhookSubscription"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let order = shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.store()
        .edit_order(
            order,
            OrderEdit {
                note: Some("x".to_owned()),
                ..OrderEdit::default()
            },
        )
        .unwrap();
    shop.webhooks_idle().await;
    let told = receiver.of("orders/updated").remove(0);
    assert_eq!(told.header("X-Shopify-Name"), "narrow");
    assert_eq!(told.json().as_object().unwrap().len(), 2);
    let query = "{ webhookSubscriptions(first: 10) { nodes { id topic uri endpoint { __typename } } } webhookSubscriptionsCount { count } }";
    let data = client.data(query, json!({})).await;
    assert_eq!(data["webhookSubscriptionsCount"]["count"], 2);
    let delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { message } } }";
    let gone = client.data(delete, json!({"id": id})).await;
    assert_eq!(
        gone["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"],
        json!(id)
    );
    let gone = client.data(delete, json!({"id": id})).await;
    assert_eq!(
        gone["webhookSubscriptionDelete"]["userErrors"][0]["message"],
        "Webhook subscription does not exist"
    );
}

#[tokio::test]
async fn the_app_is_removed_and_the_data_is_to_be_erased() {
    let (shop, client, receiver) = heard(&["APP_UNINSTALLED", "ORDERS_CREATE"]).await;
    let answer = client
        .ask(
            "mutation { appUninstall { app { id } userErrors { message } } }",
            json!({}),
        )
        .await;
    assert_eq!(answer["data"]["appUninstall"]["userErrors"], json!([]));
    shop.webhooks_idle().await;
    assert_eq!(
        receiver.of("app/uninstalled").len(),
        2,
        "once by the subscription, once by the app's configuration"
    );
    assert!(shop.subscriptions().is_empty());
    let body = json!({"query": "{ shop { id } }"});
    assert_eq!(client.post(crate::harness::API, body).await.status(), 401);
    shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.clock().advance(Duration::from_secs(48 * 3600 + 1));
    for _ in 0..100 {
        if !receiver.of("shop/redact").is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let redact = receiver.of("shop/redact").remove(0);
    assert!(signed(&redact, SECRET));
    assert_eq!(redact.json()["shop_domain"], json!(shop.tenant()));
    assert!(receiver.of("orders/create").is_empty());
}

#[tokio::test]
async fn a_shop_that_comes_back_keeps_its_data() {
    let (shop, _client, receiver) = heard(&[]).await;
    shop.uninstall().unwrap();
    Client::connect(shop.url(), SCOPES).await;
    shop.clock().advance(Duration::from_secs(48 * 3600 + 1));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(receiver.of("shop/redact").is_empty());
    assert_eq!(receiver.of("app/uninstalled").len(), 1);
}

#[tokio::test]
async fn privacy_and_scopes_are_told_to_the_configured_address() {
    let receiver = Receiver::start();
    let (shop, client) = started(ShopifyOptions {
        webhook_target: Some(receiver.url.clone()),
        ..generated(30)
    })
    .await;
    let data = client
        .data(
            "{ orders(first: 1, reverse: true) { nodes { id customer { id email } } } }",
            json!({}),
        )
        .await;
    let customer = &data["orders"]["nodes"][0]["customer"];
    let id: u64 = customer["id"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    shop.request_customer_data(id).unwrap();
    shop.redact_customer(id).unwrap();
    shop.change_scopes(&["read_orders"]).unwrap();
    shop.webhooks_idle().await;
    let asked = receiver.of("customers/data_request").remove(0).json();
    assert_eq!(asked["customer"]["id"], json!(id));
    assert!(!asked["orders_requested"].as_array().unwrap().is_empty());
    assert!(receiver.of("customers/redact").remove(0).json()["orders_to_redact"].is_array());
    let scopes = receiver.of("app/scopes_update").remove(0).json();
    assert_eq!(scopes["current"], json!(["read_orders"]));
    assert_eq!(
        client
            .code("{ customers(first: 1) { nodes { id } } }")
            .await,
        "ACCESS_DENIED"
    );
}

#[tokio::test]
async fn the_old_secret_signs_for_a_while() {
    let (shop, _client, receiver) = heard(&["ORDERS_CREATE"]).await;
    shop.rotate_secret("second").unwrap();
    shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.webhooks_idle().await;
    shop.sign_with_new_secret().unwrap();
    shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.webhooks_idle().await;
    let told = receiver.of("orders/create");
    assert!(signed(&told[0], SECRET) && signed(&told[1], "second"));
}

#[tokio::test]
async fn deliveries_can_be_spoiled() {
    let (shop, _client, receiver) = heard(&["ORDERS_CREATE"]).await;
    let place = || shop.store().place_order(OrderDraft::paid("1")).unwrap();
    shop.faults(|faults| faults.webhooks.duplicate = true);
    place();
    shop.webhooks_idle().await;
    assert_eq!(receiver.of("orders/create").len(), 2);
    shop.faults(|faults| {
        faults.webhooks = Default::default();
        faults.webhooks.wrong_signature = true;
    });
    place();
    shop.webhooks_idle().await;
    assert!(!signed(&receiver.of("orders/create")[2], SECRET));
    shop.faults(|faults| {
        faults.webhooks = Default::default();
        faults.webhooks.drop = true;
    });
    place();
    shop.webhooks_idle().await;
    assert_eq!(receiver.of("orders/create").len(), 3);
}

#[tokio::test]
async fn the_own_door_does_what_people_do() {
    let (shop, _client, receiver) = heard(&["ORDERS_CREATE"]).await;
    let door = |path: &str| shop.url().join(&format!("/__sandbox/{path}")).unwrap();
    let placed = json!({"lines": [{"title": "Kit", "quantity": 1, "price": "42"}], "discount_codes": ["ACME"], "paid": true});
    let answer = http()
        .post(door("records/orders"))
        .json(&placed)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let order: serde_json::Value = answer.json().await.unwrap();
    let refund = door(&format!("records/orders/{}/refund", order["id"]));
    let answer = http()
        .post(refund)
        .json(&json!({"amount": "12"}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<serde_json::Value>().await.unwrap()["financial_status"],
        "partially_refunded"
    );
    let form = http()
        .post(door("records/orders"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(form.status(), 415);
    let bad = http()
        .post(door("records/orders"))
        .json(&json!({"shoes": 1}))
        .send()
        .await
        .unwrap();
    assert_eq!(bad.status(), 400);
    let stats: serde_json::Value = http()
        .get(door("stats"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(stats["records"]["orders"], 1);
    let gone = http()
        .delete(door(&format!("records/orders/{}", order["id"])))
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    shop.webhooks_idle().await;
    assert_eq!(receiver.of("orders/create").len(), 1);
}
