//! What was given up: listed by its way, and tried again, one or all.

use crate::raw::execute;
use entities::inbound_signal::{self, NewSignal};
use entities::inbound_webhook::{self, NewDelivery};
use sandbox::Kind;
use serde_json::{Value, json};
use tests::{Answer, HubSpotSetup, Options, TestApp};

async fn failures(
    app: &TestApp,
    connection: &impl ToString,
    direction: &str,
    rest: &str,
) -> Answer {
    let query = format!(
        "{{ syncFailures(connectionId: \"{}\", direction: {direction}{rest}) {{ edges {{ cursor node {{ id direction resource externalId subjectId attempts error since }} }} pageInfo {{ hasNextPage endCursor }} }} }}",
        connection.to_string()
    );
    app.ask(&app.admin(), &query).await
}

#[tokio::test]
async fn dead_signals_are_listed_in_pages_and_replayed() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let store = app.hubspot().store();
    let ids: Vec<u64> = (0..3)
        .map(|number| {
            let name = format!("Company {number}");
            store.create(Kind::Companies, &[("name", &name)]).unwrap()
        })
        .collect();
    let change = app.change().await;
    let signals = ids.iter().map(|id| NewSignal {
        connection_id: connection,
        resource: "company".to_owned(),
        external_id: id.to_string(),
        hint: json!({ "kind": "changed" }),
    });
    inbound_signal::raise(&change, signals.collect())
        .await
        .unwrap();
    change.commit().await.unwrap();
    execute(
        &app,
        "UPDATE inbound_signal SET dead = true, attempts = 8, error = 'SCHEMA: no'",
    )
    .await;
    assert_eq!(app.drain().await, 0, "what is dead is not tried");

    let first = failures(&app, &connection, "INBOUND", ", first: 2").await;
    assert_eq!(first.list("/syncFailures/edges").len(), 2, "{first}");
    assert_eq!(first.at("/syncFailures/pageInfo/hasNextPage"), &json!(true));
    assert_eq!(first.at("/syncFailures/edges/0/node/error"), "SCHEMA: no");
    let cursor = first.text("/syncFailures/pageInfo/endCursor");
    let rest = failures(
        &app,
        &connection,
        "INBOUND",
        &format!(", after: \"{cursor}\""),
    )
    .await;
    assert_eq!(rest.list("/syncFailures/edges").len(), 1, "{rest}");
    let health = app
        .ask(
            &app.admin(),
            "{ connections { nodes { health { state dead } } } }",
        )
        .await;
    assert_eq!(
        health.at("/connections/nodes/0/health"),
        &json!({ "state": "ATTENTION", "dead": 3 })
    );

    let one = first.at("/syncFailures/edges/0/node/id").clone();
    let replay = async |input: Value| {
        let answer = app
            .mutate(&app.admin(), "replaySyncFailures", input, "replayed")
            .await;
        assert_eq!(answer.refusals("replaySyncFailures"), Vec::<String>::new());
        answer.at("/replaySyncFailures/replayed").clone()
    };
    let tried = json!({ "connectionId": connection, "ids": [one], "validateOnly": true });
    assert_eq!(replay(tried).await, json!(1));
    assert_eq!(app.drain().await, 0, "only tried");
    assert_eq!(
        replay(json!({ "connectionId": connection, "ids": [one] })).await,
        json!(1)
    );
    assert_eq!(
        replay(json!({ "connectionId": connection, "ids": [one] })).await,
        json!(0)
    );
    app.drain().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM customer").await, 1);
    assert_eq!(
        replay(json!({ "connectionId": connection, "direction": "OUTBOUND" })).await,
        json!(0)
    );
    assert_eq!(
        replay(json!({ "connectionId": connection })).await,
        json!(2)
    );
    app.drain().await;
    assert_eq!(app.number("SELECT COUNT(*) FROM customer").await, 3);
    assert!(
        failures(&app, &connection, "INBOUND", "")
            .await
            .list("/syncFailures/edges")
            .is_empty()
    );
    app.finish().await;
}

#[tokio::test]
async fn deliveries_that_could_not_be_read_are_listed_too() {
    let mut app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    app.expect_warning("a delivery");
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let delivery = NewDelivery {
        connector: "hubspot".to_owned(),
        dedupe_key: "one".to_owned(),
        body: b"no json".to_vec(),
        ..NewDelivery::default()
    };
    inbound_webhook::store(app.database(), vec![delivery])
        .await
        .unwrap();
    app.drain().await;
    let listed = failures(&app, &connection, "DELIVERY", "").await;
    assert_eq!(listed.list("/syncFailures/edges").len(), 1, "{listed}");
    assert!(!listed.at("/syncFailures/edges/0/node/error").is_null());
    let id = listed.at("/syncFailures/edges/0/node/id");
    let input = json!({ "connectionId": connection, "ids": [id] });
    let answer = app
        .mutate(&app.admin(), "replaySyncFailures", input, "replayed")
        .await;
    assert_eq!(
        answer.at("/replaySyncFailures/replayed"),
        &json!(1),
        "{answer}"
    );
    app.drain().await;
    assert_eq!(
        failures(&app, &connection, "DELIVERY", "")
            .await
            .list("/syncFailures/edges")
            .len(),
        1,
        "the bytes are the same"
    );
    app.finish().await;
}

#[tokio::test]
async fn what_names_no_failure_is_refused() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let input = json!({ "connectionId": connection, "ids": ["in:deal:1", "nonsense"] });
    let answer = app
        .mutate(&app.admin(), "replaySyncFailures", input, "replayed")
        .await;
    assert!(
        answer.refusals("replaySyncFailures")[0].starts_with("NOT_FOUND"),
        "{answer}"
    );
    assert_eq!(
        answer.at("/replaySyncFailures/userErrors/0/field"),
        &json!(["ids", "1"])
    );
    let query = format!(
        "{{ syncFailures(connectionId: \"{connection}\", direction: OUTBOUND, after: \"in:deal:1\") {{ edges {{ cursor }} }} }}"
    );
    let foreign = app.graphql(&app.admin(), &query, json!({})).await;
    assert_eq!(foreign.codes(), ["BAD_USER_INPUT"], "{foreign}");
    app.finish().await;
}
