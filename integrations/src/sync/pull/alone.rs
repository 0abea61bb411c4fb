//! A page that ended its workers, applied record by record until the one that does it is found.
//!
//! Owns: which record is on trial, and when it is guilty. Refuses: to suspect a page whose failures were said in order, and to keep a record out for one
//! death, for processes are also killed for other reasons. Invariant: right before a record is applied alone the lane's row durably names it and says
//! how often it was tried, so whoever comes after a death knows which record it was; what was applied before it is committed and stays.
//!
//! The row counts in `unfinished` how often work at its position never came to an end. Up to [`PAGE`] the page is applied as a whole; from then on
//! each record has a transaction of its own, which also names the next one. What the count then has above [`PAGE`] are the tries of the record that is
//! named; a worker that dies while it reads the page again adds nothing to them.

use super::Work;
use crate::record::{Record, Resource};
use crate::sync::apply::{self, Scope, Source, Wanted};
use crate::sync::claim::millis;
use crate::sync::error::{Result, SyncError};
use crate::sync::map::References;
use crate::sync::run::Engine;
use crate::sync::settle;
use entities::sync_cursor;
use entities::sync_run::{self, Findings};

/// After so many deaths a page is applied record by record.
const PAGE: i32 = 2;

/// A record that was tried so often and never came to an end is kept out.
const TRIES: i32 = 2;

/// Whether a lane's work has ended so many workers that its records are applied alone. What other records only refer to is read as a whole, always.
pub(super) const fn is_suspect(row: &sync_cursor::Model, resource: Resource) -> bool {
    let is_whole = matches!(
        resource,
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel
    );
    row.unfinished >= PAGE && !is_whole
}

/// A record's turn.
enum Turn<'a> {
    /// Nothing but naming the next one, and how often it is tried.
    Named(i32),
    /// It is applied.
    Applied(Record),
    /// It has ended too many workers.
    Guilty(&'a Record),
}

impl Engine {
    /// Applies these records one by one and takes them out; the lane stays where it is.
    pub(super) async fn apply_alone(
        &self,
        work: &mut Work,
        records: &mut Vec<Record>,
        wanted: &Wanted,
    ) -> Result<()> {
        let mut records = std::mem::take(records);
        // The one on trial comes first: naming another one would forget what is known of it.
        let on_trial = work.row.on_trial.as_deref();
        match records
            .iter()
            .position(|record| Some(record.external_id.as_str()) == on_trial)
        {
            Some(place) => {
                let suspect = records.remove(place);
                let tried = work.row.unfinished - PAGE;
                if tried >= TRIES {
                    let next = records.first().map(|record| record.external_id.clone());
                    self.turn_of(work, Turn::Guilty(&suspect), next, wanted)
                        .await?;
                } else {
                    let again = Some(suspect.external_id.clone());
                    self.turn_of(work, Turn::Named(tried + 1), again, wanted)
                        .await?;
                    records.insert(0, suspect);
                }
            }
            None => {
                let first = records.first().map(|record| record.external_id.clone());
                self.turn_of(work, Turn::Named(1), first, wanted).await?;
            }
        }
        let mut left = records.into_iter().peekable();
        while let Some(record) = left.next() {
            let next = left.peek().map(|record| record.external_id.clone());
            self.turn_of(work, Turn::Applied(record), next, wanted)
                .await?;
        }
        Ok(())
    }

    /// One transaction: the fence, what the turn is, and the name of the record whose turn is next.
    async fn turn_of(
        &self,
        work: &mut Work,
        turn: Turn<'_>,
        next: Option<String>,
        wanted: &Wanted,
    ) -> Result<()> {
        let id = work.row.connection_id;
        let (mut change, connection) = settle::begin(self.database(), id, work.origin).await?;
        if !connection.status.is_working() {
            return Err(SyncError::NotWorking {
                status: connection.status,
                reason: connection.status_reason,
            });
        }
        let tries = match turn {
            Turn::Named(tries) => tries,
            Turn::Applied(_) | Turn::Guilty(_) => i32::from(next.is_some()),
        };
        let row = sync_cursor::Model {
            attempts: 0,
            lease_until: Some(change.now().plus_millis(millis(self.settings().lease))),
            unfinished: PAGE + tries,
            on_trial: next,
            ..work.row.clone()
        };
        sync_cursor::write_back(change.transaction(), &row).await?;
        let mut found = Findings::default();
        let references = References::load(change.transaction(), &connection).await?;
        let scope = Scope {
            connection: &connection,
            references: &references,
            wanted,
            source: Source::Index,
            read_at: Some(work.run.started_at),
        };
        match turn {
            Turn::Named(_) => {}
            Turn::Applied(record) => {
                let alone = vec![record];
                apply::records(&mut change, &scope, work.resource, alone, &mut found).await?;
            }
            Turn::Guilty(record) => {
                apply::keep_out(&change, &scope, work.resource, record, &mut found).await?;
            }
        }
        let findings = sync_run::note(&change, work.run.id, &found).await?;
        change.commit().await?;
        work.row = row;
        work.run.findings = findings;
        Ok(())
    }
}
