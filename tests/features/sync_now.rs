//! Connections and their runs: `syncNow` asks for one, a worker does it, and the run says what it found.

use sandbox::Kind;
use serde_json::json;
use std::time::Duration;
use tests::{HubSpotSetup, Options, TestApp};

#[tokio::test]
async fn a_worker_does_what_sync_now_asked_for() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(30))).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let runs = async || {
        app.ask(&token, "{ syncRuns(first: 10, orderBy: [{field: STARTED_AT}]) { nodes { kind status error counts { resource read created updated unchanged } } } }").await
    };
    let first = runs().await;
    assert_eq!(
        (
            first.text("/syncRuns/nodes/0/kind"),
            first.text("/syncRuns/nodes/0/status")
        ),
        ("backfill".to_owned(), "COMPLETED".to_owned()),
        "{first}"
    );
    assert_eq!(
        app.ask(&token, "{ deals { totalCount } }")
            .await
            .at("/deals/totalCount"),
        &json!(30)
    );
    assert_eq!(app.drain().await, 0, "nothing is due");

    let store = app.hubspot().store();
    let deal = store.ids(Kind::Deals)[0];
    store
        .update(Kind::Deals, deal, &[("dealname", "Renamed by a person")])
        .unwrap();
    // A worker reads no closer to now than the vendor's search can be trusted.
    app.advance(Duration::from_secs(45));
    let asked = app
        .mutate(
            &token,
            "syncNow",
            json!({ "connectionId": connection }),
            "connection { id status }",
        )
        .await;
    assert_eq!(
        asked.at("/syncNow/connection"),
        &json!({ "id": connection, "status": "ACTIVE" })
    );
    assert!(app.drain().await > 0);
    let found = app.ask(&token, "{ deals(first: 1, orderBy: [{field: UPDATED_AT, direction: DESC}]) { nodes { name version } } }").await;
    assert_eq!(
        found.at("/deals/nodes/0"),
        &json!({ "name": "Renamed by a person", "version": 2 })
    );
    let second = runs().await;
    assert_eq!(
        (
            second.text("/syncRuns/nodes/1/kind"),
            second.text("/syncRuns/nodes/1/status")
        ),
        ("delta".to_owned(), "COMPLETED".to_owned()),
        "{second}"
    );
    app.finish().await;
}

#[tokio::test]
async fn asking_for_what_is_not_there_or_only_to_try_does_nothing() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    for id in ["connection_01h2xcejqtf2nbrexx3vqjhp41", "nonsense"] {
        let refused = app
            .mutate(
                &token,
                "syncNow",
                json!({ "connectionId": id }),
                "connection { id }",
            )
            .await;
        assert_eq!(refused.refusals("syncNow").len(), 1);
        assert!(
            refused.refusals("syncNow")[0].starts_with("NOT_FOUND"),
            "{refused}"
        );
    }
    let runs = app.number("SELECT COUNT(*) FROM sync_run").await;
    let tried = app
        .mutate(
            &token,
            "syncNow",
            json!({ "connectionId": connection, "validateOnly": true }),
            "connection { id }",
        )
        .await;
    assert_eq!(tried.refusals("syncNow"), Vec::<String>::new());
    assert_eq!(app.drain().await, 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM sync_run").await, runs);
    app.finish().await;
}

#[tokio::test]
async fn a_connection_shows_its_account_its_mapping_and_no_secret() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let query = "{ connections { totalCount nodes { id connector status statusReason account { id name currency timeZone } grantedScopes mapping { company { partnerWhen { values } } } pausedUntil syncRuns { totalCount nodes { connectionId } } } } }";
    let answer = app.ask(&token, query).await;
    let node = answer.at("/connections/nodes/0");
    assert_eq!(
        (&node["id"], &node["connector"], &node["status"]),
        (&json!(connection), &json!("hubspot"), &json!("ACTIVE"))
    );
    assert_eq!(
        node["account"]["id"],
        json!(app.hubspot().portal_id().to_string())
    );
    assert_eq!(
        (&node["account"]["currency"], &node["account"]["timeZone"]),
        (&json!("USD"), &json!("UTC"))
    );
    assert_eq!(
        node["syncRuns"]["nodes"][0]["connectionId"],
        json!(connection)
    );
    assert!(node["mapping"].to_string().contains("PARTNER"));
    let text = answer.body.to_string();
    for secret in [
        tests::CLIENT_SECRET,
        "refresh_token",
        "access_token",
        "credentials",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    // Connecting the same account again is the same connection.
    assert_eq!(app.connect_hubspot().await, connection);
    app.drain().await;
    app.finish().await;
}
