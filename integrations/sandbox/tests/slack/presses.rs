use std::time::Duration;

use sandbox::{Slack, SlackOptions};
use serde_json::{Value, json};

use crate::harness::{Client, Receiver, SCOPES, http, options};

async fn asked(receiver: &Receiver) -> (Slack, String) {
    let options = SlackOptions {
        webhook_target: Some(receiver.url.clone()),
        ..options()
    };
    let slack = Slack::start(options).await.unwrap();
    let client = Client::connect(slack.url(), SCOPES).await;
    let button = json!({"type": "button", "action_id": "confirm", "value": "deal_1", "style": "primary",
        "text": {"type": "plain_text", "text": "Confirm"}});
    let blocks = json!([
        {"type": "section", "text": {"type": "mrkdwn", "text": "Won?", "verbatim": true}},
        {"type": "actions", "block_id": "ask", "elements": [button]},
    ]);
    let metadata = json!({"event_type": "ask", "event_payload": {"reference": "r-1"}});
    let body = json!({"channel": "deals", "text": "Won?", "blocks": blocks, "metadata": metadata});
    let posted = client.ok("chat.postMessage", body).await;
    (slack, posted["ts"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_press_arrives_as_a_signed_form() {
    let receiver = Receiver::start();
    let (slack, ts) = asked(&receiver).await;
    let pressed = slack.press("deals", &ts, "confirm", "ada").await.unwrap();
    assert_eq!(pressed.status, Some(200));
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 1);
    assert!(arrived[0].is_signed());
    assert_eq!(
        arrived[0].header("content-type"),
        "application/x-www-form-urlencoded"
    );
    let payload = arrived[0].payload();
    assert_eq!(payload["type"], "block_actions");
    assert_eq!(payload["team"]["id"], slack.tenant());
    assert_eq!(payload["user"]["id"], slack.people()[0].id.as_str());
    assert_eq!(payload["channel"]["id"], slack.channel_id("deals").unwrap());
    assert_eq!(payload["container"]["message_ts"], ts.as_str());
    assert_eq!(
        payload["message"]["metadata"]["event_payload"]["reference"],
        "r-1"
    );
    let action = &payload["actions"][0];
    assert_eq!(
        (&action["action_id"], &action["value"], &action["block_id"]),
        (&json!("confirm"), &json!("deal_1"), &json!("ask"))
    );
    assert!(action["action_ts"].is_string());
}

#[tokio::test]
async fn a_press_is_sent_once_and_only_for_buttons_that_are_there() {
    let receiver = Receiver::start();
    let (slack, ts) = asked(&receiver).await;
    receiver.reply(&[(500, None)]);
    assert_eq!(
        slack
            .press("deals", &ts, "confirm", "bo")
            .await
            .unwrap()
            .status,
        Some(500)
    );
    assert_eq!(receiver.arrived().len(), 1);
    for (channel, ts, action, user, error) in [
        (
            "nowhere",
            ts.as_str(),
            "confirm",
            "ada",
            "channel_not_found",
        ),
        ("deals", "1.000000", "confirm", "ada", "message_not_found"),
        ("deals", ts.as_str(), "dispute", "ada", "action_not_found"),
        ("deals", ts.as_str(), "confirm", "nobody", "user_not_found"),
    ] {
        assert_eq!(
            slack.press(channel, ts, action, user).await.unwrap_err().0,
            error
        );
    }
    drop(receiver);
    slack.set_webhook_target(None).unwrap();
    assert_eq!(
        slack
            .press("deals", &ts, "confirm", "ada")
            .await
            .unwrap_err()
            .0,
        "no_interactivity_address"
    );
}

#[tokio::test]
async fn the_app_may_answer_five_times_within_half_an_hour() {
    let receiver = Receiver::start();
    let (slack, ts) = asked(&receiver).await;
    let url = slack
        .press("deals", &ts, "confirm", "ada")
        .await
        .unwrap()
        .response_url;
    let answer = async |url: &str, body: Value| {
        let answer = http().post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(answer(&url, json!({})).await.0, 400);
    let replaced = json!({"replace_original": true, "text": "Confirmed by <x>"});
    assert_eq!(answer(&url, replaced).await, (200, "ok".to_owned()));
    let kept = slack.messages("deals");
    assert_eq!(
        (kept.len(), kept[0].text.as_str(), &kept[0].blocks),
        (1, "Confirmed by &lt;x&gt;", &None)
    );
    answer(&url, json!({"text": "for you only"})).await;
    assert_eq!(
        slack.messages("deals")[1].only_for,
        Some(slack.people()[0].id.clone())
    );
    answer(
        &url,
        json!({"text": "for all", "response_type": "in_channel"}),
    )
    .await;
    assert_eq!(slack.messages("deals")[2].only_for, None);
    answer(&url, json!({"text": "4"})).await;
    assert_eq!(answer(&url, json!({"delete_original": true})).await.0, 200);
    assert!(
        slack
            .messages("deals")
            .iter()
            .all(|message| message.ts != ts)
    );
    let used = answer(&url, json!({"text": "6"})).await;
    assert_eq!((used.0, used.1.contains("used_url")), (404, true));
    let (slack, ts) = asked(&receiver).await;
    let url = slack
        .press("deals", &ts, "confirm", "ada")
        .await
        .unwrap()
        .response_url;
    slack.clock().advance(Duration::from_secs(1801));
    assert!(
        answer(&url, json!({"text": "x"}))
            .await
            .1
            .contains("expired_url")
    );
}
