//! Our reference on Salesforce's records.
//!
//! Owns: the demands on the field that holds it, and finding records by it. Refuses: to make the field: that takes an administrator there, who is told
//! what to add; and a field by which records cannot be told apart. Invariant: "not found" is said only of a field that is there, because it would
//! make the record again.

use super::super::{
    Salesforce,
    call::Bin,
    descriptor::Object,
    partners::ASKED_AT_ONCE,
    shape::{Field, REFERENCE_FIELD, Shape, ValueKind},
    soql::is_one_of,
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::REFERENCE,
    record::Record,
};
use std::collections::BTreeSet;

/// Our longest reference is shorter.
const SHORTEST: u32 = 40;

/// Whether an account's object has the field, and in a way that serves.
pub(super) fn usable(object: Object, shape: &Shape) -> Result<()> {
    let Some(field) = shape.fields.get(REFERENCE_FIELD) else {
        return Err(ConnectorError::permanent(
            "reference_field_missing",
            format!(
                "{0} has no field {REFERENCE_FIELD}, or the connected user may not see it. Add it in Salesforce's Object Manager to {0}: a text \
                 field of length 80 named \"Entente Reference\", marked as External ID and as unique, visible and editable for the connected user.",
                object.name
            ),
        ));
    };
    let lacks = |what: &str| {
        Err(ConnectorError::permanent(
            "reference_field_unusable",
            format!(
                "the field {REFERENCE_FIELD} of {} {what}; records could not be told apart by it",
                object.name
            ),
        ))
    };
    let Field {
        kind,
        unique,
        external_id,
        length,
        createable,
        ..
    } = field;
    if *kind != ValueKind::Text {
        return lacks("is not a text");
    }
    if !external_id || !unique {
        return lacks("is not marked as External ID and as unique");
    }
    if *length < SHORTEST {
        return lacks("is shorter than our references");
    }
    if !createable {
        return lacks("may not be written by the connected user");
    }
    Ok(())
}

impl Salesforce {
    /// The records that hold these references. A query sees what was committed a moment ago.
    pub(super) async fn find_referenced(
        &self,
        ctx: &Context<'_>,
        object: Object,
        references: &[String],
        fields: &[String],
    ) -> Result<Vec<(String, Record)>> {
        usable(object, &*self.read_shape(ctx, object.name).await?)?;
        let asked_for = fields.iter().any(|name| name == REFERENCE);
        let mut wanted: Vec<String> = if fields.is_empty() {
            object.usual.iter().map(|name| (*name).to_owned()).collect()
        } else {
            fields.to_vec()
        };
        if !asked_for {
            wanted.push(REFERENCE.to_owned());
        }
        let references: BTreeSet<&str> = references.iter().map(String::as_str).collect();
        let all: Vec<&str> = references.iter().copied().collect();
        let (mut names, mut records) = (Vec::new(), Vec::new());
        for few in all.chunks(ASKED_AT_ONCE / 2) {
            let filter = is_one_of(REFERENCE_FIELD, few.iter().copied());
            let read = self
                .read_some(ctx, object, &wanted, Bin::Hidden, |query| {
                    query.filter(filter.clone())
                })
                .await?;
            if !read.done {
                return Err(ConnectorError::transient(
                    "Salesforce did not show all records with our references at once",
                ));
            }
            if let Some(bad) = read.reading.malformed.first() {
                return Err(ConnectorError::schema(format!(
                    "a record found by our reference cannot be read: {}",
                    bad.reason
                )));
            }
            for mut record in read.reading.records {
                let held = record.value(REFERENCE).map(str::to_owned);
                let Some(name) = held.filter(|held| references.contains(held.as_str())) else {
                    return Err(ConnectorError::schema(
                        "a record found by our reference does not hold it",
                    ));
                };
                if !asked_for {
                    record.fields.remove(REFERENCE);
                }
                names.push(name);
                records.push(record);
            }
        }
        self.tie(ctx, &mut records).await?;
        Ok(names.into_iter().zip(records).collect())
    }
}
