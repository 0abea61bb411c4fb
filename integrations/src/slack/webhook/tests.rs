#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::slack::SlackEndpoints;
use crate::webhook::AccountSignalKind;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::json;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW: i64 = 1_531_420_618_000;
/// Published with its signature.
const FORM: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn slack() -> Slack {
    Slack::new(SlackEndpoints::default())
}

fn sign(secret: &str, stamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [b"v0:".as_slice(), stamp.as_bytes(), b":", body] {
        mac.update(part);
    }
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

fn judge(signature: &str, stamp: &str, body: &[u8], now_ms: i64) -> Verdict {
    let headers = [
        ("x-slack-signature".to_owned(), signature.to_owned()),
        ("X-Slack-Request-Timestamp".to_owned(), stamp.to_owned()),
    ];
    let request = InboundRequest {
        method: "POST",
        public_url: "https://entente.example.com/hooks/slack",
        headers: &headers,
        body,
        tenant_id: None,
    };
    slack().verify(&[SECRET.into()], &request, now_ms)
}

fn signed(body: &[u8]) -> Verdict {
    judge(&sign(SECRET, "1531420618", body), "1531420618", body, NOW)
}

fn key(verdict: Verdict) -> String {
    match verdict {
        Verdict::Accepted { dedupe_key } => dedupe_key,
        other => format!("{other:?}"),
    }
}

fn parse(body: &str) -> Signals {
    slack().parse(&Delivery::of(body.as_bytes())).unwrap()
}

fn form(payload: &serde_json::Value) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish()
}

#[test]
fn the_published_signature_over_a_raw_form_is_taken() {
    let verdict = judge(SIGNATURE, "1531420618", FORM.as_bytes(), NOW);
    assert!(matches!(verdict, Verdict::Accepted { .. }));
    // The same form, written otherwise, is another body.
    let other = FORM.replace("%2F", "%2f");
    let verdict = judge(SIGNATURE, "1531420618", other.as_bytes(), NOW);
    assert_eq!(verdict, Verdict::Rejected(Reason::WrongSignature));
}

#[test]
fn five_minutes_and_no_second_more() {
    for (ahead, reason) in [
        (300_000, None),
        (-300_000, None),
        (301_000, Some(Reason::Stale)),
        (-301_000, Some(Reason::Future)),
    ] {
        let verdict = judge(SIGNATURE, "1531420618", FORM.as_bytes(), NOW + ahead);
        match reason {
            None => assert!(matches!(verdict, Verdict::Accepted { .. })),
            Some(reason) => assert_eq!(verdict, Verdict::Rejected(reason)),
        }
    }
    for stamp in [
        "",
        "-1",
        "+1531420618",
        "1531420618.0",
        "15314206180000000",
        "now",
        "0x5b47",
    ] {
        let verdict = judge(&sign(SECRET, stamp, b"{}"), stamp, b"{}", NOW);
        assert_eq!(
            verdict,
            Verdict::Rejected(Reason::MissingTimestamp),
            "{stamp:?}"
        );
    }
}

#[test]
fn a_signature_has_one_spelling_and_one_version() {
    let upper = format!("v0={}", SIGNATURE[3..].to_uppercase());
    for bad in [
        "",
        "v0=",
        &SIGNATURE[3..],
        &SIGNATURE.replace("v0=", "v1="),
        &upper,
        &format!("{SIGNATURE}00"),
        &format!(" {SIGNATURE}"),
    ] {
        let verdict = judge(bad, "1531420618", FORM.as_bytes(), NOW);
        assert_eq!(
            verdict,
            Verdict::Rejected(Reason::MalformedSignature),
            "{bad:?}"
        );
    }
}

#[test]
fn a_challenge_is_repeated_once_it_is_signed_and_stored_never() {
    let body = br#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let Verdict::Challenge(answer) = signed(body) else {
        unreachable!("a challenge is a challenge")
    };
    assert_eq!((answer.status, answer.content_type), (200, "text/plain"));
    assert_eq!(
        answer.body,
        "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    );
    let forged = judge(&sign("x", "1531420618", body), "1531420618", body, NOW);
    assert_eq!(forged, Verdict::Rejected(Reason::WrongSignature));
    let long = json!({"type": "url_verification", "challenge": "x".repeat(513)}).to_string();
    assert!(matches!(signed(long.as_bytes()), Verdict::Accepted { .. }));
}

#[test]
fn an_event_is_one_event_however_its_envelope_changes() {
    let body = |id: &str, context: &str| {
        json!({"type": "event_callback", "event_id": id, "event_context": context}).to_string()
    };
    let (first, again, other) = (body("Ev1", "a"), body("Ev1", "b"), body("Ev2", "a"));
    assert_eq!(key(signed(first.as_bytes())), key(signed(again.as_bytes())));
    assert_ne!(key(signed(first.as_bytes())), key(signed(other.as_bytes())));
    let nameless = |context: &str| body("", context);
    assert_ne!(
        key(signed(nameless("a").as_bytes())),
        key(signed(nameless("b").as_bytes()))
    );
    // What is no event cannot pass for one by naming its id.
    let press = json!({"type": "other", "event_id": "Ev1"}).to_string();
    assert_ne!(key(signed(first.as_bytes())), key(signed(press.as_bytes())));
}

fn event(event: serde_json::Value) -> String {
    json!({
        "token": "x", "team_id": "T1H9RESGL", "api_app_id": "A2H9RFS1A", "event": event,
        "type": "event_callback", "event_id": "Ev0PV52K25", "event_time": 1_525_215_129_i64,
        "authorizations": [{"enterprise_id": null, "team_id": "T1H9RESGL", "user_id": "U2", "is_bot": true}],
    })
    .to_string()
}

#[test]
fn what_happens_to_our_app_is_told_in_any_order() {
    for (told, kind) in [
        (
            json!({"type": "app_uninstalled"}),
            AccountSignalKind::Uninstalled,
        ),
        (
            json!({"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": ["U2"]}}),
            AccountSignalKind::TokensRevoked,
        ),
        (
            json!({"type": "tokens_revoked", "tokens": {"bot": ["U2"]}}),
            AccountSignalKind::TokensRevoked,
        ),
    ] {
        let said = parse(&event(told));
        assert_eq!(said.account.len(), 1);
        let account = &said.account[0];
        assert_eq!(
            (account.tenant_id.as_str(), account.kind),
            ("T1H9RESGL", kind)
        );
        assert_eq!(account.occurred_at_ms, 1_525_215_129_000);
        assert!(said.signals.is_empty() && said.malformed.is_empty() && said.ignored.is_empty());
    }
}

#[test]
fn other_events_are_named_and_left_alone() {
    for (body, name) in [
        (event(json!({"type": "message", "text": "hello"})), "message"),
        // Only tokens of people: ours is as good as before.
        (event(json!({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}})), "tokens_revoked"),
        (json!({"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1_518_467_820}).to_string(), "app_rate_limited"),
        (form(&json!({"type": "view_submission"})), "view_submission"),
    ] {
        let said = parse(&body);
        assert_eq!(said.ignored, [name]);
        assert!(said.account.is_empty() && said.actions.is_empty() && said.malformed.is_empty());
    }
    let nobody = event(json!({"type": "app_uninstalled"}))
        .replace("\"team_id\":\"T1H9RESGL\",\"token\"", "\"token\"");
    let said = parse(&nobody.replacen("\"team_id\":\"T1H9RESGL\"", "\"team_id\":null", 2));
    assert_eq!((said.account.len(), said.malformed.len()), (0, 1));
    assert_eq!(
        parse(r#"{"type":"event_callback","event":7}"#)
            .malformed
            .len(),
        1
    );
    for body in [
        "",
        "{",
        "[]",
        "7",
        "hello",
        "payload=%7B",
        "payload=",
        r#"{"no":"type"}"#,
    ] {
        assert!(
            slack().parse(&Delivery::of(body.as_bytes())).is_err(),
            "{body:?}"
        );
    }
}

fn press() -> serde_json::Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U1", "username": "ada", "name": "ada", "team_id": "T1"},
        "api_app_id": "A1", "token": "secret-token", "trigger_id": "1.2.3",
        "container": {"type": "message", "message_ts": "1503435956.000247", "channel_id": "C1"},
        "team": {"id": "T1", "domain": "d"}, "enterprise": null,
        "channel": {"id": "C1", "name": "deals"},
        "message": {"ts": "1503435956.000247", "text": "won"},
        "response_url": "https://hooks.slack.com/actions/T1/1/secret-url",
        "actions": [{"action_id": "deal.confirm", "block_id": "b", "value": "deal_1", "type": "button", "action_ts": "1548426417.840180"}],
    })
}

#[test]
fn a_press_says_who_pressed_what_and_where() {
    let said = parse(&form(&press()));
    assert_eq!(said.actions.len(), 1);
    let action = &said.actions[0];
    assert_eq!(
        (action.action.as_str(), action.value.as_str()),
        ("deal.confirm", "deal_1")
    );
    assert_eq!(
        (
            action.tenant_id.as_str(),
            action.user_id.as_str(),
            action.user_name.as_deref()
        ),
        ("T1", "U1", Some("ada"))
    );
    assert_eq!(
        (action.channel.as_str(), action.message.as_str()),
        ("C1", "1503435956.000247")
    );
    assert_eq!(action.occurred_at_ms, 1_548_426_417_840);
    // The same press again is the same press; a second one is not.
    assert_eq!(parse(&form(&press())).actions[0].dedupe, action.dedupe);
    let mut later = press();
    later["actions"][0]["action_ts"] = json!("1548426418.000000");
    assert_ne!(parse(&form(&later)).actions[0].dedupe, action.dedupe);
}

#[test]
fn a_press_of_strangers_or_without_a_place_decides_nothing() {
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut payload = press();
        *payload.pointer_mut(pointer).unwrap() = value;
        parse(&form(&payload))
    };
    for said in [
        // A channel shared with another team shows them our buttons.
        changed("/user/team_id", json!("T2")),
        changed("/team", json!(null)),
        changed("/team/id", json!("")),
        changed("/user", json!({"name": "nobody"})),
        changed("/actions/0/action_ts", json!("soon")),
        changed("/actions/0", json!({"value": "x"})),
    ] {
        assert_eq!((said.actions.len(), said.malformed.len()), (0, 1));
        let kept = said.malformed[0].raw.to_string();
        assert!(
            !kept.contains("secret-token") && !kept.contains("secret-url"),
            "{kept}"
        );
    }
    let mut payload = press();
    payload.as_object_mut().unwrap().remove("channel");
    payload.as_object_mut().unwrap().remove("message");
    let said = parse(&form(&payload));
    assert_eq!(
        (
            said.actions[0].channel.as_str(),
            said.actions[0].message.as_str()
        ),
        ("C1", "1503435956.000247")
    );
    payload.as_object_mut().unwrap().remove("container");
    assert_eq!(parse(&form(&payload)).malformed.len(), 1);
    let said = changed(
        "/actions/0",
        json!({"action_id": "open", "action_ts": "1.0", "url": "https://e.example"}),
    );
    assert_eq!(
        (said.actions.len(), said.ignored.as_slice()),
        (0, &["block_actions.url".to_owned()][..])
    );
}

#[test]
fn instants_are_read_to_the_millisecond() {
    for (text, ms) in [
        ("1548426417.840180", Some(1_548_426_417_840)),
        ("1548426417.8", Some(1_548_426_417_800)),
        ("1548426417", Some(1_548_426_417_000)),
        ("", None),
        ("-1.0", None),
        ("1.x", None),
    ] {
        assert_eq!(instant_ms(text), ms, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_the_reader_fall(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _read = slack().parse(&Delivery::of(&body));
        let _judged = signed(&body);
        let mut with = b"payload=".to_vec();
        with.extend_from_slice(&body);
        let _read = slack().parse(&Delivery::of(&with));
    }
}
