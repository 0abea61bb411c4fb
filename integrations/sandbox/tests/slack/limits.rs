use std::time::Duration;

use sandbox::{SlackLimits, SlackOptions};
use serde_json::json;

use crate::harness::{http, options, started};

#[tokio::test]
async fn one_message_a_second_and_channel() {
    let options = SlackOptions {
        limits: SlackLimits::default(),
        ..options()
    };
    let (slack, client) = started(options).await;
    let say = |channel: &str| json!({"channel": channel, "text": "x"});
    client.ok("chat.postMessage", say("deals")).await;
    let (status, body) = client.send("chat.postMessage", say("deals")).await;
    assert_eq!(
        (status, &body),
        (429, &json!({"ok": false, "error": "ratelimited"}))
    );
    // Another channel has its own second.
    client.ok("chat.postMessage", say("partners")).await;
    slack.clock().advance(Duration::from_millis(1000));
    client.ok("chat.postMessage", say("deals")).await;
    assert_eq!(slack.messages("deals").len(), 2);
}

#[tokio::test]
async fn methods_have_tiers_and_say_how_long_to_wait() {
    let options = SlackOptions {
        limits: SlackLimits {
            posts_per_second: None,
            ..SlackLimits::default()
        },
        ..options()
    };
    let (slack, client) = started(options).await;
    for _ in 0..20 {
        client.ok("conversations.list", json!({})).await;
    }
    let url = slack.url().join("/api/conversations.list").unwrap();
    let answer = http()
        .get(url)
        .bearer_auth(&client.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    client.ok("auth.test", json!({})).await;
    slack.clock().advance(Duration::from_secs(wait));
    client.ok("conversations.list", json!({})).await;
    assert_eq!(slack.counts().of("conversations.list"), 22);
}
