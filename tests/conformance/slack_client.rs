//! Slack's own client, pointed at the sandbox, works: the sandbox is a double of Slack and not of our connector.

use crate::node;
use sandbox::{App, Faults, Slack, SlackLimits, SlackOptions};
use serde_json::Value;
use std::path::Path;
use tests::{CLIENT_ID, CLIENT_SECRET};
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:9/callback";
const SCOPES: &str = "chat:write,chat:write.public,channels:read,channels:join,channels:history,team:read,users:read";

/// Consents and answers the code that comes back.
async fn code(http: &reqwest::Client, base: &Url) -> String {
    let query = [
        ("client_id", CLIENT_ID),
        ("redirect_uri", REDIRECT),
        ("scope", SCOPES),
        ("state", "s"),
    ];
    let answer = http
        .get(base.join("/oauth/v2/authorize").unwrap())
        .query(&query)
        .send()
        .await
        .unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
    code.into_owned()
}

#[tokio::test]
async fn slacks_own_client_works_with_the_sandbox() {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../integrations/sandbox/tests/slack_client");
    let Some(folder) =
        node::installed(&source, &["package.json", "package-lock.json", "check.mjs"]).await
    else {
        return;
    };
    let slack = Slack::start(SlackOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        more_channels: 20,
        app: App {
            app_id: 1_160_452,
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            redirect_uris: vec![REDIRECT.to_owned()],
        },
        signing_secret: "8f742231b10e8888abcd99yyyzzz85a5".to_owned(),
        webhook_target: None,
        events: SlackOptions::usual_events(),
        limits: SlackLimits {
            rotate_tokens: true,
            ..SlackLimits::none()
        },
        faults: Faults::default(),
        seed: 7,
    })
    .await
    .unwrap();
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let base = slack.url();
    let first = code(&http, &base).await;
    let form = [("code", first.as_str()), ("redirect_uri", REDIRECT)];
    let answer: Value = http
        .post(base.join("/api/oauth.v2.access").unwrap())
        .basic_auth(CLIENT_ID, Some(CLIENT_SECRET))
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = answer["access_token"].as_str().unwrap();
    let second = code(&http, &base).await;
    let variables = [
        ("SLACK_URL", base.as_str().trim_end_matches('/')),
        ("SLACK_TOKEN", token),
        ("SLACK_CODE", second.as_str()),
        ("SLACK_REDIRECT", REDIRECT),
        ("SLACK_CLIENT_ID", CLIENT_ID),
        ("SLACK_CLIENT_SECRET", CLIENT_SECRET),
    ];
    println!("{}", node::run(&folder, "check.mjs", &variables).await);
    assert_eq!(slack.pings(), []);
    slack.stop().await.unwrap();
}
