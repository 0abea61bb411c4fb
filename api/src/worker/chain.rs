//! The worker that seals the event log; see [`entities::audit_link`].
//!
//! It runs beside the engine, one hand in each process that works, and takes long stretches: sealing costs a row for each event, and
//! a first synchronisation leaves many. Nobody waits for a seal, so no commit wakes it: it looks once in a polling interval and leaves the one
//! writer of a SQLite file to who is waited for. Whichever process is first seals; the others find nothing to do.

use super::Work;
use entities::audit_link;
use entities::database::Database;
use entities::error::Error;

/// Events of one step.
const EVENTS: u64 = 2_000;

/// Seals the log of a database.
#[derive(Clone, Debug)]
pub struct Chain(pub Database);

impl Work for Chain {
    type Error = Error;

    async fn step(&self) -> Result<bool, Error> {
        audit_link::seal(&self.0, EVENTS).await
    }
}
