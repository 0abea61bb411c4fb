use sandbox::shopify::{CompanyDraft, CustomerDraft, LineDraft, OrderDraft, Refused, Utm};
use serde_json::json;

use crate::harness::{options, started};

const ORDER: &str = "query($id: ID!) { order(id: $id) {
    name email test tags discountCodes currencyCode presentmentCurrencyCode displayFinancialStatus cancelledAt cancelReason
    totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
    currentTotalPriceSet { shopMoney { amount } }
    totalDiscountsSet { shopMoney { amount } }
    totalRefundedSet { shopMoney { amount } }
    customer { email numberOfOrders amountSpent { amount } }
    purchasingEntity { __typename ... on PurchasingCompany { company { name } contact { customer { id } } location { name } } }
    customerJourneySummary { ready lastVisit { landingPage utmParameters { source campaign } } }
    customAttributes { key value }
    partner: metafield(namespace: \"custom\", key: \"partner\") { value type }
    transactions(first: 10) { kind status amountSet { shopMoney { amount } } }
    refunds(first: 10) { id totalRefundedSet { shopMoney { amount } } refundLineItems(first: 5) { nodes { quantity } } }
    lineItems(first: 5) { nodes { title quantity originalUnitPriceSet { shopMoney { amount } } } }
} }";

fn gid(id: u64) -> serde_json::Value {
    json!({"id": format!("gid://shopify/Order/{id}")})
}

#[tokio::test]
async fn an_order_lives_its_life() {
    let (shop, client) = started(options()).await;
    let store = shop.store();
    let id = store
        .place_order(OrderDraft {
            new_customer: Some(CustomerDraft::named("Ann", "Lee", "ann@lee.example")),
            lines: vec![
                LineDraft::new("Team plan", 2, "150.00"),
                LineDraft::new("Kit", 1, "20.5"),
            ],
            discount_codes: vec!["ACME-10".to_owned()],
            discount: Some("20.50".to_owned()),
            shipping: Some("9.95".to_owned()),
            utm: Some(Utm {
                source: Some("acme".to_owned()),
                campaign: Some("fall".to_owned()),
                ..Utm::default()
            }),
            landing_page: Some("https://shop.example/?utm_source=acme".to_owned()),
            attributes: vec![("partner".to_owned(), "acme".to_owned())],
            metafields: vec![("custom".to_owned(), "partner".to_owned(), "acme".to_owned())],
            presentment: Some(("JPY".to_owned(), 150_000_000)),
            ..OrderDraft::default()
        })
        .unwrap();
    assert!(id > 1 << 53);
    let order = client.data(ORDER, gid(id)).await["order"].clone();
    assert_eq!(order["displayFinancialStatus"], "PENDING");
    assert_eq!(
        order["totalPriceSet"]["shopMoney"],
        json!({"amount": "309.95", "currencyCode": "USD"})
    );
    assert_eq!(
        order["totalPriceSet"]["presentmentMoney"],
        json!({"amount": "46493.0", "currencyCode": "JPY"})
    );
    assert_eq!(order["discountCodes"], json!(["ACME-10"]));
    assert_eq!(
        order["customerJourneySummary"]["lastVisit"]["utmParameters"],
        json!({"source": "acme", "campaign": "fall"})
    );
    assert_eq!(order["partner"]["value"], "acme");
    assert_eq!(
        order["customAttributes"],
        json!([{"key": "partner", "value": "acme"}])
    );
    assert_eq!(order["purchasingEntity"]["__typename"], "Customer");
    assert_eq!(
        order["lineItems"]["nodes"][1]["originalUnitPriceSet"]["shopMoney"]["amount"],
        "20.5"
    );
    store.pay_order(id).unwrap();
    assert!(matches!(store.pay_order(id), Err(Refused::Invalid(_))));
    let order = client.data(ORDER, gid(id)).await["order"].clone();
    assert_eq!(order["displayFinancialStatus"], "PAID");
    assert_eq!(
        order["customer"],
        json!({"email": "ann@lee.example", "numberOfOrders": "1", "amountSpent": {"amount": "309.95"}})
    );
    store.refund_order(id, Some("100")).unwrap();
    let order = client.data(ORDER, gid(id)).await["order"].clone();
    assert_eq!(order["displayFinancialStatus"], "PARTIALLY_REFUNDED");
    assert_eq!(
        order["currentTotalPriceSet"]["shopMoney"]["amount"],
        "209.95"
    );
    assert_eq!(
        order["refunds"][0]["totalRefundedSet"]["shopMoney"]["amount"],
        "100.0"
    );
    assert!(matches!(
        store.refund_order(id, Some("210")),
        Err(Refused::Invalid(_))
    ));
    store.refund_order(id, None).unwrap();
    store.cancel_order(id, "customer").unwrap();
    let order = client.data(ORDER, gid(id)).await["order"].clone();
    assert_eq!(order["displayFinancialStatus"], "REFUNDED");
    assert_eq!(order["cancelReason"], "CUSTOMER");
    assert_eq!(order["transactions"].as_array().unwrap().len(), 3);
    store.delete_order(id).unwrap();
    assert_eq!(client.data(ORDER, gid(id)).await["order"], json!(null));
}

#[tokio::test]
async fn an_order_for_a_company() {
    let (shop, client) = started(options()).await;
    let store = shop.store();
    let customer = store
        .create_customer(CustomerDraft::named("Bo", "Berg", "bo@berg.example"))
        .unwrap();
    let company = store
        .create_company(CompanyDraft {
            customer: Some(customer),
            ..CompanyDraft::named("Berg AB")
        })
        .unwrap();
    let id = store
        .place_order(OrderDraft {
            company: Some(company),
            ..OrderDraft::paid("500")
        })
        .unwrap();
    let order = client.data(ORDER, gid(id)).await["order"].clone();
    assert_eq!(
        order["purchasingEntity"],
        json!({
            "__typename": "PurchasingCompany",
            "company": {"name": "Berg AB"},
            "contact": {"customer": {"id": format!("gid://shopify/Customer/{customer}")}},
            "location": {"name": "Berg AB"},
        })
    );
    assert!(matches!(
        store.delete_company(company),
        Err(Refused::Invalid(_))
    ));
    assert!(matches!(
        store.delete_customer(customer),
        Err(Refused::Invalid(_))
    ));
}

#[tokio::test]
async fn where_a_buyer_came_from_is_known_later() {
    let (shop, client) = started(options()).await;
    let id = shop
        .store()
        .place_order(OrderDraft {
            utm: Some(Utm {
                source: Some("acme".to_owned()),
                ..Utm::default()
            }),
            journey_lag_ms: 60_000,
            ..OrderDraft::paid("10")
        })
        .unwrap();
    let journey = client.data(ORDER, gid(id)).await["order"]["customerJourneySummary"].clone();
    assert_eq!(journey, json!({"ready": false, "lastVisit": null}));
    shop.clock().advance(std::time::Duration::from_secs(61));
    let journey = client.data(ORDER, gid(id)).await["order"]["customerJourneySummary"].clone();
    assert_eq!(journey["lastVisit"]["utmParameters"]["source"], "acme");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (shop, client) = started(options()).await;
    let store = shop.store();
    for draft in [
        OrderDraft::default(),
        OrderDraft::paid("ten"),
        OrderDraft::paid("-1"),
        OrderDraft {
            discount: Some("11".to_owned()),
            ..OrderDraft::paid("10")
        },
        OrderDraft {
            customer: Some(1),
            ..OrderDraft::paid("10")
        },
        OrderDraft {
            company: Some(1),
            new_customer: Some(CustomerDraft::named("A", "B", "a@b.example")),
            ..OrderDraft::paid("10")
        },
    ] {
        assert!(store.place_order(draft.clone()).is_err(), "{draft:?}");
    }
    let data = client
        .data(
            "{ ordersCount { count } customersCount { count } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data,
        json!({"ordersCount": {"count": 0}, "customersCount": {"count": 0}})
    );
}
