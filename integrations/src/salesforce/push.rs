//! Writing to Salesforce.
//!
//! Owns: the order of the calls that write a set of records, and the outcome of each. Refuses: to write anything of an item that cannot be written whole
//! because a field or a role does not exist, and to fill in what Salesforce did not say. Invariant: what an applied item answers is read back by the
//! same query as any fetch, so that the next fetch finds no difference.
//!
//! How writing works: what exists is changed in collections by id; what does not is created by an upsert on the field that holds our reference
//! ([`reference`]), so that a creation that is repeated finds itself; a link to an account is a field of the record ([`ties`]) and goes along; then
//! partners are tied and cut ([`roles`]); then all of it is read back. Every collection may succeed in part ([`collection`]).
//!
//! To put a record away is to delete it, which Salesforce keeps in its bin for some fifteen days. With an account go its people and deals there.

mod collection;
mod reference;
mod roles;
mod ties;
mod values;

use super::{
    Salesforce,
    call::Bin,
    descriptor::{Object, object},
    id,
    shape::{REFERENCE_FIELD, Shape},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::{
        Push, PushItem, PushOutcome,
        progress::{Progress, answered, outcomes, set, written},
    },
    record::{Record, Resource},
};
use async_trait::async_trait;
use http::Method;
use std::collections::{BTreeMap, BTreeSet};
use ties::Change;
use values::{Body, Sent};

impl Salesforce {
    /// Deletes records. What is gone already is put away.
    async fn put_away(&self, ctx: &Context<'_>, items: &[PushItem], progress: &mut [Progress]) {
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate().filter(|(_, item)| item.archive) {
            match item.external_id.as_deref().and_then(id::long) {
                Some(id) => {
                    ids.push(id);
                    places.push(place);
                }
                // What never had an id of Salesforce's is not there.
                None => set(progress, place, Progress::Done(PushOutcome::Archived)),
            }
        }
        let answers = self.delete_all(ctx, &ids).await;
        for (place, answer) in places.into_iter().zip(answers) {
            let outcome = match answer {
                Ok(_) | Err(ConnectorError::NotFound { .. }) => PushOutcome::Archived,
                Err(error) => PushOutcome::Refused(error),
            };
            set(progress, place, Progress::Done(outcome));
        }
    }

    /// Writes the fields of records, by id or by reference.
    async fn write(
        &self,
        ctx: &Context<'_>,
        (object, shape): (Object, &Shape),
        items: &[PushItem],
        (changes, create): (&[Change], bool),
        progress: &mut [Progress],
    ) {
        let (mut bodies, mut places) = (Vec::new(), Vec::new());
        for ((place, item), change) in items.iter().enumerate().zip(changes) {
            if !matches!(progress.get(place), Some(Progress::Waiting))
                || item.external_id.is_none() != create
            {
                continue;
            }
            let body = values::body(ctx, (object, shape), item, change).map(|mut body| {
                if create {
                    let reference = Sent::Text(item.reference.clone());
                    body.insert(REFERENCE_FIELD.to_owned(), reference);
                }
                body
            });
            match (body, &item.external_id) {
                (Err(error), _) => set(progress, place, Progress::refused(error)),
                // Only roles: the record itself is as it should be.
                (Ok(body), Some(id)) if body.is_empty() => {
                    set(progress, place, Progress::Written(id.clone()));
                }
                (Ok(body), id) => {
                    bodies.push(typed(object.name, id.as_deref(), body));
                    places.push(place);
                }
            }
        }
        let path = if create {
            format!("composite/sobjects/{}/{REFERENCE_FIELD}", object.name)
        } else {
            "composite/sobjects".to_owned()
        };
        let answers = self.write_all(ctx, Method::PATCH, &path, &bodies).await;
        for (place, answer) in places.into_iter().zip(answers) {
            let known = items.get(place).and_then(|item| item.external_id.clone());
            let next = match answer.map(|id| known.or(id)) {
                Ok(Some(id)) => Progress::Written(id),
                Ok(None) => Progress::refused(ConnectorError::schema(
                    "Salesforce does not say under which id it wrote a record",
                )),
                Err(error) => Progress::refused(error),
            };
            set(progress, place, next);
        }
    }

    /// Reads back what was written.
    async fn read_back(
        &self,
        ctx: &Context<'_>,
        object: Object,
        fields: &[String],
        progress: Vec<Progress>,
    ) -> Vec<PushOutcome> {
        let read = self
            .read_written(ctx, object, fields, &written(&progress))
            .await;
        outcomes(progress, &read, |records, id| {
            let mut record = records.get(id::key(id)?).cloned()?;
            // Under the form of the id by which it is known.
            id.clone_into(&mut record.external_id);
            Some(record)
        })
    }

    async fn read_written(
        &self,
        ctx: &Context<'_>,
        object: Object,
        fields: &[String],
        ids: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Record>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut reading = self
            .read_ids(ctx, object, fields, Bin::Hidden, &ids)
            .await?;
        self.tie(ctx, &mut reading.records).await?;
        let keyed = |record: Record| Some((id::key(&record.external_id)?.to_owned(), record));
        Ok(reading.records.into_iter().filter_map(keyed).collect())
    }
}

/// A record of a collection, which says what it is.
fn typed(object: &'static str, id: Option<&str>, mut body: Body) -> Body {
    if let Some(id) = id {
        body.insert("id".to_owned(), Sent::Text(id.to_owned()));
    }
    body.insert("attributes".to_owned(), Sent::Kind { kind: object });
    body
}

#[async_trait]
impl Push for Salesforce {
    async fn apply(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        items: &[PushItem],
        fields: &[String],
    ) -> Result<Vec<PushOutcome>> {
        let object = writable(resource)?;
        let mut progress: Vec<Progress> = items.iter().map(|_| Progress::Waiting).collect();
        if items.iter().any(|item| !item.archive) {
            let shape = self.shape(ctx, object.name).await?;
            let ties = self.ties(ctx, object, items).await?;
            let mut changes = Vec::with_capacity(items.len());
            for (place, item) in items.iter().enumerate() {
                changes.push(match ties.change(object, item) {
                    Ok(change) => change,
                    Err(error) => {
                        if !item.archive {
                            set(&mut progress, place, Progress::refused(error));
                        }
                        Change::default()
                    }
                });
            }
            for create in [false, true] {
                let what = (changes.as_slice(), create);
                self.write(ctx, (object, &shape), items, what, &mut progress)
                    .await;
            }
            self.recast(ctx, &changes, &mut progress).await;
        }
        self.put_away(ctx, items, &mut progress).await;
        let outcomes = self.read_back(ctx, object, fields, progress).await;
        answered(outcomes)
    }

    async fn find(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        references: &[String],
        fields: &[String],
    ) -> Result<Vec<(String, Record)>> {
        self.find_referenced(ctx, writable(resource)?, references, fields)
            .await
    }

    async fn prepare(&self, ctx: &Context<'_>, resource: Resource) -> Result<()> {
        let object = writable(resource)?;
        let shape = self.read_shape(ctx, object.name).await?;
        reference::usable(object, &shape)
    }
}

fn writable(resource: Resource) -> Result<Object> {
    object(resource)
        .filter(|_| resource != Resource::Owner)
        .ok_or_else(|| {
            ConnectorError::permanent(
                "not_writable",
                format!("{resource} cannot be written to Salesforce"),
            )
        })
}
