//! Salesforce's JSON, as far as we read it.
//!
//! Owns: the shapes of answers; those of errors are in [`super::error_body`]. Refuses: defaults for what makes an answer an answer: one without its
//! list is none, and taken for an empty list it would mean that everything is gone. Invariant: a page is read in two steps, the frame and then each
//! record, so that one bad record is one bad record; and a number stays the digits that came.

use super::error_body::Fault;
use crate::error::{ConnectorError, Result};
use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};
use std::collections::BTreeMap;

/// Reads a whole answer.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        // An answer that breaks off was cut on the way; asking again may bring all of it.
        Category::Eof | Category::Io => ConnectorError::transient("Salesforce's answer breaks off"),
        Category::Syntax => ConnectorError::schema(format!(
            "Salesforce's answer is not JSON (column {})",
            error.column()
        )),
        Category::Data => ConnectorError::schema(format!(
            "Salesforce's answer has an unexpected shape: {}",
            clipped(&error.to_string())
        )),
    })
}

/// The answer to a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryFrame<'a> {
    pub(super) total_size: u64,
    /// Whether this page is the last one. A page may hold fewer records than were asked for and still not be.
    pub(super) done: bool,
    /// The path of the next page. Opaque.
    pub(super) next_records_url: Option<String>,
    #[serde(borrow)]
    pub(super) records: Vec<&'a RawValue>,
}

/// The fields of a record as they came.
pub(super) type RawFields<'a> = BTreeMap<String, &'a RawValue>;

/// What became of one record of a collection.
#[derive(Deserialize)]
pub(super) struct Outcome {
    pub(super) id: Option<String>,
    pub(super) success: bool,
    /// Missing from successes of some versions.
    #[serde(default)]
    pub(super) errors: Vec<Fault>,
}

/// What there is to know of an object.
#[derive(Deserialize)]
pub(super) struct DescribeBody {
    pub(super) name: String,
    pub(super) fields: Vec<FieldBody>,
}

/// What there is to know of a field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldBody {
    pub(super) name: String,
    #[serde(default)]
    pub(super) label: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) custom: bool,
    #[serde(default)]
    pub(super) external_id: bool,
    #[serde(default)]
    pub(super) unique: bool,
    #[serde(default)]
    pub(super) length: u32,
    /// Whether a creation may set it; where nothing is said, Salesforce decides.
    #[serde(default = "yes")]
    pub(super) createable: bool,
    #[serde(default = "yes")]
    pub(super) updateable: bool,
    pub(super) relationship_name: Option<String>,
    #[serde(default)]
    pub(super) picklist_values: Vec<PicklistValue>,
}

const fn yes() -> bool {
    true
}

/// One value a field may hold.
#[derive(Deserialize)]
pub(super) struct PicklistValue {
    pub(super) value: String,
    pub(super) label: Option<String>,
    #[serde(default = "yes")]
    pub(super) active: bool,
}

/// What was deleted in a span of time.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedBody {
    pub(super) deleted_records: Vec<DeletedRecord>,
    pub(super) earliest_date_available: String,
    pub(super) latest_date_covered: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedRecord {
    pub(super) id: String,
    pub(super) deleted_date: String,
}

/// A bulk job.
#[derive(Deserialize)]
pub(super) struct JobBody {
    pub(super) id: String,
    pub(super) state: String,
}

/// A text from outside, short enough and without control characters, for messages and logs.
pub(super) fn clipped(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_cut_answer_may_be_asked_for_again_and_a_strange_one_not() {
        let whole = br#"{"totalSize":1,"done":true,"records":[{"Id":"001D000000IRFmaIAH"}]}"#;
        assert_eq!(read::<QueryFrame<'_>>(whole).unwrap().records.len(), 1);
        for cut in 0..whole.len() {
            let error = read::<QueryFrame<'_>>(whole.get(..cut).unwrap())
                .err()
                .unwrap();
            assert_eq!(error.code(), "TRANSIENT", "{cut}");
        }
        for strange in [
            "<html>",
            "[]",
            "{}",
            "null",
            r#"{"totalSize":1,"done":true}"#,
            r#"{"totalSize":1,"records":[]}"#,
            r#"{"totalSize":1,"done":true,"records":null}"#,
            r#"[{"errorCode":"X","message":"m"}]"#,
        ] {
            let error = read::<QueryFrame<'_>>(strange.as_bytes()).err().unwrap();
            assert_eq!(error.code(), "UNEXPECTED_ANSWER", "{strange}");
        }
    }
}
