//! The published answers: every field they name is in ours, with a value of the same kind, except what the sandbox says it leaves out.

use sandbox::{Slack, SlackLimits, SlackOptions};
use serde_json::{Value, json};

use crate::harness::{Client, Receiver, SCOPES, options, redeem, shared, started};

fn samples() -> Option<Value> {
    let text = std::fs::read_to_string(shared("vendors/slack-samples.json")?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Fields of the sample that ours lacks or has with another kind.
fn missing(sample: &Value, ours: &Value, path: &str, left_out: &[&str], into: &mut Vec<String>) {
    if left_out.contains(&path) {
        return;
    }
    if kind(sample) != kind(ours) {
        into.push(format!("{path}: {} is {}", kind(sample), kind(ours)));
        return;
    }
    if let (Value::Object(sample), Value::Object(ours)) = (sample, ours) {
        for (key, value) in sample {
            let path = format!("{path}/{key}");
            match ours.get(key) {
                Some(found) => missing(value, found, &path, left_out, into),
                None if left_out.contains(&path.as_str()) => {}
                None => into.push(format!("{path}: not there")),
            }
        }
    }
}

fn assert_covers(sample: &Value, ours: &Value, left_out: &[&str]) {
    let mut problems = Vec::new();
    missing(sample, ours, "", left_out, &mut problems);
    assert!(problems.is_empty(), "{problems:#?}\n{ours:#}");
}

/// Enterprises and user tokens are left out.
const NOT_HERE: [&str; 5] = [
    "/enterprise",
    "/authed_user/scope",
    "/authed_user/access_token",
    "/authed_user/token_type",
    "/authed_user/expires_in",
];

#[tokio::test]
async fn tokens_are_answered_as_published() {
    let Some(samples) = samples() else { return };
    let examples = &samples["oauth_v2_access"]["examples"];
    let slack = Slack::start(options()).await.unwrap();
    assert_covers(&examples[0], &redeem(&slack.url(), SCOPES).await, &NOT_HERE);
    let rotating = SlackOptions {
        limits: SlackLimits {
            rotate_tokens: true,
            ..SlackLimits::none()
        },
        ..options()
    };
    let slack = Slack::start(rotating).await.unwrap();
    let mut left_out = NOT_HERE.to_vec();
    left_out.push("/authed_user/refresh_token");
    assert_covers(&examples[1], &redeem(&slack.url(), SCOPES).await, &left_out);
}

#[tokio::test]
async fn messages_are_answered_as_published() {
    let Some(samples) = samples() else { return };
    let (_slack, client) = started(options()).await;
    let attachment = json!({"text": "This is an attachment", "id": 1, "fallback": "This is an attachment's fallback"});
    let body = json!({"channel": "deals", "text": "Here's a message for you", "attachments": [attachment]});
    let posted = client.ok("chat.postMessage", body).await;
    let sample = &samples["chat_postMessage"]["examples"][0];
    // A name of its own, and the subtype that comes with it, need a scope the consent did not ask for.
    assert_covers(sample, &posted, &["/message/username", "/message/subtype"]);
}

#[tokio::test]
async fn events_are_told_as_published() {
    let Some(samples) = samples() else { return };
    let receiver = Receiver::start();
    let slack = Slack::start(SlackOptions {
        webhook_target: Some(receiver.url.clone()),
        events: ["message", "app_uninstalled", "tokens_revoked"]
            .map(str::to_owned)
            .to_vec(),
        ..options()
    })
    .await
    .unwrap();
    Client::connect(slack.url(), SCOPES).await;
    slack.invite_app("deals", true).unwrap();
    slack
        .say("deals", "ada", "How many cats did we herd yesterday?")
        .unwrap();
    slack.webhooks_idle().await;
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    assert_covers(
        &samples["url_verification"]["json"],
        &receiver.arrived()[0].json(),
        &[],
    );
    let events: Vec<Value> = receiver.events().iter().map(|event| event.json()).collect();
    assert_covers(&samples["event_callback"]["json"], &events[0], &[]);
    for kind in ["app_uninstalled", "tokens_revoked"] {
        let told = events
            .iter()
            .find(|event| event["event"]["type"] == kind)
            .unwrap();
        assert_covers(&samples[kind]["event"], &told["event"], &[]);
    }
}

#[test]
fn every_error_the_sandbox_makes_is_published() {
    let Some(samples) = samples() else { return };
    let published = |of: &str| -> Vec<String> {
        samples[of]["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_str().unwrap().to_owned())
            .collect()
    };
    let oauth = published("oauth_v2_access");
    for error in [
        "invalid_code",
        "bad_redirect_uri",
        "invalid_client_id",
        "bad_client_secret",
        "pkce_not_allowed",
        "invalid_grant_type",
        "invalid_refresh_token",
    ] {
        assert!(oauth.iter().any(|known| known == error), "{error}");
    }
    let post = published("chat_postMessage");
    for error in [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "no_text",
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_blocks_too_long",
        "too_many_attachments",
        "invalid_metadata_format",
        "metadata_too_large",
        "ratelimited",
        "missing_scope",
        "not_authed",
        "token_expired",
        "token_revoked",
        "account_inactive",
        "unknown_method",
        "fatal_error",
        "service_unavailable",
    ] {
        assert!(post.iter().any(|known| known == error), "{error}");
    }
}
