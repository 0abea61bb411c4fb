//! Filters: each word narrows, together they narrow more, and an amount is never compared across currencies.

use serde_json::{Value, json};
use tests::TestApp;
use tests::programme::{Programme, Size, fill};

async fn names(app: &TestApp, token: &str, filter: Value) -> Vec<String> {
    let query = "query($filter: DealFilter) { deals(first: 100, filter: $filter) { totalCount nodes { name } } }";
    let answer = app.graphql(token, query, json!({ "filter": filter })).await;
    let names = answer.texts("/deals/nodes", "/name");
    assert_eq!(
        answer.at("/deals/totalCount"),
        &json!(names.len()),
        "{filter}"
    );
    names
}

fn expected(programme: &Programme, keep: impl Fn(&entities::deal::Model) -> bool) -> Vec<String> {
    programme
        .deals
        .iter()
        .filter(|deal| keep(deal))
        .map(|deal| deal.name.clone())
        .collect()
}

#[tokio::test]
async fn deals_are_narrowed_by_each_word_and_by_all_together() {
    use entities::deal::DealStage::{Lost, Qualified, Won};
    use entities::money::Currency;
    let app = TestApp::plain().await;
    let token = app.admin();
    let rows = fill(
        &app,
        Size {
            partners: 4,
            customers: 3,
            deals: 90,
        },
    )
    .await;
    let all = rows.deals.len();
    assert_eq!(names(&app, &token, json!(null)).await.len(), all);
    assert_eq!(names(&app, &token, json!({})).await.len(), all);

    assert_eq!(
        names(&app, &token, json!({ "stage": { "eq": "WON" } })).await,
        expected(&rows, |deal| deal.stage == Won)
    );
    assert_eq!(
        names(&app, &token, json!({ "stage": { "in": ["WON", "LOST"] } })).await,
        expected(&rows, |deal| matches!(deal.stage, Won | Lost))
    );
    assert_eq!(
        names(&app, &token, json!({ "stage": { "in": [] } })).await,
        Vec::<String>::new()
    );
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "stage": { "eq": "WON", "in": ["LOST"] } })
        )
        .await,
        Vec::<String>::new()
    );

    assert_eq!(
        names(&app, &token, json!({ "hasCustomer": false })).await,
        expected(&rows, |deal| deal.customer_id.is_none())
    );
    assert_eq!(
        names(&app, &token, json!({ "hasCustomer": true })).await,
        expected(&rows, |deal| deal.customer_id.is_some())
    );
    let customer = rows.customers[1].id;
    assert_eq!(
        names(&app, &token, json!({ "customerId": { "eq": customer } })).await,
        expected(&rows, |deal| deal.customer_id == Some(customer))
    );
    let id = rows.deals[7].id;
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "id": { "in": [id, "nonsense", rows.partners[0].id] } })
        )
        .await,
        ["Deal 0007"]
    );
    assert_eq!(
        names(&app, &token, json!({ "id": { "eq": "nonsense" } })).await,
        Vec::<String>::new()
    );

    let usd = |least: i64, most: i64| {
        move |deal: &entities::deal::Model| {
            deal.amount().is_some_and(|money| {
                money.currency == Currency::USD && (least..=most).contains(&money.minor)
            })
        }
    };
    assert_eq!(
        names(&app, &token, json!({ "amount": { "currency": "USD" } })).await,
        expected(&rows, usd(i64::MIN, i64::MAX))
    );
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "amount": { "currency": "USD", "gte": "100.50", "lte": "402" } })
        )
        .await,
        expected(&rows, usd(10_050, 40_200))
    );
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "amount": { "currency": "USD", "gte": "402.01" } })
        )
        .await,
        expected(&rows, usd(40_201, i64::MAX))
    );
    assert_eq!(
        names(&app, &token, json!({ "amount": { "currency": "JPY" } })).await,
        Vec::<String>::new()
    );

    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 3).unwrap();
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "expectedCloseOn": { "gte": "2026-01-03" } })
        )
        .await,
        expected(&rows, |deal| deal
            .expected_close_on
            .is_some_and(|on| on >= day))
    );
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "expectedCloseOn": { "gte": "2026-01-03", "lte": "2026-01-03" } })
        )
        .await,
        expected(&rows, |deal| deal.expected_close_on == Some(day))
    );
    let instant = rows.deals.iter().find_map(|deal| deal.closed_at).unwrap();
    let at = instant.to_rfc3339();
    assert_eq!(
        names(&app, &token, json!({ "closedAt": { "lte": at } })).await,
        expected(&rows, |deal| deal
            .closed_at
            .is_some_and(|closed| closed <= instant))
    );
    assert_eq!(
        names(&app, &token, json!({ "closedAt": { "gt": at } })).await,
        expected(&rows, |deal| deal
            .closed_at
            .is_some_and(|closed| closed > instant))
    );
    let middle = rows.deals[45].updated_at;
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "updatedAt": { "lt": middle.to_rfc3339() } })
        )
        .await,
        expected(&rows, |deal| deal.updated_at < middle)
    );
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "updatedAt": { "gte": middle.to_rfc3339() } })
        )
        .await,
        expected(&rows, |deal| deal.updated_at >= middle)
    );

    let together = json!({ "stage": { "in": ["QUALIFIED", "WON"] }, "hasCustomer": true, "amount": { "currency": "EUR", "gte": "0" }, "expectedCloseOn": { "lte": "2026-01-05" } });
    let limit = chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let keep = |deal: &entities::deal::Model| {
        matches!(deal.stage, Qualified | Won)
            && deal.customer_id.is_some()
            && deal
                .amount()
                .is_some_and(|money| money.currency == Currency::EUR)
            && deal.expected_close_on.is_some_and(|on| on <= limit)
    };
    assert_eq!(names(&app, &token, together).await, expected(&rows, keep));
    app.finish().await;
}

#[tokio::test]
async fn deals_are_narrowed_by_the_partners_that_share_in_them() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let rows = fill(
        &app,
        Size {
            partners: 4,
            customers: 2,
            deals: 60,
        },
    )
    .await;
    let mut union = Vec::new();
    for partner in &rows.partners[0..2] {
        let query = format!(
            "{{ partner(id: \"{}\") {{ deals(first: 100) {{ nodes {{ name }} }} }} }}",
            partner.id
        );
        let through = app
            .ask(&token, &query)
            .await
            .texts("/partner/deals/nodes", "/name");
        assert_eq!(
            names(&app, &token, json!({ "partnerId": { "eq": partner.id } })).await,
            through
        );
        assert!(!through.is_empty());
        union.extend(through);
    }
    union.sort_unstable();
    union.dedup();
    assert_eq!(
        names(
            &app,
            &token,
            json!({ "partnerId": { "in": [rows.partners[0].id, rows.partners[1].id] } })
        )
        .await,
        union
    );
    app.finish().await;
}

#[tokio::test]
async fn the_other_lists_are_narrowed_too() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let rows = fill(
        &app,
        Size {
            partners: 5,
            customers: 4,
            deals: 5,
        },
    )
    .await;
    let count = async |query: &str| {
        let answer = app
            .ask(&token, &format!("{{ list: {query} {{ totalCount }} }}"))
            .await;
        answer.at("/list/totalCount").as_i64().unwrap()
    };
    assert_eq!(
        count("partners(filter: {name: {eq: \"Partner 003\"}})").await,
        1
    );
    assert_eq!(
        count("partners(filter: {name: {eq: \"partner 003\"}})").await,
        0
    );
    assert_eq!(count("partners(filter: {name: {in: [\"Partner 003\", \"Partner 001\", \"x\"]}, status: {eq: ACTIVE}})").await, 2);
    assert_eq!(
        count("partners(filter: {status: {in: [CANDIDATE, TERMINATED]}})").await,
        0
    );
    assert_eq!(
        count("customers(filter: {domain: {eq: \"customer-2.example\"}})").await,
        1
    );
    assert_eq!(
        count(&format!(
            "contacts(filter: {{partnerId: {{eq: \"{}\"}}}})",
            rows.partners[0].id
        ))
        .await,
        2
    );
    assert_eq!(
        count(&format!(
            "contacts(filter: {{customerId: {{in: [\"{}\", \"{}\"]}}}})",
            rows.customers[0].id, rows.customers[1].id
        ))
        .await,
        2
    );
    assert_eq!(
        count("contacts(filter: {email: {eq: \"person3@people.example\"}})").await,
        1
    );
    assert_eq!(
        count(&format!(
            "partnerships(filter: {{partnerId: {{eq: \"{}\"}}, stage: {{eq: PROSPECT}}}})",
            rows.partners[2].id
        ))
        .await,
        1
    );
    assert_eq!(
        count("partnerships(filter: {type: {in: [REFERRAL, TECHNOLOGY]}})").await,
        0
    );
    assert_eq!(
        count("partnerships(filter: {status: {eq: OPEN}, type: {eq: CHANNEL}})").await,
        5
    );
    app.finish().await;
}

#[tokio::test]
async fn a_filter_has_at_most_a_hundred_values_and_exact_amounts() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let query = "query($filter: DealFilter) { deals(filter: $filter) { nodes { id } } }";
    let many = vec!["deal_01h2xcejqtf2nbrexx3vqjhp41"; 101];
    let cases = [
        json!({ "id": { "in": many } }),
        json!({ "amount": { "currency": "USD", "gte": "0.001" } }),
        json!({ "amount": { "currency": "XXX" } }),
        json!({ "updatedAt": { "gte": "yesterday" } }),
        json!({ "expectedCloseOn": { "gte": "2026-02-30" } }),
    ];
    for filter in cases {
        let answer = app
            .graphql(&token, query, json!({ "filter": filter }))
            .await;
        assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{filter}: {answer}");
    }
    for filter in [
        json!({ "name": { "eq": "x" } }),
        json!({ "stage": { "eq": "OPEN" } }),
    ] {
        let answer = app
            .graphql(&token, query, json!({ "filter": filter }))
            .await;
        assert!(!answer.codes().is_empty(), "{filter}: {answer}");
    }
    app.finish().await;
}
