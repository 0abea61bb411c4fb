use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sandbox::{HubSpot, Limits, Source};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Client, REDIRECT, SECRET, consent, empty, http, options, token};

fn code(query: &[(String, String)]) -> &str {
    &query.iter().find(|(key, _)| key == "code").unwrap().1
}

#[tokio::test]
async fn a_code_is_redeemed_once_for_the_published_answer() {
    let hubspot = HubSpot::start(options(Source::Empty)).await.unwrap();
    let query = consent(&hubspot.url(), &[]).await;
    assert!(query.contains(&("state".to_owned(), "s-1".to_owned())));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code(&query)),
        ("redirect_uri", REDIRECT),
    ];
    let (status, body) = token(&hubspot.url(), &form).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 1800);
    assert_eq!(body["hub_id"], hubspot.portal_id());
    assert_eq!(body["token_use"], "access_token");
    assert!(body["scopes"].as_array().unwrap().contains(&json!("oauth")));
    let (status, body) = token(&hubspot.url(), &form).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    assert_eq!(body["status"], "BAD_AUTH_CODE");
    hubspot.stop().await.unwrap();
}

#[tokio::test]
async fn a_challenge_must_be_met() {
    let hubspot = HubSpot::start(options(Source::Empty)).await.unwrap();
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let pkce = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let query = consent(&hubspot.url(), &pkce).await;
    let base = [
        ("grant_type", "authorization_code"),
        ("code", code(&query)),
        ("redirect_uri", REDIRECT),
    ];
    for wrong in [None, Some("wrong")] {
        let mut form = base.to_vec();
        form.extend(wrong.map(|w| ("code_verifier", w)));
        let (status, body) = token(&hubspot.url(), &form).await;
        assert_eq!(
            (status, &body["status"]),
            (400, &json!("BAD_CODE_VERIFIER"))
        );
    }
    let mut form = base.to_vec();
    form.push(("code_verifier", verifier));
    assert_eq!(token(&hubspot.url(), &form).await.0, 200);
}

#[tokio::test]
async fn consent_refuses_what_is_not_registered() {
    let hubspot = HubSpot::start(options(Source::Empty)).await.unwrap();
    let wrong_redirect = format!("{REDIRECT}/");
    for (client, redirect, scope) in [
        ("other", REDIRECT, "oauth"),
        ("entente-test", wrong_redirect.as_str(), "oauth"),
        ("entente-test", REDIRECT, "oauth made.up"),
        ("entente-test", REDIRECT, ""),
    ] {
        let mut url = hubspot.url().join("/oauth/authorize").unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", client)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", scope);
        let answer = http().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn token_requests_are_read_from_the_body_only() {
    let hubspot = HubSpot::start(options(Source::Empty)).await.unwrap();
    let query = consent(&hubspot.url(), &[]).await;
    let mut url = hubspot.url().join("/oauth/2026-09/token").unwrap();
    url.query_pairs_mut()
        .append_pair("grant_type", "authorization_code")
        .append_pair("client_id", "entente-test")
        .append_pair("client_secret", SECRET)
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("code", code(&query));
    assert_eq!(http().post(url).send().await.unwrap().status(), 400);
    let (status, body) = token(
        &hubspot.url(),
        &[("client_secret", "x"), ("grant_type", "refresh_token")],
    )
    .await;
    assert_eq!(
        (status, &body["status"]),
        (400, &json!("BAD_REFRESH_TOKEN"))
    );
    assert_eq!(body["error"], "invalid_grant");
    assert_eq!(
        body["error_description"],
        "refresh token is invalid, expired or revoked"
    );
}

#[tokio::test]
async fn tokens_expire_and_are_refreshed() {
    let (hubspot, client) = empty().await;
    client.get("/crm/objects/2026-09/deals").await;
    hubspot.clock().advance(Duration::from_secs(1807));
    let (status, body) = client.send("GET", "/crm/objects/2026-09/deals", None).await;
    assert_eq!(
        (status, &body["category"]),
        (401, &json!("EXPIRED_AUTHENTICATION"))
    );
    let message = body["message"].as_str().unwrap();
    assert!(
        message.starts_with("The OAuth token used to make this call expired 7 second(s) ago"),
        "{message}"
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh.as_str()),
    ];
    let (status, body) = token(&hubspot.url(), &form).await;
    assert_eq!(
        (status, body["refresh_token"].as_str()),
        (200, Some(client.refresh.as_str()))
    );
    let unknown = Client {
        token: "nonsense".to_owned(),
        ..client
    };
    let (status, body) = unknown
        .send("GET", "/crm/objects/2026-09/deals", None)
        .await;
    assert_eq!(
        (status, &body["category"]),
        (401, &json!("INVALID_AUTHENTICATION"))
    );
}

#[tokio::test]
async fn rotation_refuses_the_old_refresh_token() {
    let mut rotating = options(Source::Empty);
    rotating.limits = Limits {
        rotate_refresh_tokens: true,
        ..Limits::none()
    };
    let hubspot = HubSpot::start(rotating).await.unwrap();
    let client = Client::connect(hubspot.url()).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh.as_str()),
    ];
    let (status, body) = token(&hubspot.url(), &form).await;
    assert_eq!(status, 200);
    assert_ne!(
        body["refresh_token"].as_str(),
        Some(client.refresh.as_str())
    );
    assert_eq!(
        token(&hubspot.url(), &form).await.1["status"],
        "BAD_REFRESH_TOKEN"
    );
}

#[tokio::test]
async fn revoking_ends_refreshes_but_not_live_tokens() {
    let (hubspot, client) = empty().await;
    let form = [
        ("client_id", "entente-test"),
        ("client_secret", SECRET),
        ("token", client.refresh.as_str()),
    ];
    let at = |path: &str| hubspot.url().join(path).unwrap();
    let introspect = || {
        http()
            .post(at("/oauth/2026-09/token/introspect"))
            .form(&form)
            .send()
    };
    let body: serde_json::Value = introspect().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&body["active"], &body["hub_id"]),
        (&json!(true), &json!(hubspot.portal_id()))
    );
    let revoked = http()
        .post(at("/oauth/2026-09/token/revoke"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 204);
    let body: serde_json::Value = introspect().await.unwrap().json().await.unwrap();
    assert_eq!(body["active"], false);
    client.get("/crm/objects/2026-09/deals").await;
}

#[tokio::test]
async fn scopes_are_enforced() {
    let hubspot = HubSpot::start(options(Source::Empty)).await.unwrap();
    let mut url = hubspot.url().join("/oauth/authorize").unwrap();
    url.query_pairs_mut()
        .append_pair("client_id", "entente-test")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", "oauth crm.objects.deals.read")
        .append_pair("optional_scope", "crm.objects.owners.read not.known");
    let answer = http().get(url).send().await.unwrap();
    let target = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let query: Vec<(String, String)> = target.query_pairs().into_owned().collect();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code(&query)),
        ("redirect_uri", REDIRECT),
    ];
    let (_, body) = token(&hubspot.url(), &form).await;
    let client = Client {
        http: http(),
        base: hubspot.url(),
        token: body["access_token"].as_str().unwrap().to_owned(),
        refresh: String::new(),
    };
    client.get("/crm/objects/2026-09/deals").await;
    client.get("/crm/owners/2026-09").await;
    for (method, path) in [
        ("GET", "/crm/objects/2026-09/companies"),
        ("POST", "/crm/objects/2026-09/deals"),
        ("POST", "/crm/objects/2026-09/contacts/search"),
        (
            "POST",
            "/crm/associations/2026-09/deals/companies/batch/read",
        ),
    ] {
        let (status, body) = client
            .send(method, path, Some(json!({"properties": {}, "inputs": []})))
            .await;
        assert_eq!(
            (status, &body["category"]),
            (403, &json!("MISSING_SCOPES")),
            "{path}"
        );
    }
}
