//! HubSpot's errors, as far as we read them.
//!
//! Owns: the shape of an error, whole or as an entry of a batch, and the line it becomes for a person. Refuses: to fail on any of it: every
//! field may be missing or of another type, and the body may be something else altogether. Invariant: a line is short and clean, and names
//! each property HubSpot complains about together with what it says of it.

use super::wire::clipped;
use crate::record::MalformedRecord;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// More complaints than this in one error are not told.
const MOST_COMPLAINTS: usize = 20;

/// An error.
#[derive(Clone, Debug, Default)]
pub(super) struct ErrorBody {
    pub(super) message: Option<String>,
    pub(super) category: Option<String>,
    pub(super) sub_category: Option<String>,
    pub(super) policy_name: Option<String>,
    pub(super) status: Option<String>,
    pub(super) error: Option<String>,
    pub(super) correlation_id: Option<String>,
    pub(super) context: BTreeMap<String, Vec<String>>,
    complaints: Vec<Complaint>,
}

/// What is wrong with one or more properties.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Complaint {
    properties: Vec<String>,
    code: Option<String>,
    message: Option<String>,
}

impl ErrorBody {
    /// Reads what can be read; a page of HTML reads as nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        Self::of(serde_json::from_slice(body).unwrap_or_default())
    }

    fn of(mut fields: Map<String, Value>) -> Self {
        let context = fields.remove("context").map(texts).unwrap_or_default();
        let mut complaints: Vec<Complaint> = match fields.remove("errors") {
            Some(Value::Array(entries)) => entries.into_iter().filter_map(Complaint::of).collect(),
            _ => Vec::new(),
        };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let message = text("message");
        if complaints.iter().all(|one| one.properties.is_empty()) {
            complaints.extend(message.as_deref().map(listed).unwrap_or_default());
        }
        Self {
            message,
            category: text("category"),
            sub_category: text("subCategory"),
            policy_name: text("policyName"),
            status: text("status"),
            error: text("error"),
            correlation_id: text("correlationId"),
            context,
            complaints,
        }
    }

    /// One line for a person, with HubSpot's correlation id for its support.
    pub(super) fn message_for(&self, status: u16) -> String {
        self.line(&format!("HubSpot answered {status}"))
    }

    /// One line about an entry of a batch, which has no status of its own.
    pub(super) fn message_alone(&self) -> String {
        self.line("HubSpot refuses")
    }

    fn line(&self, begin: &str) -> String {
        let mut line = begin.to_owned();
        let told: Vec<String> = self
            .complaints
            .iter()
            .filter(|complaint| !complaint.properties.is_empty())
            .take(MOST_COMPLAINTS)
            .map(Complaint::told)
            .collect();
        if !told.is_empty() {
            line.push_str(": ");
            line.push_str(&told.join("; "));
        } else if let Some(message) = self.message.as_deref() {
            line.push_str(": ");
            line.push_str(&clipped(message));
            // Without a property the reasons say more than the headline.
            for reason in self.complaints.iter().take(MOST_COMPLAINTS) {
                if let Some(more) = reason.message.as_deref().filter(|more| *more != message) {
                    line.push_str("; ");
                    line.push_str(&clipped(more));
                }
            }
        }
        if let Some(id) = self.correlation_id.as_deref() {
            line.push_str(" (correlation ");
            line.push_str(&clipped(id));
            line.push(')');
        }
        line
    }

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

    /// The inputs of a read it is about.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        ["ids", "id", "fromObjectId"]
            .into_iter()
            .flat_map(|key| self.named(key))
    }

    /// What its context lists under a name.
    pub(super) fn named(&self, key: &str) -> &[String] {
        self.context.get(key).map_or(&[], Vec::as_slice)
    }
}

/// As an entry of a batch.
impl<'de> Deserialize<'de> for ErrorBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Object(fields) => Self::of(fields),
            _ => Self::default(),
        })
    }
}

impl Complaint {
    fn of(entry: Value) -> Option<Self> {
        let Value::Object(mut fields) = entry else {
            return None;
        };
        let context = fields.remove("context").map(texts).unwrap_or_default();
        // The names under which HubSpot has been seen to list the properties it complains about.
        let mut properties: Vec<String> =
            ["propertyName", "propertyNames", "properties", "property"]
                .into_iter()
                .filter_map(|key| context.get(key))
                .flatten()
                .cloned()
                .collect();
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        if properties.is_empty() {
            properties.extend(text("name"));
        }
        Some(Self {
            code: text("code").or_else(|| text("error")),
            message: text("message"),
            properties,
        })
    }

    fn told(&self) -> String {
        let mut told = self
            .properties
            .iter()
            .map(|name| clipped(name))
            .collect::<Vec<_>>()
            .join(", ");
        told.push_str(": ");
        told.push_str(&clipped(self.message.as_deref().unwrap_or("refused")));
        if let Some(code) = self.code.as_deref() {
            told.push_str(" (");
            told.push_str(&clipped(code));
            told.push(')');
        }
        told
    }
}

/// The list of properties that HubSpot's validation writes as JSON into the message, and in many accounts nowhere else.
fn listed(message: &str) -> Vec<Complaint> {
    let Some((_, list)) = message.split_once(": [") else {
        return Vec::new();
    };
    let list = format!("[{list}");
    serde_json::from_str::<Vec<Value>>(&list)
        .unwrap_or_default()
        .into_iter()
        .filter_map(Complaint::of)
        .collect()
}

/// An object of texts or lists of texts; numbers count as texts.
fn texts(value: Value) -> BTreeMap<String, Vec<String>> {
    let Value::Object(fields) = value else {
        return BTreeMap::new();
    };
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    fields
        .into_iter()
        .map(|(name, value)| match value {
            Value::Array(values) => (name, values.into_iter().filter_map(text).collect()),
            other => (name, text(other).into_iter().collect()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for strange in [
            r#"{"errors":7,"context":[],"message":{},"category":1}"#,
            r#"{"errors":[7,{"context":7}],"context":{"a":{}}}"#,
            "[]",
            "7",
        ] {
            assert_eq!(
                ErrorBody::read(strange.as_bytes()).message_alone(),
                "HubSpot refuses",
                "{strange}"
            );
        }
    }

    #[test]
    fn each_property_is_named_with_what_is_said_of_it() {
        let detailed = br#"{"message":"m","category":"VALIDATION_ERROR","errors":[
            {"message":"is required","code":"REQUIRED_FIELD","context":{"propertyName":["closedate"]}},
            {"message":"no such option","code":"INVALID_OPTION","context":{"propertyName":"dealstage"}}]}"#;
        assert_eq!(
            ErrorBody::read(detailed).message_for(400),
            "HubSpot answered 400: closedate: is required (REQUIRED_FIELD); dealstage: no such option (INVALID_OPTION)"
        );
        let in_text = br#"{"message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Enter only letters\",\"error\":\"INVALID_ALPHA\",\"name\":\"firstname\"}]"}"#;
        assert_eq!(
            ErrorBody::read(in_text).message_alone(),
            "HubSpot refuses: firstname: Enter only letters (INVALID_ALPHA)"
        );
        let nameless = br#"{"message":"Invalid input","errors":[{"message":"inputs is missing"}]}"#;
        assert_eq!(
            ErrorBody::read(nameless).message_alone(),
            "HubSpot refuses: Invalid input; inputs is missing"
        );
    }
}
