//! The event log as it grows, read once in a process for all who listen.
//!
//! Players: one task follows the log, woken by commits here and on other nodes, and hands each event to everybody; a [`Listener`] is one who listens.
//! The log is the truth: what is handed around is only a shortcut. A listener that was too slow, or came while nobody followed, reads the log itself
//! from its own place on. Refuses: to keep anything for a slow listener. Invariant: a listener's place only rises, and it passes over no event that
//! its viewer may see.

use entities::database::{Database, Wake};
use entities::error::{Error, Result};
use entities::event::{self, Model, Position};
use entities::id::{DealId, TypedId as _};
use entities::viewer::Viewer;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

/// Events that are handed around at a time; whoever is further behind reads the log.
const KEPT: usize = 1_024;
/// Events of one reading.
const PAGE: u64 = 100;
/// The longest wait between two readings; wakes may get lost.
const POLL: Duration = Duration::from_secs(1);
/// Commits come in bursts.
const GATHER: Duration = Duration::from_millis(5);

#[derive(Clone)]
enum Beat {
    /// It happened.
    Event(Arc<Model>),
    /// Look into the log: what happened just now was handed to nobody.
    Look,
}

struct Shared {
    database: Database,
    remote: Wake,
    beats: broadcast::Sender<Beat>,
    begin: Notify,
}

/// The growing log. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("listeners", &self.0.beats.receiver_count())
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Begins to follow the log, as soon as somebody listens.
    #[must_use]
    pub fn spawn(database: Database) -> Self {
        let shared = Arc::new(Shared {
            database,
            remote: Wake::default(),
            beats: broadcast::Sender::new(KEPT),
            begin: Notify::new(),
        });
        tokio::spawn(follow(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// What wakes it when another node has committed.
    #[must_use]
    pub fn remote(&self) -> &Wake {
        &self.0.remote
    }

    /// Listens from behind a place on, or from now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listen(
        &self,
        viewer: Arc<Viewer>,
        after: Option<Position>,
        wanted: Wanted,
    ) -> Result<Listener> {
        // First the ear, then the place: what happens in between is heard.
        let beats = self.0.beats.subscribe();
        self.0.begin.notify_one();
        let database = self.0.database.clone();
        let place = match after {
            Some(place) => Some(place),
            None => event::end(&database).await?,
        };
        Ok(Listener {
            database,
            viewer,
            wanted,
            beats,
            place,
            ready: VecDeque::new(),
            behind: true,
        })
    }
}

/// Hands the log around for as long as the feed is there.
async fn follow(feed: std::sync::Weak<Shared>) {
    let mut failures = Failures::default();
    loop {
        let Some(shared) = feed.upgrade() else { return };
        let database = shared.database.clone();
        let (mut local, mut remote) = (database.wake().subscribe(), shared.remote.subscribe());
        if shared.beats.receiver_count() == 0 {
            // The feed may go while nobody listens; the wait is bounded so that this task goes with it.
            let begun = tokio::time::timeout(POLL, shared.begin.notified()).await;
            if begun.is_err() {
                continue;
            }
        }
        let system = Viewer::system("feed");
        let mut place = match event::end(&database).await {
            Ok(place) => place,
            Err(error) => {
                failures.rest(&error).await;
                continue;
            }
        };
        let _ = shared.beats.send(Beat::Look);
        while shared.beats.receiver_count() > 0 {
            local.mark_unchanged();
            remote.mark_unchanged();
            match event::list_after(&database, &system, place, None, PAGE).await {
                Ok(events) if !events.is_empty() => {
                    failures = Failures::default();
                    for row in events {
                        place = Some(Position::from(&row));
                        let _ = shared.beats.send(Beat::Event(Arc::new(row)));
                    }
                }
                Ok(_) => {
                    failures = Failures::default();
                    tokio::select! {
                        Ok(()) = local.changed() => tokio::time::sleep(GATHER).await,
                        Ok(()) = remote.changed() => tokio::time::sleep(GATHER).await,
                        () = tokio::time::sleep(POLL) => {}
                    }
                }
                Err(error) => failures.rest(&error).await,
            }
        }
    }
}

/// Failures in a row.
#[derive(Default)]
struct Failures(u32);

impl Failures {
    /// Waits before the log is asked again. The first may be a connection that went with the server's thread that made it, and is not worth a word.
    async fn rest(&mut self, error: &Error) {
        self.0 += 1;
        if self.0 > 1 {
            tracing::warn!(%error, "the event log could not be followed");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Which events a listener wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of these types; of all when there are none.
    pub kinds: Vec<String>,
    /// About this row.
    pub subject: Option<uuid::Uuid>,
}

impl Wanted {
    fn has(&self, row: &Model) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&row.kind))
            && self.subject.is_none_or(|subject| subject == row.subject_id)
    }
}

/// One who listens.
pub struct Listener {
    database: Database,
    viewer: Arc<Viewer>,
    wanted: Wanted,
    beats: broadcast::Receiver<Beat>,
    place: Option<Position>,
    /// Read from the log and not handed on yet; one page at most.
    ready: VecDeque<Model>,
    /// Whether the log may hold what was not heard.
    behind: bool,
}

impl Listener {
    /// The next event that the viewer may see; none when the feed has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next(&mut self) -> Result<Option<Model>> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            match self.beats.recv().await {
                Ok(Beat::Event(row)) => {
                    let at = Position::from(row.as_ref());
                    if self.place.is_some_and(|place| at <= place) {
                        continue;
                    }
                    if self.wanted.has(&row) && self.may_see(&row).await? {
                        self.place = Some(at);
                        return Ok(Some(row.as_ref().clone()));
                    }
                    self.place = Some(at);
                }
                Ok(Beat::Look) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Reads a page of the log.
    async fn catch_up(&mut self) -> Result<()> {
        let kinds = (!self.wanted.kinds.is_empty()).then_some(self.wanted.kinds.as_slice());
        let rows = event::list_after(&self.database, &self.viewer, self.place, kinds, PAGE).await?;
        let Some(last) = rows.last() else {
            self.behind = false;
            return Ok(());
        };
        self.place = Some(Position::from(last));
        let wanted = rows.into_iter().filter(|row| self.wanted.has(row));
        self.ready.extend(wanted);
        Ok(())
    }

    /// Whether the viewer may see an event. Most are judged by what they say themselves; only of a partner's deals the database is asked.
    async fn may_see(&self, row: &Model) -> Result<bool> {
        if self.viewer.sees_internal() {
            return Ok(self.viewer.sees_audit() || !row.is_audit());
        }
        let Some(own) = self.viewer.partner() else {
            return Ok(false);
        };
        if row.internal {
            return Ok(false);
        }
        match row.partner_id {
            Some(partner) if partner == own => Ok(true),
            None if row.subject_kind != DealId::PREFIX => Ok(false),
            _ => {
                let connection = self.database.read();
                let found = event::find_seen(connection, &self.viewer, row.id).await?;
                Ok(found.is_some())
            }
        }
    }
}
