//! Our reference on HubSpot's records.
//!
//! Owns: the property that holds it, and finding records by it. Refuses: a property of that name whose values need not be unique, because
//! then neither an upsert nor a read could tell which record is meant. Invariant: records are found by a read, never by a search: a search
//! shows a record up to half a minute after it was made, and "not found" would make it again.

use super::super::{
    API_DATE, HubSpot,
    descriptor::{BATCH, Object},
    pull::Reading,
    wire::{self, BatchFrame, PropertyBody},
};
use super::batch::without_scope;
use crate::{
    connector::{Context, Lane},
    error::{ConnectorError, Result},
    record::Record,
};
use serde_json::json;
use std::collections::BTreeSet;

/// The property that holds our reference is called as the engine knows it.
pub(super) use crate::push::REFERENCE;

impl HubSpot {
    /// Makes the property where it is missing.
    pub(super) async fn prepare_reference(&self, ctx: &Context<'_>, object: Object) -> Result<()> {
        if self.has_reference(ctx, object).await? {
            return Ok(());
        }
        let body = json!({
            "name": REFERENCE,
            "label": "Entente reference",
            "description": "The id of this record in Entente. It is written by Entente and must not be changed.",
            "groupName": object.property_group,
            "type": "string",
            "fieldType": "text",
            "hasUniqueValue": true,
            "formField": false,
        });
        let path = format!("/crm/properties/{API_DATE}/{}", object.path);
        match self.post(ctx, &path, &body, Lane::Standard).await {
            Ok(answer) => usable(&wire::read(&answer.body)?, object),
            // Somebody else made it in the meantime: all that matters is what it is.
            Err(ConnectorError::Conflict { message, .. }) => {
                if self.has_reference(ctx, object).await? {
                    Ok(())
                } else {
                    Err(ConnectorError::permanent("reference_property", message))
                }
            }
            Err(error) => Err(without_scope(error, object.schema_scope)),
        }
    }

    /// Whether the property is there; one that is there and of no use is an error.
    async fn has_reference(&self, ctx: &Context<'_>, object: Object) -> Result<bool> {
        let path = format!("/crm/properties/{API_DATE}/{}/{REFERENCE}", object.path);
        let answer = match self.get(ctx, &path, &[]).await {
            Ok(answer) => answer,
            Err(ConnectorError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(without_scope(error, object.schema_scope)),
        };
        let property: PropertyBody = wire::read(&answer.body)?;
        if property.archived {
            return Ok(false);
        }
        usable(&property, object)?;
        Ok(true)
    }

    /// The records that hold these references.
    pub(super) async fn find_referenced(
        &self,
        ctx: &Context<'_>,
        object: Object,
        references: &[String],
        fields: &[String],
    ) -> Result<Vec<(String, Record)>> {
        let path = format!("/crm/objects/{API_DATE}/{}/batch/read", object.path);
        let wanted: Vec<&String> = references
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut properties = object.properties(fields);
        let asked_for = properties.contains(&REFERENCE);
        if !asked_for {
            properties.push(REFERENCE);
        }
        let (mut names, mut records) = (Vec::new(), Vec::new());
        for batch in wanted.chunks(BATCH) {
            let inputs: Vec<_> = batch.iter().map(|id| json!({"id": id})).collect();
            let body = json!({"idProperty": REFERENCE, "inputs": inputs, "properties": properties, "propertiesWithHistory": []});
            let answer = self.post(ctx, &path, &body, Lane::Standard).await?;
            let frame: BatchFrame<'_> = wire::read(&answer.body)?;
            if frame.errors.iter().any(|error| !error.is_absence()) {
                return Err(ConnectorError::transient(
                    "HubSpot could not look up all references",
                ));
            }
            let reading = Reading::of(ctx, object, frame.results);
            if let Some(bad) = reading.malformed.first() {
                return Err(ConnectorError::schema(format!(
                    "a record found by our reference cannot be read: {}",
                    bad.reason
                )));
            }
            for mut record in reading.records {
                let reference = record.fields.get(REFERENCE).cloned().flatten();
                let Some(reference) = reference.filter(|one| batch.contains(&one)) else {
                    return Err(ConnectorError::schema(
                        "a record found by our reference does not hold it",
                    ));
                };
                if !asked_for {
                    record.fields.remove(REFERENCE);
                }
                names.push(reference);
                records.push(record);
            }
        }
        self.link(ctx, object, &mut records, |_, _| true).await?;
        Ok(names.into_iter().zip(records).collect())
    }
}

/// Refuses a property of that name by which records cannot be told apart.
fn usable(property: &PropertyBody, object: Object) -> Result<()> {
    if property.has_unique_value && property.kind == "string" {
        return Ok(());
    }
    Err(ConnectorError::permanent(
        "reference_property",
        format!(
            "the property {REFERENCE} of HubSpot's {} is not a text with unique values, so records cannot be told apart by it; remove or \
             rename it there",
            object.path
        ),
    ))
}
