//! `dealSummary`: counts and sums by stage and currency, in one statement, for what the viewer may see.

use serde_json::json;
use std::collections::BTreeMap;
use tests::TestApp;
use tests::programme::{Size, fill};

#[tokio::test]
async fn the_summary_is_the_sum_of_the_deals() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let rows = fill(
        &app,
        Size {
            partners: 3,
            customers: 2,
            deals: 97,
        },
    )
    .await;
    let mut expected: BTreeMap<(String, Option<String>), (i64, i64)> = BTreeMap::new();
    for deal in &rows.deals {
        let stage = serde_json::to_value(deal.stage)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        let entry = expected
            .entry((stage, deal.amount().map(|money| money.currency.to_string())))
            .or_default();
        entry.0 += 1;
        entry.1 += deal.amount().map_or(0, |money| money.minor);
    }
    let answer = app
        .ask(
            &token,
            "{ dealSummary { stage count amount { amount currency } } }",
        )
        .await;
    let found: BTreeMap<_, _> = answer
        .list("/dealSummary")
        .iter()
        .map(|row| {
            let currency = row["amount"]["currency"].as_str().map(str::to_owned);
            let minor = row["amount"]["amount"]
                .as_str()
                .map_or(0, |amount| amount.replace('.', "").parse().unwrap());
            (
                (row["stage"].as_str().unwrap().to_owned(), currency),
                (row["count"].as_i64().unwrap(), minor),
            )
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        answer.list("/dealSummary").len(),
        expected.len(),
        "each stage and currency once"
    );

    let filtered = app.ask(&token, "{ dealSummary(filter: {stage: {in: [WON]}, amount: {currency: \"EUR\", gte: \"100\"}}) { stage count amount { currency } } }").await;
    assert!(
        filtered
            .list("/dealSummary")
            .iter()
            .all(|row| row["stage"] == json!("WON") && row["amount"]["currency"] == json!("EUR")),
        "{filtered}"
    );
    let of_partner = format!(
        "{{ dealSummary(filter: {{partnerId: {{eq: \"{}\"}}}}) {{ count }} partner(id: \"{0}\") {{ deals {{ totalCount }} }} }}",
        rows.partners[0].id
    );
    let answer = app.ask(&token, &of_partner).await;
    let sum: i64 = answer
        .list("/dealSummary")
        .iter()
        .map(|row| row["count"].as_i64().unwrap())
        .sum();
    assert_eq!(&json!(sum), answer.at("/partner/deals/totalCount"));
    app.finish().await;
}

#[tokio::test]
async fn archived_deals_are_left_out_unless_they_are_asked_for() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for (name, archived) in [("a", false), ("b", true)] {
        let input = json!({ "name": name, "amount": { "amount": "5", "currency": "USD" } });
        let id = app
            .mutate(&token, "createDeal", input, "deal { id }")
            .await
            .text("/createDeal/deal/id");
        app.mutate(
            &token,
            "updateDeal",
            json!({ "id": id, "archived": archived }),
            "deal { id }",
        )
        .await
        .text("/updateDeal/deal/id");
    }
    let query = "{ live: dealSummary { count amount { amount } } all: dealSummary(filter: {includeArchived: true}) { count amount { amount } } }";
    let answer = app.ask(&token, query).await;
    assert_eq!(
        answer.data(),
        &json!({ "live": [{ "count": 1, "amount": { "amount": "5.00" } }], "all": [{ "count": 2, "amount": { "amount": "10.00" } }] })
    );
    app.finish().await;
}
