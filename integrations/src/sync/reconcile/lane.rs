//! The lane of one resource: its phases, and the walk that brings in what was missed.
//!
//! Invariant: rows, links, what was seen and the position are one transaction that begins with the fence; after a crash at any moment the lane goes
//! on where the last one left it.

use super::{Phase, Work, note_drift, phase, position};
use crate::connector::Mode;
use crate::http;
use crate::record::{MalformedRecord, Record, Resource, is_sound_id};
use crate::sync::apply::{self, Scope, Source};
use crate::sync::claim::millis;
use crate::sync::error::{Result, SyncError};
use crate::sync::findings;
use crate::sync::map::References;
use crate::sync::merged;
use crate::sync::pull::BACKFILL;
use crate::sync::run::{Engine, Progress};
use crate::sync::settle;
use crate::sync::walk::{Gathered, Reader};
use entities::change::{Change, Origin};
use entities::connection;
use entities::error::Error as EntityError;
use entities::sync_cursor;
use entities::sync_run::{self, Drift, Findings};
use entities::sync_seen;
use serde_json::Value as Json;
use std::collections::BTreeSet;

impl Engine {
    /// Goes on with a claimed lane of reconciling. `row` is kept as the last commit left it, so that a failure begins where that ended.
    pub(in crate::sync) async fn reconcile_lane(
        &self,
        row: &mut sync_cursor::Model,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<()> {
        let resource = Resource::parse(&row.resource)
            .ok_or_else(|| EntityError::Damaged(format!("a resource named {:?}", row.resource)))?;
        let mut reader = Reader::open(self.database(), self.keeper(), row.connection_id)
            .await?
            .doing(http::Work::Backfill);
        let mut work = Work {
            row: row.clone(),
            run: self.reconciling(row.connection_id).await?,
            resource,
            wanted: reader.wanted(resource).await?,
        };
        for _ in 0..self.settings().batches_per_step {
            let done = self.reconcile_on(&mut reader, &mut work).await;
            row.clone_from(&work.row);
            let done = match done {
                Err(error) => {
                    self.flag_consent(&reader, &error).await?;
                    return Err(error);
                }
                Ok(done) => done,
            };
            let counts = work.run.findings.counts.get(resource.as_str());
            progress(Progress {
                connection: row.connection_id,
                resource,
                lane: row.lane.clone(),
                read: counts.map_or(0, |counts| counts.read),
                caught_up: done,
            });
            if done {
                return Ok(());
            }
        }
        row.lease_owner = None;
        row.lease_until = None;
        sync_cursor::write_back(self.database().write(), row).await?;
        Ok(())
    }

    /// Does one batch of whatever phase a lane is in. The answer says whether the lane is done.
    async fn reconcile_on(&self, reader: &mut Reader<'_>, work: &mut Work) -> Result<bool> {
        match phase(&work.row)? {
            None | Some(Phase::Held) => self.begin_walk(reader, work).await,
            Some(Phase::Walk(from)) => self.walk_on(reader, work, from, false).await,
            Some(Phase::Ask { after, of, gone }) => {
                self.ask_on(reader, work, (after, of, gone)).await
            }
            Some(Phase::Waived { after }) => self.carry_out(reader, work, after).await,
        }
    }

    async fn begin_walk(&self, reader: &mut Reader<'_>, work: &mut Work) -> Result<bool> {
        let lanes = sync_cursor::list(self.database().read(), work.row.connection_id).await?;
        let is_read = |lane: &sync_cursor::Model| {
            lane.resource == work.row.resource && lane.lane == BACKFILL && lane.complete
        };
        if lanes.iter().any(is_read) {
            return self.walk_on(reader, work, None, true).await;
        }
        // There is nothing to compare with before everything was read once.
        let (change, _, mut row) = self.turn(work).await?;
        self.done(&change, &mut row);
        sync_cursor::write_back(change.transaction(), &row).await?;
        change.commit().await?;
        work.row = row;
        Ok(true)
    }

    async fn walk_on(
        &self,
        reader: &mut Reader<'_>,
        work: &mut Work,
        from: Option<Json>,
        begins: bool,
    ) -> Result<bool> {
        let of = (work.resource, Mode::Backfill);
        let mut batch = reader.gather(of, from, &work.wanted, self.limits()).await;
        let error = batch.error.take();
        if batch.pages > 0 {
            self.take_in(work, batch, begins).await?;
        }
        match error {
            Some(error) => Err(error),
            None => Ok(false),
        }
    }

    /// Writes a batch: fence, rows, links, what was seen and position, in one transaction.
    async fn take_in(&self, work: &mut Work, batch: Gathered, begins: bool) -> Result<()> {
        let (mut change, connection, mut row) = self.turn(work).await?;
        let Gathered {
            records,
            malformed,
            position: next,
            caught_up,
            merged,
            ..
        } = batch;
        let id = connection.id;
        row.position = if caught_up {
            let of = sync_seen::count_present(change.transaction(), id, &row.resource).await?;
            position(&Phase::Ask {
                after: String::new(),
                of,
                gone: Vec::new(),
            })?
        } else {
            position(&Phase::Walk(next))?
        };
        sync_cursor::write_back(change.transaction(), &row).await?;
        if begins {
            sync_seen::clear(&change, id, &row.resource).await?;
        }
        let seen = seen_in(&records, &malformed);
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        sync_seen::note(&change, id, &row.resource, &seen).await?;
        let mut found = Findings::default();
        if !malformed.is_empty() {
            findings::malformed(&mut found, work.resource, &malformed);
        }
        let references = References::load(change.transaction(), &connection).await?;
        let scope = Scope {
            connection: &connection,
            references: &references,
            wanted: &work.wanted,
            source: Source::Index,
            read_at: Some(work.run.started_at),
        };
        // What has changed just now is still the delta's to bring.
        let grace = millis(self.settings().reconcile_grace);
        let recent = change.now().plus_millis(-grace).millis();
        let (late, fresh): (Vec<Record>, Vec<Record>) = records
            .into_iter()
            .partition(|record| record.updated_at_ms <= recent);
        apply::records(&mut change, &scope, work.resource, late, &mut found).await?;
        let missed = findings::counts(&mut found, work.resource);
        let drift = Drift {
            missing_here: missed.created,
            different: missed.updated + missed.archived,
            missing_there: 0,
        };
        note_drift(&mut found, work.resource, drift);
        apply::records(&mut change, &scope, work.resource, fresh, &mut found).await?;
        merged::look_at(&change, id, work.resource, &merged).await?;
        self.commit(change, work, row, &found).await
    }

    /// Begins the transaction of a batch, with the lane as it will be: still held, and without a failure.
    pub(super) async fn turn(
        &self,
        work: &Work,
    ) -> Result<(Change, connection::Model, sync_cursor::Model)> {
        let id = work.row.connection_id;
        let (change, connection) = settle::begin(self.database(), id, Origin::Sync).await?;
        if !connection.status.is_working() {
            return Err(SyncError::NotWorking {
                status: connection.status,
                reason: connection.status_reason,
            });
        }
        let lease = millis(self.settings().lease);
        let row = sync_cursor::Model {
            attempts: 0,
            error: None,
            lease_until: Some(change.now().plus_millis(lease)),
            ..work.row.clone()
        };
        Ok((change, connection, row))
    }

    /// Sets a lane back to where it begins, after the usual time.
    pub(super) fn done(&self, change: &Change, row: &mut sync_cursor::Model) {
        row.position = None;
        row.complete = true;
        row.available_at = self.next_reconciling(change);
        row.lease_owner = None;
        row.lease_until = None;
    }

    pub(super) async fn commit(
        &self,
        change: Change,
        work: &mut Work,
        row: sync_cursor::Model,
        found: &Findings,
    ) -> Result<()> {
        let findings = sync_run::note(&change, work.run.id, found).await?;
        change.commit().await?;
        work.row = row;
        work.run.findings = findings;
        Ok(())
    }
}

/// The ids that a batch has shown, also those of records that could not be read.
fn seen_in(records: &[Record], malformed: &[MalformedRecord]) -> BTreeSet<String> {
    let read = records.iter().map(|record| &record.external_id);
    let unread = malformed.iter().filter_map(|bad| bad.external_id.as_ref());
    let sound = |id: &&String| is_sound_id(id);
    read.chain(unread).filter(sound).cloned().collect()
}
