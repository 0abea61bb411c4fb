use sandbox::slack::Author;
use serde_json::{Value, json};

use crate::harness::{Client, http, options, started};

#[tokio::test]
async fn a_message_is_posted_edited_and_taken_back() {
    let (slack, client) = started(options()).await;
    let deals = slack.channel_id("#deals").unwrap();
    let posted = client
        .ok(
            "chat.postMessage",
            json!({"channel": deals, "text": "A & B <c>"}),
        )
        .await;
    assert_eq!(posted["channel"], deals.as_str());
    assert_eq!(posted["message"]["text"], "A &amp; B &lt;c&gt;");
    assert_eq!(posted["message"]["type"], "message");
    let ts = posted["ts"].as_str().unwrap();
    let kept = slack.messages("deals");
    assert_eq!(
        (kept.len(), kept[0].ts.as_str(), &kept[0].author),
        (1, ts, &Author::App)
    );
    let edited = client
        .ok(
            "chat.update",
            json!({"channel": deals, "ts": ts, "text": "done"}),
        )
        .await;
    assert_eq!(
        (&edited["text"], &edited["ts"]),
        (&json!("done"), &json!(ts))
    );
    assert!(slack.messages("deals")[0].edited_ts.is_some());
    client
        .ok("chat.delete", json!({"channel": deals, "ts": ts}))
        .await;
    assert!(slack.messages("deals").is_empty());
    for method in ["chat.update", "chat.delete"] {
        let body = json!({"channel": deals, "ts": ts, "text": "x"});
        assert_eq!(client.refused(method, body).await, "message_not_found");
    }
}

#[tokio::test]
async fn where_the_app_may_write() {
    let (slack, client) = started(options()).await;
    let desk = slack.channel_id("deal-desk").unwrap();
    let say = |channel: &str| json!({"channel": channel, "text": "x"});
    assert_eq!(
        client.refused("chat.postMessage", say("C0NOWHERE")).await,
        "channel_not_found"
    );
    assert_eq!(
        client
            .refused("chat.postMessage", json!({"text": "x"}))
            .await,
        "channel_not_found"
    );
    assert_eq!(
        client.refused("chat.postMessage", say("#old-deals")).await,
        "is_archived"
    );
    assert_eq!(
        client.refused("chat.postMessage", say(&desk)).await,
        "channel_not_found"
    );
    slack.invite_app(&desk, true).unwrap();
    let ts = client.post(&desk, "x").await;
    slack.archive_channel(&desk, true).unwrap();
    // A private channel that was archived is out of sight again.
    let body = json!({"channel": desk, "ts": ts, "text": "y"});
    assert_eq!(
        client.refused("chat.update", body).await,
        "channel_not_found"
    );
    let human = slack.say("deals", "ada", "hello").unwrap();
    let body = json!({"channel": slack.channel_id("deals"), "ts": human.ts, "text": "y"});
    assert_eq!(
        client.refused("chat.update", body.clone()).await,
        "cant_update_message"
    );
    assert_eq!(
        client.refused("chat.delete", body).await,
        "cant_delete_message"
    );
    let ts = client.post("deals", "x").await;
    slack.archive_channel("deals", true).unwrap();
    let body = json!({"channel": slack.channel_id("deals"), "ts": ts, "text": "y"});
    assert_eq!(client.refused("chat.update", body).await, "is_inactive");
    let narrow = Client::connect(slack.url(), "chat:write").await;
    // Scopes add up, so a narrow token needs a team that never granted more.
    assert_eq!(narrow.token, client.token);
    slack.uninstall().unwrap();
    let narrow = Client::connect(slack.url(), "chat:write").await;
    assert_eq!(
        narrow.refused("chat.postMessage", say("random")).await,
        "not_in_channel"
    );
    slack.invite_app("random", true).unwrap();
    narrow.ok("chat.postMessage", say("random")).await;
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_and_not_there() {
    let (slack, client) = started(options()).await;
    let header = |kind: &str| json!([{"type": "header", "text": {"type": kind, "text": "x"}}]);
    for (body, error) in [
        (json!({}), "no_text"),
        (json!({"text": ""}), "no_text"),
        (json!({"text": ["x"]}), "invalid_array_arg"),
        (
            json!({"text": "x", "blocks": "not json"}),
            "invalid_blocks_format",
        ),
        (
            json!({"text": "x", "blocks": {"type": "header"}}),
            "invalid_blocks_format",
        ),
        (
            json!({"text": "x", "blocks": header("mrkdwn")}),
            "invalid_blocks",
        ),
        (
            json!({"text": "x", "blocks": vec![json!({"type": "divider"}); 51]}),
            "invalid_blocks",
        ),
        (
            json!({"text": "x", "attachments": vec![json!({"text": "y"}); 101]}),
            "too_many_attachments",
        ),
        (
            json!({"text": "x", "metadata": {"event_type": "a b", "event_payload": {}}}),
            "invalid_metadata_format",
        ),
        (
            json!({"text": "x", "metadata": {"event_type": "a"}}),
            "invalid_metadata_format",
        ),
        (
            json!({"text": "x", "metadata": {"event_type": "a", "event_payload": {"x": "y".repeat(9000)}}}),
            "metadata_too_large",
        ),
        (
            json!({"text": "x", "username": "somebody"}),
            "missing_scope",
        ),
    ] {
        let mut body = body;
        body["channel"] = json!("deals");
        assert_eq!(client.refused("chat.postMessage", body).await, error);
    }
    assert!(slack.messages("deals").is_empty());
    let body = json!({"channel": "deals", "text": "x", "blocks": header("mrkdwn")});
    let answer = client.call("chat.postMessage", body).await;
    let told = answer["response_metadata"]["messages"][0].as_str().unwrap();
    assert!(told.contains("[json-pointer:/blocks/0/text"), "{told}");
    // Blocks alone will do, also as text in a form.
    let url = slack.url().join("/api/chat.postMessage").unwrap();
    let blocks = header("plain_text").to_string();
    let form = [
        ("channel", "deals"),
        ("blocks", blocks.as_str()),
        ("token", client.token.as_str()),
    ];
    let answer: Value = http()
        .post(url)
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["ok"], true);
    assert_eq!(slack.messages("deals")[0].text, "x");
}

#[tokio::test]
async fn long_text_is_cut_when_posted_and_refused_when_edited() {
    let (slack, client) = started(options()).await;
    let body = json!({"channel": "deals", "text": "é".repeat(40_001)});
    let posted = client.ok("chat.postMessage", body).await;
    assert!(
        posted["warning"]
            .as_str()
            .unwrap()
            .contains("message_truncated")
    );
    assert_eq!(slack.messages("deals")[0].text.chars().count(), 40_000);
    let channel = slack.channel_id("deals");
    let body = json!({"channel": channel, "ts": posted["ts"], "text": "x".repeat(4001)});
    assert_eq!(client.refused("chat.update", body).await, "msg_too_long");
}

#[tokio::test]
async fn what_would_ping_is_kept_as_a_ping() {
    let (slack, client) = started(options()).await;
    let section = |text: Value| json!([{"type": "section", "text": text}]);
    for body in [
        json!({"text": "&lt;!channel&gt; @here"}),
        json!({"text": "x", "blocks": section(json!({"type": "plain_text", "text": "<!channel> @here"}))}),
        json!({"text": "x", "blocks": section(json!({"type": "mrkdwn", "text": "&lt;!here&gt; @channel", "verbatim": true}))}),
    ] {
        let mut body = body;
        body["channel"] = json!("deals");
        client.ok("chat.postMessage", body).await;
    }
    assert_eq!(slack.pings(), []);
    for (body, mention) in [
        (json!({"text": "<!channel>"}), "<!channel>"),
        (json!({"text": "<@U012AB3CD> hi"}), "<@U012AB3CD>"),
        (json!({"text": "@everyone", "parse": "full"}), "<!everyone>"),
        (
            json!({"text": "x", "blocks": section(json!({"type": "mrkdwn", "text": "@channel"}))}),
            "<!channel>",
        ),
        (json!({"attachments": [{"text": "<!here>"}]}), "<!here>"),
    ] {
        let mut body = body;
        body["channel"] = json!("deals");
        client.ok("chat.postMessage", body).await;
        let last = slack.pings().pop().unwrap();
        assert_eq!((last.mention.as_str(), last.by_app), (mention, true));
    }
    let ts = client.post("deals", "x").await;
    let channel = slack.channel_id("deals");
    client
        .ok(
            "chat.update",
            json!({"channel": channel, "ts": ts, "text": "<!here>"}),
        )
        .await;
    assert_eq!(slack.pings().len(), 6);
}

#[tokio::test]
async fn arguments_are_read_as_the_vendor_reads_them() {
    let (slack, client) = started(options()).await;
    let url = slack.url().join("/api/chat.postMessage").unwrap();
    let send = async |kind: Option<&str>, body: &str| -> Value {
        let mut request = http()
            .post(url.clone())
            .bearer_auth(&client.token)
            .body(body.to_owned());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.send().await.unwrap().json().await.unwrap()
    };
    let good = r#"{"channel":"deals","text":"x"}"#;
    assert_eq!(
        send(Some("application/json"), good).await["warning"],
        "missing_charset"
    );
    assert_eq!(
        send(Some("application/json; charset=utf-8"), good)
            .await
            .get("warning"),
        None
    );
    for (kind, body, error) in [
        (Some("application/json"), "{", "invalid_json"),
        (Some("application/json"), "[]", "json_not_object"),
        (
            Some("application/json; charset=koi8-r"),
            good,
            "invalid_charset",
        ),
        (Some("text/plain"), good, "invalid_post_type"),
        (None, good, "missing_post_type"),
    ] {
        assert_eq!(send(kind, body).await["error"], error);
    }
    // A token in a JSON body is no token.
    let body = json!({"token": client.token}).to_string();
    let request = http()
        .post(slack.url().join("/api/auth.test").unwrap())
        .header("content-type", "application/json")
        .body(body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"], "not_authed");
    assert_eq!(
        client.refused("chat.shout", json!({})).await,
        "unknown_method"
    );
}
