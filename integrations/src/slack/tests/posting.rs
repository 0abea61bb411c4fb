use super::*;

fn message() -> ChatMessage {
    ChatMessage {
        channel: "C1".into(),
        reference: "message_1".into(),
        heading: "Won: <!channel> & Sons".into(),
        text: None,
        facts: vec![("Partner".into(), "<@U1> @here".into())],
        link: None,
        note: None,
        buttons: vec![ChatButton {
            label: "Confirm".into(),
            action: "deal.confirm".into(),
            value: "deal_1".into(),
            style: ButtonStyle::Primary,
        }],
    }
}

const POSTED: &str =
    r#"{"ok":true,"channel":"C123ABC456","ts":"1503435956.000247","message":{"text":"x"}}"#;

#[tokio::test]
async fn a_message_goes_out_as_blocks_that_ping_nobody() {
    let rig = Rig::saying(200, POSTED).await;
    let posted = rig.slack.post(&rig.context(), &message()).await.unwrap();
    assert_eq!(
        (posted.channel.as_str(), posted.external_id.as_str()),
        ("C123ABC456", "1503435956.000247")
    );
    let seen = rig.server.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/api/chat.postMessage")
    );
    assert_eq!(
        seen.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret-t"));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(
        body["text"],
        "Won: &lt;!channel&gt; &amp; Sons\nPartner: &lt;@U1&gt; @here"
    );
    assert_eq!(
        (&body["parse"], &body["link_names"], &body["unfurl_links"]),
        (&json!("none"), &json!(false), &json!(false))
    );
    assert_eq!(
        body["metadata"],
        json!({"event_type": "entente_message", "event_payload": {"reference": "message_1"}})
    );
    assert_eq!(body["blocks"][0]["text"]["type"], "plain_text");
    assert_eq!(body["blocks"][0]["text"]["text"], "Won: <!channel> & Sons");
    assert_eq!(
        body["blocks"][2]["elements"][0]["action_id"],
        "deal.confirm"
    );
}

#[tokio::test]
async fn whatever_does_not_say_no_may_have_posted() {
    for (status, body) in [
        (200, ""),
        (200, "{}"),
        (200, "<html>"),
        (200, r#"{"ok":true}"#),
        (200, r#"{"ok":true,"channel":"C1"}"#),
        (200, r#"{"ok":true,"channel":"C1","ts":["1"]}"#),
        (200, r#"{"ok":true,"channel":"C1","ts":""}"#),
        (200, r#"{"ok":true,"chan"#),
        (200, r#"{"ok":false,"error":"internal_error"}"#),
        (200, r#"{"ok":false,"error":"fatal_error"}"#),
        (500, ""),
        (503, r#"{"ok":false,"error":"service_unavailable"}"#),
    ] {
        let rig = Rig::saying(status, body).await;
        let error = rig
            .slack
            .post(&rig.context(), &message())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "TRANSIENT", "{status} {body}: {error}");
    }
    let rig = Rig::new(|_| Reply::ThenClose(Vec::new())).await;
    assert_eq!(
        rig.slack
            .post(&rig.context(), &message())
            .await
            .unwrap_err()
            .code(),
        "TRANSIENT"
    );
}

#[tokio::test]
async fn whatever_says_no_has_certainly_not_posted() {
    for (status, body, code) in [
        (
            200,
            r#"{"ok":false,"error":"not_in_channel"}"#,
            "REFUSED_BY_VENDOR",
        ),
        (
            200,
            r#"{"ok":false,"error":"channel_not_found"}"#,
            "REFUSED_BY_VENDOR",
        ),
        (
            200,
            r#"{"ok":false,"error":"token_expired"}"#,
            "TOKEN_REFUSED",
        ),
        (
            200,
            r#"{"ok":false,"error":"account_inactive"}"#,
            "REAUTH_REQUIRED",
        ),
        (
            200,
            r#"{"ok":false,"error":"missing_scope","needed":"chat:write"}"#,
            "REAUTH_REQUIRED",
        ),
        (429, r#"{"ok":false,"error":"ratelimited"}"#, "RATE_LIMITED"),
        (302, "", "REFUSED_BY_VENDOR"),
        (400, "", "REFUSED_BY_VENDOR"),
    ] {
        let rig = Rig::saying(status, body).await;
        let error = rig
            .slack
            .post(&rig.context(), &message())
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{status} {body}");
    }
    let rig = Rig::saying(200, POSTED).await;
    let unsendable = ChatMessage {
        heading: String::new(),
        ..message()
    };
    assert_eq!(
        rig.slack
            .post(&rig.context(), &unsendable)
            .await
            .unwrap_err()
            .code(),
        "REFUSED_BY_VENDOR"
    );
    assert!(rig.server.seen().is_empty());
}

#[tokio::test]
async fn blocks_that_slack_refuses_are_named_with_their_place() {
    let body = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] too long [json-pointer:/blocks/0/text]"]}}"#;
    let rig = Rig::saying(200, body).await;
    let error = rig
        .slack
        .post(&rig.context(), &message())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("/blocks/0/text"), "{error}");
}

#[tokio::test]
async fn a_message_is_put_in_the_place_of_another() {
    let rig = Rig::saying(
        200,
        r#"{"ok":true,"channel":"C2","ts":"1.000002","text":"x"}"#,
    )
    .await;
    let posted = Posted {
        channel: "C2".into(),
        external_id: "1.000002".into(),
    };
    rig.slack
        .update(&rig.context(), &posted, &message())
        .await
        .unwrap();
    let seen = rig.server.seen().remove(0);
    assert_eq!(seen.target, "/api/chat.update");
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    // Where it was posted, not where one would be posted now.
    assert_eq!(
        (&body["channel"], &body["ts"]),
        (&json!("C2"), &json!("1.000002"))
    );
    assert_eq!(body["parse"], "none");
    for (said, code) in [
        ("message_not_found", "NOT_FOUND"),
        ("cant_update_message", "REFUSED_BY_VENDOR"),
        ("is_inactive", "REFUSED_BY_VENDOR"),
        ("fatal_error", "TRANSIENT"),
    ] {
        let rig =
            Rig::new(move |_| reply(200, "", &format!(r#"{{"ok":false,"error":"{said}"}}"#))).await;
        let error = rig
            .slack
            .update(&rig.context(), &posted, &message())
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{said}");
    }
}

/// A team in which we are `U9` and the history is what `pages` says, cursor by cursor.
async fn said(pages: &'static [(&'static str, &'static str)]) -> Rig {
    Rig::new(move |seen| {
        if seen.target.starts_with("/api/auth.test") {
            return reply(200, "", r#"{"ok":true,"user_id":"U9","team_id":"T1"}"#);
        }
        let cursor = query(seen).get("cursor").cloned().unwrap_or_default();
        let page = pages.iter().find(|(at, _)| *at == cursor);
        reply(
            200,
            "",
            page.map_or(r#"{"ok":false,"error":"invalid_cursor"}"#, |(_, body)| {
                *body
            }),
        )
    })
    .await
}

#[tokio::test]
async fn a_message_is_found_by_its_reference_and_only_if_it_is_ours() {
    let rig = said(&[
        ("", r#"{"ok":true,"has_more":true,"messages":[
            {"type":"message","user":"U9","ts":"3.000000","text":"no metadata"},
            {"type":"message","user":"U1","ts":"2.900000","metadata":{"event_type":"entente_message","event_payload":{"reference":"r"}}},
            {"type":"message","user":"U9","ts":"2.800000","metadata":{"event_type":"other","event_payload":{"reference":"r"}}},
            {"type":"message","user":"U9","ts":"2.700000","metadata":{"event_type":"entente_message","event_payload":{"reference":"q"}}}
        ],"response_metadata":{"next_cursor":"two"}}"#),
        ("two", r#"{"ok":true,"has_more":false,"messages":[
            {"type":"message","user":"U9","ts":"2.600000","metadata":{"event_type":"entente_message","event_payload":{"reference":"r"}}}]}"#),
    ])
    .await;
    let since = 1_503_435_956_247 + 120_000;
    let found = rig
        .slack
        .find(&rig.context(), "C1", "r", since)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.channel.as_str(), found.external_id.as_str()),
        ("C1", "2.600000")
    );
    let asked = query(&rig.server.seen()[1]);
    assert_eq!(
        (asked["channel"].as_str(), asked["oldest"].as_str()),
        ("C1", "1503435956.247000")
    );
    assert_eq!(asked["include_all_metadata"], "true");
    assert_eq!(
        rig.slack
            .find(&rig.context(), "C1", "none", since)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_not_there() {
    for error in ["missing_scope", "not_in_channel", "channel_not_found"] {
        let rig = Rig::new(move |seen| {
            if seen.target.starts_with("/api/auth.test") {
                return reply(200, "", r#"{"ok":true,"user_id":"U9"}"#);
            }
            reply(200, "", &format!(r#"{{"ok":false,"error":"{error}"}}"#))
        })
        .await;
        let found = rig.slack.find(&rig.context(), "C1", "r", NOW).await;
        assert!(
            matches!(found, Err(ConnectorError::Permanent { code, .. }) if code == CANNOT_LOOK),
            "{error}"
        );
    }
    for body in [
        r#"{"ok":true}"#,
        r#"{"ok":true,"messages":null}"#,
        r#"{"ok":true,"messages":[],"has_more":true}"#,
    ] {
        let rig = said(Box::leak(Box::new([("", body)]))).await;
        let error = rig
            .slack
            .find(&rig.context(), "C1", "r", NOW)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "UNEXPECTED_ANSWER", "{body}");
    }
    // More was said than can be searched.
    let rig = Rig::new(|seen| {
        if seen.target.starts_with("/api/auth.test") {
            return reply(200, "", r#"{"ok":true,"user_id":"U9"}"#);
        }
        let at: u32 = query(seen).get("cursor").map_or(0, |text| text.parse().unwrap());
        reply(200, "", &format!(r#"{{"ok":true,"messages":[],"has_more":true,"response_metadata":{{"next_cursor":"{}"}}}}"#, at + 1))
    })
    .await;
    let found = rig.slack.find(&rig.context(), "C1", "r", NOW).await;
    assert!(matches!(found, Err(ConnectorError::Permanent { code, .. }) if code == CANNOT_LOOK));
}

#[tokio::test]
async fn channels_are_read_page_by_page_and_private_ones_where_allowed() {
    let rig = Rig::new(|seen| {
        let asked = query(seen);
        assert_eq!(asked["exclude_archived"], "true");
        if asked["types"].contains("private") {
            return reply(200, "", r#"{"ok":false,"error":"missing_scope","needed":"groups:read"}"#);
        }
        match asked.get("cursor").map(String::as_str) {
            None => reply(200, "", r#"{"ok":true,"channels":[{"id":"C1","name":"deals","is_member":true},{"id":7}],"response_metadata":{"next_cursor":"dGVhbTpDMQ=="}}"#),
            Some("dGVhbTpDMQ==") => reply(200, "", r#"{"ok":true,"channels":[],"response_metadata":{"next_cursor":"more"}}"#),
            Some(_) => reply(200, "", r#"{"ok":true,"channels":[{"id":"C2","name":"partners"},{"id":"C3","name":"old","is_archived":true}],"response_metadata":{"next_cursor":""}}"#),
        }
    })
    .await;
    let channels = rig.slack.channels(&rig.context()).await.unwrap();
    let listed: Vec<(&str, &str, bool)> = channels
        .iter()
        .map(|c| (c.external_id.as_str(), c.name.as_str(), c.is_member))
        .collect();
    assert_eq!(listed, [("C1", "deals", true), ("C2", "partners", false)]);
}

#[tokio::test]
async fn a_list_that_leads_in_circles_ends() {
    let rig = Rig::saying(
        200,
        r#"{"ok":true,"channels":[],"response_metadata":{"next_cursor":"again"}}"#,
    )
    .await;
    assert_eq!(
        rig.slack.channels(&rig.context()).await.unwrap_err().code(),
        "UNEXPECTED_ANSWER"
    );
    let rig = Rig::saying(200, r#"{"ok":true}"#).await;
    assert_eq!(
        rig.slack.channels(&rig.context()).await.unwrap_err().code(),
        "UNEXPECTED_ANSWER"
    );
    let rig = Rig::saying(200, r#"{"ok":false,"error":"missing_scope"}"#).await;
    assert_eq!(
        rig.slack.channels(&rig.context()).await.unwrap_err().code(),
        "REAUTH_REQUIRED"
    );
}
