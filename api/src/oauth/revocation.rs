//! How a process comes to know of tokens that were taken back, so that it can refuse them without asking the database for each request.
//!
//! **Why five seconds hold.** The list is read whole before the first request is answered. In the process that takes a token back it is added to with the
//! commit, before the one who asked has an answer. Every other process reads what is new every two seconds, and a reading is given up after two: what is
//! committed just after a reading began is in the next one, so that at most four seconds lie between a commit and its being known, while the database
//! answers; while it does not, no token opens anything either, for everything that a token opens is in that database.
//!
//! A reading looks back a minute behind the youngest row it knows: instants in rows are those at which their transactions began, on other machines'
//! clocks, and become visible when they end; it is enough that the clocks agree within a minute and that a change takes less. Once a minute everything
//! that is still needed is read, whatever the clocks said. Reading a row twice changes nothing.
//!
//! **Partners** that are suspended, terminated or merged are read whole with each reading: there are few, and an index holds them. Their tokens are refused
//! while that lasts, those of the command line among them; a suspension that ends gives back what has not ended by itself.

use entities::clock::Timestamp;
use entities::database::Database;
use entities::error::Result;
use entities::{partner, token_revocation};
use std::time::Duration;

/// How often other processes' revocations are read.
pub const EVERY: Duration = Duration::from_secs(2);
/// How long a reading may take.
const AT_MOST: Duration = Duration::from_secs(2);
/// How far a reading looks back behind the youngest row, in milliseconds.
const LOOK_BACK_MILLIS: i64 = 60 * 1_000;
/// After how many readings everything is read again.
const WHOLE_EACH: u32 = 30;

/// Reads everything that is still needed; a process does so before it answers anybody.
///
/// # Errors
/// When the database fails.
pub async fn load(database: &Database) -> Result<()> {
    read(database, None).await.map(drop)
}

/// Reads what was written since an instant, and says when the youngest row was.
async fn read(database: &Database, since: Option<Timestamp>) -> Result<Option<Timestamp>> {
    let reading = database.revocations().begin_reading();
    let kept_out = partner::list_kept_out(database).await?;
    database.revocations().keep_out_all(reading, kept_out);
    let rows = token_revocation::list_needed(database, since).await?;
    database.revocations().add(&rows, database.now());
    Ok(rows.iter().map(|row| row.created_at).max())
}

/// Reads what other processes have revoked, until the process ends.
pub async fn watch(database: Database) {
    let mut youngest = None;
    let mut readings = 0_u32;
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let since = youngest
            .filter(|_| !readings.is_multiple_of(WHOLE_EACH))
            .map(|at: Timestamp| at.plus_millis(-LOOK_BACK_MILLIS));
        match tokio::time::timeout(AT_MOST, read(&database, since)).await {
            Ok(Ok(seen)) => {
                youngest = youngest.max(seen);
                readings = readings.wrapping_add(1);
            }
            Ok(Err(error)) => tracing::warn!(%error, "the revoked tokens could not be read"),
            Err(_) => tracing::warn!("the revoked tokens could not be read in time"),
        }
    }
}
