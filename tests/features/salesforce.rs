//! Salesforce: what changes there arrives here, what changes here arrives there once, and both stay quiet afterwards.

use sandbox::{Effect, Fault, SalesforceFeatures, SalesforceLimits, SalesforceSource};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{HubSpotSetup, Options, SalesforceSetup, Setups, TestApp};

const VENDOR: &str = "salesforce";

fn options(setup: SalesforceSetup) -> Options {
    Options {
        others: Setups {
            salesforce: Some(setup),
            ..Setups::default()
        },
        ..Options::default()
    }
}

fn generated(opportunities: usize) -> SalesforceSetup {
    SalesforceSetup {
        source: SalesforceSource::Generated { opportunities },
        ..SalesforceSetup::default()
    }
}

/// Everything that is due now and in the next seconds.
async fn settle(app: &TestApp) {
    for _ in 0..4 {
        app.drain().await;
        app.advance(Duration::from_secs(5));
    }
    app.salesforce().webhooks_idle().await;
    app.drain().await;
}

/// The same after a walk over changes.
async fn sync(app: &TestApp) {
    app.advance(Duration::from_secs(150));
    settle(app).await;
}

/// Calls that change something there.
fn writes(app: &TestApp) -> u64 {
    let counts = app.salesforce().counts();
    counts.of("composite/sobjects")
}

async fn made(app: &TestApp, name: &str, input: Value, what: &str) -> String {
    let answer = app
        .mutate(&app.admin(), name, input, &format!("{what} {{ id }}"))
        .await;
    assert_eq!(answer.refusals(name), Vec::<String>::new());
    answer.text(&format!("/{name}/{what}/id"))
}

async fn errors(app: &TestApp) -> Vec<String> {
    let queue = app
        .rows("SELECT error FROM outbound_push WHERE error IS NOT NULL")
        .await;
    queue
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// Answers the deals whose name this is, with their partners.
async fn deal(app: &TestApp, name: &str) -> Value {
    let token = app.admin();
    let query = "{ deals(first: 100) { nodes { id name stage closedAt amount { amount currency } customer { name } \
                 partners { role weightBp partnership { partner { name } } } } } }";
    let answer = app.ask(&token, query).await;
    let nodes = answer.at("/deals/nodes").as_array().unwrap().clone();
    let found = nodes.into_iter().find(|node| node["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not among {answer}"))
}

#[tokio::test]
async fn an_org_is_read_once_and_then_nothing_is_new() {
    let app = TestApp::start(options(generated(40))).await;
    let connection = app.connect(VENDOR).await;
    let run = app.sync(connection).await;
    assert_eq!(run.error, None, "{run:?}");
    let store = app.salesforce().store();
    assert_eq!(
        app.number("SELECT COUNT(*) FROM deal").await,
        store.count("Opportunity") as i64
    );
    let partners = store.find_by("Account", "Type", "Channel Partner / Reseller");
    assert_eq!(
        app.number("SELECT COUNT(*) FROM partner").await,
        partners.len() as i64
    );
    assert!(app.number("SELECT COUNT(*) FROM deal_partner").await > 0);
    let versions = "SELECT CAST(SUM(version) AS BIGINT) FROM deal";
    let before = app.number(versions).await;
    sync(&app).await;
    app.sync(connection).await;
    settle(&app).await;
    assert_eq!(app.number(versions).await, before);
    assert_eq!(writes(&app), 0, "{:?}", app.salesforce().counts());
    app.finish().await;
}

#[tokio::test]
async fn a_large_org_is_read_by_bulk_jobs() {
    let mut setup = generated(2_100);
    setup.limits = SalesforceLimits {
        bulk_job: Duration::from_secs(15),
        ..setup.limits
    };
    let app = TestApp::start(options(setup)).await;
    app.connect(VENDOR).await;
    for _ in 0..6 {
        app.drain().await;
        app.advance(Duration::from_secs(12));
    }
    app.drain().await;
    assert_eq!(
        app.number("SELECT COUNT(*) FROM deal").await,
        app.salesforce().store().count("Opportunity") as i64
    );
    let counts = app.salesforce().counts();
    assert!(counts.of("jobs/query") > 0, "{counts:?}");
    app.finish().await;
}

#[tokio::test]
async fn what_people_do_there_arrives_here() {
    let app = TestApp::start(options(SalesforceSetup::default())).await;
    let store = app.salesforce().store();
    let create = |object: &str, fields: Value| store.create(object, fields).unwrap();
    let customer = create(
        "Account",
        json!({ "Name": "Globex", "Website": "https://globex.example" }),
    );
    let partner = create(
        "Account",
        json!({ "Name": "Initech", "Type": "Technology Partner" }),
    );
    let twin = create(
        "Account",
        json!({ "Name": "Initech Ltd", "Type": "Technology Partner" }),
    );
    let opportunity = create(
        "Opportunity",
        json!({ "Name": "Rollout", "StageName": "Qualification", "CloseDate": "2026-12-31", "Amount": 10_000_000, "AccountId": customer }),
    );
    store
        .add_partner(&opportunity, &twin, "VAR/Reseller", true)
        .unwrap();
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    let first = deal(&app, "Rollout").await;
    assert_eq!(
        (
            &first["amount"]["amount"],
            &first["amount"]["currency"],
            &first["customer"]["name"]
        ),
        (&json!("10000000.00"), &json!("USD"), &json!("Globex"))
    );
    assert_eq!(first["partners"][0]["role"], "RESOLD", "{first}");
    assert_eq!(
        first["partners"][0]["partnership"]["partner"]["name"],
        "Initech Ltd"
    );

    // A role of its own leaves the deal's time alone, and comes nevertheless.
    store
        .add_partner(&opportunity, &partner, "Consultant", false)
        .unwrap();
    sync(&app).await;
    let second = deal(&app, "Rollout").await;
    assert_eq!(second["partners"].as_array().unwrap().len(), 2, "{second}");

    // A merge moves what hung on the loser without a word, and the partner's row lives on under the winner.
    let partners = app.number("SELECT COUNT(*) FROM partner").await;
    store.merge("Account", &partner, &[&twin]).unwrap();
    app.advance(Duration::from_secs(1_000));
    sync(&app).await;
    sync(&app).await;
    assert_eq!(app.number("SELECT COUNT(*) FROM partner").await, partners);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM external_link WHERE archived AND resource = 'company'")
            .await,
        1
    );

    // Lead conversion makes records whose lead keeps its time.
    let lead = create(
        "Lead",
        json!({ "LastName": "King", "FirstName": "Ada", "Company": "Hooli", "Email": "ada@hooli.example" }),
    );
    let converted = store.convert_lead(&lead).unwrap();
    sync(&app).await;
    assert_eq!(deal(&app, "Hooli-").await["customer"]["name"], "Hooli");
    assert_eq!(
        app.number("SELECT COUNT(*) FROM contact WHERE email = 'ada@hooli.example'")
            .await,
        1
    );

    // A deletion shows in the log, also when the bin was emptied in between.
    store.delete("Opportunity", &converted.opportunity).unwrap();
    store.empty_bin();
    sync(&app).await;
    assert_eq!(
        app.number("SELECT COUNT(*) FROM deal WHERE archived_at IS NOT NULL")
            .await,
        1
    );
    app.finish().await;
}

#[tokio::test]
async fn what_is_made_here_is_made_there_once() {
    let app = TestApp::start(options(SalesforceSetup::default())).await;
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    settle(&app).await;
    let customer = made(
        &app,
        "createCustomer",
        json!({ "name": "Globex", "domain": "globex.example" }),
        "customer",
    )
    .await;
    let partner = made(
        &app,
        "createPartner",
        json!({ "name": "Initech" }),
        "partner",
    )
    .await;
    let partnership = made(
        &app,
        "createPartnership",
        json!({ "partnerId": partner, "type": "CHANNEL" }),
        "partnership",
    )
    .await;
    let input = json!({
        "name": "Rollout", "customerId": customer, "stage": "QUALIFIED", "amount": { "amount": "1500.5", "currency": "USD" },
        "expectedCloseOn": "2026-12-31", "partners": [{ "partnershipId": partnership, "role": "RESOLD", "weightBp": 10_000 }],
    });
    let id = made(&app, "createDeal", input, "deal").await;
    made(
        &app,
        "createContact",
        json!({ "name": "Ada King Byron", "email": "ada@globex.example", "customerId": customer }),
        "contact",
    )
    .await;
    settle(&app).await;
    assert_eq!(errors(&app).await, Vec::<String>::new());
    let store = app.salesforce().store();
    let found = store.find_by("Opportunity", "Name", "Rollout");
    assert_eq!(found.len(), 1);
    let there = store.get("Opportunity", &found[0]).unwrap();
    assert_eq!(
        (&there["CloseDate"], &there["StageName"]),
        (&json!("2026-12-31"), &json!("Qualification"))
    );
    assert_eq!(there["Amount"].as_f64(), Some(1_500.5));
    assert_eq!(there["Entente_Reference__c"], json!(id));
    let account = store
        .get("Account", there["AccountId"].as_str().unwrap())
        .unwrap();
    assert_eq!(account["Name"], "Globex");
    assert_eq!(store.count("OpportunityPartner"), 1);
    assert_eq!(store.find_by("Contact", "LastName", "Byron").len(), 1);

    // An edit is one write, and its echo none.
    let before = writes(&app);
    for name in ["One", "Two", "Renamed"] {
        app.mutate(
            &app.admin(),
            "updateDeal",
            json!({ "id": id, "name": name }),
            "deal { id }",
        )
        .await;
    }
    settle(&app).await;
    assert_eq!(writes(&app), before + 1);
    let versions = "SELECT CAST(SUM(version) AS BIGINT) FROM deal";
    let known = app.number(versions).await;
    sync(&app).await;
    sync(&app).await;
    assert_eq!(
        (writes(&app), app.number(versions).await),
        (before + 1, known)
    );
    assert_eq!(store.find_by("Opportunity", "Name", "Renamed").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_deal_won_elsewhere_is_one_write_here_and_keeps_its_moment() {
    let setups = Setups {
        hubspot: Some(HubSpotSetup::generated(2)),
        salesforce: Some(SalesforceSetup::default()),
        ..Setups::default()
    };
    let app = TestApp::start(Options {
        others: setups,
        ..Options::default()
    })
    .await;
    let hubspot = app.connect_hubspot().await;
    app.sync(hubspot).await;
    let salesforce = app.connect(VENDOR).await;
    app.sync(salesforce).await;
    settle(&app).await;
    let input = json!({ "name": "Won", "stage": "QUALIFIED", "amount": { "amount": "10", "currency": "USD" }, "expectedCloseOn": "2026-12-31" });
    let id = made(&app, "createDeal", input, "deal").await;
    settle(&app).await;
    assert_eq!(errors(&app).await, Vec::<String>::new());
    let before = writes(&app);
    let closed = app
        .mutate(
            &app.admin(),
            "winDeal",
            json!({ "id": id }),
            "deal { id stage closedAt }",
        )
        .await;
    assert_eq!(closed.refusals("winDeal"), Vec::<String>::new(), "{closed}");
    let moment = closed.at("/winDeal/deal/closedAt").clone();
    settle(&app).await;
    sync(&app).await;
    sync(&app).await;
    assert_eq!(writes(&app), before + 1, "{:?}", app.salesforce().counts());
    let there = app
        .salesforce()
        .store()
        .find_by("Opportunity", "StageName", "Closed Won");
    assert_eq!(there.len(), 1);
    // Salesforce keeps the day; the moment is ours, and stays.
    assert_eq!(deal(&app, "Won").await["closedAt"], moment);
    app.finish().await;
}

#[tokio::test]
async fn without_the_field_for_our_reference_the_administrator_is_told_what_to_add() {
    let setup = SalesforceSetup {
        features: SalesforceFeatures {
            reference_field: false,
            ..SalesforceFeatures::default()
        },
        ..SalesforceSetup::default()
    };
    let mut app = TestApp::start(options(setup)).await;
    app.expect_warning("pushes could not be worked on");
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    made(
        &app,
        "createCustomer",
        json!({ "name": "Globex" }),
        "customer",
    )
    .await;
    settle(&app).await;
    let told = errors(&app).await;
    assert!(
        told.iter().any(|error| error.contains("Entente_Reference__c") && error.contains("Object Manager")),
        "{told:?}"
    );
    assert_eq!(app.salesforce().store().count("Account"), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_message_brings_a_change_and_a_session_that_ended_is_renewed() {
    let setup = SalesforceSetup {
        messages: true,
        ..SalesforceSetup::default()
    };
    let app = TestApp::start(options(setup)).await;
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    settle(&app).await;
    app.salesforce().expire_tokens().unwrap();
    let store = app.salesforce().store();
    let account = store
        .create("Account", json!({ "Name": "Globex" }))
        .unwrap();
    let fields = json!({ "Name": "Rollout", "StageName": "Prospecting", "CloseDate": "2026-12-31", "AccountId": account });
    store.create("Opportunity", fields).unwrap();
    app.salesforce().webhooks_idle().await;
    app.drain().await;
    app.salesforce().webhooks_idle().await;
    app.drain().await;
    assert_eq!(deal(&app, "Rollout").await["customer"]["name"], "Globex");
    let states = app.rows("SELECT state FROM inbound_webhook").await;
    assert!(!states.is_empty(), "it came by message, not by a walk");
    app.finish().await;
}

#[tokio::test]
async fn a_locked_row_is_tried_again_and_a_cut_answer_makes_nothing_twice() {
    let mut app = TestApp::start(options(SalesforceSetup::default())).await;
    app.expect_warning("pushes could not be worked on");
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    settle(&app).await;
    let fault = |effect| Fault::next("/services/data/v68.0/composite/sobjects", 1, effect);
    app.salesforce().fail(fault(Effect::Partial {}));
    app.salesforce().fail(fault(Effect::CloseAfter {}));
    made(
        &app,
        "createCustomer",
        json!({ "name": "Globex" }),
        "customer",
    )
    .await;
    for _ in 0..10 {
        app.drain().await;
        app.advance(Duration::from_secs(60));
    }
    assert_eq!(
        app.salesforce()
            .store()
            .find_by("Account", "Name", "Globex")
            .len(),
        1
    );
    assert_eq!(errors(&app).await, Vec::<String>::new());
    app.finish().await;
}
