//! How often one address may knock.

use super::scene::*;
use std::time::Duration;
use tests::{Options, TestApp};

const LIMITED: [(&str, &str); 5] = [
    ("GET", "/oauth/authorize"),
    ("POST", "/oauth/consent"),
    ("POST", "/oauth/token"),
    ("POST", "/oauth/introspect"),
    ("POST", "/oauth/revoke"),
];

async fn knock(app: &TestApp, method: &str, path: &str, forwarded: &str) -> tests::Answer {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = app.http.request(method, app.url(path));
    app.send(request.header("x-forwarded-for", forwarded)).await
}

#[tokio::test]
async fn one_address_has_so_many_a_minute_over_all_addresses_of_ours() {
    let at = Options::standing_at("2026-11-21T12:00:00Z");
    let app = TestApp::start(at.with("ENTENTE_LIMITS_TOKEN_PER_MINUTE", 5)).await;
    for (method, path) in LIMITED {
        let answer = knock(&app, method, path, "198.51.100.7").await;
        assert_ne!(answer.status, 429, "{path}");
    }
    for (n, (method, path)) in LIMITED.into_iter().enumerate() {
        // What a caller writes of itself is not believed.
        let answer = knock(&app, method, path, &format!("198.51.100.{n}")).await;
        refused(&answer, 429, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "12");
    }
    // The public documents are for everybody.
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(app.get(path, &[]).await.status, 200);
    }
    app.advance(Duration::from_secs(12));
    let answer = knock(&app, "POST", "/oauth/token", "").await;
    assert_ne!(answer.status, 429);
    app.finish().await;
}

#[tokio::test]
async fn behind_a_proxy_the_address_is_the_one_it_saw() {
    let at = Options::standing_at("2026-11-21T12:00:00Z");
    let at = at.with("ENTENTE_LIMITS_TOKEN_PER_MINUTE", 1);
    let app = TestApp::start(at.with("ENTENTE_HTTP_FORWARDED_HOPS", 1)).await;
    let token = "/oauth/token";
    assert_ne!(knock(&app, "POST", token, "198.51.100.7").await.status, 429);
    assert_eq!(knock(&app, "POST", token, "198.51.100.7").await.status, 429);
    assert_ne!(knock(&app, "POST", token, "198.51.100.8").await.status, 429);
    let pretended = "203.0.113.9, 198.51.100.8";
    assert_eq!(knock(&app, "POST", token, pretended).await.status, 429);
    app.finish().await;
}
