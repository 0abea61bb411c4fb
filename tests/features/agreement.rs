//! Agreements: written, signed, amended, given notice of, and what they bind us to.

use crate::scene::{Scene, done};
use serde_json::json;

#[tokio::test]
async fn an_agreement_goes_from_a_draft_to_force_and_its_words_are_sealed() {
    let scene = Scene::start().await;
    let id = scene
        .draft(
            &scene.partnership,
            json!({ "revenueShare": { "scheme": "STANDARD_70_30" } }),
        )
        .await;
    let own = scene.own();
    let shown = format!(
        "{{ agreement(id: {id:?}) {{ number status availableTransitions termEndsOn versions {{ number isIntact signedAt termsHash terms {{ noticeDays \
         confidentialityMonths exclusivity revenueShare {{ scheme ourShareBp partnerShareBp }} slas {{ metric target }} }} signatures {{ side signerName \
         signedHash }} }} }} }}"
    );
    let draft = scene.app.ask(&scene.admin, &shown).await;
    assert_eq!(draft.at("/agreement/status"), "DRAFT");
    assert_eq!(
        draft.at("/agreement/versions/0/terms"),
        &json!({
            "noticeDays": 90, "confidentialityMonths": 24, "exclusivity": "NON_EXCLUSIVE",
            "revenueShare": { "scheme": "STANDARD_70_30", "ourShareBp": 7_000, "partnerShareBp": 3_000 },
            "slas": [{ "metric": "UPTIME_PERCENT", "target": "99.9" }, { "metric": "SUPPORT_RESPONSE_HOURS", "target": "24" }],
        })
    );
    // A draft is ours alone: to its partner it is like one that never was.
    let never = shown.replace(&id, "agreement_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(
        scene.app.ask(&own, &shown).await.data(),
        scene.app.ask(&own, &never).await.data()
    );
    assert_eq!(
        scene
            .refused("advanceAgreement", json!({ "id": id, "to": "SIGNED" }))
            .await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    let amendment =
        json!({ "id": id, "effectiveOn": "2027-01-01", "terms": {}, "summary": "none" });
    assert_eq!(
        scene.refused("amendAgreement", amendment).await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    scene.bring_to_signature(&id).await;
    let blind = json!({ "id": id, "side": "US", "signerName": "Ada", "signerTitle": "Head", "termsHash": "0".repeat(64) });
    assert_eq!(
        scene.refused("signAgreement", blind).await,
        ["VERSION_CONFLICT termsHash"]
    );
    let first = done(&scene.sign(&id, "US").await, "signAgreement");
    assert_eq!(first["agreement"]["status"], "PENDING_SIGNATURE");
    assert_eq!(
        scene.sign(&id, "US").await.refusals("signAgreement"),
        ["TAKEN side"]
    );
    let second = done(&scene.sign(&id, "PARTNER").await, "signAgreement");
    assert_eq!(second["agreement"]["status"], "ACTIVE");
    let signed = scene.app.ask(&own, &shown).await;
    let version = signed.at("/agreement/versions/0");
    assert_eq!(
        (
            signed.at("/agreement/termEndsOn"),
            &version["isIntact"],
            &version["signatures"][1]["signedHash"]
        ),
        (&json!("2027-11-02"), &json!(true), &version["termsHash"])
    );
    assert_eq!(
        scene
            .refused("reviseAgreement", json!({ "id": id, "terms": {} }))
            .await,
        ["LOCKED terms"]
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn shares_that_are_not_the_whole_and_days_that_cannot_be_are_refused() {
    let scene = Scene::start().await;
    let terms = |terms: serde_json::Value| json!({ "partnershipId": scene.partnership, "effectiveOn": "2026-11-02", "terms": terms });
    let share = |scheme: &str, ours: i32, partners: i32| {
        terms(
            json!({ "revenueShare": { "scheme": scheme, "ourShareBp": ours, "partnerShareBp": partners } }),
        )
    };
    for (input, refusals) in [
        (
            share("CUSTOM", 7_000, 2_999),
            vec!["INVALID terms.revenueShare"],
        ),
        (
            share("STANDARD_70_30", 6_000, 4_000),
            vec!["INVALID terms.revenueShare"],
        ),
        (
            terms(json!({ "termMonths": 0 })),
            vec!["INVALID terms.termMonths"],
        ),
        (
            terms(json!({ "exclusivity": "EXCLUSIVE_TERRITORY" })),
            vec!["BLANK terms.scope.territories"],
        ),
        (
            terms(json!({ "slas": [{ "metric": "UPTIME_PERCENT", "target": "100.1" }] })),
            vec!["INVALID terms.slas.target"],
        ),
        (
            terms(json!({ "slas": [{ "metric": "UPTIME_PERCENT", "target": "99.9999999" }] })),
            vec!["INVALID terms.slas.target"],
        ),
        (
            json!({ "partnershipId": "partnership_01h2xcejqtf2nbrexx3vqjhp41", "effectiveOn": "2026-11-02" }),
            vec!["NOT_FOUND partnershipId"],
        ),
    ] {
        assert_eq!(
            scene.refused("createAgreement", input.clone()).await,
            refusals,
            "{input}"
        );
    }
    assert_eq!(scene.app.number("SELECT COUNT(*) FROM agreement").await, 0);
    scene.app.finish().await;
}

#[tokio::test]
async fn exclusive_scopes_do_not_overlap_and_what_they_would_meet_is_shown_before() {
    let scene = Scene::start().await;
    let exclusive = |territory: &str| json!({ "exclusivity": "EXCLUSIVE", "exclusivityScope": { "territories": [territory], "products": ["Core"] } });
    let first = scene.agree(&scene.partnership, exclusive("DE")).await;
    let query = "query($input: ExclusivityInput!) { exclusivityOverlaps(input: $input) { meeting agreement { id partner { name } } } }";
    let ask = async |token: &str, territories: serde_json::Value, kind: &str| {
        let input = json!({ "exclusivity": kind, "scope": { "territories": territories }, "from": "2026-12-01" });
        scene
            .app
            .graphql(token, query, json!({ "input": input }))
            .await
    };
    for (territories, kind, meeting) in [
        (json!(["DE", "AT"]), "EXCLUSIVE", json!("CONFLICT")),
        (json!([]), "NON_EXCLUSIVE", json!("INSIDE")),
    ] {
        let answer = ask(&scene.admin, territories, kind).await;
        assert_eq!(
            answer.at("/exclusivityOverlaps"),
            &json!([{ "meeting": meeting, "agreement": { "id": first, "partner": { "name": "Acme" } } }])
        );
    }
    let answer = ask(&scene.admin, json!(["AT"]), "EXCLUSIVE").await;
    assert_eq!(answer.at("/exclusivityOverlaps"), &json!([]));
    assert_eq!(
        ask(&scene.own(), json!([]), "EXCLUSIVE").await.codes(),
        ["FORBIDDEN"]
    );
    let (_, other) = scene.partner("Bolt").await;
    let second = scene.draft(&other, exclusive("DE")).await;
    scene.bring_to_signature(&second).await;
    done(&scene.sign(&second, "US").await, "signAgreement");
    assert_eq!(
        scene
            .sign(&second, "PARTNER")
            .await
            .refusals("signAgreement"),
        ["TAKEN terms.scope"]
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn what_binds_us_is_generated_closed_and_shown_to_the_partner_without_our_own_decisions() {
    let scene = Scene::start().await;
    let id = scene
        .agree(&scene.partnership, json!({ "compliance": ["GDPR"] }))
        .await;
    let query = "{ obligations(filter: { dueOn: { lte: \"2027-11-30\" } }, orderBy: [{ field: DUE_ON }]) { nodes { id kind subject dueOn status owner \
        agreement { id } partner { name } } } }";
    let binds = scene.app.ask(&scene.admin, query).await;
    let rows = binds.list("/obligations/nodes");
    let kinds: Vec<&str> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "REVIEW",
        "NOTICE_DEADLINE",
        "RENEWAL_DECISION",
        "ATTESTATION",
    ] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    assert!(
        rows.iter()
            .all(|row| row["agreement"]["id"] == json!(id) && row["partner"]["name"] == "Acme")
    );
    let own = scene.app.ask(&scene.own(), query).await;
    assert_eq!(
        own.list("/obligations/nodes").len(),
        rows.len() - 1,
        "all but the renewal decision"
    );
    let review = rows.iter().find(|row| row["kind"] == "REVIEW").unwrap()["id"].clone();
    scene
        .admin(
            "assignObligation",
            json!({ "id": review, "owner": "Ada" }),
            "obligation { owner }",
        )
        .await;
    let waived = json!({ "id": review, "status": "WAIVED" });
    assert_eq!(
        scene.refused("closeObligation", waived).await,
        ["BLANK note"]
    );
    let closed = scene
        .admin(
            "closeObligation",
            json!({ "id": review, "status": "DONE", "note": "went well" }),
            "obligation { status owner doneBy note }",
        )
        .await;
    assert_eq!(
        closed["obligation"],
        json!({ "status": "DONE", "owner": "Ada", "doneBy": "tests", "note": "went well" })
    );
    let query = format!("{{ obligation(id: {review}) {{ status owner doneBy note }} }}");
    let shown = scene.app.ask(&scene.own(), &query).await;
    assert_eq!(
        shown.at("/obligation"),
        &json!({ "status": "DONE", "owner": null, "doneBy": null, "note": null })
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn an_amendment_holds_from_its_day_and_notice_ends_it_when_it_is_over() {
    let scene = Scene::start().await;
    let id = scene.agree(&scene.partnership, Scene::technology()).await;
    let amendment = json!({
        "id": id, "effectiveOn": "2027-01-01", "summary": "more", "terms": { "revenueShare": { "scheme": "STRATEGIC_60_40" } },
    });
    scene
        .admin("amendAgreement", amendment, "agreement { id }")
        .await;
    let longer = json!({ "id": id, "effectiveOn": "2027-01-01", "summary": "longer", "terms": { "termMonths": 24 } });
    assert_eq!(
        scene.refused("amendAgreement", longer).await,
        ["LOCKED terms"]
    );
    for side in ["US", "PARTNER"] {
        done(&scene.sign(&id, side).await, "signAgreement");
    }
    let query = format!(
        "{{ agreement(id: {id:?}) {{ status versions {{ number effectiveOn summary signatures {{ side }} terms {{ earning {{ commitment {{ amount {{ amount }} }} }} \
         revenueShare {{ partnerShareBp }} }} }} }} }}"
    );
    let known = scene.app.ask(&scene.own(), &query).await;
    // What the amendment does not speak of stays.
    assert_eq!(
        known.at("/agreement/versions/1"),
        &json!({
            "number": 2, "effectiveOn": "2027-01-01", "summary": "more", "signatures": [{ "side": "US" }, { "side": "PARTNER" }],
            "terms": { "earning": { "commitment": { "amount": { "amount": "100000.00" } } }, "revenueShare": { "partnerShareBp": 4_000 } },
        })
    );
    let early = json!({ "id": id, "by": "US", "reason": "no fit", "terminatesOn": "2026-12-01" });
    assert_eq!(
        scene.refused("giveAgreementNotice", early).await,
        ["INVALID terminatesOn"]
    );
    let given = scene
        .admin(
            "giveAgreementNotice",
            json!({ "id": id, "by": "US", "reason": "no fit" }),
            "agreement { status terminatesOn noticeReason }",
        )
        .await;
    assert_eq!(
        given["agreement"],
        json!({ "status": "NOTICE_GIVEN", "terminatesOn": "2027-01-31", "noticeReason": "no fit" })
    );
    scene.app.advance(std::time::Duration::from_hours(24 * 90));
    scene.work().await;
    let query = format!("{{ agreement(id: {id:?}) {{ status endedOn noticeReason }} }}");
    let token = scene.app.partner_token(scene.partner);
    let ended = scene.app.ask(&token, &query).await;
    assert_eq!(
        ended.at("/agreement"),
        &json!({ "status": "TERMINATED", "endedOn": "2027-01-31", "noticeReason": null })
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_service_level_is_measured_against_what_was_promised() {
    let scene = Scene::start().await;
    let id = scene.agree(&scene.partnership, json!({})).await;
    let measured = |level: &str, from: &str, to: &str| json!({ "agreementId": id, "metric": "UPTIME_PERCENT", "startsOn": from, "endsOn": to, "measured": level, "evidence": "monitor" });
    for (level, from, to) in [
        ("99.95", "2026-11-02", "2026-11-30"),
        ("99.899999", "2026-12-01", "2026-12-31"),
    ] {
        scene
            .admin(
                "recordSlaMeasurement",
                measured(level, from, to),
                "agreement { id }",
            )
            .await;
    }
    assert_eq!(
        scene
            .refused(
                "recordSlaMeasurement",
                measured("99", "2026-11-15", "2026-11-16")
            )
            .await,
        ["TAKEN startsOn"]
    );
    let query = format!(
        "{{ agreement(id: {id:?}) {{ slaMeasurements {{ metric target measured met measuredBy }} }} }}"
    );
    let shown = scene.app.ask(&scene.own(), &query).await;
    assert_eq!(
        shown.at("/agreement/slaMeasurements"),
        &json!([
            { "metric": "UPTIME_PERCENT", "target": "99.9", "measured": "99.95", "met": true, "measuredBy": null },
            { "metric": "UPTIME_PERCENT", "target": "99.9", "measured": "99.899999", "met": false, "measuredBy": null },
        ])
    );
    scene.app.finish().await;
}
