//! Customers: the end customers of deals, with their people and their deals.

use serde_json::json;
use tests::TestApp;

#[tokio::test]
async fn a_customer_is_created_changed_and_put_away() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let fields = "customer { id version name domain country segment archivedAt }";
    let made = app.mutate(&token, "createCustomer", json!({ "name": "Globex", "domain": "www.globex.com", "country": "Japan", "segment": "retail" }), fields).await;
    let row = made.at("/createCustomer/customer").clone();
    let id = row["id"].as_str().unwrap();
    assert!(id.starts_with("customer_"));
    assert_eq!(
        row,
        json!({ "id": id, "version": 1, "name": "Globex", "domain": "globex.com", "country": "Japan", "segment": "retail", "archivedAt": null })
    );
    // A customer's domain is no key: two subsidiaries may share one.
    let twin = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Globex 2", "domain": "globex.com" }),
            fields,
        )
        .await;
    assert_eq!(twin.refusals("createCustomer"), Vec::<String>::new());

    let changed = app
        .mutate(
            &token,
            "updateCustomer",
            json!({ "id": id, "country": null, "segment": "wholesale", "expectedVersion": 1 }),
            fields,
        )
        .await;
    assert_eq!(
        changed.at("/updateCustomer/customer"),
        &json!({ "id": id, "version": 2, "name": "Globex", "domain": "globex.com", "country": null, "segment": "wholesale", "archivedAt": null })
    );
    let away = app
        .mutate(
            &token,
            "updateCustomer",
            json!({ "id": id, "archived": true }),
            fields,
        )
        .await;
    assert!(away.at("/updateCustomer/customer/archivedAt").is_string());
    assert_eq!(
        app.ask(&token, "{ customers { totalCount } }")
            .await
            .at("/customers/totalCount"),
        &json!(1)
    );

    let refused = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "", "segment": "x".repeat(201) }),
            fields,
        )
        .await;
    assert_eq!(
        refused.refusals("createCustomer"),
        ["BLANK name", "TOO_LONG segment"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_customers_deals_and_people_are_read_through_it() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let id = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Globex" }),
            "customer { id }",
        )
        .await
        .text("/createCustomer/customer/id");
    for name in ["one", "two"] {
        app.mutate(
            &token,
            "createDeal",
            json!({ "name": name, "customerId": id }),
            "deal { id }",
        )
        .await
        .text("/createDeal/deal/id");
        app.mutate(
            &token,
            "createContact",
            json!({ "name": name, "customerId": id }),
            "contact { id }",
        )
        .await
        .text("/createContact/contact/id");
    }
    app.mutate(
        &token,
        "createDeal",
        json!({ "name": "other" }),
        "deal { id }",
    )
    .await
    .text("/createDeal/deal/id");
    let query = format!(
        "{{ customer(id: {id:?}) {{ deals {{ totalCount nodes {{ name customer {{ id }} }} }} contacts {{ totalCount nodes {{ name }} }} }} }}"
    );
    let answer = app.ask(&token, &query).await;
    assert_eq!(
        answer.texts("/customer/deals/nodes", "/name"),
        ["one", "two"]
    );
    assert_eq!(
        answer.texts("/customer/deals/nodes", "/customer/id"),
        [id.clone(), id]
    );
    assert_eq!(
        answer.texts("/customer/contacts/nodes", "/name"),
        ["one", "two"]
    );
    app.finish().await;
}
