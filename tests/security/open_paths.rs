//! Which doors stand open, and that every other one looks the same from outside, whether there is a room behind it or not.

use entities::viewer::Scope;
use reqwest::Method;
use tests::{Answer, Options, TestApp};

/// Addresses that need a token, real ones and invented ones.
const CLOSED: [&str; 17] = [
    "/",
    "/metrics",
    "/schema.graphql",
    "/graphiql",
    "/graphql/",
    "/graphql/x",
    "/admin",
    "/imports",
    "/rest-hooks",
    "/rest-hooks/events",
    "/rest-hooks/samples/deal.won",
    "/hooks",
    "/hooks/",
    "/hooks/unknown",
    "/oauth/callback/unknown",
    "/oauth/tokens",
    "/.well-known/openid-configuration",
];

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

/// What can be told apart of an answer: everything but the date.
fn face(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.bytes.clone())
}

async fn asked(app: &TestApp, method: &str, path: &str) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    app.send(
        app.http
            .request(method, app.url(path))
            .header("x-request-id", "always-this"),
    )
    .await
}

#[tokio::test]
async fn everything_but_the_open_doors_is_one_401() {
    let app = TestApp::plain().await;
    for method in METHODS {
        let nowhere = face(&asked(&app, method, "/there/is/nothing").await);
        assert_eq!(nowhere.0, 401, "{method}");
        for path in CLOSED {
            assert_eq!(
                face(&asked(&app, method, path).await),
                nowhere,
                "{method} {path}"
            );
        }
        assert_eq!(
            asked(&app, method, "/graphql").await.status,
            401,
            "{method} /graphql"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn the_open_doors_open_by_one_method() {
    let app = TestApp::plain().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(asked(&app, "GET", path).await.status, 200, "{path}");
    }
    // An inlet and the way back from a consent are open and believe nothing.
    assert_eq!(asked(&app, "POST", "/hooks/hubspot").await.status, 401);
    assert_eq!(
        asked(&app, "GET", "/oauth/callback/hubspot").await.status,
        400
    );
    for (open, path) in [
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("POST", "/hooks/hubspot"),
        ("GET", "/oauth/callback/hubspot"),
    ] {
        for method in METHODS.iter().filter(|method| **method != open) {
            let answer = asked(&app, method, path).await;
            assert!(
                matches!((answer.status, *method), (401 | 405, _) | (200, "HEAD")),
                "{method} {path}: {answer}"
            );
        }
    }
    let mut app = app;
    app.expect_warning("a webhook was rejected");
    app.finish().await;
}

#[tokio::test]
async fn health_says_nothing_but_health() {
    let app = TestApp::plain().await;
    assert_eq!(
        asked(&app, "GET", "/healthz").await.bytes,
        br#"{"status":"ok"}"#
    );
    assert_eq!(
        asked(&app, "GET", "/readyz").await.bytes,
        br#"{"status":"ready"}"#
    );
    app.finish().await;
}

#[tokio::test]
async fn the_query_page_is_there_only_where_it_is_wished() {
    let app = TestApp::start(Options::default().with("ENTENTE_GRAPHIQL", "true")).await;
    let page = asked(&app, "GET", "/graphiql").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(
        asked(&app, "GET", "/schema.graphql").await.status,
        401,
        "the page asks for a token before it can know the schema"
    );
    app.finish().await;
}

#[tokio::test]
async fn figures_and_the_schema_need_a_token() {
    let app = TestApp::plain().await;
    let authorized = async |path: &str, token: &str| {
        app.get(path, &[("authorization", &format!("Bearer {token}"))])
            .await
            .status
    };
    let (bare, figures) = (app.token([]), app.token([Scope::AnalyticsRead]));
    let partner = app.partner_token(app.database().new_id());
    assert_eq!(authorized("/schema.graphql", &bare).await, 200);
    assert_eq!(
        authorized("/nowhere", &bare).await,
        404,
        "who has a token may know what is not there"
    );
    assert_eq!(authorized("/metrics", &bare).await, 403);
    assert_eq!(
        authorized("/metrics", &partner).await,
        403,
        "figures tell of everybody"
    );
    assert_eq!(authorized("/metrics", &figures).await, 200);
    app.finish().await;
}
