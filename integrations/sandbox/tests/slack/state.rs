use sandbox::{SandboxError, Slack, SlackOptions};
use serde_json::json;

use crate::harness::{Client, Receiver, SCOPES, options};

#[tokio::test]
async fn a_team_is_continued_from_its_folder() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let kept = || SlackOptions {
        state: Some(home.path().to_owned()),
        ..options()
    };
    let slack = Slack::start(SlackOptions {
        webhook_target: Some(receiver.url.clone()),
        ..kept()
    })
    .await
    .unwrap();
    let client = Client::connect(slack.url(), SCOPES).await;
    let ts = client.post("deals", "before").await;
    let (url, tenant, deals) = (slack.url(), slack.tenant(), slack.channel_id("deals"));
    assert!(slack.verify_target().await);
    assert!(matches!(
        Slack::start(kept()).await,
        Err(SandboxError::Busy { .. })
    ));
    slack.stop().await.unwrap();

    let slack = Slack::start(SlackOptions { seed: 8, ..kept() })
        .await
        .unwrap();
    assert_eq!(
        (slack.url(), slack.tenant(), slack.channel_id("deals")),
        (url, tenant, deals)
    );
    client.ok("auth.test", json!({})).await;
    assert_eq!(slack.messages("deals")[0].ts, ts);
    assert!(client.post("deals", "after").await > ts);
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    let challenges = receiver.arrived().len() - receiver.events().len();
    assert_eq!((challenges, receiver.events().len()), (1, 2));
    slack.stop().await.unwrap();

    let other = SlackOptions {
        more_channels: 3,
        ..kept()
    };
    assert!(matches!(
        Slack::start(other).await,
        Err(SandboxError::OtherSource { .. })
    ));
    let mut other = kept();
    other.app.client_id = "another".to_owned();
    assert!(matches!(
        Slack::start(other).await,
        Err(SandboxError::OtherApp { .. })
    ));
}

#[tokio::test]
async fn tokens_are_on_disk_before_they_are_answered() {
    let home = tempfile::tempdir().unwrap();
    let options = SlackOptions {
        state: Some(home.path().to_owned()),
        ..options()
    };
    let slack = Slack::start(options).await.unwrap();
    let client = Client::connect(slack.url(), SCOPES).await;
    let book = std::fs::read_to_string(home.path().join("tokens.json")).unwrap();
    assert!(book.contains(&client.token));
    slack.stop().await.unwrap();
}

#[tokio::test]
async fn addresses_beyond_loopback_are_refused() {
    let far = || Some("https://hooks.example.com/x".parse().unwrap());
    let start = Slack::start(SlackOptions {
        webhook_target: far(),
        ..options()
    })
    .await;
    assert!(matches!(
        start,
        Err(SandboxError::Option {
            name: "webhook_target",
            ..
        })
    ));
    let open = SlackOptions {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..options()
    };
    assert!(matches!(
        Slack::start(open).await,
        Err(SandboxError::Option { name: "listen", .. })
    ));
    let unsigned = SlackOptions {
        signing_secret: String::new(),
        ..options()
    };
    assert!(matches!(
        Slack::start(unsigned).await,
        Err(SandboxError::Option {
            name: "signing_secret",
            ..
        })
    ));
    let slack = Slack::start(options()).await.unwrap();
    assert!(slack.set_webhook_target(far()).is_err());
    assert!(!format!("{slack:?}").contains("8f742231b10e8888abcd99yyyzzz85a5"));
}
