//! Near misses of a registered address: none of them is sent a code, or anything else.

use super::scene::*;
use entities::oauth_client::AuthMethod;
use entities::viewer::StaffRole;

/// Addresses that look like [`REDIRECT`] and are not.
const NEAR: [&str; 56] = [
    "https://app.example.com/callback/",
    "https://app.example.com/callback?",
    "https://app.example.com/callback?x=1",
    "https://app.example.com/callback#",
    "https://app.example.com/callback#x",
    "https://app.example.com/callback%00",
    "https://app.example.com/callback%20",
    "https://app.example.com/callback ",
    " https://app.example.com/callback",
    "https://app.example.com/callback\t",
    "https://app.example.com/callback\n",
    "https://app.example.com/callback\r\nSet-Cookie: a=b",
    "https://app.example.com/Callback",
    "https://app.example.com/CALLBACK",
    "https://app.example.com/callbac",
    "https://app.example.com/callback2",
    "https://app.example.com/callback/../callback",
    "https://app.example.com/./callback",
    "https://app.example.com//callback",
    "https://app.example.com/x/../callback",
    "https://app.example.com/%63allback",
    "https://app.example.com/callback;x",
    "https://app.example.com/callback\\",
    "https://app.example.com\\callback",
    "https://app.example.com/",
    "https://app.example.com",
    "https://APP.example.com/callback",
    "HTTPS://app.example.com/callback",
    "Https://app.example.com/callback",
    "http://app.example.com/callback",
    "https:app.example.com/callback",
    "https:/app.example.com/callback",
    "https:///app.example.com/callback",
    "//app.example.com/callback",
    "app.example.com/callback",
    "/callback",
    "https://app.example.com:443/callback",
    "https://app.example.com:8443/callback",
    "https://app.example.com:/callback",
    "https://app.example.com./callback",
    "https://evil.app.example.com/callback",
    "https://app.example.com.evil.example/callback",
    "https://app.example.com@evil.example/callback",
    "https://evil.example@app.example.com/callback",
    "https://app.example.com:x@evil.example/callback",
    "https://app-example.com/callback",
    "https://appexample.com/callback",
    "https://xapp.example.com/callback",
    "https://example.com/callback",
    "https://аpp.example.com/callback",
    "https://app.example.com%2eevil.example/callback",
    "https://evil.example/https://app.example.com/callback",
    "https://evil.example/?u=https://app.example.com/callback",
    "https://*.example.com/callback",
    "javascript:alert(1)",
    "data:text/html,callback",
];

/// Addresses that look like that of a program on a person's own machine and are not.
const NEAR_LOOPBACK: [&str; 12] = [
    "http://127.0.0.1:0/callback",
    "http://127.0.0.1:65536/callback",
    "http://127.0.0.1:080/callback",
    "http://127.0.0.1:/callback",
    "http://127.0.0.1:80/other",
    "http://127.0.0.1:80@evil.example/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://127.0.0.2:80/callback",
    "http://localhost:80/callback",
    "http://[::1]:80/callback",
    "https://127.0.0.1:80/callback",
    "http://2130706433:80/callback",
];

#[tokio::test]
async fn near_misses_stay_on_a_page_of_ours() {
    let app = app().await;
    let client = software(&app, None).await;
    let mut native = registration(AuthMethod::None, None);
    native.redirect_uris = vec!["http://127.0.0.1/callback".to_owned()];
    let native = register(&app, native).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let near = NEAR.iter().map(|near| (&client, *near));
    let near = near.chain(NEAR_LOOPBACK.iter().map(|near| (&native, *near)));
    for (client, near) in near {
        for cookie in ["", cookie.as_str()] {
            let answer = asked(&app, cookie, &client.request_with("redirect_uri", near)).await;
            assert_eq!(answer.status, 400, "{near}: {answer}");
            assert!(answer.header("location").is_empty(), "{near}");
            assert!(answer.header("content-type").starts_with("text/html"));
        }
    }
    // Left out, empty, twice: there is nobody to tell either.
    let twice = {
        let mut request = client.request();
        request.push(("redirect_uri", REDIRECT.to_owned()));
        request
    };
    for request in [client.request_with("redirect_uri", ""), twice] {
        assert_eq!(asked(&app, &cookie, &request).await.status, 400);
    }
    for port in ["", ":1", ":49152", ":65535"] {
        let uri = format!("http://127.0.0.1{port}/callback");
        let answer = asked(&app, &cookie, &native.request_with("redirect_uri", &uri)).await;
        assert_eq!(answer.status, 200, "{uri}: {answer}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_unknown_client_is_told_as_little_as_a_disabled_one() {
    let app = app().await;
    let client = software(&app, None).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    let mut own = registration(AuthMethod::ClientSecretBasic, None);
    own.grant_types = vec![entities::oauth_client::GrantType::ClientCredentials];
    own.redirect_uris = Vec::new();
    let for_itself = register(&app, own).await;
    let never: entities::id::OAuthClientId = app.database().new_id();
    reregistered(&app, &client, async |change, row| {
        entities::oauth_client::disable(change, row).await
    })
    .await;
    let mut seen = Vec::new();
    for name in [
        client.id(),
        for_itself.id(),
        never.to_string(),
        "x".to_owned(),
        String::new(),
    ] {
        let answer = asked(&app, &cookie, &client.request_with("client_id", &name)).await;
        assert_eq!(answer.status, 400, "{answer}");
        assert!(answer.header("location").is_empty());
        seen.push(answer.bytes);
    }
    assert!(seen.iter().all(|bytes| *bytes == seen[0]));
    app.finish().await;
}
