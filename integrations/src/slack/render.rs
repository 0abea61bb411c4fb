//! A message as blocks.
//!
//! Owns: how a message looks in Slack and the lengths Slack allows. Refuses: what cannot be sent as it is and must not be changed: the action and
//! value of a button come back to us, so they are never cut. Invariant: everything that came from elsewhere is in a plain text object, where
//! Slack reads no markup; the words of a link are the one exception and are escaped.

use super::markup::{cut, escaped, one_line};
use crate::{
    error::{ConnectorError, Result},
    notify::{ButtonStyle, ChatButton, ChatMessage},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most a header holds.
const HEADING: usize = 150;
/// More of a fact's name or value is noise; Slack would take 2,000 in a field.
const NAME: usize = 100;
const VALUE: usize = 300;
/// Two fields for each fact, and a section holds ten.
const FACTS_A_SECTION: usize = 5;
/// The most a section's text holds.
const TEXT: usize = 3_000;
/// More facts are counted and left out.
const MAX_FACTS: usize = 20;
/// The most of a smaller line.
const NOTE: usize = 1000;
/// What stands for the message where only text fits. Escaped it may be five times as long, and Slack takes 4,000 in an edit.
const FALLBACK: usize = 700;
/// What Slack allows of buttons.
const MAX_BUTTONS: usize = 25;
const LABEL: usize = 75;
const ACTION: usize = 255;
const BUTTON_VALUE: usize = 2000;
const LINK: usize = 2500;

/// The text for notifications and screen readers, and the blocks.
pub(super) fn render(message: &ChatMessage) -> Result<(String, Vec<Value>)> {
    let heading = one_line(&message.heading);
    if heading.is_empty() {
        return Err(invalid("a message needs a heading"));
    }
    let mut blocks = vec![json!({"type": "header", "text": plain(&heading, HEADING)})];
    if let Some(text) = message
        .text
        .as_deref()
        .map(lines)
        .filter(|it| !it.is_empty())
    {
        blocks.push(json!({"type": "section", "text": plain(&text, TEXT)}));
    }
    let shown = message.facts.get(..MAX_FACTS).unwrap_or(&message.facts);
    for facts in shown.chunks(FACTS_A_SECTION) {
        let fields: Vec<Value> = facts.iter().flat_map(fact).collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    if let Some((words, url)) = &message.link {
        blocks.push(link(words, url)?);
    }
    if !message.buttons.is_empty() {
        blocks.push(buttons(&message.buttons)?);
    }
    let left = message.facts.len().saturating_sub(MAX_FACTS);
    let more = (left > 0).then(|| format!("… and {left} more"));
    let notes = message.note.iter().map(|note| one_line(note)).chain(more);
    let notes: Vec<Value> = notes
        .filter(|note| !note.is_empty())
        .map(|note| plain(&note, NOTE))
        .collect();
    if !notes.is_empty() {
        blocks.push(json!({"type": "context", "elements": notes}));
    }
    Ok((fallback(&heading, message), blocks))
}

fn invalid(problem: &str) -> ConnectorError {
    ConnectorError::permanent("invalid_message", problem)
}

/// Text in which Slack reads nothing: neither markup nor names nor `:emoji:`.
fn plain(text: &str, most: usize) -> Value {
    json!({"type": "plain_text", "text": cut(text, most), "emoji": false})
}

/// A name and its value, side by side. Slack refuses empty text.
fn fact((name, value): &(String, String)) -> [Value; 2] {
    let of = |text: &str, most| {
        let line = one_line(text);
        plain(if line.is_empty() { "–" } else { &line }, most)
    };
    [of(name, NAME), of(value, VALUE)]
}

fn link(words: &str, url: &url::Url) -> Result<Value> {
    let sound = matches!(url.scheme(), "http" | "https") && url.has_host();
    // What ends an address in Slack's markup is written so that it does not.
    let address = url
        .as_str()
        .replace('&', "&amp;")
        .replace('|', "%7C")
        .replace('<', "%3C")
        .replace('>', "%3E");
    if !sound || address.len() > LINK {
        return Err(invalid("the link is no address that can be shown"));
    }
    let words = one_line(words);
    let words = if words.is_empty() { "Open" } else { &words };
    let words = escaped(&cut(words, VALUE)).replace('|', "¦");
    let text = json!({"type": "mrkdwn", "text": format!("<{address}|{words}>"), "verbatim": true});
    Ok(json!({"type": "section", "text": text}))
}

fn buttons(buttons: &[ChatButton]) -> Result<Value> {
    if buttons.len() > MAX_BUTTONS {
        return Err(invalid("a message has at most 25 buttons"));
    }
    let mut actions = BTreeSet::new();
    let mut elements = Vec::with_capacity(buttons.len());
    for button in buttons {
        let label = one_line(&button.label);
        let sound = !label.is_empty()
            && !button.action.is_empty()
            && button.action.encode_utf16().count() <= ACTION
            && button.value.encode_utf16().count() <= BUTTON_VALUE
            && actions.insert(button.action.as_str());
        if !sound {
            return Err(invalid(
                "a button needs a label, an action of its own of at most 255 characters, and a value of at most 2000",
            ));
        }
        let mut element = json!({
            "type": "button",
            "text": plain(&label, LABEL),
            "action_id": button.action,
        });
        if let Some(object) = element.as_object_mut() {
            if !button.value.is_empty() {
                object.insert("value".to_owned(), json!(button.value));
            }
            let style = match button.style {
                ButtonStyle::Plain => None,
                ButtonStyle::Primary => Some("primary"),
                ButtonStyle::Danger => Some("danger"),
            };
            if let Some(style) = style {
                object.insert("style".to_owned(), json!(style));
            }
        }
        elements.push(element);
    }
    Ok(json!({"type": "actions", "elements": elements}))
}

/// A text whose lines stay lines, without other control characters.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(one_line).collect();
    lines.join("\n").trim().to_owned()
}

fn fallback(heading: &str, message: &ChatMessage) -> String {
    let mut text = heading.to_owned();
    if let Some(said) = message.text.as_deref() {
        text.push_str(&format!("\n{}", lines(said)));
    }
    for (name, value) in message.facts.iter().take(MAX_FACTS) {
        text.push_str(&format!("\n{}: {}", one_line(name), one_line(value)));
    }
    escaped(&cut(&text, FALLBACK))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn message() -> ChatMessage {
        ChatMessage {
            channel: "C1".into(),
            reference: "r".into(),
            heading: "Deal won".into(),
            text: None,
            facts: Vec::new(),
            link: None,
            note: None,
            buttons: Vec::new(),
        }
    }

    fn button(action: &str, value: &str) -> ChatButton {
        ChatButton {
            label: "Confirm".into(),
            action: action.into(),
            value: value.into(),
            style: ButtonStyle::Primary,
        }
    }

    #[test]
    fn a_whole_message() {
        let url = "https://entente.example.com/deals/1?a=1&b=2|3"
            .parse()
            .unwrap();
        let (text, blocks) = render(&ChatMessage {
            facts: vec![
                ("Partner".into(), "<!channel> & Sons".into()),
                ("Amount".into(), String::new()),
            ],
            link: Some(("Show <it>".into(), url)),
            note: Some("Confirmed by @here".into()),
            buttons: vec![button("deal.confirm", "deal_1")],
            ..message()
        })
        .unwrap();
        assert_eq!(
            text,
            "Deal won\nPartner: &lt;!channel&gt; &amp; Sons\nAmount: "
        );
        let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
        assert_eq!(
            blocks,
            [
                json!({"type": "header", "text": plain("Deal won")}),
                json!({"type": "section", "fields": [plain("Partner"), plain("<!channel> & Sons"), plain("Amount"), plain("–")]}),
                json!({"type": "section", "text": {"type": "mrkdwn", "verbatim": true,
                    "text": "<https://entente.example.com/deals/1?a=1&amp;b=2%7C3|Show &lt;it&gt;>"}}),
                json!({"type": "actions", "elements": [{"type": "button", "text": plain("Confirm"), "action_id": "deal.confirm", "value": "deal_1", "style": "primary"}]}),
                json!({"type": "context", "elements": [plain("Confirmed by @here")]}),
            ]
        );
    }

    #[test]
    fn long_texts_are_cut_and_many_facts_counted() {
        let (text, blocks) = render(&ChatMessage {
            heading: "é".repeat(400),
            facts: vec![("&".repeat(400), "<".repeat(4000)); 23],
            note: Some("n".repeat(5000)),
            ..message()
        })
        .unwrap();
        assert!(text.len() <= 4000);
        assert_eq!(blocks.len(), 1 + 4 + 1);
        assert_eq!(
            blocks[0]["text"]["text"].as_str().unwrap().chars().count(),
            150
        );
        assert_eq!(blocks[1]["fields"].as_array().unwrap().len(), 10);
        assert_eq!(blocks[5]["elements"][1]["text"], "… and 3 more");
    }

    #[test]
    fn what_must_come_back_whole_is_never_cut() {
        let refused =
            |changed: ChatMessage| render(&changed).unwrap_err().code() == "REFUSED_BY_VENDOR";
        assert!(refused(ChatMessage {
            heading: " \n".into(),
            ..message()
        }));
        for buttons in [
            vec![button("a", &"v".repeat(2001))],
            vec![button(&"a".repeat(256), "v")],
            vec![button("", "v")],
            vec![button("a", "1"), button("a", "2")],
            vec![ChatButton {
                label: " ".into(),
                ..button("a", "v")
            }],
            (0..26).map(|n| button(&n.to_string(), "v")).collect(),
        ] {
            assert!(refused(ChatMessage {
                buttons,
                ..message()
            }));
        }
        for link in [
            "javascript:alert(1)",
            "mailto:a@b.example",
            "data:text/html,x",
        ] {
            assert!(refused(ChatMessage {
                link: Some(("x".into(), link.parse().unwrap())),
                ..message()
            }));
        }
        assert!(
            render(&ChatMessage {
                buttons: vec![button("a", &"v".repeat(2000))],
                ..message()
            })
            .is_ok()
        );
    }
}
