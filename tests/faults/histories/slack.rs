//! Buttons below messages in Slack: whoever presses what, in which order, and however often Slack tells of it, a deal is decided once.

use super::History;
use crate::linked::{Delivery, Linked};
use hmac::{Hmac, KeyInit, Mac};
use integrations::slack::ID;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;
use tests::{Options, SIGNING_SECRET, Setups, SlackSetup};

const PATH: &str = "/hooks/slack";
/// Where deals are told.
pub const CHANNEL: &str = "deals";

/// A team that sends nothing by itself, so that a test decides when something arrives.
pub fn options() -> Options {
    let slack = SlackSetup {
        webhooks: false,
        ..SlackSetup::default()
    };
    let others = Setups {
        slack: Some(slack),
        ..Setups::default()
    };
    Options {
        others,
        ..Options::default()
    }
}

/// A delivery as Slack signs it, written from its documentation.
pub fn signed(secret: &str, kind: &str, body: Vec<u8>, now_ms: i64) -> Delivery {
    let stamp = (now_ms / 1_000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [b"v0:".as_slice(), stamp.as_bytes(), b":", &body] {
        mac.update(part);
    }
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    Delivery {
        path: PATH.to_owned(),
        headers: vec![
            ("content-type", kind.to_owned()),
            ("x-slack-signature", signature),
            ("x-slack-request-timestamp", stamp),
        ],
        body,
    }
}

/// Whether somebody confirms or disputes, and who.
#[derive(Clone, Debug)]
pub struct Press {
    pub confirms: bool,
    pub person: usize,
}

/// A deal and the message that tells of it.
struct Message {
    deal: String,
    ts: String,
    /// What the buttons carry: to confirm, to dispute.
    buttons: Vec<Value>,
}

pub struct Presses {
    linked: Linked,
    messages: Vec<Message>,
    number: u64,
}

/// Lets the channel take everything that waits for it: a message a second.
pub async fn spoken(linked: &Linked) {
    for _ in 0..600 {
        linked.app.drain().await;
        let waiting = "SELECT COUNT(*) FROM chat_message WHERE NOT dead";
        if linked.app.number(waiting).await == 0 {
            return;
        }
        linked.app.advance(Duration::from_millis(1_100));
    }
    panic!("the channel finds no end");
}

/// Says in the mapping that won deals are told, and where.
pub async fn tell_of_deals(linked: &Linked) {
    let channel = linked.app.slack().channel_id(CHANNEL).unwrap();
    linked.map("$.chat.channel", json!(channel)).await;
    linked.map("$.chat.deal_won", json!(true)).await;
}

/// The buttons of a message that we made.
fn buttons(message: &Value) -> Vec<Value> {
    let blocks = message["blocks"].as_array().unwrap();
    let elements = blocks
        .iter()
        .filter_map(|block| block["elements"].as_array())
        .flatten();
    let all = elements.filter(|element| element["type"] == "button" && element["url"].is_null());
    all.cloned().collect()
}

impl History for Presses {
    type Step = Press;
    type Event = Value;
    const BATCH: usize = 1;
    const READS: bool = false;

    async fn account() -> Self {
        let linked = Linked::to(ID, options()).await;
        tell_of_deals(&linked).await;
        linked.app.drain().await;
        Self {
            linked,
            messages: Vec::new(),
            number: 0,
        }
    }

    fn linked(&self) -> &Linked {
        &self.linked
    }

    fn ended(self) -> Linked {
        self.linked
    }

    async fn begin(&mut self) -> String {
        let app = &self.linked.app;
        let token = self.linked.admin();
        let name = format!("Deal {}", self.messages.len());
        let made = app
            .mutate(token, "createDeal", json!({ "name": name }), "deal { id }")
            .await;
        let deal = made.text("/createDeal/deal/id");
        app.mutate(token, "winDeal", json!({ "id": deal }), "deal { id }")
            .await;
        spoken(&self.linked).await;
        let said = app.slack().messages(CHANNEL);
        assert_eq!(said.len(), self.messages.len() + 1, "{name} is told once");
        let said = serde_json::to_value(said.last().unwrap()).unwrap();
        self.messages.push(Message {
            deal,
            ts: said["ts"].as_str().unwrap().to_owned(),
            buttons: buttons(&said),
        });
        (self.messages.len() - 1).to_string()
    }

    fn steps(chance: &mut StdRng) -> Vec<Press> {
        let press = |chance: &mut StdRng| Press {
            confirms: chance.random_bool(0.3),
            person: chance.random_range(0..2),
        };
        (0..chance.random_range(1..5))
            .map(|_| press(chance))
            .collect()
    }

    fn happen(&mut self, _: &Press, _: &str) {
        // A press changes nothing there: what it means is ours.
        self.linked.app.advance(Duration::from_millis(20));
    }

    fn event(&mut self, step: &Press, record: &str, repeats: Option<&Value>) -> Option<Value> {
        if let Some(same) = repeats {
            return Some(same.clone());
        }
        self.number += 1;
        let message = &self.messages[record.parse::<usize>().unwrap()];
        let wanted = if step.confirms { "confirm" } else { "dispute" };
        let named = |button: &&Value| button["action_id"].as_str().unwrap().contains(wanted);
        let button = message.buttons.iter().find(named).unwrap();
        let slack = self.linked.app.slack();
        let person = &slack.people()[step.person];
        let at = slack.clock().now_ms();
        Some(json!({
            "type": "block_actions",
            "team": { "id": slack.tenant(), "domain": "team" },
            "user": { "id": person.id, "username": person.name, "team_id": slack.tenant() },
            "channel": { "id": slack.channel_id(CHANNEL), "name": CHANNEL },
            "container": { "type": "message", "message_ts": message.ts },
            "message": { "ts": message.ts },
            "actions": [{
                "type": "button", "action_id": button["action_id"], "block_id": "b", "value": button["value"],
                "action_ts": format!("{}.{:06}", at / 1_000, self.number % 1_000_000),
            }],
        }))
    }

    fn delivery(&self, events: &[Value]) -> Delivery {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &events[0].to_string())
            .finish();
        let now_ms = self.linked.app.database().now().millis();
        let kind = "application/x-www-form-urlencoded";
        signed(SIGNING_SECRET, kind, body.into_bytes(), now_ms)
    }

    async fn look(&self) {
        spoken(&self.linked).await;
    }

    async fn state(&self, record: &str) -> Value {
        let message = &self.messages[record.parse::<usize>().unwrap()];
        let query = format!(
            "{{ deal(id: \"{}\") {{ outcomeConfirmation {{ decision }} }} }}",
            message.deal
        );
        let answer = self.linked.app.ask(self.linked.admin(), &query).await;
        let said = self.linked.app.slack().messages(CHANNEL);
        let said = said.iter().find(|known| known.ts == message.ts).unwrap();
        let said = serde_json::to_value(said).unwrap();
        json!({
            "decision": answer.at("/deal/outcomeConfirmation/decision"),
            "open": !buttons(&said).is_empty(),
        })
    }

    /// The first who confirms has confirmed, and then there is nothing left to press.
    fn truth(steps: &[Press]) -> Value {
        let confirmed = steps.iter().any(|press| press.confirms);
        let decision = if confirmed { "CONFIRMED" } else { "DISPUTED" };
        json!({ "decision": decision, "open": !confirmed })
    }
}
