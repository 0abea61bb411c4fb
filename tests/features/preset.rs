//! What a programme may begin with is loaded once, and a second time changes nothing.

use entities::change::{Author, Change, Origin};
use entities::preset::{self, INCLUDED, Loaded, Preset};
use serde_json::json;
use tests::{Options, TestApp};

async fn load(app: &TestApp, name: &str) -> Loaded {
    let author = Author {
        actor: "entente preset".to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    let mut change = Change::begin(app.database(), author).await.unwrap();
    let today = change.now().date().unwrap();
    let preset = Preset::included(name).unwrap();
    let loaded = preset::load(&mut change, &preset, today, today)
        .await
        .unwrap();
    change.commit().await.unwrap();
    loaded
}

#[tokio::test]
async fn every_preset_is_loaded_once() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    for (name, loaded) in [
        ("revenue-share", (5, 0, 0, 0)),
        ("assessment", (0, 1, 0, 0)),
        ("onboarding", (0, 0, 1, 0)),
        ("goals", (0, 0, 0, 21)),
    ] {
        let numbers = |loaded: Loaded| {
            let Loaded {
                rules,
                schemes,
                checklists,
                goals,
            } = loaded;
            (rules, schemes, checklists, goals)
        };
        assert_eq!(numbers(load(&app, name).await), loaded, "{name}");
        let events = "SELECT COUNT(*) FROM event";
        let before = app.number(events).await;
        assert_eq!(load(&app, name).await, Loaded::default(), "{name} again");
        assert_eq!(app.number(events).await, before, "{name} again");
    }
    assert_eq!(INCLUDED.len(), 4);
    let query = "{ assessmentScheme { threshold criteria { group } } checklist { name items { step } }
        goals(filter: {key: {in: [\"partner_revenue_year_2\", \"retention\"]}}, orderBy: [{field: KEY, direction: ASC}])
        { nodes { id key target currency unit dueOn } } }";
    let answer = app.ask(&app.admin(), query).await;
    assert_eq!(answer.at("/assessmentScheme/threshold"), &json!("8.00"));
    assert_eq!(answer.list("/assessmentScheme/criteria").len(), 15);
    assert_eq!(answer.list("/checklist/items").len(), 16);
    let goals = answer.list("/goals/nodes");
    assert_eq!(
        (
            &goals[0]["target"],
            &goals[0]["currency"],
            &goals[0]["dueOn"]
        ),
        (&json!("7000000"), &json!("EUR"), &json!("2028-11-01"))
    );
    assert_eq!(
        (&goals[1]["target"], &goals[1]["unit"], &goals[1]["dueOn"]),
        (&json!("85"), &json!("PERCENT"), &json!(null))
    );
    // What somebody has changed is theirs.
    let input =
        json!({ "id": goals[1]["id"], "target": "90.5", "owner": "Ada", "expectedVersion": 1 });
    let changed = app
        .mutate(&app.admin(), "updateGoal", input, "goal { target version }")
        .await;
    assert_eq!(
        changed.at("/updateGoal/goal"),
        &json!({ "target": "90.5", "version": 2 })
    );
    assert_eq!(load(&app, "goals").await, Loaded::default());
    for (input, refusal) in [
        (json!({ "unit": "MONEY" }), "INVALID currency"),
        (json!({ "currency": "EUR" }), "INVALID currency"),
        (json!({ "key": "retention" }), "TAKEN key"),
        (json!({ "target": "0.0000001" }), "INVALID target"),
        (json!({ "name": " " }), "BLANK name"),
    ] {
        let mut whole = json!({ "key": "own", "name": "Own", "metric": "Deals", "scope": "Programme", "unit": "COUNT", "target": "5" });
        for (field, value) in input.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let answer = app
            .mutate(&app.admin(), "createGoal", whole, "__typename")
            .await;
        assert_eq!(answer.refusals("createGoal"), [refusal], "{input}");
    }
    app.finish().await;
}
