//! What every mutation has in common: repeated requests, versions, trying without writing, refusals that write nothing.

use serde_json::{Value, json};
use std::time::Duration;
use tests::{Options, TestApp};

#[tokio::test]
async fn a_repeated_create_answers_with_the_same_row() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let input = json!({ "name": "Acme", "tags": ["a", "b"], "idempotencyKey": "k-1" });
    let create = async |token: &str, input: &Value| {
        app.mutate(
            token,
            "createPartner",
            input.clone(),
            "partner { id name version }",
        )
        .await
    };
    let first = create(&token, &input)
        .await
        .at("/createPartner/partner")
        .clone();
    assert_eq!(
        create(&token, &input).await.at("/createPartner/partner"),
        &first
    );
    // The answer is the row, as it is by now.
    app.mutate(
        &token,
        "updatePartner",
        json!({ "id": first["id"], "name": "Renamed" }),
        "partner { id }",
    )
    .await
    .text("/updatePartner/partner/id");
    let again = create(&token, &input)
        .await
        .at("/createPartner/partner")
        .clone();
    assert_eq!(
        again,
        json!({ "id": first["id"], "name": "Renamed", "version": 2 })
    );
    assert_eq!(app.number("SELECT COUNT(*) FROM partner").await, 1);

    let mut other = input.clone();
    other["tags"] = json!(["b", "a"]);
    assert_eq!(
        create(&token, &other).await.refusals("createPartner"),
        ["IDEMPOTENCY_MISMATCH idempotencyKey"]
    );
    let elsewhere = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Acme", "idempotencyKey": "k-1" }),
            "customer { id }",
        )
        .await;
    assert_eq!(
        elsewhere.refusals("createCustomer"),
        ["IDEMPOTENCY_MISMATCH idempotencyKey"]
    );
    for key in [String::new(), "k".repeat(201)] {
        let refused = create(&token, &json!({ "name": "x", "idempotencyKey": key })).await;
        assert_eq!(
            refused.refusals("createPartner"),
            ["INVALID idempotencyKey"]
        );
    }
    // Another caller's key is another key.
    let software = app.token_for(
        entities::viewer::ViewerKind::Integration,
        entities::viewer::Scopes::all(),
    );
    let colleague = app.token([
        entities::viewer::Scope::PartnersRead,
        entities::viewer::Scope::PartnersWrite,
    ]);
    let request = api::oauth::token::TokenRequest {
        subject: "somebody else".to_owned(),
        client_id: "tests".to_owned(),
        kind: entities::viewer::ViewerKind::Integration,
        scopes: entities::viewer::Scopes::all(),
        lifetime_seconds: 3_600,
        basis: api::oauth::token::Basis::default(),
    };
    assert_eq!(
        create(&colleague, &input)
            .await
            .at("/createPartner/partner/id"),
        &first["id"],
        "another token of the same caller"
    );
    assert_ne!(
        create(&software, &input)
            .await
            .at("/createPartner/partner/id"),
        &first["id"],
        "software of the same name is another caller"
    );
    assert_ne!(
        create(&app.issue(&request), &input)
            .await
            .at("/createPartner/partner/id"),
        &first["id"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_kept_for_a_day_and_a_refused_or_tried_input_does_not_take_it() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let create = async |app: &TestApp, input: Value| {
        app.mutate(&app.admin(), "createPartner", input, "partner { id }")
            .await
    };
    let refused = create(&app, json!({ "name": "", "idempotencyKey": "k" })).await;
    assert_eq!(refused.refusals("createPartner"), ["BLANK name"]);
    let tried = create(
        &app,
        json!({ "name": "Acme", "idempotencyKey": "k", "validateOnly": true }),
    )
    .await;
    assert_eq!(tried.refusals("createPartner"), Vec::<String>::new());
    let first = create(&app, json!({ "name": "Acme", "idempotencyKey": "k" }))
        .await
        .text("/createPartner/partner/id");
    app.advance(Duration::from_secs(24 * 3_600 - 1));
    assert_eq!(
        create(&app, json!({ "name": "Acme", "idempotencyKey": "k" }))
            .await
            .text("/createPartner/partner/id"),
        first
    );
    app.advance(Duration::from_secs(2));
    assert_ne!(
        create(&app, json!({ "name": "Acme", "idempotencyKey": "k" }))
            .await
            .text("/createPartner/partner/id"),
        first
    );
    app.finish().await;
}

/// A client that loses its connection sends again while the first request still runs.
#[tokio::test]
async fn the_same_key_at_the_same_moment_creates_one_row() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for round in 0..5 {
        let input = json!({ "name": "Twin", "idempotencyKey": format!("k-{round}") });
        let all = futures::future::join_all(
            (0..6).map(|_| app.mutate(&token, "createPartner", input.clone(), "partner { id }")),
        )
        .await;
        let mut ids = Vec::new();
        for answer in &all {
            match answer.codes().as_slice() {
                [] => ids.push(answer.text("/createPartner/partner/id")),
                codes => assert_eq!(codes, ["CONFLICT"], "{answer}"),
            }
        }
        ids.dedup();
        assert_eq!(
            ids.len(),
            1,
            "{}",
            all.iter()
                .map(|answer| format!("{answer}\n"))
                .collect::<String>()
        );
        assert_eq!(app.number("SELECT COUNT(*) FROM partner").await, round + 1);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_update_of_another_version_is_refused() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let partner = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "A" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let customer = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "A" }),
            "customer { id }",
        )
        .await
        .text("/createCustomer/customer/id");
    let contact = app
        .mutate(
            &token,
            "createContact",
            json!({ "name": "A" }),
            "contact { id }",
        )
        .await
        .text("/createContact/contact/id");
    let deal = app
        .mutate(&token, "createDeal", json!({ "name": "A" }), "deal { id }")
        .await
        .text("/createDeal/deal/id");
    let ship = app
        .mutate(
            &token,
            "createPartnership",
            json!({ "partnerId": partner, "type": "CHANNEL" }),
            "partnership { id }",
        )
        .await;
    let ship = ship.text("/createPartnership/partnership/id");
    let cases = [
        (
            "updatePartner",
            "partner",
            json!({ "id": partner, "name": "B" }),
        ),
        (
            "updateCustomer",
            "customer",
            json!({ "id": customer, "name": "B" }),
        ),
        (
            "updateContact",
            "contact",
            json!({ "id": contact, "name": "B" }),
        ),
        ("updateDeal", "deal", json!({ "id": deal, "name": "B" })),
        (
            "updatePartnership",
            "partnership",
            json!({ "id": ship, "dri": "B" }),
        ),
        (
            "advancePartnership",
            "partnership",
            json!({ "id": ship, "to": "ENGAGE", "overrideReason": "It is known" }),
        ),
        ("loseDeal", "deal", json!({ "id": deal, "reason": "B" })),
    ];
    let mut versions: std::collections::HashMap<String, i64> = std::collections::HashMap::new();
    for (mutation, row, mut input) in cases {
        let id = input["id"].as_str().unwrap().to_owned();
        let version = versions.entry(id).or_insert(1);
        for wrong in [*version - 1, *version + 1] {
            input["expectedVersion"] = json!(wrong);
            let refused = app
                .mutate(&token, mutation, input.clone(), &format!("{row} {{ id }}"))
                .await;
            assert_eq!(
                refused.refusals(mutation),
                ["VERSION_CONFLICT expectedVersion"],
                "{mutation}"
            );
            assert_eq!(refused.at(&format!("/{mutation}/{row}")), &json!(null));
        }
        input["expectedVersion"] = json!(*version);
        let done = app
            .mutate(&token, mutation, input, &format!("{row} {{ version }}"))
            .await;
        *version += 1;
        assert_eq!(
            done.at(&format!("/{mutation}/{row}/version")),
            &json!(*version),
            "{mutation} {done}"
        );
    }
    app.finish().await;
}

/// Many hands on one row: each increment is applied to the version its caller saw, so none is lost.
#[tokio::test]
async fn concurrent_updates_of_one_row_lose_nothing() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let id = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "A", "employees": 0 }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let hand = async || {
        let mut done = 0;
        while done < 5 {
            let read = app
                .ask(
                    &token,
                    &format!("{{ partner(id: {id:?}) {{ version employees }} }}"),
                )
                .await;
            let (version, employees) = (
                read.at("/partner/version").clone(),
                read.at("/partner/employees").as_i64().unwrap(),
            );
            let input = json!({ "id": id, "expectedVersion": version, "employees": employees + 1 });
            let answer = app
                .mutate(&token, "updatePartner", input, "partner { id }")
                .await;
            match answer.refusals("updatePartner").as_slice() {
                [] => done += 1,
                refusals => assert_eq!(refusals, ["VERSION_CONFLICT expectedVersion"]),
            }
        }
    };
    tokio::join!(hand(), hand(), hand(), hand());
    let read = app
        .ask(
            &token,
            &format!("{{ partner(id: {id:?}) {{ version employees }} }}"),
        )
        .await;
    assert_eq!(
        read.at("/partner"),
        &json!({ "version": 21, "employees": 20 })
    );
    app.finish().await;
}

#[tokio::test]
async fn validating_only_answers_as_if_and_writes_nothing() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let partner = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "A", "domain": "a.example" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let deal = app
        .mutate(&token, "createDeal", json!({ "name": "A" }), "deal { id }")
        .await
        .text("/createDeal/deal/id");
    let tables = [
        "partner",
        "partnership",
        "customer",
        "contact",
        "deal",
        "deal_partner",
        "event",
        "idempotency_key",
    ];
    let count = async || {
        let mut counts = Vec::new();
        for table in tables {
            counts.push(app.number(&format!("SELECT COUNT(*) FROM {table}")).await);
        }
        counts
    };
    let before = count().await;
    for (mutation, row, mut input, field, value) in [
        (
            "createPartner",
            "partner",
            json!({ "name": "B" }),
            "name",
            json!("B"),
        ),
        (
            "createCustomer",
            "customer",
            json!({ "name": "B" }),
            "name",
            json!("B"),
        ),
        (
            "createContact",
            "contact",
            json!({ "name": "B" }),
            "name",
            json!("B"),
        ),
        (
            "createDeal",
            "deal",
            json!({ "name": "B" }),
            "stage",
            json!("PROSPECT"),
        ),
        (
            "createPartnership",
            "partnership",
            json!({ "partnerId": partner, "type": "CHANNEL" }),
            "stage",
            json!("PROSPECT"),
        ),
        (
            "updatePartner",
            "partner",
            json!({ "id": partner, "name": "B" }),
            "version",
            json!(2),
        ),
        (
            "winDeal",
            "deal",
            json!({ "id": deal }),
            "stage",
            json!("WON"),
        ),
        (
            "loseDeal",
            "deal",
            json!({ "id": deal, "reason": "x" }),
            "stage",
            json!("LOST"),
        ),
    ] {
        input["validateOnly"] = json!(true);
        let tried = app
            .mutate(&token, mutation, input, &format!("{row} {{ {field} }}"))
            .await;
        assert_eq!(tried.refusals(mutation), Vec::<String>::new());
        assert_eq!(
            tried.at(&format!("/{mutation}/{row}/{field}")),
            &value,
            "{mutation}"
        );
    }
    let refused = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "C", "domain": "a.example", "validateOnly": true }),
            "partner { id }",
        )
        .await;
    assert_eq!(refused.refusals("createPartner"), ["TAKEN domain"]);
    assert_eq!(count().await, before);
    let read = app.ask(&token, &format!("{{ partner(id: {partner:?}) {{ name version }} deal(id: {deal:?}) {{ stage version }} }}")).await;
    assert_eq!(
        read.data(),
        &json!({ "partner": { "name": "A", "version": 1 }, "deal": { "stage": "PROSPECT", "version": 1 } })
    );
    app.finish().await;
}

/// Mutations of one document run one after the other, and a refused one does not take the others with it.
#[tokio::test]
async fn several_mutations_of_one_document_run_in_order() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let document = "mutation {
        a: createPartner(input: {name: \"A\", domain: \"a.example\"}) { partner { name } userErrors { code } }
        b: createPartner(input: {name: \"B\", domain: \"a.example\"}) { partner { name } userErrors { code } }
        c: createPartner(input: {name: \"C\"}) { partner { name } userErrors { code } } }";
    let answer = app.graphql(&token, document, json!({})).await;
    assert_eq!(
        answer.data(),
        &json!({
            "a": { "partner": { "name": "A" }, "userErrors": [] },
            "b": { "partner": null, "userErrors": [{ "code": "TAKEN" }] },
            "c": { "partner": { "name": "C" }, "userErrors": [] },
        })
    );
    app.finish().await;
}
