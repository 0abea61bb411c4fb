//! Connecting a shop.

use super::*;
use crate::connector::Authenticate;
use crate::oauth::{AppCredentials, AuthorizeRequest, Exchange};
use entities::chance::SeededChance;
use secrecy::ExposeSecret;
use std::collections::HashMap;

fn app() -> AppCredentials {
    AppCredentials::new("client", "s3cret-app")
}

fn form(seen: &Seen) -> HashMap<String, String> {
    url::form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

#[test]
fn the_consent_is_asked_for_at_the_shop() {
    let shopify = Shopify::new(ShopifyEndpoints::default());
    let back = Url::parse("https://e.example/cb").unwrap();
    let request = AuthorizeRequest::new(back, Some(site()), &SeededChance::new(1));
    let url = shopify.authorize_url(&app(), &request).unwrap();
    assert!(
        url.as_str()
            .starts_with("https://some-shop.myshopify.com/admin/oauth/authorize?")
    );
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["state"], *request.state.expose_secret());
    assert_eq!(
        query["scope"],
        "read_orders,read_customers,write_customers,read_companies,write_companies"
    );
    assert!(!url.as_str().contains("s3cret") && !query.contains_key("code_challenge"));
    let allowed = Shopify::new(ShopifyEndpoints::default().with_all_orders());
    let url = allowed.authorize_url(&app(), &request).unwrap();
    assert!(url.as_str().contains("read_all_orders"));
    let nowhere = AuthorizeRequest {
        site: None,
        ..request
    };
    assert!(shopify.authorize_url(&app(), &nowhere).is_err());
}

#[test]
fn tokens_go_to_their_shop_and_nowhere_else() {
    let shopify = Shopify::new(ShopifyEndpoints::default());
    assert_eq!(shopify.origins(&tokens()).unwrap(), [site()]);
    let with = |site: Option<&str>| TokenSet {
        site: site.map(|text| Url::parse(text).unwrap()),
        ..tokens()
    };
    for bad in [
        None,
        Some("https://evil.example/"),
        Some("http://some-shop.myshopify.com/"),
        Some("https://some-shop.myshopify.com.evil.example/"),
    ] {
        assert!(shopify.origins(&with(bad)).is_err(), "{bad:?}");
    }
    let api = TokenSet {
        api: Some(Url::parse("https://evil.example/").unwrap()),
        ..tokens()
    };
    assert!(shopify.origins(&api).is_err());
}

#[tokio::test]
async fn a_shop_connects_and_both_tokens_rotate() {
    let rig = Rig::raw(|seen| {
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/admin/oauth/access_token"));
        let form = form(seen);
        assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("client", "s3cret-app"));
        if form.get("code").is_some_and(|code| code == "c") {
            assert_eq!(form["expiring"], "1");
            return answer(200, "", r#"{"access_token":"shpat_s3cret1","scope":"read_orders,write_customers","expires_in":3600,"refresh_token":"shprt_s3cret1","refresh_token_expires_in":7776000}"#);
        }
        assert_eq!(form["grant_type"], "refresh_token");
        match form["refresh_token"].as_str() {
            "shprt_s3cret1" => answer(200, "", r#"{"access_token":"shpat_s3cret2","scope":"read_orders","expires_in":3600,"refresh_token":"shprt_s3cret2","refresh_token_expires_in":7776000}"#),
            "broken" => answer(200, "", r#"{"access_token":["shpat_s3cret3"]}"#),
            "cut" => answer(200, "", r#"{"access_token":"shpat_s3c"#),
            "edge" => answer(520, "", "<html>"),
            "text" => answer(400, "", "Oauth error invalid_request: Could not find Shopify API application with api_key"),
            _ => answer(400, "", r#"{"error":"invalid_grant","error_description":"This refresh token has expired"}"#),
        }
    })
    .await;
    let exchange = Exchange {
        code: "c".into(),
        redirect_uri: Url::parse("https://e.example/cb").unwrap(),
        site: Some(site()),
        pkce_verifier: "v".repeat(43).into(),
    };
    let tokens = rig
        .shopify
        .exchange(&rig.client, &app(), &exchange, NOW)
        .await
        .unwrap();
    assert_eq!(tokens.tenant_id.as_deref(), Some(SHOP));
    assert_eq!(tokens.expires_at_ms, Some(NOW + 3_600_000));
    assert_eq!(
        tokens.scopes,
        ["read_customers", "read_orders", "write_customers"]
    );
    assert!(
        tokens.missing_scopes(&scopes::REQUIRED).is_empty(),
        "writing includes reading"
    );
    let kept = TokenSet::from_plain_bytes(&tokens.to_plain_bytes()).unwrap();
    let renewed = rig
        .shopify
        .refresh(&rig.client, &app(), &kept, NOW)
        .await
        .unwrap();
    assert_eq!(renewed.access_token.expose_secret(), "shpat_s3cret2");
    assert_eq!(
        renewed.refresh_token.as_ref().unwrap().expose_secret(),
        "shprt_s3cret2"
    );
    assert_eq!(
        (renewed.scopes.len(), renewed.site.clone()),
        (1, Some(site()))
    );
    let mut told = String::new();
    for (token, code) in [
        ("gone", "REAUTH_REQUIRED"),
        ("broken", "UNEXPECTED_ANSWER"),
        ("cut", "TRANSIENT"),
        ("edge", "TRANSIENT"),
        ("text", "REFUSED_BY_VENDOR"),
    ] {
        let old = TokenSet {
            refresh_token: Some(token.into()),
            ..renewed.clone()
        };
        let error = rig
            .shopify
            .refresh(&rig.client, &app(), &old, NOW)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{token}");
        told += &format!("{error:?}");
    }
    assert!(!format!("{told} {tokens:?} {exchange:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_previous_secret_is_tried_where_the_present_one_is_unknown() {
    let rig = Rig::raw(|seen| match form(seen)["client_secret"].as_str() {
        "old" => answer(200, "", r#"{"access_token":"a","expires_in":3600}"#),
        _ => answer(400, "", r#"{"error":"invalid_client"}"#),
    })
    .await;
    let mut app = app();
    let error = rig
        .shopify
        .refresh(&rig.client, &app, &tokens(), NOW)
        .await
        .unwrap_err();
    assert!(permanent(&error, "invalid_client"));
    app.previous_client_secret = Some("old".into());
    rig.shopify
        .refresh(&rig.client, &app, &tokens(), NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn whose_shop_it_is() {
    let rig = Rig::raw(|seen| {
        assert_eq!(seen.target, "/admin/api/2026-10/graphql.json");
        data(json!({"shop": {"myshopifyDomain": "Some-Shop.myshopify.com", "name": "Some Shop", "currencyCode": "JPY", "ianaTimezone": "Asia/Tokyo"}}))
    })
    .await;
    let account = rig.shopify.account(&rig.context()).await.unwrap();
    assert_eq!(account.tenant_id, SHOP);
    assert_eq!(
        (account.currency.as_deref(), account.time_zone.as_deref()),
        (Some("JPY"), Some("Asia/Tokyo"))
    );
    let foreign = Rig::new(|_| data(json!({"shop": {"myshopifyDomain": "evil.example"}}))).await;
    assert!(foreign.shopify.account(&foreign.context()).await.is_err());
}

#[tokio::test]
async fn to_disconnect_removes_the_app_with_a_fresh_token_if_need_be() {
    let rig = Rig::raw(|seen| {
        if seen.target.ends_with("access_token") {
            return answer(200, "", r#"{"access_token":"fresh","expires_in":3600,"refresh_token":"r"}"#);
        }
        match seen.header("x-shopify-access-token") {
            Some("fresh") => data(json!({"written": {"app": {"id": "gid://shopify/App/1"}, "userErrors": []}})),
            _ => answer(401, "", r#"{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}"#),
        }
    })
    .await;
    rig.shopify
        .revoke(&rig.client, &app(), &tokens())
        .await
        .unwrap();
    assert_eq!(rig.server.seen().len(), 3);
    let removed = Rig::raw(|seen| match seen.target.ends_with("access_token") {
        true => answer(400, "", r#"{"error":"invalid_grant"}"#),
        false => answer(401, "", "{}"),
    })
    .await;
    removed
        .shopify
        .revoke(&removed.client, &app(), &tokens())
        .await
        .unwrap();
    let down = Rig::raw(|_| answer(503, "", "")).await;
    assert!(
        down.shopify
            .revoke(&down.client, &app(), &tokens())
            .await
            .unwrap_err()
            .is_retryable()
    );
}
