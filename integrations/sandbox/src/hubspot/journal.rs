//! The journal: one line of JSON per change, appended by a thread of its own.
//!
//! Owns: the form of a line, and the promise that a line is on disk at most 200 ms after its change, or at once when somebody waits for it.
//! Refuses: to interpret; loading is in `state`. Invariant: lines reach the file in the order of the changes; a line cut by a crash can only be the last.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::links::{Definition, Link};
use super::portal::{Owner, Pipeline};
use super::record::{Record, StoredRecord};
use super::rules::Rule;
use super::schema::Property;

/// How long changes are gathered before they are written and synced.
const GATHER: Duration = Duration::from_millis(200);

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Entry<'a> {
    Put {
        kind: Kind,
        record: StoredRecord,
    },
    Forget {
        kind: Kind,
        id: u64,
    },
    Merged {
        kind: Kind,
        old: u64,
        into: u64,
    },
    Stamp {
        kind: Kind,
        at: i64,
    },
    Link(Link),
    Unlink(Link),
    Property {
        kind: Kind,
        property: Cow<'a, Property>,
    },
    /// One direction of a label; the other follows from it.
    Label {
        definition: Cow<'a, Definition>,
    },
    Owner {
        owner: Cow<'a, Owner>,
    },
    Pipeline {
        pipeline: Cow<'a, Pipeline>,
    },
    /// All rules of a kind.
    Rules {
        kind: Kind,
        rules: Cow<'a, [Rule]>,
    },
}

impl<'a> Entry<'a> {
    pub(crate) fn record(kind: Kind, record: &Record) -> Self {
        Self::Put {
            kind,
            record: StoredRecord::of(record),
        }
    }

    pub(crate) fn property(kind: Kind, property: &'a Property) -> Self {
        Self::Property {
            kind,
            property: Cow::Borrowed(property),
        }
    }

    pub(crate) fn label(definition: &'a Definition) -> Self {
        Self::Label {
            definition: Cow::Borrowed(definition),
        }
    }
}

enum Order {
    Line(Vec<u8>),
    Flush(mpsc::Sender<std::io::Result<()>>),
}

/// The writing end of the journal.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    orders: mpsc::Sender<Order>,
    appended: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
}

impl Journal {
    /// Starts the thread that writes to `file`, which is open for appending.
    pub(crate) fn start(file: File) -> Self {
        let (orders, inbox) = mpsc::channel();
        let (appended, written) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&written);
        std::thread::spawn(move || write_all(file, &inbox, &count));
        Self {
            orders,
            appended,
            written,
        }
    }

    pub(crate) fn append(&self, entry: &Entry<'_>) {
        if let Ok(mut line) = serde_json::to_vec(entry) {
            line.push(b'\n');
            self.appended.fetch_add(1, Ordering::SeqCst);
            // The thread ends only when every sender is gone; a send cannot fail before that.
            let _ = self.orders.send(Order::Line(line));
        }
    }

    /// Whether every line is on disk.
    pub(crate) fn is_kept(&self) -> bool {
        self.written.load(Ordering::SeqCst) >= self.appended.load(Ordering::SeqCst)
    }

    /// Waits until everything appended before is on disk.
    pub(crate) fn flush(&self) -> std::io::Result<()> {
        let (answer, written) = mpsc::channel();
        if self.orders.send(Order::Flush(answer)).is_err() {
            return Err(std::io::Error::other("the journal has ended"));
        }
        written
            .recv()
            .unwrap_or_else(|_| Err(std::io::Error::other("the journal has ended")))
    }
}

fn write_all(mut file: File, inbox: &mpsc::Receiver<Order>, written: &AtomicU64) {
    // The first failure is kept and told at every flush: lines after a lost one must not look safe.
    let mut failed: Option<String> = None;
    while let Ok(first) = inbox.recv() {
        let (mut lines, mut count) = (Vec::new(), 0);
        let mut waiting = Vec::new();
        let deadline = Instant::now() + GATHER;
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Order::Line(line)) => {
                    lines.extend_from_slice(&line);
                    count += 1;
                }
                Ok(Order::Flush(answer)) => {
                    waiting.push(answer);
                    break;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
            next = inbox.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
        if failed.is_none()
            && let Err(error) = file.write_all(&lines).and_then(|()| file.sync_data())
        {
            failed = Some(error.to_string());
        }
        if failed.is_none() {
            written.fetch_add(count, Ordering::SeqCst);
        }
        for answer in waiting {
            let told = failed
                .as_ref()
                .map_or(Ok(()), |error| Err(std::io::Error::other(error.clone())));
            let _ = answer.send(told);
        }
    }
}
