//! Real input: a CRM's CSV export, through the sandbox and the connector, to the numbers that are known of it.

use sandbox::Source;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tests::{HubSpotSetup, Options, TestApp, shared_folder};

/// Deals and won revenue by partner.
const PARTNERS: [(&str, i64, &str); 6] = [
    ("Cara Losch", 964, "1130049.00"),
    ("Celia Rouche", 1_296, "1603897.00"),
    ("Dustin Brinkmann", 1_583, "1094363.00"),
    ("Melvin Marxen", 1_929, "2251930.00"),
    ("Rocco Neubert", 1_327, "1960545.00"),
    ("Summer Sewald", 1_701, "1964750.00"),
];

/// The tables that a synchronisation without news leaves alone.
const TABLES: [&str; 7] = [
    "partner",
    "customer",
    "contact",
    "partnership",
    "deal",
    "deal_partner",
    "external_link",
];

/// Rows, versions and last instants of the seven tables, and the events by kind.
async fn state(app: &TestApp) -> BTreeMap<String, Vec<i64>> {
    let mut state = BTreeMap::new();
    for table in TABLES {
        let mut numbers = Vec::new();
        for expression in [
            "COUNT(*)",
            "CAST(COALESCE(SUM(version), 0) AS BIGINT)",
            "COALESCE(MAX(updated_at), 0)",
        ] {
            numbers.push(
                app.number(&format!("SELECT {expression} FROM {table}"))
                    .await,
            );
        }
        state.insert(table.to_owned(), numbers);
    }
    for row in app
        .rows("SELECT kind, COUNT(*) FROM event WHERE kind NOT LIKE 'sync.%' GROUP BY kind")
        .await
    {
        let kind: String = row.try_get_by_index(0).unwrap();
        state.insert(
            format!("event {kind}"),
            vec![row.try_get_by_index(1).unwrap()],
        );
    }
    state
}

fn summary(answer: &Value) -> BTreeMap<(String, String), (i64, Option<String>)> {
    let rows = answer.as_array().unwrap().iter();
    let text = |row: &Value, pointer: &str| {
        row.pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    rows.map(|row| {
        let key = (
            text(row, "/stage").unwrap(),
            text(row, "/amount/currency").unwrap_or_default(),
        );
        (
            key,
            (row["count"].as_i64().unwrap(), text(row, "/amount/amount")),
        )
    })
    .collect()
}

#[tokio::test]
async fn the_export_gives_the_numbers_that_are_known_of_it_and_a_second_run_writes_nothing() {
    let Some(folder) = shared_folder("data/crm") else {
        return;
    };
    let app = TestApp::start(Options::hubspot(HubSpotSetup::of(Source::Crm(folder)))).await;
    let connection = app.connect_hubspot().await;
    let run = app.sync(connection).await;
    assert_eq!(
        (format!("{:?}", run.status), &run.error),
        ("Completed".to_owned(), &None),
        "{:?}",
        run.findings
    );

    let token = app.admin();
    let query = "{
        customers { totalCount } partners { totalCount } contacts { totalCount } deals { totalCount }
        open: deals(filter: {stage: {in: [PROSPECT, QUALIFIED]}}) { totalCount }
        strangers: deals(filter: {hasCustomer: false}) { totalCount }
        dealSummary { stage count amount { amount currency } }
        channel: partnerships(filter: {type: {eq: CHANNEL}, stage: {eq: ACTIVE}}) { totalCount }
    }";
    let answer = app.ask(&token, query).await;
    for (field, count) in [
        ("customers", 85),
        ("partners", 6),
        ("contacts", 0),
        ("deals", 8_800),
        ("open", 2_089),
        ("strangers", 1_425),
        ("channel", 6),
    ] {
        assert_eq!(
            answer.at(&format!("/{field}/totalCount")),
            &json!(count),
            "{field}"
        );
    }
    let expected = [
        (("LOST", "USD"), (2_473, Some("0.00"))),
        (("PROSPECT", ""), (500, None)),
        (("QUALIFIED", ""), (1_589, None)),
        (("WON", "USD"), (4_238, Some("10005534.00"))),
    ];
    let expected = expected.map(|((stage, currency), (count, amount))| {
        (
            (stage.to_owned(), currency.to_owned()),
            (count, amount.map(str::to_owned)),
        )
    });
    assert_eq!(summary(answer.at("/dealSummary")), BTreeMap::from(expected));

    let query = "{ partners(first: 100, orderBy: [{field: NAME}]) { nodes { name wonRevenue { amount currency } deals { totalCount } } } }";
    let answer = app.ask(&token, query).await;
    let expected = PARTNERS.map(|(name, deals, won)| json!({ "name": name, "wonRevenue": [{ "amount": won, "currency": "USD" }], "deals": { "totalCount": deals } }));
    assert_eq!(answer.at("/partners/nodes"), &json!(expected));

    let unmapped = "{ syncRuns(first: 1) { nodes { status issueCount unmappedFields { name records } counts { resource read created } } } }";
    let run = app.ask(&token, unmapped).await;
    assert!(
        !run.list("/syncRuns/nodes/0/unmappedFields").is_empty(),
        "{run}"
    );

    let before = state(&app).await;
    let runs = app.number("SELECT COUNT(*) FROM sync_run").await;
    let second = app.sync(connection).await;
    assert_eq!(format!("{:?}", second.status), "Completed");
    assert_eq!(state(&app).await, before);
    assert_eq!(app.number("SELECT COUNT(*) FROM sync_run").await, runs + 1);
    // And once more long afterwards, when every look-back and every listing of the archived is due.
    app.advance(std::time::Duration::from_secs(3_600));
    app.sync(connection).await;
    assert_eq!(state(&app).await, before);
    app.finish().await;
}
