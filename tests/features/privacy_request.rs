//! Wishes under the law on personal data: administrators read what was asked, what was done, and what is to be handed over.

use entities::privacy_request::{self, Done, NewPrivacyRequest, PrivacyKind, Subject};
use entities::viewer::{Scope, Scopes, StaffRole, ViewerKind};
use serde_json::json;
use tests::{HubSpotSetup, Options, TestApp};

const QUERY: &str = "{ privacyRequests(orderBy: [{field: CREATED_AT}]) { totalCount nodes { id kind status connectionId requestId completedAt outcome { contacts records deliveries } error export } } }";

#[tokio::test]
async fn an_administrator_reads_the_wishes_and_what_is_to_be_handed_over() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let wish = |kind, request_id: &str| NewPrivacyRequest {
        connection_id: connection,
        kind,
        request_id: request_id.to_owned(),
        subject: Subject {
            email: Some("ada@example.com".to_owned()),
            ..Subject::default()
        },
    };
    let mut change = app.change().await;
    let asked = privacy_request::request(&mut change, wish(PrivacyKind::DataRequest, "one"))
        .await
        .unwrap()
        .unwrap();
    privacy_request::request(&mut change, wish(PrivacyKind::RedactPerson, "two"))
        .await
        .unwrap();
    let done = Done {
        contacts: 1,
        records: 2,
        deliveries: 0,
    };
    let export = json!({ "contact": { "name": "Ada", "email": "ada@example.com" } });
    let asked = privacy_request::complete(&mut change, asked, done, Some(export.clone()))
        .await
        .unwrap();
    change.commit().await.unwrap();

    let answer = app.ask(&app.admin(), QUERY).await;
    assert_eq!(answer.at("/privacyRequests/totalCount"), 2);
    let first = answer
        .list("/privacyRequests/nodes")
        .iter()
        .find(|node| node["requestId"] == "one")
        .unwrap();
    assert_eq!(first["id"], asked.id.to_string());
    assert_eq!(
        (
            &first["kind"],
            &first["status"],
            &first["export"],
            &first["connectionId"]
        ),
        (
            &json!("DATA_REQUEST"),
            &json!("COMPLETED"),
            &export,
            &json!(connection.to_string())
        )
    );
    assert_eq!(
        first["outcome"],
        json!({ "contacts": 1, "records": 2, "deliveries": 0 })
    );
    let pending = app
        .ask(
            &app.admin(),
            "{ privacyRequests(filter: {status: {eq: PENDING}, kind: {in: [REDACT_PERSON]}}) { nodes { requestId export completedAt } } }",
        )
        .await;
    assert_eq!(
        pending.at("/privacyRequests/nodes"),
        &json!([{ "requestId": "two", "export": null, "completedAt": null }])
    );

    // Who may do everything else may still not read a person's data.
    let every_other = Scope::ALL
        .iter()
        .copied()
        .filter(|scope| *scope != Scope::Admin);
    let denied = app.graphql(&app.token(every_other), QUERY, json!({})).await;
    assert_eq!(denied.codes(), ["FORBIDDEN"]);
    let auditor = app.token_for(ViewerKind::Staff(StaffRole::Auditor), Scopes::all());
    let denied = app.graphql(&auditor, QUERY, json!({})).await;
    assert_eq!(
        denied.codes(),
        ["FORBIDDEN"],
        "a role limits what its tokens may do"
    );
    let node = app
        .ask(
            &auditor,
            &format!("{{ node(id: \"{}\") {{ id }} }}", asked.id),
        )
        .await;
    assert!(node.at("/node").is_null());
    // The log says that there was a wish, and nothing of whom.
    let told = app
        .ask(
            &app.admin(),
            "{ events(types: [\"privacy.requested\", \"privacy.completed\"]) { edges { node { type data } } } }",
        )
        .await;
    assert!(!told.to_string().contains("ada"), "{told}");
    assert_eq!(told.list("/events/edges").len(), 3, "{told}");
    app.drain().await;
    app.end().await;
}
