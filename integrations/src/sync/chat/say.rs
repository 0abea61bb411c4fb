//! Posting one message of somebody else's, such as an automation's, at the channel's pace.
//!
//! Owns: the calls. Refuses: to keep anything; whoever posts has a row of its own, notes in it that the message is about to leave, and has it looked for
//! before it leaves again. Invariant: after any failure but [`ChatFailure::Again`] the message certainly is not there.

use super::post::notifier;
use crate::connector::ConnectorError;
use crate::http::Work;
use crate::notify::{CANNOT_LOOK, ChatMessage};
use crate::sync::calling::{Caller, call};
use crate::sync::claim::millis;
use crate::sync::error::{Result, SyncError};
use crate::sync::run::Engine;
use async_trait::async_trait;
use entities::chat_message::{UNCERTAIN, channel};
use entities::clock::Timestamp;
use entities::connection;
use entities::error::Error as EntityError;
use entities::id::ConnectionId;

/// How long a connection that needs a person is left alone, in milliseconds.
const LEFT_ALONE_MS: i64 = 300_000;

/// Why a message was not posted.
#[derive(Debug)]
pub enum ChatFailure {
    /// Our own rows; or the work is somebody else's by now.
    Entity(EntityError),
    /// Not before this instant, which is nobody's fault.
    Wait {
        /// When.
        until: Timestamp,
        /// Why.
        why: String,
    },
    /// Another attempt may succeed. The message may be there.
    Again(String),
    /// No attempt will, unless a person changes something.
    Never(String),
}

impl From<EntityError> for ChatFailure {
    fn from(error: EntityError) -> Self {
        Self::Entity(error)
    }
}

/// The row of who posts a message.
#[async_trait]
pub trait Noting: Send + Sync {
    /// Notes the instant before the message may leave; none when it certainly did not.
    ///
    /// # Errors
    /// [`EntityError::LeaseLost`] when the row is somebody else's by now, or a fault of the database.
    async fn note(&self, at: Option<Timestamp>) -> Result<(), EntityError>;
}

impl Engine {
    /// Whether a message is there that may have been posted since `since_ms`.
    ///
    /// # Errors
    /// [`ChatFailure`].
    pub async fn find_posted(
        &self,
        id: ConnectionId,
        message: &ChatMessage,
        since_ms: i64,
    ) -> Result<bool, ChatFailure> {
        let looked = self.look(id, message, since_ms).await;
        match looked {
            Ok(found) => Ok(found),
            Err(SyncError::Connector(ConnectorError::Permanent { code, message }))
                if code == CANNOT_LOOK =>
            {
                Err(ChatFailure::Never(format!(
                    "{UNCERTAIN}: it may have been posted, and looking is not allowed ({message}). Look in the channel; to post it again, retry it."
                )))
            }
            Err(error) => Err(self.judged(id, &message.channel, error).await?),
        }
    }

    async fn look(&self, id: ConnectionId, message: &ChatMessage, since_ms: i64) -> Result<bool> {
        let mut caller = Caller::open(self.database(), self.keeper(), id, Work::Webhook).await?;
        let connector = caller.connector();
        let notify = notifier(connector.notify())?;
        let (channel, reference) = (&message.channel, &message.reference);
        let found: Result<_> =
            async { call!(caller, context => notify.find(&context, channel, reference, since_ms)) }
                .await;
        Ok(found?.is_some())
    }

    /// Posts a message.
    ///
    /// # Errors
    /// [`ChatFailure`].
    pub async fn post_noted(
        &self,
        id: ConnectionId,
        message: &ChatMessage,
        row: &dyn Noting,
    ) -> Result<(), ChatFailure> {
        let database = self.database();
        let posted: Result<()> = async {
            let mut caller = Caller::open(database, self.keeper(), id, Work::Webhook).await?;
            let connector = caller.connector();
            let notify = notifier(connector.notify())?;
            caller.freshen().await?;
            channel::open(database, id, &message.channel).await?;
            if let Err(free_at) = channel::take_turn(database, id, &message.channel).await? {
                let retry_after = free_at.millis() - database.now().millis();
                return Err(ConnectorError::RateLimited {
                    retry_after: std::time::Duration::from_millis(
                        u64::try_from(retry_after).unwrap_or(0),
                    ),
                    scope: crate::error::LimitScope::Place,
                }
                .into());
            }
            row.note(Some(database.now())).await?;
            let mut posted = notify.post(&caller.context(), message).await;
            if let Err(ConnectorError::Auth {
                reconnect: false, ..
            }) = posted
            {
                // Nothing was posted; and while the token is renewed, nothing is uncertain.
                row.note(None).await?;
                caller.renew().await?;
                row.note(Some(database.now())).await?;
                posted = notify.post(&caller.context(), message).await;
            }
            match posted {
                Ok(_) => Ok(()),
                Err(error) => {
                    if !matches!(error, ConnectorError::Transient { .. }) {
                        row.note(None).await?;
                    }
                    Err(error.into())
                }
            }
        }
        .await;
        match posted {
            Ok(()) => Ok(()),
            Err(error) => Err(self.judged(id, &message.channel, error).await?),
        }
    }

    /// What follows from an error.
    async fn judged(
        &self,
        id: ConnectionId,
        channel: &str,
        error: SyncError,
    ) -> Result<ChatFailure, EntityError> {
        let database = self.database();
        let now = database.now();
        let why = error.reason();
        let left_alone = now.plus_millis(LEFT_ALONE_MS);
        Ok(match error {
            SyncError::Entity(error) => ChatFailure::Entity(error),
            SyncError::NotWorking { .. } => ChatFailure::Wait {
                until: left_alone,
                why,
            },
            SyncError::Connector(ConnectorError::Auth {
                reconnect: true,
                message,
            }) => {
                match self.consent_is_gone(id, &message).await {
                    Ok(()) => {}
                    Err(SyncError::Entity(error)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(connection = %id, code = error.code(), "a lost consent could not be noted");
                    }
                }
                ChatFailure::Wait {
                    until: left_alone,
                    why,
                }
            }
            SyncError::Connector(ConnectorError::RateLimited { retry_after, scope }) => {
                let until = now.plus_millis(millis(retry_after).max(1));
                channel::hold_until(database, id, channel, until).await?;
                if scope.stops_the_account() {
                    connection::pause_until(database, id, until).await?;
                }
                ChatFailure::Wait { until, why }
            }
            error if error.is_retryable() => ChatFailure::Again(why),
            _ => ChatFailure::Never(why),
        })
    }
}
