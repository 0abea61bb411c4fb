//! Throwing away what is old: events, settled webhook deliveries and mail, as configured; and giving up mail that is of no use any more.
//!
//! Small batches with pauses between them, each a short change of its own: writers never wait for more than one of them. Several nodes may do it at the
//! same time; whoever comes second finds nothing.

use entities::clock::Timestamp;
use entities::database::Database;
use entities::error::Error;
use entities::{automation_run, event_retention, mail_message, webhook_delivery};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Rows of one batch.
const BATCH: u64 = 500;
/// Between two batches.
const BREATH: Duration = Duration::from_millis(50);
/// Between two rounds.
const ROUND: Duration = Duration::from_secs(600);
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// For how long what is kept, in days; 0 is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Events.
    pub events_days: u32,
    /// Settled webhook deliveries and runs of automations.
    pub deliveries_days: u32,
    /// Messages by mail that were sent or given up.
    pub mail_days: u32,
}

/// The instant before which what is kept for so many days is old.
fn before(now: Timestamp, days: u32) -> Option<Timestamp> {
    (days > 0).then(|| now.plus_millis(-DAY_MS * i64::from(days)))
}

/// Throws one batch of each away. The answer says whether there was anything.
///
/// # Errors
/// When the database fails.
pub async fn step(database: &Database, retention: Retention) -> Result<bool, Error> {
    let now = database.now();
    let mut gone = 0;
    if let Some(before) = before(now, retention.deliveries_days) {
        gone += webhook_delivery::prune(database, before, BATCH).await?;
        gone += automation_run::prune(database, before, BATCH).await?;
    }
    gone += mail_message::expire(database).await?;
    if let Some(before) = before(now, retention.mail_days) {
        gone += mail_message::prune(database, before, BATCH).await?;
    }
    if let Some(before) = before(now, retention.events_days) {
        gone += match event_retention::prune(database, before, BATCH).await {
            // Another node is at it.
            Err(Error::LeaseLost) => 0,
            other => other?,
        };
    }
    Ok(gone > 0)
}

/// Throws away until `stop` is cancelled.
pub async fn run(database: Database, retention: Retention, stop: CancellationToken) {
    loop {
        let wait = match step(&database, retention).await {
            Ok(true) => BREATH,
            Ok(false) => ROUND,
            Err(error) => {
                tracing::error!(%error, "what is old could not be thrown away");
                ROUND
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
