use std::time::Duration;

use sandbox::{Slack, SlackLimits, SlackOptions};
use serde_json::{Value, json};

use crate::harness::{
    CLIENT, Client, REDIRECT, SCOPES, SECRET, access, consent, http, of, options, redeem, started,
};

fn rotating() -> SlackOptions {
    SlackOptions {
        limits: SlackLimits {
            rotate_tokens: true,
            ..SlackLimits::none()
        },
        ..options()
    }
}

#[tokio::test]
async fn a_code_is_redeemed_once_for_the_published_answer() {
    let slack = Slack::start(options()).await.unwrap();
    let query = consent(&slack.url(), SCOPES, &[]).await;
    assert_eq!(of(&query, "state"), Some("s-1"));
    let form = [
        ("code", of(&query, "code").unwrap()),
        ("redirect_uri", REDIRECT),
    ];
    let body = access(&slack.url(), &form).await;
    assert_eq!(body["ok"], true);
    assert!(body["access_token"].as_str().unwrap().starts_with("xoxb-"));
    assert_eq!(body["token_type"], "bot");
    assert_eq!(body["team"]["id"], slack.tenant());
    assert_eq!(body["enterprise"], Value::Null);
    assert_eq!(body["is_enterprise_install"], false);
    assert!(body.get("refresh_token").is_none() && body.get("expires_in").is_none());
    assert!(
        body["scope"]
            .as_str()
            .unwrap()
            .contains("chat:write,chat:write.public")
    );
    assert_eq!(
        access(&slack.url(), &form).await,
        json!({"ok": false, "error": "invalid_code"})
    );
    slack.stop().await.unwrap();
}

#[tokio::test]
async fn the_token_endpoint_refuses_with_status_200() {
    let slack = Slack::start(options()).await.unwrap();
    let base = slack.url();
    let query = consent(&base, SCOPES, &[]).await;
    let code = of(&query, "code").unwrap();
    for (form, error) in [
        (vec![("code", "x")], "invalid_code"),
        (vec![("code", code)], "bad_redirect_uri"),
        (
            vec![("code", code), ("redirect_uri", "http://127.0.0.1:9/else")],
            "bad_redirect_uri",
        ),
        (
            vec![
                ("code", code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", "v"),
            ],
            "pkce_not_allowed",
        ),
        (vec![("grant_type", "password")], "invalid_grant_type"),
        (
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", "xoxe-1-x"),
            ],
            "invalid_refresh_token",
        ),
    ] {
        assert_eq!(access(&base, &form).await["error"], error);
    }
    let url = base.join("/api/oauth.v2.access").unwrap();
    for (client, secret, error) in [
        ("other", SECRET, "invalid_client_id"),
        (CLIENT, "x", "bad_client_secret"),
    ] {
        let form = [
            ("client_id", client),
            ("client_secret", secret),
            ("code", code),
        ];
        let answer = http().post(url.clone()).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], error);
    }
    // None of that has spent the code; credentials in the form are as good as in the header.
    let form = [
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("code", code),
        ("redirect_uri", REDIRECT),
    ];
    let answer = http().post(url).form(&form).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["ok"], true);
}

#[tokio::test]
async fn a_code_grows_old() {
    let slack = Slack::start(options()).await.unwrap();
    let query = consent(&slack.url(), SCOPES, &[]).await;
    slack.clock().advance(Duration::from_secs(601));
    let form = [
        ("code", of(&query, "code").unwrap()),
        ("redirect_uri", REDIRECT),
    ];
    assert_eq!(access(&slack.url(), &form).await["error"], "invalid_code");
}

#[tokio::test]
async fn consent_refuses_what_is_not_registered() {
    let slack = Slack::start(options()).await.unwrap();
    let wrong_redirect = format!("{REDIRECT}/");
    for (client, redirect, scope) in [
        ("other", REDIRECT, "chat:write"),
        (CLIENT, wrong_redirect.as_str(), "chat:write"),
        (CLIENT, REDIRECT, "chat:write,made:up"),
        (CLIENT, REDIRECT, ""),
    ] {
        let mut url = slack.url().join("/oauth/v2/authorize").unwrap();
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
async fn a_person_can_say_no() {
    let slack = Slack::start(options()).await.unwrap();
    slack.faults(|faults| faults.withhold_scopes = vec!["chat:write".to_owned()]);
    let query = consent(&slack.url(), "chat:write", &[]).await;
    assert_eq!(of(&query, "error"), Some("access_denied"));
    assert_eq!(of(&query, "code"), None);
}

#[tokio::test]
async fn installing_again_adds_scopes_to_the_same_token() {
    let (slack, first) = {
        let slack = Slack::start(options()).await.unwrap();
        let client = Client::connect(slack.url(), "chat:write").await;
        (slack, client)
    };
    assert_eq!(
        first.refused("conversations.list", json!({})).await,
        "missing_scope"
    );
    let again = redeem(&slack.url(), "channels:read").await;
    assert_eq!(again["access_token"], first.token.as_str());
    assert_eq!(again["scope"], "channels:read,chat:write");
    first.ok("conversations.list", json!({})).await;
}

#[tokio::test]
async fn rotation_gives_a_new_pair_and_takes_the_old_one_once() {
    let (slack, client) = started(rotating()).await;
    assert!(client.token.starts_with("xoxe.xoxb-1-"));
    let refresh = client.refresh.clone().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    let rotated = access(&slack.url(), &form).await;
    assert_eq!(rotated["expires_in"], 43_200);
    assert_ne!(rotated["refresh_token"], refresh.as_str());
    assert_eq!(
        access(&slack.url(), &form).await["error"],
        "invalid_refresh_token"
    );
    // The token before stays valid until its time, but not a third one.
    client.ok("auth.test", json!({})).await;
    let next = rotated["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", next)];
    let third = access(&slack.url(), &form).await;
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "token_expired"
    );
    let client = Client {
        token: third["access_token"].as_str().unwrap().to_owned(),
        ..client
    };
    client.ok("auth.test", json!({})).await;
    slack.clock().advance(Duration::from_secs(43_201));
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "token_expired"
    );
}

#[tokio::test]
async fn each_way_a_token_ends_has_its_own_word() {
    let (slack, client) = started(options()).await;
    let nobody = Client {
        token: String::new(),
        base: slack.url(),
        refresh: None,
    };
    assert_eq!(nobody.refused("auth.test", json!({})).await, "not_authed");
    let unknown = Client {
        token: "xoxb-x".to_owned(),
        ..nobody
    };
    assert_eq!(
        unknown.refused("auth.test", json!({})).await,
        "invalid_auth"
    );
    slack.uninstall().unwrap();
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "account_inactive"
    );
    let client = Client::connect(slack.url(), SCOPES).await;
    assert_eq!(
        client.ok("auth.revoke", json!({"test": true})).await["revoked"],
        false
    );
    assert_eq!(client.ok("auth.revoke", json!({})).await["revoked"], true);
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "token_revoked"
    );
    let client = Client::connect(slack.url(), SCOPES).await;
    slack.expire_tokens().unwrap();
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "token_expired"
    );
}

#[tokio::test]
async fn an_app_removes_itself_with_its_own_credentials() {
    let (_slack, client) = started(options()).await;
    let wrong = json!({"client_id": CLIENT, "client_secret": "x"});
    // A Basic header is not sent here, so the arguments count.
    assert_eq!(
        client.refused("apps.uninstall", wrong).await,
        "bad_client_secret"
    );
    client
        .ok(
            "apps.uninstall",
            json!({"client_id": CLIENT, "client_secret": SECRET}),
        )
        .await;
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "account_inactive"
    );
}
