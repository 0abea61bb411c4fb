//! Giving pushes back when the work on them failed.
//!
//! Owns: how long a push waits and when it is given up. Refuses: to let a vendor that is down, or a connection that waits for a person, use up
//! attempts. Invariant: a wait the vendor set holds for the whole connection.

use super::dispatch::WAIT_MS;
use super::told;
use crate::connector::ConnectorError;
use crate::sync::claim::{self, millis};
use crate::sync::error::{Result, SyncError};
use crate::sync::run::Engine;
use crate::sync::settle::is_lost;
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::connection;
use entities::id::ConnectionId;
use entities::outbound_push::{self, Model};

/// From this attempt on a push whose workers died without a word is worked on alone: if it is what kills them, it takes no other along.
const ALONE_FROM: i32 = 3;

/// Runs a statement about a push; one that is another worker's by now is left to it.
pub(super) fn unless_lost(done: entities::error::Result<()>) -> Result<()> {
    match done.map_err(SyncError::from) {
        Err(error) if is_lost(&error) => Ok(()),
        other => other,
    }
}

impl Engine {
    /// Of claimed pushes those to work on together. A failure leaves its reason in the row; one that was claimed again and again and left none has
    /// probably ended the process each time.
    pub(super) async fn isolate(&self, mut claimed: Vec<Model>) -> Result<Vec<Model>> {
        let suspect = |push: &Model| push.attempts >= ALONE_FROM && push.error.is_none();
        let Some(place) = claimed
            .iter()
            .position(suspect)
            .filter(|_| claimed.len() > 1)
        else {
            return Ok(claimed);
        };
        let alone = claimed.swap_remove(place);
        self.put_off(&claimed).await?;
        Ok(vec![alone])
    }

    /// Gives pushes back that were not worked on: they are due at once, and the attempt does not count.
    pub(super) async fn put_off(&self, pushes: &[Model]) -> Result<()> {
        let now = self.database().now();
        for push in pushes {
            self.give(push, now, push.attempts - 1, push.error.clone())
                .await?;
        }
        Ok(())
    }

    /// Lets pushes wait a little for something that is under way here; the attempt does not count.
    pub(super) async fn wait_for(&self, pushes: &[Model], reason: &str) -> Result<()> {
        let due = self.database().now().plus_millis(WAIT_MS);
        for push in pushes {
            self.give(push, due, push.attempts - 1, Some(reason.to_owned()))
                .await?;
        }
        Ok(())
    }

    async fn give(
        &self,
        push: &Model,
        due: Timestamp,
        attempts: i32,
        error: Option<String>,
    ) -> Result<()> {
        let write = self.database().write();
        let given = outbound_push::release(write, push, due, attempts.max(0), error, false).await;
        unless_lost(given)
    }

    /// Keeps a failure that concerns all of these pushes in their rows.
    pub(super) async fn give_back(
        &self,
        id: ConnectionId,
        pushes: &[Model],
        error: &SyncError,
    ) -> Result<()> {
        if is_lost(error) || pushes.is_empty() {
            return Ok(());
        }
        let settings = self.settings();
        let database = self.database();
        let now = database.now();
        tracing::warn!(connection = %id, code = error.code(), pushes = pushes.len(), "pushes could not be worked on");
        let waits = matches!(
            error,
            SyncError::NotWorking { .. }
                | SyncError::Connector(ConnectorError::Auth {
                    reconnect: true,
                    ..
                })
        );
        for push in pushes {
            // A connection that needs a person is not the row's fault.
            if waits {
                self.give(push, now, push.attempts - 1, push.error.clone())
                    .await?;
                continue;
            }
            if !error.is_retryable() && push.attempts >= settings.max_attempts {
                let mut change =
                    Change::begin(database, Author::connection(id, Origin::Sync)).await?;
                let given = told::give_up(&mut change, push, (error.code(), error.reason())).await;
                match given {
                    Err(error) if is_lost(&error) => change.rollback().await?,
                    Err(error) => return Err(error),
                    Ok(()) => change.commit().await?,
                }
                continue;
            }
            let (due, attempts) = self.patience(push, error, now);
            self.give(push, due, attempts, Some(error.reason())).await?;
        }
        self.pause_for(id, error, now).await
    }

    /// When a push is due again after a failure, and how many attempts count then. What may pass by itself never ends in death; it waits ever
    /// longer.
    pub(super) fn patience(
        &self,
        push: &Model,
        error: &SyncError,
        now: Timestamp,
    ) -> (Timestamp, i32) {
        let settings = self.settings();
        let (base, cap) = (settings.backoff, settings.backoff_cap);
        let setback = claim::setback(error, push.attempts, now, base, cap);
        if error.is_retryable() {
            let most = settings.max_attempts - 1;
            (setback.available_at, setback.attempts.min(most))
        } else {
            let wait = claim::backoff(base, cap, push.attempts);
            (now.plus_millis(millis(wait)), push.attempts)
        }
    }

    /// Keeps a wait that the vendor set.
    pub(super) async fn pause_for(
        &self,
        id: ConnectionId,
        error: &SyncError,
        now: Timestamp,
    ) -> Result<()> {
        let settings = self.settings();
        let setback = claim::setback(error, 1, now, settings.backoff, settings.backoff_cap);
        if let Some(until) = setback.pause {
            connection::pause_until(self.database(), id, until).await?;
        }
        Ok(())
    }
}
