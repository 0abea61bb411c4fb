use serde_json::{Value, json};

use crate::harness::{http, options, started};

#[tokio::test]
async fn people_work_through_the_sandboxes_own_door() {
    let (slack, client) = started(options()).await;
    let at = |path: &str| slack.url().join(path).unwrap();
    let get = async |path: &str| -> Value {
        http()
            .get(at(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let send = async |path: &str, body: Value| {
        let answer = http().post(at(path)).json(&body).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap_or_default(),
        )
    };
    let (status, made) = send(
        "/__sandbox/channels",
        json!({"name": "emea", "private": false}),
    )
    .await;
    assert_eq!(status, 201);
    let path = format!(
        "/__sandbox/channels/{}/messages",
        made["id"].as_str().unwrap()
    );
    assert_eq!(
        send(&path, json!({"user": "ada", "text": "hi"})).await.0,
        201
    );
    client.post("emea", "a deal was won").await;
    let messages = get("/__sandbox/channels/emea/messages").await;
    assert_eq!(messages[1]["text"], "a deal was won");
    assert_eq!(
        send("/__sandbox/channels/emea", json!({"archived": true}))
            .await
            .1["archived"],
        true
    );
    assert_eq!(get("/__sandbox/stats").await["records"]["messages"], 2);
    assert_eq!(get("/__sandbox/pings").await, json!([]));
    assert_eq!(get("/__sandbox/users").await[0]["name"], "ada");
    assert_eq!(
        get("/__sandbox/channels/nowhere/messages").await["error"],
        "channel_not_found"
    );
    assert_eq!(
        send("/__sandbox/channels/emea", json!({"archvied": true}))
            .await
            .0,
        400
    );
    let plain = http()
        .post(at("/__sandbox/uninstall"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 415);
    client.ok("auth.test", json!({})).await;
    assert_eq!(send("/__sandbox/uninstall", json!({})).await.0, 204);
    assert_eq!(
        client.refused("auth.test", json!({})).await,
        "account_inactive"
    );
    let now = slack.clock().now_ms();
    send("/__sandbox/clock", json!({"advance_ms": 5000})).await;
    assert!(slack.clock().now_ms() >= now + 5000);
}

#[tokio::test]
async fn the_page_shows_what_was_posted_as_text() {
    let (slack, client) = started(options()).await;
    slack
        .say("deals", "ada", "<script>alert(1)</script>")
        .unwrap();
    let button = json!({"type": "button", "action_id": "a\"b", "text": {"type": "plain_text", "text": "<b>OK</b>"}});
    let blocks = json!([
        {"type": "header", "text": {"type": "plain_text", "text": "A & B"}},
        {"type": "actions", "elements": [button]},
    ]);
    client
        .ok(
            "chat.postMessage",
            json!({"channel": "deals", "text": "x", "blocks": blocks}),
        )
        .await;
    let url = slack.url().join("/__sandbox/").unwrap();
    let answer = http().get(url).send().await.unwrap();
    assert!(
        answer.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let page = answer.text().await.unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("<p>A &amp; B</p>"));
    assert!(page.contains("data-action=\"a&quot;b\">&lt;b&gt;OK&lt;/b&gt;</button>"));
    assert!(!page.contains("alert(1)</script>"));
}
