//! HubSpot's JSON, as far as we read it.
//!
//! Owns: the shapes of answers and errors. Refuses: numbers as identifiers: an id passes through as the digits that came, whatever their
//! count. Invariant: a page is read in two steps, the frame and then each record, so that one bad record is one bad record.

use crate::error::{ConnectorError, Result};
use crate::record::{MalformedRecord, is_sound_id};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, error::Category, value::RawValue};
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
#[derive(Deserialize)]
pub(super) struct BatchFrame<'a> {
    #[serde(borrow, default)]
    pub(super) results: Vec<&'a RawValue>,
    #[serde(default)]
    pub(super) errors: Vec<BatchError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchError {
    pub(super) category: Option<String>,
    pub(super) sub_category: Option<String>,
    #[serde(default)]
    pub(super) context: BTreeMap<String, Vec<String>>,
}

impl BatchError {
    /// Whether it says that something is not there.
    pub(super) fn is_absence(&self) -> bool {
        self.category.as_deref() == Some("OBJECT_NOT_FOUND")
            || self.sub_category.as_deref() == Some("crm.associations.NO_ASSOCIATIONS_FOUND")
    }

    /// The entry for one of the inputs it is about.
    pub(super) fn about(&self, id: &str) -> MalformedRecord {
        let category = clipped(self.category.as_deref().unwrap_or("no reason"));
        MalformedRecord {
            external_id: Some(id.to_owned()),
            reason: format!("HubSpot could not read it ({category})"),
            raw: Value::Null,
        }
    }

    /// The inputs it is about.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        ["ids", "id", "fromObjectId"]
            .into_iter()
            .filter_map(|key| self.context.get(key))
            .flatten()
    }
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
}

/// An error. Every field may be missing or of another type, and the body may be something else altogether.
#[derive(Default)]
pub(super) struct ErrorBody {
    pub(super) message: Option<String>,
    pub(super) category: Option<String>,
    pub(super) policy_name: Option<String>,
    pub(super) status: Option<String>,
    pub(super) error: Option<String>,
    pub(super) correlation_id: Option<String>,
}

impl ErrorBody {
    /// Reads what can be read; a page of HTML reads as nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        Self {
            message: text("message"),
            category: text("category"),
            policy_name: text("policyName"),
            status: text("status"),
            error: text("error"),
            correlation_id: text("correlationId"),
        }
    }

    /// One line for a person, with HubSpot's correlation id for its support.
    pub(super) fn message_for(&self, status: u16) -> String {
        let mut text = format!("HubSpot answered {status}");
        if let Some(message) = self.message.as_deref() {
            text.push_str(": ");
            text.push_str(&clipped(message));
        }
        if let Some(id) = self.correlation_id.as_deref() {
            text.push_str(" (correlation ");
            text.push_str(&clipped(id));
            text.push(')');
        }
        text
    }
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

    #[test]
    fn an_error_is_one_clean_line() {
        let body = ErrorBody::read(br#"{"message":"bad\nthing\u0000","correlationId":"c-1"}"#);
        assert_eq!(
            body.message_for(400),
            "HubSpot answered 400: badthing (correlation c-1)"
        );
        assert_eq!(
            ErrorBody::read(b"<html>").message_for(502),
            "HubSpot answered 502"
        );
    }
}
