//! One run: read, judged, said.
//!
//! Owns: what is done about one event, and what becomes of a failure. Refuses: to call anybody inside a transaction. Invariant: a run ends in one
//! transaction with what it wrote, and only for who still holds it.

use super::template::{self, BadTemplate};
use super::{Evaluate, author};
use crate::mail::{self, Letter, LetterError, one_line};
use crate::notify::ChatMessage;
use crate::outbound::NotRendered;
use crate::sync::{ChatFailure, Engine, Noting};
use crate::vault::Vault;
use async_trait::async_trait;
use entities::automation::{self, Action, AutomationStatus, Model as Automation};
use entities::automation_run::{self, Claiming, Model as Run, RunState};
use entities::change::Change;
use entities::clock::Timestamp;
use entities::database::Database;
use entities::error::{Error, Result};
use entities::event;
use entities::id::{ConnectionId, EventId, UserId, WebhookEndpointId};
use entities::mail_message::MailPurpose;
use entities::user;
use entities::viewer::{Viewer, ViewerKind};
use entities::visible;
use entities::webhook_delivery::{self, NewDelivery};
use entities::webhook_endpoint::{self, EndpointStatus};
use serde_json::Value as Json;
use std::sync::Arc;
use uuid::Uuid;

/// How long a runner that stopped answering keeps its run. Longer than one may take.
const LEASE_MS: i64 = 120_000;
/// After so many attempts a run is given up.
const ATTEMPTS: i32 = 6;
/// The waits before the second and every further attempt, in seconds.
const WAITS: [i64; 5] = [5, 60, 600, 3_600, 14_400];
/// How long a chat that may not be called just now is waited for, in milliseconds.
const PATIENCE_MS: i64 = 3 * 24 * 3_600_000;
/// How long a mail of an automation is worth sending, in milliseconds.
const MAIL_MS: i64 = 24 * 3_600_000;
/// Since when a message is looked for before its run was raised, in milliseconds: the vendor's clock is another one.
const LOOK_BACK_MS: i64 = 300_000;
/// Why an automation is disabled whose owner is out.
pub(super) const OWNER_IS_OUT: &str =
    "its owner may not manage webhooks or read events any more: somebody who may has to change it";

/// What an automation would say, word for word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub enum Message {
    /// In a chat.
    Chat {
        connection: ConnectionId,
        channel: String,
        title: String,
        text: String,
    },
    /// By mail.
    Mail {
        users: Vec<UserId>,
        subject: String,
        text: String,
    },
    /// To an endpoint, which is told of the event as it asked to be.
    Webhook { endpoint: WebhookEndpointId },
}

/// Why there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// There is nothing to be done about this event.
    #[error("{0}")]
    Skipped(String),
    /// The owner may not read events any more.
    #[error("{OWNER_IS_OUT}")]
    OwnerIsOut,
    /// It may be tried later.
    #[error("{0}")]
    NotNow(String),
    /// It never will be said as it stands.
    #[error("{0}")]
    Never(String),
}

impl From<BadTemplate> for NotRun {
    fn from(error: BadTemplate) -> Self {
        Self::Never(format!("a template says nothing: {error}"))
    }
}

/// Runs automations.
#[derive(Clone)]
pub struct Runner {
    engine: Engine,
    database: Database,
    vault: Vault,
    evaluate: Arc<dyn Evaluate>,
    worker: Uuid,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

/// How an attempt ended.
enum Ended {
    /// It is written already.
    Settled,
    /// It did what it is for; more is to be said of it or not.
    Done(Option<String>),
    Skipped(String),
    /// Another attempt, then; whether this one counts.
    Again(Timestamp, String, bool),
    /// Another attempt, when the schedule says.
    Later(String),
    Failed(String),
}

impl Runner {
    /// Puts the parts together.
    #[must_use]
    pub fn new(engine: Engine, vault: Vault, evaluate: Arc<dyn Evaluate>) -> Self {
        let database = engine.database().clone();
        let mut bytes = [0_u8; 16];
        database.ids().fill(&mut bytes);
        Self {
            engine,
            database,
            vault,
            evaluate,
            worker: Uuid::from_bytes(bytes),
        }
    }

    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    /// Follows the log, or does one run that is due. The answer says whether there was anything to do.
    ///
    /// # Errors
    /// When the database fails; what was claimed is due again when its lease is over.
    pub async fn step(&self) -> Result<bool> {
        let heard = self.listen().await?;
        let claiming = Claiming {
            worker: self.worker,
            lease_millis: LEASE_MS,
            limit: 1,
            max_attempts: ATTEMPTS,
        };
        let claimed = automation_run::claim(&self.database, claiming).await?;
        let Some(run) = claimed.into_iter().next() else {
            return Ok(heard);
        };
        let ended = self.attempt(&run).await?;
        self.settle(&run, ended).await?;
        Ok(true)
    }

    /// What an automation would say of an event, in the name of `owner`.
    ///
    /// # Errors
    /// [`NotRun`], or a fault of the database.
    pub async fn compose(
        &self,
        row: &Automation,
        owner: &Viewer,
        event: EventId,
    ) -> Result<std::result::Result<Message, NotRun>> {
        if owner.kind() == ViewerKind::Nobody {
            return Ok(Err(NotRun::OwnerIsOut));
        }
        let read = self.database.read();
        let seen = event::seen_among(read, owner, &row.partners.ids(), &[event]).await?;
        if seen.is_empty() {
            let why = "its owner may not see this event, or it is of no partner it hears of";
            return Ok(Err(NotRun::Skipped(why.to_owned())));
        }
        if !row.action.is_allowed_to(owner) {
            let why = "its owner may not post in chats any more";
            return Ok(Err(NotRun::Never(why.to_owned())));
        }
        let answered = self.evaluate.evaluate(owner, &row.selection, event).await;
        let answered = match answered {
            Ok(answered) => answered,
            Err(NotRendered::NotNow) => {
                return Ok(Err(NotRun::NotNow(NotRendered::NotNow.to_string())));
            }
            Err(NotRendered::Never(why)) => return Ok(Err(NotRun::Never(why))),
        };
        if let Some(condition) = row.conditions.unmet(&answered) {
            let why = format!("a condition on {} is not met", condition.path);
            return Ok(Err(NotRun::Skipped(why)));
        }
        Ok(said(&row.action, &answered))
    }

    async fn attempt(&self, run: &Run) -> Result<Ended> {
        let (read, system) = (self.database.read(), Viewer::system("automation"));
        let id = run.automation_id.0;
        let found = visible::find_one::<automation::Entity, _>(read, &system, id).await?;
        // One that was removed takes its runs along.
        let Some(row) = found else {
            return Ok(Ended::Settled);
        };
        if row.status == AutomationStatus::Disabled {
            return Ok(Ended::Skipped("the automation was disabled".to_owned()));
        }
        let owner = row.viewer(read).await?;
        Ok(match self.compose(&row, &owner, run.event_id).await? {
            Ok(message) => self.say(run, message).await?,
            Err(NotRun::OwnerIsOut) => self.owner_is_out(run, &row).await?,
            Err(NotRun::Skipped(why)) => Ended::Skipped(why),
            Err(NotRun::NotNow(why)) => Ended::Later(why),
            Err(NotRun::Never(why)) => Ended::Failed(why),
        })
    }

    async fn owner_is_out(&self, run: &Run, row: &Automation) -> Result<Ended> {
        let mut change = Change::begin(&self.database, author()).await?;
        let system = Viewer::system("automation");
        let row = automation::lock(&change, &system, row.id, None).await?;
        automation::disable(&mut change, row, Some(OWNER_IS_OUT)).await?;
        automation_run::settle(&change, run, RunState::Skipped, Some(OWNER_IS_OUT)).await?;
        change.commit().await?;
        Ok(Ended::Settled)
    }

    async fn say(&self, run: &Run, message: Message) -> Result<Ended> {
        match message {
            Message::Mail {
                users,
                subject,
                text,
            } => self.mail(run, &users, subject, text).await,
            Message::Webhook { endpoint } => self.call(run, endpoint).await,
            Message::Chat {
                connection,
                channel,
                title,
                text,
            } => {
                let message = ChatMessage {
                    channel,
                    reference: run.id.to_string(),
                    heading: title,
                    text: Some(text).filter(|text| !text.trim().is_empty()),
                    facts: Vec::new(),
                    link: None,
                    note: None,
                    buttons: Vec::new(),
                };
                self.chat(run, connection, message).await
            }
        }
    }

    /// Writes the messages and ends the run, in one transaction.
    async fn mail(
        &self,
        run: &Run,
        users: &[UserId],
        subject: String,
        text: String,
    ) -> Result<Ended> {
        let change = Change::begin(&self.database, author()).await?;
        let mut written = 0;
        for id in users {
            let Some(person) = user::find(change.transaction(), *id).await? else {
                continue;
            };
            if !person.is_active() {
                continue;
            }
            let letter = Letter {
                to: person.email,
                subject: subject.clone(),
                text: text.clone().into(),
            };
            let about = (MailPurpose::Automation, person.id);
            let expires_at = change.now().plus_millis(MAIL_MS);
            match mail::write(&change, &self.vault, &letter, about, expires_at).await {
                Ok(_) => written += 1,
                Err(LetterError::Entity(error)) => return Err(error),
                // One address that mail does not know keeps nobody else from hearing.
                Err(LetterError::Address) => {}
                Err(error) => return Ok(Ended::Failed(error.to_string())),
            }
        }
        let (state, why) = if written > 0 {
            (RunState::Done, None)
        } else {
            let why = "nobody it writes to signs in here any more";
            (RunState::Skipped, Some(why))
        };
        if automation_run::settle(&change, run, state, why).await? {
            change.commit().await?;
            self.database.wake().wake();
        } else {
            change.rollback().await?;
        }
        Ok(Ended::Settled)
    }

    /// Raises the delivery and ends the run, in one transaction.
    async fn call(&self, run: &Run, endpoint: WebhookEndpointId) -> Result<Ended> {
        let change = Change::begin(&self.database, author()).await?;
        let (read, system) = (change.transaction(), Viewer::system("automation"));
        let found =
            visible::find_one::<webhook_endpoint::Entity, _>(read, &system, endpoint.0).await?;
        let hears = found.is_some_and(|row| row.status != EndpointStatus::Disabled);
        if !hears {
            return Ok(Ended::Skipped("the endpoint hears nothing".to_owned()));
        }
        let Some(event) = event::find(read, run.event_id).await? else {
            return Ok(Ended::Skipped("the event has left the log".to_owned()));
        };
        let delivery = NewDelivery {
            endpoint_id: endpoint,
            event_id: Some(event.id),
            kind: event.kind,
            occurred_at: event.occurred_at,
        };
        webhook_delivery::raise(&change, &[delivery]).await?;
        if automation_run::settle(&change, run, RunState::Done, None).await? {
            change.commit().await?;
            self.database.wake().wake();
        } else {
            change.rollback().await?;
        }
        Ok(Ended::Settled)
    }

    async fn chat(&self, run: &Run, id: ConnectionId, message: ChatMessage) -> Result<Ended> {
        if run.sent_at.is_some() {
            let since = run.created_at.millis() - LOOK_BACK_MS;
            let looked = self.engine.find_posted(id, &message, since).await;
            match looked {
                Ok(true) => return Ok(Ended::Done(None)),
                Ok(false) => {}
                Err(failure) => return failed(&self.database, run, failure),
            }
        }
        let row = Noted(&self.database, run);
        match self.engine.post_noted(id, &message, &row).await {
            Ok(()) => Ok(Ended::Done(None)),
            Err(failure) => failed(&self.database, run, failure),
        }
    }

    async fn settle(&self, run: &Run, ended: Ended) -> Result<()> {
        let now = self.database.now();
        let (state, why) = match ended {
            Ended::Settled => return Ok(()),
            Ended::Again(at, why, counted) => {
                let write = self.database.write();
                automation_run::release(write, run, at, Some(&why), counted).await?;
                return Ok(());
            }
            Ended::Later(why) => {
                let index = usize::try_from(run.attempts - 1).unwrap_or(usize::MAX);
                match WAITS.get(index) {
                    Some(seconds) => {
                        let (write, at) = (self.database.write(), now.plus_millis(seconds * 1_000));
                        automation_run::release(write, run, at, Some(&why), true).await?;
                        return Ok(());
                    }
                    None => (RunState::Failed, Some(why)),
                }
            }
            Ended::Done(why) => (RunState::Done, why),
            Ended::Skipped(why) => (RunState::Skipped, Some(why)),
            Ended::Failed(why) => (RunState::Failed, Some(why)),
        };
        if state == RunState::Failed {
            tracing::info!(run = %run.id, automation = %run.automation_id, "an automation could not do what it is for");
        }
        let change = Change::begin(&self.database, author()).await?;
        automation_run::settle(&change, run, state, why.as_deref()).await?;
        change.commit().await?;
        Ok(())
    }
}

/// A run, as the row in which it is noted that its message is about to leave.
struct Noted<'a>(&'a Database, &'a Run);

#[async_trait]
impl Noting for Noted<'_> {
    async fn note(&self, at: Option<Timestamp>) -> Result<()> {
        if automation_run::note_sent(self.0.write(), self.1, at).await? {
            Ok(())
        } else {
            Err(Error::LeaseLost)
        }
    }
}

/// What follows when a chat could not be spoken in.
fn failed(database: &Database, run: &Run, failure: ChatFailure) -> Result<Ended> {
    let now = database.now();
    Ok(match failure {
        ChatFailure::Entity(Error::LeaseLost) => Ended::Settled,
        ChatFailure::Entity(error) => return Err(error),
        ChatFailure::Wait { until, why } => {
            // It is nobody's fault, so it counts as no attempt; but news that is days old is none.
            if run.created_at.plus_millis(PATIENCE_MS) <= now {
                Ended::Failed(why)
            } else {
                Ended::Again(until, why, false)
            }
        }
        ChatFailure::Again(why) => Ended::Later(why),
        ChatFailure::Never(why) => Ended::Failed(why),
    })
}

/// The words of an action, with values in their places.
fn said(action: &Action, answered: &Json) -> std::result::Result<Message, NotRun> {
    let line = |template: &str| -> std::result::Result<String, NotRun> {
        let line = one_line(&template::render(template, answered)?);
        if line.is_empty() {
            return Err(NotRun::Never("its title is empty".to_owned()));
        }
        Ok(line)
    };
    Ok(match action {
        Action::Chat {
            connection,
            channel,
            title,
            text,
        } => Message::Chat {
            connection: ConnectionId(*connection),
            channel: channel.clone(),
            title: line(title)?,
            text: template::render(text, answered)?,
        },
        Action::Mail {
            users,
            subject,
            text,
        } => Message::Mail {
            users: users.iter().copied().map(UserId).collect(),
            subject: line(subject)?,
            text: template::render(text, answered)?,
        },
        Action::Webhook { endpoint } => Message::Webhook {
            endpoint: WebhookEndpointId(*endpoint),
        },
    })
}
