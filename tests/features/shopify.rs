//! Shopify: an order there is a deal and money here, whichever of its messages comes first, and what a shop hides stays a gap and no loss.

use sandbox::shopify::{CompanyDraft, CustomerDraft, OrderDraft, Utm};
use sandbox::{ShopSource, ShopifyLimits};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Options, SHOP, Setups, ShopifySetup, TestApp};

const VENDOR: &str = "shopify";

fn options(setup: ShopifySetup) -> Options {
    Options {
        others: Setups {
            shopify: Some(setup),
            ..Setups::default()
        },
        ..Options::default()
    }
}

fn generated(orders: usize) -> ShopifySetup {
    ShopifySetup {
        source: ShopSource::Generated { orders },
        ..ShopifySetup::default()
    }
}

/// Everything that is due now and in the next minutes.
async fn settle(app: &TestApp) {
    for _ in 0..6 {
        app.drain().await;
        app.shopify().webhooks_idle().await;
        app.advance(Duration::from_secs(40));
    }
    app.drain().await;
}

/// The deals with what was paid and refunded of them.
async fn deals(app: &TestApp) -> Vec<Value> {
    let query = "{ deals(first: 100) { nodes { id name stage amount { amount currency } customer { name } \
                 revenueEvents(first: 20) { nodes { kind amount { amount currency } externalKey } } } } }";
    let answer = app.ask(&app.admin(), query).await;
    answer.at("/deals/nodes").as_array().unwrap().clone()
}

fn buyer() -> CustomerDraft {
    CustomerDraft {
        email: Some("ada@engines.example".to_owned()),
        first_name: Some("Ada".to_owned()),
        last_name: Some("King".to_owned()),
        ..CustomerDraft::default()
    }
}

fn order(price: &str) -> OrderDraft {
    OrderDraft {
        new_customer: Some(buyer()),
        utm: Some(Utm {
            source: Some("newsletter".to_owned()),
            ..Utm::default()
        }),
        discount_codes: vec!["ACME10".to_owned()],
        ..OrderDraft::paid(price)
    }
}

async fn written(app: &TestApp) -> i64 {
    app.number("SELECT COUNT(*) FROM event WHERE kind NOT LIKE 'sync.%'")
        .await
}

#[tokio::test]
async fn a_shop_is_read_once_and_then_nothing_is_new() {
    let app = TestApp::start(options(generated(60))).await;
    app.connect(VENDOR).await;
    settle(&app).await;
    let deals = deals(&app).await;
    assert!(deals.len() > 30, "{} deals", deals.len());
    let paid = deals.iter().filter(|deal| deal["stage"] == "WON").count();
    assert!(paid > 15);
    let before = written(&app).await;
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    assert_eq!(written(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn an_order_is_a_deal_and_its_payments_and_refunds_are_money_once() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.connect(VENDOR).await;
    settle(&app).await;
    let id = app.shopify().store().place_order(order("238.47")).unwrap();
    settle(&app).await;
    let found = deals(&app).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["stage"], "WON");
    assert_eq!(
        found[0]["amount"],
        json!({"amount": "238.47", "currency": "USD"})
    );
    app.shopify()
        .store()
        .refund_order(id, Some("38.47"))
        .unwrap();
    settle(&app).await;
    let found = deals(&app).await;
    let lines = found[0]["revenueEvents"]["nodes"].as_array().unwrap();
    let mut told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&line["kind"]), text(&line["amount"]["amount"]))
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            ("PAYMENT".to_owned(), "238.47".to_owned()),
            ("REFUND".to_owned(), "38.47".to_owned())
        ]
    );
    let before = written(&app).await;
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    assert_eq!(
        written(&app).await,
        before,
        "the same order again is no news"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_large_shop_is_read_by_a_bulk_operation() {
    let app = TestApp::start(options(ShopifySetup {
        limits: ShopifyLimits {
            bulk_delay: Duration::from_millis(50),
            ..ShopifySetup::default().limits
        },
        ..generated(2_300)
    }))
    .await;
    app.connect(VENDOR).await;
    for _ in 0..12 {
        app.drain().await;
        app.advance(Duration::from_secs(40));
    }
    app.drain().await;
    let orders = app
        .number("SELECT COUNT(*) FROM external_link WHERE resource = 'order'")
        .await;
    assert!(orders > 2_000, "{orders} orders");
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_order_is_archived_when_shopify_says_so() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.connect(VENDOR).await;
    settle(&app).await;
    let kept = app.shopify().store().place_order(order("10.00")).unwrap();
    let gone = app.shopify().store().place_order(order("20.00")).unwrap();
    assert!(kept < gone);
    settle(&app).await;
    assert_eq!(deals(&app).await.len(), 2);
    app.shopify().store().delete_order(gone).unwrap();
    settle(&app).await;
    let left = deals(&app).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["amount"]["amount"], "10.00");
    app.finish().await;
}

#[tokio::test]
async fn the_shops_subscriptions_are_made_and_an_uninstall_ends_the_connection() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.connect(VENDOR).await;
    settle(&app).await;
    let topics: Vec<String> = app
        .shopify()
        .subscriptions()
        .into_iter()
        .map(|(topic, _)| topic)
        .collect();
    assert!(
        topics
            .iter()
            .any(|topic| topic.eq_ignore_ascii_case("orders/create") || topic == "ORDERS_CREATE"),
        "{topics:?}"
    );
    app.shopify().uninstall().unwrap();
    app.shopify().webhooks_idle().await;
    app.drain().await;
    let answer = app
        .ask(
            &app.admin(),
            "{ connections { nodes { connector status account { id } } } }",
        )
        .await;
    assert_ne!(answer.at("/connections/nodes/0/status"), "ACTIVE");
    assert_eq!(answer.at("/connections/nodes/0/account/id"), SHOP);
    app.finish().await;
}

#[tokio::test]
async fn a_company_and_its_customer_arrive_tied() {
    let app = TestApp::start(options(ShopifySetup::default())).await;
    let shop = app.shopify().store();
    let company = shop
        .create_company(CompanyDraft {
            name: Some("Engines Ltd".to_owned()),
            ..CompanyDraft::default()
        })
        .unwrap();
    shop.place_order(OrderDraft {
        company: Some(company),
        ..order("99.00")
    })
    .unwrap();
    app.connect(VENDOR).await;
    settle(&app).await;
    let found = deals(&app).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["customer"]["name"], "Engines Ltd");
    app.finish().await;
}

#[tokio::test]
async fn a_change_of_a_customer_here_arrives_there_once() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.shopify().store().place_order(order("10.00")).unwrap();
    app.connect(VENDOR).await;
    settle(&app).await;
    let token = app.admin();
    let answer = app
        .ask(&token, "{ contacts(first: 10) { nodes { id email } } }")
        .await;
    assert_eq!(answer.at("/contacts/nodes/0/email"), "ada@engines.example");
    let id = answer.text("/contacts/nodes/0/id");
    let input = json!({ "id": id, "email": "ada.king@engines.example" });
    let changed = app
        .mutate(&token, "updateContact", input, "contact { id }")
        .await;
    assert_eq!(changed.refusals("updateContact"), Vec::<String>::new());
    settle(&app).await;
    let there = app.shopify().store().customers();
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(there[0].2.as_deref(), Some("ada.king@engines.example"));
    let before = written(&app).await;
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    assert_eq!(written(&app).await, before, "the echo is no news");
    app.finish().await;
}

const MAPPING: &str = "{ connections { nodes { id mapping {
    company { partnerWhen { property values } partnership { type stage } partnerFields { field property } customerFields { field property } policy { push conflicts fields { field policy } } }
    contact { fields { field property } policy { push conflicts fields { field policy } } }
    deal { fields { field property } stages { externalId stage } labels { label role weightBp } policy { push conflicts fields { field policy } } }
    order { deals partnerFrom { property partners { value partner } byDomain } role weightBp policy { push conflicts fields { field policy } } }
    chat { channel partners { partnerId channel } dealWon dealLost }
} } } }";

/// Where the programme wants it, a customer and a person there are made in the shop, carrying our references, once.
#[tokio::test]
async fn a_company_and_a_person_are_made_there_when_the_mapping_says_so() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.connect(VENDOR).await;
    settle(&app).await;
    let token = app.admin();
    let answer = app.ask(&token, MAPPING).await;
    let mut mapping = answer.at("/connections/nodes/0/mapping").clone();
    for kind in ["company", "contact"] {
        mapping[kind]["policy"]["push"] = json!("CREATE_AND_UPDATE");
    }
    let input =
        json!({ "connectionId": answer.text("/connections/nodes/0/id"), "mapping": mapping });
    let done = app
        .mutate(&token, "updateMapping", input, "application")
        .await;
    assert_eq!(
        done.refusals("updateMapping"),
        Vec::<String>::new(),
        "{done}"
    );
    let made = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Engines Ltd" }),
            "customer { id }",
        )
        .await;
    let customer = made.text("/createCustomer/customer/id");
    let person =
        json!({ "name": "Ada King", "email": "ada@engines.example", "customerId": customer });
    let made = app
        .mutate(&token, "createContact", person, "contact { id }")
        .await;
    assert_eq!(made.refusals("createContact"), Vec::<String>::new());
    settle(&app).await;
    let errors = app
        .rows("SELECT error FROM outbound_push WHERE error IS NOT NULL")
        .await;
    let errors: Vec<String> = errors
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    let there = app.shopify().store().customers();
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(
        (there[0].1.as_str(), there[0].2.as_deref()),
        ("Ada King", Some("ada@engines.example"))
    );
    let links = app
        .number("SELECT COUNT(*) FROM external_link WHERE subject_id IS NOT NULL")
        .await;
    assert_eq!(links, 2);
    let before = written(&app).await;
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    assert_eq!(written(&app).await, before, "the echo is no news");
    app.finish().await;
}
