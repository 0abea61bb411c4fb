//! Reconciling: a complete walk that finds what deltas and webhooks have missed, and which records have silently gone.
//!
//! Owns: the lane of reconciling of each resource that has a delta, its runs, and the drift they publish. Refuses: to conclude anything from a walk
//! that was not completed, to archive a row because its record was not listed (it is asked for by its id first), and to archive more than a share
//! of a resource's rows without a person's word: a vendor that suddenly shows nothing is more likely to be at fault than a salesperson. Invariant:
//! a second walk over unchanged records writes neither row nor link nor event but those of its run.
//!
//! A lane goes through phases, kept in its position: it walks and notes what it has seen; then it asks for what it has not seen; then it archives what
//! is gone, or holds it back. Reconciling has runs of its own, because it may take long and the deltas go on meanwhile.

mod gone;
mod lane;

use super::apply::Wanted;
use super::claim::{GIVE_UP, millis};
use super::error::{Result, SyncError};
use super::pull::{ARCHIVED, is_unsettled, lanes};
use super::run::Engine;
use super::settle;
use crate::connector::Descriptor;
use crate::record::Resource;
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::connection;
use entities::error::{Error as EntityError, ViolationCode};
use entities::event::{EventKind, NewEvent};
use entities::id::ConnectionId;
use entities::sync_cursor::{self, RECONCILE};
use entities::sync_run::{self, Drift, Findings};
use entities::viewer::Viewer;
use entities::visible;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// What the reason of a connection begins with whose deletions are held back.
pub const HELD: &str = "Deletes are held: ";
/// Records that are asked for at once because they were not listed.
const ASKED_AT_ONCE: u64 = 100;
/// So many rows of one resource are archived at most without a person's word.
const MOST_ROWS: u64 = 500;
/// And so many of a hundred.
const MOST_PERCENT: u64 = 5;

/// Where the lane of a resource stands. A lane without a position has not begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// Walking; the connector's position.
    Walk(Option<Json>),
    /// The walk is complete: what it has not seen is asked for.
    Ask {
        /// The last one that was asked for.
        after: String,
        /// How many records there were as far as we knew.
        of: u64,
        /// Those that are gone, and the version of their links.
        gone: Vec<(String, i64)>,
    },
    /// More is gone than the guard lets pass.
    Held,
    /// A person has let it pass: what is gone is archived as it is found.
    Waived {
        /// The last one that was asked for.
        after: String,
    },
}

/// A claimed lane and its run.
struct Work {
    row: sync_cursor::Model,
    run: sync_run::Model,
    resource: Resource,
    wanted: Wanted,
}

/// Whether so many of so many may be archived without a person's word.
const fn passes(gone: u64, of: u64) -> bool {
    gone <= MOST_ROWS && gone.saturating_mul(100) <= of.saturating_mul(MOST_PERCENT)
}

/// The resources that are reconciled: those whose changes are asked for. The others are read as a whole every time.
fn reconciled(descriptor: &Descriptor) -> impl Iterator<Item = &'static str> {
    let deltas = descriptor.resources.iter().filter(|one| one.delta);
    deltas.map(|described| described.resource.as_str())
}
impl Engine {
    /// Asks for a reconciliation now; one that is going already begins anew. The answer is its run.
    ///
    /// # Errors
    /// When there is no such connection, it may not be used, or the database fails.
    pub async fn request_reconcile(&self, id: ConnectionId) -> Result<sync_run::Model> {
        self.find_working(id).await?;
        let (change, row) = settle::begin(self.database(), id, Origin::Sync).await?;
        let descriptor = self.keeper().connector(&row.connector)?.descriptor();
        let now = change.now();
        sync_cursor::ensure(&change, id, &lanes(descriptor, now)).await?;
        self.ensure_reconciling(&change, &row).await?;
        // What the vendor can tell by itself comes first: its changes, and what it has put away.
        sync_cursor::make_due(change.transaction(), id, now).await?;
        for resource in reconciled(descriptor) {
            for lane in [ARCHIVED, RECONCILE] {
                sync_cursor::place(change.transaction(), id, (resource, lane), None, now).await?;
            }
        }
        let run = self.reconciling_in(&change, id).await?;
        change.commit().await?;
        self.database().wake().wake();
        Ok(run)
    }

    /// Lets the deletions pass that the guard holds back. The answer is the run that carries them out.
    ///
    /// # Errors
    /// Violations when nothing is held back; when there is no such connection, it may not be used, or the database fails.
    pub async fn confirm_deletes(
        &self,
        id: ConnectionId,
        author: Author,
    ) -> Result<sync_run::Model> {
        self.find_working(id).await?;
        let mut change = Change::begin(self.database(), author).await?;
        let system = Viewer::system("sync");
        visible::lock_one::<connection::Entity>(&change, &system, id.0, None).await?;
        let lanes = sync_cursor::list(change.transaction(), id).await?;
        let held: Vec<_> = lanes.into_iter().filter(is_held).collect();
        if held.is_empty() {
            change.rollback().await?;
            return Err(EntityError::invalid(
                ViolationCode::TransitionNotAllowed,
                "connectionId",
                "No deletions are held back.",
            )
            .into());
        }
        let now = change.now();
        let phase = position(&Phase::Waived {
            after: String::new(),
        })?;
        for lane in held {
            let of = (lane.resource.as_str(), RECONCILE);
            sync_cursor::place(change.transaction(), id, of, phase.clone(), now).await?;
            let facts = json!({ "resource": lane.resource, "confirmed": true });
            change.record(NewEvent::about(EventKind::SyncHeld, id, facts).internal());
        }
        let run = self.reconciling_in(&change, id).await?;
        change.commit().await?;
        self.database().wake().wake();
        Ok(run)
    }

    /// Makes sure that a connection has its lanes of reconciling; new ones are due after the usual time.
    pub(in crate::sync) async fn ensure_reconciling(
        &self,
        change: &Change,
        row: &connection::Model,
    ) -> Result<()> {
        let Ok(connector) = self.keeper().connector(&row.connector) else {
            return Ok(());
        };
        let due = self.next_reconciling(change);
        let lanes: Vec<_> = reconciled(connector.descriptor())
            .map(|resource| (resource, RECONCILE, due))
            .collect();
        sync_cursor::ensure(change, row.id, &lanes).await?;
        Ok(())
    }

    fn next_reconciling(&self, change: &Change) -> Timestamp {
        let every = millis(self.settings().reconcile_every);
        change.now().plus_millis(every)
    }

    async fn reconciling_in(&self, change: &Change, id: ConnectionId) -> Result<sync_run::Model> {
        match sync_run::find_reconciling(change.transaction(), id).await? {
            Some(run) => Ok(run),
            None => Ok(sync_run::begin(change, id, sync_run::RECONCILE).await?),
        }
    }

    /// The reconciliation of a connection that is going, or a new one.
    async fn reconciling(&self, id: ConnectionId) -> Result<sync_run::Model> {
        if let Some(run) = sync_run::find_reconciling(self.database().read(), id).await? {
            return Ok(run);
        }
        let (change, _) = settle::begin(self.database(), id, Origin::Sync).await?;
        let run = self.reconciling_in(&change, id).await?;
        change.commit().await?;
        Ok(run)
    }

    /// Ends the reconciliation of a connection if nothing is left to do for it.
    pub(in crate::sync) async fn conclude_reconciling(&self, id: ConnectionId) -> Result<bool> {
        let database = self.database();
        let Some(run) = sync_run::find_reconciling(database.read(), id).await? else {
            return Ok(false);
        };
        let unusable = matches!(
            self.find_working(id).await,
            Err(SyncError::NotWorking { .. })
        );
        let lanes = reconciling_lanes(sync_cursor::list(database.read(), id).await?);
        if !unusable {
            if lanes.iter().any(|lane| is_unsettled(lane, database.now())) {
                return Ok(false);
            }
            settle::resolve(database, id, Origin::Sync, Some(run.id)).await?;
        }
        let (mut change, row) = settle::begin(database, id, Origin::Sync).await?;
        let lanes = reconciling_lanes(sync_cursor::list(change.transaction(), id).await?);
        let going = sync_run::find_reconciling(change.transaction(), id).await?;
        let working = row.status.is_working();
        let now = change.now();
        let Some(run) = going.filter(|going| {
            going.id == run.id && !(working && lanes.iter().any(|lane| is_unsettled(lane, now)))
        }) else {
            // Somebody ended it, or asked for more meanwhile.
            change.rollback().await?;
            return Ok(true);
        };
        let error = if working {
            failure(&lanes)
        } else {
            let (status, reason) = (row.status, row.status_reason);
            Some(SyncError::NotWorking { status, reason }.reason())
        };
        if run.findings.drift.values().any(|drift| drift.total() > 0) {
            let facts = json!({ "drift": run.findings.drift });
            change.record(NewEvent::about(EventKind::SyncDrift, run.id, facts).internal());
        }
        sync_run::finish(&mut change, run, error, true).await?;
        change.commit().await?;
        Ok(true)
    }
}

fn note_drift(found: &mut Findings, resource: Resource, drift: Drift) {
    if drift.total() == 0 {
        return;
    }
    let sum = found.drift.entry(resource.as_str().to_owned()).or_default();
    sum.missing_here += drift.missing_here;
    sum.different += drift.different;
    sum.missing_there += drift.missing_there;
}

fn phase(row: &sync_cursor::Model) -> Result<Option<Phase>> {
    let read = row.position.clone().map(serde_json::from_value).transpose();
    read.map_err(|_| EntityError::Damaged("the position of a reconciliation".to_owned()).into())
}

fn position(phase: &Phase) -> Result<Option<Json>> {
    let written = serde_json::to_value(phase);
    let written =
        written.map_err(|_| EntityError::Damaged("the position of a reconciliation".to_owned()))?;
    Ok(Some(written))
}

/// Whether a lane holds deletions back.
fn is_held(row: &sync_cursor::Model) -> bool {
    row.lane == RECONCILE && matches!(phase(row), Ok(Some(Phase::Held)))
}

fn reconciling_lanes(lanes: Vec<sync_cursor::Model>) -> Vec<sync_cursor::Model> {
    let of_mine = |lane: &sync_cursor::Model| lane.lane == RECONCILE;
    lanes.into_iter().filter(of_mine).collect()
}

/// The first reason for which a lane gave up.
fn failure(lanes: &[sync_cursor::Model]) -> Option<String> {
    let failed = lanes.iter().find(|lane| lane.attempts >= GIVE_UP)?;
    let why = failed.error.as_deref();
    let why = why.unwrap_or("it never came to an end");
    Some(format!("{} ({}): {why}", failed.resource, failed.lane))
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn the_guard_stops_above_five_percent_and_above_five_hundred() {
        for (gone, of, lets_pass) in [
            (0, 0, true),
            (1, 20, true),
            (1, 19, false),
            (5, 100, true),
            (6, 100, false),
            (500, 1_000_000, true),
            (501, 1_000_000, false),
        ] {
            assert_eq!(passes(gone, of), lets_pass, "{gone} of {of}");
        }
    }
}
