//! What hangs on rows that several others point at, on many of them, and on rows a token may write but not read.

use entities::viewer::Scope;
use serde_json::json;
use tests::TestApp;
use tests::programme::{Size, fill};

#[tokio::test]
async fn a_partner_that_many_shares_point_at_has_its_deals_every_time() {
    let app = TestApp::plain().await;
    let size = Size {
        partners: 3,
        customers: 4,
        deals: 40,
    };
    fill(&app, size).await;
    let query = "{ deals(first: 40) { nodes { partners { partner { name deals(first: 2) { totalCount nodes { name } } } } } } }";
    let (answer, statements) = app.counted(&app.admin(), query).await;
    let mut seen = 0;
    for deal in answer.list("/deals/nodes") {
        for share in deal["partners"].as_array().unwrap() {
            let deals = &share["partner"]["deals"];
            assert_eq!(deals["nodes"].as_array().unwrap().len(), 2, "{share}");
            assert!(deals["totalCount"].as_i64().unwrap() > 2, "{share}");
            seen += 1;
        }
    }
    assert!(seen > size.partners, "partners are met more than once");
    assert_eq!(
        statements.len(),
        4,
        "deals, shares with partners, their deals, their counts: {statements:#?}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_thousand_parents_are_not_too_many() {
    let app = TestApp::plain().await;
    fill(
        &app,
        Size {
            partners: 10,
            customers: 900,
            deals: 1_200,
        },
    )
    .await;
    let query = "{ partners(first: 10) { nodes { deals(first: 100) { nodes { customer { id deals(first: 1) { totalCount nodes { id } } } } } } } }";
    let answer = app.ask(&app.admin(), query).await;
    let mut customers = std::collections::HashSet::new();
    for partner in answer.list("/partners/nodes") {
        for deal in partner["deals"]["nodes"].as_array().unwrap() {
            if let Some(id) = deal["customer"]["id"].as_str() {
                assert_eq!(
                    deal["customer"]["deals"]["nodes"].as_array().unwrap().len(),
                    1
                );
                customers.insert(id.to_owned());
            }
        }
    }
    assert!(
        customers.len() > 500,
        "more than one compound SELECT holds: {}",
        customers.len()
    );
    app.finish().await;
}

#[tokio::test]
async fn many_ids_of_one_kind_are_read_together() {
    let app = TestApp::plain().await;
    let rows = fill(
        &app,
        Size {
            partners: 2,
            customers: 4,
            deals: 30,
        },
    )
    .await;
    let ids: Vec<String> = rows
        .deals
        .iter()
        .map(|deal| format!("{:?}", deal.id.to_string()))
        .collect();
    let query = format!(
        "{{ nodes(ids: [{}]) {{ ... on Deal {{ name customer {{ name }} }} }} }}",
        ids.join(",")
    );
    let (answer, statements) = app.counted(&app.admin(), &query).await;
    assert_eq!(answer.list("/nodes").len(), 30);
    assert_eq!(statements.len(), 2, "{statements:#?}");
    app.finish().await;
}

#[tokio::test]
async fn a_token_that_may_only_write_reads_nothing_back() {
    let app = TestApp::plain().await;
    let rows = fill(
        &app,
        Size {
            partners: 1,
            customers: 1,
            deals: 1,
        },
    )
    .await;
    let token = app.token([Scope::PartnersWrite]);
    let input = json!({ "id": rows.partners[0].id.to_string(), "country": "Norway" });
    let answer = app
        .mutate(
            &token,
            "updatePartner",
            input,
            "partner { name contacts { nodes { email } } }",
        )
        .await;
    assert_eq!(
        answer.at("/updatePartner"),
        &json!({ "partner": null, "userErrors": [] })
    );
    let known = app
        .ask(&app.admin(), "{ partners { nodes { country } } }")
        .await;
    assert_eq!(
        known.text("/partners/nodes/0/country"),
        "Norway",
        "it was written all the same"
    );
    app.finish().await;
}

#[tokio::test]
async fn tags_and_reasons_stay_out_of_a_partners_events() {
    let app = TestApp::plain().await;
    let rows = fill(
        &app,
        Size {
            partners: 1,
            customers: 0,
            deals: 0,
        },
    )
    .await;
    let admin = app.admin();
    let partner = rows.partners[0].id;
    let input = json!({ "id": partner.to_string(), "tags": ["churn-risk"], "country": "Norway" });
    assert!(
        app.mutate(&admin, "updatePartner", input, "partner { id }")
            .await
            .refusals("updatePartner")
            .is_empty()
    );
    let id = rows.partnerships[0].id.to_string();
    let forward = json!({ "id": id, "to": "ENGAGE", "overrideReason": "they are known" });
    assert!(
        app.mutate(&admin, "advancePartnership", forward, "partnership { id }")
            .await
            .refusals("advancePartnership")
            .is_empty()
    );
    let back = json!({ "id": id, "to": "PROSPECT", "reason": "they are slow" });
    assert!(
        app.mutate(&admin, "advancePartnership", back, "partnership { id }")
            .await
            .refusals("advancePartnership")
            .is_empty()
    );
    let query = "{ events(first: 100) { edges { node { type data } } } }";
    let all = app.ask(&admin, query).await.data().to_string();
    assert!(
        all.contains("churn-risk") && all.contains("they are slow"),
        "staff sees them: {all}"
    );
    let theirs = app
        .ask(&app.partner_token(partner), query)
        .await
        .data()
        .to_string();
    assert!(
        theirs.contains("Norway") && theirs.contains("partnership.stage_changed"),
        "{theirs}"
    );
    assert!(
        !theirs.contains("churn-risk") && !theirs.contains("they are slow"),
        "{theirs}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_negative_amount_at_full_weight_is_itself() {
    let app = TestApp::plain().await;
    let rows = fill(
        &app,
        Size {
            partners: 1,
            customers: 0,
            deals: 0,
        },
    )
    .await;
    let admin = app.admin();
    let share = json!({ "partnershipId": rows.partnerships[0].id.to_string(), "role": "RESOLD", "weightBp": 10_000 });
    let input = json!({ "name": "A credit", "amount": { "amount": "-1.99", "currency": "USD" }, "partners": [share] });
    let made = app.mutate(&admin, "createDeal", input, "deal { id }").await;
    let won = app
        .mutate(
            &admin,
            "winDeal",
            json!({ "id": made.text("/createDeal/deal/id") }),
            "deal { stage }",
        )
        .await;
    assert!(won.refusals("winDeal").is_empty(), "{won}");
    let answer = app
        .ask(
            &admin,
            "{ partners { nodes { wonRevenue { amount currency } } } }",
        )
        .await;
    assert_eq!(
        answer.at("/partners/nodes/0/wonRevenue"),
        &json!([{ "amount": "-1.99", "currency": "USD" }])
    );
    app.finish().await;
}
