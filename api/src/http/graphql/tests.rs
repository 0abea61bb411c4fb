//! The endpoint over a small schema: transport, refusals, price, time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::graphql::admission::budget::Budget;
use crate::http::request_id::RequestLog;
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body as read_answer};
use actix_web::{App, Error};
use async_graphql::{Context, EmptySubscription, ID, Object, Schema, SimpleObject};
use entities::chance::SeededChance;
use entities::clock::{ManualClock, Timestamp};
use entities::id::Ids;
use entities::viewer::{Scopes, ViewerKind};
use futures::stream::BoxStream;
use serde_json::{Value, json};
use std::time::Instant;

const JSON: &str = "application/json";
const NEWER: &str = "application/graphql-response+json";

#[derive(SimpleObject)]
struct Partner {
    id: ID,
}

#[derive(SimpleObject)]
struct PartnerConnection {
    nodes: Vec<Partner>,
}

struct Query;

#[Object]
impl Query {
    async fn partners(&self, first: Option<usize>) -> PartnerConnection {
        PartnerConnection {
            nodes: (0..first.unwrap_or(20).min(3))
                .map(|id| Partner { id: id.into() })
                .collect(),
        }
    }
    async fn who(&self, ctx: &Context<'_>) -> String {
        ctx.data_unchecked::<Caller>().viewer().subject().to_owned()
    }
    async fn forbidden(&self) -> async_graphql::Result<Option<i32>> {
        Err(ErrorCode::Forbidden.error("The scope deals:read is required."))
    }
    async fn leaks(&self) -> async_graphql::Result<i32> {
        Err("password is hunter2".into())
    }
    async fn hangs(&self) -> i32 {
        std::future::pending().await
    }
    async fn panics(&self) -> Option<i32> {
        None.or_else(|| panic!("on purpose"))
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn touch(&self) -> bool {
        true
    }
}

struct Small(Schema<Query, Mutation, EmptySubscription>);

impl Execute for Small {
    async fn execute(&self, request: Request, caller: Caller) -> Response {
        self.0.execute(request.data(caller)).await
    }

    fn stream(&self, request: Request, caller: Caller) -> BoxStream<'static, Response> {
        self.0.execute_stream(request.data(caller))
    }
}

/// Accepts the word `good`, and `good-…` for other subjects.
struct Words;

impl Authenticate for Words {
    fn authenticate(&self, token: &str) -> Option<Arc<VerifiedClaims>> {
        let viewer = Viewer::new(ViewerKind::Integration, Scopes::NONE, token.to_owned());
        let claims = VerifiedClaims {
            viewer,
            client_id: "test".into(),
            token_id: "1".into(),
            issued_at: entities::clock::Timestamp::from_secs(0),
            basis: crate::oauth::token::Basis::default(),
            expires_at: Timestamp(i64::MAX),
        };
        token.starts_with("good").then(|| Arc::new(claims))
    }
}

struct Fixture {
    clock: Arc<ManualClock>,
    door: Arc<Door>,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
        let time = TimeLimits {
            body: Duration::from_millis(500),
            execution: Duration::from_millis(100),
        };
        let door = Door {
            documents: DocumentCache::new(Limits::default(), 1 << 20),
            budgets: Budgets::new(
                Budget {
                    capacity: 1_000,
                    restore_rate: 10,
                },
                100,
            ),
            authenticate: Arc::new(Words),
            shapes: Shapes::of(&Schema::new(Query, Mutation, EmptySubscription).sdl()).unwrap(),
            clock: clock.clone(),
            time,
        };
        Self {
            clock,
            door: Arc::new(door),
        }
    }
}

fn app(
    door: Arc<Door>,
    clock: Arc<dyn Clock>,
) -> App<
    impl actix_web::dev::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let endpoint =
        GraphqlEndpoint::new(door, Small(Schema::new(Query, Mutation, EmptySubscription)));
    App::new()
        .wrap(RequestLog::new(
            clock,
            Arc::new(Ids::new(Arc::new(SeededChance::new(1)))),
        ))
        .app_data(web::Data::new(endpoint))
        .configure(|config| configure::<Small>(config, "/graphql"))
}

struct Answer {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    body: Value,
}

impl Answer {
    async fn of<B: MessageBody>(response: impl Future<Output = ServiceResponse<B>>) -> Self {
        let response = response.await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = read_answer(response).await;
        Self {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or("none")
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A macro, since the type of a request to a test service has no public name.
macro_rules! send {
    ($app:expr, $request:expr) => {
        Answer::of(call_service($app, $request.to_request()))
    };
}

fn post(accept: &str, body: impl Into<web::Bytes>) -> TestRequest {
    let request = TestRequest::post()
        .uri("/graphql")
        .insert_header(("authorization", "Bearer good"));
    let request = request
        .insert_header(("content-type", JSON))
        .set_payload(body);
    if accept.is_empty() {
        request
    } else {
        request.insert_header(("accept", accept.to_owned()))
    }
}

fn query(text: &str) -> TestRequest {
    post(JSON, json!({"query": text}).to_string())
}

fn get(accept: &str, parameters: &[(&str, &str)]) -> TestRequest {
    let mut url = url::Url::parse("http://localhost/graphql").unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    let request = TestRequest::get().uri(&url.as_str()["http://localhost".len()..]);
    request
        .insert_header(("authorization", "Bearer good"))
        .insert_header(("accept", accept.to_owned()))
}

#[actix_web::test]
async fn an_answer_carries_data_price_and_request_id() {
    let app = {
        let fixture = Fixture::new();
        init_service(app(fixture.door, fixture.clock)).await
    };
    let request = query("query Q($n: Int) { who partners(first: $n) { nodes { id } } }");
    let answer = send!(&app, request.insert_header(("x-request-id", "mine-1"))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["data"]["who"], "good");
    assert_eq!(
        answer.body["data"]["partners"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        answer.body["extensions"]["cost"],
        json!({"requested": 21, "actual": 4, "budget": 996, "restoreRate": 10})
    );
    assert_eq!(
        (
            answer.header("x-request-id"),
            answer.header("cache-control")
        ),
        ("mine-1", "no-store")
    );
    assert!(answer.body.get("errors").is_none());
}

/// Every case of the audit of npm's `graphql-http` 1.23, at its strictest reading.
#[actix_web::test]
async fn the_audit_of_graphql_over_http_passes() {
    let fixture = Fixture::new();
    let app = init_service(app(Arc::clone(&fixture.door), fixture.clock.clone())).await;
    let typename = json!({"query": "{ __typename }"});
    for (id, accept, answered) in [
        ("22EB", NEWER, NEWER),
        ("4655", JSON, JSON),
        ("47DE", "*/*", JSON),
        ("80D8", "", JSON),
    ] {
        let answer = send!(&app, post(accept, typename.to_string())).await;
        assert_eq!(answer.status, StatusCode::OK, "{id}");
        assert_eq!(
            answer.header("content-type"),
            format!("{answered}; charset=utf-8"),
            "{id}"
        );
    }
    let utf8 = post(
        "",
        json!({"query": "{ __type(name: \"Run🏃Swim🏊\") { name } }"}).to_string(),
    );
    assert_eq!(
        send!(
            &app,
            utf8.insert_header(("content-type", "application/json; charset=utf-8"))
        )
        .await
        .status,
        StatusCode::OK,
        "BF61"
    );
    assert_eq!(
        send!(&app, get("*/*", &[("query", "{ __typename }")]))
            .await
            .status,
        StatusCode::OK,
        "5A70"
    );
    let untyped = TestRequest::post()
        .uri("/graphql")
        .insert_header(("authorization", "Bearer good"))
        .set_payload(typename.to_string());
    assert_eq!(
        send!(&app, untyped).await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "9ABE"
    );
    assert_eq!(
        send!(&app, post("", "")).await.status,
        StatusCode::BAD_REQUEST,
        "A5BF"
    );
    for name in ["query", "operationName", "variables", "extensions"] {
        let mut bad = vec![json!(0), json!(false), json!(["array"])];
        bad.push(if matches!(name, "query" | "operationName") {
            json!({"obj": "ect"})
        } else {
            json!("string")
        });
        for value in bad {
            let mut body = typename.clone();
            body[name] = value;
            assert_eq!(
                send!(&app, post("", body.to_string())).await.status,
                StatusCode::BAD_REQUEST,
                "LKJ 6C0 476 58B: {body}"
            );
        }
    }
    for accept in [NEWER, JSON] {
        for body in [
            json!({"notquery": "{ __typename }"}).to_string(),
            "{ \"not a JSON".to_owned(),
        ] {
            assert_eq!(
                send!(&app, post(accept, body)).await.status,
                StatusCode::BAD_REQUEST,
                "423L 8764 3E3A BCF8 B7N8"
            );
        }
        let typed = "query Type($name: String!) { __type(name: $name) { name } }";
        for body in [
            typename.clone(),
            json!({"operationName": "Query", "query": "query Query { __typename }"}),
            json!({"query": "{ __typename }", "variables": null, "operationName": null, "extensions": null}),
            json!({"query": typed, "variables": {"name": "sometype"}}),
            json!({"query": "{ __typename }", "extensions": {"some": "value"}}),
        ] {
            let answer = send!(&app, post(accept, body.to_string())).await;
            assert_eq!(
                (answer.status, answer.code()),
                (StatusCode::OK, "none"),
                "34A2 13EE 8161 B8B3 94B 022 2EA1 28B9 428F 1B7A: {body}"
            );
        }
        let by_get = get(
            accept,
            &[("query", typed), ("variables", "{\"name\":\"sometype\"}")],
        );
        assert_eq!(
            send!(&app, by_get).await.status,
            StatusCode::OK,
            "D6D5 6A70"
        );
        let mistaken = if accept == JSON {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        for (body, code) in [
            (json!({"query": "{"}), "GRAPHQL_PARSE_FAILED"),
            (json!({"query": "{ a(x: ) }"}), "GRAPHQL_PARSE_FAILED"),
            (
                json!({"query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }"}),
                "GRAPHQL_PARSE_FAILED",
            ),
            (json!({"query": "{ nowhere }"}), "GRAPHQL_VALIDATION_FAILED"),
            (
                json!({"query": "query CoerceFailure($id: ID!){ __typename }", "variables": {"id": null}}),
                "GRAPHQL_VALIDATION_FAILED",
            ),
            (
                json!({"query": "query A { __typename }", "operationName": "B"}),
                "GRAPHQL_VALIDATION_FAILED",
            ),
            (
                json!({"query": "subscription { a }"}),
                "GRAPHQL_VALIDATION_FAILED",
            ),
        ] {
            let answer = send!(&app, post(accept, body.to_string())).await;
            assert_eq!(
                (answer.status, answer.code()),
                (mistaken, code),
                "572B FDE2 7B9B 865D 556A 51FE 74FF 86EE: {body}"
            );
            assert!(
                answer.body.get("data").is_none(),
                "D586 5E5B: {}",
                answer.body
            );
        }
        assert_eq!(
            send!(&app, get(accept, &[("query", "mutation { touch }")]))
                .await
                .status,
            StatusCode::METHOD_NOT_ALLOWED,
            "9C48"
        );
    }
}

#[actix_web::test]
async fn every_refusal_has_its_status_and_code_in_both_formats() {
    let app = {
        let fixture = Fixture::new();
        init_service(app(fixture.door, fixture.clock)).await
    };
    let nested = format!(
        "{{\"query\":\"{{ a }}\",\"variables\":{}",
        "[".repeat(10_000)
    );
    let aliases: String = (0..31).map(|n| format!("a{n}: who ")).collect();
    let doubling: String = (0..30)
        .map(|n| format!("fragment F{n} on Query {{ ...F{0} ...F{0} }} ", n + 1))
        .collect();
    let dear = format!(
        "{{ {} id {} }}",
        "a(first: 100) { nodes { ".repeat(4),
        "} }".repeat(4)
    );
    for accept in [JSON, NEWER] {
        let document = |text: &str| post(accept, json!({"query": text}).to_string());
        let typed = |kind: &str| {
            post(accept, "{\"query\":\"{ who }\"}").insert_header(("content-type", kind.to_owned()))
        };
        let cases = [
            (post(accept, "[]"), 400, "BATCHING_REFUSED"),
            (
                post(accept, "[{\"query\":\"{ who }\"}]"),
                400,
                "BATCHING_REFUSED",
            ),
            (post(accept, "{"), 400, "BAD_REQUEST"),
            (
                post(accept, &b"{\"query\":\"\xff\"}"[..]),
                400,
                "BAD_REQUEST",
            ),
            (post(accept, nested.clone()), 400, "TOO_DEEP"),
            (
                post(accept, "x".repeat(256 * 1024 + 1)),
                413,
                "BODY_TOO_LARGE",
            ),
            (
                document(&"#".repeat(16 * 1024 + 1)),
                413,
                "DOCUMENT_TOO_LARGE",
            ),
            (document(&"a ".repeat(2_001)), 400, "TOO_MANY_TOKENS"),
            (document(&"[".repeat(100)), 400, "TOO_DEEP"),
            (
                document(&format!(
                    "{{ ...F0 }} {doubling} fragment F30 on Query {{ who }}"
                )),
                400,
                "TOO_MANY_FIELDS",
            ),
            (
                document(&format!("{{ {aliases} }}")),
                400,
                "TOO_MANY_ALIASES",
            ),
            (
                document(&format!("{{ {} }}", "who ".repeat(11))),
                400,
                "TOO_MANY_ROOT_FIELDS",
            ),
            (
                document("{ ...A } fragment A on Query { ...A }"),
                400,
                "FRAGMENT_CYCLE",
            ),
            (
                document("query A { who } query B { who }"),
                400,
                "OPERATION_COUNT",
            ),
            (document(&dear), 400, "COST_EXCEEDED"),
            (typed("text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
            (
                typed("application/x-www-form-urlencoded"),
                415,
                "UNSUPPORTED_MEDIA_TYPE",
            ),
            (
                typed("multipart/form-data; boundary=x"),
                415,
                "UNSUPPORTED_MEDIA_TYPE",
            ),
            (
                typed("application/json; charset=utf-16"),
                415,
                "UNSUPPORTED_MEDIA_TYPE",
            ),
            (
                typed("application/json").insert_header(("content-encoding", "gzip")),
                415,
                "UNSUPPORTED_MEDIA_TYPE",
            ),
            (get(accept, &[]), 400, "BAD_REQUEST"),
            (
                get(accept, &[("query", "{ who }"), ("query", "{ who }")]),
                400,
                "BAD_REQUEST",
            ),
            (
                get(accept, &[("query", "mutation { touch }")]),
                405,
                "METHOD_NOT_ALLOWED",
            ),
            (
                get(accept, &[("query", "subscription { touch }")]),
                405,
                "METHOD_NOT_ALLOWED",
            ),
            (
                post(accept, "{}").method(Method::PUT),
                405,
                "METHOD_NOT_ALLOWED",
            ),
            (
                post(accept, "{}").method(Method::DELETE),
                405,
                "METHOD_NOT_ALLOWED",
            ),
            (
                post(accept, "{}").method(Method::OPTIONS),
                405,
                "METHOD_NOT_ALLOWED",
            ),
        ];
        for (n, (request, status, code)) in cases.into_iter().enumerate() {
            let answer = send!(&app, request).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (status, code),
                "case {n} as {accept}"
            );
            assert!(
                answer.header("content-type").starts_with(accept),
                "case {n}"
            );
            assert!(answer.body.get("data").is_none(), "case {n}");
            let extensions = &answer.body["errors"][0]["extensions"];
            assert_eq!(
                (
                    extensions["requestId"].as_str().unwrap(),
                    &extensions["retryable"]
                ),
                (answer.header("x-request-id"), &json!(false))
            );
            assert_eq!(
                status == 405,
                !answer.header("allow").is_empty(),
                "case {n}"
            );
        }
    }
    let html = send!(&app, post("text/html", "{\"query\":\"{ who }\"}")).await;
    assert_eq!((html.status.as_u16(), html.code()), (406, "NOT_ACCEPTABLE"));
}

#[actix_web::test]
async fn who_has_no_token_learns_nothing_else() {
    let app = {
        let fixture = Fixture::new();
        init_service(app(fixture.door, fixture.clock)).await
    };
    let mut seen = Vec::new();
    for token in [
        None,
        Some("Bearer bad"),
        Some("Bearer"),
        Some("Basic good"),
        Some("good"),
        Some(""),
    ] {
        for (method, kind) in [
            (Method::POST, JSON),
            (Method::POST, "text/plain"),
            (Method::GET, JSON),
            (Method::DELETE, JSON),
        ] {
            let request =
                TestRequest::with_uri("/graphql?query=mutation+%7B+touch+%7D&access_token=good")
                    .method(method);
            let mut request = request
                .insert_header(("content-type", kind))
                .insert_header(("x-request-id", "same"))
                .set_payload("[".repeat(1_000));
            if let Some(token) = token {
                request = request.insert_header(("authorization", token));
            }
            let answer = send!(&app, request).await;
            assert_eq!(
                (
                    answer.status.as_u16(),
                    answer.code(),
                    answer.header("www-authenticate")
                ),
                (401, "UNAUTHENTICATED", "Bearer")
            );
            seen.push(answer.body.to_string());
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[actix_web::test]
async fn the_bucket_empties_refills_and_is_per_subject() {
    let fixture = Fixture::new();
    let app = init_service(app(Arc::clone(&fixture.door), fixture.clock.clone())).await;
    let dear = || query("{ a: partners(first: 100) { nodes { id } } leaks }");
    let mut last = 1_000;
    loop {
        let answer = send!(&app, dear()).await;
        let cost = &answer.body["extensions"]["cost"];
        assert_eq!(cost["requested"], 101);
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(
                (
                    answer.code(),
                    &answer.body["errors"][0]["extensions"]["retryable"]
                ),
                ("RATE_LIMITED", &json!(true))
            );
            let wait: i64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=10).contains(&wait));
            assert_eq!(
                send!(
                    &app,
                    dear().insert_header(("authorization", "Bearer good-too"))
                )
                .await
                .status,
                StatusCode::OK
            );
            fixture.clock.advance_millis(wait * 1_000);
            assert_eq!(send!(&app, dear()).await.status, StatusCode::OK);
            break;
        }
        let left = cost["budget"].as_u64().unwrap();
        assert!(left < last, "every answer costs at least 1");
        last = left;
        fixture
            .door
            .budgets
            .take("good", 90, fixture.clock.now())
            .ok();
    }
    let never = query(&format!(
        "{{ {} id {} }}",
        "a(first: 100) { nodes { ".repeat(2),
        "} }".repeat(2)
    ));
    let answer = send!(&app, never).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.code(),
            answer.header("retry-after")
        ),
        (400, "COST_EXCEEDED", "")
    );
}

#[actix_web::test]
async fn faults_are_hidden_and_stated_errors_are_shown() {
    let app = {
        let fixture = Fixture::new();
        init_service(app(fixture.door, fixture.clock)).await
    };
    let answer = send!(&app, query("{ who leaks }")).await;
    assert_eq!(
        (answer.status, answer.code(), answer.body.get("data")),
        // It cannot be null, so what it is a part of is.
        (StatusCode::OK, "INTERNAL", Some(&Value::Null))
    );
    assert!(!answer.body.to_string().contains("hunter2"));
    let answer = send!(&app, query("{ who forbidden }")).await;
    assert_eq!(
        (answer.code(), &answer.body["data"]),
        ("FORBIDDEN", &json!({"who": "good", "forbidden": null}))
    );
    assert_eq!(
        answer.body["errors"][0]["message"],
        "The scope deals:read is required."
    );
    let answer = send!(&app, query("{ panics }")).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (500, "INTERNAL"));
    let answer = send!(&app, query("{ hangs }")).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (504, "TIMEOUT"));
    let wrong: String = (0..300).map(|n| format!("nowhere{n} ")).collect();
    let answer = send!(&app, query(&format!("{{ partners {{ {wrong} }} }}"))).await;
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 20);
}

#[actix_web::test]
async fn a_repeated_query_is_remembered_and_its_variables_are_not() {
    let fixture = Fixture::new();
    let app = init_service(app(Arc::clone(&fixture.door), fixture.clock.clone())).await;
    for n in 0..3 {
        let body = json!({"query": "query($n: Int) { partners(first: $n) { nodes { id } } }", "variables": {"n": n}});
        let answer = send!(&app, post(JSON, body.to_string())).await;
        assert_eq!(
            answer.body["data"]["partners"]["nodes"]
                .as_array()
                .unwrap()
                .len(),
            n
        );
        assert_eq!(answer.body["extensions"]["cost"]["requested"], 1 + n);
    }
    assert_eq!(fixture.door.documents.len(), 1);
}

/// Serves the small schema on loopback.
fn serve_small(
    door: Arc<Door>,
    clock: Arc<dyn Clock>,
) -> (std::net::SocketAddr, actix_web::dev::ServerHandle) {
    let server = actix_web::HttpServer::new(move || app(Arc::clone(&door), Arc::clone(&clock)));
    let server = server
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (address, handle)
}

/// Sends bytes to a real socket and returns the status line of the answer, however much of the request was not read.
async fn over_tcp(address: std::net::SocketAddr, head: &str, body: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer good\r\n{head}\r\n"
    );
    let sending = async {
        writing.write_all(head.as_bytes()).await.ok();
        writing.write_all(body).await.ok();
    };
    let receiving = async {
        let mut answer = vec![0; 4_096];
        let length = reading.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    futures::join!(sending, receiving).1
}

#[actix_web::test]
async fn large_and_slow_bodies_are_answered() {
    let fixture = Fixture::new();
    let (address, handle) = serve_small(Arc::clone(&fixture.door), fixture.clock.clone());
    let large = vec![b'x'; 3_000_000];
    let announced = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        large.len()
    );
    let chunk = [
        format!("{:x}\r\n", large.len()).as_bytes(),
        &large,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    for (head, body) in [
        (announced.as_str(), &large),
        (
            "content-type: application/json\r\ntransfer-encoding: chunked\r\n",
            &chunk,
        ),
    ] {
        let mut quickest = Duration::MAX;
        for _ in 0..3 {
            let clock = Instant::now();
            assert_eq!(
                over_tcp(address, head, body).await,
                "HTTP/1.1 413 Payload Too Large"
            );
            quickest = quickest.min(clock.elapsed());
        }
        assert!(quickest < Duration::from_millis(50), "{quickest:?}");
    }
    let typed = announced.replace("application/json", "text/plain");
    assert_eq!(
        over_tcp(address, &typed, &large).await,
        "HTTP/1.1 415 Unsupported Media Type"
    );
    let slow = "content-type: application/json\r\ncontent-length: 100\r\n";
    assert_eq!(
        over_tcp(address, slow, b"{").await,
        "HTTP/1.1 408 Request Timeout"
    );
    assert_eq!(
        over_tcp(
            address,
            "content-type: application/json\r\ncontent-length: 19\r\n",
            b"{\"query\":\"{ who }\"}"
        )
        .await,
        "HTTP/1.1 200 OK"
    );
    handle.stop(false).await;
}

/// Serves the small schema for a minute, for the audit of npm's `graphql-http` to be pointed at; prints its address.
#[actix_web::test]
#[ignore = "serves for outside tools"]
async fn serve_for_a_minute() {
    let fixture = Fixture::new();
    let (address, handle) = serve_small(Arc::clone(&fixture.door), fixture.clock.clone());
    println!("http://{address}/graphql");
    tokio::time::sleep(Duration::from_secs(60)).await;
    handle.stop(false).await;
}
