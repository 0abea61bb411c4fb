//! Who asks: what a token says, which scope opens which door, and what has no token.

use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, ViewerKind};
use serde_json::{Value, json};
use tests::TestApp;
use tests::programme::{Size, fill};

#[tokio::test]
async fn a_token_tells_its_holder_who_it_is() {
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
    let query = "{ viewer { kind subject role scopes partner { name } } }";
    let staff = app.token([Scope::DealsRead, Scope::PartnersRead]);
    assert_eq!(
        app.ask(&staff, query).await.at("/viewer"),
        &json!({ "kind": "STAFF", "subject": "tests", "role": "ADMIN", "scopes": ["partners:read", "deals:read"], "partner": null })
    );
    let partner = app.token_for(
        ViewerKind::Partner(rows.partners[0].id, PartnerRole::Software),
        Scopes::NONE.with(Scope::PartnersRead),
    );
    let seen = app.ask(&partner, query).await;
    assert_eq!(
        (
            seen.at("/viewer/kind"),
            seen.at("/viewer/role"),
            seen.at("/viewer/partner/name")
        ),
        (
            &json!("PARTNER"),
            &json!("PARTNER_SOFTWARE"),
            &json!("Partner 000")
        )
    );
    let software = app.token_for(ViewerKind::Integration, Scopes::NONE);
    let seen = app.ask(&software, query).await;
    assert_eq!(
        (seen.at("/viewer/kind"), seen.at("/viewer/scopes")),
        (&json!("INTEGRATION"), &json!([]))
    );
    app.finish().await;
}

/// Each door opens to its own scope and to no other, and says which one it is.
#[tokio::test]
async fn each_door_has_its_scope() {
    use Scope::{
        DealsRead, DealsWrite, EventsRead, IntegrationsManage, IntegrationsRead, PartnersRead,
        PartnersWrite,
    };
    let app = TestApp::plain().await;
    let nowhere = "01h2xcejqtf2nbrexx3vqjhp41";
    let doors: Vec<(Scope, String)> = vec![
        (PartnersRead, "{ partners { nodes { id } } }".to_owned()),
        (
            PartnersRead,
            format!("{{ partner(id: \"partner_{nowhere}\") {{ id }} }}"),
        ),
        (PartnersRead, "{ partnerships { nodes { id } } }".to_owned()),
        (PartnersRead, "{ customers { nodes { id } } }".to_owned()),
        (PartnersRead, "{ contacts { nodes { id } } }".to_owned()),
        (DealsRead, "{ deals { nodes { id } } }".to_owned()),
        (
            DealsRead,
            format!("{{ deal(id: \"deal_{nowhere}\") {{ id }} }}"),
        ),
        (DealsRead, "{ dealSummary { count } }".to_owned()),
        (EventsRead, "{ events { edges { cursor } } }".to_owned()),
        (
            IntegrationsRead,
            "{ connections { nodes { id } } }".to_owned(),
        ),
        (IntegrationsRead, "{ syncRuns { nodes { id } } }".to_owned()),
        (
            PartnersWrite,
            "mutation { createPartner(input: {name: \"\"}) { userErrors { code } } }".to_owned(),
        ),
        (
            PartnersWrite,
            "mutation { createCustomer(input: {name: \"\"}) { userErrors { code } } }".to_owned(),
        ),
        (
            PartnersWrite,
            "mutation { createContact(input: {name: \"\"}) { userErrors { code } } }".to_owned(),
        ),
        (
            PartnersWrite,
            format!(
                "mutation {{ createPartnership(input: {{partnerId: \"partner_{nowhere}\", type: CHANNEL}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            PartnersWrite,
            format!(
                "mutation {{ updatePartner(input: {{id: \"partner_{nowhere}\"}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            PartnersWrite,
            format!(
                "mutation {{ advancePartnership(input: {{id: \"partnership_{nowhere}\", to: ENGAGE}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            DealsWrite,
            "mutation { createDeal(input: {name: \"\"}) { userErrors { code } } }".to_owned(),
        ),
        (
            DealsWrite,
            format!(
                "mutation {{ updateDeal(input: {{id: \"deal_{nowhere}\"}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            DealsWrite,
            format!(
                "mutation {{ winDeal(input: {{id: \"deal_{nowhere}\"}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            DealsWrite,
            format!(
                "mutation {{ loseDeal(input: {{id: \"deal_{nowhere}\", reason: \"x\"}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            DealsWrite,
            format!(
                "mutation {{ attributeDeal(input: {{id: \"deal_{nowhere}\", partners: []}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
        (
            IntegrationsManage,
            format!(
                "mutation {{ syncNow(input: {{connectionId: \"connection_{nowhere}\"}}) {{ userErrors {{ code }} }} }}"
            ),
        ),
    ];
    for (scope, query) in &doors {
        let with = app.graphql(&app.token([*scope]), query, json!({})).await;
        assert_eq!(with.codes(), Vec::<&str>::new(), "{query}: {with}");
        let others = app.token(Scope::ALL.iter().copied().filter(|other| other != scope));
        let without = app.graphql(&others, query, json!({})).await;
        assert_eq!(without.codes(), ["FORBIDDEN"], "{query}: {without}");
        assert!(
            without.body.to_string().contains(scope.as_str()),
            "{without}"
        );
    }
    app.finish().await;
}

/// A field behind another scope is null with an error; what the token may read is there.
#[tokio::test]
async fn a_field_behind_another_scope_leaves_the_rest_readable() {
    let app = TestApp::plain().await;
    let rows = fill(
        &app,
        Size {
            partners: 1,
            customers: 1,
            deals: 2,
        },
    )
    .await;
    let token = app.token([Scope::PartnersRead]);
    let answer = app
        .graphql(
            &token,
            "{ partners { nodes { name deals { nodes { id } } wonRevenue { amount } } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        answer.body.pointer("/data/partners/nodes/0"),
        Some(&json!({ "name": "Partner 000", "deals": null, "wonRevenue": null })),
        "{answer}"
    );
    assert!(
        answer.codes().iter().all(|code| *code == "FORBIDDEN") && answer.codes().len() == 2,
        "{answer}"
    );
    let deals = app.token([Scope::DealsRead]);
    let answer = app
        .graphql(
            &deals,
            "{ deals { nodes { name customer { name } partners { role partner { name } } } } }",
            json!({}),
        )
        .await;
    assert!(
        answer
            .body
            .pointer("/data/deals/nodes/1/name")
            .is_some_and(Value::is_string),
        "{answer}"
    );
    assert!(
        answer.codes().iter().all(|code| *code == "FORBIDDEN"),
        "{answer}"
    );
    assert!(
        !answer.body.to_string().contains("Partner 0")
            && !answer.body.to_string().contains("Customer 0"),
        "{answer}"
    );
    // Through node, a kind that may not be read does not exist.
    let ids = json!({ "ids": [rows.partners[0].id, rows.deals[0].id] });
    let answer = app
        .graphql(
            &deals,
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            ids,
        )
        .await;
    assert_eq!(
        answer.at("/nodes"),
        &json!([null, { "id": rows.deals[0].id }])
    );
    app.finish().await;
}

/// What a viewer may do is the intersection of its role and its scopes: an auditor changes nothing, whatever its token says.
#[tokio::test]
async fn an_auditor_reads_and_changes_nothing() {
    let app = TestApp::plain().await;
    let token = app.token_for(ViewerKind::Staff(StaffRole::Auditor), Scopes::all());
    app.ask(&token, "{ partners { nodes { id } } deals { nodes { id } } events { edges { cursor } } connections { nodes { id } } }").await;
    for mutation in [
        "createPartner(input: {name: \"x\"})",
        "createDeal(input: {name: \"x\"})",
        "createCustomer(input: {name: \"x\"})",
    ] {
        let answer = app
            .graphql(
                &token,
                &format!("mutation {{ {mutation} {{ userErrors {{ code }} }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.codes(), ["FORBIDDEN"], "{answer}");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn without_a_token_there_is_nothing_but_health() {
    let app = TestApp::plain().await;
    for open in ["/healthz", "/readyz"] {
        assert_eq!(app.get(open, &[]).await.status, 200, "{open}");
    }
    for closed in [
        "/graphql",
        "/metrics",
        "/schema.graphql",
        "/",
        "/nowhere",
        "/graphiql",
        "/admin/../graphql",
    ] {
        let answer = app.get(closed, &[]).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate").is_empty()),
            (401, false),
            "{closed}: {answer}"
        );
    }
    let posted = app
        .post_raw(
            "/graphql",
            &[("content-type", "application/json")],
            "{\"query\": \"{ viewer { kind } }\"}",
        )
        .await;
    assert_eq!(
        (posted.status, posted.codes()),
        (401, vec!["UNAUTHENTICATED"])
    );
    let known = format!("Bearer {}", app.admin());
    assert_eq!(
        app.get("/nowhere", &[("authorization", &known)])
            .await
            .status,
        404
    );
    let schema = app
        .get("/schema.graphql", &[("authorization", &known)])
        .await;
    assert!(
        schema.status == 200
            && String::from_utf8_lossy(&schema.bytes).contains("type Partner implements Node")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_token_ends_to_the_second() {
    let app = TestApp::start(tests::Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let status = async || {
        app.graphql(&token, "{ viewer { kind } }", json!({}))
            .await
            .status
    };
    assert_eq!(status().await, 200);
    app.advance(std::time::Duration::from_secs(3_599));
    assert_eq!(status().await, 200);
    app.advance(std::time::Duration::from_secs(1));
    assert_eq!(status().await, 401);
    app.finish().await;
}
