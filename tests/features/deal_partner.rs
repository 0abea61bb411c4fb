//! Shares in deals: roles, weights, and the lock of a won deal.

use serde_json::{Value, json};
use tests::TestApp;

struct Two {
    deal: String,
    ships: [String; 2],
}

async fn two(app: &TestApp, token: &str) -> Two {
    let mut ships = Vec::new();
    for name in ["Acme", "Brand"] {
        let partner = app
            .mutate(
                token,
                "createPartner",
                json!({ "name": name }),
                "partner { id }",
            )
            .await
            .text("/createPartner/partner/id");
        let ship = app
            .mutate(
                token,
                "createPartnership",
                json!({ "partnerId": partner, "type": "CHANNEL" }),
                "partnership { id }",
            )
            .await;
        ships.push(ship.text("/createPartnership/partnership/id"));
    }
    let deal = app
        .mutate(token, "createDeal", json!({ "name": "x" }), "deal { id }")
        .await
        .text("/createDeal/deal/id");
    Two {
        deal,
        ships: ships.try_into().unwrap(),
    }
}

async fn attribute(
    app: &TestApp,
    token: &str,
    deal: &str,
    shares: &[(&str, &str, i64)],
) -> (Vec<String>, Vec<Value>) {
    let partners: Vec<Value> = shares.iter().map(|(ship, role, weight)| json!({ "partnershipId": ship, "role": role, "weightBp": weight })).collect();
    let answer = app
        .mutate(
            token,
            "attributeDeal",
            json!({ "id": deal, "partners": partners }),
            "deal { partners { role weightBp partner { name } } }",
        )
        .await;
    let shown = answer
        .at("/attributeDeal/deal/partners")
        .as_array()
        .cloned()
        .unwrap_or_default();
    (answer.refusals("attributeDeal"), shown)
}

#[tokio::test]
async fn the_earning_weights_reach_the_whole_and_not_beyond() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let Two {
        deal,
        ships: [a, b],
    } = two(&app, &token).await;
    let (refusals, shares) = attribute(
        &app,
        &token,
        &deal,
        &[
            (&a, "SOURCED", 4_000),
            (&b, "RESOLD", 6_000),
            (&b, "INFLUENCED", 10_000),
        ],
    )
    .await;
    assert_eq!(refusals, Vec::<String>::new());
    assert_eq!(shares.len(), 3, "{shares:?}");
    for (shares, refusal) in [
        (
            vec![
                (a.as_str(), "SOURCED", 4_001),
                (b.as_str(), "RESOLD", 6_000),
            ],
            "WEIGHTS_EXCEED_WHOLE partners",
        ),
        (
            vec![(a.as_str(), "SOURCED", 10_001)],
            "INVALID partners.weightBp",
        ),
        (
            vec![(a.as_str(), "SOURCED", -1)],
            "INVALID partners.weightBp",
        ),
        (
            vec![(a.as_str(), "SOURCED", 1), (a.as_str(), "SOURCED", 2)],
            "TAKEN partners",
        ),
        (
            vec![("partnership_01h2xcejqtf2nbrexx3vqjhp41", "SOURCED", 1)],
            "NOT_FOUND partners.partnershipId",
        ),
        (
            vec![("nonsense", "SOURCED", 1)],
            "NOT_FOUND partners.partnershipId",
        ),
    ] {
        assert_eq!(attribute(&app, &token, &deal, &shares).await.0, [refusal]);
    }
    // What was refused changed nothing; who is not named shares no longer.
    let read = app.ask(&token, &format!("{{ deal(id: {deal:?}) {{ partners {{ role weightBp partnership {{ id }} partner {{ name }} }} }} }}")).await;
    assert_eq!(read.list("/deal/partners").len(), 3);
    let (_, shares) = attribute(&app, &token, &deal, &[(&a, "SOURCED", 4_000)]).await;
    assert_eq!(
        shares,
        [json!({ "role": "SOURCED", "weightBp": 4_000, "partner": { "name": "Acme" } })]
    );
    app.finish().await;
}

#[tokio::test]
async fn the_shares_of_a_won_deal_are_locked() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let Two {
        deal,
        ships: [a, b],
    } = two(&app, &token).await;
    attribute(&app, &token, &deal, &[(&a, "RESOLD", 10_000)]).await;
    let won = app
        .mutate(
            &token,
            "winDeal",
            json!({ "id": deal, "amount": { "amount": "100", "currency": "USD" } }),
            "deal { id }",
        )
        .await;
    assert_eq!(won.refusals("winDeal"), Vec::<String>::new());
    for shares in [
        vec![(b.as_str(), "RESOLD", 10_000)],
        vec![],
        vec![(a.as_str(), "RESOLD", 9_999)],
        vec![
            (a.as_str(), "RESOLD", 10_000),
            (b.as_str(), "INFLUENCED", 1),
        ],
    ] {
        assert_eq!(
            attribute(&app, &token, &deal, &shares).await.0,
            ["LOCKED partners"],
            "{shares:?}"
        );
    }
    assert_eq!(
        attribute(&app, &token, &deal, &[(&a, "RESOLD", 10_000)])
            .await
            .0,
        Vec::<String>::new(),
        "what is the same changes nothing"
    );
    app.finish().await;
}

#[tokio::test]
async fn won_revenue_is_weighted_rounded_half_up_and_never_mixed() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let Two { ships: [a, b], .. } = two(&app, &token).await;
    for (amount, currency, shares) in [
        (
            "0.03",
            "USD",
            json!([{ "partnershipId": a, "role": "SOURCED", "weightBp": 5_000 }, { "partnershipId": b, "role": "RESOLD", "weightBp": 5_000 }]),
        ),
        (
            "100.01",
            "EUR",
            json!([{ "partnershipId": a, "role": "SOURCED", "weightBp": 3_000 }]),
        ),
        ("1000000000000000", "JPY", json!([])),
        (
            "1000",
            "USD",
            json!([{ "partnershipId": b, "role": "INFLUENCED", "weightBp": 10_000 }]),
        ),
        (
            "7",
            "JPY",
            json!([{ "partnershipId": b, "role": "RESOLD", "weightBp": 1 }]),
        ),
    ] {
        let money = json!({ "amount": if currency == "JPY" { amount.split('.').next().unwrap() } else { amount }, "currency": currency });
        let deal = app
            .mutate(
                &token,
                "createDeal",
                json!({ "name": "x", "partners": shares }),
                "deal { id }",
            )
            .await
            .text("/createDeal/deal/id");
        let won = app
            .mutate(
                &token,
                "winDeal",
                json!({ "id": deal, "amount": money }),
                "deal { id }",
            )
            .await;
        assert_eq!(won.refusals("winDeal"), Vec::<String>::new());
    }
    let open = json!({ "name": "open", "amount": { "amount": "5", "currency": "USD" }, "partners": [{ "partnershipId": a, "role": "SOURCED", "weightBp": 10_000 }] });
    app.mutate(&token, "createDeal", open, "deal { id }")
        .await
        .text("/createDeal/deal/id");
    let answer = app.ask(&token, "{ partners(orderBy: [{field: NAME}]) { nodes { name wonRevenue { amount currency } } } }").await;
    assert_eq!(
        answer.at("/partners/nodes"),
        &json!([
            { "name": "Acme", "wonRevenue": [{ "amount": "30.00", "currency": "EUR" }, { "amount": "0.02", "currency": "USD" }] },
            { "name": "Brand", "wonRevenue": [{ "amount": "0", "currency": "JPY" }, { "amount": "0.02", "currency": "USD" }] },
        ])
    );
    app.finish().await;
}

/// The shares are part of the deal as its readers see it: who saw it before they changed must not overwrite them unseen.
#[tokio::test]
async fn attribution_counts_as_a_change_of_the_deal() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let Two {
        deal,
        ships: [a, b],
    } = two(&app, &token).await;
    let set = async |version: i64, ship: &str| {
        let shares = json!([{ "partnershipId": ship, "role": "RESOLD", "weightBp": 10_000 }]);
        let answer = app
            .mutate(
                &token,
                "attributeDeal",
                json!({ "id": deal, "expectedVersion": version, "partners": shares }),
                "deal { version }",
            )
            .await;
        (
            answer.refusals("attributeDeal"),
            answer.at("/attributeDeal/deal/version").clone(),
        )
    };
    assert_eq!(set(1, &a).await, (vec![], json!(2)));
    assert_eq!(set(1, &b).await.0, ["VERSION_CONFLICT expectedVersion"]);
    assert_eq!(
        set(2, &a).await,
        (vec![], json!(2)),
        "the same shares change nothing"
    );
    assert_eq!(set(2, &b).await, (vec![], json!(3)));
    app.finish().await;
}
