//! Candidates are scored by criteria that are data, and approved where the mean is good enough.

use crate::scene::{Scene, done};
use serde_json::{Value, json};

const SCHEME: &str =
    "assessmentScheme { id name threshold publishedBy criteria { key group weight question } }";
const SCORED: &str = "assessment { id mean numerator denominator meetsThreshold note assessedBy scheme { name } scores { criterion score evidence } }";

fn scheme(threshold: &str) -> Value {
    json!({
        "name": "Fit", "threshold": threshold,
        "criteria": [
            { "key": "market", "group": "STRATEGIC_FIT", "question": "Same market?", "weight": 1 },
            { "key": "people", "group": "OPERATIONAL_FIT", "question": "Has it people?", "weight": 1 },
            { "key": "revenue", "group": "FINANCIAL_FIT", "question": "Does it pay?", "weight": 2 },
        ],
    })
}

fn scores(values: [i32; 3]) -> Value {
    let of = |(key, score): (&str, i32)| json!({ "criterion": key, "score": score, "evidence": "Seen in a call" });
    ["market", "people", "revenue"]
        .into_iter()
        .zip(values)
        .map(of)
        .collect()
}

async fn in_review(scene: &Scene) -> Value {
    let input = json!({
        "programId": scene.program, "type": "CHANNEL", "companyName": "Umbrella", "contactName": "Ada", "message": "Hello",
    });
    let made = scene
        .admin(
            "submitPartnerApplication",
            input,
            "partnerApplication { id }",
        )
        .await;
    let id = made["partnerApplication"]["id"].clone();
    scene
        .admin(
            "reviewPartnerApplication",
            json!({ "id": id }),
            "partnerApplication { id }",
        )
        .await;
    id
}

#[tokio::test]
async fn an_application_is_approved_when_its_mean_reaches_the_threshold() {
    let scene = Scene::start().await;
    let id = in_review(&scene).await;
    let score =
        |values| json!({ "applicationId": id, "scores": scores(values), "note": "First look" });
    assert_eq!(
        scene.refused("assessCandidate", score([8, 8, 8])).await,
        ["NOT_FOUND scores"],
        "there are no criteria yet"
    );
    let published = scene
        .admin("publishAssessmentScheme", scheme("8"), SCHEME)
        .await;
    assert_eq!(published["assessmentScheme"]["threshold"], "8.00");
    scene
        .admin("publishAssessmentScheme", scheme("8"), SCHEME)
        .await;
    assert_eq!(
        scene
            .app
            .number("SELECT COUNT(*) FROM assessment_scheme")
            .await,
        1,
        "the same again is nothing new"
    );
    let approve = json!({ "id": id });
    let refused = || scene.refused("approvePartnerApplication", approve.clone());
    assert_eq!(
        refused().await,
        ["LOCKED overrideReason"],
        "nobody has scored it"
    );
    // (8 + 8 + 2 × 7.5) cannot be scored; 9, 8 and 7 make 31 of 4: 7.75.
    let low = scene
        .admin("assessCandidate", score([9, 8, 7]), SCORED)
        .await;
    let low = &low["assessment"];
    assert_eq!(
        (
            &low["mean"],
            &low["numerator"],
            &low["denominator"],
            &low["meetsThreshold"]
        ),
        (&json!("7.75"), &json!(31), &json!(4), &json!(false))
    );
    assert_eq!(refused().await, ["LOCKED overrideReason"]);
    let high = scene
        .admin("assessCandidate", score([9, 7, 8]), SCORED)
        .await;
    assert_eq!(high["assessment"]["mean"], "8.00");
    assert_eq!(
        high["assessment"]["meetsThreshold"], true,
        "reached is enough"
    );
    assert_eq!(
        high["assessment"]["scores"][0]["evidence"],
        "Seen in a call"
    );
    let made = scene
        .admin(
            "approvePartnerApplication",
            approve.clone(),
            "partnerApplication { status overrideReason assessments { mean } }",
        )
        .await;
    assert_eq!(
        made["partnerApplication"],
        json!({ "status": "APPROVED", "overrideReason": null, "assessments": [{ "mean": "7.75" }, { "mean": "8.00" }] })
    );
    assert_eq!(
        scene.refused("assessCandidate", score([9, 9, 9])).await,
        ["LOCKED applicationId"],
        "what is decided is not scored"
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn who_approves_without_says_why_and_new_criteria_ask_anew() {
    let scene = Scene::start().await;
    let id = in_review(&scene).await;
    scene
        .admin("publishAssessmentScheme", scheme("1"), SCHEME)
        .await;
    let input = json!({ "applicationId": id, "scores": scores([9, 9, 9]) });
    scene.admin("assessCandidate", input, SCORED).await;
    scene
        .admin("publishAssessmentScheme", scheme("2.5"), SCHEME)
        .await;
    for reason in [json!(null), json!(" ")] {
        let input = json!({ "id": id, "overrideReason": reason });
        assert_eq!(
            scene.refused("approvePartnerApplication", input).await,
            ["LOCKED overrideReason"],
            "scored by other criteria is not scored by these"
        );
    }
    let input = json!({ "id": id, "overrideReason": "The board wants it" });
    let made = scene
        .admin(
            "approvePartnerApplication",
            input,
            "partnerApplication { overrideReason decidedBy partner { id } }",
        )
        .await;
    assert_eq!(
        made["partnerApplication"]["overrideReason"],
        "The board wants it"
    );
    let events = scene
        .app
        .ask(&scene.app.admin(), "{ events(first: 100, types: [\"partner_application.assessment_overridden\"]) { edges { node { actor data } } } }")
        .await;
    let node = events.at("/events/edges/0/node");
    assert_eq!(node["data"], json!({ "reason": "The board wants it" }));
    assert_eq!(
        node["actor"], made["partnerApplication"]["decidedBy"],
        "who and why"
    );
    // A partner reads nothing of it.
    let partner = made["partnerApplication"]["partner"]["id"]
        .as_str()
        .unwrap();
    let token = scene.app.partner_token(partner.parse().unwrap());
    let seen = scene
        .app
        .ask(&token, "{ assessmentScheme { id } partnerApplications { nodes { overrideReason assessments { id } } } }")
        .await;
    assert_eq!(
        seen.data(),
        &json!({ "assessmentScheme": null, "partnerApplications": { "nodes": [{ "overrideReason": null, "assessments": [] }] } })
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn schemes_and_scores_that_cannot_be_are_refused() {
    let scene = Scene::start().await;
    let wrong = |edit: &dyn Fn(&mut Value)| {
        let mut input = scheme("8");
        edit(&mut input);
        input
    };
    for (input, refusal) in [
        (
            wrong(&|input| input["threshold"] = json!("8.001")),
            "INVALID threshold",
        ),
        (
            wrong(&|input| input["threshold"] = json!("0")),
            "INVALID threshold",
        ),
        (
            wrong(&|input| input["threshold"] = json!("10.01")),
            "INVALID threshold",
        ),
        (
            wrong(&|input| input["criteria"] = json!([])),
            "INVALID criteria",
        ),
        (
            wrong(&|input| input["criteria"][0]["weight"] = json!(0)),
            "INVALID criteria.weight",
        ),
        (
            wrong(&|input| input["criteria"][0]["key"] = json!("people")),
            "TAKEN criteria.key",
        ),
        (
            wrong(&|input| input["criteria"][0]["key"] = json!("A b")),
            "INVALID criteria.key",
        ),
        (wrong(&|input| input["name"] = json!("")), "BLANK name"),
    ] {
        assert_eq!(
            scene
                .refused("publishAssessmentScheme", input.clone())
                .await,
            [refusal],
            "{input}"
        );
    }
    scene
        .admin("publishAssessmentScheme", scheme("8"), SCHEME)
        .await;
    let score = |edit: &dyn Fn(&mut Value)| {
        let mut input = json!({ "partnershipId": scene.partnership, "scores": scores([8, 8, 8]) });
        edit(&mut input);
        input
    };
    for (input, refusal) in [
        (
            score(&|input| input["scores"][0]["score"] = json!(11)),
            &["INVALID scores.score"][..],
        ),
        (
            score(&|input| input["scores"][0]["score"] = json!(-1)),
            &["INVALID scores.score"],
        ),
        (
            score(&|input| input["scores"][0]["evidence"] = json!(" ")),
            &["BLANK scores.evidence"],
        ),
        (
            score(&|input| input["scores"][0]["criterion"] = json!("people")),
            &["BLANK scores", "TAKEN scores"],
        ),
        (
            score(&|input| input["scores"][0]["criterion"] = json!("luck")),
            &["BLANK scores", "NOT_FOUND scores.criterion"],
        ),
        (
            score(&|input| input["applicationId"] = input["partnershipId"].clone()),
            &["INVALID applicationId"],
        ),
        (
            score(&|input| {
                input["partnershipId"] = json!("partnership_01h2xcejqtf2nbrexx3vqjhp41");
            }),
            &["NOT_FOUND partnershipId"],
        ),
    ] {
        assert_eq!(
            scene.refused("assessCandidate", input.clone()).await,
            refusal,
            "{input}"
        );
    }
    assert_eq!(scene.app.number("SELECT COUNT(*) FROM assessment").await, 0);
    let token = scene.app.admin();
    let answer = scene
        .app
        .mutate(&token, "assessCandidate", score(&|_| ()), SCORED)
        .await;
    assert_eq!(
        done(&answer, "assessCandidate")["assessment"]["mean"],
        "8.00"
    );
    scene.app.finish().await;
}
