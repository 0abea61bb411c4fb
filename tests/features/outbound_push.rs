//! What changes here reaches HubSpot, once, and comes back as nothing new.

use sandbox::Kind;
use serde_json::json;
use std::time::Duration;
use tests::{HubSpotSetup, Options, TestApp};

/// Everything that is due now and in the next seconds.
async fn settle(app: &TestApp) {
    for _ in 0..4 {
        app.drain().await;
        app.advance(Duration::from_secs(5));
    }
    app.hubspot().webhooks_idle().await;
    app.drain().await;
}

fn writes(app: &TestApp) -> u64 {
    let counts = app.hubspot().counts();
    [
        "batch/update",
        "batch/upsert",
        "batch/create",
        "batch/archive",
        "batch/associate",
        "batch/labels",
    ]
    .iter()
    .map(|route| counts.of(route))
    .sum()
}

#[tokio::test]
async fn an_edit_is_one_write_and_its_echo_none() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(3).with_webhooks())).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.sync(connection).await;
    settle(&app).await;
    assert_eq!(writes(&app), 0, "{:?}", app.hubspot().counts());
    let id = app
        .ask(&token, "{ deals(first: 1) { nodes { id } } }")
        .await
        .text("/deals/nodes/0/id");
    for name in ["One", "Two", "Renamed"] {
        app.mutate(
            &token,
            "updateDeal",
            json!({ "id": id, "name": name }),
            "deal { id }",
        )
        .await;
    }
    settle(&app).await;
    let store = app.hubspot().store();
    assert_eq!(store.find_by(Kind::Deals, "dealname", "Renamed").len(), 1);
    assert_eq!(writes(&app), 1, "{:?}", app.hubspot().counts());
    let versions = "SELECT CAST(SUM(version) AS BIGINT) FROM deal";
    let before = app.number(versions).await;
    app.sync(connection).await;
    settle(&app).await;
    assert_eq!(writes(&app), 1, "{:?}", app.hubspot().counts());
    assert_eq!(app.number(versions).await, before);
    assert_eq!(app.number("SELECT COUNT(*) FROM outbound_push").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_deal_with_its_companies_is_created_there_and_stays_one() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(1).with_webhooks())).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.sync(connection).await;
    settle(&app).await;
    let store = app.hubspot().store();
    store.add_label(Kind::Deals, Kind::Companies, "Partner");
    let made = |name: &'static str, input: serde_json::Value, what: &'static str| {
        let (app, token) = (&app, &token);
        async move {
            let answer = app
                .mutate(token, name, input, &format!("{what} {{ id }}"))
                .await;
            assert_eq!(answer.refusals(name), Vec::<String>::new());
            answer.text(&format!("/{name}/{what}/id"))
        }
    };
    let customer = made(
        "createCustomer",
        json!({ "name": "Globex", "domain": "globex.example" }),
        "customer",
    )
    .await;
    let partner = made(
        "createPartner",
        json!({ "name": "Initech", "domain": "initech.example" }),
        "partner",
    )
    .await;
    let partnership = made(
        "createPartnership",
        json!({ "partnerId": partner, "type": "CHANNEL" }),
        "partnership",
    )
    .await;
    let input = json!({
        "name": "Rollout", "customerId": customer, "stage": "QUALIFIED", "amount": { "amount": "1500.5", "currency": "USD" },
        "expectedCloseOn": "2026-12-31", "partners": [{ "partnershipId": partnership, "role": "RESOLD", "weightBp": 10_000 }],
    });
    let deal = made("createDeal", input, "deal").await;
    let contact =
        json!({ "name": "Ada King Byron", "email": "ada@globex.example", "customerId": customer });
    made("createContact", contact, "contact").await;
    settle(&app).await;
    let queue = app.rows("SELECT error FROM outbound_push").await;
    let waiting: Vec<Option<String>> = queue
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(waiting, Vec::<Option<String>>::new());
    let found = store.find_by(Kind::Deals, "dealname", "Rollout");
    let there = store.get(Kind::Deals, found[0]).unwrap().properties;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (
            there["amount"].as_str(),
            there["entente_reference"].as_str()
        ),
        ("1500.50", deal.as_str())
    );
    assert_eq!(store.find_by(Kind::Contacts, "lastname", "Byron").len(), 1);
    let partners = store.find_by(Kind::Companies, "name", "Initech");
    assert_eq!(
        store.get(Kind::Companies, partners[0]).unwrap().properties["type"],
        "PARTNER"
    );
    let ends = "SELECT COUNT(*) FROM deal d JOIN deal_partner p ON p.deal_id = d.id WHERE d.name = 'Rollout' AND d.customer_id IS NOT NULL";
    assert_eq!(app.number(ends).await, 1);
    let calls = writes(&app);
    app.mutate(&token, "winDeal", json!({ "id": deal }), "deal { id }")
        .await;
    settle(&app).await;
    assert_eq!(
        store.get(Kind::Deals, found[0]).unwrap().properties["dealstage"],
        "closedwon"
    );
    assert_eq!(writes(&app), calls + 1);
    app.sync(connection).await;
    settle(&app).await;
    assert_eq!(writes(&app), calls + 1);
    for (table, name) in [
        ("deal", "Rollout"),
        ("customer", "Globex"),
        ("partner", "Initech"),
        ("contact", "Ada King Byron"),
    ] {
        let count = format!("SELECT COUNT(*) FROM {table} WHERE name = '{name}'");
        assert_eq!(app.number(&count).await, 1, "{table}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM outbound_push").await, 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM sync_conflict").await, 0);
    app.finish().await;
}
