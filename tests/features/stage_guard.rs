//! A stage asks for something before it is reached; who goes without says why.

use crate::scene::Scene;
use entities::viewer::{PartnerRole, Scopes, ViewerKind};
use serde_json::{Value, json};

async fn guards(scene: &Scene) -> Value {
    let query = format!(
        "{{ stageGuards(partnershipId: {:?}) {{ to requirement met message }} }}",
        scene.partnership
    );
    let asked = scene.app.ask(&scene.app.admin(), &query).await;
    asked.at("/stageGuards").clone()
}

async fn record(scene: &Scene, outcome: &str) -> Value {
    let input = json!({
        "partnershipId": scene.partnership, "kind": "INTRO_CALL", "outcome": outcome, "summary": "We spoke", "internalNote": "Good people",
    });
    let fields = "activity { id kind outcome summary internalNote recordedBy partner { name } partnership { id } }";
    scene.admin("recordActivity", input, fields).await["activity"].clone()
}

async fn advance(scene: &Scene, to: &str) -> Vec<String> {
    let input = json!({ "id": scene.partnership, "to": to });
    scene.refused("advancePartnership", input).await
}

#[tokio::test]
async fn each_stage_asks_for_its_own() {
    let scene = Scene::start().await;
    let nobody =
        "{ stageGuards(partnershipId: \"partnership_01h2xcejqtf2nbrexx3vqjhp41\") { met } }";
    let nothing = scene.app.ask(&scene.app.admin(), nobody).await;
    assert_eq!(nothing.at("/stageGuards"), &json!([]));

    assert_eq!(advance(&scene, "ENGAGE").await, ["LOCKED to"]);
    for outcome in ["NEUTRAL", "NEGATIVE", "PROPOSAL_DECLINED"] {
        record(&scene, outcome).await;
        assert_eq!(advance(&scene, "ENGAGE").await, ["LOCKED to"], "{outcome}");
    }
    let said = guards(&scene).await;
    assert_eq!(
        said,
        json!([{ "to": "ENGAGE", "requirement": "POSITIVE_RESPONSE", "met": false, "message": "No activity with a positive outcome is recorded." }])
    );
    let made = record(&scene, "POSITIVE").await;
    assert_eq!(made["partner"]["name"], "Acme");
    assert_eq!(guards(&scene).await[0]["met"], true);
    assert_eq!(advance(&scene, "ENGAGE").await, Vec::<String>::new());

    assert_eq!(advance(&scene, "NEGOTIATE").await, ["LOCKED to"]);
    record(&scene, "PROPOSAL_ACCEPTED").await;
    assert_eq!(advance(&scene, "NEGOTIATE").await, Vec::<String>::new());

    assert_eq!(advance(&scene, "ACTIVE").await, ["LOCKED to", "LOCKED to"]);
    let input = json!({ "partnershipId": scene.partnership });
    assert_eq!(
        scene.refused("beginOnboarding", input.clone()).await,
        ["NOT_FOUND checklist"]
    );
    let list = json!({ "name": "Short", "items": [
        { "step": "INITIAL_CONTACT", "title": "Say hello", "fromWeek": 1, "toWeek": 1 },
        { "step": "GO_TO_MARKET", "title": "Tell everybody", "fromWeek": 9, "toWeek": 12 },
    ] });
    scene
        .admin(
            "publishChecklist",
            list,
            "checklist { id name publishedBy items { step title fromWeek toWeek } }",
        )
        .await;
    let begun = scene
        .admin(
            "beginOnboarding",
            input.clone(),
            "partnership { onboardingTasks { id place title status availableTransitions } }",
        )
        .await;
    let tasks = begun["partnership"]["onboardingTasks"].clone();
    assert_eq!(tasks[1]["title"], "Tell everybody");
    assert_eq!(
        tasks[1]["availableTransitions"],
        json!(["IN_PROGRESS", "SKIPPED"])
    );
    assert_eq!(
        scene.refused("beginOnboarding", input).await,
        ["TAKEN partnershipId"]
    );
    let step = |task: usize, status: &str, note: Value| json!({ "id": tasks[task]["id"], "status": status, "note": note });
    let name = "updateOnboardingTask";
    for (input, refusal) in [
        (
            step(0, "DONE", json!(null)),
            "TRANSITION_NOT_ALLOWED status",
        ),
        (step(0, "SKIPPED", json!(" ")), "BLANK note"),
    ] {
        assert_eq!(scene.refused(name, input).await, [refusal]);
    }
    for input in [
        step(0, "IN_PROGRESS", json!(null)),
        step(0, "DONE", json!(null)),
        step(1, "SKIPPED", json!("Everybody knows")),
    ] {
        scene
            .admin(
                name,
                input,
                "onboardingTask { status note doneBy doneAt version }",
            )
            .await;
    }
    let completed = "SELECT COUNT(*) FROM event WHERE kind = 'onboarding.completed'";
    assert_eq!(scene.app.number(completed).await, 1);
    assert_eq!(
        advance(&scene, "ACTIVE").await,
        ["LOCKED to"],
        "the agreement is missing"
    );
    assert_eq!(
        scene
            .refused(name, step(1, "IN_PROGRESS", json!(null)))
            .await,
        ["TRANSITION_NOT_ALLOWED status"],
        "what is skipped stays so"
    );
    scene.draft(&scene.partnership, Scene::technology()).await;
    assert_eq!(
        advance(&scene, "ACTIVE").await,
        ["LOCKED to"],
        "a draft is not in force"
    );
    scene.agree(&scene.partnership, Scene::technology()).await;
    let said = guards(&scene).await;
    assert_eq!(
        said,
        json!([
            { "to": "ACTIVE", "requirement": "AGREEMENT_IN_FORCE", "met": true, "message": null },
            { "to": "ACTIVE", "requirement": "ONBOARDING_COMPLETED", "met": true, "message": null },
        ])
    );
    assert_eq!(advance(&scene, "ACTIVE").await, Vec::<String>::new());
    assert_eq!(
        guards(&scene).await,
        json!([]),
        "there is no stage after it"
    );
    let overridden = "SELECT COUNT(*) FROM event WHERE kind = 'partnership.guard_overridden'";
    assert_eq!(scene.app.number(overridden).await, 0);
    scene.app.finish().await;
}

#[tokio::test]
async fn who_goes_without_is_kept_with_the_reason() {
    let scene = Scene::start().await;
    let step = |to: &str, more: Value| {
        let mut input = more;
        input["id"] = json!(scene.partnership);
        input["to"] = json!(to);
        input
    };
    let blank = step("ENGAGE", json!({ "overrideReason": "  " }));
    assert_eq!(
        scene.refused("advancePartnership", blank).await,
        ["LOCKED to"]
    );
    let far = step("ACTIVE", json!({ "overrideReason": "Now" }));
    assert_eq!(
        scene.refused("advancePartnership", far).await,
        ["TRANSITION_NOT_ALLOWED stage"],
        "a reason skips no stage"
    );
    let go = step("ENGAGE", json!({ "overrideReason": "They called us" }));
    scene
        .admin("advancePartnership", go, "partnership { stage }")
        .await;
    let back = step(
        "PROSPECT",
        json!({ "reason": "Too early", "overrideReason": "x" }),
    );
    assert_eq!(
        scene.refused("advancePartnership", back).await,
        ["INVALID overrideReason"]
    );
    let query = "{ events(first: 100, types: [\"partnership.guard_overridden\"]) { edges { node { actor data } } } }";
    let events = scene.app.ask(&scene.app.admin(), query).await;
    let node = events.at("/events/edges/0/node");
    assert_eq!(
        node["data"],
        json!({ "from": "PROSPECT", "to": "ENGAGE", "missing": ["POSITIVE_RESPONSE"], "reason": "They called us" })
    );
    assert!(
        node["actor"]
            .as_str()
            .is_some_and(|actor| !actor.is_empty())
    );
    let partner = scene.app.partner_token(scene.partner);
    let seen = scene.app.ask(&partner, query).await;
    assert_eq!(seen.at("/events/edges"), &json!([]), "it is ours");
    scene.app.finish().await;
}

#[tokio::test]
async fn an_activity_is_the_partners_to_read_where_words_were_written_for_it() {
    let scene = Scene::start().await;
    let (_, other) = scene.partner("Other").await;
    record(&scene, "POSITIVE").await;
    for partnership in [&scene.partnership, &other] {
        let ours = json!({ "partnershipId": partnership, "kind": "NOTE", "internalNote": "They are slow" });
        scene.admin("recordActivity", ours, "activity { id }").await;
    }
    let role = ViewerKind::Partner(scene.partner, PartnerRole::Viewer);
    let token = scene.app.token_for(role, Scopes::all());
    let seen = scene
        .app
        .ask(
            &token,
            "{ activities { nodes { summary outcome internalNote recordedBy } totalCount } }",
        )
        .await;
    assert_eq!(
        seen.at("/activities"),
        &json!({ "nodes": [{ "summary": "We spoke", "outcome": null, "internalNote": null, "recordedBy": null }], "totalCount": 1 })
    );
    for (field, value, refusal) in [
        (
            "occurredAt",
            json!("2026-11-02T09:00:01Z"),
            "INVALID occurredAt",
        ),
        (
            "partnershipId",
            json!("partnership_01h2xcejqtf2nbrexx3vqjhp41"),
            "NOT_FOUND partnershipId",
        ),
        ("summary", json!(" "), "BLANK summary"),
    ] {
        let mut input = json!({ "partnershipId": other, "kind": "CALL", "summary": "We spoke", "occurredAt": "2026-11-02T09:00:00Z" });
        input[field] = value;
        assert_eq!(
            scene.refused("recordActivity", input).await,
            [refusal],
            "{field}"
        );
    }
    scene.app.finish().await;
}
