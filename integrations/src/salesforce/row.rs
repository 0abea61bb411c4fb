//! One record as texts, whichever way it was read.
//!
//! Owns: the step from an answer's JSON to plain texts by column, with the fields of what a record refers to under their dotted names. Refuses: floating
//! point, and a difference between null and the empty text, which a bulk job does not tell and Salesforce does not keep. Invariant: a query and a bulk
//! job give equal rows for equal records.

use super::{
    shape::{Selection, Shape},
    wire::{RawFields, clipped},
};
use crate::record::MalformedRecord;
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// Values by column.
pub(super) type Row = BTreeMap<String, Option<String>>;

/// Why a record cannot be used.
pub(super) type Flaw = String;

/// Reads a record of a query.
pub(super) fn of_json(shape: &Shape, selection: &Selection, raw: &RawValue) -> Result<Row, Flaw> {
    let mut row = Row::new();
    flatten(shape, "", raw, &mut row)?;
    // Where a record refers to nothing, the fields of nothing are null.
    for column in selection.columns.iter().filter(|name| name.contains('.')) {
        row.entry(column.clone()).or_default();
    }
    Ok(row)
}

fn flatten(shape: &Shape, within: &str, raw: &RawValue, row: &mut Row) -> Result<(), Flaw> {
    let fields: RawFields<'_> =
        serde_json::from_str(raw.get()).map_err(|error| clipped(&error.to_string()))?;
    for (name, value) in fields {
        if name == "attributes" {
            continue;
        }
        let column = if within.is_empty() {
            name
        } else {
            [within, ".", &name].concat()
        };
        match value.get().bytes().next() {
            Some(b'{') => flatten(shape, &column, value, row)?,
            // Lists are of other records.
            Some(b'[') | None => {}
            Some(b'n') => {
                row.insert(column, None);
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(value.get())
                    .map_err(|error| clipped(&error.to_string()))?;
                insert(shape, column, text, row);
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = value.get();
                let plain = super::number::plain(text).unwrap_or_else(|| text.to_owned());
                row.insert(column, Some(plain));
            }
            Some(_) => {
                row.insert(column, Some(value.get().to_owned()));
            }
        }
    }
    Ok(())
}

/// Reads a record of a bulk job's result.
pub(super) fn of_texts<'a>(shape: &Shape, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Row {
    let mut row = Row::new();
    for (column, text) in pairs {
        insert(shape, column.to_owned(), text.to_owned(), &mut row);
    }
    row
}

fn insert(shape: &Shape, column: String, text: String, row: &mut Row) {
    let value = (!text.is_empty()).then(|| shape.plain(&column, text));
    row.insert(column, value);
}

/// The value of a column; none when it is null or was not answered.
pub(super) fn value<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row.get(column)?.as_deref()
}

/// The entry for a record that cannot be used.
pub(super) fn malformed(row: &Row, reason: Flaw) -> MalformedRecord {
    let raw = row.iter().map(|(column, value)| {
        let value = value.clone().map_or(Value::Null, Value::String);
        (column.clone(), value)
    });
    MalformedRecord {
        external_id: value(row, "Id").and_then(super::id::long),
        reason,
        raw: Value::Object(raw.collect()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn shape() -> Shape {
        let body = r#"{"name":"Opportunity","fields":[{"name":"Amount","type":"currency"},{"name":"CreatedDate","type":"datetime"},
            {"name":"IsWon","type":"boolean"},{"name":"Name","type":"string"},{"name":"NextStep","type":"string"},
            {"name":"OwnerId","type":"reference","relationshipName":"Owner"}]}"#;
        Shape::of(serde_json::from_str(body).unwrap())
    }

    #[test]
    fn a_query_and_a_bulk_job_show_the_same() {
        let shape = shape();
        let columns = [
            "Amount",
            "CreatedDate",
            "IsWon",
            "Name",
            "NextStep",
            "Owner.Email",
        ];
        let selection = Selection {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            named: BTreeMap::new(),
        };
        let json = r#"{"attributes":{"type":"Opportunity","url":"/x"},"Amount":1.0E7,"CreatedDate":"2026-11-01T10:00:00.000+0000","IsWon":true,
            "Name":"He said \"1.0E7\"","NextStep":null,"Owner":{"attributes":{"type":"User"},"Email":"a@example.com"}}"#;
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        let query = of_json(&shape, &selection, &raw).unwrap();
        let texts = [
            "10000000.0",
            "2026-11-01T10:00:00.000Z",
            "true",
            "He said \"1.0E7\"",
            "",
            "a@example.com",
        ];
        let bulk = of_texts(&shape, columns.into_iter().zip(texts));
        assert_eq!(query, bulk);
        assert_eq!(value(&query, "Amount"), Some("10000000"));
        assert_eq!(value(&query, "NextStep"), None);

        let alone =
            RawValue::from_string(r#"{"Name":"","Owner":null,"Kids":{"records":[]}}"#.to_owned())
                .unwrap();
        let row = of_json(&shape, &selection, &alone).unwrap();
        assert_eq!(
            (row.get("Owner.Email"), row.get("Name")),
            (Some(&None), Some(&None))
        );
        for strange in ["7", "[]", "null", r#""x""#] {
            let raw = RawValue::from_string(strange.to_owned()).unwrap();
            assert!(of_json(&shape, &selection, &raw).is_err(), "{strange}");
        }
    }
}
