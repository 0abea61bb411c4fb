//! Requests made to hurt, each with the refusal it deserves: too deep, too wide, or no request at all.

use serde_json::json;
use std::fmt::Write as _;

/// What a body ought to be.
pub const JSON: &str = "application/json";

/// One such request.
pub struct Bad {
    /// What it is.
    pub name: String,
    /// What its body is said to be.
    pub content_type: &'static str,
    /// Its body.
    pub body: Vec<u8>,
    /// The status it deserves.
    pub status: u16,
    /// The code it deserves.
    pub code: &'static str,
}

/// All of them.
pub fn all() -> impl Iterator<Item = Bad> {
    deep().into_iter().chain(wide()).chain(no_request())
}

fn bad(name: &str, body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Bad {
    Bad {
        name: name.to_owned(),
        content_type: JSON,
        body: body.into(),
        status,
        code,
    }
}

/// A body with a document.
fn document(text: &str) -> String {
    json!({ "query": text }).to_string()
}

/// Fragments that each spread the next one twice.
fn doubling(times: usize) -> String {
    let mut text = String::from("{ ...f0 }");
    for n in 0..times {
        write!(
            text,
            " fragment f{n} on Query {{ ...f{} ...f{} }}",
            n + 1,
            n + 1
        )
        .unwrap();
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
        let literal = |depth: usize| {
            document(&format!(
                "{{ node(id: {}1{}) {{ id }} }}",
                open.repeat(depth),
                close.repeat(depth)
            ))
        };
        let whole = |depth: usize| document(&format!("{{ node(id: {}", open.repeat(depth)));
        cases.push(bad(
            &format!("{name} 100,000 deep"),
            whole(100_000 / open.len()),
            413,
            "DOCUMENT_TOO_LARGE",
        ));
        cases.push(bad(
            &format!("{name} as deep as a document can hold"),
            literal(16_000 / (open.len() + close.len())),
            400,
            "TOO_DEEP",
        ));
        cases.push(bad(
            &format!("{name} never closed"),
            whole(5_000),
            400,
            "TOO_DEEP",
        ));
    }
    cases.push(bad(
        "literals 100,000 deep in a body beyond the limit",
        document(&nested("[", "]", 200_000)),
        413,
        "BODY_TOO_LARGE",
    ));
    cases.push(bad(
        "selections",
        document(&nested("{a", "}", 2_000)),
        400,
        "TOO_DEEP",
    ));
    cases.push(bad(
        "types of variables",
        document(&format!(
            "query($v: {}Int{}) {{ __typename }}",
            "[".repeat(3_000),
            "]".repeat(3_000)
        )),
        400,
        "TOO_DEEP",
    ));
    for (name, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
        let depth = 200_000 / (open.len() + close.len());
        let variables = format!(
            r#"{{"query":"{{__typename}}","variables":{{"v":{}1{}}}}}"#,
            open.repeat(depth),
            close.repeat(depth)
        );
        cases.push(bad(
            &format!("variables: {name} {depth} deep"),
            variables,
            400,
            "TOO_DEEP",
        ));
        cases.push(bad(
            &format!("a body of {name} never closed"),
            open.repeat(40_000),
            400,
            if open == "[" {
                "BATCHING_REFUSED"
            } else {
                "TOO_DEEP"
            },
        ));
    }
    cases
}

fn wide() -> Vec<Bad> {
    let mut cases = vec![
        bad(
            "fragments that double 30 times",
            document(&doubling(30)),
            400,
            "TOO_MANY_FIELDS",
        ),
        bad(
            "fragments that double 130 times",
            document(&doubling(130)),
            400,
            "TOO_DEEP",
        ),
        bad(
            "10,000 aliases",
            document(&format!(
                "{{ {} }}",
                many(10_000, |n| format!("a{n}:__typename"))
            )),
            413,
            "DOCUMENT_TOO_LARGE",
        ),
        bad(
            "600 aliases",
            document(&format!(
                "{{ {} }}",
                many(600, |n| format!("a{n}:__typename"))
            )),
            400,
            "TOO_MANY_ALIASES",
        ),
        bad(
            "3,000 fields",
            document(&format!("{{ {} }}", many(3_000, |_| "id".to_owned()))),
            400,
            "TOO_MANY_TOKENS",
        ),
        bad(
            "3,000 directives",
            document(&format!(
                "{{ __typename {} }}",
                many(3_000, |_| "@a".to_owned())
            )),
            400,
            "TOO_MANY_TOKENS",
        ),
        bad(
            "11 fields at the root",
            document(&format!(
                "{{ {} }}",
                many(11, |n| format!("a{n}:__typename"))
            )),
            400,
            "TOO_MANY_ROOT_FIELDS",
        ),
        bad(
            "a fragment in itself",
            document("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"),
            400,
            "FRAGMENT_CYCLE",
        ),
        bad(
            "two operations",
            document("query A { __typename } query B { __typename }"),
            400,
            "OPERATION_COUNT",
        ),
        bad(
            "no operation",
            document("fragment a on Query { __typename }"),
            400,
            "OPERATION_COUNT",
        ),
        bad(
            "a million rows",
            document(
                "{ partners(first:100){nodes{deals(first:100){nodes{customer{deals(first:100){nodes{id}}}}}}} }",
            ),
            400,
            "COST_EXCEEDED",
        ),
        bad(
            "a document of 17 KiB",
            document(&format!("{{ __typename }} #{}", "x".repeat(17 * 1024))),
            413,
            "DOCUMENT_TOO_LARGE",
        ),
        bad(
            "3 MB",
            document(&"x".repeat(3_000_000)),
            413,
            "BODY_TOO_LARGE",
        ),
        bad(
            "3 MB of blanks",
            " ".repeat(3_000_000),
            413,
            "BODY_TOO_LARGE",
        ),
    ];
    let text = "x".repeat(120_000);
    let uses = many(9, |n| format!("a{n}:node(id:$v){{id}}"));
    let copies = format!(
        r#"{{"query":"query($v:ID!){{ {uses} x:node(id:\"a\"){{ {} }} }}","variables":{{"v":"{text}"}}}}"#,
        many(100, |_| "...on Partner@include(if:$v){id}".to_owned())
    );
    cases.push(bad(
        "a large variable in many places",
        copies,
        400,
        "VARIABLES_TOO_LARGE",
    ));
    cases
}

fn no_request() -> Vec<Bad> {
    let query = document("{ __typename }");
    let mut cases = vec![
        bad(
            "batching",
            format!("[{query},{query}]"),
            400,
            "BATCHING_REFUSED",
        ),
        bad("a batch of none", "[]", 400, "BATCHING_REFUSED"),
        bad("no body", "", 400, "BAD_REQUEST"),
        bad("a number", "1", 400, "BAD_REQUEST"),
        bad(
            "half an object",
            r#"{"query":"{ __type"#,
            400,
            "BAD_REQUEST",
        ),
        bad("no query", "{}", 400, "BAD_REQUEST"),
        bad(
            "a query that is a number",
            r#"{"query":1}"#,
            400,
            "BAD_REQUEST",
        ),
        bad(
            "variables that are a list",
            r#"{"query":"{__typename}","variables":[]}"#,
            400,
            "BAD_REQUEST",
        ),
        bad(
            "half a surrogate",
            r#"{"query":"{ node(id:\"\ud800\"){id} }"}"#,
            400,
            "BAD_REQUEST",
        ),
        bad(
            "invalid UTF-8",
            [
                b"{\"query\":\"{ __typename #".as_slice(),
                &[0xc3, 0x28, 0xff],
                b"}\"}",
            ]
            .concat(),
            400,
            "BAD_REQUEST",
        ),
        bad(
            "UTF-16",
            "{\"query\":\"{__typename}\"}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>(),
            400,
            "BAD_REQUEST",
        ),
    ];
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/octet-stream",
    ] {
        let body = match content_type {
            "application/x-www-form-urlencoded" => "query=%7B__typename%7D".to_owned(),
            "multipart/form-data; boundary=b" => format!(
                "--b\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{query}\r\n--b--\r\n"
            ),
            _ => query.clone(),
        };
        cases.push(Bad {
            content_type,
            ..bad(content_type, body, 415, "UNSUPPORTED_MEDIA_TYPE")
        });
    }
    cases
}
