use sandbox::slack::{error_after, error_before};
use sandbox::{Effect, Fault};
use serde_json::json;

use crate::harness::{http, options, started};

const POST: &str = "/api/chat.postMessage";

#[tokio::test]
async fn an_inner_error_may_have_posted() {
    let (slack, client) = started(options()).await;
    let say = json!({"channel": "deals", "text": "x"});
    slack.fail(Fault::next(POST, 1, error_after("internal_error")));
    assert_eq!(
        client.refused("chat.postMessage", say.clone()).await,
        "internal_error"
    );
    assert_eq!(slack.messages("deals").len(), 1);
    slack.fail(Fault::next(POST, 1, error_before("internal_error")));
    assert_eq!(
        client.refused("chat.postMessage", say.clone()).await,
        "internal_error"
    );
    assert_eq!(slack.messages("deals").len(), 1);
    slack.fail(Fault::next(POST, 1, Effect::StatusAfter { status: 503 }));
    let (status, body) = client.send("chat.postMessage", say.clone()).await;
    assert_eq!(
        (status, &body["error"]),
        (503, &json!("service_unavailable"))
    );
    assert_eq!(slack.messages("deals").len(), 2);
    client.ok("chat.postMessage", say).await;
}

#[tokio::test]
async fn a_connection_can_end_before_and_after() {
    let (slack, client) = started(options()).await;
    let url = slack.url().join(POST).unwrap();
    for (effect, kept) in [(Effect::Close {}, 0), (Effect::CloseAfter {}, 1)] {
        slack.fail(Fault::next(POST, 1, effect));
        let body = json!({"channel": "deals", "text": "x"});
        let answer = http()
            .post(url.clone())
            .bearer_auth(&client.token)
            .json(&body)
            .send()
            .await;
        assert!(answer.is_err());
        assert_eq!(slack.messages("deals").len(), kept);
    }
}

#[tokio::test]
async fn answers_can_be_late_cut_wrong_or_no_answers() {
    let (slack, client) = started(options()).await;
    let list = "/api/conversations.list";
    slack.fail(Fault::next(list, 1, Effect::Html { status: 502 }));
    assert_eq!(
        client.send("conversations.list", json!({})).await,
        (502, json!(null))
    );
    slack.fail(Fault::next(list, 1, Effect::Truncate {}));
    assert_eq!(
        client.send("conversations.list", json!({})).await,
        (200, json!(null))
    );
    slack.fail(Fault::next(list, 1, Effect::WrongTypes {}));
    let page = client.call("conversations.list", json!({})).await;
    assert_eq!(page["channels"][0]["id"], 17);
    slack.fail(Fault::next(list, 1, Effect::NoPaging {}));
    let page = client.call("conversations.list", json!({"limit": 1})).await;
    assert!(page.get("response_metadata").is_none());
    slack.fail(Fault::next(list, 1, Effect::Expired {}));
    assert_eq!(
        client.refused("conversations.list", json!({})).await,
        "token_expired"
    );
    slack.fail(Fault::next(
        list,
        1,
        Effect::RateLimited {
            policy: "7".to_owned(),
        },
    ));
    let url = slack.url().join(list).unwrap();
    let answer = http()
        .get(url)
        .bearer_auth(&client.token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    client.ok("conversations.list", json!({})).await;
}
