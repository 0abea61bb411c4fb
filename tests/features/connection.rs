//! A connection's life: paused, resumed, disconnected, connected again; its health and what it can do.

use crate::raw::execute;
use sandbox::Kind;
use sandbox::hubspot::{Effect, Fault};
use serde_json::json;
use std::time::Duration;
use tests::{HubSpotSetup, Options, TestApp};

const HEALTH: &str = "{ connections { nodes { status health { state summary nextAction lastRunAt waitingInbound waitingOutbound dead openConflicts drift } } } }";

#[tokio::test]
async fn a_paused_connection_reads_nothing_until_it_is_resumed() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(10))).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let well = app.ask(&token, HEALTH).await;
    assert_eq!(well.at("/connections/nodes/0/health/state"), "OK", "{well}");
    assert!(well.at("/connections/nodes/0/health/nextAction").is_null());
    assert!(!well.at("/connections/nodes/0/health/lastRunAt").is_null());

    let pause = json!({ "id": connection });
    let tried = app
        .mutate(
            &token,
            "pauseIntegration",
            json!({ "id": connection, "validateOnly": true }),
            "connection { status }",
        )
        .await;
    assert_eq!(tried.at("/pauseIntegration/connection/status"), "PAUSED");
    assert_eq!(
        app.ask(&token, HEALTH)
            .await
            .at("/connections/nodes/0/status"),
        "ACTIVE"
    );
    let stale = app
        .mutate(
            &token,
            "pauseIntegration",
            json!({ "id": connection, "expectedVersion": 99 }),
            "connection { status }",
        )
        .await;
    assert!(
        stale.refusals("pauseIntegration")[0].starts_with("VERSION_CONFLICT"),
        "{stale}"
    );
    let paused = app
        .mutate(
            &token,
            "pauseIntegration",
            pause.clone(),
            "connection { status statusReason }",
        )
        .await;
    assert_eq!(
        paused.at("/pauseIntegration/connection/status"),
        "PAUSED",
        "{paused}"
    );
    let health = app.ask(&token, HEALTH).await;
    assert_eq!(health.at("/connections/nodes/0/health/state"), "PAUSED");
    assert!(
        health
            .text("/connections/nodes/0/health/nextAction")
            .contains("resumeIntegration")
    );
    app.mutate(&token, "pauseIntegration", pause, "connection { status }")
        .await;

    let store = app.hubspot().store();
    let deal = *store.ids(Kind::Deals).first().unwrap();
    store
        .update(Kind::Deals, deal, &[("dealname", "Renamed in the pause")])
        .unwrap();
    app.advance(Duration::from_secs(300));
    app.drain().await;
    let renamed = "SELECT COUNT(*) FROM deal WHERE name = 'Renamed in the pause'";
    assert_eq!(app.number(renamed).await, 0, "nothing is read in a pause");
    let refused = app
        .mutate(
            &token,
            "syncNow",
            json!({ "connectionId": connection }),
            "connection { id }",
        )
        .await;
    assert!(
        refused.refusals("syncNow")[0].starts_with("LOCKED"),
        "{refused}"
    );

    let resumed = app
        .mutate(
            &token,
            "resumeIntegration",
            json!({ "id": connection }),
            "connection { status }",
        )
        .await;
    assert_eq!(
        resumed.at("/resumeIntegration/connection/status"),
        "ACTIVE",
        "{resumed}"
    );
    app.drain().await;
    assert_eq!(app.number(renamed).await, 1);
    let again = app
        .mutate(
            &token,
            "resumeIntegration",
            json!({ "id": connection }),
            "connection { status }",
        )
        .await;
    assert!(
        again.refusals("resumeIntegration")[0].starts_with("TRANSITION_NOT_ALLOWED"),
        "{again}"
    );
    let told = app
        .ask(&token, "{ events(types: [\"connection.paused\", \"connection.resumed\"]) { edges { node { type } } } }")
        .await;
    assert_eq!(
        told.texts("/events/edges", "/node/type"),
        ["connection.paused", "connection.resumed"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_disconnected_account_can_be_connected_again_and_keeps_its_links() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(10))).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let (deals, links) = (
        "SELECT COUNT(*) FROM deal",
        "SELECT COUNT(*) FROM external_link",
    );
    let before = (app.number(deals).await, app.number(links).await);
    let done = app
        .mutate(
            &token,
            "disconnectIntegration",
            json!({ "id": connection }),
            "revokedAtVendor connection { status health { state } }",
        )
        .await;
    assert_eq!(
        done.at("/disconnectIntegration"),
        &json!({ "revokedAtVendor": true, "connection": { "status": "REVOKED", "health": { "state": "DISCONNECTED" } }, "userErrors": [] })
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM connection WHERE credentials IS NOT NULL")
            .await,
        0
    );
    let again = app
        .mutate(
            &token,
            "disconnectIntegration",
            json!({ "id": connection }),
            "revokedAtVendor connection { status }",
        )
        .await;
    assert_eq!(
        again.at("/disconnectIntegration/revokedAtVendor"),
        &json!(false)
    );
    let store = app.hubspot().store();
    let deal = *store.ids(Kind::Deals).first().unwrap();
    store
        .update(
            Kind::Deals,
            deal,
            &[("dealname", "Renamed while nobody listened")],
        )
        .unwrap();
    app.advance(Duration::from_secs(300));
    app.drain().await;
    let renamed = "SELECT COUNT(*) FROM deal WHERE name = 'Renamed while nobody listened'";
    assert_eq!(app.number(renamed).await, 0);

    assert_eq!(
        app.connect_hubspot().await,
        connection,
        "the same connection"
    );
    app.drain().await;
    assert_eq!(
        (app.number(deals).await, app.number(links).await),
        before,
        "nothing was doubled"
    );
    assert_eq!(app.number(renamed).await, 1);
    let told = app.ask(&token, "{ events(types: [\"connection.disconnected\"]) { edges { node { subjectId actor } } } }").await;
    assert_eq!(told.list("/events/edges").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_vendor_that_does_not_answer_keeps_nobody_connected() {
    let mut app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    app.expect_warning("a vendor did not take its tokens back");
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    app.hubspot().fail(Fault::always(
        "/oauth/",
        Effect::Status {
            status: 503,
            body: None,
            retry_after: None,
        },
    ));
    let done = app
        .mutate(
            &token,
            "disconnectIntegration",
            json!({ "id": connection }),
            "revokedAtVendor connection { status }",
        )
        .await;
    assert_eq!(
        done.at("/disconnectIntegration/revokedAtVendor"),
        &json!(false),
        "{done}"
    );
    assert_eq!(
        done.at("/disconnectIntegration/connection/status"),
        "REVOKED"
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM connection WHERE credentials IS NOT NULL")
            .await,
        0
    );
    app.finish().await;
}

#[tokio::test]
async fn a_connection_says_what_it_can_do() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    app.connect_hubspot().await;
    app.drain().await;
    execute(&app, "UPDATE connection SET granted_scopes = '[\"oauth\",\"crm.objects.companies.read\",\"crm.objects.contacts.read\",\"crm.objects.deals.read\",\"crm.objects.owners.read\"]'").await;
    let answer = app
        .ask(
            &app.admin(),
            "{ connections { nodes { capabilities { resource read write reason } } } }",
        )
        .await;
    let deal = answer
        .list("/connections/nodes/0/capabilities")
        .iter()
        .find(|row| row["resource"] == "deal")
        .unwrap()
        .clone();
    assert_eq!(
        (&deal["read"], &deal["write"]),
        (&json!(true), &json!(false)),
        "{answer}"
    );
    assert!(!deal["reason"].is_null());
    app.finish().await;
}

#[tokio::test]
async fn the_figures_tell_of_each_connection() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let token = format!("Bearer {}", app.admin());
    let answer = app.get("/metrics", &[("authorization", &token)]).await;
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    for line in [
        format!(
            "entente_connection_status{{connection=\"{connection}\",connector=\"hubspot\",status=\"ACTIVE\"}} 1"
        ),
        format!(
            "entente_sync_waiting{{connection=\"{connection}\",connector=\"hubspot\",direction=\"outbound\"}} 0"
        ),
        format!("entente_sync_dead{{connection=\"{connection}\",connector=\"hubspot\"}} 0"),
        format!(
            "entente_sync_conflicts_open{{connection=\"{connection}\",connector=\"hubspot\"}} 0"
        ),
        format!("entente_sync_drift{{connection=\"{connection}\",connector=\"hubspot\"}} 0"),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("entente_sync_lag_seconds{"), "{text}");
    app.finish().await;
}

#[tokio::test]
async fn a_reconciliation_is_asked_for_and_nothing_held_back_needs_no_word() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(10))).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let input = json!({ "connectionId": connection });
    let asked = app
        .mutate(&token, "reconcileNow", input.clone(), "run { kind status }")
        .await;
    assert_eq!(
        asked.at("/reconcileNow/run"),
        &json!({ "kind": "reconcile", "status": "RUNNING" }),
        "{asked}"
    );
    app.drain().await;
    let runs = app
        .ask(
            &token,
            "{ syncRuns(first: 10, orderBy: [{field: STARTED_AT}]) { nodes { kind status drift { resource missingHere different missingThere } } } }",
        )
        .await;
    let run = runs
        .list("/syncRuns/nodes")
        .iter()
        .find(|run| run["kind"] == "reconcile")
        .unwrap();
    assert_eq!(run["status"], "COMPLETED", "{runs}");
    assert_eq!(
        app.ask(&token, HEALTH)
            .await
            .at("/connections/nodes/0/health/drift"),
        &json!(0)
    );
    let refused = app
        .mutate(&token, "confirmDeletes", input, "run { id }")
        .await;
    assert_eq!(refused.refusals("confirmDeletes").len(), 1, "{refused}");
    for mutation in ["reconcileNow", "confirmDeletes"] {
        let unknown = app
            .mutate(
                &token,
                mutation,
                json!({ "connectionId": "nonsense" }),
                "run { id }",
            )
            .await;
        assert!(
            unknown.refusals(mutation)[0].starts_with("NOT_FOUND"),
            "{unknown}"
        );
    }
    app.finish().await;
}
