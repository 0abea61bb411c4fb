//! Pages: forward, backward, of whole lists and of every parent's list, in every order, gaps and ties included.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use tests::programme::{Programme, Size, fill};
use tests::{Answer, TestApp, proptest_config};

const SIZE: Size = Size {
    partners: 6,
    customers: 5,
    deals: 90,
};

/// The keys of a deal's order, and where the key's value is found in an answer.
const KEYS: [(&str, &str); 5] = [
    ("UPDATED_AT", "/updatedAt"),
    ("STAGE", "/stage"),
    ("AMOUNT", "/amount/amount"),
    ("EXPECTED_CLOSE_ON", "/expectedCloseOn"),
    ("CLOSED_AT", "/closedAt"),
];

const FIELDS: &str = "id updatedAt stage amount { amount currency } expectedCloseOn closedAt";

fn order_by(order: &[(usize, bool)]) -> Value {
    let keys = order.iter().map(
        |(key, up)| json!({ "field": KEYS[*key].0, "direction": if *up { "ASC" } else { "DESC" } }),
    );
    json!(keys.collect::<Vec<_>>())
}

/// The rule of the API, written down a second time: unknown values are the greatest, the id comes last in the last key's direction.
fn compare(order: &[(usize, bool)], one: &Value, two: &Value) -> Ordering {
    let directed = |ordering: Ordering, up: bool| if up { ordering } else { ordering.reverse() };
    for (key, up) in order {
        let value = |row: &Value| {
            row.pointer(KEYS[*key].1)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let ordering = match (value(one), value(two)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(two)) if KEYS[*key].0 == "AMOUNT" => minor(&one).cmp(&minor(&two)),
            (Some(one), Some(two)) => one.cmp(&two),
        };
        if ordering != Ordering::Equal {
            return directed(ordering, *up);
        }
    }
    directed(
        one["id"].as_str().cmp(&two["id"].as_str()),
        order.last().is_none_or(|(_, up)| *up),
    )
}

fn minor(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

/// Walks a list from end to end and checks, page by page, what `pageInfo` and the edges say.
async fn walk(
    app: &TestApp,
    token: &str,
    query: &str,
    variables: Value,
    at: &str,
    size: usize,
    backward: bool,
) -> Vec<Value> {
    let (count, place, start, more, other) = if backward {
        (
            "last",
            "before",
            "startCursor",
            "hasPreviousPage",
            "hasNextPage",
        )
    } else {
        (
            "first",
            "after",
            "endCursor",
            "hasNextPage",
            "hasPreviousPage",
        )
    };
    let mut found: Vec<Value> = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut variables = variables.clone();
        variables[count] = json!(size);
        variables[place] = cursor.clone();
        let answer: Answer = app.graphql(token, query, variables).await;
        let edges = answer.list(&format!("{at}/edges")).to_vec();
        let info = answer.at(&format!("{at}/pageInfo")).clone();
        assert_eq!(
            info["startCursor"],
            edges
                .first()
                .map_or(Value::Null, |edge| edge["cursor"].clone())
        );
        assert_eq!(
            info["endCursor"],
            edges
                .last()
                .map_or(Value::Null, |edge| edge["cursor"].clone())
        );
        assert_eq!(
            info[other],
            json!(!cursor.is_null()),
            "the side we come from"
        );
        let rows = edges.iter().map(|edge| edge["node"].clone());
        if backward {
            found.splice(0..0, rows);
        } else {
            found.extend(rows);
        }
        if info[more] == json!(false) {
            return found;
        }
        assert_eq!(edges.len(), size, "only the last page may be short");
        cursor = info[start].clone();
        assert!(found.len() <= 1_000, "the walk finds no end");
    }
}

const WHOLE: &str = "query($orderBy: [DealOrder!], $first: Int, $after: String, $last: Int, $before: String) {
    deals(orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id updatedAt stage amount { amount currency } expectedCloseOn closedAt } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

const NESTED: &str = "query($id: ID!, $orderBy: [DealOrder!], $first: Int, $after: String, $last: Int, $before: String) {
    partner(id: $id) { deals(orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id updatedAt stage amount { amount currency } expectedCloseOn closedAt } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

async fn everything(app: &TestApp, token: &str) -> Vec<Value> {
    let answer = app
        .ask(
            token,
            &format!("{{ deals(first: 100) {{ nodes {{ {FIELDS} }} }} }}"),
        )
        .await;
    assert_eq!(answer.list("/deals/nodes").len(), SIZE.deals);
    answer.list("/deals/nodes").to_vec()
}

/// In any order, size and direction a walk over all pages brings every row once, in the order that the rule gives.
#[test]
fn any_walk_brings_every_row_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (app, token, rows, programme) = runtime.block_on(async {
        let app = TestApp::plain().await;
        let token = app.admin();
        let programme = fill(&app, SIZE).await;
        let rows = everything(&app, &token).await;
        (app, token, rows, programme)
    });
    let of_partner = |programme: &Programme, partner: usize| -> Vec<Value> {
        let own = runtime.block_on(app.rows(&format!(
            "SELECT CAST(d.name AS TEXT) FROM deal d WHERE EXISTS (SELECT 1 FROM deal_partner s JOIN partner p ON p.id = s.partner_id WHERE s.deal_id = d.id AND p.name = '{}')",
            programme.partners[partner].name
        )));
        let names: Vec<String> = own
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect();
        let ids: Vec<String> = programme
            .deals
            .iter()
            .filter(|deal| names.contains(&deal.name))
            .map(|deal| deal.id.to_string())
            .collect();
        rows.iter()
            .filter(|row| ids.iter().any(|id| row["id"] == json!(id)))
            .cloned()
            .collect()
    };
    let order =
        prop::sample::subsequence((0..KEYS.len()).collect::<Vec<_>>(), 0..=3).prop_shuffle();
    let directed = order.prop_flat_map(|keys| {
        (
            Just(keys.clone()),
            prop::collection::vec(any::<bool>(), keys.len()),
        )
    });
    let strategy = (
        directed,
        1_usize..=40,
        any::<bool>(),
        prop::option::of(0..SIZE.partners),
    );
    let mut runner = TestRunner::new(proptest_config(40, 400));
    runner
        .run(
            &strategy,
            |((keys, directions), size, backward, partner)| {
                let order: Vec<(usize, bool)> = keys.into_iter().zip(directions).collect();
                let mut expected =
                    partner.map_or_else(|| rows.clone(), |partner| of_partner(&programme, partner));
                expected.sort_by(|one, two| compare(&order, one, two));
                let found = runtime.block_on(async {
                    let variables = json!({ "orderBy": order_by(&order) });
                    match partner {
                        None => {
                            walk(&app, &token, WHOLE, variables, "/deals", size, backward).await
                        }
                        Some(partner) => {
                            let mut variables = variables;
                            variables["id"] = json!(programme.partners[partner].id);
                            walk(
                                &app,
                                &token,
                                NESTED,
                                variables,
                                "/partner/deals",
                                size,
                                backward,
                            )
                            .await
                        }
                    }
                });
                let ids = |rows: &[Value]| {
                    rows.iter()
                        .map(|row| row["id"].as_str().unwrap().to_owned())
                        .collect::<Vec<_>>()
                };
                prop_assert_eq!(ids(&found), ids(&expected));
                Ok(())
            },
        )
        .unwrap();
    runtime.block_on(app.finish());
}

/// The pages of all parents, read together, are those that each parent has alone.
#[tokio::test]
async fn the_pages_of_all_parents_are_those_of_each_alone() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let programme = fill(&app, SIZE).await;
    for arguments in [
        "first: 4",
        "last: 3",
        "first: 5, orderBy: [{field: AMOUNT, direction: DESC}]",
        "last: 2, orderBy: [{field: EXPECTED_CLOSE_ON}, {field: STAGE, direction: DESC}]",
        "first: 100, filter: {stage: {in: [WON]}}",
        "first: 0",
    ] {
        let page = format!(
            "deals({arguments}) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"
        );
        let together = app
            .ask(
                &token,
                &format!("{{ partners {{ nodes {{ id {page} }} }} }}"),
            )
            .await;
        assert_eq!(together.list("/partners/nodes").len(), SIZE.partners);
        for parent in together.list("/partners/nodes") {
            let alone = app
                .ask(
                    &token,
                    &format!("{{ partner(id: {}) {{ id {page} }} }}", parent["id"]),
                )
                .await;
            assert_eq!(alone.at("/partner"), parent, "{arguments}");
        }
    }
    // Two pages of one list in one answer, under aliases, do not mix.
    let aliased = app
        .ask(&token, "{ partners(first: 2) { nodes { a: deals(first: 1) { nodes { id } } b: deals(first: 3, orderBy: [{field: STAGE, direction: DESC}]) { nodes { id } } } } }")
        .await;
    for parent in aliased.list("/partners/nodes") {
        assert_eq!(
            (
                parent["a"]["nodes"].as_array().unwrap().len(),
                parent["b"]["nodes"].as_array().unwrap().len()
            ),
            (1, 3)
        );
    }
    // A partner with two roles in a deal has that deal once.
    let all = app
        .ask(
            &token,
            "{ partners { nodes { id deals(first: 100) { totalCount nodes { id } } } } }",
        )
        .await;
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for (place, partner) in programme.partners.iter().enumerate() {
        let n = i64::try_from(
            (0..SIZE.deals)
                .filter(|n| n % 7 != 0 && (n % 6 == place || (n % 3 == 0 && (n + 1) % 6 == place)))
                .count(),
        )
        .unwrap();
        expected.insert(partner.id.to_string(), n);
    }
    for parent in all.list("/partners/nodes") {
        let id = parent["id"].as_str().unwrap();
        assert_eq!(parent["deals"]["totalCount"], json!(expected[id]));
        assert_eq!(
            parent["deals"]["nodes"].as_array().unwrap().len(),
            usize::try_from(expected[id]).unwrap()
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn sizes_and_cursors_that_do_not_fit_are_refused() {
    let app = TestApp::plain().await;
    let token = app.admin();
    fill(
        &app,
        Size {
            partners: 2,
            customers: 2,
            deals: 30,
        },
    )
    .await;
    let cursor = async |query: &str, at: &str| app.ask(&token, query).await.text(at);
    let by_id = cursor(
        "{ deals(first: 3) { pageInfo { endCursor } } }",
        "/deals/pageInfo/endCursor",
    )
    .await;
    let by_stage = cursor(
        "{ deals(first: 3, orderBy: [{field: STAGE}]) { pageInfo { endCursor } } }",
        "/deals/pageInfo/endCursor",
    )
    .await;
    let of_partners = cursor(
        "{ partners(first: 1, orderBy: [{field: NAME}]) { pageInfo { endCursor } } }",
        "/partners/pageInfo/endCursor",
    )
    .await;
    let refused = [
        "first: 101".to_owned(),
        "last: 101".to_owned(),
        "first: -1".to_owned(),
        "first: 1, last: 1".to_owned(),
        "after: \"nonsense\"".to_owned(),
        "after: \"\"".to_owned(),
        format!("after: \"{}\"", "A".repeat(5_000)),
        format!("after: \"{by_stage}\""),
        format!("orderBy: [{{field: STAGE}}], after: \"{by_id}\""),
        format!("orderBy: [{{field: STAGE, direction: DESC}}], after: \"{by_stage}\""),
        format!("orderBy: [{{field: AMOUNT}}], before: \"{by_stage}\""),
        format!("orderBy: [{{field: STAGE}}], after: \"{of_partners}\""),
        "orderBy: [{field: STAGE}, {field: STAGE, direction: DESC}]".to_owned(),
        "orderBy: [{field: STAGE}, {field: AMOUNT}, {field: CLOSED_AT}, {field: UPDATED_AT}, {field: EXPECTED_CLOSE_ON}]".to_owned(),
    ];
    for arguments in refused {
        for query in [
            format!("{{ deals({arguments}) {{ nodes {{ id }} }} }}"),
            format!("{{ partners {{ nodes {{ deals({arguments}) {{ nodes {{ id }} }} }} }} }}"),
        ] {
            let answer = app.graphql(&token, &query, json!({})).await;
            assert!(
                !answer.codes().is_empty()
                    && answer.codes().iter().all(|code| *code == "BAD_USER_INPUT"),
                "{query}: {answer}"
            );
        }
    }
    for accepted in [
        format!("after: \"{by_id}\""),
        format!("orderBy: [{{field: STAGE}}], after: \"{by_stage}\", before: \"{by_stage}\""),
        "first: 0".to_owned(),
        "first: 100".to_owned(),
    ] {
        app.ask(
            &token,
            &format!("{{ deals({accepted}) {{ nodes {{ id }} }} }}"),
        )
        .await;
    }
    let nothing = app.ask(&token, "{ deals(first: 0) { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }").await;
    assert_eq!(
        nothing.at("/deals"),
        &json!({ "nodes": [], "pageInfo": { "hasNextPage": true, "hasPreviousPage": false, "startCursor": null, "endCursor": null } })
    );
    assert_eq!(
        app.ask(&token, "{ deals { nodes { id } } }")
            .await
            .list("/deals/nodes")
            .len(),
        20,
        "twenty when nothing is said"
    );
    app.finish().await;
}

/// A keyset does not slip when rows come and go between two pages.
#[tokio::test]
async fn a_walk_is_not_disturbed_by_rows_that_come_meanwhile() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for n in 0..10 {
        app.mutate(
            &token,
            "createPartner",
            json!({ "name": format!("M{n}") }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    }
    let first = app.ask(&token, "{ partners(first: 5, orderBy: [{field: NAME}]) { nodes { id name } pageInfo { endCursor } } }").await;
    assert_eq!(
        first.texts("/partners/nodes", "/name"),
        ["M0", "M1", "M2", "M3", "M4"]
    );
    let gone = first.text("/partners/nodes/4/id");
    for name in ["A", "M2b", "M4b"] {
        app.mutate(
            &token,
            "createPartner",
            json!({ "name": name }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    }
    app.mutate(
        &token,
        "updatePartner",
        json!({ "id": gone, "archived": true }),
        "partner { id }",
    )
    .await
    .text("/updatePartner/partner/id");
    let rest = format!(
        "{{ partners(first: 100, orderBy: [{{field: NAME}}], after: {:?}) {{ nodes {{ name }} }} }}",
        first.text("/partners/pageInfo/endCursor")
    );
    assert_eq!(
        app.ask(&token, &rest)
            .await
            .texts("/partners/nodes", "/name"),
        ["M4b", "M5", "M6", "M7", "M8", "M9"]
    );
    app.finish().await;
}
