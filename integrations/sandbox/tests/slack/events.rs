use std::collections::BTreeSet;

use sandbox::{Slack, SlackOptions};
use serde_json::json;

use crate::harness::{Client, Receiver, SCOPES, options};

async fn heard(receiver: &Receiver, events: &[&str]) -> (Slack, Client) {
    let options = SlackOptions {
        webhook_target: Some(receiver.url.clone()),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        ..options()
    };
    let slack = Slack::start(options).await.unwrap();
    let client = Client::connect(slack.url(), SCOPES).await;
    (slack, client)
}

const USUAL: [&str; 2] = ["app_uninstalled", "tokens_revoked"];

#[tokio::test]
async fn the_address_is_asked_to_repeat_a_challenge_before_its_first_event() {
    let receiver = Receiver::start();
    let (slack, _client) = heard(&receiver, &USUAL).await;
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    let arrived = receiver.arrived();
    assert!(arrived.iter().all(crate::harness::Arrived::is_signed));
    let first = arrived[0].json();
    assert_eq!(first["type"], "url_verification");
    assert!(first["challenge"].is_string() && first["token"].is_string());
    let events = receiver.events();
    assert_eq!((events.len(), slack.webhook_counts().delivered), (2, 2));
    let kinds: BTreeSet<String> = events
        .iter()
        .map(|event| event.json()["event"]["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, BTreeSet::from(USUAL.map(str::to_owned)));
    assert!(slack.verify_target().await);
}

#[tokio::test]
async fn an_address_that_does_not_repeat_the_challenge_hears_nothing() {
    let receiver = Receiver::start();
    receiver.mistake_challenges();
    let (slack, _client) = heard(&receiver, &USUAL).await;
    assert!(!slack.verify_target().await);
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    assert!(receiver.events().is_empty());
    assert_eq!(slack.webhook_counts().given_up, 2);
}

#[tokio::test]
async fn an_event_has_the_published_envelope_and_keeps_its_id() {
    let receiver = Receiver::start();
    let (slack, client) = heard(&receiver, &["tokens_revoked"]).await;
    receiver.reply(&[(500, None), (302, None), (503, None)]);
    client.ok("auth.revoke", json!({})).await;
    slack.webhooks_idle().await;
    let events = receiver.events();
    assert_eq!(events.len(), 4);
    let body = events[0].json();
    assert_eq!(body["type"], "event_callback");
    assert_eq!(body["team_id"], slack.tenant());
    assert!(body["event_id"].as_str().unwrap().starts_with("Ev"));
    assert!(body["event_time"].is_i64() && body["api_app_id"].is_string());
    assert_eq!(body["authorizations"][0]["team_id"], slack.tenant());
    // The lists hold ids of users, not tokens.
    assert!(
        body["event"]["tokens"]["bot"][0]
            .as_str()
            .unwrap()
            .starts_with('U')
    );
    let retries: Vec<(&str, &str)> = events
        .iter()
        .map(|e| {
            (
                e.header("x-slack-retry-num"),
                e.header("x-slack-retry-reason"),
            )
        })
        .collect();
    assert_eq!(
        retries,
        [
            ("", ""),
            ("1", "http_error"),
            ("2", "too_many_redirects"),
            ("3", "http_error")
        ]
    );
    let ids: BTreeSet<String> = events
        .iter()
        .map(|e| e.json()["event_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(slack.webhook_counts().delivered, 1);
}

#[tokio::test]
async fn three_retries_and_no_more_or_none_when_they_are_not_wanted() {
    let receiver = Receiver::start();
    let (slack, client) = heard(&receiver, &["tokens_revoked"]).await;
    receiver.reply(&[(500, None); 9]);
    client.ok("auth.revoke", json!({})).await;
    slack.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 4);
    assert_eq!(slack.webhook_counts().given_up, 1);
    let receiver = Receiver::start();
    let (slack, client) = heard(&receiver, &["tokens_revoked"]).await;
    receiver.reply(&[(500, Some(("x-slack-no-retry", "1")))]);
    client.ok("auth.revoke", json!({})).await;
    slack.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 1);
}

#[tokio::test]
async fn events_can_be_lost_doubled_turned_round_or_badly_signed() {
    let receiver = Receiver::start();
    let (slack, _client) = heard(&receiver, &USUAL).await;
    assert!(slack.verify_target().await);
    slack.faults(|faults| faults.webhooks.drop = true);
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    assert!(receiver.events().is_empty());
    slack.faults(|faults| {
        faults.webhooks.drop = false;
        faults.webhooks.duplicate = true;
        faults.webhooks.wrong_signature = true;
        faults.webhooks.time_shift_ms = -600_000;
    });
    Client::connect(slack.url(), SCOPES).await;
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    let events = receiver.events();
    let ids: BTreeSet<String> = events
        .iter()
        .map(|e| e.json()["event_id"].to_string())
        .collect();
    assert_eq!((events.len(), ids.len()), (4, 2));
    assert!(events.iter().all(|event| !event.is_signed()));
    let stamp: i64 = events[0]
        .header("x-slack-request-timestamp")
        .parse()
        .unwrap();
    assert!(stamp * 1000 < slack.clock().now_ms() - 590_000);
    // Removed is removed: a second removal has nothing to tell.
    slack.uninstall().unwrap();
    slack.webhooks_idle().await;
    assert_eq!(receiver.events().len(), 4);
}

#[tokio::test]
async fn what_people_do_is_told_to_those_who_asked() {
    let receiver = Receiver::start();
    let kinds = [
        "message",
        "channel_archive",
        "channel_rename",
        "channel_deleted",
    ];
    let (slack, _client) = heard(&receiver, &kinds).await;
    slack
        .say("deals", "ada", "not heard: the app is not in the channel")
        .unwrap();
    slack.invite_app("deals", true).unwrap();
    slack.say("deals", "ada", "hello").unwrap();
    slack.rename_channel("deals", "won-deals").unwrap();
    slack.archive_channel("won-deals", true).unwrap();
    slack.archive_channel("won-deals", false).unwrap();
    slack.delete_channel("won-deals").unwrap();
    slack.webhooks_idle().await;
    let heard: BTreeSet<String> = receiver
        .events()
        .iter()
        .map(|event| event.json()["event"]["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(heard, BTreeSet::from(kinds.map(str::to_owned)));
    assert_eq!(receiver.events().len(), 4);
    assert!(slack.rename_channel("random", "Not A Name").is_err());
    assert_eq!(
        slack.create_channel("random", false).unwrap_err().0,
        "name_taken"
    );
}
