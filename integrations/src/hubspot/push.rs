//! Writing to HubSpot.
//!
//! Owns: the order of the calls that write a set of records, and the outcome of each. Refuses: to write anything of an item that cannot be
//! written whole because a label does not exist, and to fill in what HubSpot did not say. Invariant: what an applied item answers is read
//! back by the same read as any fetch, so that the next fetch finds no difference.
//!
//! How writing works: what exists is changed in batches by id; what does not is created by an upsert on the property that holds our
//! reference ([`reference`]), so that a creation that is repeated finds itself; then links are made and taken away ([`links`]); then all of
//! it is read back. Every batch may succeed in part ([`batch`]). A call that fails for the whole account (its budget, its token, its network)
//! ends the work: what was not reached is refused with the same reason, and what was not even begun fails as a whole.

mod batch;
mod links;
mod reference;

use super::{
    API_DATE, HubSpot,
    descriptor::{Object, links_of, object},
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
use batch::{Input, Reads};
use reference::REFERENCE;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl HubSpot {
    fn objects_path(object: Object, verb: &str) -> String {
        format!("/crm/objects/{API_DATE}/{}/batch/{verb}", object.path)
    }

    /// Puts records away. What is gone already is put away.
    async fn put_away(
        &self,
        ctx: &Context<'_>,
        object: Object,
        items: &[PushItem],
        progress: &mut [Progress],
    ) {
        let (mut inputs, mut places) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate().filter(|(_, item)| item.archive) {
            match &item.external_id {
                Some(id) => {
                    inputs.push(Input::new(id, json!({"id": id})));
                    places.push(place);
                }
                None => set(progress, place, Progress::Done(PushOutcome::Archived)),
            }
        }
        let path = Self::objects_path(object, "archive");
        let answers = self
            .in_batches(ctx, &path, inputs, Reads::Nothing, object.write_scope)
            .await;
        for (place, answer) in places.into_iter().zip(answers) {
            let outcome = match answer {
                Ok(_) | Err(ConnectorError::NotFound { .. }) => PushOutcome::Archived,
                Err(error) => PushOutcome::Refused(error),
            };
            set(progress, place, Progress::Done(outcome));
        }
    }

    /// Writes the properties of records, by id or by reference.
    async fn write(
        &self,
        ctx: &Context<'_>,
        object: Object,
        items: &[PushItem],
        create: bool,
        progress: &mut [Progress],
    ) {
        let (mut inputs, mut places) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            if !matches!(progress.get(place), Some(Progress::Waiting))
                || item.external_id.is_none() != create
            {
                continue;
            }
            let mut input = match &item.external_id {
                // Only links: the record itself is as it should be.
                Some(id) if item.fields.is_empty() => {
                    set(progress, place, Progress::Written(id.clone()));
                    continue;
                }
                Some(id) => {
                    Input::new(id, json!({"id": id, "properties": properties(item, false)}))
                }
                None => Input::new(
                    &item.reference,
                    json!({"id": item.reference, "idProperty": REFERENCE, "properties": properties(item, true)}),
                ),
            };
            input.trace(place);
            inputs.push(input);
            places.push(place);
        }
        let path = Self::objects_path(object, if create { "upsert" } else { "update" });
        let answers = self
            .in_batches(ctx, &path, inputs, Reads::Records, object.write_scope)
            .await;
        for (place, answer) in places.into_iter().zip(answers) {
            let next = match answer {
                Ok(id) => Progress::Written(id),
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
        let ids: Vec<String> = written(&progress).into_iter().collect();
        let read = if ids.is_empty() {
            Ok(BTreeMap::new())
        } else {
            self.fetch_objects(ctx, object, &ids, fields)
                .await
                .map(|fetched| {
                    fetched
                        .records
                        .into_iter()
                        .map(|record| (record.external_id.clone(), record))
                        .collect()
                })
        };
        outcomes(progress, &read, |records, id| records.get(id).cloned())
    }
}

/// The properties of an item, with our reference where the record may be new. HubSpot clears with the empty text.
fn properties(item: &PushItem, create: bool) -> Value {
    let mut properties: Map<String, Value> = item
        .fields
        .iter()
        .map(|(name, value)| {
            (
                name.clone(),
                Value::String(value.clone().unwrap_or_default()),
            )
        })
        .collect();
    if create {
        properties.insert(REFERENCE.to_owned(), Value::String(item.reference.clone()));
    }
    Value::Object(properties)
}

#[async_trait]
impl Push for HubSpot {
    async fn apply(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        items: &[PushItem],
        fields: &[String],
    ) -> Result<Vec<PushOutcome>> {
        let object = writable(resource)?;
        let mut progress: Vec<Progress> = items.iter().map(|_| Progress::Waiting).collect();
        self.put_away(ctx, object, items, &mut progress).await;
        let labels = if items
            .iter()
            .any(|item| !item.archive && links::need_labels(item))
        {
            self.link_labels(ctx, object).await?
        } else {
            links::Labels::default()
        };
        for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.archive) {
            if let Err(error) = labels.check(object, item) {
                set(&mut progress, place, Progress::refused(error));
            }
        }
        for create in [false, true] {
            self.write(ctx, object, items, create, &mut progress).await;
        }
        self.relink(ctx, object, items, &labels, &mut progress)
            .await;
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
        self.prepare_reference(ctx, writable(resource)?).await
    }
}

fn writable(resource: Resource) -> Result<Object> {
    object(resource).ok_or_else(|| {
        ConnectorError::permanent(
            "not_writable",
            format!("{resource} cannot be written to HubSpot"),
        )
    })
}

/// The other object of a link, when records of this object carry such links.
fn linkable(from: Object, to: Resource) -> Option<Object> {
    links_of(from.resource)
        .contains(&to)
        .then(|| object(to))
        .flatten()
}
