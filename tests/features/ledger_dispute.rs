//! Objections: a partner objects to its own entries, and to nobody else's.

use crate::scene::{Scene, done};
use entities::viewer::{PartnerRole, Scope, StaffRole, ViewerKind};
use serde_json::json;

#[tokio::test]
async fn a_partner_objects_to_its_own_entry_which_waits_for_the_answer() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    scene.pay(&scene.partnership, "one", "1000").await;
    scene.work().await;
    let entry = scene.entries().await.remove(0);
    let own = scene.own();
    let input = json!({ "entryId": entry, "claim": "It was 2,000.", "idempotencyKey": "once" });
    let fields = "ledgerDispute { id status claim raisedBy ledgerEntry { status } }";
    let answer = scene
        .app
        .mutate(&own, "disputeLedgerEntry", input.clone(), fields)
        .await;
    let raised = done(&answer, "disputeLedgerEntry")["ledgerDispute"].clone();
    assert_eq!(
        raised,
        json!({ "id": raised["id"], "status": "OPEN", "claim": "It was 2,000.", "raisedBy": null, "ledgerEntry": { "status": "HELD" } })
    );
    let again = scene
        .app
        .mutate(&own, "disputeLedgerEntry", input, fields)
        .await;
    assert_eq!(
        done(&again, "disputeLedgerEntry")["ledgerDispute"]["id"],
        raised["id"]
    );
    let twice = json!({ "entryId": entry, "claim": "Once more." });
    let answer = scene
        .app
        .mutate(&own, "disputeLedgerEntry", twice, fields)
        .await;
    assert_eq!(answer.refusals("disputeLedgerEntry"), ["TAKEN entryId"]);
    // Answering is ours.
    let verdict = json!({ "id": raised["id"], "outcome": "REJECTED", "answer": "It was 1,000.", "internalNote": "again" });
    let answer = scene
        .app
        .mutate(&own, "resolveLedgerDispute", verdict.clone(), "__typename")
        .await;
    assert_eq!(answer.codes(), ["FORBIDDEN"]);
    scene
        .admin(
            "resolveLedgerDispute",
            verdict.clone(),
            "ledgerDispute { id }",
        )
        .await;
    assert_eq!(
        scene.refused("resolveLedgerDispute", verdict).await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    let query = "{ ledgerDisputes { nodes { status answer internalNote resolvedBy ledgerEntry { status } } } }";
    let shown = scene.app.ask(&own, query).await;
    assert_eq!(
        shown.at("/ledgerDisputes/nodes"),
        &json!([{ "status": "REJECTED", "answer": "It was 1,000.", "internalNote": null, "resolvedBy": null, "ledgerEntry": { "status": "PENDING" } }])
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn nobody_objects_to_anothers_entry_or_takes_anothers_objection_back() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    scene.pay(&scene.partnership, "one", "1000").await;
    scene.work().await;
    let entry = scene.entries().await.remove(0);
    let (other, _) = scene.partner("Bolt").await;
    let others = scene.app.partner_token(other);
    let object = |entry: &str| json!({ "entryId": entry, "claim": "Mine." });
    let mut refusals = Vec::new();
    for id in [entry.as_str(), "ledger_entry_01h2xcejqtf2nbrexx3vqjhp41"] {
        let answer = scene
            .app
            .mutate(&others, "disputeLedgerEntry", object(id), "__typename")
            .await;
        refusals.push(answer.at("/disputeLedgerEntry").clone());
    }
    assert_eq!(refusals[0], refusals[1]);
    assert_eq!(
        refusals[0]["userErrors"][0]["code"], "NOT_FOUND",
        "{refusals:?}"
    );
    let answer = scene
        .app
        .mutate(
            &scene.own(),
            "disputeLedgerEntry",
            object(&entry),
            "ledgerDispute { id }",
        )
        .await;
    let id = done(&answer, "disputeLedgerEntry")["ledgerDispute"]["id"].clone();
    let back = json!({ "id": id, "reason": "changed my mind" });
    let answer = scene
        .app
        .mutate(&others, "withdrawLedgerDispute", back.clone(), "__typename")
        .await;
    assert_eq!(answer.refusals("withdrawLedgerDispute"), ["NOT_FOUND id"]);
    // Who only looks changes nothing, though it may read.
    let auditor = scene.app.token_for(
        ViewerKind::Staff(StaffRole::Auditor),
        [Scope::EarningsRead].into_iter().collect(),
    );
    let viewer = scene.app.token_for(
        ViewerKind::Partner(scene.partner, PartnerRole::Viewer),
        [Scope::EarningsRead].into_iter().collect(),
    );
    for token in [&auditor, &viewer] {
        let answer = scene
            .app
            .mutate(token, "withdrawLedgerDispute", back.clone(), "__typename")
            .await;
        assert_eq!(answer.codes(), ["FORBIDDEN"]);
    }
    let answer = scene
        .app
        .mutate(
            &scene.own(),
            "withdrawLedgerDispute",
            back,
            "ledgerDispute { status ledgerEntry { status } }",
        )
        .await;
    assert_eq!(
        done(&answer, "withdrawLedgerDispute")["ledgerDispute"],
        json!({ "status": "WITHDRAWN", "ledgerEntry": { "status": "PENDING" } })
    );
    scene.app.finish().await;
}
