//! Pulling: claim a lane, read its pages, apply them, move on.
//!
//! Owns: the lanes of a connection and what becomes of one when it has caught up or failed. Refuses: to write under a lost lease: rows, links
//! and position are one transaction that begins with the fence. Invariant: after a crash at any moment the lane stands where the last
//! committed transaction left it, and reading on from there loses and doubles nothing.
//!
//! A page that has ended its workers is applied record by record ([`alone`]), so that one record does not hold up all that come after it.
//!
//! The next batch is read while the present one is applied; no more than one batch is read ahead, so memory stays bounded.

mod alone;

use super::apply::{self, Scope, Source, Wanted};
use super::claim::{self, GIVE_UP, millis};
use super::error::{Result, SyncError};
use super::findings;
use super::map::References;
use super::merged;
use super::remap::REMAP;
use super::run::{Engine, Progress};
use super::settle::{self, is_lost};
use super::walk::{Gathered, Limits, Reader};
use crate::connector::{Descriptor, Mode};
use crate::error::{ConnectorError, LimitScope};
use crate::http;
use crate::record::Resource;
use entities::change::Origin;
use entities::clock::Timestamp;
use entities::connection;
use entities::id::ConnectionId;
use entities::sync_cursor::{self, Claiming, DORMANT, PARKED, RECONCILE};
use entities::sync_run::{self, Findings};

/// Everything, once; or each time, where a vendor cannot tell what changed.
pub const BACKFILL: &str = "backfill";
/// What changed.
pub const DELTA: &str = "delta";
/// What the vendor has put away.
pub const ARCHIVED: &str = "archived";

/// The lanes of a new connection, and when each is first due.
pub(super) fn lanes(
    descriptor: &Descriptor,
    now: Timestamp,
) -> Vec<(&'static str, &'static str, Timestamp)> {
    let mut lanes = Vec::new();
    for described in &descriptor.resources {
        let resource = described.resource.as_str();
        lanes.push((resource, BACKFILL, now));
        if described.delta {
            lanes.push((resource, DELTA, DORMANT));
        }
        if described.archived {
            lanes.push((resource, ARCHIVED, now));
        }
    }
    lanes
}

/// The order in which due lanes are read: what others refer to first, so that most links find their end. Correctness does not depend on
/// it; links wait for their ends.
fn rank(row: &sync_cursor::Model) -> u32 {
    let resource = match row.resource.as_str() {
        "owner" | "pipeline" | "association_label" => return 0,
        "company" => 1,
        "contact" => 2,
        _ => 3,
    };
    match row.lane.as_str() {
        RECONCILE => 20 + resource,
        ARCHIVED => 10 + resource,
        _ => resource,
    }
}

fn mode(lane: &str) -> Result<Mode> {
    match lane {
        BACKFILL => Ok(Mode::Backfill),
        DELTA => Ok(Mode::Delta),
        ARCHIVED => Ok(Mode::Archived),
        other => Err(entities::error::Error::Damaged(format!("a lane named {other:?}")).into()),
    }
}

/// How urgent the calls of a lane are. What has no delta is small, and reading it `again` is how its changes are seen.
const fn urgency(mode: Mode, again: bool) -> http::Work {
    match mode {
        Mode::Delta => http::Work::Delta,
        Mode::Backfill if again => http::Work::Delta,
        Mode::Backfill | Mode::Archived => http::Work::Backfill,
    }
}

/// A claimed lane and the run it is part of.
struct Work {
    row: sync_cursor::Model,
    run: sync_run::Model,
    resource: Resource,
    mode: Mode,
    origin: Origin,
    has_delta: bool,
}

impl Engine {
    /// Reads one due lane, for a while or until it has caught up. The answer says whether there was one.
    ///
    /// # Errors
    /// When the database fails. What fails at the vendor is kept in the lane's row and in the run.
    pub async fn pull_step(
        &self,
        only: Option<ConnectionId>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<bool> {
        let settings = self.settings();
        let claiming = Claiming {
            worker: self.worker(),
            lease_millis: millis(settings.lease),
            only,
        };
        let Some(mut row) = sync_cursor::claim(self.database(), claiming, rank).await? else {
            return self.conclude_stranded(only).await;
        };
        let connection_id = row.connection_id;
        // Each on the heap, as in a step: together they would fill a thread's stack.
        let worked = if row.lane == RECONCILE {
            Box::pin(self.reconcile_lane(&mut row, progress)).await
        } else if row.lane == REMAP {
            Box::pin(self.remap_lane(&mut row)).await
        } else {
            Box::pin(self.pull_lane(&mut row, progress)).await
        };
        match worked {
            Err(error) if is_lost(&error) => {
                tracing::info!(connection = %connection_id, lane = row.lane, "a lease was lost; another worker goes on");
            }
            Err(error) => self.stumble(row, error).await?,
            Ok(()) => {}
        }
        self.conclude(connection_id).await?;
        self.conclude_reconciling(connection_id).await?;
        Ok(true)
    }

    /// Reads a claimed lane. `row` is kept as the last commit left it, so that a failure begins where that ended.
    async fn pull_lane(
        &self,
        row: &mut sync_cursor::Model,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<()> {
        let settings = self.settings();
        let resource = Resource::parse(&row.resource).ok_or_else(|| {
            entities::error::Error::Damaged(format!("a resource named {:?}", row.resource))
        })?;
        let mode = mode(&row.lane)?;
        let has_delta = self.has_delta(row.connection_id, resource).await?;
        let mut reader = Reader::open(self.database(), self.keeper(), row.connection_id)
            .await?
            .doing(urgency(mode, row.complete && !has_delta));
        let wanted = reader.wanted(resource).await?;
        let run = self.running(row.connection_id).await?;
        let first = mode == Mode::Backfill && !row.complete;
        let origin = if first {
            Origin::Backfill
        } else {
            Origin::Sync
        };
        let mut work = Work {
            row: row.clone(),
            run,
            resource,
            mode,
            origin,
            has_delta,
        };

        let mut batch = reader
            .gather(
                (resource, mode),
                work.row.position.clone(),
                &wanted,
                self.limits(),
            )
            .await;
        if alone::is_suspect(&work.row, resource) {
            self.apply_alone(&mut work, &mut batch.records, &wanted)
                .await?;
        }
        for turn in 1_u32.. {
            let error = batch.error.take();
            let caught_up = batch.caught_up;
            let done = caught_up || error.is_some() || turn >= settings.batches_per_step;
            let next = batch.position.clone();
            let ahead = async {
                if done {
                    None
                } else {
                    Some(
                        reader
                            .gather((resource, mode), next, &wanted, self.limits())
                            .await,
                    )
                }
            };
            let (applied, ahead) = tokio::join!(
                self.apply_batch(&mut work, batch, &wanted, done && error.is_none()),
                ahead
            );
            applied?;
            row.clone_from(&work.row);
            let counts = work.run.findings.counts.get(resource.as_str());
            let read = counts.map_or(0, |counts| counts.read);
            progress(Progress {
                connection: work.row.connection_id,
                resource,
                lane: work.row.lane.clone(),
                read,
                caught_up,
            });
            if let Some(error) = error {
                self.flag_consent(&reader, &error).await?;
                return self.stumble(work.row, error).await;
            }
            match ahead {
                Some(next) => batch = next,
                None => break,
            }
        }
        Ok(())
    }

    /// A missing consent that shows only in a call is the connection's matter, not the lane's.
    pub(super) async fn flag_consent(&self, reader: &Reader<'_>, error: &SyncError) -> Result<()> {
        if let SyncError::Connector(ConnectorError::Auth {
            reconnect: true,
            message,
        }) = error
        {
            let id = reader.id();
            self.keeper()
                .require_reauthorization(id, reader.credentials_version(), message)
                .await?;
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Limits {
        let settings = self.settings();
        Limits {
            records: settings.records_per_transaction,
            until: self
                .database()
                .now()
                .plus_millis(millis(settings.lease) / 3),
        }
    }

    async fn has_delta(&self, id: ConnectionId, resource: Resource) -> Result<bool> {
        let lanes = sync_cursor::list(self.database().read(), id).await?;
        Ok(lanes
            .iter()
            .any(|lane| lane.resource == resource.as_str() && lane.lane == DELTA))
    }

    /// Writes a batch: fence, rows, links and position, in one transaction.
    async fn apply_batch(
        &self,
        work: &mut Work,
        batch: Gathered,
        wanted: &Wanted,
        last: bool,
    ) -> Result<()> {
        if batch.pages == 0 {
            return Ok(());
        }
        let settings = self.settings();
        let id = work.row.connection_id;
        let (mut change, connection) = settle::begin(self.database(), id, work.origin).await?;
        if !connection.status.is_working() {
            return Err(SyncError::NotWorking {
                status: connection.status,
                reason: connection.status_reason,
            });
        }
        if work.origin == Origin::Backfill {
            // Should it be lost, so is the lane's new position: the page is read again.
            change.may_be_repeated().await?;
        }
        let mut row = work.row.clone();
        row.attempts = 0;
        row.error = None;
        row.unfinished = 0;
        row.on_trial = None;
        row.lease_until = Some(change.now().plus_millis(millis(settings.lease)));
        let caught_up = batch.caught_up;
        row.position.clone_from(&batch.position);
        if caught_up {
            self.catch_up(&change, work, &mut row, batch.position.clone())
                .await?;
        }
        if caught_up || last {
            row.lease_owner = None;
            row.lease_until = None;
        }
        // The fence comes first: whoever lost the lease must not have written anything by the time it learns of it.
        sync_cursor::write_back(change.transaction(), &row).await?;
        let mut found = Findings::default();
        report_unread(&work.run.findings, wanted, work.resource, &mut found);
        if !batch.malformed.is_empty() {
            findings::malformed(&mut found, work.resource, &batch.malformed);
        }
        if !batch.records.is_empty() {
            let references = References::load(change.transaction(), &connection).await?;
            let scope = Scope {
                connection: &connection,
                references: &references,
                wanted,
                source: Source::Index,
                read_at: Some(work.run.started_at),
            };
            apply::records(
                &mut change,
                &scope,
                work.resource,
                batch.records,
                &mut found,
            )
            .await?;
        }
        merged::look_at(&change, id, work.resource, &batch.merged).await?;
        let found = sync_run::note(&change, work.run.id, &found).await?;
        change.commit().await?;
        work.row = row;
        work.run.findings = found;
        Ok(())
    }

    /// Where a lane stands when its walk is done.
    async fn catch_up(
        &self,
        change: &entities::change::Change,
        work: &Work,
        row: &mut sync_cursor::Model,
        position: Option<serde_json::Value>,
    ) -> Result<()> {
        row.position = None;
        row.available_at = PARKED;
        match work.mode {
            Mode::Delta => row.position = position,
            Mode::Archived => {
                row.available_at = change
                    .now()
                    .plus_millis(millis(self.settings().archived_every));
            }
            Mode::Backfill => {
                row.complete = true;
                if work.has_delta {
                    row.available_at = DORMANT;
                    sync_cursor::place(
                        change.transaction(),
                        row.connection_id,
                        (&row.resource, DELTA),
                        position,
                        PARKED,
                    )
                    .await?;
                }
            }
        }
        Ok(())
    }

    /// Keeps a failure in the lane's row.
    async fn stumble(&self, mut row: sync_cursor::Model, error: SyncError) -> Result<()> {
        if is_lost(&error) {
            return Ok(());
        }
        let settings = self.settings();
        let database = self.database();
        let now = database.now();
        if is_paced(&error) {
            tracing::debug!(connection = %row.connection_id, resource = row.resource, lane = row.lane, %error, "a lane keeps its pace");
        } else {
            tracing::warn!(connection = %row.connection_id, resource = row.resource, lane = row.lane, %error, "a lane stumbled");
        }
        row.lease_owner = None;
        row.lease_until = None;
        row.unfinished = 0;
        row.on_trial = None;
        if let SyncError::Connector(ConnectorError::CursorExpired { .. }) = &error {
            return self.restart(row, &error).await;
        }
        let setback = claim::setback(
            &error,
            row.attempts,
            now,
            settings.backoff,
            settings.backoff_cap,
        );
        row.available_at = setback.available_at;
        row.attempts = setback.attempts;
        row.error = setback.error;
        match sync_cursor::write_back(database.write(), &row)
            .await
            .map_err(SyncError::from)
        {
            Err(error) if is_lost(&error) => return Ok(()),
            other => other?,
        }
        if let Some(until) = setback.pause {
            connection::pause_until(database, row.connection_id, until).await?;
        }
        Ok(())
    }

    /// A position the vendor no longer takes: everything is read again, which writes only what differs.
    async fn restart(&self, mut row: sync_cursor::Model, error: &SyncError) -> Result<()> {
        let settings = self.settings();
        let (change, _) = settle::begin(self.database(), row.connection_id, Origin::Sync).await?;
        let wait = claim::backoff(settings.backoff, settings.backoff_cap, row.attempts);
        let due = change.now().plus_millis(millis(wait));
        row.position = None;
        row.error = Some(error.reason());
        row.available_at = due;
        if row.lane == DELTA {
            row.available_at = DORMANT;
            row.error = None;
            // Due at once, so that the present run does not end before everything has been read again.
            sync_cursor::place(
                change.transaction(),
                row.connection_id,
                (&row.resource, BACKFILL),
                None,
                change.now(),
            )
            .await?;
        }
        match sync_cursor::write_back(change.transaction(), &row)
            .await
            .map_err(SyncError::from)
        {
            Err(error) if is_lost(&error) => return Ok(()),
            other => other?,
        }
        change.commit().await?;
        Ok(())
    }
}

/// Whether it is our own pace that holds a lane back, which is as it should be.
const fn is_paced(error: &SyncError) -> bool {
    matches!(
        error,
        SyncError::Connector(ConnectorError::RateLimited {
            scope: LimitScope::Pace | LimitScope::Preparing,
            ..
        })
    )
}

/// Says once per run which properties are not read because asking for them all would make a request too long.
fn report_unread(told: &Findings, wanted: &Wanted, resource: Resource, found: &mut Findings) {
    const CODE: &str = "FIELDS_NOT_READ";
    let is_told = told
        .issues
        .iter()
        .any(|issue| issue.code == CODE && issue.resource == resource.as_str());
    if wanted.unread.is_empty() || is_told {
        return;
    }
    let message = format!(
        "{} properties without a field are too many to ask for and are not read: {}",
        wanted.unread.len(),
        wanted.unread.join(", ")
    );
    findings::issue(found, resource, None, None, CODE, &message);
}

/// Whether a lane still has something to do before its run can end.
pub(super) fn is_unsettled(row: &sync_cursor::Model, now: Timestamp) -> bool {
    let leased = row.lease_until.is_some_and(|until| until > now);
    let failing = row.error.is_some() && row.attempts < GIVE_UP;
    let due = row.available_at <= now && row.attempts < GIVE_UP;
    leased || failing || due
}
