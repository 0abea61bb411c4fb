//! What an update really changes: fields whose new value differs, kept for the event, and lists of texts as a column.

use crate::clock::Timestamp;
use crate::event::{EventKind, NewEvent};
use crate::id::TypedId;
use sea_orm::ActiveValue::{self, Set, Unchanged};
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

/// A list of short texts (tags, regions, roles) stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Texts(pub Vec<String>);

/// Collects the fields that an update changes.
#[derive(Debug, Default)]
pub struct Diff {
    changes: Map<String, Json>,
    private: bool,
}

impl Diff {
    /// A diff that shows old and new values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A diff of personal data: it names the fields and keeps the values out of the log.
    #[must_use]
    pub fn private() -> Self {
        Self {
            changes: Map::new(),
            private: true,
        }
    }

    /// The column's new value if the patch brings one that differs, else the old one.
    pub fn field<T>(&mut self, name: &str, current: T, next: Option<T>) -> ActiveValue<T>
    where
        T: PartialEq + Serialize + Into<sea_orm::Value>,
    {
        match next {
            Some(next) if next != current => {
                self.note(name, &current, &next);
                Set(next)
            }
            _ => Unchanged(current),
        }
    }

    /// Notes a change that spans several columns.
    pub fn note(&mut self, name: &str, from: &impl Serialize, to: &impl Serialize) {
        let shown = if self.private {
            json!({})
        } else {
            json!({ "from": from, "to": to })
        };
        self.changes.insert(name.to_owned(), shown);
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes as an event's data.
    #[must_use]
    pub fn into_data(self) -> Json {
        Json::Object(self.changes)
    }

    /// The changes as an event about a row.
    pub fn into_event<T: TypedId>(self, kind: EventKind, subject: T) -> NewEvent {
        NewEvent::about(kind, subject, self.into_data())
    }
}

/// The new `archived_at` for a wish to archive (true) or restore (false), and whether it changes anything.
#[must_use]
pub fn archived(
    current: Option<Timestamp>,
    wish: Option<bool>,
    now: Timestamp,
) -> (ActiveValue<Option<Timestamp>>, Option<bool>) {
    match (current, wish) {
        (None, Some(true)) => (Set(Some(now)), Some(true)),
        (Some(_), Some(false)) => (Set(None), Some(false)),
        _ => (Unchanged(current), None),
    }
}
