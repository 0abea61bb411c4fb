//! What a complete walk has not seen: asking for it, archiving what is gone, and holding it back where it is too much.
//!
//! Refuses: to take a record for gone that was merely not listed. Invariant: without a person's word either all that is gone is archived, in one
//! transaction, or nothing.

use super::{ASKED_AT_ONCE, HELD, Phase, Work, is_held, note_drift, passes, position};
use crate::connector::Fetched;
use crate::record::{Record, is_sound_id};
use crate::sync::apply::{self, Scope, Source};
use crate::sync::error::Result;
use crate::sync::findings;
use crate::sync::map::References;
use crate::sync::merged;
use crate::sync::run::Engine;
use crate::sync::walk::Reader;
use crate::sync::webhook::put_away;
use entities::change::Change;
use entities::connection::{self, ConnectionStatus};
use entities::event::{EventKind, NewEvent};
use entities::external_link;
use entities::inbound_signal::{self, NewSignal};
use entities::sync_cursor;
use entities::sync_run::{Drift, Findings};
use entities::sync_seen;
use serde_json::json;
use std::collections::HashSet;

impl Engine {
    /// Asks for some of what the walk has not seen.
    pub(super) async fn ask_on(
        &self,
        reader: &mut Reader<'_>,
        work: &mut Work,
        (after, of, mut gone): (String, u64, Vec<(String, i64)>),
    ) -> Result<bool> {
        let unseen = self.unseen(work, &after).await?;
        let can_ask = self.can_fetch(work).await?;
        let Some(last) = unseen.last().filter(|_| can_ask) else {
            return self.archive(work, gone).await;
        };
        let last = last.external_id.clone();
        let fetched = self.fetch(reader, work, &unseen).await?;
        let missing: HashSet<&str> = missing_in(&fetched);
        let links = unseen
            .iter()
            .filter(|link| missing.contains(link.external_id.as_str()));
        gone.extend(links.map(|link| (link.external_id.clone(), link.version)));
        if !passes(gone.len() as u64, of) {
            return self.hold(work, &last, (gone.len() as u64, of)).await;
        }
        let (mut change, connection, mut row) = self.turn(work).await?;
        row.position = position(&Phase::Ask {
            after: last,
            of,
            gone,
        })?;
        sync_cursor::write_back(change.transaction(), &row).await?;
        merged::look_at(&change, connection.id, work.resource, &fetched.merged).await?;
        let mut found = Findings::default();
        let there = there(&fetched);
        self.apply_there(&mut change, &connection, work, (&unseen, there), &mut found)
            .await?;
        self.commit(change, work, row, &found).await?;
        Ok(false)
    }

    /// Archives what is gone; the lane is done then.
    async fn archive(&self, work: &mut Work, gone: Vec<(String, i64)>) -> Result<bool> {
        let (mut change, connection, mut row) = self.turn(work).await?;
        self.done(&change, &mut row);
        sync_cursor::write_back(change.transaction(), &row).await?;
        let mut found = Findings::default();
        self.put_away(&mut change, &connection, work, &gone, &mut found)
            .await?;
        self.release(&mut change, connection, work).await?;
        self.commit(change, work, row, &found).await?;
        Ok(true)
    }

    /// Asks for some of what the walk has not seen, and archives at once what is gone.
    pub(super) async fn carry_out(
        &self,
        reader: &mut Reader<'_>,
        work: &mut Work,
        after: String,
    ) -> Result<bool> {
        let unseen = self.unseen(work, &after).await?;
        let Some(last) = unseen.last() else {
            return self.archive(work, Vec::new()).await;
        };
        let last = last.external_id.clone();
        let fetched = self.fetch(reader, work, &unseen).await?;
        let missing: HashSet<&str> = missing_in(&fetched);
        let links = unseen
            .iter()
            .filter(|link| missing.contains(link.external_id.as_str()));
        let gone: Vec<_> = links
            .map(|link| (link.external_id.clone(), link.version))
            .collect();
        let (mut change, connection, mut row) = self.turn(work).await?;
        row.position = position(&Phase::Waived { after: last })?;
        sync_cursor::write_back(change.transaction(), &row).await?;
        let mut found = Findings::default();
        self.put_away(&mut change, &connection, work, &gone, &mut found)
            .await?;
        merged::look_at(&change, connection.id, work.resource, &fetched.merged).await?;
        let there = there(&fetched);
        self.apply_there(&mut change, &connection, work, (&unseen, there), &mut found)
            .await?;
        self.commit(change, work, row, &found).await?;
        Ok(false)
    }

    /// Holds back: nothing is archived, the run and the connection say so, and what was seen is kept for the day a person confirms.
    async fn hold(&self, work: &mut Work, last: &str, (gone, of): (u64, u64)) -> Result<bool> {
        let (mut change, connection, mut row) = self.turn(work).await?;
        self.done(&change, &mut row);
        row.position = position(&Phase::Held)?;
        sync_cursor::write_back(change.transaction(), &row).await?;
        let id = connection.id;
        let rest = sync_seen::count_unseen(change.transaction(), id, &row.resource, last).await?;
        let many = if rest == 0 {
            gone.to_string()
        } else {
            format!("at least {gone} and at most {}", gone + rest)
        };
        let reason = format!(
            "{HELD}{many} of {of} records of the kind {} are gone at the vendor, more than are archived without a person's word. Nothing was \
             archived. See whether that is meant; then confirm the deletes, or restore the records there.",
            row.resource
        );
        let mut found = Findings::default();
        findings::issue(
            &mut found,
            work.resource,
            None,
            None,
            "DELETES_HELD",
            &reason,
        );
        let facts =
            json!({ "resource": row.resource, "gone": gone, "unconfirmed": rest, "of": of });
        change.record(NewEvent::about(EventKind::SyncHeld, id, facts).internal());
        if connection.status == ConnectionStatus::Active {
            let degraded = ConnectionStatus::Degraded;
            connection::set_status(&mut change, connection, degraded, Some(reason)).await?;
        }
        self.commit(change, work, row, &found).await?;
        Ok(true)
    }

    async fn unseen(&self, work: &Work, after: &str) -> Result<Vec<external_link::Model>> {
        let (id, resource) = (work.row.connection_id, work.resource.as_str());
        let read = self.database().read();
        Ok(sync_seen::list_unseen(read, id, resource, after, ASKED_AT_ONCE).await?)
    }

    async fn can_fetch(&self, work: &Work) -> Result<bool> {
        let row = self.find_working(work.row.connection_id).await?;
        let descriptor = self.keeper().connector(&row.connector)?.descriptor();
        let described = descriptor.resource(work.resource);
        Ok(described.is_some_and(|described| described.fetch))
    }

    async fn fetch(
        &self,
        reader: &mut Reader<'_>,
        work: &Work,
        unseen: &[external_link::Model],
    ) -> Result<Fetched> {
        let ids: Vec<String> = unseen.iter().map(|link| link.external_id.clone()).collect();
        reader.fetch(work.resource, &ids, &work.wanted).await
    }

    /// Applies records that were not listed and are there nevertheless; one that comes under another id is looked at by itself.
    async fn apply_there(
        &self,
        change: &mut Change,
        connection: &connection::Model,
        work: &Work,
        (asked, there): (&[external_link::Model], Vec<Record>),
        found: &mut Findings,
    ) -> Result<()> {
        let asked: HashSet<&str> = asked.iter().map(|link| link.external_id.as_str()).collect();
        let (known, renamed): (Vec<Record>, Vec<Record>) = there
            .into_iter()
            .partition(|record| asked.contains(record.external_id.as_str()));
        let signal = |record: Record| NewSignal {
            connection_id: connection.id,
            resource: work.resource.as_str().to_owned(),
            external_id: record.external_id,
            hint: json!({ "kind": "changed" }),
        };
        inbound_signal::raise(change, renamed.into_iter().map(signal).collect()).await?;
        self.apply_direct(change, connection, work, known, found)
            .await
    }

    async fn apply_direct(
        &self,
        change: &mut Change,
        connection: &connection::Model,
        work: &Work,
        records: Vec<Record>,
        found: &mut Findings,
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let references = References::load(change.transaction(), connection).await?;
        let scope = Scope {
            connection,
            references: &references,
            wanted: &work.wanted,
            source: Source::Direct,
            read_at: Some(work.run.started_at),
        };
        apply::records(change, &scope, work.resource, records, found).await
    }

    /// Archives the rows of records that are gone, if nothing has happened to them since they were asked for.
    async fn put_away(
        &self,
        change: &mut Change,
        connection: &connection::Model,
        work: &Work,
        gone: &[(String, i64)],
        found: &mut Findings,
    ) -> Result<()> {
        let (id, resource) = (connection.id, work.resource);
        let ids: Vec<&str> = gone.iter().map(|(id, _)| id.as_str()).collect();
        let links =
            external_link::find_all(change.transaction(), id, resource.as_str(), &ids).await?;
        let same = |link: &external_link::Model| {
            let seen = (link.external_id.clone(), link.version);
            !link.archived && gone.contains(&seen)
        };
        let (rows, rowless): (Vec<_>, Vec<_>) = links
            .into_iter()
            .filter(same)
            .partition(|link| link.subject_id.is_some());
        let now = change.now();
        let rowless: Vec<_> = rowless
            .into_iter()
            .map(|link| external_link::Model {
                version: link.version + 1,
                updated_at: now,
                archived: true,
                ..link
            })
            .collect();
        external_link::upsert(change, &rowless).await?;
        let ids: Vec<&str> = rows.iter().map(|link| link.external_id.as_str()).collect();
        let records = put_away(change, id, resource, &ids, &HashSet::new()).await?;
        let drift = Drift {
            missing_there: records.len() as u64,
            ..Drift::default()
        };
        note_drift(found, resource, drift);
        self.apply_direct(change, connection, work, records, found)
            .await
    }

    /// Forgets what was seen, and lets the connection be whole again if this lane was the last that held something back.
    async fn release(
        &self,
        change: &mut Change,
        connection: connection::Model,
        work: &Work,
    ) -> Result<()> {
        let id = connection.id;
        sync_seen::clear(change, id, work.resource.as_str()).await?;
        let held = |reason: &String| reason.starts_with(HELD);
        if connection.status != ConnectionStatus::Degraded
            || !connection.status_reason.as_ref().is_some_and(held)
        {
            return Ok(());
        }
        let lanes = sync_cursor::list(change.transaction(), id).await?;
        let others = lanes
            .iter()
            .filter(|lane| lane.resource != work.row.resource);
        if !others.clone().any(is_held) {
            connection::set_status(change, connection, ConnectionStatus::Active, None).await?;
        }
        Ok(())
    }
}

/// Those that are gone: not there any more, or put away. What went into another record is looked at by itself, which passes its row on.
fn missing_in(fetched: &Fetched) -> HashSet<&str> {
    let archived = fetched.records.iter().filter(|record| record.archived);
    let archived = archived.map(|record| record.external_id.as_str());
    let merged = fetched.merged.iter().filter(|one| is_sound_id(&one.into));
    let merged: HashSet<&str> = merged.map(|one| one.from.as_str()).collect();
    fetched
        .missing
        .iter()
        .map(String::as_str)
        .chain(archived)
        .filter(|id| !merged.contains(id))
        .collect()
}

/// Those that are there.
fn there(fetched: &Fetched) -> Vec<Record> {
    let there = fetched.records.iter().filter(|record| !record.archived);
    there.cloned().collect()
}
