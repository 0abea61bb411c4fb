//! The inbox with group commit.
//!
//! Owns: making verified deliveries durable, many at a time. Refuses: to answer before the commit, and to queue without bound: a full queue is
//! an answer the vendor understands. Invariant: a caller that heard "stored" finds its delivery after a crash.
//!
//! With one transaction an event, SQLite syncs the disk for every delivery. Here callers that arrive during one sync share the next: the task
//! takes what waits, up to [`BATCH`] deliveries, and commits it as one.

use entities::database::Database;
use entities::inbound_webhook::{self, NewDelivery};
use tokio::sync::{mpsc, oneshot};

/// The most deliveries of one transaction.
pub const BATCH: usize = 256;
/// How many deliveries may wait.
pub const QUEUE: usize = 4_096;

/// What became of a delivery. Either way it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is new.
    Inserted,
    /// The same delivery was here before.
    Duplicate,
}

/// Why a delivery was not stored. Whoever sent it must send it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// Too many deliveries wait.
    #[error("too many deliveries wait to be stored")]
    Full,
    /// The inbox is shutting down.
    #[error("the inbox is closed")]
    Closed,
    /// The database failed.
    #[error("the delivery could not be stored: {0}")]
    Database(String),
}

struct Waiting {
    delivery: NewDelivery,
    answer: oneshot::Sender<Result<Stored, IngestError>>,
}

/// The inbox's task.
#[derive(Debug)]
pub struct Ingest;

impl Ingest {
    /// Starts the task. It ends, with everything accepted stored, when the last handle is gone.
    #[must_use]
    pub fn spawn(database: Database) -> IngestHandle {
        Self::spawn_with(database, QUEUE)
    }

    /// The same with a queue of another length.
    #[must_use]
    pub fn spawn_with(database: Database, queue: usize) -> IngestHandle {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        tokio::spawn(drain(database, receiver));
        IngestHandle { sender }
    }
}

/// Where deliveries are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IngestHandle {
    sender: mpsc::Sender<Waiting>,
}

impl IngestHandle {
    /// Stores a verified delivery and returns when it is durable.
    ///
    /// # Errors
    /// See [`IngestError`]; then it is not stored.
    pub async fn store(&self, delivery: NewDelivery) -> Result<Stored, IngestError> {
        let (answer, answered) = oneshot::channel();
        self.sender
            .try_send(Waiting { delivery, answer })
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => IngestError::Full,
                mpsc::error::TrySendError::Closed(_) => IngestError::Closed,
            })?;
        answered.await.unwrap_or(Err(IngestError::Closed))
    }
}

async fn drain(database: Database, mut receiver: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut waiting, BATCH).await > 0 {
        let (deliveries, answers): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|one| (one.delivery, one.answer))
            .unzip();
        let stored = inbound_webhook::store(&database, deliveries).await;
        if stored.is_ok() {
            database.wake().wake();
        }
        let outcomes: Vec<_> = match stored {
            Ok(fresh) => fresh
                .into_iter()
                .map(|new| {
                    Ok(if new {
                        Stored::Inserted
                    } else {
                        Stored::Duplicate
                    })
                })
                .collect(),
            Err(error) => {
                tracing::error!(%error, "deliveries could not be stored");
                vec![Err(IngestError::Database(error.to_string())); answers.len()]
            }
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A caller that has gone away does not mind: the delivery is stored or will come again.
            let _gone = answer.send(outcome);
        }
    }
}
