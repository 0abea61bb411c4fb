//! A double of Slack: one team, one app, on loopback.
//!
//! Players: the `store` holds people, channels and messages; `methods` is the table of what the app may call, with `chat`, `conversations`,
//! `people` and `oauth` behind it; `events` tells the app what happened, `interactivity` that a person pressed a button; `gate` and the
//! common faults make it fail on request; `admin` is the door for "a human in the team", `page` shows the channels.
//!
//! Theory: a double is worth what it refuses. Nearly every refusal has status 200; a message may be posted although the answer says no; a
//! name that was not escaped calls a whole channel to the screen, and that is kept as a [`Ping`], so that a test can say there was none.
//!
//! Left out: teams of an enterprise, user tokens, incoming webhooks, slash commands, files, direct messages, user groups (their mentions
//! count as pings all the same), and everything else that an app which notifies and asks does not call.

mod admin;
mod answer;
mod args;
mod blocks;
mod chat;
mod conversations;
mod events;
mod gate;
mod ids;
mod interactivity;
mod mentions;
mod message;
mod methods;
mod oauth;
mod options;
mod page;
mod people;
mod signature;
mod start;
mod store;
mod tokens;
mod workspace;

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;
use url::Url;

pub use gate::{error_after, error_before};
pub use interactivity::Pressed;
pub use message::{Author, Channel, Message, Person, Ping, Team};
pub use options::{SlackLimits, SlackOptions};

pub(crate) use workspace::Workspace;

use crate::app::{App, check_target};
use crate::delivery::WebhookCounts;
use crate::faults::{Fault, Faults};
use crate::stats::Counts;
use crate::{Clock, SandboxError};
use admin::ChannelChange;

/// A request of "a human in the team" that the team refuses, in the vendor's word for why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the team refuses: {0}")]
pub struct Refused(pub String);

impl From<answer::Refusal> for Refused {
    fn from(refusal: answer::Refusal) -> Self {
        Self(refusal.error().to_owned())
    }
}

/// A running team. Dropped without `stop`, it ends at once and keeps what had reached the disk.
#[derive(Debug)]
pub struct Slack {
    workspace: Arc<Workspace>,
    server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
    url: Url,
}

impl Slack {
    /// Makes or continues a team and serves it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When an option is not acceptable, the folder is in use or another team's, or the port is taken.
    pub async fn start(options: SlackOptions) -> Result<Self, SandboxError> {
        start::start(options).await
    }

    fn new(
        workspace: Arc<Workspace>,
        server: ServerHandle,
        tasks: Vec<JoinHandle<()>>,
        url: Url,
    ) -> Self {
        Self {
            workspace,
            server,
            tasks,
            url,
        }
    }

    /// The address that stands for the vendor's API (under `/api/`) and consent page.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The team's id, the tenant key.
    pub fn tenant(&self) -> String {
        self.workspace.store.read(|rooms| rooms.team.id.clone())
    }

    /// The registered app; its secret is the one of the first start.
    pub fn app(&self) -> &App {
        &self.workspace.app
    }

    /// What signs events and button presses; the one of the first start.
    pub fn signing_secret(&self) -> &str {
        &self.workspace.signing_secret.0
    }

    /// The sandbox's clock, to let time pass.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.workspace.clock)
    }

    /// Switches failures on and off.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.workspace.faults.change(change);
    }

    /// Adds one rule.
    pub fn fail(&self, fault: Fault) {
        self.faults(|faults| faults.rules.push(fault));
    }

    /// Lets every access token expire now.
    ///
    /// # Errors
    /// When that could not be written to disk.
    pub fn expire_tokens(&self) -> Result<(), SandboxError> {
        self.workspace
            .tokens
            .expire_all()
            .map_err(workspace::not_saved)
    }

    /// Ends every grant, as when the team removes the app, and tells the app.
    ///
    /// # Errors
    /// When that could not be written to disk.
    pub fn uninstall(&self) -> Result<(), SandboxError> {
        self.workspace.uninstall().map_err(workspace::not_saved)
    }

    /// Changes where events and button presses go; loopback only. A new address is asked to repeat a challenge before its first event.
    ///
    /// # Errors
    /// When the address is not on loopback, or could not be written to disk.
    pub fn set_webhook_target(&self, target: Option<Url>) -> Result<(), SandboxError> {
        if let Some(target) = &target {
            check_target(target).map_err(|problem| SandboxError::Option {
                name: "webhook_target",
                problem,
            })?;
        }
        self.workspace.set_target(target);
        self.workspace.save_head()
    }

    /// Asks the address to repeat a challenge, as when it is entered in the app's settings. True when it did, now or before.
    pub async fn verify_target(&self) -> bool {
        match self.workspace.target() {
            Some(target) => {
                events::verified(&self.workspace, &self.workspace.client, &target).await
            }
            None => false,
        }
    }

    /// Waits until no event is queued, in flight or waiting for another attempt.
    pub async fn webhooks_idle(&self) {
        self.workspace.deliveries.idle().await;
    }

    /// How the events went so far.
    pub fn webhook_counts(&self) -> WebhookCounts {
        self.workspace.deliveries.counts()
    }

    /// How often each endpoint was asked.
    pub fn counts(&self) -> Counts {
        self.workspace.stats.current()
    }

    /// The channels.
    pub fn channels(&self) -> Vec<Channel> {
        self.workspace.store.read(|rooms| rooms.channels.clone())
    }

    /// The id of the channel with this name, with or without its hash.
    pub fn channel_id(&self, name: &str) -> Option<String> {
        self.workspace
            .store
            .read(|rooms| rooms.channel(name).map(|channel| channel.id.clone()))
    }

    /// The members.
    pub fn people(&self) -> Vec<Person> {
        self.workspace.store.read(|rooms| rooms.people.clone())
    }

    /// What was said in a channel, given by id or name; oldest first. Empty also when there is no such channel.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.workspace.store.read(|rooms| {
            rooms
                .channel(channel)
                .and_then(|channel| rooms.messages.get(&channel.id).cloned())
                .unwrap_or_default()
        })
    }

    /// Who was called to the screen so far.
    pub fn pings(&self) -> Vec<Ping> {
        self.workspace.store.read(|rooms| rooms.pings.clone())
    }

    /// A person, given by id or short name, presses a button of a message.
    ///
    /// # Errors
    /// When there is no such channel, message, button or person, or nobody to tell.
    pub async fn press(
        &self,
        channel: &str,
        ts: &str,
        action_id: &str,
        user: &str,
    ) -> Result<Pressed, Refused> {
        let (workspace, client) = (&self.workspace, &self.workspace.client);
        Ok(interactivity::press(workspace, client, channel, ts, action_id, user).await?)
    }

    /// A person says something in a channel.
    ///
    /// # Errors
    /// When there is no such channel or person.
    pub fn say(&self, channel: &str, user: &str, text: &str) -> Result<Message, Refused> {
        Ok(self.workspace.say(channel, user, text)?)
    }

    /// Makes a channel.
    ///
    /// # Errors
    /// When the name is taken or no name.
    pub fn create_channel(&self, name: &str, private: bool) -> Result<Channel, Refused> {
        Ok(self.workspace.create_channel(name, private)?)
    }

    /// Takes a channel away with all that was said in it.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn delete_channel(&self, channel: &str) -> Result<(), Refused> {
        Ok(self.workspace.delete_channel(channel)?)
    }

    /// Gives a channel another name.
    ///
    /// # Errors
    /// When there is no such channel, or the name is taken or no name.
    pub fn rename_channel(&self, channel: &str, name: &str) -> Result<Channel, Refused> {
        self.change(channel, |change| change.name = Some(name.to_owned()))
    }

    /// Puts a channel away, or brings it back.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn archive_channel(&self, channel: &str, archived: bool) -> Result<Channel, Refused> {
        self.change(channel, |change| change.archived = Some(archived))
    }

    /// Invites the app into a channel, or removes it.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn invite_app(&self, channel: &str, member: bool) -> Result<Channel, Refused> {
        self.change(channel, |change| change.app_is_member = Some(member))
    }

    fn change(
        &self,
        channel: &str,
        set: impl FnOnce(&mut ChannelChange),
    ) -> Result<Channel, Refused> {
        let mut change = ChannelChange::default();
        set(&mut change);
        Ok(self.workspace.change_channel(channel, change)?)
    }

    /// Stops serving and writes everything to disk.
    ///
    /// # Errors
    /// When the last writing failed.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        self.workspace.stop.send_replace(true);
        self.server.stop(true).await;
        for task in self.tasks.drain(..) {
            // A task that panicked has nothing left to save.
            let _ = task.await;
        }
        self.workspace.save_head()?;
        let workspace = Arc::clone(&self.workspace);
        let ended = tokio::task::spawn_blocking(move || workspace.store.end()).await;
        ended.unwrap_or_else(|panic| {
            Err(SandboxError::File {
                attempt: "writing the state of",
                path: "the sandbox".into(),
                source: std::io::Error::other(panic),
            })
        })?;
        if let Some(folder) = &self.workspace.folder {
            folder.release();
        }
        Ok(())
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.workspace.stop.send_replace(true);
        // The order to stop is sent at once; waiting for the end is `stop`'s.
        drop(self.server.stop(false));
        for task in &self.tasks {
            task.abort();
        }
    }
}
