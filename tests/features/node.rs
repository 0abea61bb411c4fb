//! `node` and `nodes`: any row by its global id, and null for everything else.

use serde_json::json;
use tests::programme::{Size, fill};
use tests::{HubSpotSetup, Options, TestApp};

#[tokio::test]
async fn every_kind_of_row_is_found_by_its_id() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let token = app.admin();
    let connection = app.connect_hubspot().await;
    let run = app.sync(connection).await;
    let rows = fill(
        &app,
        Size {
            partners: 2,
            customers: 2,
            deals: 3,
        },
    )
    .await;
    let ids = [
        ("Partner", rows.partners[0].id.to_string()),
        ("Partnership", rows.partnerships[0].id.to_string()),
        ("Contact", rows.contacts[0].id.to_string()),
        ("Customer", rows.customers[0].id.to_string()),
        ("Deal", rows.deals[0].id.to_string()),
        ("Connection", connection.to_string()),
        ("SyncRun", run.id.to_string()),
    ];
    for (kind, id) in &ids {
        let answer = app
            .graphql(
                &token,
                "query($id: ID!) { node(id: $id) { __typename id } }",
                json!({ "id": id }),
            )
            .await;
        assert_eq!(answer.at("/node"), &json!({ "__typename": kind, "id": id }));
    }
    let mixed = [
        "partner_01h2xcejqtf2nbrexx3vqjhp41",
        &ids[4].1,
        "nonsense",
        "",
        &ids[0].1,
        &ids[4].1,
        "deal_x",
        "partner_",
        "unicorn_01h2xcejqtf2nbrexx3vqjhp41",
    ];
    let answer = app
        .graphql(
            &token,
            "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Deal { name } } }",
            json!({ "ids": mixed }),
        )
        .await;
    let deal = json!({ "__typename": "Deal", "id": ids[4].1, "name": "Deal 0000" });
    let partner = json!({ "__typename": "Partner", "id": ids[0].1 });
    assert_eq!(
        answer.at("/nodes"),
        &json!([null, deal, null, null, partner, deal, null, null, null])
    );
    // The id of one kind of row is no id of another, even when the number is the same.
    let disguised = ids[0].1.replace("partner_", "deal_");
    let answer = app
        .graphql(
            &token,
            "query($id: ID!) { node(id: $id) { id } deal(id: $id) { id } }",
            json!({ "id": disguised }),
        )
        .await;
    assert_eq!(answer.data(), &json!({ "node": null, "deal": null }));
    app.finish().await;
}

#[tokio::test]
async fn a_hundred_ids_and_no_more() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let ids = |count: usize| json!({ "ids": vec!["deal_01h2xcejqtf2nbrexx3vqjhp41"; count] });
    assert_eq!(
        app.graphql(&token, query, ids(100))
            .await
            .list("/nodes")
            .len(),
        100
    );
    assert_eq!(
        app.graphql(&token, query, ids(0))
            .await
            .list("/nodes")
            .len(),
        0
    );
    assert_eq!(
        app.graphql(&token, query, ids(101)).await.codes(),
        ["BAD_USER_INPUT"]
    );
    app.finish().await;
}
