//! Deals: open, won, lost, and what is locked afterwards.

use serde_json::{Value, json};
use tests::{Options, TestApp};

const ROW: &str = "deal { id version name stage sourceStage availableTransitions amount { amount currency } expectedCloseOn closedAt lostReason \
    owner { name email } products customer { name } partners { role weightBp } archivedAt }";

async fn open(app: &TestApp, token: &str, input: Value) -> String {
    let made = app.mutate(token, "createDeal", input, "deal { id }").await;
    made.text("/createDeal/deal/id")
}

#[tokio::test]
async fn a_deal_is_created_open_and_an_unknown_amount_is_null() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let customer = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Globex" }),
            "customer { id }",
        )
        .await
        .text("/createCustomer/customer/id");
    let input = json!({
        "name": "Rollout", "customerId": customer, "stage": "COMMITTED", "amount": { "amount": "1500.5", "currency": "EUR" },
        "expectedCloseOn": "2026-12-31", "owner": { "name": "Ada", "email": "ada@us.example" }, "products": ["GTX Basic"],
    });
    let made = app.mutate(&token, "createDeal", input, ROW).await;
    let row = made.at("/createDeal/deal").clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "name": "Rollout", "stage": "COMMITTED", "sourceStage": null,
            "availableTransitions": ["PROSPECT", "QUALIFIED", "TECHNICAL_VALIDATION", "BUSINESS_VALIDATION", "WON", "LOST"],
            "amount": { "amount": "1500.50", "currency": "EUR" }, "expectedCloseOn": "2026-12-31", "closedAt": null, "lostReason": null,
            "owner": { "name": "Ada", "email": "ada@us.example" }, "products": ["GTX Basic"], "customer": { "name": "Globex" }, "partners": [], "archivedAt": null,
        })
    );
    let bare = app
        .mutate(&token, "createDeal", json!({ "name": "Bare" }), ROW)
        .await;
    let bare = bare.at("/createDeal/deal");
    assert_eq!(
        (
            &bare["stage"],
            &bare["amount"],
            &bare["customer"],
            &bare["owner"]
        ),
        (&json!("PROSPECT"), &json!(null), &json!(null), &json!(null))
    );
    for stage in ["WON", "LOST"] {
        let refused = app
            .mutate(
                &token,
                "createDeal",
                json!({ "name": "x", "stage": stage }),
                ROW,
            )
            .await;
        assert_eq!(
            refused.refusals("createDeal"),
            ["TRANSITION_NOT_ALLOWED stage"]
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn amounts_are_exact_in_every_currency() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let amount = async |amount: Value, currency: &str| {
        let input = json!({ "name": "x", "amount": { "amount": amount, "currency": currency } });
        app.mutate(
            &token,
            "createDeal",
            input,
            "deal { amount { amount currency } }",
        )
        .await
    };
    for (given, currency, shown) in [
        ("0", "USD", "0.00"),
        ("12", "JPY", "12"),
        ("1.234", "KWD", "1.234"),
        ("10000000000000", "USD", "10000000000000.00"),
        ("-5.10", "EUR", "-5.10"),
    ] {
        let answer = amount(json!(given), currency).await;
        assert_eq!(
            answer.at("/createDeal/deal/amount"),
            &json!({ "amount": shown, "currency": currency }),
            "{given} {answer}"
        );
    }
    for (given, currency) in [
        ("1.005", "USD"),
        ("1.5", "JPY"),
        ("10000000000000.01", "USD"),
        ("-1000000000000001", "JPY"),
    ] {
        assert_eq!(
            amount(json!(given), currency).await.refusals("createDeal"),
            ["INVALID amount.amount"],
            "{given}"
        );
    }
    for (given, currency) in [
        (json!("abc"), "USD"),
        (json!("1e3"), "USD"),
        (json!(""), "USD"),
        (json!(12.5), "USD"),
        (json!("1"), "XXX"),
        (json!("1"), "usd"),
        (json!("1"), "BTC"),
        (json!("1"), "XAU"),
    ] {
        let answer = amount(given.clone(), currency).await;
        assert_eq!(
            answer.codes(),
            ["BAD_USER_INPUT"],
            "{given} {currency}: {answer}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn open_stages_move_freely_and_closing_is_its_own_act() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let id = open(&app, &token, json!({ "name": "x" })).await;
    let step = async |stage: &str| {
        let answer = app
            .mutate(
                &token,
                "updateDeal",
                json!({ "id": id, "stage": stage }),
                "deal { stage }",
            )
            .await;
        (
            answer.refusals("updateDeal"),
            answer.at("/updateDeal/deal/stage").clone(),
        )
    };
    for stage in [
        "COMMITTED",
        "PROSPECT",
        "BUSINESS_VALIDATION",
        "TECHNICAL_VALIDATION",
        "QUALIFIED",
    ] {
        assert_eq!(step(stage).await, (vec![], json!(stage)));
    }
    for stage in ["WON", "LOST"] {
        assert_eq!(step(stage).await.0, ["TRANSITION_NOT_ALLOWED stage"]);
    }
    let won = app
        .mutate(
            &token,
            "winDeal",
            json!({ "id": id, "amount": { "amount": "10", "currency": "USD" } }),
            ROW,
        )
        .await;
    assert_eq!(won.refusals("winDeal"), Vec::<String>::new());
    let row = won.at("/winDeal/deal");
    assert_eq!(
        (
            &row["stage"],
            &row["closedAt"],
            &row["availableTransitions"]
        ),
        (&json!("WON"), &json!("2026-11-01T08:00:00Z"), &json!([]))
    );
    assert_eq!(
        row["amount"],
        json!({ "amount": "10.00", "currency": "USD" })
    );
    for stage in ["QUALIFIED", "PROSPECT"] {
        assert_eq!(step(stage).await.0, ["TRANSITION_NOT_ALLOWED stage"]);
    }
    for (mutation, input) in [
        ("winDeal", json!({ "id": id })),
        ("loseDeal", json!({ "id": id, "reason": "x" })),
    ] {
        let again = app.mutate(&token, mutation, input, "deal { id }").await;
        assert_eq!(again.refusals(mutation), ["TRANSITION_NOT_ALLOWED stage"]);
    }
    let dearer = app
        .mutate(
            &token,
            "updateDeal",
            json!({ "id": id, "amount": { "amount": "11", "currency": "USD" } }),
            "deal { id }",
        )
        .await;
    assert_eq!(dearer.refusals("updateDeal"), ["LOCKED amount"]);
    let same = app.mutate(&token, "updateDeal", json!({ "id": id, "amount": { "amount": "10.00", "currency": "USD" }, "name": "renamed" }), "deal { name }").await;
    assert_eq!(same.at("/updateDeal/deal/name"), &json!("renamed"));
    let types = app
        .ask(&token, "{ events(first: 100) { edges { node { type } } } }")
        .await
        .texts("/events/edges", "/node/type");
    assert_eq!(types.iter().filter(|kind| *kind == "deal.won").count(), 1);
    assert_eq!(
        types
            .iter()
            .filter(|kind| *kind == "deal.stage_changed")
            .count(),
        6
    );
    app.finish().await;
}

#[tokio::test]
async fn a_lost_deal_has_a_reason_and_an_instant() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let id = open(
        &app,
        &token,
        json!({ "name": "x", "amount": { "amount": "10", "currency": "USD" } }),
    )
    .await;
    for blank in ["", "  \n"] {
        let refused = app
            .mutate(
                &token,
                "loseDeal",
                json!({ "id": id, "reason": blank }),
                "deal { id }",
            )
            .await;
        assert_eq!(refused.refusals("loseDeal"), ["BLANK reason"]);
    }
    let lost = app
        .mutate(
            &token,
            "loseDeal",
            json!({ "id": id, "reason": "price", "closedAt": "2026-10-01T12:00:00+02:00" }),
            ROW,
        )
        .await;
    let row = lost.at("/loseDeal/deal");
    assert_eq!(
        (&row["stage"], &row["lostReason"], &row["closedAt"]),
        (
            &json!("LOST"),
            &json!("price"),
            &json!("2026-10-01T10:00:00Z")
        )
    );
    assert_eq!(
        row["amount"]["amount"],
        json!("10.00"),
        "what it would have been worth stays known"
    );
    let won = app
        .mutate(&token, "winDeal", json!({ "id": id }), "deal { id }")
        .await;
    assert_eq!(won.refusals("winDeal"), ["TRANSITION_NOT_ALLOWED stage"]);
    app.finish().await;
}

#[tokio::test]
async fn a_deal_of_nobody_we_know_is_refused() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for id in [
        "customer_01h2xcejqtf2nbrexx3vqjhp41",
        "partner_01h2xcejqtf2nbrexx3vqjhp41",
        "x",
    ] {
        let refused = app
            .mutate(
                &token,
                "createDeal",
                json!({ "name": "x", "customerId": id }),
                "deal { id }",
            )
            .await;
        assert_eq!(refused.refusals("createDeal"), ["NOT_FOUND customerId"]);
        let absent = app
            .mutate(
                &token,
                "updateDeal",
                json!({ "id": id, "name": "y" }),
                "deal { id }",
            )
            .await;
        assert_eq!(absent.refusals("updateDeal"), ["NOT_FOUND id"]);
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM deal").await, 0);
    app.finish().await;
}
