//! What is in a team: channels, people, messages, and the pings that messages caused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The team itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// The team's id, the tenant key.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its subdomain.
    pub domain: String,
}

/// A member of the team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The vendor's id.
    pub id: String,
    /// The short name.
    pub name: String,
    /// The name people read.
    pub real_name: String,
    /// The address; shown to apps with the scope for it only.
    pub email: String,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The vendor's id.
    pub id: String,
    /// Its name, without the hash.
    pub name: String,
    /// Whether only its members see it.
    pub private: bool,
    /// Whether it was put away.
    pub archived: bool,
    /// Whether it is the one everybody is in.
    pub general: bool,
    /// Whether the app was invited.
    pub app_is_member: bool,
    /// Names it had before.
    pub previous_names: Vec<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_ms: i64,
}

/// Who a message is by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The app.
    App,
    /// The member with this id.
    Person(String),
}

/// A message as the team keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id within the channel.
    pub ts: String,
    /// The message it answers to.
    pub thread_ts: Option<String>,
    /// Who wrote it.
    pub author: Author,
    /// A name the app gave itself for this message.
    pub username: Option<String>,
    /// Its text, as stored: what is no markup is escaped.
    pub text: String,
    /// Its blocks, when it has any.
    pub blocks: Option<Vec<Value>>,
    /// Its attachments, when it has any.
    pub attachments: Option<Vec<Value>>,
    /// What the app keeps with it.
    pub metadata: Option<Value>,
    /// When it was last edited, as a message id.
    pub edited_ts: Option<String>,
    /// Who alone sees it.
    pub only_for: Option<String>,
    /// Whom it pinged, as marked up: `<!channel>`, `<@U…>`.
    pub pings: Vec<String>,
}

impl Message {
    /// All text a person reads in it: the fallback text, then each text of its blocks.
    #[must_use]
    pub fn shown(&self) -> Vec<&str> {
        let mut texts = vec![self.text.as_str()];
        for block in self.blocks.iter().flatten() {
            collect(block, &mut texts);
        }
        texts
    }

    /// Whether it has a button or menu with this action id.
    pub(crate) fn element(&self, action_id: &str) -> Option<(&Value, &Value)> {
        self.blocks.iter().flatten().find_map(|block| {
            let listed = block
                .get("elements")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            listed
                .chain(block.get("accessory"))
                .find(|element| element.get("action_id").and_then(Value::as_str) == Some(action_id))
                .map(|element| (block, element))
        })
    }
}

fn collect<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get("text") {
                into.push(text);
            }
            object.values().for_each(|inner| collect(inner, into));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, into)),
        _ => {}
    }
}

/// Somebody was called to the screen by a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The channel.
    pub channel: String,
    /// The message.
    pub ts: String,
    /// Whom, as marked up.
    pub mention: String,
    /// Whether the app did it.
    pub by_app: bool,
}
