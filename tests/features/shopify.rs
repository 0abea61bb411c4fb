//! Shopify: an order there is a deal and money here, whichever of its messages comes first, and what a shop hides stays a gap and no loss.

use integrations::http::ClientSettings;
use integrations::oauth::{AppCredentials, AuthorizeRequest};
use sandbox::shopify::{CompanyDraft, CustomerDraft, OrderDraft, Utm};
use sandbox::{ShopSource, ShopifyLimits};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{CLIENT_SECRET, Options, SHOP, Setups, ShopifySetup, TestApp};

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
                 revenueEvents(first: 20, filter: {kind: {in: [PAYMENT, REFUND]}}) { nodes { kind amount { amount currency } externalKey } } } } }";
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

/// Shopify refuses the whole consent of an app that asks for more than it may, so what not every app may is asked for when a person says so.
#[tokio::test]
async fn the_orders_of_all_times_are_asked_for_only_where_the_setting_says_so() {
    for (setting, asked) in [(None, false), (Some("false"), false), (Some("true"), true)] {
        let options = match setting {
            Some(value) => Options::default().with("ENTENTE_SHOPIFY_ALL_ORDERS", value),
            None => Options::default(),
        };
        let app = TestApp::start(options).await;
        let connector = app.state.core.registry.get(VENDOR).unwrap();
        let redirect = app.public_url().url_at("/oauth/callback/shopify");
        let site = connector.auth().site(Some(SHOP)).unwrap();
        let request = AuthorizeRequest::new(redirect, site, app.state.core.chance.as_ref());
        let credentials = AppCredentials::new("id", "secret");
        let url = connector
            .auth()
            .authorize_url(&credentials, &request)
            .unwrap();
        let scopes = url
            .query_pairs()
            .find(|(name, _)| name == "scope")
            .map(|(_, scopes)| scopes.into_owned())
            .unwrap();
        let has = scopes.split(',').any(|scope| scope == "read_all_orders");
        assert_eq!(has, asked, "{setting:?}: {scopes}");
        app.finish().await;
    }
}

/// The old secret goes on signing for a while after a new one was made, and for that while both are good.
#[tokio::test]
async fn a_secret_is_rotated_and_no_delivery_is_lost() {
    const NEW: &str = "the-new-secret-of-the-tests-app";
    let setup = ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    };
    let options = options(setup)
        .with("ENTENTE_SHOPIFY_CLIENT_SECRET", NEW)
        .with("ENTENTE_SHOPIFY_CLIENT_SECRET_PREVIOUS", CLIENT_SECRET)
        // What arrives comes by webhook or not at all.
        .with("ENTENTE_SYNC_INTERVAL_SECONDS", 86_400);
    let app = TestApp::start(options).await;
    app.shopify().rotate_secret(NEW).unwrap();
    app.connect(VENDOR).await;
    settle(&app).await;
    let shop = app.shopify().store();
    shop.place_order(order("10.00")).unwrap();
    settle(&app).await;
    assert_eq!(deals(&app).await.len(), 1, "signed with the old secret");
    app.shopify().sign_with_new_secret().unwrap();
    shop.place_order(order("20.00")).unwrap();
    settle(&app).await;
    assert_eq!(deals(&app).await.len(), 2, "signed with the new one");
    // The tokens are renewed with the new one as well.
    app.shopify().expire_tokens().unwrap();
    let before = app.shopify().counts().of("/access_token");
    shop.place_order(order("30.00")).unwrap();
    settle(&app).await;
    assert_eq!(deals(&app).await.len(), 3);
    assert!(app.shopify().counts().of("/access_token") > before);
    let answer = app
        .ask(&app.admin(), "{ connections { nodes { status } } }")
        .await;
    assert_eq!(answer.at("/connections/nodes/0/status"), "ACTIVE");
    app.finish().await;
}

const WISHES: &str = "{ privacyRequests(orderBy: [{field: CREATED_AT}]) { nodes { kind status outcome { contacts records deliveries } error export } } }";

/// How often a text stands anywhere in what is kept of the account: rows, shadows, deliveries, the log.
async fn kept(app: &TestApp, text: &str) -> i64 {
    let body = if app.database().is_postgres() {
        "encode(body, 'escape')"
    } else {
        "CAST(body AS TEXT)"
    };
    let mut found = 0;
    for (table, column) in [
        ("contact", "COALESCE(name, '') || COALESCE(email, '')"),
        ("external_link", "CAST(shadow AS TEXT)"),
        ("inbound_webhook", body),
        ("event", "CAST(data AS TEXT)"),
    ] {
        let count = format!("SELECT COUNT(*) FROM {table} WHERE {column} LIKE '%{text}%'");
        found += app.number(&count).await;
    }
    found
}

#[tokio::test]
async fn a_persons_wishes_and_the_shops_own_are_carried_out() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.connect(VENDOR).await;
    settle(&app).await;
    app.shopify().store().place_order(order("10.00")).unwrap();
    settle(&app).await;
    assert!(kept(&app, "ada@engines").await > 0);
    let (ada, _, _) = app.shopify().store().customers().remove(0);

    // What is known of her is put together for whoever hands it over.
    app.shopify().request_customer_data(ada).unwrap();
    settle(&app).await;
    let answer = app.ask(&app.admin(), WISHES).await;
    let wish = answer.at("/privacyRequests/nodes/0").clone();
    assert_eq!(
        (&wish["kind"], &wish["status"]),
        (&json!("DATA_REQUEST"), &json!("COMPLETED")),
        "{answer}"
    );
    let export = wish["export"].to_string();
    assert!(export.contains("ada@engines.example"), "{export}");
    assert_eq!(wish["export"]["deals"].as_array().unwrap().len(), 1);

    // She is forgotten; what was bought and paid stays.
    let money = "SELECT COUNT(*) FROM revenue_event";
    let before = (app.number(money).await, deals(&app).await.len());
    app.shopify().redact_customer(ada).unwrap();
    settle(&app).await;
    let answer = app.ask(&app.admin(), WISHES).await;
    let wish = answer.at("/privacyRequests/nodes/1").clone();
    assert_eq!(
        (&wish["kind"], &wish["status"], &wish["outcome"]["contacts"]),
        (&json!("REDACT_PERSON"), &json!("COMPLETED"), &json!(1)),
        "{answer}"
    );
    // Of all that was kept only what was put together for her own wish still names her.
    assert_eq!(kept(&app, "ada@engines").await, 0);
    assert_eq!((app.number(money).await, deals(&app).await.len()), before);
    // And she does not come back with the next order that Shopify tells of.
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    assert_eq!(kept(&app, "ada@engines").await, 0);

    // The shop goes: everything that came from it goes too, but history.
    app.shopify().redact_shop();
    settle(&app).await;
    let answer = app.ask(&app.admin(), WISHES).await;
    let wish = answer.at("/privacyRequests/nodes/2").clone();
    assert_eq!(
        (&wish["kind"], &wish["status"]),
        (&json!("REDACT_ACCOUNT"), &json!("COMPLETED")),
        "{answer}"
    );
    assert_eq!(app.number(money).await, before.0);
    app.finish().await;
}

/// A real bucket: answers that say THROTTLED with the status of a success are waits, and in the end everything is there.
#[tokio::test]
async fn a_shop_that_throttles_is_read_to_the_end() {
    let setup = generated(400);
    let limits = ShopifyLimits {
        // What a shop has on a small plan; a single query may cost nearly all of it.
        bucket: Some(1_000),
        restore_per_second: 50,
        ..setup.limits
    };
    let mut app = TestApp::start(Options {
        // Our own pace would keep us from ever being refused.
        client: Some(ClientSettings {
            paced: false,
            ..ClientSettings::default()
        }),
        ..options(ShopifySetup { limits, ..setup })
    })
    .await;
    app.expect_warning("a lane stumbled");
    let connection = app.connect(VENDOR).await;
    for _ in 0..60 {
        app.drain().await;
        app.advance(Duration::from_secs(10));
    }
    app.drain().await;
    assert!(app.shopify().throttled() > 0, "it never had to refuse us");
    let orders = "SELECT COUNT(*) FROM external_link WHERE resource = 'order'";
    let first = app.number(orders).await;
    assert!(first > 300, "{first} orders");
    let people = app.shopify().store().customers().len();
    let linked = "SELECT COUNT(*) FROM external_link WHERE resource = 'contact'";
    assert_eq!(
        usize::try_from(app.number(linked).await).unwrap(),
        people,
        "every customer is here"
    );
    let failed = "SELECT COUNT(*) FROM sync_run WHERE status = 'FAILED'";
    assert_eq!(app.number(failed).await, 0);
    // Nothing was passed over while it had to wait.
    let before = written(&app).await;
    for _ in 0..30 {
        app.advance(Duration::from_secs(30));
        app.drain().await;
    }
    let run = app.sync(connection).await;
    assert_eq!(run.error, None, "{run:?}");
    assert_eq!(
        (app.number(orders).await, written(&app).await),
        (first, before)
    );
    app.finish().await;
}

/// Two customers that became one there are one here, whichever of its messages comes.
#[tokio::test]
async fn customers_that_became_one_are_one_here() {
    let app = TestApp::start(options(ShopifySetup {
        webhooks: true,
        ..ShopifySetup::default()
    }))
    .await;
    app.connect(VENDOR).await;
    settle(&app).await;
    let shop = app.shopify().store();
    let one = CustomerDraft::named("Ada", "King", "ada@engines.example");
    let one = shop.create_customer(one).unwrap();
    let two = CustomerDraft::named("Ada", "Byron", "byron@engines.example");
    let two = shop.create_customer(two).unwrap();
    settle(&app).await;
    let live = "SELECT COUNT(*) FROM contact WHERE archived_at IS NULL";
    assert_eq!(app.number(live).await, 2);
    shop.merge_customers(one, two).unwrap();
    settle(&app).await;
    assert_eq!(app.number(live).await, 1);
    let unread = "SELECT COUNT(*) FROM inbound_webhook WHERE error IS NOT NULL";
    assert_eq!(app.number(unread).await, 0, "it is understood");
    app.finish().await;
}

/// An order may name a partner who is not in the programme yet. When they come, the deal is theirs, and nobody asks the shop again.
#[tokio::test]
async fn a_partner_who_comes_after_an_order_is_given_their_share() {
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
    mapping["order"]["partnerFrom"] =
        json!([{ "property": "utm_source", "partners": [], "byDomain": true }]);
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
    settle(&app).await;
    let campaign = |source: &str| OrderDraft {
        utm: Some(Utm {
            source: Some(source.to_owned()),
            ..Utm::default()
        }),
        ..order("10.00")
    };
    for source in ["initech.example", "globex.example", "nobody.example"] {
        app.shopify().store().place_order(campaign(source)).unwrap();
    }
    settle(&app).await;
    let named = async || {
        let query = "{ deals(first: 9) { nodes { partners { role partner { name } } } } }";
        let answer = app.ask(&token, query).await;
        let mut names: Vec<String> = answer
            .list("/deals/nodes")
            .iter()
            .flat_map(|deal| deal["partners"].as_array().unwrap())
            .map(|share| share["partner"]["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(named().await, Vec::<String>::new());
    assert_eq!(deals(&app).await.len(), 3);

    // With a partnership of their own, for a share needs one.
    let partner = async |input: Value| {
        let made = app.mutate(&token, "createPartner", input, "partner { id }");
        let id = made.await.text("/createPartner/partner/id");
        let input = json!({ "partnerId": id, "type": "CHANNEL" });
        let begun = app.mutate(&token, "createPartnership", input, "partnership { id }");
        let refused = begun.await.refusals("createPartnership");
        assert_eq!(refused, Vec::<String>::new());
        id
    };
    let asked = || app.shopify().counts().of("#orders");
    let before = asked();
    partner(json!({ "name": "Initech", "domain": "initech.example" })).await;
    app.drain().await;
    assert_eq!(named().await, ["Initech"]);
    // Known for long, and only now by this domain.
    let id = partner(json!({ "name": "Globex" })).await;
    app.drain().await;
    assert_eq!(named().await, ["Initech"]);
    let input = json!({ "id": id, "domain": "globex.example" });
    app.mutate(&token, "updatePartner", input, "partner { id }")
        .await;
    app.drain().await;
    assert_eq!(named().await, ["Globex", "Initech"]);
    assert_eq!(asked(), before, "the shop is not asked for that");
    let quiet = written(&app).await;
    app.advance(Duration::from_secs(900));
    settle(&app).await;
    assert_eq!(written(&app).await, quiet);
    app.finish().await;
}
