//! Writing to Shopify.
//!
//! Owns: the calls that write a customer or a company, and the outcome of each. Refuses: to delete: Shopify cannot put a record away, and what is
//! deleted there is gone for ever; and fields that are only read. Invariant: what an applied item answers is read back by the same read
//! as any fetch, so that the next fetch finds no difference.
//!
//! Each record takes a call of its own. A creation carries our reference in the same call ([`reference`]); one that Shopify refuses may be a
//! repetition of one that succeeded, so the reference is looked up before anything else is made of the refusal. A call that fails for
//! the whole account (its budget, its token, its network) ends the work: what was not reached is refused with the same reason.

mod input;
mod links;
mod reference;

use super::{
    Shopify,
    descriptor::{Object, object},
    documents, id,
    wire::{self, UserError, Written},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::{
        Push, PushItem, PushOutcome,
        progress::{Progress, answered, outcomes, written},
    },
    record::{Record, Resource},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The code of the refusal to delete.
pub const NOT_ARCHIVABLE: &str = "not_archivable";

impl Shopify {
    /// Writes one record and its links.
    async fn write(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        item: &PushItem,
    ) -> Result<Progress> {
        let id = match &item.external_id {
            Some(id) => {
                self.update(ctx, object, id, item).await?;
                id.clone()
            }
            None => self.create(ctx, object, item).await?,
        };
        Ok(match self.relink(ctx, &id, item).await {
            Ok(()) => Progress::Written(id),
            Err(error) => Progress::Unlinked(id, error),
        })
    }

    async fn update(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        id: &str,
        item: &PushItem,
    ) -> Result<()> {
        // Only links: the record itself is as it should be.
        if item.fields.is_empty() {
            return Ok(());
        }
        let global = id::global(object.kind, id).ok_or_else(|| ConnectorError::NotFound {
            what: format!("a {} {:?}", object.kind, wire::clipped(id)),
        })?;
        let mut input = input::fields(object.resource, &item.fields)?;
        let written = if object.resource == Resource::Contact {
            input.insert("id".to_owned(), Value::String(global));
            self.mutate(ctx, documents::CUSTOMER_UPDATE, json!({"input": input}))
                .await?
        } else {
            let variables = json!({"id": global, "input": input});
            self.mutate(ctx, documents::COMPANY_UPDATE, variables)
                .await?
        };
        match written.record {
            Some(_) if written.user_errors.is_empty() => Ok(()),
            _ if is_absent(&written.user_errors) => Err(ConnectorError::NotFound {
                what: wire::refused(&written.user_errors).to_string(),
            }),
            _ => Err(wire::refused(&written.user_errors)),
        }
    }

    async fn create(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        item: &PushItem,
    ) -> Result<String> {
        let mut input = input::fields(object.resource, &item.fields)?;
        let Written {
            record,
            user_errors,
        } = if object.resource == Resource::Contact {
            input.insert(
                "metafields".to_owned(),
                json!([reference::metafield(&item.reference)]),
            );
            self.mutate(ctx, documents::CUSTOMER_CREATE, json!({"input": input}))
                .await?
        } else {
            input::carry_reference(&mut input, &item.reference)?;
            let variables = json!({"input": {"company": input}});
            self.mutate(ctx, documents::COMPANY_CREATE, variables)
                .await?
        };
        if let Some(record) = record.filter(|_| user_errors.is_empty()) {
            return id::required(object.kind, Some(&record.id)).map_err(ConnectorError::schema);
        }
        self.explain(ctx, object, item, &user_errors).await
    }

    /// What a refused creation means: the record may be there already, by our own hand or another's.
    async fn explain(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        item: &PushItem,
        errors: &[UserError],
    ) -> Result<String> {
        if let Some(id) = self.id_of_reference(ctx, object, &item.reference).await? {
            self.update(ctx, object, &id, item).await?;
            return Ok(id);
        }
        let refused = wire::refused(errors);
        if object.resource == Resource::Company {
            let taken = errors.iter().any(|error| {
                error.code.as_deref() == Some("TAKEN") && error.is_about("externalId")
            });
            // Our reference is on it, so it is ours; the search that would show it is behind.
            return Err(if taken {
                ConnectorError::transient(
                    "the company was created before and does not show in Shopify's search yet",
                )
            } else {
                refused
            });
        }
        for (field, kind) in [("email", "emailAddress"), ("phone", "phoneNumber")] {
            if !errors.iter().any(|error| error.is_about(field)) {
                continue;
            }
            let Some(value) = item.fields.get(field).cloned().flatten() else {
                continue;
            };
            if let Some(existing) = self.customer_by(ctx, &json!({ kind: value })).await? {
                return Err(ConnectorError::Conflict {
                    existing_id: Some(existing),
                    message: refused.to_string(),
                });
            }
        }
        Err(refused)
    }

    /// Reads back what was written.
    async fn read_back(
        &self,
        ctx: &Context<'_>,
        object: &'static Object,
        fields: &[String],
        progress: Vec<Progress>,
    ) -> Vec<PushOutcome> {
        let ids: Vec<String> = written(&progress).into_iter().collect();
        let read = if ids.is_empty() {
            Ok(BTreeMap::new())
        } else {
            let fetched = self.fetch_objects(ctx, object, &ids, fields).await;
            fetched.map(|fetched| {
                let by_id = |record: Record| (record.external_id.clone(), record);
                fetched.records.into_iter().map(by_id).collect()
            })
        };
        outcomes(progress, &read, |records, id| records.get(id).cloned())
    }
}

/// Whether a refusal says that the record is not there: then it is about the id alone.
fn is_absent(errors: &[UserError]) -> bool {
    !errors.is_empty()
        && errors.iter().all(|error| {
            error.code.as_deref() == Some("RESOURCE_NOT_FOUND")
                || error.is_about("id")
                || error.is_about("companyId")
        })
}

fn writable(resource: Resource) -> Result<&'static Object> {
    object(resource)
        .filter(|object| object.write_scope.is_some())
        .ok_or_else(|| {
            ConnectorError::permanent(
                "not_writable",
                format!("{resource} cannot be written to Shopify"),
            )
        })
}

#[async_trait]
impl Push for Shopify {
    async fn apply(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        items: &[PushItem],
        fields: &[String],
    ) -> Result<Vec<PushOutcome>> {
        let object = writable(resource)?;
        let mut progress = Vec::with_capacity(items.len());
        let mut ended: Option<ConnectorError> = None;
        for item in items {
            if item.archive {
                progress.push(Progress::refused(ConnectorError::permanent(
                    NOT_ARCHIVABLE,
                    "Shopify cannot put a record away, only delete it for ever; whoever wants that does it there",
                )));
                continue;
            }
            if let Some(error) = &ended {
                progress.push(Progress::refused(error.clone()));
                continue;
            }
            match self.write(ctx, object, item).await {
                Ok(Progress::Unlinked(id, error)) => {
                    if error.ends_the_work() {
                        ended = Some(error.clone());
                    }
                    progress.push(Progress::Unlinked(id, error));
                }
                Ok(other) => progress.push(other),
                Err(error) => {
                    if error.ends_the_work() {
                        ended = Some(error.clone());
                    }
                    progress.push(Progress::refused(error));
                }
            }
        }
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
