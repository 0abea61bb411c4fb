//! Statements and payouts: what is due, told once; paid by two people.

use crate::scene::{Scene, done};
use serde_json::{Value, json};
use std::time::Duration;

/// What one payment of EUR 1,000 gave, payable.
async fn payable() -> Scene {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    scene.pay(&scene.partnership, "one", "1000").await;
    scene.work().await;
    let ids = scene.entries().await;
    scene
        .admin(
            "approveLedgerEntries",
            json!({ "ids": ids }),
            "ledgerEntries { id }",
        )
        .await;
    scene.work().await;
    scene
}

async fn payout(scene: &Scene, mutation: &str, input: Value) -> Value {
    let shown = scene
        .admin(mutation, input, "payout { status availableTransitions }")
        .await;
    shown["payout"].clone()
}

#[tokio::test]
async fn a_payout_needs_a_second_person_and_says_in_the_ledger_that_it_was_paid() {
    let scene = payable().await;
    let made = scene
        .admin(
            "createPayouts",
            json!({ "batch": "November" }),
            "payouts { id status amount { amount currency } entryCount needsSecondPerson createdBy partner { name } }",
        )
        .await;
    let row = made["payouts"][0].clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "status": "DRAFT", "amount": { "amount": "200.00", "currency": "EUR" }, "entryCount": 1, "needsSecondPerson": true,
            "createdBy": "tests", "partner": { "name": "Acme" },
        })
    );
    let id = row["id"].as_str().unwrap();
    // A draft is ours alone.
    let query = format!(
        "{{ payout(id: {id:?}) {{ status amount {{ amount }} createdBy approvedBy reference ledgerEntries {{ nodes {{ kind amount {{ amount }} }} }} }} }}"
    );
    let own = scene.own();
    let never = query.replace(id, "payout_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(
        scene.app.ask(&own, &query).await.data(),
        scene.app.ask(&own, &never).await.data()
    );
    assert_eq!(
        scene.refused("approvePayout", json!({ "id": id })).await,
        ["LOCKED approvedBy"]
    );
    let answer = scene
        .app
        .mutate(
            &scene.colleague(),
            "approvePayout",
            json!({ "id": id }),
            "payout { status approvedBy }",
        )
        .await;
    assert_eq!(
        done(&answer, "approvePayout")["payout"],
        json!({ "status": "APPROVED", "approvedBy": "colleague" })
    );
    let csv = "{ payoutBatchCsv(batch: \"November\") }";
    let exported = scene.app.ask(&scene.admin, csv).await;
    let exported = exported.text("/payoutBatchCsv");
    assert_eq!(exported.lines().count(), 2, "{exported}");
    assert!(
        exported.contains("Acme,200.00,EUR,APPROVED,colleague"),
        "{exported}"
    );
    assert_eq!(
        scene.app.graphql(&own, csv, json!({})).await.codes(),
        ["FORBIDDEN"]
    );
    assert_eq!(
        scene
            .refused("completePayout", json!({ "id": id, "reference": "B-1" }))
            .await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    let sent = payout(&scene, "processPayout", json!({ "id": id })).await;
    assert_eq!(sent["availableTransitions"], json!(["PAID", "FAILED"]));
    payout(
        &scene,
        "failPayout",
        json!({ "id": id, "failure": "no such account" }),
    )
    .await;
    payout(&scene, "processPayout", json!({ "id": id })).await;
    let paid = payout(
        &scene,
        "completePayout",
        json!({ "id": id, "reference": "B-1" }),
    )
    .await;
    assert_eq!(
        paid,
        json!({ "status": "PAID", "availableTransitions": [] })
    );
    let shown = scene.app.ask(&own, &query).await;
    assert_eq!(
        shown.at("/payout"),
        &json!({
            "status": "PAID", "amount": { "amount": "200.00" }, "createdBy": null, "approvedBy": null, "reference": "B-1",
            "ledgerEntries": { "nodes": [
                { "kind": "COMMISSION", "amount": { "amount": "200.00" } }, { "kind": "PAYOUT", "amount": { "amount": "-200.00" } },
            ] },
        })
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_cancelled_payout_frees_its_entries() {
    let scene = payable().await;
    let batch = |name: &str| json!({ "batch": name, "partnerIds": [scene.partner.to_string()] });
    let made = scene
        .admin("createPayouts", batch("One"), "payouts { id }")
        .await;
    let nothing = scene
        .admin("createPayouts", batch("Two"), "payouts { id }")
        .await;
    assert_eq!(nothing["payouts"], json!([]));
    assert_eq!(
        scene
            .refused("createPayouts", json!({ "batch": " " }))
            .await,
        ["BLANK batch"]
    );
    let id = &made["payouts"][0]["id"];
    payout(&scene, "cancelPayout", json!({ "id": id })).await;
    let again = scene
        .admin("createPayouts", batch("Two"), "payouts { batch }")
        .await;
    assert_eq!(again["payouts"], json!([{ "batch": "Two" }]));
    scene.app.finish().await;
}

#[tokio::test]
async fn a_statement_tells_of_each_entry_once_and_closes_where_the_next_opens() {
    let scene = payable().await;
    scene.app.advance(Duration::from_hours(24));
    let finalize = |ends: &str| json!({ "partnerId": scene.partner.to_string(), "currency": "EUR", "endsOn": ends });
    assert_eq!(
        scene
            .refused("finalizeStatement", finalize("2026-12-01"))
            .await,
        ["INVALID endsOn"]
    );
    let fields = "statement { number startsOn endsOn opening { amount } earned { amount } clawedBack { amount } paid { amount } closing { amount } entryCount \
        finalizedBy ledgerEntries { nodes { kind statement { number } } } }";
    let first = scene
        .admin("finalizeStatement", finalize("2026-11-03"), fields)
        .await;
    assert_eq!(
        first["statement"],
        json!({
            "number": 1, "startsOn": "2026-11-02", "endsOn": "2026-11-03", "opening": { "amount": "0.00" }, "earned": { "amount": "200.00" },
            "clawedBack": { "amount": "0.00" }, "paid": { "amount": "0.00" }, "closing": { "amount": "200.00" }, "entryCount": 1, "finalizedBy": "tests",
            "ledgerEntries": { "nodes": [{ "kind": "COMMISSION", "statement": { "number": 1 } }] },
        })
    );
    assert_eq!(
        scene
            .refused("finalizeStatement", finalize("2026-11-03"))
            .await,
        ["TAKEN endsOn"]
    );
    scene.app.advance(Duration::from_hours(24));
    let token = scene.app.admin();
    let answer = scene
        .app
        .mutate(&token, "finalizeStatement", finalize("2026-11-04"), fields)
        .await;
    let second = done(&answer, "finalizeStatement")["statement"].clone();
    assert_eq!(
        (
            &second["opening"]["amount"],
            &second["closing"]["amount"],
            &second["entryCount"]
        ),
        (&json!("200.00"), &json!("200.00"), &json!(0))
    );
    let query = "{ partners { nodes { statements(orderBy: [{ field: NUMBER, direction: DESC }]) { totalCount nodes { number finalizedBy } } payouts { nodes { id } } } } }";
    let own = scene.app.ask(&scene.own(), query).await;
    assert_eq!(
        own.at("/partners/nodes/0/statements"),
        &json!({ "totalCount": 2, "nodes": [{ "number": 2, "finalizedBy": null }, { "number": 1, "finalizedBy": null }] })
    );
    let (other, _) = {
        let input = json!({ "name": "Bolt" });
        let answer = scene
            .app
            .mutate(&token, "createPartner", input, "partner { id }")
            .await;
        let id = done(&answer, "createPartner")["partner"]["id"].clone();
        (id.as_str().unwrap().parse().unwrap(), ())
    };
    let others = scene.app.partner_token(other);
    let answer = scene
        .app
        .ask(
            &others,
            "{ statements { totalCount } ledgerEntries { totalCount } payouts { totalCount } }",
        )
        .await;
    assert_eq!(
        answer.data(),
        &json!({ "statements": { "totalCount": 0 }, "ledgerEntries": { "totalCount": 0 }, "payouts": { "totalCount": 0 } })
    );
    scene.app.finish().await;
}
