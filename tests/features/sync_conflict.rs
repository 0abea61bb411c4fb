//! Conflicts in the API: listed, filtered, and decided by a person.

use crate::raw::execute;
use sandbox::Kind;
use serde_json::json;
use std::time::Duration;
use tests::{HubSpotSetup, Options, TestApp};

const LIST: &str = "{ syncConflicts(orderBy: [{field: CREATED_AT}]) { totalCount nodes { id version field ours theirs policy status winner resolvedBy subjectId externalId } } }";

/// A deal of which both sides changed the name, under a policy of asking.
async fn disputed(app: &TestApp) -> u64 {
    let token = app.admin();
    let store = app.hubspot().store();
    let deal = *store.ids(Kind::Deals).first().unwrap();
    app.connect_hubspot().await;
    app.drain().await;
    let mapping = if app.database().is_postgres() {
        "jsonb_set(mapping, '{deal,policy,conflicts}', '\"ASK\"')"
    } else {
        "json_set(mapping, '$.deal.policy.conflicts', 'ASK')"
    };
    execute(app, &format!("UPDATE connection SET mapping = {mapping}")).await;
    let id = app
        .ask(&token, "{ deals(first: 1) { nodes { id } } }")
        .await
        .text("/deals/nodes/0/id");
    let external = app
        .rows("SELECT l.external_id FROM external_link l JOIN deal d ON d.id = l.subject_id ORDER BY d.id LIMIT 1")
        .await[0]
        .try_get_by_index::<String>(0)
        .unwrap()
        .parse()
        .unwrap_or(deal);
    store
        .update(Kind::Deals, external, &[("dealname", "Their name")])
        .unwrap();
    let ours = app
        .mutate(
            &token,
            "updateDeal",
            json!({ "id": id, "name": "Our name" }),
            "deal { id }",
        )
        .await;
    assert_eq!(ours.refusals("updateDeal"), Vec::<String>::new());
    app.advance(Duration::from_secs(300));
    app.drain().await;
    external
}

#[tokio::test]
async fn a_person_decides_for_the_vendor() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(1))).await;
    let token = app.admin();
    disputed(&app).await;
    let listed = app.ask(&token, LIST).await;
    assert_eq!(
        listed.at("/syncConflicts/totalCount"),
        &json!(1),
        "{listed}"
    );
    let conflict = listed.at("/syncConflicts/nodes/0").clone();
    assert_eq!(
        (&conflict["status"], &conflict["field"]),
        (&json!("OPEN"), &json!("name")),
        "{listed}"
    );
    let health = app
        .ask(
            &token,
            "{ connections { nodes { health { state openConflicts } } } }",
        )
        .await;
    assert_eq!(
        health.at("/connections/nodes/0/health"),
        &json!({ "state": "ATTENTION", "openConflicts": 1 })
    );
    let node = app
        .ask(
            &token,
            &format!(
                "{{ node(id: {}) {{ ... on SyncConflict {{ status }} }} }}",
                conflict["id"]
            ),
        )
        .await;
    assert_eq!(node.at("/node/status"), "OPEN");

    let stale = json!({ "id": conflict["id"], "winner": "THEIRS", "expectedVersion": 77 });
    let refused = app
        .mutate(&token, "resolveConflict", stale, "conflict { status }")
        .await;
    assert_eq!(refused.refusals("resolveConflict").len(), 1, "{refused}");
    let input =
        json!({ "id": conflict["id"], "winner": "THEIRS", "expectedVersion": conflict["version"] });
    let decided = app
        .mutate(
            &token,
            "resolveConflict",
            input.clone(),
            "conflict { status winner resolvedBy }",
        )
        .await;
    assert_eq!(
        decided.at("/resolveConflict/conflict"),
        &json!({ "status": "RESOLVED", "winner": "THEIRS", "resolvedBy": "tests" }),
        "{decided}"
    );
    app.drain().await;
    assert_eq!(
        app.number("SELECT COUNT(*) FROM deal WHERE name = 'Their name'")
            .await,
        1
    );
    let again = app
        .mutate(&token, "resolveConflict", input, "conflict { status }")
        .await;
    assert_eq!(again.refusals("resolveConflict").len(), 1, "{again}");
    let open = app
        .ask(
            &token,
            "{ syncConflicts(filter: {status: {eq: OPEN}}) { totalCount } }",
        )
        .await;
    assert_eq!(open.at("/syncConflicts/totalCount"), &json!(0));
    app.finish().await;
}

#[tokio::test]
async fn a_person_decides_for_us() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(1))).await;
    let token = app.admin();
    let external = disputed(&app).await;
    let conflict = app
        .ask(&token, LIST)
        .await
        .at("/syncConflicts/nodes/0/id")
        .clone();
    let input = json!({ "id": conflict, "winner": "OURS" });
    let decided = app
        .mutate(&token, "resolveConflict", input, "conflict { winner }")
        .await;
    assert_eq!(
        decided.at("/resolveConflict/conflict/winner"),
        "OURS",
        "{decided}"
    );
    app.drain().await;
    assert_eq!(
        app.number("SELECT COUNT(*) FROM deal WHERE name = 'Our name'")
            .await,
        1
    );
    let there = app.hubspot().store().get(Kind::Deals, external).unwrap();
    assert_eq!(
        there.properties.get("dealname").map(String::as_str),
        Some("Our name")
    );
    app.finish().await;
}
