//! Posting messages, and putting posted ones right.
//!
//! Owns: the line between a message that is certainly not there and one that may be. Refuses: to call a vendor inside a transaction, to post before
//! it is noted that this may have happened, and to post again blindly. Invariant: a message leaves the queue only in the transaction that keeps
//! where it is, or when a person has to decide.

use super::compose::{Closing, closing, compose};
use super::registration::{self, Submission, submission};
use crate::connector::{Channel, ConnectorError, Notify, Posted};
use crate::http::Work;
use crate::notify::{CANNOT_LOOK, ChatMessage};
use crate::sync::calling::{Caller, call};
use crate::sync::claim::{self, millis};
use crate::sync::error::{Result, SyncError};
use crate::sync::run::Engine;
use crate::sync::settle::is_lost;
use entities::change::{Author, Change, Origin};
use entities::chat_message::{self, Model, UNCERTAIN, channel};
use entities::chat_post;
use entities::clock::Timestamp;
use entities::connection;
use entities::event::{EventKind, NewEvent};
use entities::id::{ConnectionId, DealId, DealRegistrationId, EventId, TypedId as _};
use sea_orm::ConnectionTrait;
use serde_json::json;

/// How long before it was raised a message is looked for, in milliseconds: the vendor's clock is another one.
const LOOK_BACK_MS: i64 = 300_000;

/// What there is to tell.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum News {
    Closing(Closing),
    Submission(Box<Submission>),
}

impl News {
    async fn of(connection: &impl ConnectionTrait, event: EventId) -> Result<Option<Self>> {
        if let Some(closing) = closing(connection, event).await? {
            return Ok(Some(Self::Closing(closing)));
        }
        let submission = submission(connection, event).await?;
        Ok(submission.map(|found| Self::Submission(Box::new(found))))
    }

    async fn message(
        &self,
        connection: &impl ConnectionTrait,
        channel: &str,
    ) -> Result<ChatMessage> {
        match self {
            Self::Closing(closing) => compose(connection, closing, channel).await,
            Self::Submission(found) => registration::compose(connection, found, channel).await,
        }
    }
}

/// How one attempt ended.
enum Ended {
    /// It is there, or nobody need hear of it any more.
    Said,
    /// It may be there, and nobody may look.
    Unknown(String),
}

impl Engine {
    /// Says one thing in one chat. The answer says whether there was anything to say.
    ///
    /// # Errors
    /// When the database fails. What fails at the vendor is kept in the message's row.
    pub async fn chat_step(&self) -> Result<bool> {
        let settings = self.settings();
        let lease = millis(settings.lease);
        let (database, most) = (self.database(), settings.max_attempts);
        let claimed = chat_message::claim(database, self.worker(), lease, 1, most).await?;
        let Some(row) = claimed.into_iter().next() else {
            return Ok(false);
        };
        let taken = channel::take_turn(database, row.connection_id, &row.resource).await?;
        let done = match taken {
            Err(free_at) => self.wait_for_turn(&row, free_at).await,
            Ok(()) => match self.say(&row).await {
                Ok(Ended::Said) => Ok(()),
                Ok(Ended::Unknown(why)) => {
                    let reason = format!("{UNCERTAIN}: {why}");
                    self.give_up_saying(&row, UNCERTAIN, reason).await
                }
                Err(error) if is_lost(&error) => Ok(()),
                Err(error) => self.not_said(&row, &error).await,
            },
        };
        match done {
            Err(error) if is_lost(&error) => {}
            other => other?,
        }
        Ok(true)
    }

    /// The places a chat has to post to.
    ///
    /// # Errors
    /// When there is no such connection, it cannot be used, it is no chat, or the vendor refuses.
    pub async fn chat_channels(&self, id: ConnectionId) -> Result<Vec<Channel>> {
        let mut caller =
            Caller::open(self.database(), self.keeper(), id, Work::Interactive).await?;
        let connector = caller.connector();
        let notify = notifier(connector.notify())?;
        call!(caller, context => notify.channels(&context))
    }

    async fn say(&self, row: &Model) -> Result<Ended> {
        let database = self.database();
        let mut caller =
            Caller::open(database, self.keeper(), row.connection_id, Work::Webhook).await?;
        let connector = caller.connector();
        let notify = notifier(connector.notify())?;
        let Some(news) = News::of(database.read(), row.event_id).await? else {
            chat_message::settle(database.write(), std::slice::from_ref(row), database.now())
                .await?;
            return Ok(Ended::Said);
        };
        let post = chat_post::find(database.read(), row.connection_id, row.event_id).await?;
        if let Some(post) = post {
            return self.put_right(row, &news, &post, &mut caller, notify).await;
        }
        if row.sent_at.is_some() {
            let since = row.first_seen_at.millis() - LOOK_BACK_MS;
            let reference = row.event_id.to_string();
            let found: Result<Option<Posted>> = async {
                call!(caller, context => notify.find(&context, &row.resource, &reference, since))
            }
            .await;
            match found {
                Ok(Some(posted)) => return self.is_said(row, posted).await,
                Ok(None) => {}
                Err(SyncError::Connector(ConnectorError::Permanent { code, message }))
                    if code == CANNOT_LOOK =>
                {
                    let why = format!(
                        "it may have been posted, and looking is not allowed ({message}). Look in the channel; to post it again, replay it."
                    );
                    return Ok(Ended::Unknown(why));
                }
                Err(error) => return Err(error),
            }
        }
        // What an earlier button or the deal itself has changed meanwhile is in what is said now.
        let message = news.message(database.read(), &row.resource).await?;
        caller.freshen().await?;
        chat_message::mark_sent(database, row).await?;
        let mut posted = notify.post(&caller.context(), &message).await;
        if let Err(ConnectorError::Auth {
            reconnect: false, ..
        }) = posted
        {
            // Nothing was posted; and while the token is renewed, nothing is uncertain.
            chat_message::clear_sent(database.write(), row).await?;
            caller.renew().await?;
            chat_message::mark_sent(database, row).await?;
            posted = notify.post(&caller.context(), &message).await;
        }
        match posted {
            Ok(posted) => self.is_said(row, posted).await,
            Err(error) => {
                if !may_be_there(&error) {
                    chat_message::clear_sent(database.write(), row).await?;
                }
                Err(error.into())
            }
        }
    }

    async fn put_right(
        &self,
        row: &Model,
        news: &News,
        post: &chat_post::Model,
        caller: &mut Caller<'_>,
        notify: &dyn Notify,
    ) -> Result<Ended> {
        let database = self.database();
        let message = news.message(database.read(), &post.channel).await?;
        let posted = Posted {
            channel: post.channel.clone(),
            external_id: post.external_id.clone(),
        };
        let put: Result<()> =
            async { call!(caller, context => notify.update(&context, &posted, &message)) }.await;
        match put {
            Ok(()) => {}
            // The message is gone, or may no longer be changed. What was answered is kept all the same.
            Err(SyncError::Connector(
                error @ (ConnectorError::Permanent { .. } | ConnectorError::NotFound { .. }),
            )) => {
                tracing::info!(connection = %row.connection_id, %error, "a message could not be put right");
            }
            Err(error) => return Err(error),
        }
        chat_message::settle(database.write(), std::slice::from_ref(row), database.now()).await?;
        Ok(Ended::Said)
    }

    /// Keeps where a message is.
    async fn is_said(&self, row: &Model, posted: Posted) -> Result<Ended> {
        let author = Author::connection(row.connection_id, Origin::Sync);
        let change = Change::begin(self.database(), author).await?;
        let post = chat_post::Model {
            connection_id: row.connection_id,
            event_id: row.event_id,
            subject_kind: row.subject_kind.clone(),
            subject_id: row.subject_id,
            channel: posted.channel,
            external_id: posted.external_id,
            posted_at: change.now(),
        };
        chat_post::keep(change.transaction(), post).await?;
        // Wished anew meanwhile it is due again, and then put right.
        let claimed = std::slice::from_ref(row);
        chat_message::settle(change.transaction(), claimed, change.now()).await?;
        change.commit().await?;
        Ok(Ended::Said)
    }

    /// Another message of the channel was a moment ago: this one and those behind it wait their turn.
    async fn wait_for_turn(&self, row: &Model, free_at: Timestamp) -> Result<()> {
        let database = self.database();
        channel::hold_until(database, row.connection_id, &row.resource, free_at).await?;
        let attempts = row.attempts - 1;
        let error = row.error.clone();
        chat_message::release(database.write(), row, free_at, attempts, error, false).await?;
        Ok(())
    }

    /// Keeps a failure in the message's row.
    async fn not_said(&self, row: &Model, error: &SyncError) -> Result<()> {
        let settings = self.settings();
        let (database, id) = (self.database(), row.connection_id);
        let now = database.now();
        tracing::warn!(connection = %id, code = error.code(), "a message could not be said");
        let give = async |due, attempts: i32, reason| {
            let write = database.write();
            chat_message::release(write, row, due, attempts.max(0), reason, false).await
        };
        match error {
            // A connection that needs a person is not the message's fault.
            SyncError::NotWorking { .. } => {
                give(now, row.attempts - 1, row.error.clone()).await?;
            }
            SyncError::Connector(ConnectorError::Auth {
                reconnect: true,
                message,
            }) => {
                self.consent_is_gone(id, message).await?;
                give(now, row.attempts - 1, row.error.clone()).await?;
            }
            SyncError::Connector(ConnectorError::RateLimited { retry_after, scope }) => {
                let due = now.plus_millis(millis(*retry_after));
                channel::hold_until(database, id, &row.resource, due).await?;
                if scope.stops_the_account() {
                    connection::pause_until(database, id, due).await?;
                }
                give(due, row.attempts - 1, Some(error.reason())).await?;
            }
            error if error.is_retryable() => {
                let (base, cap) = (settings.backoff, settings.backoff_cap);
                let setback = claim::setback(error, row.attempts, now, base, cap);
                if let Some(until) = setback.pause {
                    connection::pause_until(database, id, until).await?;
                }
                let attempts = setback.attempts.min(settings.max_attempts - 1);
                give(setback.available_at, attempts, setback.error).await?;
            }
            // The vendor understood and will not: a person has to put something right.
            error => {
                self.give_up_saying(row, error.code(), error.reason())
                    .await?;
            }
        }
        Ok(())
    }

    pub(super) async fn consent_is_gone(&self, id: ConnectionId, message: &str) -> Result<()> {
        let system = entities::viewer::Viewer::system("chat");
        let read = self.database().read();
        let row = entities::visible::find_one::<connection::Entity, _>(read, &system, id.0).await?;
        if let Some(row) = row {
            self.keeper()
                .require_reauthorization(id, row.credentials_version, message)
                .await?;
        }
        Ok(())
    }

    /// Gives a message up, visibly.
    async fn give_up_saying(&self, row: &Model, code: &str, reason: String) -> Result<()> {
        let author = Author::connection(row.connection_id, Origin::Sync);
        let mut change = Change::begin(self.database(), author).await?;
        let data = json!({ "code": code, "reason": reason, "channel": row.resource });
        let failed = EventKind::SyncPushFailed;
        let event = if row.subject_kind == DealRegistrationId::PREFIX {
            NewEvent::about(failed, DealRegistrationId(row.subject_id), data)
        } else {
            NewEvent::about(failed, DealId(row.subject_id), data)
        };
        change.record(event.internal());
        let (transaction, now) = (change.transaction(), change.now());
        chat_message::release(transaction, row, now, row.attempts, Some(reason), true).await?;
        change.commit().await?;
        Ok(())
    }
}

/// Whether a message may be there although posting it failed so.
const fn may_be_there(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Transient { .. })
}

pub(super) fn notifier(notify: Option<&dyn Notify>) -> Result<&dyn Notify> {
    notify.ok_or_else(|| {
        ConnectorError::permanent("cannot_notify", "the connector posts no messages").into()
    })
}
