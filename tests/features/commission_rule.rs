//! Commission rules: published for days to come, and simulated before.

use crate::scene::Scene;
use serde_json::{Value, json};

fn rule(scene: &Scene, rate: i32, day: &str) -> Value {
    json!({ "programId": scene.program, "effectiveOn": day, "terms": { "rateBp": rate, "currency": "EUR" }, "note": "as agreed" })
}

#[tokio::test]
async fn rules_are_published_from_today_on_and_never_reach_back() {
    let scene = Scene::start().await;
    let fields = "commissionRules { id type effectiveOn note publishedBy program { name } terms { rateBp currency floor { amount } commitment { unit amount { amount } count } bonus { rateBp basis } holdDays } }";
    let mut full = rule(&scene, 2_000, "2026-11-02");
    full["type"] = json!("TECHNOLOGY");
    full["terms"]["floor"] = json!("1.50");
    full["terms"]["commitment"] = json!({ "unit": "CUSTOMERS", "count": 3 });
    full["terms"]["bonus"] = json!({ "rateBp": 500 });
    let made = scene
        .admin("publishCommissionRules", json!({ "rules": [full] }), fields)
        .await;
    let row = &made["commissionRules"][0];
    assert_eq!(
        row,
        &json!({
            "id": row["id"], "type": "TECHNOLOGY", "effectiveOn": "2026-11-02", "note": "as agreed", "publishedBy": "tests",
            "program": { "name": "Partners" },
            "terms": {
                "rateBp": 2_000, "currency": "EUR", "floor": { "amount": "1.50" }, "commitment": { "unit": "CUSTOMERS", "amount": null, "count": 3 },
                "bonus": { "rateBp": 500, "basis": "ALL_ELIGIBLE_REVENUE" }, "holdDays": null,
            },
        })
    );
    let terms = |terms: Value| json!({ "rules": [{ "programId": scene.program, "terms": terms }] });
    for (input, refusal) in [
        (json!({ "rules": [] }), "INVALID rules"),
        (
            json!({ "rules": [rule(&scene, 2_000, "2026-11-01")] }),
            "INVALID effectiveOn",
        ),
        (terms(json!({ "currency": "EUR" })), "BLANK terms.rateBp"),
        (
            terms(json!({ "currency": "EUR", "rateBp": 10_001 })),
            "INVALID terms.rateBp",
        ),
        (
            terms(json!({ "currency": "EUR", "rateBp": 1, "floor": "-1" })),
            "INVALID terms.floor",
        ),
        (
            terms(
                json!({ "currency": "EUR", "rateBp": 1, "commitment": { "unit": "REVENUE", "count": 3 } }),
            ),
            "BLANK terms.commitment.amount",
        ),
    ] {
        assert_eq!(
            scene.refused("publishCommissionRules", input.clone()).await,
            [refusal],
            "{input}"
        );
    }
    let answer = scene
        .app
        .ask(&scene.own(), "{ commissionRules { totalCount } }")
        .await;
    assert_eq!(answer.at("/commissionRules/totalCount"), &json!(0));
    assert_eq!(
        scene
            .app
            .number("SELECT COUNT(*) FROM commission_rule")
            .await,
        1
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_simulation_shows_what_a_rule_would_have_changed_and_writes_nothing() {
    let scene = Scene::start().await;
    let rules = json!({ "rules": [rule(&scene, 2_000, "2026-11-02")] });
    scene
        .admin("publishCommissionRules", rules, "commissionRules { id }")
        .await;
    scene.agree(&scene.partnership, json!({})).await;
    scene.pay(&scene.partnership, "one", "1000.00").await;
    scene.work().await;
    let events = scene.app.number("SELECT COUNT(*) FROM event").await;
    let query = "query($rules: [CommissionRuleInput!]!, $from: Date!, $until: Date!) { simulateCommissions(rules: $rules, from: $from, until: $until) {
        current { amount currency } proposed { amount } difference { amount } partnership { partner { name } } } }";
    let ask = async |token: &str, from: &str, until: &str| {
        let proposed = [rule(&scene, 2_500, "2026-12-01")];
        let variables = json!({ "rules": proposed, "from": from, "until": until });
        scene.app.graphql(token, query, variables).await
    };
    let answer = ask(&scene.admin, "2026-11-01", "2026-12-01").await;
    assert_eq!(
        answer.at("/simulateCommissions"),
        &json!([{
            "current": { "amount": "200.00", "currency": "EUR" }, "proposed": { "amount": "250.00" }, "difference": { "amount": "50.00" },
            "partnership": { "partner": { "name": "Acme" } },
        }])
    );
    assert_eq!(
        ask(&scene.admin, "2026-12-01", "2026-11-01").await.codes(),
        ["BAD_USER_INPUT"]
    );
    assert_eq!(
        ask(&scene.own(), "2026-11-01", "2026-12-01").await.codes(),
        ["FORBIDDEN"]
    );
    assert_eq!(
        scene.app.number("SELECT COUNT(*) FROM event").await,
        events,
        "nothing was written"
    );
    scene.app.finish().await;
}
