//! Partnerships: one relationship of one type, its way through the pipeline, and its ends.

use serde_json::{Value, json};
use tests::{Options, TestApp};

async fn made(app: &TestApp, token: &str) -> String {
    let partner = app
        .mutate(
            token,
            "createPartner",
            json!({ "name": "Acme" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let input = json!({ "partnerId": partner, "type": "CHANNEL" });
    app.mutate(token, "createPartnership", input, "partnership { id }")
        .await
        .text("/createPartnership/partnership/id")
}

#[tokio::test]
async fn a_partnership_is_created_at_the_beginning_and_read_through_its_partner() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let partner = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let input = json!({
        "partnerId": partner, "type": "TECHNOLOGY", "models": ["INTEGRATION", "REVENUE_SHARE"], "priority": "HIGH", "dri": "Ada",
        "valueForUs": "reach", "valueForThem": "leads", "valueForCustomers": "one bill", "revenueTarget": { "amount": "100000.00", "currency": "EUR" },
        "timelineMonths": 12, "tags": ["vip"],
    });
    let fields = "id version type models stage status availableTransitions priority dri valueForUs valueForThem valueForCustomers \
        revenueTarget { amount currency } timelineMonths tags startedAt liveAt endedAt endedReason partner { id name }";
    let answer = app
        .mutate(
            &token,
            "createPartnership",
            input,
            &format!("partnership {{ {fields} }}"),
        )
        .await;
    let row = answer.at("/createPartnership/partnership").clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "type": "TECHNOLOGY", "models": ["INTEGRATION", "REVENUE_SHARE"], "stage": "PROSPECT", "status": "OPEN",
            "availableTransitions": ["ON_HOLD", "DECLINED"], "priority": "HIGH", "dri": "Ada", "valueForUs": "reach", "valueForThem": "leads",
            "valueForCustomers": "one bill", "revenueTarget": { "amount": "100000.00", "currency": "EUR" }, "timelineMonths": 12, "tags": ["vip"],
            "startedAt": "2026-11-01T08:00:00Z", "liveAt": null, "endedAt": null, "endedReason": null, "partner": { "id": partner, "name": "Acme" },
        })
    );
    let through = app
        .ask(
            &token,
            &format!(
                "{{ partner(id: {partner:?}) {{ partnerships {{ nodes {{ {fields} }} }} }} }}"
            ),
        )
        .await;
    assert_eq!(through.at("/partner/partnerships/nodes/0"), &row);
    app.finish().await;
}

#[tokio::test]
async fn stages_are_climbed_one_by_one_and_a_step_back_has_a_reason() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let id = made(&app, &token).await;
    let advance = async |to: &str, reason: Value| {
        let answer = app
            .mutate(
                &token,
                "advancePartnership",
                json!({ "id": id, "to": to, "reason": reason, "overrideReason": (to != "ENGAGE" || reason.is_null()).then_some("It is known") }),
                "partnership { stage liveAt }",
            )
            .await;
        (
            answer.refusals("advancePartnership"),
            answer.at("/advancePartnership/partnership").clone(),
        )
    };
    let refused = |refusal: &str| (vec![refusal.to_owned()], json!(null));
    for far in ["NEGOTIATE", "ACTIVE", "PROSPECT"] {
        assert_eq!(
            advance(far, json!(null)).await,
            refused("TRANSITION_NOT_ALLOWED stage"),
            "{far}"
        );
    }
    for next in ["ENGAGE", "NEGOTIATE"] {
        assert_eq!(
            advance(next, json!(null)).await,
            (vec![], json!({ "stage": next, "liveAt": null }))
        );
    }
    for missing in [json!(null), json!("  ")] {
        assert_eq!(advance("ENGAGE", missing).await, refused("BLANK reason"));
    }
    assert_eq!(
        advance("ENGAGE", json!("no budget")).await.1["stage"],
        json!("ENGAGE")
    );
    assert_eq!(
        advance("NEGOTIATE", json!(null)).await.0,
        Vec::<String>::new()
    );
    assert_eq!(
        advance("ACTIVE", json!(null)).await,
        (
            vec![],
            json!({ "stage": "ACTIVE", "liveAt": "2026-11-01T08:00:00Z" })
        )
    );
    let steps = app
        .ask(
            &token,
            "{ events(types: [\"partnership.stage_changed\"]) { edges { node { data } } } }",
        )
        .await;
    assert_eq!(steps.list("/events/edges").len(), 5);
    assert_eq!(
        steps.at("/events/edges/2/node/data"),
        &json!({ "from": "NEGOTIATE", "to": "ENGAGE" })
    );
    // Why is for us alone; the partner reads that it happened.
    let why = "{ events { edges { node { data } } } }";
    assert!(
        app.ask(&token, why)
            .await
            .body
            .to_string()
            .contains("no budget")
    );
    let partner = app
        .ask(&token, "{ partners { nodes { id } } }")
        .await
        .text("/partners/nodes/0/id")
        .parse()
        .unwrap();
    let told = app
        .ask(&app.partner_token(partner), why)
        .await
        .body
        .to_string();
    assert!(
        told.contains("NEGOTIATE") && !told.contains("no budget"),
        "{told}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_partnership_rests_is_declined_before_it_is_active_and_ended_after() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let update = async |id: &str, input: Value| {
        let mut input = input;
        input["id"] = json!(id);
        let answer = app
            .mutate(
                &token,
                "updatePartnership",
                input,
                "partnership { status endedAt endedReason availableTransitions }",
            )
            .await;
        (
            answer.refusals("updatePartnership"),
            answer.at("/updatePartnership/partnership").clone(),
        )
    };
    let young = made(&app, &token).await;
    assert_eq!(
        update(&young, json!({ "status": "ENDED", "reason": "x" }))
            .await
            .0,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    assert_eq!(
        update(&young, json!({ "status": "ON_HOLD" })).await.1["status"],
        json!("ON_HOLD")
    );
    let resting = app
        .mutate(
            &token,
            "advancePartnership",
            json!({ "id": young, "to": "ENGAGE" }),
            "partnership { id }",
        )
        .await;
    assert_eq!(resting.refusals("advancePartnership"), ["LOCKED stage"]);
    assert_eq!(
        update(&young, json!({ "status": "DECLINED" })).await.0,
        ["BLANK reason"]
    );
    let declined = update(&young, json!({ "status": "DECLINED", "reason": "no fit" }))
        .await
        .1;
    assert_eq!(
        declined,
        json!({ "status": "DECLINED", "endedAt": "2026-11-01T08:00:00Z", "endedReason": "no fit", "availableTransitions": [] })
    );
    assert_eq!(
        update(&young, json!({ "status": "OPEN" })).await.0,
        ["TRANSITION_NOT_ALLOWED status"]
    );

    let old = made(&app, &token).await;
    for to in ["ENGAGE", "NEGOTIATE", "ACTIVE"] {
        let answer = app
            .mutate(
                &token,
                "advancePartnership",
                json!({ "id": old, "to": to, "overrideReason": "It is known" }),
                "partnership { id }",
            )
            .await;
        assert_eq!(answer.refusals("advancePartnership"), Vec::<String>::new());
    }
    assert_eq!(
        update(&old, json!({ "status": "DECLINED", "reason": "x" }))
            .await
            .0,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    assert_eq!(
        update(&old, json!({ "status": "ENDED", "reason": "sold" }))
            .await
            .1["endedReason"],
        json!("sold")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_partnership_needs_its_partner_and_sane_numbers() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let partner = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let cases = [
        (
            json!({ "partnerId": "partner_01h2xcejqtf2nbrexx3vqjhp41", "type": "CHANNEL" }),
            "NOT_FOUND partnerId",
        ),
        (
            json!({ "partnerId": "deal_01h2xcejqtf2nbrexx3vqjhp41", "type": "CHANNEL" }),
            "NOT_FOUND partnerId",
        ),
        (
            json!({ "partnerId": partner, "type": "CHANNEL", "timelineMonths": -1 }),
            "INVALID timelineMonths",
        ),
        (
            json!({ "partnerId": partner, "type": "CHANNEL", "revenueTarget": { "amount": "-1", "currency": "EUR" } }),
            "INVALID revenueTarget",
        ),
        (
            json!({ "partnerId": partner, "type": "CHANNEL", "revenueTarget": { "amount": "1.005", "currency": "EUR" } }),
            "INVALID revenueTarget.amount",
        ),
        (
            json!({ "partnerId": partner, "type": "CHANNEL", "valueForUs": "x".repeat(2_001) }),
            "TOO_LONG valueForUs",
        ),
    ];
    for (input, refusal) in cases {
        let answer = app
            .mutate(
                &token,
                "createPartnership",
                input.clone(),
                "partnership { id }",
            )
            .await;
        assert_eq!(answer.refusals("createPartnership"), [refusal], "{input}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM partnership").await, 0);
    app.finish().await;
}
