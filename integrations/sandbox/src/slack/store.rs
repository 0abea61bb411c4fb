//! What the team holds: its people, channels and messages, and how they change.
//!
//! Owns: the ids of messages (a time that never repeats), who may do what where, and the file. Refuses: what the vendor refuses, in its
//! words. Invariant: a message's id is given out once, also over restarts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::{Author, Channel, Message, Person, Ping, Team};
use crate::folder::Folder;
use crate::snapshot::Snapshot;
use crate::{Clock, SandboxError};

const FILE: &str = "team.json";

/// Everything that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rooms {
    pub(crate) team: Team,
    pub(crate) bot_user_id: String,
    pub(crate) bot_id: String,
    pub(crate) people: Vec<Person>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) messages: BTreeMap<String, Vec<Message>>,
    pub(crate) pings: Vec<Ping>,
    pub(crate) last_us: i64,
}

/// What is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) author: Author,
    pub(crate) username: Option<String>,
    pub(crate) text: String,
    pub(crate) blocks: Option<Vec<Value>>,
    pub(crate) attachments: Option<Vec<Value>>,
    pub(crate) metadata: Option<Value>,
    pub(crate) thread_ts: Option<String>,
    pub(crate) only_for: Option<String>,
    pub(crate) pings: Vec<String>,
}

impl Draft {
    pub(crate) fn text(author: Author, text: &str) -> Self {
        Self {
            author,
            username: None,
            text: super::mentions::stored(text),
            blocks: None,
            attachments: None,
            metadata: None,
            thread_ts: None,
            only_for: None,
            pings: super::mentions::marked(text),
        }
    }
}

/// What an edit sets; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edit {
    pub(crate) text: Option<String>,
    pub(crate) blocks: Option<Vec<Value>>,
    pub(crate) attachments: Option<Vec<Value>>,
    pub(crate) metadata: Option<Value>,
    pub(crate) pings: Vec<String>,
}

impl Rooms {
    /// The channel of this id or name, with or without its hash.
    pub(crate) fn channel(&self, named: &str) -> Option<&Channel> {
        let name = named.strip_prefix('#').unwrap_or(named);
        self.channels
            .iter()
            .find(|channel| channel.id == named || channel.name == name)
    }

    /// The channel of this id or name, if the app can see it at all.
    pub(crate) fn seen(&self, named: &str) -> Option<&Channel> {
        self.channel(named)
            .filter(|channel| !channel.private || channel.app_is_member)
    }

    /// The member of this id or short name.
    pub(crate) fn person(&self, named: &str) -> Option<&Person> {
        self.people
            .iter()
            .find(|person| person.id == named || person.name == named)
    }

    pub(crate) fn message(&self, channel: &str, ts: &str) -> Option<&Message> {
        self.messages
            .get(channel)?
            .iter()
            .find(|message| message.ts == ts)
    }

    fn next_ts(&mut self, now_ms: i64) -> String {
        self.last_us = self.last_us.saturating_add(1).max(now_ms * 1000);
        stamp(self.last_us)
    }

    pub(crate) fn post(&mut self, now_ms: i64, channel: &str, draft: Draft) -> Message {
        let ts = self.next_ts(now_ms);
        let by_app = draft.author == Author::App;
        self.pings.extend(draft.pings.iter().map(|mention| Ping {
            channel: channel.to_owned(),
            ts: ts.clone(),
            mention: mention.clone(),
            by_app,
        }));
        let message = Message {
            ts,
            thread_ts: draft.thread_ts,
            author: draft.author,
            username: draft.username,
            text: draft.text,
            blocks: draft.blocks,
            attachments: draft.attachments,
            metadata: draft.metadata,
            edited_ts: None,
            only_for: draft.only_for,
            pings: draft.pings,
        };
        self.messages
            .entry(channel.to_owned())
            .or_default()
            .push(message.clone());
        message
    }

    /// Edits a message that is there.
    pub(crate) fn edit(
        &mut self,
        now_ms: i64,
        channel: &str,
        ts: &str,
        edit: Edit,
    ) -> Option<Message> {
        let edited = self.next_ts(now_ms);
        let message = self
            .messages
            .get_mut(channel)?
            .iter_mut()
            .find(|message| message.ts == ts)?;
        if let Some(text) = edit.text {
            message.text = text;
        }
        if edit.blocks.is_some() {
            message.blocks = edit.blocks.filter(|blocks| !blocks.is_empty());
        }
        if edit.attachments.is_some() {
            message.attachments = edit.attachments.filter(|list| !list.is_empty());
        }
        if edit.metadata.is_some() {
            message.metadata = edit.metadata.filter(|metadata| metadata != &json!({}));
        }
        message.edited_ts = Some(edited);
        message.pings.extend(edit.pings.clone());
        let message = message.clone();
        let by_app = message.author == Author::App;
        self.pings
            .extend(edit.pings.into_iter().map(|mention| Ping {
                channel: channel.to_owned(),
                ts: ts.to_owned(),
                mention,
                by_app,
            }));
        Some(message)
    }

    /// Takes a message away; false when it is not there.
    pub(crate) fn delete(&mut self, channel: &str, ts: &str) -> bool {
        self.messages.get_mut(channel).is_some_and(|messages| {
            let before = messages.len();
            messages.retain(|message| message.ts != ts);
            messages.len() < before
        })
    }
}

/// Microseconds since 1970, as the vendor prints them.
pub(crate) fn stamp(us: i64) -> String {
    format!(
        "{}.{:06}",
        us.div_euclid(1_000_000),
        us.rem_euclid(1_000_000)
    )
}

/// Reads a message's id, or seconds with fewer digits behind the point.
pub(crate) fn parse_stamp(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds >= 0)?;
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

/// The rooms, shared.
#[derive(Debug)]
pub(crate) struct Store {
    rooms: Arc<Mutex<Rooms>>,
    snapshot: Option<Snapshot>,
    clock: Arc<Clock>,
}

fn locked(rooms: &Mutex<Rooms>) -> MutexGuard<'_, Rooms> {
    rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Shares the rooms and keeps them in the folder.
    pub(crate) fn new(rooms: Rooms, folder: Option<Arc<Folder>>, clock: Arc<Clock>) -> Self {
        let rooms = Arc::new(Mutex::new(rooms));
        let snapshot = folder.map(|folder| {
            let rooms = Arc::clone(&rooms);
            Snapshot::start(folder, FILE, move || locked(&rooms).clone())
        });
        Self {
            rooms,
            snapshot,
            clock,
        }
    }

    pub(crate) fn load(folder: &Folder) -> Result<Option<Rooms>, SandboxError> {
        folder.load_json(FILE)
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Rooms) -> T) -> T {
        read(&locked(&self.rooms))
    }

    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Rooms, i64) -> T) -> T {
        let now = self.now();
        let value = write(&mut locked(&self.rooms), now);
        if let Some(snapshot) = &self.snapshot {
            snapshot.changed();
        }
        value
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.snapshot.as_ref().is_none_or(Snapshot::is_kept)
    }

    /// Waits until everything is on disk. May block.
    pub(crate) fn save_now(&self) -> Result<(), SandboxError> {
        self.snapshot.as_ref().map_or(Ok(()), Snapshot::save_now)
    }

    /// Writes a last time.
    pub(crate) fn end(&self) -> Result<(), SandboxError> {
        self.snapshot.as_ref().map_or(Ok(()), Snapshot::end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn stamps_are_read_back() {
        assert_eq!(stamp(1_503_435_956_000_247), "1503435956.000247");
        assert_eq!(
            parse_stamp("1503435956.000247"),
            Some(1_503_435_956_000_247)
        );
        assert_eq!(parse_stamp("1503435956"), Some(1_503_435_956_000_000));
        assert_eq!(parse_stamp("0"), Some(0));
        for bad in ["", "x", "1.x", "-1", "1.0000001", "99999999999999999999"] {
            assert_eq!(parse_stamp(bad), None, "{bad}");
        }
    }
}
