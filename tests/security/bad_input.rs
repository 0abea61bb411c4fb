//! Requests made to hurt: each gets a 4xx with a code at once, the process lives on, and its memory does not grow.

use crate::hurtful::{self, Bad, JSON};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::{Answer, TestApp};

/// The longest a refusal may take: the best of several, for the machine may be busy.
const AT_ONCE: Duration = Duration::from_millis(50);

/// How much the process may have grown after all repetitions, in pages of 4 KiB.
const GROWTH: i64 = 12_288;

async fn sent(app: &TestApp, token: &str, case: &Bad) -> Answer {
    let request = app
        .http
        .post(app.url("/graphql"))
        .bearer_auth(token)
        .header("content-type", case.content_type);
    app.send(request.body(case.body.clone())).await
}

async fn is_well(app: &TestApp, token: &str) {
    assert_eq!(
        app.ask(token, "{ __typename }").await.at("/__typename"),
        "Query"
    );
}

#[tokio::test]
async fn each_is_refused_with_its_code_at_once() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for case in hurtful::all() {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begin = Instant::now();
            let answer = sent(&app, &token, &case).await;
            best = best.min(begin.elapsed());
            assert_eq!(
                (answer.status, answer.codes()),
                (case.status, vec![case.code]),
                "{}: {answer}",
                case.name
            );
            assert!(
                answer.bytes.len() < 2_048,
                "{}: the answer grows with the question",
                case.name
            );
        }
        assert!(best <= AT_ONCE, "{}: {best:?} at best", case.name);
    }
    is_well(&app, &token).await;
    app.finish().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let pieces =
        futures::stream::iter((0..48).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let request = app
        .http
        .post(app.url("/graphql"))
        .bearer_auth(&token)
        .header("content-type", JSON)
        .body(reqwest::Body::wrap_stream(pieces));
    // The server may hang up while the rest is still being sent; what it may not do is read on.
    match request.send().await {
        Ok(answer) => {
            let answer = Answer::read(answer).await;
            assert_eq!(
                (answer.status, answer.codes()),
                (413, vec!["BODY_TOO_LARGE"]),
                "{answer}"
            );
        }
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    is_well(&app, &token).await;
    app.finish().await;
}

#[tokio::test]
async fn a_mutation_comes_by_post_only() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let mutation = r#"mutation { createPartner(input: {name: "By GET"}) { partner { id } userErrors { code } } }"#;
    for query in [
        mutation.to_owned(),
        format!("query A {{ __typename }} {mutation}"),
        format!("#\n{mutation}"),
    ] {
        let request = app
            .http
            .get(app.url("/graphql"))
            .bearer_auth(&token)
            .query(&[("query", query.as_str()), ("operationName", "")]);
        let answer = app.send(request).await;
        assert!((400..500).contains(&answer.status), "{query}: {answer}");
    }
    let answer = app
        .send(
            app.http
                .get(app.url("/graphql"))
                .bearer_auth(&token)
                .query(&[("query", mutation)]),
        )
        .await;
    assert_eq!(
        (answer.status, answer.codes(), answer.header("allow")),
        (405, vec!["METHOD_NOT_ALLOWED"], "POST")
    );
    for method in [
        reqwest::Method::PUT,
        reqwest::Method::DELETE,
        reqwest::Method::PATCH,
    ] {
        let request = app
            .http
            .request(method, app.url("/graphql"))
            .bearer_auth(&token)
            .json(&json!({ "query": mutation }));
        assert_eq!(app.send(request).await.status, 405);
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM partner").await, 0);
    let good = app
        .send(
            app.http
                .get(app.url("/graphql"))
                .bearer_auth(&token)
                .query(&[("query", "{ __typename }")]),
        )
        .await;
    assert_eq!(good.at("/__typename"), "Query");
    app.finish().await;
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_as_input() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let id = "x".repeat(10_000);
    for (query, variables) in [
        (
            "query($i: ID!) { partner(id: $i) { id } }",
            json!({ "i": id }),
        ),
        (
            "query($i: ID!) { partner(id: $i) { id } }",
            json!({ "i": "partner_\u{0}" }),
        ),
        (
            "query($i: ID!) { deal(id: $i) { id } }",
            json!({ "i": "deal_00000000000000000000000000' OR '1'='1" }),
        ),
    ] {
        let answer = app.graphql(&token, query, variables).await;
        assert!(
            answer
                .data()
                .as_object()
                .unwrap()
                .values()
                .all(Value::is_null),
            "{answer}"
        );
    }
    for query in [
        "{ partners(first: -1) { nodes { id } } }",
        "{ partners(first: 101) { nodes { id } } }",
        "{ partners(first: 1, last: 1) { nodes { id } } }",
        "{ partners(after: \"nonsense\") { nodes { id } } }",
        "{ deals(filter: {updatedAt: {gte: \"yesterday\"}}) { nodes { id } } }",
        "{ deals(filter: {amount: {currency: \"ZZZ\"}}) { nodes { id } } }",
        "{ deals(filter: {amount: {currency: \"USD\", gte: \"1e400\"}}) { nodes { id } } }",
        "{ events(after: \"ffffffffffffffffffff.1\") { edges { cursor } } }",
        "{ events(types: [\"no.such\"]) { edges { cursor } } }",
    ] {
        let answer = app.graphql(&token, query, json!({})).await;
        let codes = answer.codes();
        assert!(
            !codes.is_empty()
                && codes
                    .iter()
                    .all(|code| matches!(*code, "BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED")),
            "{query}: {answer}"
        );
    }
    app.finish().await;
}

/// Pages the process holds in memory.
fn resident() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn memory_stays_flat() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let cases: Vec<Bad> = hurtful::all().collect();
    let round = async || {
        for case in &cases {
            let _ = sent(&app, &token, case).await;
        }
    };
    for _ in 0..10 {
        round().await;
    }
    let before = resident();
    for _ in 0..200_usize
        .div_ceil(cases.len())
        .max(tests::rounds(20, 200) as usize)
    {
        round().await;
    }
    let grown = resident() - before;
    assert!(grown < GROWTH, "the process has grown by {grown} pages");
    is_well(&app, &token).await;
    app.finish().await;
}
