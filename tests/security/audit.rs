//! Tampering with the log, tried over a whole deployment: whatever was done to what happened shows when the chain is verified. Each way is tried by
//! itself in the suite of the entities; here it is what a server and its worker wrote.

use api::worker::Work;
use api::worker::chain::Chain;
use entities::audit_link::{self, Broken};
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::time::Duration;
use tests::programme::{self, Size};
use tests::{TestApp, eventually};

async fn run(app: &TestApp, sql: &str) {
    app.database()
        .write()
        .execute_unprepared(sql)
        .await
        .unwrap();
}

async fn seal(app: &TestApp) {
    let chain = Chain(app.database().clone());
    eventually(
        "every event is sealed",
        Duration::from_secs(60),
        async || {
            while chain.step().await.unwrap() {}
            let left =
                "SELECT COUNT(*) FROM event WHERE id NOT IN (SELECT event_id FROM audit_link)";
            (app.number(left).await == 0).then_some(())
        },
    )
    .await;
}

async fn verify(app: &TestApp) -> Result<audit_link::Report, Broken> {
    audit_link::verify(app.database(), None, 7).await.unwrap()
}

/// What happened in a small programme, sealed by two nodes at once.
async fn sealed() -> TestApp {
    let app = TestApp::plain().await;
    let size = Size {
        partners: 3,
        customers: 3,
        deals: 20,
    };
    programme::fill(&app, size).await;
    let other = app.another_node().await;
    tokio::join!(seal(&app), seal(&other));
    other.end().await;
    app
}

#[tokio::test]
async fn nothing_that_happened_can_be_changed_unseen() {
    let app = sealed().await;
    let sound = verify(&app).await.unwrap();
    assert_eq!(sound.sealed, app.number("SELECT COUNT(*) FROM event").await);
    for table in ["event", "audit_link", "event_reader"] {
        run(
            &app,
            &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"),
        )
        .await;
    }
    let data = if app.database().is_postgres() {
        "data || '{\"amount\": 1}'"
    } else {
        "json_set(data, '$.amount', 1)"
    };
    let at =
        |number: i64| format!("WHERE seq = (SELECT seq FROM audit_link WHERE number = {number})");
    let last = sound.sealed;
    for number in [1, 2, 7, 8, 30, last] {
        let here = at(number);
        for sql in [
            format!("UPDATE event SET actor = 'somebody else' {here}"),
            format!("UPDATE event SET data = {data} {here}"),
            format!("UPDATE event SET occurred_at = occurred_at - 1 {here}"),
            format!("DELETE FROM event {here}"),
            format!("UPDATE audit_link SET redacted_at = 1 WHERE number = {number}"),
        ] {
            run(&app, &sql).await;
            let broken = verify(&app).await.unwrap_err();
            assert_eq!(broken.number, number, "{sql}: {broken}");
            for table in ["event", "audit_link", "event_reader"] {
                let back =
                    format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
                run(&app, &back).await;
            }
        }
    }
    assert_eq!(verify(&app).await, Ok(sound));
    app.end().await;
}

/// Whoever can call the API leaves traces only: no mutation touches what was sealed, but for an erasure, which says so.
#[tokio::test]
async fn the_chain_only_grows_whatever_the_api_is_asked() {
    let app = sealed().await;
    let head = verify(&app).await.unwrap().head.unwrap();
    let token = app.admin();
    let made = app
        .mutate(
            &token,
            "createContact",
            json!({ "name": "Jane Roe", "email": "jane@people.example" }),
            "contact { id }",
        )
        .await;
    let id = made.text("/createContact/contact/id");
    for (mutation, input) in [
        ("updateContact", json!({ "id": id, "title": "CTO" })),
        ("erasePerson", json!({ "id": id })),
    ] {
        let answer = app.mutate(&token, mutation, input, "__typename").await;
        assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
    }
    seal(&app).await;
    let grown = audit_link::verify(app.database(), Some(&head), 7)
        .await
        .unwrap()
        .unwrap();
    assert!(grown.sealed > head.number, "{grown:?}");
    app.end().await;
}
