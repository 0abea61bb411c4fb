//! Requests made to hurt: each gets a 4xx with a code at once, the process lives on, and its memory does not grow.

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tests::{Answer, TestApp};

const JSON: &str = "application/json";

/// The longest a refusal may take: the best of several, for the machine may be busy.
const AT_ONCE: Duration = Duration::from_millis(50);

/// How much the process may have grown after all repetitions, in pages of 4 KiB.
const GROWTH: i64 = 12_288;

struct Bad {
    name: String,
    content_type: &'static str,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn bad(name: &str, body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Bad {
    Bad { name: name.to_owned(), content_type: JSON, body: body.into(), status, code }
}

/// A body with a document.
fn document(text: &str) -> String {
    json!({ "query": text }).to_string()
}

/// Fragments that each spread the next one twice.
fn doubling(times: usize) -> String {
    let mut text = String::from("{ ...f0 }");
    for n in 0..times {
        write!(text, " fragment f{n} on Query {{ ...f{} ...f{} }}", n + 1, n + 1).unwrap();
    }
    write!(text, " fragment f{times} on Query {{ __typename }}").unwrap();
    text
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(" ")
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

fn deep() -> Vec<Bad> {
    let mut cases = Vec::new();
    for (name, open, close) in [("lists", "[", "]"), ("objects", "{a:", "}")] {
        let literal = |depth: usize| document(&format!("{{ node(id: {}1{}) {{ id }} }}", open.repeat(depth), close.repeat(depth)));
        let whole = |depth: usize| document(&format!("{{ node(id: {}", open.repeat(depth)));
        cases.push(bad(&format!("{name} 100,000 deep"), whole(100_000 / open.len()), 413, "DOCUMENT_TOO_LARGE"));
        cases.push(bad(&format!("{name} as deep as a document can hold"), literal(16_000 / (open.len() + close.len())), 400, "TOO_DEEP"));
        cases.push(bad(&format!("{name} never closed"), whole(5_000), 400, "TOO_DEEP"));
    }
    cases.push(bad("literals 100,000 deep in a body beyond the limit", document(&nested("[", "]", 200_000)), 413, "BODY_TOO_LARGE"));
    cases.push(bad("selections", document(&nested("{a", "}", 2_000)), 400, "TOO_DEEP"));
    cases.push(bad("types of variables", document(&format!("query($v: {}Int{}) {{ __typename }}", "[".repeat(3_000), "]".repeat(3_000))), 400, "TOO_DEEP"));
    for (name, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
        let depth = 200_000 / (open.len() + close.len());
        let variables = format!(r#"{{"query":"{{__typename}}","variables":{{"v":{}1{}}}}}"#, open.repeat(depth), close.repeat(depth));
        cases.push(bad(&format!("variables: {name} {depth} deep"), variables, 400, "TOO_DEEP"));
        cases.push(bad(&format!("a body of {name} never closed"), open.repeat(40_000), 400, if open == "[" { "BATCHING_REFUSED" } else { "TOO_DEEP" }));
    }
    cases
}

fn wide() -> Vec<Bad> {
    let mut cases = vec![
        bad("fragments that double 30 times", document(&doubling(30)), 400, "TOO_MANY_FIELDS"),
        bad("fragments that double 200 times", document(&doubling(200)), 400, "TOO_MANY_FIELDS"),
        bad("10,000 aliases", document(&format!("{{ {} }}", many(10_000, |n| format!("a{n}:__typename")))), 413, "DOCUMENT_TOO_LARGE"),
        bad("600 aliases", document(&format!("{{ {} }}", many(600, |n| format!("a{n}:__typename")))), 400, "TOO_MANY_ALIASES"),
        bad("3,000 fields", document(&format!("{{ {} }}", many(3_000, |_| "id".to_owned()))), 400, "TOO_MANY_TOKENS"),
        bad("3,000 directives", document(&format!("{{ __typename {} }}", many(3_000, |_| "@a".to_owned()))), 400, "TOO_MANY_TOKENS"),
        bad("11 fields at the root", document(&format!("{{ {} }}", many(11, |n| format!("a{n}:__typename")))), 400, "TOO_MANY_ROOT_FIELDS"),
        bad("a fragment in itself", document("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"), 400, "FRAGMENT_CYCLE"),
        bad("two operations", document("query A { __typename } query B { __typename }"), 400, "OPERATION_COUNT"),
        bad("no operation", document("fragment a on Query { __typename }"), 400, "OPERATION_COUNT"),
        bad("a million rows", document("{ partners(first:100){nodes{deals(first:100){nodes{customer{deals(first:100){nodes{id}}}}}}} }"), 400, "COST_EXCEEDED"),
        bad("a document of 17 KiB", document(&format!("{{ __typename }} #{}", "x".repeat(17 * 1024))), 413, "DOCUMENT_TOO_LARGE"),
        bad("3 MB", document(&"x".repeat(3_000_000)), 413, "BODY_TOO_LARGE"),
        bad("3 MB of blanks", " ".repeat(3_000_000), 413, "BODY_TOO_LARGE"),
    ];
    let list = format!("[{}]", vec!["1"; 60_000].join(","));
    let uses = many(10, |n| format!("a{n}:nodes(ids:$v){{id}}"));
    let copies = format!(r#"{{"query":"query($v:[ID!]!){{ {uses} x:node(id:\"a\"){{ {} }} }}","variables":{{"v":{list}}}}}"#, many(100, |_| "...on Partner@include(if:$v){id}".to_owned()));
    cases.push(bad("a large variable in many places", copies, 400, "VARIABLES_TOO_LARGE"));
    cases
}

fn no_request() -> Vec<Bad> {
    let query = document("{ __typename }");
    let mut cases = vec![
        bad("batching", format!("[{query},{query}]"), 400, "BATCHING_REFUSED"),
        bad("a batch of none", "[]", 400, "BATCHING_REFUSED"),
        bad("no body", "", 400, "BAD_REQUEST"),
        bad("a number", "1", 400, "BAD_REQUEST"),
        bad("half an object", r#"{"query":"{ __type"#, 400, "BAD_REQUEST"),
        bad("no query", "{}", 400, "BAD_REQUEST"),
        bad("a query that is a number", r#"{"query":1}"#, 400, "BAD_REQUEST"),
        bad("variables that are a list", r#"{"query":"{__typename}","variables":[]}"#, 400, "BAD_REQUEST"),
        bad("half a surrogate", r#"{"query":"{ node(id:\"\ud800\"){id} }"}"#, 400, "BAD_REQUEST"),
        bad("invalid UTF-8", [b"{\"query\":\"{ __typename #".as_slice(), &[0xc3, 0x28, 0xff], b"}\"}"].concat(), 400, "BAD_REQUEST"),
        bad("UTF-16", "{\"query\":\"{__typename}\"}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(), 400, "BAD_REQUEST"),
    ];
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/graphql", "application/json; charset=utf-16", "application/octet-stream"] {
        let body = match content_type {
            "application/x-www-form-urlencoded" => "query=%7B__typename%7D".to_owned(),
            "multipart/form-data; boundary=b" => format!("--b\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{query}\r\n--b--\r\n"),
            _ => query.clone(),
        };
        cases.push(Bad { content_type, ..bad(content_type, body, 415, "UNSUPPORTED_MEDIA_TYPE") });
    }
    cases
}

async fn sent(app: &TestApp, token: &str, case: &Bad) -> Answer {
    let request = app.http.post(app.url("/graphql")).bearer_auth(token).header("content-type", case.content_type);
    app.send(request.body(case.body.clone())).await
}

async fn is_well(app: &TestApp, token: &str) {
    assert_eq!(app.ask(token, "{ __typename }").await.at("/__typename"), "Query");
}

#[tokio::test]
async fn each_is_refused_with_its_code_at_once() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for case in deep().into_iter().chain(wide()).chain(no_request()) {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begin = Instant::now();
            let answer = sent(&app, &token, &case).await;
            best = best.min(begin.elapsed());
            assert_eq!((answer.status, answer.codes()), (case.status, vec![case.code]), "{}: {answer}", case.name);
            assert!(answer.bytes.len() < 2_048, "{}: the answer grows with the question", case.name);
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
    let pieces = futures::stream::iter((0..48).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let request = app.http.post(app.url("/graphql")).bearer_auth(&token).header("content-type", JSON).body(reqwest::Body::wrap_stream(pieces));
    // The server may hang up while the rest is still being sent; what it may not do is read on.
    match request.send().await {
        Ok(answer) => {
            let answer = Answer::read(answer).await;
            assert_eq!((answer.status, answer.codes()), (413, vec!["BODY_TOO_LARGE"]), "{answer}");
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
    for query in [mutation.to_owned(), format!("query A {{ __typename }} {mutation}"), format!("#\n{mutation}")] {
        let request = app.http.get(app.url("/graphql")).bearer_auth(&token).query(&[("query", query.as_str()), ("operationName", "")]);
        let answer = app.send(request).await;
        assert!((400..500).contains(&answer.status), "{query}: {answer}");
    }
    let answer = app.send(app.http.get(app.url("/graphql")).bearer_auth(&token).query(&[("query", mutation)])).await;
    assert_eq!((answer.status, answer.codes(), answer.header("allow")), (405, vec!["METHOD_NOT_ALLOWED"], "POST"));
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
        let request = app.http.request(method, app.url("/graphql")).bearer_auth(&token).json(&json!({ "query": mutation }));
        assert_eq!(app.send(request).await.status, 405);
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM partner").await, 0);
    let good = app.send(app.http.get(app.url("/graphql")).bearer_auth(&token).query(&[("query", "{ __typename }")])).await;
    assert_eq!(good.at("/__typename"), "Query");
    app.finish().await;
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_as_input() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let id = "x".repeat(10_000);
    for (query, variables) in [
        ("query($i: ID!) { partner(id: $i) { id } }", json!({ "i": id })),
        ("query($i: ID!) { partner(id: $i) { id } }", json!({ "i": "partner_\u{0}" })),
        ("query($i: ID!) { deal(id: $i) { id } }", json!({ "i": "deal_00000000000000000000000000' OR '1'='1" })),
    ] {
        let answer = app.graphql(&token, query, variables).await;
        assert!(answer.data().as_object().unwrap().values().all(Value::is_null), "{answer}");
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
        assert!(!codes.is_empty() && codes.iter().all(|code| matches!(*code, "BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED")), "{query}: {answer}");
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
    let cases: Vec<Bad> = deep().into_iter().chain(wide()).chain(no_request()).collect();
    let round = async || {
        for case in &cases {
            let _ = sent(&app, &token, case).await;
        }
    };
    for _ in 0..10 {
        round().await;
    }
    let before = resident();
    for _ in 0..200_usize.div_ceil(cases.len()).max(tests::rounds(20, 200) as usize) {
        round().await;
    }
    let grown = resident() - before;
    assert!(grown < GROWTH, "the process has grown by {grown} pages");
    is_well(&app, &token).await;
    app.finish().await;
}
