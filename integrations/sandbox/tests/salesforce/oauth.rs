use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sandbox::{Salesforce, SalesforceSource};
use serde_json::json;
use sha2::Sha256;

use crate::harness::{
    CLIENT_ID, Client, DATA, REDIRECT, SECRET, VERIFIER, consent, consent_url, empty, form, http,
    options, parameter, redeem, refresh, started, token,
};

#[tokio::test]
async fn a_consent_becomes_tokens() {
    let salesforce = Salesforce::start(options(SalesforceSource::Empty))
        .await
        .unwrap();
    let base = salesforce.url();
    let query = consent(&base, &[]).await;
    assert_eq!(parameter(&query, "state"), "s-1");
    let code = parameter(&query, "code").to_owned();
    let (status, body) = redeem(&base, &code).await;
    assert_eq!(status, 200);
    assert!(
        body.get("expires_in").is_none(),
        "a session has no told end"
    );
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "api refresh_token");
    let instance = base.as_str().trim_end_matches('/');
    assert_eq!(body["instance_url"], instance);
    let org = salesforce.tenant();
    assert_eq!(org.len(), 18);
    let id = body["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{instance}/id/{org}/005")), "{id}");
    assert!(
        body["access_token"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}!", &org[..15]))
    );
    let issued_at = body["issued_at"].as_str().expect("a text");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}{issued_at}").as_bytes());
    assert_eq!(
        body["signature"],
        STANDARD.encode(mac.finalize().into_bytes())
    );
    let (status, body) = redeem(&base, &code).await;
    assert_eq!(
        (status, &body["error"], &body["error_description"]),
        (
            400,
            &json!("invalid_grant"),
            &json!("expired authorization code")
        ),
        "a code is for once"
    );
}

#[tokio::test]
async fn a_consent_is_refused_as_the_vendor_refuses_it() {
    let salesforce = Salesforce::start(options(SalesforceSource::Empty))
        .await
        .unwrap();
    let base = salesforce.url();
    for changes in [
        [("client_id", Some("other"))],
        [("redirect_uri", Some("http://127.0.0.1:9/elsewhere"))],
    ] {
        let answer = http()
            .get(consent_url(&base, &changes))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "nobody is sent to an unknown address");
    }
    for (change, error) in [
        (("code_challenge", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("scope", Some("api everything")), "invalid_scope"),
        (
            ("response_type", Some("token")),
            "unsupported_response_type",
        ),
    ] {
        let query = consent(&base, &[change]).await;
        assert_eq!(parameter(&query, "error"), error, "{change:?}");
        assert_eq!(parameter(&query, "state"), "s-1");
        assert_eq!(parameter(&query, "code"), "");
    }
}

#[tokio::test]
async fn a_person_is_shown_a_form_and_its_button_agrees() {
    let salesforce = Salesforce::start(options(SalesforceSource::Empty))
        .await
        .unwrap();
    let base = salesforce.url();
    let url = consent_url(&base, &[("state", Some("\"><b>"))]);
    let page = http()
        .get(url.clone())
        .header("accept", "text/html,*/*")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("<button>Allow</button>") && !page.contains("\"><b>"),
        "{page}"
    );
    let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let answer = http()
        .post(base.join("/services/oauth2/authorize").unwrap())
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 302);
    assert!(
        answer.headers()["location"]
            .to_str()
            .unwrap()
            .starts_with(&format!("{REDIRECT}?code="))
    );
}

#[tokio::test]
async fn a_code_needs_its_client_its_redirect_and_its_verifier() {
    let salesforce = Salesforce::start(options(SalesforceSource::Empty))
        .await
        .unwrap();
    let base = salesforce.url();
    let query = consent(&base, &[]).await;
    let code = parameter(&query, "code");
    let good = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT_ID),
        ("client_secret", SECRET),
    ];
    for (name, value, error) in [
        ("client_id", Some("other"), "invalid_client_id"),
        ("client_secret", Some("wrong"), "invalid_client"),
        (
            "redirect_uri",
            Some("http://127.0.0.1:9/other"),
            "redirect_uri_mismatch",
        ),
        ("code_verifier", None, "invalid_grant"),
        ("code_verifier", Some("a-wrong-verifier"), "invalid_request"),
        ("grant_type", Some("password"), "unsupported_grant_type"),
    ] {
        let mut changed: Vec<(&str, &str)> = good
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        changed.extend(value.map(|value| (name, value)));
        let (status, body) = form(&base, "/services/oauth2/token", &changed).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{name}");
    }
    let (status, _) = form(&base, "/services/oauth2/token", &good).await;
    assert_eq!(status, 200, "refusals do not use up the code");
}

#[tokio::test]
async fn rotation_kills_the_old_refresh_token_at_once() {
    let (salesforce, client) = empty().await;
    let base = salesforce.url();
    let (status, body) = refresh(&base, &client.refresh).await;
    assert_eq!(status, 200, "{body}");
    let fresh = body["refresh_token"].as_str().unwrap();
    assert_ne!(fresh, client.refresh);
    let (status, body) = refresh(&base, &client.refresh).await;
    assert_eq!(
        (status, &body["error"], &body["error_description"]),
        (
            400,
            &json!("invalid_grant"),
            &json!("expired access/refresh token")
        )
    );
    assert_eq!(refresh(&base, fresh).await.0, 200);
}

#[tokio::test]
async fn without_rotation_a_refresh_names_no_refresh_token() {
    let mut plain = options(SalesforceSource::Empty);
    plain.limits.rotate_refresh_tokens = false;
    let (salesforce, client) = started(plain).await;
    let (status, body) = refresh(&salesforce.url(), &client.refresh).await;
    assert_eq!(status, 200);
    assert!(body.get("refresh_token").is_none(), "the one it has stays");
    assert_eq!(refresh(&salesforce.url(), &client.refresh).await.0, 200);
}

#[tokio::test]
async fn sessions_end_when_they_are_not_used() {
    let (salesforce, client) = empty().await;
    let path = format!("{DATA}/limits");
    for _ in 0..3 {
        salesforce.clock().advance(Duration::from_secs(5400));
        client.get(&path).await;
    }
    salesforce.clock().advance(Duration::from_secs(7200));
    let (status, body) = client.send("GET", &path, None).await;
    assert_eq!(status, 401);
    assert_eq!(
        body,
        json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
    );
    let fresh = Client::connect(salesforce.url()).await;
    salesforce.expire_tokens().unwrap();
    assert_eq!(fresh.send("GET", &path, None).await.0, 401);
    assert_eq!(refresh(&salesforce.url(), &fresh.refresh).await.0, 200);
    salesforce
        .clock()
        .advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(refresh(&salesforce.url(), &fresh.refresh).await.0, 400);
}

#[tokio::test]
async fn the_sixth_grant_ends_the_first() {
    let (salesforce, first) = empty().await;
    for _ in 0..4 {
        Client::connect(salesforce.url()).await;
    }
    first.get(&format!("{DATA}/limits")).await;
    let sixth = Client::connect(salesforce.url()).await;
    assert_eq!(
        first.send("GET", &format!("{DATA}/limits"), None).await.0,
        401
    );
    assert_eq!(refresh(&salesforce.url(), &first.refresh).await.0, 400);
    sixth.get(&format!("{DATA}/limits")).await;
}

#[tokio::test]
async fn tokens_are_described_and_revoked() {
    let (salesforce, client) = empty().await;
    let base = salesforce.url();
    let ours = [("client_id", CLIENT_ID), ("client_secret", SECRET)];
    let described = |text: String| {
        let base = base.clone();
        async move {
            let mut all = ours.to_vec();
            all.push(("token", &text));
            form(&base, "/services/oauth2/introspect", &all).await.1
        }
    };
    assert_eq!(
        described(client.token.clone()).await["token_type"],
        "access_token"
    );
    assert_eq!(described(client.refresh.clone()).await["active"], true);
    let info = client.get("/services/oauth2/userinfo").await;
    assert_eq!(info["organization_id"], json!(salesforce.tenant()));
    let identity = client.get(info["id"].as_str().unwrap()).await;
    assert_eq!(identity["user_id"], info["user_id"]);
    let (status, body) = form(&base, "/services/oauth2/revoke", &[("token", "unknown")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_token")));
    let revoked = form(
        &base,
        "/services/oauth2/revoke",
        &[("token", &client.refresh)],
    )
    .await;
    assert_eq!(revoked.0, 200);
    assert_eq!(
        described(client.token.clone()).await["active"],
        false,
        "its sessions end too"
    );
    assert_eq!(
        token(
            &base,
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", &client.refresh)
            ]
        )
        .await
        .0,
        400
    );
}

#[tokio::test]
async fn an_org_may_move_and_may_remove_the_app() {
    let (salesforce, client) = empty().await;
    salesforce.move_instance();
    let (_, body) = refresh(&salesforce.url(), &client.refresh).await;
    let instance = body["instance_url"].as_str().unwrap();
    assert!(instance.starts_with("http://localhost:"), "{instance}");
    salesforce.uninstall().unwrap();
    assert_eq!(
        client.send("GET", &format!("{DATA}/limits"), None).await.0,
        401
    );
    assert_eq!(
        refresh(&salesforce.url(), body["refresh_token"].as_str().unwrap())
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn scopes_are_enforced() {
    let salesforce = Salesforce::start(options(SalesforceSource::Empty))
        .await
        .unwrap();
    let base = salesforce.url();
    let query = consent(&base, &[("scope", Some("openid"))]).await;
    let (_, body) = redeem(&base, parameter(&query, "code")).await;
    assert!(body.get("refresh_token").is_none(), "it was not asked for");
    let client = Client {
        http: http(),
        base,
        token: body["access_token"].as_str().unwrap().to_owned(),
        refresh: String::new(),
    };
    let (status, body) = client.send("GET", &format!("{DATA}/limits"), None).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (403, &json!("INVALID_SESSION_ID"))
    );
}
