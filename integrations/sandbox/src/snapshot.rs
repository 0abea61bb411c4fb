//! A sandbox's state as one file of JSON, written as a whole.
//!
//! Owns: when the file is written: at once when somebody waits for it, a second after a change that nobody waits for, and at the end.
//! Refuses: to interpret the state. Invariant: the file is always a whole state that once was, because the reader of the state is called
//! again for each writing and the file is replaced atomically.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::SandboxError;
use crate::folder::Folder;

/// How long changes are gathered before they are written.
const GATHER: Duration = Duration::from_secs(1);

enum Order {
    Changed,
    Save(mpsc::Sender<Result<(), SandboxError>>),
    End,
}

/// The writer of one file of a state folder.
#[derive(Debug)]
pub(crate) struct Snapshot {
    orders: mpsc::Sender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
    changes: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl Snapshot {
    /// Starts writing what `read` gives to the file `name`. `read` must not wait for this snapshot.
    pub(crate) fn start<T: Serialize>(
        folder: Arc<Folder>,
        name: &'static str,
        read: impl Fn() -> T + Send + 'static,
    ) -> Self {
        let (orders, inbox) = mpsc::channel();
        let (changes, written) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counts = (Arc::clone(&changes), Arc::clone(&written));
        let thread = std::thread::spawn(move || {
            write_all(&inbox, || {
                // Counted before the state is read: what comes while it is written counts as not written.
                let seen = counts.0.load(Ordering::SeqCst);
                folder.save_json(name, &read())?;
                counts.1.store(seen, Ordering::SeqCst);
                Ok(())
            });
        });
        Self {
            orders,
            thread: Mutex::new(Some(thread)),
            changes,
            written,
        }
    }

    /// The state has changed; it is on disk a second later, or when somebody waits for it.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        // The writer ends only after `end`; changes after it are nobody's any more.
        let _ = self.orders.send(Order::Changed);
    }

    /// Whether every change is on disk.
    pub(crate) fn is_kept(&self) -> bool {
        self.written.load(Ordering::SeqCst) >= self.changes.load(Ordering::SeqCst)
    }

    /// Waits until the present state is on disk. Not to be called while the state is locked.
    pub(crate) fn save_now(&self) -> Result<(), SandboxError> {
        let (answer, saved) = mpsc::channel();
        if self.orders.send(Order::Save(answer)).is_err() {
            return Err(ended());
        }
        saved.recv().unwrap_or_else(|_| Err(ended()))
    }

    /// Writes a last time and ends.
    pub(crate) fn end(&self) -> Result<(), SandboxError> {
        let last = self.save_now();
        let _ = self.orders.send(Order::End);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A writer that panicked has been told of by `save_now`.
            let _ = thread.join();
        }
        last
    }
}

fn ended() -> SandboxError {
    lost("its writer has ended")
}

fn lost(problem: &str) -> SandboxError {
    SandboxError::File {
        attempt: "writing",
        path: "the state of the sandbox".into(),
        source: std::io::Error::other(problem),
    }
}

fn write_all(inbox: &mpsc::Receiver<Order>, save: impl Fn() -> Result<(), SandboxError>) {
    while let Ok(first) = inbox.recv() {
        let mut waiting = Vec::new();
        let mut ends = false;
        let mut next = Ok(first);
        let deadline = Instant::now() + GATHER;
        // A change waits for company; whoever asks to be told does not wait.
        loop {
            match next {
                Ok(Order::Changed) => {
                    next = inbox.recv_timeout(deadline.saturating_duration_since(Instant::now()));
                }
                Ok(Order::Save(answer)) => {
                    waiting.push(answer);
                    // Whoever waits already is served by the same writing.
                    next = match inbox.try_recv() {
                        Ok(more) => Ok(more),
                        Err(_) => break,
                    };
                }
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => {
                    ends = true;
                    break;
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        // A failure nobody waits for is tried again with the next change, and told at the end.
        let saved = save();
        let told = saved.err().map(|error| error.to_string());
        for answer in waiting {
            let _ = answer.send(told.clone().map_or(Ok(()), |problem| Err(lost(&problem))));
        }
        if ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn the_state_is_on_disk_when_it_was_asked_for_and_at_the_end() {
        let home = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(home.path()).unwrap());
        let state = Arc::new(AtomicU32::new(1));
        let snapshot = {
            let state = Arc::clone(&state);
            Snapshot::start(Arc::clone(&folder), "n.json", move || {
                state.load(Ordering::SeqCst)
            })
        };
        snapshot.save_now().unwrap();
        assert_eq!(folder.load_json::<u32>("n.json").unwrap(), Some(1));
        assert!(snapshot.is_kept(), "nothing has changed since");
        state.store(2, Ordering::SeqCst);
        snapshot.changed();
        assert!(!snapshot.is_kept());
        snapshot.end().unwrap();
        assert_eq!(folder.load_json::<u32>("n.json").unwrap(), Some(2));
        assert!(snapshot.save_now().is_err(), "nobody writes any more");
    }
}
