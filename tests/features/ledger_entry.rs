//! The ledger: what is earned, why, and what history earns only when it is asked to.

use crate::scene::{Scene, TODAY};
use entities::clock::Timestamp;
use entities::money::{Currency, Money};
use entities::revenue_event::{self, Concerns, NewRevenue, RevenueKind};
use serde_json::json;
use std::time::Duration;

fn three(kind: &str, status: &str, amount: &str) -> (String, String, String) {
    (kind.to_owned(), status.to_owned(), amount.to_owned())
}

#[tokio::test]
async fn revenue_becomes_earnings_and_a_bonus_catches_up_when_the_commitment_is_met() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    scene.pay(&scene.partnership, "one", "50000").await;
    scene.work().await;
    assert_eq!(
        scene.ledger(&scene.admin).await,
        [three("COMMISSION", "PENDING", "10000.00")]
    );
    scene.pay(&scene.partnership, "two", "100000").await;
    scene.work().await;
    // Told again, it changes nothing.
    scene.pay(&scene.partnership, "two", "100000").await;
    scene.work().await;
    let mut ledger = scene.ledger(&scene.own()).await;
    ledger.sort();
    assert_eq!(
        ledger,
        [
            three("BONUS", "PENDING", "2500.00"),
            three("BONUS", "PENDING", "5000.00"),
            three("COMMISSION", "PENDING", "10000.00"),
            three("COMMISSION", "PENDING", "20000.00"),
        ]
    );
    let query = "{ partnerships { nodes { commitmentYears { startsOn endsOn status revenue { amount } commission { amount } bonus { amount } counter(unit: REVENUE) \
        agreement { status } } } } partners { nodes { balances { status amount { amount currency } count } } } }";
    let answer = scene.app.ask(&scene.own(), query).await;
    assert_eq!(
        answer.at("/partnerships/nodes/0/commitmentYears"),
        &json!([{
            "startsOn": "2026-11-02", "endsOn": "2027-11-02", "status": "MET", "revenue": { "amount": "150000.00" },
            "commission": { "amount": "30000.00" }, "bonus": { "amount": "7500.00" }, "counter": 15_000_000, "agreement": { "status": "ACTIVE" },
        }])
    );
    assert_eq!(
        answer.at("/partners/nodes/0/balances"),
        &json!([{ "status": "PENDING", "amount": { "amount": "37500.00", "currency": "EUR" }, "count": 4 }])
    );
    let other = json!({
        "externalKey": "two", "kind": "PAYMENT", "amount": { "amount": "1", "currency": "EUR" }, "occurredAt": TODAY, "partnershipId": scene.partnership,
    });
    assert_eq!(
        scene.refused("recordRevenue", other).await,
        ["TAKEN externalKey"]
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn an_entry_is_explained_to_who_may_see_it_without_what_is_internal() {
    let scene = Scene::start().await;
    let rules = json!({ "rules": [{ "programId": scene.program, "terms": { "rateBp": 3_000, "currency": "EUR" } }] });
    scene
        .admin("publishCommissionRules", rules, "commissionRules { id }")
        .await;
    let agreement = scene.agree(&scene.partnership, json!({})).await;
    let payment = scene.pay(&scene.partnership, "one", "100.01").await;
    scene.work().await;
    let entry = scene.entries().await.remove(0);
    let query = format!(
        "{{ explainLedgerEntry(id: {entry:?}) {{ entry {{ amount {{ amount }} }} steps revenueEvent {{ id }} agreement {{ id }} agreementVersion {{ number }} \
         commissionRule {{ terms {{ rateBp }} }} numbers {{ amount {{ amount }} weightBp rateSource baseRateBp upliftBp rateBp commission {{ amount }} }} }} }}"
    );
    let told = scene.app.ask(&scene.admin, &query).await;
    let explained = told.at("/explainLedgerEntry");
    assert_eq!(explained["entry"]["amount"]["amount"], "30.00");
    assert_eq!(
        explained["numbers"],
        json!({
            "amount": { "amount": "100.01" }, "weightBp": 10_000, "rateSource": "PROGRAM", "baseRateBp": 3_000, "upliftBp": 0, "rateBp": 3_000,
            "commission": { "amount": "30.00" },
        })
    );
    assert_eq!(
        (
            &explained["revenueEvent"]["id"],
            &explained["agreement"]["id"],
            &explained["commissionRule"]["terms"]["rateBp"]
        ),
        (&json!(payment), &json!(agreement), &json!(3_000))
    );
    assert!(!explained["steps"].as_array().unwrap().is_empty());
    let own = scene.app.ask(&scene.own(), &query).await;
    assert_eq!(
        (
            own.at("/explainLedgerEntry/commissionRule"),
            own.at("/explainLedgerEntry/numbers"),
            own.at("/explainLedgerEntry/steps")
        ),
        (&json!(null), &explained["numbers"], &explained["steps"])
    );
    // Another partner's entry is like one that never was.
    let (other, _) = scene.partner("Bolt").await;
    let token = scene.app.partner_token(other);
    let never = query.replace(&entry, "ledger_entry_01h2xcejqtf2nbrexx3vqjhp41");
    for query in [&query, &never] {
        assert_eq!(
            scene.app.ask(&token, query).await.data(),
            &json!({ "explainLedgerEntry": null })
        );
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_refund_takes_back_in_proportion_and_never_more_than_was_paid() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    let payment = scene.pay(&scene.partnership, "one", "1000").await;
    scene.work().await;
    let refund = |key: &str, amount: &str| json!({ "paymentId": payment, "externalKey": key, "amount": { "amount": amount, "currency": "EUR" }, "occurredAt": TODAY });
    assert_eq!(
        scene
            .refused("refundRevenue", refund("r0", "1000.01"))
            .await,
        ["INVALID amount"]
    );
    scene
        .admin(
            "refundRevenue",
            refund("r1", "333.33"),
            "revenueEvent { id kind }",
        )
        .await;
    scene.work().await;
    scene
        .admin(
            "refundRevenue",
            refund("r2", "666.67"),
            "revenueEvent { id kind }",
        )
        .await;
    scene.work().await;
    let ledger = scene.ledger(&scene.own()).await;
    let amounts: Vec<(&str, &str)> = ledger
        .iter()
        .map(|(kind, _, amount)| (kind.as_str(), amount.as_str()))
        .collect();
    assert_eq!(
        amounts,
        [
            ("COMMISSION", "200.00"),
            ("CLAWBACK", "-66.67"),
            ("CLAWBACK", "-133.33")
        ]
    );
    let query = "{ ledgerEntries { nodes { reverses { kind } } } }";
    let answer = scene.app.ask(&scene.own(), query).await;
    assert_eq!(
        answer.at("/ledgerEntries/nodes/2/reverses/kind"),
        "COMMISSION"
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn history_earns_nothing_until_it_is_asked_to_and_then_what_was_previewed() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    let mut change = scene.app.change().await;
    let told = NewRevenue {
        external_key: "old".to_owned(),
        kind: RevenueKind::Payment,
        amount: Money {
            minor: 100_000,
            currency: Currency::EUR,
        },
        occurred_at: Timestamp::parse_rfc3339(TODAY).unwrap(),
        concerns: Concerns {
            partnership: Some((scene.partnership.parse().unwrap(), scene.partner)),
            ..Concerns::default()
        },
    };
    revenue_event::record(&mut change, None, vec![told])
        .await
        .unwrap();
    change.commit().await.unwrap();
    scene.work().await;
    assert_eq!(scene.ledger(&scene.admin).await, []);
    let query = "{ previewHistoryAccrual(from: \"2026-01-01T00:00:00Z\") { runId events entries resultHash sums { amount { amount } partnership { id } } } }";
    let preview = scene.app.ask(&scene.admin, query).await;
    let seen = preview.at("/previewHistoryAccrual");
    assert_eq!(
        seen,
        &json!({
            "runId": null, "events": 1, "entries": 1, "resultHash": seen["resultHash"],
            "sums": [{ "amount": { "amount": "200.00" }, "partnership": { "id": scene.partnership } }],
        })
    );
    assert_eq!(scene.ledger(&scene.admin).await, []);
    let input =
        |hash: &serde_json::Value| json!({ "from": "2026-01-01T00:00:00Z", "previewed": hash });
    assert_eq!(
        scene.refused("accrueHistory", input(&json!("other"))).await,
        ["VERSION_CONFLICT previewed"]
    );
    let done = scene
        .admin(
            "accrueHistory",
            input(&seen["resultHash"]),
            "accrual { runId entries resultHash }",
        )
        .await;
    assert_eq!(done["accrual"]["resultHash"], seen["resultHash"]);
    assert!(done["accrual"]["runId"].is_string());
    assert_eq!(
        scene.ledger(&scene.admin).await,
        [three("COMMISSION", "PENDING", "200.00")]
    );
    let again = scene
        .app
        .ask(
            &scene.admin,
            "mutation { accrueCommissions { accrual { entries } userErrors { code } } }",
        )
        .await;
    assert_eq!(again.at("/accrueCommissions/accrual/entries"), &json!(0));
    let token = scene.own();
    assert_eq!(
        scene.app.graphql(&token, query, json!({})).await.codes(),
        ["FORBIDDEN"]
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn entries_are_approved_held_released_and_voided_by_their_states() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    for key in ["one", "two", "three"] {
        scene.pay(&scene.partnership, key, "100").await;
    }
    scene.work().await;
    let ids = scene.entries().await;
    let step = async |mutation: &str, input| {
        let shown = scene
            .admin(mutation, input, "ledgerEntries { status heldReason }")
            .await;
        shown["ledgerEntries"][0].clone()
    };
    assert_eq!(
        step(
            "holdLedgerEntries",
            json!({ "ids": [ids[0]], "reason": "is it paid?" })
        )
        .await,
        json!({ "status": "HELD", "heldReason": "is it paid?" })
    );
    assert_eq!(
        scene
            .refused("approveLedgerEntries", json!({ "ids": [ids[0]] }))
            .await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    assert_eq!(
        step("releaseLedgerEntries", json!({ "ids": [ids[0]] })).await,
        json!({ "status": "PENDING", "heldReason": null })
    );
    assert_eq!(
        step(
            "voidLedgerEntries",
            json!({ "ids": [ids[1]], "reason": "told wrongly" })
        )
        .await["status"],
        "VOIDED"
    );
    assert_eq!(
        step("approveLedgerEntries", json!({ "ids": [ids[0], ids[2]] })).await["status"],
        "APPROVED"
    );
    let never = json!({ "ids": ["ledger_entry_01h2xcejqtf2nbrexx3vqjhp41"] });
    assert_eq!(
        scene.refused("approveLedgerEntries", never).await,
        ["NOT_FOUND ids"]
    );
    let adjusted = scene
        .admin(
            "adjustLedger",
            json!({ "partnershipId": scene.partnership, "amount": { "amount": "-5", "currency": "EUR" }, "reason": "rounding" }),
            "ledgerEntry { kind status amount { amount } availableOn }",
        )
        .await;
    assert_eq!(
        adjusted["ledgerEntry"],
        json!({ "kind": "ADJUSTMENT", "status": "PENDING", "amount": { "amount": "-5.00" }, "availableOn": "2026-11-02" })
    );
    scene.app.advance(Duration::from_hours(24));
    scene.work().await;
    let states: Vec<String> = scene
        .ledger(&scene.app.admin())
        .await
        .into_iter()
        .map(|(_, status, _)| status)
        .collect();
    assert_eq!(states, ["PAYABLE", "VOIDED", "PAYABLE", "PENDING"]);
    scene.app.finish().await;
}
