//! Reading from Salesforce.
//!
//! Owns: the choice of walk for a resource and mode, and reads by id. Refuses: to mix positions of different walks. Invariant: a backfill that took
//! hours ends with a position from before it began, so that what changed meanwhile is read by the first delta.
//!
//! - Everything: a bulk job ([`super::bulk`]), or for a small account plain queries in the order of ids ([`super::everything`]).
//! - What changed: a walk in the order of (time of change, id), then what changed to the ties of deals, then what was deleted ([`super::changes`]).
//! - What is in the bin: the same order, over what is deleted ([`super::bin`]).
//! - Stages and roles are few and have no delta ([`super::metadata`]).

use super::{
    Salesforce,
    call::{Asked, Bin},
    cursor::Position,
    descriptor::{Object, object},
    id,
    map::Reading,
    partners::ASKED_AT_ONCE,
    row,
    soql::{Query, is_one_of},
    wire::{self, QueryFrame},
};
use crate::{
    connector::{Context, Fetched, FieldDescriptor, Merged, Mode, Next, Page, PageRequest, Pull},
    error::{ConnectorError, Result},
    record::{MalformedRecord, Resource},
};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};

impl Reading {
    pub(super) fn page(self, next: Next) -> Page {
        Page {
            records: self.records,
            malformed: self.malformed,
            merged: self.merged,
            next,
            wait: None,
        }
    }
}

/// The length of an address that is well within what Salesforce reads, less what goes around names and ids.
const ADDRESS: usize = 14_500;
/// What an id takes of it, with its quotes.
const AN_ID: usize = 27;
/// However many columns there are, so many ids are asked for at once.
const FEWEST: usize = 50;

/// One page of a query, read.
pub(super) struct Read {
    pub(super) reading: Reading,
    /// How many records came.
    pub(super) count: usize,
    /// Whether the list has ended.
    pub(super) done: bool,
}

impl Salesforce {
    /// Asks for some records of an object and reads them, with the links that are fields of their own.
    pub(super) async fn read_some<F>(
        &self,
        ctx: &Context<'_>,
        object: Object,
        wanted: &[String],
        bin: Bin,
        narrowed: F,
    ) -> Result<Read>
    where
        F: for<'q> Fn(Query<'q>) -> Query<'q> + Send + Sync,
    {
        let asked = self.ask(ctx, object, wanted, bin, narrowed).await?;
        read(ctx, object, &asked)
    }

    /// Records by id, page after page; with what is in the bin where that is wanted.
    pub(super) async fn read_ids(
        &self,
        ctx: &Context<'_>,
        object: Object,
        wanted: &[String],
        bin: Bin,
        ids: &[&str],
    ) -> Result<Reading> {
        let mut all = Reading::default();
        // The names of the columns share the address with the ids.
        let columns: usize = wanted.iter().map(|name| name.len() + 3).sum();
        let room = (ADDRESS - columns.min(ADDRESS)) / AN_ID;
        for few in ids.chunks(room.clamp(FEWEST, ASKED_AT_ONCE)) {
            let mut left: Vec<&str> = few.to_vec();
            // A page may hold less than was asked for: the rest is asked for by name, for a mark of a page is not worth keeping.
            while !left.is_empty() {
                let filter = is_one_of("Id", left.iter().copied());
                let read = self
                    .read_some(ctx, object, wanted, bin, |query| {
                        query.filter(filter.clone())
                    })
                    .await?;
                let done = read.done;
                let came: BTreeSet<&str> = read
                    .reading
                    .records
                    .iter()
                    .map(|record| record.external_id.as_str())
                    .chain(
                        read.reading
                            .merged
                            .iter()
                            .map(|merged| merged.from.as_str()),
                    )
                    .chain(
                        read.reading
                            .malformed
                            .iter()
                            .filter_map(|bad| bad.external_id.as_deref()),
                    )
                    .filter_map(id::key)
                    .collect();
                let before = left.len();
                left.retain(|id| id::key(id).is_some_and(|key| !came.contains(key)));
                let stuck = left.len() == before;
                all.records.extend(read.reading.records);
                all.malformed.extend(read.reading.malformed);
                all.merged.extend(read.reading.merged);
                if done {
                    break;
                }
                if stuck {
                    return Err(ConnectorError::schema(
                        "a list of records by id goes on and names none of them",
                    ));
                }
            }
        }
        Ok(all)
    }

    async fn fetch_objects(
        &self,
        ctx: &Context<'_>,
        object: Object,
        ids: &[String],
        fields: &[String],
    ) -> Result<Fetched> {
        // By the part that both forms of an id share; what is no id is not there.
        let mut asked: BTreeMap<&str, &String> = BTreeMap::new();
        let mut fetched = Fetched::default();
        for id in ids.iter().collect::<BTreeSet<_>>() {
            match id::key(id) {
                Some(key) => {
                    asked.insert(key, id);
                }
                None => fetched.missing.push(id.clone()),
            }
        }
        let wanted: Vec<&str> = asked.values().map(|id| id.as_str()).collect();
        let reading = self
            .read_ids(ctx, object, fields, Bin::Hidden, &wanted)
            .await?;
        fetched.records = reading.records;
        fetched.malformed = reading.malformed;
        let came: BTreeSet<&str> = fetched
            .records
            .iter()
            .map(|record| record.external_id.as_str())
            .chain(
                fetched
                    .malformed
                    .iter()
                    .filter_map(|bad| bad.external_id.as_deref()),
            )
            .filter_map(id::key)
            .collect();
        // A record that came without a readable id may be any of those that seem to be missing.
        if fetched
            .malformed
            .iter()
            .all(|bad| bad.external_id.is_some())
        {
            let missing: Vec<&String> = asked
                .iter()
                .filter(|(key, _)| !came.contains(*key))
                .map(|(_, id)| *id)
                .collect();
            fetched.merged = self.mergers(ctx, object, &missing).await?;
            fetched.missing.extend(missing.into_iter().cloned());
        }
        self.tie(ctx, &mut fetched.records).await?;
        Ok(fetched)
    }

    /// Which of these records went into others, by what the bin says.
    async fn mergers(
        &self,
        ctx: &Context<'_>,
        object: Object,
        missing: &[&String],
    ) -> Result<Vec<Merged>> {
        if !object.merges || missing.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = missing.iter().map(|id| id.as_str()).collect();
        let columns = ["Id".to_owned()];
        let reading = self
            .read_ids(ctx, object, &columns, Bin::Shown, &ids)
            .await?;
        // Under the id by which they were asked for.
        let named = |merged: Merged| {
            let asked = missing.iter().find(|id| id::same(id, &merged.from))?;
            Some(Merged {
                from: (*asked).clone(),
                into: merged.into,
            })
        };
        Ok(reading.merged.into_iter().filter_map(named).collect())
    }
}

/// Reads the answer to a query.
pub(super) fn read(ctx: &Context<'_>, object: Object, asked: &Asked) -> Result<Read> {
    let Asked {
        shape,
        selection,
        answer,
    } = asked;
    let frame: QueryFrame<'_> = wire::read(&answer.body)?;
    let count = frame.records.len();
    let rows = frame.records.into_iter().map(|raw| {
        row::of_json(shape, selection, raw).map_err(|reason| MalformedRecord {
            external_id: None,
            reason,
            raw: serde_json::from_str(raw.get()).unwrap_or_default(),
        })
    });
    let reading = Reading::of(ctx, object, selection, rows);
    Ok(Read {
        reading,
        count,
        done: frame.done,
    })
}

#[async_trait]
impl Pull for Salesforce {
    async fn page(&self, ctx: &Context<'_>, request: &PageRequest<'_>) -> Result<Page> {
        let position = Position::read(request.cursor)?;
        let Some(object) = object(request.resource) else {
            return self.metadata(ctx, request, position).await;
        };
        match request.mode {
            Mode::Backfill => self.everything(ctx, object, request, position).await,
            Mode::Delta => self.changes(ctx, object, request, position).await,
            Mode::Archived => self.bin(ctx, object, request, position).await,
        }
    }

    async fn fetch(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        ids: &[String],
        fields: &[String],
    ) -> Result<Fetched> {
        match object(resource) {
            Some(object) => self.fetch_objects(ctx, object, ids, fields).await,
            None => self.fetch_metadata(ctx, resource, ids).await,
        }
    }

    async fn fields(&self, ctx: &Context<'_>, resource: Resource) -> Result<Vec<FieldDescriptor>> {
        match object(resource) {
            Some(object) => Ok(self.shape(ctx, object.name).await?.described()),
            None => Ok(Vec::new()),
        }
    }
}
