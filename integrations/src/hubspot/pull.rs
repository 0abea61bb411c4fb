//! Reading from HubSpot.
//!
//! Owns: lists, reads by id, and the choice of walk for a resource and mode; the walk over changes is in [`super::delta`]. Refuses: to
//! mix positions of different walks. Invariant: a backfill that took hours ends with a position from before it began, so that what changed
//! meanwhile is read by the first delta.
//!
//! A list comes in the order of ids and says for each record whether it has associations at all; labels are read in a batch for
//! those that have. The archived are listed whole each time: HubSpot offers no list of what was archived lately.

use super::{
    API_DATE, HubSpot,
    cursor::Position,
    delta::LAG_MS,
    descriptor::{BATCH, Object, links_of, object},
    map,
    wire::{self, BatchFrame, ObjectBody, PageFrame},
};
use crate::{
    connector::{Context, Fetched, FieldDescriptor, Lane, Mode, Next, Page, PageRequest, Pull},
    error::{ConnectorError, Result},
    http::{Answer, Call},
    record::{MalformedRecord, Record, Resource},
};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::{json, value::RawValue};
use std::collections::{BTreeMap, BTreeSet};

/// The records of an answer, read one by one.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) records: Vec<Record>,
    /// For each record, the objects it is associated with, where the answer says so.
    associated: Vec<Vec<String>>,
    pub(super) malformed: Vec<MalformedRecord>,
}

impl Reading {
    pub(super) fn of(ctx: &Context<'_>, object: Object, results: Vec<&RawValue>) -> Self {
        let mut reading = Self {
            records: Vec::with_capacity(results.len()),
            ..Self::default()
        };
        for raw in results {
            let read = map::read::<ObjectBody>(raw).and_then(|mut body| {
                let associated = body
                    .associations
                    .take()
                    .unwrap_or_default()
                    .into_keys()
                    .collect();
                Ok((map::object(ctx, object, body)?, associated))
            });
            match read {
                Ok((record, associated)) => {
                    reading.records.push(record);
                    reading.associated.push(associated);
                }
                Err(flaw) => reading.malformed.push(map::malformed(raw, flaw)),
            }
        }
        reading
    }

    pub(super) fn page(self, next: Next) -> Page {
        Page {
            records: self.records,
            malformed: self.malformed,
            merged: Vec::new(),
            next,
            wait: None,
        }
    }
}

impl HubSpot {
    /// Reads a path.
    pub(super) async fn get(
        &self,
        ctx: &Context<'_>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut url = self.endpoints.api_url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        accepted(ctx.http.send(&Call::get(url)).await?, Lane::Standard)
    }

    /// Posts JSON to a path.
    pub(super) async fn post<T: Serialize + Sync + ?Sized>(
        &self,
        ctx: &Context<'_>,
        path: &str,
        body: &T,
        lane: Lane,
    ) -> Result<Answer> {
        let call = Call::post_json(self.endpoints.api_url(path), body).map_err(|_| {
            ConnectorError::permanent("invalid_request", "the request has no JSON form")
        })?;
        accepted(ctx.http.send(&call.in_lane(lane)).await?, lane)
    }

    /// One page of everything.
    async fn backfill(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let (after, started_ms) = match position {
            None => (None, None),
            Some(Position::List { after, started_ms }) => (Some(after), Some(started_ms)),
            Some(_) => return Err(Position::foreign(Mode::Backfill)),
        };
        let answer = self
            .list(ctx, object, request, after.as_deref(), false)
            .await?;
        let started_ms = started_ms
            .or_else(|| answer.vendor_now_ms())
            .unwrap_or(request.now_ms);
        let frame: PageFrame<'_> = wire::read(&answer.body)?;
        let next = match following(&frame, after.as_deref())? {
            Some(after) => Next::More(Position::List { after, started_ms }.write()?),
            None => Next::CaughtUp(
                Position::Rest {
                    mark_ms: started_ms.saturating_sub(LAG_MS),
                }
                .write()?,
            ),
        };
        let mut reading = Reading::of(ctx, object, frame.results);
        let associated = std::mem::take(&mut reading.associated);
        let may_have = |index: usize, other: &str| {
            associated
                .get(index)
                .is_some_and(|objects| objects.iter().any(|object| object == other))
        };
        self.link(ctx, object, &mut reading.records, may_have)
            .await?;
        Ok(reading.page(next))
    }

    /// One page of what is archived. Links of archived records are not read.
    async fn archived(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        let after = match position {
            None | Some(Position::Done {}) => None,
            Some(Position::Archived { after }) => Some(after),
            Some(_) => return Err(Position::foreign(Mode::Archived)),
        };
        let answer = self
            .list(ctx, object, request, after.as_deref(), true)
            .await?;
        let frame: PageFrame<'_> = wire::read(&answer.body)?;
        let next = match following(&frame, after.as_deref())? {
            Some(after) => Next::More(Position::Archived { after }.write()?),
            None => Next::CaughtUp(Position::Done {}.write()?),
        };
        let mut reading = Reading::of(ctx, object, frame.results);
        for record in &mut reading.records {
            record.archived = true;
            record.links_complete = links_of(object.resource).is_empty();
        }
        Ok(reading.page(next))
    }

    async fn list(
        &self,
        ctx: &Context<'_>,
        object: Object,
        request: &PageRequest<'_>,
        after: Option<&str>,
        archived: bool,
    ) -> Result<Answer> {
        let limit = request
            .page_size
            .map_or(BATCH, |size| size as usize)
            .clamp(1, BATCH)
            .to_string();
        let properties = object.properties(request.fields).join(",");
        let mut query = vec![("limit", limit.as_str()), ("properties", &properties)];
        query.push(("archived", if archived { "true" } else { "false" }));
        let others: Vec<&str> = links_of(object.resource)
            .iter()
            .filter_map(|other| super::descriptor::object(*other))
            .map(|other| other.path)
            .collect();
        let others = others.join(",");
        if !archived && !others.is_empty() {
            query.push(("associations", &others));
        }
        if let Some(after) = after {
            query.push(("after", after));
        }
        self.get(
            ctx,
            &format!("/crm/objects/{API_DATE}/{}", object.path),
            &query,
        )
        .await
    }

    pub(super) async fn fetch_objects(
        &self,
        ctx: &Context<'_>,
        object: Object,
        ids: &[String],
        fields: &[String],
    ) -> Result<Fetched> {
        let path = format!("/crm/objects/{API_DATE}/{}/batch/read", object.path);
        let wanted: Vec<&String> = ids.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut fetched = Fetched::default();
        for batch in wanted.chunks(BATCH) {
            let inputs: Vec<_> = batch.iter().map(|id| json!({"id": id})).collect();
            let body = json!({"inputs": inputs, "properties": object.properties(fields), "propertiesWithHistory": []});
            let answer = self.post(ctx, &path, &body, Lane::Standard).await?;
            let frame: BatchFrame<'_> = wire::read(&answer.body)?;
            for error in frame.errors.iter().filter(|error| !error.is_absence()) {
                let mut named = error
                    .ids()
                    .filter(|id| batch.iter().any(|asked| asked == id))
                    .peekable();
                if named.peek().is_none() {
                    return Err(ConnectorError::transient(
                        "HubSpot could not read all records of a batch",
                    ));
                }
                fetched.malformed.extend(named.map(|id| error.about(id)));
            }
            let reading = Reading::of(ctx, object, frame.results);
            fetched.records.extend(reading.records);
            fetched.malformed.extend(reading.malformed);
        }
        let present: BTreeSet<&str> = fetched
            .records
            .iter()
            .map(|record| record.external_id.as_str())
            .chain(
                fetched
                    .malformed
                    .iter()
                    .filter_map(|bad| bad.external_id.as_deref()),
            )
            .collect();
        // A record that came without a readable id may be any of those that seem to be missing.
        if fetched
            .malformed
            .iter()
            .all(|bad| bad.external_id.is_some())
        {
            fetched.missing = wanted
                .into_iter()
                .filter(|id| !present.contains(id.as_str()))
                .cloned()
                .collect();
        }
        self.link(ctx, object, &mut fetched.records, |_, _| true)
            .await?;
        Ok(fetched)
    }
}

/// The mark of the next page. The same mark again would never end.
pub(super) fn following(frame: &PageFrame<'_>, asked: Option<&str>) -> Result<Option<String>> {
    let after = frame.after();
    if after.is_some() && after.as_deref() == asked {
        return Err(ConnectorError::schema(
            "HubSpot answers the same page of a list again",
        ));
    }
    Ok(after)
}

fn accepted(answer: Answer, lane: Lane) -> Result<Answer> {
    if answer.is_success() {
        Ok(answer)
    } else {
        Err(super::limits::refusal(&answer, lane))
    }
}

#[async_trait]
impl Pull for HubSpot {
    async fn page(&self, ctx: &Context<'_>, request: &PageRequest<'_>) -> Result<Page> {
        let position = Position::read(request.cursor)?;
        let Some(object) = object(request.resource) else {
            return self.metadata(ctx, request, position).await;
        };
        match request.mode {
            Mode::Backfill => self.backfill(ctx, object, request, position).await,
            Mode::Delta => self.delta(ctx, object, request, position).await,
            Mode::Archived => self.archived(ctx, object, request, position).await,
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
        let Some(object) = object(resource) else {
            return Ok(Vec::new());
        };
        let answer = self
            .get(
                ctx,
                &format!("/crm/properties/{API_DATE}/{}", object.path),
                &[],
            )
            .await?;
        let frame: PageFrame<'_> = wire::read(&answer.body)?;
        let mut fields = BTreeMap::new();
        for raw in frame.results {
            // A definition that cannot be read describes nothing; its values still come with the records that have them.
            let Ok(property) = map::read::<wire::PropertyBody>(raw) else {
                continue;
            };
            if property.archived {
                continue;
            }
            let field = FieldDescriptor {
                label: property.label,
                kind: property.kind,
                custom: !property.hubspot_defined,
                name: property.name.clone(),
            };
            fields.insert(property.name, field);
        }
        Ok(fields.into_values().collect())
    }
}
