//! How many SQL statements an answer costs: counted, because a list that asks per row is slow only in production.

use tests::TestApp;
use tests::programme::{Size, fill};

const Q2: &str = "{ partners(first: 50) { nodes { id name deals(first: 10) { nodes { id name stage amount { amount currency } } } } } }";
const Q3: &str = "{ deals(first: 100, filter: {stage: {in: [QUALIFIED, WON]}}, orderBy: [{field: UPDATED_AT, direction: DESC}]) {
    nodes { id name amount { amount currency } partners { partner { name } } } } }";

async fn cost(app: &TestApp, token: &str, query: &str) -> usize {
    let (_, statements) = app.counted(token, query).await;
    assert!(!statements.is_empty(), "{query}");
    eprintln!(
        "{} statement(s): {}",
        statements.len(),
        query.chars().take(80).collect::<String>()
    );
    for statement in &statements {
        eprintln!("  {}", statement.chars().take(160).collect::<String>());
    }
    statements.len()
}

#[tokio::test]
async fn the_measured_queries_cost_one_two_and_at_most_two_statements() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let rows = fill(
        &app,
        Size {
            partners: 50,
            customers: 10,
            deals: 300,
        },
    )
    .await;
    let q1 = format!(
        "{{ partner(id: \"{}\") {{ id name status domain }} }}",
        rows.partners[3].id
    );
    assert_eq!(cost(&app, &token, &q1).await, 1);
    assert_eq!(cost(&app, &token, Q2).await, 2);
    assert!(cost(&app, &token, Q3).await <= 2);
    app.finish().await;
}

/// The number depends on the fields of the query, not on the rows of the answer.
#[tokio::test]
async fn a_level_costs_one_statement_a_field_whatever_the_page() {
    let app = TestApp::plain().await;
    let token = app.admin();
    fill(
        &app,
        Size {
            partners: 40,
            customers: 10,
            deals: 200,
        },
    )
    .await;
    for (query, most) in [
        ("{ deals(first: N) { nodes { customer { name } } } }", 2),
        (
            "{ deals(first: N) { nodes { customer { name contacts(first: 2) { nodes { name } } } partners { role partner { name } partnership { type } } } } }",
            5,
        ),
        (
            "{ partners(first: N) { nodes { wonRevenue { amount } partnerships { nodes { type partner { name } } } contacts { nodes { name } } } } }",
            5,
        ),
        (
            "{ partners(first: N) { nodes { deals(first: 3) { nodes { customer { name } } } } } }",
            3,
        ),
        (
            "{ customers(first: N) { nodes { deals(first: 2) { nodes { partners { role } } } } } }",
            3,
        ),
        (
            "{ contacts(first: N) { nodes { partner { name } customer { name } } } }",
            3,
        ),
        (
            "{ a: partners(first: N) { nodes { x: deals(first: 1) { nodes { id } } y: deals(first: 2) { nodes { id } } } } }",
            3,
        ),
    ] {
        let few = cost(&app, &token, &query.replace('N', "2")).await;
        let many = cost(&app, &token, &query.replace('N', "40")).await;
        assert!(
            few <= many && many <= most,
            "{query}: {few} and {many} statements, at most {most}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn the_whole_is_counted_only_when_it_is_asked_for() {
    let app = TestApp::plain().await;
    let token = app.admin();
    fill(
        &app,
        Size {
            partners: 5,
            customers: 3,
            deals: 30,
        },
    )
    .await;
    let counts = async |query: &str| {
        let (_, statements) = app.counted(&token, query).await;
        (
            statements.len(),
            statements
                .iter()
                .filter(|statement| statement.to_uppercase().contains("COUNT("))
                .count(),
        )
    };
    assert_eq!(
        counts("{ deals(first: 5) { nodes { id } pageInfo { hasNextPage } } }").await,
        (1, 0)
    );
    assert_eq!(
        counts("{ deals(first: 5) { totalCount nodes { id } } }").await,
        (2, 1)
    );
    assert_eq!(
        counts("{ partners { nodes { deals(first: 2) { nodes { id } } } } }").await,
        (2, 0)
    );
    assert_eq!(
        counts("{ partners { nodes { deals(first: 2) { totalCount nodes { id } } } } }").await,
        (3, 1)
    );
    assert_eq!(
        counts("{ dealSummary { stage count amount { amount currency } } }")
            .await
            .0,
        1
    );
    assert_eq!(
        counts("{ partners { nodes { wonRevenue { amount currency } } } }")
            .await
            .0,
        2
    );
    app.finish().await;
}
