use sandbox::SlackOptions;
use serde_json::{Value, json};

use crate::harness::{Client, options, started};

async fn walk(client: &Client, limit: usize, extra: Value) -> (Vec<Value>, usize) {
    let (mut all, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let mut body = json!({"limit": limit, "cursor": cursor});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let page = client.ok("conversations.list", body).await;
        all.extend(page["channels"].as_array().unwrap().clone());
        pages += 1;
        cursor = page["response_metadata"]["next_cursor"]
            .as_str()
            .unwrap()
            .to_owned();
        if cursor.is_empty() {
            return (all, pages);
        }
    }
}

#[tokio::test]
async fn channels_are_listed_page_by_page() {
    let options = SlackOptions {
        more_channels: 25,
        ..options()
    };
    let (slack, client) = started(options).await;
    let (all, pages) = walk(&client, 10, json!({})).await;
    assert_eq!((all.len(), pages), (30, 3));
    assert!(all.iter().all(|channel| channel["is_private"] == false));
    let (open, _) = walk(&client, 10, json!({"exclude_archived": true})).await;
    assert_eq!(open.len(), 29);
    // The page that holds only the archived one is empty, and more follows.
    let (_, pages) = walk(&client, 1, json!({"exclude_archived": true})).await;
    assert_eq!(pages, 30);
    let both = json!({"types": "public_channel,private_channel"});
    assert_eq!(walk(&client, 100, both.clone()).await.0.len(), 30);
    slack.invite_app("deal-desk", true).unwrap();
    let (all, _) = walk(&client, 100, both).await;
    let desk = all
        .iter()
        .find(|channel| channel["name"] == "deal-desk")
        .unwrap();
    assert_eq!(
        (&desk["is_member"], &desk["is_private"]),
        (&json!(true), &json!(true))
    );
    for (body, error) in [
        (json!({"cursor": "x"}), "invalid_cursor"),
        (json!({"limit": 0}), "invalid_limit"),
        (json!({"limit": 1001}), "invalid_limit"),
        (json!({"types": "everything"}), "invalid_types"),
        (json!({"types": "im"}), "missing_scope"),
    ] {
        assert_eq!(client.refused("conversations.list", body).await, error);
    }
}

#[tokio::test]
async fn scopes_decide_what_is_listed() {
    let slack = sandbox::Slack::start(options()).await.unwrap();
    let client = Client::connect(slack.url(), "channels:read").await;
    client.ok("conversations.list", json!({})).await;
    let private = json!({"types": "private_channel"});
    let answer = client.call("conversations.list", private).await;
    assert_eq!(answer["error"], "missing_scope");
    assert_eq!(
        (&answer["needed"], &answer["provided"]),
        (&json!("groups:read"), &json!("channels:read"))
    );
    for (method, needed) in [
        ("chat.postMessage", "chat:write"),
        ("team.info", "team:read"),
        ("conversations.join", "channels:join"),
    ] {
        let answer = client
            .call(method, json!({"channel": slack.channel_id("deals")}))
            .await;
        assert_eq!(
            (&answer["error"], &answer["needed"]),
            (&json!("missing_scope"), &json!(needed))
        );
    }
}

#[tokio::test]
async fn history_is_read_newest_first_by_members_only() {
    let (slack, client) = started(options()).await;
    let deals = slack.channel_id("deals").unwrap();
    let mut stamps = Vec::new();
    for n in 0..5 {
        let metadata = json!({"event_type": "deal_won", "event_payload": {"n": n}});
        let body = json!({"channel": deals, "text": format!("m{n}"), "metadata": metadata});
        stamps.push(
            client.ok("chat.postMessage", body).await["ts"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let reply = json!({"channel": deals, "text": "a reply", "thread_ts": stamps[0]});
    client.ok("chat.postMessage", reply).await;
    assert_eq!(
        client
            .refused("conversations.history", json!({"channel": deals}))
            .await,
        "not_in_channel"
    );
    client
        .ok("conversations.join", json!({"channel": deals}))
        .await;
    let again = client
        .ok("conversations.join", json!({"channel": deals}))
        .await;
    assert_eq!(
        again["response_metadata"]["warnings"][0],
        "already_in_channel"
    );
    let page = client
        .ok(
            "conversations.history",
            json!({"channel": deals, "limit": 2}),
        )
        .await;
    assert_eq!(
        (&page["messages"][0]["text"], &page["has_more"]),
        (&json!("m4"), &json!(true))
    );
    assert!(page["messages"][0].get("metadata").is_none());
    let next = page["response_metadata"]["next_cursor"].clone();
    let page = client
        .ok(
            "conversations.history",
            json!({"channel": deals, "limit": 9, "cursor": next, "include_all_metadata": true}),
        )
        .await;
    assert_eq!(
        (
            page["messages"].as_array().unwrap().len(),
            &page["has_more"]
        ),
        (3, &json!(false))
    );
    assert_eq!(page["messages"][2]["metadata"]["event_payload"]["n"], 0);
    let since =
        |inclusive: bool| json!({"channel": deals, "oldest": stamps[3], "inclusive": inclusive});
    for (inclusive, count) in [(false, 1), (true, 2)] {
        let page = client.ok("conversations.history", since(inclusive)).await;
        assert_eq!(page["messages"].as_array().unwrap().len(), count);
    }
    let body = json!({"channel": deals, "oldest": "yesterday"});
    assert_eq!(
        client.refused("conversations.history", body).await,
        "invalid_ts_oldest"
    );
    assert_eq!(
        client
            .refused("conversations.history", json!({"channel": "C0"}))
            .await,
        "channel_not_found"
    );
}

#[tokio::test]
async fn people_are_known_by_id_and_by_address() {
    let (slack, client) = started(options()).await;
    let ada = slack.people().remove(0);
    let found = client
        .ok("users.lookupByEmail", json!({"email": "ADA@team.example"}))
        .await;
    assert_eq!(found["user"]["id"], ada.id.as_str());
    let found = client.ok("users.info", json!({"user": ada.id})).await;
    assert_eq!(found["user"]["profile"]["email"], "ada@team.example");
    assert_eq!(
        client.refused("users.info", json!({"user": "U0"})).await,
        "user_not_found"
    );
    assert_eq!(
        client
            .refused("users.lookupByEmail", json!({"email": "x@y.example"}))
            .await,
        "users_not_found"
    );
    slack.uninstall().unwrap();
    let narrow = Client::connect(slack.url(), "users:read").await;
    let found = narrow.ok("users.info", json!({"user": ada.id})).await;
    assert!(found["user"]["profile"].get("email").is_none());
}
