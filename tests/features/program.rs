//! Programmes, tiers and rules: what a partnership goes by.

use crate::scene::{Scene, done};
use serde_json::json;
use tests::TestApp;

#[tokio::test]
async fn a_programme_is_made_with_the_usual_settings_and_changed_under_the_version_that_was_seen() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let fields = "id version name timeZone currency protectionDays extensionDays holdDays fourEyesLimit { amount currency } products archivedAt tiers { id }";
    let answer = app
        .mutate(
            &token,
            "createProgram",
            json!({ "name": "Partners", "idempotencyKey": "one" }),
            &format!("program {{ {fields} }}"),
        )
        .await;
    let row = done(&answer, "createProgram")["program"].clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "name": "Partners", "timeZone": "UTC", "currency": "EUR", "protectionDays": 90, "extensionDays": 45,
            "holdDays": 30, "fourEyesLimit": { "amount": "0.00", "currency": "EUR" }, "products": [], "archivedAt": null, "tiers": [],
        })
    );
    let again = app
        .mutate(
            &token,
            "createProgram",
            json!({ "name": "Partners", "idempotencyKey": "one" }),
            "program { id }",
        )
        .await;
    assert_eq!(done(&again, "createProgram")["program"]["id"], row["id"]);
    let update = async |input: serde_json::Value| {
        let mut input = input;
        input["id"] = row["id"].clone();
        app.mutate(
            &token,
            "updateProgram",
            input,
            "program { version fourEyesLimit { amount } }",
        )
        .await
    };
    let answer = update(json!({ "expectedVersion": 1, "fourEyesLimit": "2500" })).await;
    assert_eq!(
        done(&answer, "updateProgram")["program"],
        json!({ "version": 2, "fourEyesLimit": { "amount": "2500.00" } })
    );
    for (input, refusal) in [
        (
            json!({ "expectedVersion": 1, "name": "Other" }),
            "VERSION_CONFLICT expectedVersion",
        ),
        (json!({ "protectionDays": 0 }), "INVALID protectionDays"),
        (json!({ "protectionDays": 366 }), "INVALID protectionDays"),
        (json!({ "name": " " }), "BLANK name"),
        (json!({ "fourEyesLimit": "-1" }), "INVALID fourEyesLimit"),
        (json!({ "fourEyesLimit": "1.001" }), "INVALID fourEyesLimit"),
        (json!({ "products": ["A", "a "] }), "TAKEN products"),
    ] {
        let answer = update(input.clone()).await;
        assert_eq!(answer.refusals("updateProgram"), [refusal], "{input}");
    }
    for (input, refusal) in [
        (
            json!({ "name": "B", "timeZone": "Mars/Base" }),
            "INVALID timeZone",
        ),
        (json!({ "name": "Partners" }), "TAKEN name"),
    ] {
        let answer = app
            .mutate(&token, "createProgram", input.clone(), "__typename")
            .await;
        assert_eq!(answer.refusals("createProgram"), [refusal], "{input}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM program").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_partner_sees_the_programme_it_takes_part_in_and_no_other() {
    let scene = Scene::start().await;
    let other = scene
        .admin(
            "createProgram",
            json!({ "name": "Secret" }),
            "program { id }",
        )
        .await["program"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let never = "program_01h2xcejqtf2nbrexx3vqjhp41";
    let own = scene.own();
    let ask = async |id: &str| {
        let query = format!(
            "{{ program(id: {id:?}) {{ name }} node(id: {id:?}) {{ id }} programs(filter: {{ id: {{ eq: {id:?} }} }}) {{ totalCount }} }}"
        );
        scene.app.ask(&own, &query).await.data().clone()
    };
    assert_eq!(ask(&other).await, ask(never).await);
    assert_eq!(
        ask(&scene.program).await,
        json!({ "program": { "name": "Partners" }, "node": { "id": scene.program }, "programs": { "totalCount": 1 } })
    );
    let answer = scene
        .app
        .ask(
            &own,
            "{ programs { nodes { name fourEyesLimit { amount } } } }",
        )
        .await;
    assert_eq!(
        answer.at("/programs/nodes"),
        &json!([{ "name": "Partners", "fourEyesLimit": null }])
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn tiers_have_a_rank_each_and_a_partnership_has_the_tier_of_the_day() {
    let scene = Scene::start().await;
    let tier = async |name: &str, rank: i32, uplift: i32| {
        let input = json!({
            "programId": scene.program, "name": name, "rank": rank, "upliftBp": uplift, "benefits": ["A manager"],
            "criteria": [{ "metric": "WON_DEALS", "atLeast": 3, "months": 12 }],
        });
        let made = scene
            .admin(
                "createTier",
                input,
                "tier { id name rank upliftBp benefits criteria { metric atLeast months } program { name } }",
            )
            .await;
        made["tier"].clone()
    };
    let (silver, gold) = (tier("Silver", 1, 0).await, tier("Gold", 2, 500).await);
    assert_eq!(
        gold,
        json!({
            "id": gold["id"], "name": "Gold", "rank": 2, "upliftBp": 500, "benefits": ["A manager"],
            "criteria": [{ "metric": "WON_DEALS", "atLeast": 3, "months": 12 }], "program": { "name": "Partners" },
        })
    );
    let taken = json!({ "programId": scene.program, "name": "Other", "rank": 2 });
    assert_eq!(scene.refused("createTier", taken).await, ["TAKEN rank"]);
    let much =
        json!({ "programId": scene.program, "name": "Other", "rank": 3, "upliftBp": 10_001 });
    assert_eq!(
        scene.refused("createTier", much).await,
        ["INVALID upliftBp"]
    );

    let assign = |tier: &serde_json::Value, day: &str| json!({ "partnershipId": scene.partnership, "tierId": tier["id"], "effectiveOn": day, "reason": "sold much" });
    assert_eq!(
        scene
            .refused("assignTier", assign(&silver, "2026-11-01"))
            .await,
        ["INVALID effectiveOn"]
    );
    let fields =
        "partnership { tier { name } tierAssignments { effectiveOn reason tier { name } } }";
    scene
        .admin("assignTier", assign(&silver, "2026-11-02"), fields)
        .await;
    let later = scene
        .admin("assignTier", assign(&gold, "2026-12-01"), fields)
        .await;
    assert_eq!(
        later["partnership"],
        json!({
            "tier": { "name": "Silver" },
            "tierAssignments": [
                { "effectiveOn": "2026-11-02", "reason": "sold much", "tier": { "name": "Silver" } },
                { "effectiveOn": "2026-12-01", "reason": "sold much", "tier": { "name": "Gold" } },
            ],
        })
    );
    let own = scene
        .app
        .ask(
            &scene.own(),
            "{ partnerships { nodes { tier { name } tierAssignments { reason } } } }",
        )
        .await;
    assert_eq!(
        own.at("/partnerships/nodes/0"),
        &json!({ "tier": { "name": "Silver" }, "tierAssignments": [{ "reason": null }, { "reason": null }] })
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_level_of_programmes_tiers_and_agreements_costs_one_statement_a_field() {
    let scene = Scene::start().await;
    for name in ["Bolt", "Crane"] {
        let (_, partnership) = scene.partner(name).await;
        scene.agree(&partnership, json!({})).await;
    }
    let query = "{ partnerships { nodes { enrollment { program { name tiers { name } } } tierAssignments { id } agreements { number versions { number signatures { side } } \
        obligations { kind } slaMeasurements { met } partner { name } } commitmentYears { status } ledgerEntries(first: 2) { nodes { kind } } \
        registrations(first: 2) { nodes { status } } } } }";
    let (answer, statements) = scene.app.counted(&scene.admin, query).await;
    assert_eq!(answer.list("/partnerships/nodes").len(), 3);
    assert_eq!(
        answer
            .list("/partnerships/nodes/1/agreements/0/versions/0/signatures")
            .len(),
        2
    );
    // Partnerships, enrolments, programmes, tiers, assignments, agreements, versions, signatures, obligations, measurements, partners, years, entries,
    // registrations.
    assert_eq!(statements.len(), 14, "{statements:#?}");
    scene.app.finish().await;
}
