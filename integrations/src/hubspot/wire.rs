//! HubSpot's JSON, as far as we read it.
//!
//! Owns: the shapes of answers; those of errors are in [`super::error_body`]. Refuses: numbers as identifiers: an id passes through as the digits that came, whatever their
//! count. Invariant: a page is read in two steps, the frame and then each record, so that one bad record is one bad record.

use super::error_body::ErrorBody;
use crate::error::{ConnectorError, Result};
use crate::record::is_sound_id;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, error::Category, value::RawValue};
use std::collections::BTreeMap;

/// An identifier: digits or text in JSON, text here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = if !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(raw.to_owned())
        } else {
            serde_json::from_str::<String>(raw)
        };
        match text {
            Ok(text) if is_sound_id(&text) => Ok(Self(text)),
            _ => Err(de::Error::custom("an id is digits or a short plain text")),
        }
    }
}

/// Reads a whole answer.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        // An answer that breaks off was cut on the way; asking again may bring all of it.
        Category::Eof | Category::Io => ConnectorError::transient("HubSpot's answer breaks off"),
        Category::Syntax => ConnectorError::schema(format!(
            "HubSpot's answer is not JSON (column {})",
            error.column()
        )),
        Category::Data => {
            ConnectorError::schema(format!("HubSpot's answer has an unexpected shape: {error}"))
        }
    })
}

/// A page of anything.
#[derive(Deserialize)]
pub(super) struct PageFrame<'a> {
    #[serde(borrow)]
    pub(super) results: Vec<&'a RawValue>,
    pub(super) paging: Option<Paging>,
}

impl PageFrame<'_> {
    /// Where the next page begins; none on the last one.
    pub(super) fn after(&self) -> Option<String> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.0.clone())
    }
}

#[derive(Deserialize)]
pub(super) struct Paging {
    pub(super) next: Option<PagingNext>,
}

#[derive(Deserialize)]
pub(super) struct PagingNext {
    pub(super) after: Id,
}

/// The answer to a batch. With status 207 some inputs failed, each for its own reason.
#[derive(Default, Deserialize)]
pub(super) struct BatchFrame<'a> {
    pub(super) status: Option<String>,
    /// Never left out: an answer without it is no answer, and taken for one it would mean that every record asked for is gone.
    #[serde(borrow)]
    pub(super) results: Vec<&'a RawValue>,
    #[serde(default)]
    pub(super) errors: Vec<ErrorBody>,
}

/// A company, contact or deal.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectBody {
    pub(super) id: Id,
    pub(super) properties: BTreeMap<String, Option<String>>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    #[serde(default)]
    pub(super) archived: bool,
    pub(super) archived_at: Option<String>,
    pub(super) url: Option<String>,
    /// In a list only, and there only for the objects it has any of.
    pub(super) associations: Option<BTreeMap<String, de::IgnoredAny>>,
}

/// Only the id, of a record that is otherwise unreadable.
#[derive(Deserialize)]
pub(super) struct IdOnly {
    pub(super) id: Id,
}

/// A user who owns records.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerBody {
    pub(super) id: Id,
    pub(super) email: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) user_id: Option<Id>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    #[serde(default)]
    pub(super) archived: bool,
}

/// A row of stages.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PipelineBody {
    pub(super) id: Id,
    pub(super) label: String,
    pub(super) stages: Vec<StageBody>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
    #[serde(default)]
    pub(super) archived: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageBody {
    pub(super) id: Id,
    pub(super) label: String,
    #[serde(default)]
    pub(super) display_order: i64,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) archived: bool,
}

/// The associations of one record to one object.
#[derive(Deserialize)]
pub(super) struct AssociationBody {
    pub(super) from: IdOnly,
    #[serde(default)]
    pub(super) to: Vec<AssociationEnd>,
    pub(super) paging: Option<Paging>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssociationEnd {
    pub(super) to_object_id: Id,
    #[serde(default)]
    pub(super) association_types: Vec<LabelBody>,
}

/// A kind of association.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelBody {
    pub(super) category: String,
    pub(super) type_id: Id,
    pub(super) label: Option<String>,
}

impl LabelBody {
    /// Whether it marks the primary company of a contact or deal: the types 1 and 5 HubSpot defines (2 and 6 the other way).
    pub(super) fn is_primary(&self) -> bool {
        self.category == "HUBSPOT_DEFINED"
            && matches!(self.type_id.0.as_str(), "1" | "2" | "5" | "6")
    }
}

/// A property's definition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PropertyBody {
    pub(super) name: String,
    #[serde(default)]
    pub(super) label: String,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) hubspot_defined: bool,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) has_unique_value: bool,
}

/// A record as the answer to a write names it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenBody {
    pub(super) id: Id,
    pub(super) object_write_trace_id: Option<Id>,
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Value>,
}

/// A text from outside, short enough and without control characters, for messages and logs.
pub(super) fn clipped(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ids_keep_every_digit() {
        for (json, id) in [
            ("9007199254740993", "9007199254740993"),
            ("\"820982911946154508\"", "820982911946154508"),
            (
                "340282366920938463463374607431768211457",
                "340282366920938463463374607431768211457",
            ),
            ("\"0-3\"", "0-3"),
        ] {
            assert_eq!(serde_json::from_str::<Id>(json).unwrap().0, id);
        }
        let long = format!("\"{}\"", "9".repeat(513));
        let endless = "9".repeat(513);
        for bad in [
            long.as_str(),
            endless.as_str(),
            r#""a\u0000b""#,
            r#""a\nb""#,
        ] {
            assert!(serde_json::from_str::<Id>(bad).is_err(), "{bad}");
        }
        for bad in ["1.5", "-1", "1e3", "null", "true", "\"\"", "[]", "{}"] {
            assert!(serde_json::from_str::<Id>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cut_answer_may_be_asked_for_again_and_a_strange_one_not() {
        let whole = br#"{"results":[{"id":"1"}],"paging":{"next":{"after":"2"}}}"#;
        assert_eq!(
            read::<PageFrame<'_>>(whole).unwrap().after().as_deref(),
            Some("2")
        );
        for cut in 0..whole.len() {
            let code = read::<PageFrame<'_>>(whole.get(..cut).unwrap())
                .err()
                .unwrap();
            assert_eq!(code.code(), "TRANSIENT", "{cut}");
        }
        for strange in [
            "<html>",
            "[]",
            "{\"results\":7}",
            "{}",
            "{\"results\":[]} x",
        ] {
            assert_eq!(
                read::<PageFrame<'_>>(strange.as_bytes())
                    .err()
                    .unwrap()
                    .code(),
                "UNEXPECTED_ANSWER",
                "{strange}"
            );
        }
    }
}
