use sandbox::{Shopify, ShopifyLimits, ShopifyOptions};
use serde_json::{Value, json};

use crate::harness::{API, Client, SCOPES, SECRET, consent, http, options, started, token, value};

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn status_of(client: &Client, token: &str) -> u16 {
    let url = client.base.join(API).unwrap();
    let request = http().post(url).header("X-Shopify-Access-Token", token);
    let answer = request
        .json(&json!({"query": "{ shop { id } }"}))
        .send()
        .await
        .unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn the_callback_is_signed_and_names_the_shop() {
    let shop = Shopify::start(options()).await.unwrap();
    let query = consent(&shop.url(), SCOPES).await;
    assert_eq!(value(&query, "shop"), shop.tenant());
    assert_eq!(value(&query, "state"), "s-1");
    let mut pairs: Vec<String> = query
        .iter()
        .filter(|(key, _)| key != "hmac")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.sort();
    let signed = {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(crate::harness::signature(
                SECRET,
                pairs.join("&").as_bytes(),
            ))
            .unwrap();
        hex::encode(bytes)
    };
    assert_eq!(value(&query, "hmac"), signed);
    assert!(
        !value(&query, "host").contains('='),
        "the host comes without padding"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_consent_is_told_on_a_page() {
    let shop = Shopify::start(options()).await.unwrap();
    for (client_id, redirect, scope) in [
        ("nobody", crate::harness::REDIRECT, SCOPES),
        ("entente-test", "http://127.0.0.1:9/elsewhere", SCOPES),
        ("entente-test", crate::harness::REDIRECT, "read_minds"),
    ] {
        let mut url = shop.url().join("/admin/oauth/authorize").unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", scope);
        let answer = http().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .starts_with("Oauth error invalid_")
        );
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_errors_are_not_always_json() {
    let shop = Shopify::start(options()).await.unwrap();
    let query = consent(&shop.url(), "read_orders,write_orders,read_customers").await;
    let code = value(&query, "code");
    let (status, body) = token(&shop.url(), &[("code", code), ("expiring", "1")]).await;
    assert_eq!(status, 200);
    let body = read(&body);
    assert_eq!(
        body["scope"], "write_orders,read_customers",
        "reading is implied and left out"
    );
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["refresh_token_expires_in"], 7_776_000);
    assert!(body["access_token"].as_str().unwrap().starts_with("shpat_"));
    let (status, text) = token(&shop.url(), &[("code", code), ("expiring", "1")]).await;
    assert_eq!(
        (status, text.as_str()),
        (
            400,
            "Oauth error invalid_request: The authorization code was not found or was already used"
        )
    );
    let url = shop.url().join("/admin/oauth/access_token").unwrap();
    let wrong = json!({"client_id": "entente-test", "client_secret": "no", "code": "x"});
    let answer = http().post(url).json(&wrong).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"],
        "invalid_client"
    );
}

#[tokio::test]
async fn a_refresh_can_be_tried_again_until_its_answer_is_used() {
    let (shop, client) = started(options()).await;
    let base = shop.url();
    let refresh = |text: String| {
        let base = base.clone();
        async move {
            token(
                &base,
                &[("grant_type", "refresh_token"), ("refresh_token", &text)],
            )
            .await
        }
    };
    let (_, first) = refresh(client.refresh.clone()).await;
    let (status, again) = refresh(client.refresh.clone()).await;
    assert_eq!(status, 200);
    let (first, again) = (read(&first), read(&again));
    assert_eq!(first["refresh_token"], again["refresh_token"]);
    assert_ne!(first["refresh_token"], json!(client.refresh));
    assert_eq!(
        status_of(&client, &client.token).await,
        200,
        "the old pair lives until the new one is used"
    );
    assert_eq!(
        status_of(&client, first["access_token"].as_str().unwrap()).await,
        200
    );
    assert_eq!(status_of(&client, &client.token).await, 401);
    let (status, body) = refresh(client.refresh.clone()).await;
    assert_eq!(
        (status, read(&body)["error"].clone()),
        (400, json!("invalid_grant"))
    );
}

#[tokio::test]
async fn tokens_that_do_not_expire_are_no_longer_taken() {
    let shop = Shopify::start(options()).await.unwrap();
    let query = consent(&shop.url(), SCOPES).await;
    let (status, body) = token(&shop.url(), &[("code", value(&query, "code"))]).await;
    let body = read(&body);
    assert_eq!(status, 200);
    assert!(body.get("refresh_token").is_none());
    let client = Client::connect(shop.url(), SCOPES).await;
    assert_eq!(
        status_of(&client, body["access_token"].as_str().unwrap()).await,
        403
    );
    let older = Shopify::start(ShopifyOptions {
        limits: ShopifyLimits {
            expiring_tokens_only: false,
            ..ShopifyLimits::none()
        },
        ..options()
    })
    .await
    .unwrap();
    let query = consent(&older.url(), SCOPES).await;
    let (_, body) = token(&older.url(), &[("code", value(&query, "code"))]).await;
    let client = Client::connect(older.url(), SCOPES).await;
    assert_eq!(
        status_of(&client, read(&body)["access_token"].as_str().unwrap()).await,
        200
    );
}

#[tokio::test]
async fn expired_and_unknown_tokens_are_401() {
    let (shop, client) = started(options()).await;
    assert_eq!(status_of(&client, &client.token).await, 200);
    shop.expire_tokens().unwrap();
    let answer = client.post(API, json!({"query": "{ shop { id } }"})).await;
    assert_eq!(answer.status(), 401);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["errors"],
        "[API] Invalid API key or access token (unrecognized login or wrong password)"
    );
    shop.clock()
        .advance(std::time::Duration::from_secs(7_776_001));
    let (status, _) = token(
        &shop.url(),
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", &client.refresh),
        ],
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn both_secrets_are_known_after_a_rotation() {
    let (shop, client) = started(options()).await;
    shop.rotate_secret("second-secret").unwrap();
    let fields = |secret: &'static str| json!({"client_id": "entente-test", "client_secret": secret, "grant_type": "refresh_token", "refresh_token": client.refresh});
    let url = shop.url().join("/admin/oauth/access_token").unwrap();
    for (secret, expected) in [(SECRET, 200), ("second-secret", 200), ("third", 400)] {
        let answer = http()
            .post(url.clone())
            .json(&fields(secret))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), expected, "{secret}");
    }
    shop.sign_with_new_secret().unwrap();
    let answer = http().post(url).json(&fields(SECRET)).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn withheld_scopes_are_missing_from_the_answer() {
    let shop = Shopify::start(options()).await.unwrap();
    shop.faults(|faults| {
        faults.withhold_scopes = vec!["read_companies".to_owned(), "write_companies".to_owned()];
    });
    let query = consent(&shop.url(), SCOPES).await;
    let (_, body) = token(
        &shop.url(),
        &[("code", value(&query, "code")), ("expiring", "1")],
    )
    .await;
    assert_eq!(read(&body)["scope"], "write_orders,write_customers");
}
