//! What the endpoints share, and what a human does in the team.
//!
//! Invariant: whatever happens that the app has subscribed to is told, whoever did it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::admin::ChannelChange;
use super::answer::Refusal;
use super::events;
use super::ids::fresh;
use super::interactivity::ResponseUrls;
use super::message::{Author, Channel, Message};
use super::methods::Windows;
use super::options::{Secret, SlackLimits};
use super::start::{HEAD, Head};
use super::store::{Draft, Rooms, Store};
use super::tokens::{GrantError, Tokens};
use crate::app::App;
use crate::delivery::Deliveries;
use crate::faults::FaultBook;
use crate::folder::Folder;
use crate::stats::Stats;
use crate::{Clock, SandboxError};

/// What the endpoints share.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) clock: Arc<Clock>,
    pub(crate) store: Store,
    pub(crate) tokens: Tokens,
    pub(crate) faults: FaultBook,
    pub(crate) limits: SlackLimits,
    pub(crate) windows: Windows,
    pub(crate) stats: Stats,
    pub(crate) deliveries: Deliveries,
    pub(crate) response_urls: ResponseUrls,
    pub(crate) app: App,
    pub(crate) signing_secret: Secret,
    pub(crate) events: Vec<String>,
    pub(crate) happened: mpsc::UnboundedSender<Value>,
    pub(crate) client: reqwest::Client,
    pub(crate) folder: Option<Arc<Folder>>,
    pub(crate) head: Mutex<Head>,
    pub(crate) url: OnceLock<Url>,
    pub(crate) stop: watch::Sender<bool>,
}

pub(crate) fn not_saved(error: GrantError) -> SandboxError {
    match error {
        GrantError::NotSaved(error) => error,
        other => SandboxError::Option {
            name: "tokens",
            problem: format!("{other:?}"),
        },
    }
}

impl Workspace {
    /// The sandbox's address, with a slash at its end; empty before it listens.
    pub(crate) fn url(&self) -> String {
        self.url.get().map(Url::to_string).unwrap_or_default()
    }

    /// The app's id in the vendor's form.
    pub(crate) fn app_id(&self) -> String {
        format!("A{:010}", self.app.app_id)
    }

    /// The old way to know the sender: a word in every body. Nothing may rely on it.
    pub(crate) fn verification_token(&self) -> &'static str {
        "not-to-be-relied-on"
    }

    /// Ends when the team is stopped.
    pub(crate) async fn stopping(&self) {
        // The sender lives as long as the team, so waiting fails never.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    fn head<T>(&self, change: impl FnOnce(&mut Head) -> T) -> T {
        change(&mut self.head.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn target(&self) -> Option<Url> {
        self.head(|head| head.webhook_target.clone())
    }

    pub(crate) fn set_target(&self, target: Option<Url>) {
        self.head(|head| head.webhook_target = target);
    }

    pub(crate) fn is_verified(&self, target: &Url) -> bool {
        self.head(|head| head.verified.as_ref() == Some(target))
    }

    pub(crate) fn set_verified(&self, target: &Url) {
        self.head(|head| head.verified = Some(target.clone()));
    }

    /// Puts port, target and app on disk.
    pub(crate) fn save_head(&self) -> Result<(), SandboxError> {
        let head = self.head(|head| head.clone());
        match &self.folder {
            Some(folder) => folder.save_json(HEAD, &head),
            None => Ok(()),
        }
    }

    /// Something happened: the app is told, if it has asked for that.
    pub(crate) fn tell(&self, event: Value) {
        if !events::is_heard(self, &event) {
            return;
        }
        self.deliveries.opened(1);
        // A closed channel means the team is stopping: nobody is left to tell.
        if self.happened.send(event).is_err() {
            self.deliveries.closed(1);
        }
    }

    pub(crate) fn uninstall(&self) -> Result<(), GrantError> {
        if self.tokens.uninstall()? {
            events::uninstalled(self);
        }
        Ok(())
    }

    pub(crate) fn say(&self, channel: &str, user: &str, text: &str) -> Result<Message, Refusal> {
        if text.is_empty() {
            return Err(Refusal::new("no_text"));
        }
        let (event, message) = self.store.write(|rooms, now| {
            let channel = found(rooms, channel)?.clone();
            if channel.archived {
                return Err(Refusal::new("is_archived"));
            }
            let person = rooms
                .person(user)
                .ok_or_else(|| Refusal::new("user_not_found"))?
                .clone();
            let message = rooms.post(
                now,
                &channel.id,
                Draft::text(Author::Person(person.id.clone()), text),
            );
            let event = json!({
                "type": "message",
                "user": person.id,
                "text": message.text,
                "ts": message.ts,
                "channel": channel.id,
                "event_ts": message.ts,
                "channel_type": if channel.private { "group" } else { "channel" },
            });
            Ok((channel.app_is_member.then_some(event), message))
        })?;
        if let Some(event) = event {
            self.tell(event);
        }
        Ok(message)
    }

    pub(crate) fn create_channel(&self, name: &str, private: bool) -> Result<Channel, Refusal> {
        self.store.write(|rooms, now| {
            check_name(rooms, name)?;
            let channel = Channel {
                id: fresh('C'),
                name: name.to_owned(),
                private,
                archived: false,
                general: false,
                app_is_member: false,
                previous_names: Vec::new(),
                created_ms: now,
                updated_ms: now,
            };
            rooms.channels.push(channel.clone());
            Ok(channel)
        })
    }

    pub(crate) fn delete_channel(&self, channel: &str) -> Result<(), Refusal> {
        let id = self.store.write(|rooms, _| {
            let id = found(rooms, channel)?.id.clone();
            rooms.channels.retain(|channel| channel.id != id);
            rooms.messages.remove(&id);
            Ok::<_, Refusal>(id)
        })?;
        self.tell(json!({"type": "channel_deleted", "channel": id}));
        Ok(())
    }

    pub(crate) fn change_channel(
        &self,
        channel: &str,
        change: ChannelChange,
    ) -> Result<Channel, Refusal> {
        let (before, after) = self.store.write(|rooms, now| {
            let before = found(rooms, channel)?.clone();
            if let Some(name) = change.name.as_deref().filter(|name| *name != before.name) {
                check_name(rooms, name)?;
            }
            let channel = rooms
                .channels
                .iter_mut()
                .find(|channel| channel.id == before.id)
                .ok_or_else(|| Refusal::new("channel_not_found"))?;
            if let Some(name) = change.name.filter(|name| *name != before.name) {
                channel.previous_names.push(before.name.clone());
                channel.name = name;
            }
            channel.archived = change.archived.unwrap_or(channel.archived);
            // An archived channel has no members any more.
            let member = change.app_is_member.unwrap_or(channel.app_is_member);
            channel.app_is_member = member && !channel.archived;
            channel.updated_ms = now;
            Ok::<_, Refusal>((before, channel.clone()))
        })?;
        self.tell_changes(&before, &after);
        Ok(after)
    }

    fn tell_changes(&self, before: &Channel, after: &Channel) {
        let user = self
            .store
            .read(|rooms| rooms.people.first().map(|person| person.id.clone()));
        if before.archived != after.archived {
            let kind = if after.archived {
                "channel_archive"
            } else {
                "channel_unarchive"
            };
            self.tell(json!({"type": kind, "channel": after.id, "user": user}));
        }
        if before.name != after.name {
            self.tell(json!({
                "type": "channel_rename",
                "channel": {"id": after.id, "name": after.name, "created": after.created_ms / 1000},
            }));
        }
        if before.app_is_member && !after.app_is_member && !after.archived {
            self.tell(json!({"type": "channel_left", "channel": after.id, "actor_id": user}));
        }
    }
}

fn found<'a>(rooms: &'a Rooms, channel: &str) -> Result<&'a Channel, Refusal> {
    rooms
        .channel(channel)
        .ok_or_else(|| Refusal::new("channel_not_found"))
}

fn check_name(rooms: &Rooms, name: &str) -> Result<(), Refusal> {
    let sound = !name.is_empty()
        && name.chars().count() <= 80
        && name
            .chars()
            .all(|c| c.is_lowercase() || c.is_numeric() || matches!(c, '-' | '_'));
    if !sound {
        return Err(Refusal::new("invalid_name_specials"));
    }
    if rooms.channels.iter().any(|channel| channel.name == name) {
        return Err(Refusal::new("name_taken"));
    }
    Ok(())
}
