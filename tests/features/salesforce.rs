//! Salesforce: what changes there arrives here, what changes here arrives there once, and both stay quiet afterwards.

use entities::sync_run::SyncRunStatus;
use integrations::sync::SyncKind;
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
    // The loser's share in the deal is the winner's now, as it is there, though nobody told of the deal.
    let merged = deal(&app, "Rollout").await;
    let mut shares: Vec<(String, String)> = merged["partners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let of = &share["partnership"]["partner"]["name"];
            (text(&share["role"]), text(of))
        })
        .collect();
    shares.sort();
    let winner = |role: &str| (role.to_owned(), "Initech".to_owned());
    assert_eq!(shares, [winner("INFLUENCED"), winner("RESOLD")], "{merged}");
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

/// What is made together arrives together: a deal that had to wait for its customer leaves in the moment in which the customer is there.
#[tokio::test]
async fn a_deal_that_waits_for_its_customer_leaves_as_soon_as_it_is_there() {
    let mut app = TestApp::start(options(SalesforceSetup::default())).await;
    app.expect_warning("pushes could not be worked on");
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    settle(&app).await;
    // The customer is refused once, for a while, so that the deal finds it on its way.
    let refusal = Fault::next(
        "/services/data/v68.0/composite/sobjects/Account",
        1,
        Effect::Status {
            status: 503,
            body: None,
            retry_after: None,
        },
    );
    app.salesforce().fail(refusal);
    let customer = made(
        &app,
        "createCustomer",
        json!({ "name": "Globex" }),
        "customer",
    )
    .await;
    let input =
        json!({ "name": "Rollout", "customerId": customer, "expectedCloseOn": "2027-12-31" });
    made(&app, "createDeal", input, "deal").await;
    app.drain().await;
    let store = app.salesforce().store();
    assert_eq!((store.count("Account"), store.count("Opportunity")), (0, 0));
    let waits = "SELECT COUNT(*) FROM outbound_push WHERE error LIKE 'END_COMING%'";
    assert_eq!(app.number(waits).await, 1);
    // The deal waits for longer than the customer does. In steps so small that both do not become due in the same.
    for _ in 0..200 {
        app.advance(Duration::from_millis(50));
        app.drain().await;
        if store.count("Account") > 0 {
            break;
        }
    }
    assert_eq!((store.count("Account"), store.count("Opportunity")), (1, 1));
    settle(&app).await;
    app.finish().await;
}

/// A merge that no delta and no log has told of is found by the complete walk, as the merge that it is and not as a record that has gone.
#[tokio::test]
async fn a_merge_that_nobody_told_of_is_found_by_reconciling() {
    let app = TestApp::start(options(SalesforceSetup::default())).await;
    let store = app.salesforce().store();
    let account = |name: &str| {
        let fields = json!({ "Name": name, "Type": "Technology Partner" });
        store.create("Account", fields).unwrap()
    };
    let (winner, loser) = (account("Initech"), account("Initech Ltd"));
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    settle(&app).await;
    app.advance(Duration::from_secs(7_200));
    settle(&app).await;
    store.merge("Account", &winner, &[&loser]).unwrap();
    // Behind everybody's cursor, as what a long transaction wrote, and no longer in the log of deletions.
    let long_ago = app.salesforce().clock().now_ms() - 7_000_000;
    store.set_stamp("Account", &winner, long_ago).unwrap();
    store.set_stamp("Account", &loser, long_ago).unwrap();
    store.purge_delete_log(app.salesforce().clock().now_ms() + 1_000);
    let run = app
        .state
        .core
        .engine
        .sync_connection(connection, SyncKind::Reconcile, |_| {})
        .await
        .unwrap();
    assert_eq!(run.status, SyncRunStatus::Completed, "{run:?}");
    settle(&app).await;
    // One of two companies would be far above the guard, had it been taken for gone.
    let answer = app
        .ask(
            &app.admin(),
            "{ connections { nodes { status } } partners(first: 9) { nodes { name archivedAt } } }",
        )
        .await;
    assert_eq!(answer.at("/connections/nodes/0/status"), "ACTIVE");
    assert_eq!(answer.list("/partners/nodes").len(), 2, "{answer}");
    let closed = format!(
        "SELECT COUNT(*) FROM external_link WHERE archived AND resource = 'company' AND external_id = '{loser}'"
    );
    assert_eq!(app.number(&closed).await, 1);
    let mut app = app;
    app.expect_warning("a lane stumbled");
    app.finish().await;
}

const MAPPING: &str = "{ connections { nodes { id mapping {
    company { partnerWhen { property values } partnership { type stage } partnerFields { field property } customerFields { field property } policy { push archive conflicts fields { field policy } } }
    contact { fields { field property } policy { push archive conflicts fields { field policy } } }
    deal { fields { field property } stages { externalId stage } labels { label role weightBp } policy { push archive conflicts fields { field policy } } }
} } } }";

async fn archive(app: &TestApp, mutation: &str, id: &str, what: &str) {
    let input = json!({ "id": id, "archived": true });
    let answer = app
        .mutate(&app.admin(), mutation, input, &format!("{what} {{ id }}"))
        .await;
    assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
}

/// To put an account away in Salesforce is to delete it, with its people and deals, so that is done only where a person has chosen it.
#[tokio::test]
async fn what_is_archived_here_is_deleted_there_only_when_the_mapping_says_so() {
    let app = TestApp::start(options(SalesforceSetup::default())).await;
    let connection = app.connect(VENDOR).await;
    app.sync(connection).await;
    settle(&app).await;
    let store = app.salesforce().store();
    let customer =
        async |name: &str| made(&app, "createCustomer", json!({ "name": name }), "customer").await;
    let deal = async |name: &str| {
        let input = json!({ "name": name, "expectedCloseOn": "2027-12-31" });
        made(&app, "createDeal", input, "deal").await
    };
    let (one, two) = (customer("Globex").await, customer("Initech").await);
    let (first, second) = (deal("First").await, deal("Second").await);
    settle(&app).await;
    assert_eq!((store.count("Account"), store.count("Opportunity")), (2, 2));

    // As it is in the beginning: it stays there, and the runs say so.
    let before = writes(&app);
    archive(&app, "updateCustomer", &one, "customer").await;
    archive(&app, "updateDeal", &first, "deal").await;
    settle(&app).await;
    sync(&app).await;
    assert_eq!((store.count("Account"), store.count("Opportunity")), (2, 2));
    assert_eq!(writes(&app), before);
    let told = app
        .rows("SELECT CAST(findings AS TEXT) FROM sync_run WHERE kind = 'push'")
        .await;
    let told: Vec<String> = told
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    for id in [&one, &first] {
        let said = |text: &&String| text.contains("NOT_ARCHIVED") && text.contains(id.as_str());
        assert_eq!(told.iter().filter(said).count(), 1, "{id}: {told:?}");
    }
    assert_eq!(errors(&app).await, Vec::<String>::new());
    // Here they stay archived, however often they are read there.
    let archived = "SELECT (SELECT COUNT(*) FROM deal WHERE archived_at IS NOT NULL) + (SELECT COUNT(*) FROM customer WHERE archived_at IS NOT NULL)";
    assert_eq!(app.number(archived).await, 2);

    // Once it is chosen, what is archived from then on is deleted there.
    let answer = app.ask(&app.admin(), MAPPING).await;
    let mut mapping = answer.at("/connections/nodes/0/mapping").clone();
    for kind in ["company", "deal"] {
        assert_eq!(mapping[kind]["policy"]["archive"], false, "{answer}");
        mapping[kind]["policy"]["archive"] = json!(true);
    }
    let input = json!({ "connectionId": connection.to_string(), "mapping": mapping });
    let done = app
        .mutate(&app.admin(), "updateMapping", input, "application")
        .await;
    assert_eq!(
        done.refusals("updateMapping"),
        Vec::<String>::new(),
        "{done}"
    );
    settle(&app).await;
    archive(&app, "updateCustomer", &two, "customer").await;
    archive(&app, "updateDeal", &second, "deal").await;
    settle(&app).await;
    sync(&app).await;
    assert_eq!((store.count("Account"), store.count("Opportunity")), (1, 1));
    assert_eq!(store.find_by("Account", "Name", "Globex").len(), 1);
    assert_eq!(app.number(archived).await, 4);
    app.finish().await;
}
