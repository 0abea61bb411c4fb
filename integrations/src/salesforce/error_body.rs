//! Salesforce's errors, as far as we read them.
//!
//! Owns: the shape of an error, alone or as part of an outcome, and the line it becomes for a person. Refuses: to fail on any of it: every field may
//! be missing or of another type, and the body may be something else altogether. Invariant: a line is short and clean, and names each field that
//! Salesforce complains about.
//!
//! The same thing has two names: a whole answer says `errorCode`, an outcome within a collection `statusCode`.

use super::{id, wire::clipped};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// More faults or fields than this in one line are not told.
const MOST: usize = 20;

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) fields: Vec<String>,
    /// The record that is there already, when it is told.
    pub(super) existing_id: Option<String>,
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Value::deserialize(deserializer)?))
    }
}

impl Fault {
    fn of(value: Value) -> Self {
        let Value::Object(mut fields) = value else {
            return Self::default();
        };
        let named = match fields.remove("fields") {
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| !name.is_empty())
                .take(MOST)
                .map(clipped)
                .collect(),
            _ => Vec::new(),
        };
        let matched = fields
            .iter()
            // The vendor's own spelling of it has lacked a letter for years.
            .find(|(name, _)| name.starts_with("duplicateRes"))
            .and_then(|(_, result)| matched_id(result));
        let message = text(&mut fields, "message");
        let existing_id = matched.or_else(|| named_id(message.as_deref()?));
        Self {
            code: text(&mut fields, "errorCode").or_else(|| text(&mut fields, "statusCode")),
            message,
            fields: named,
            existing_id,
        }
    }

    /// Reads what can be read of a whole answer: a list of faults, a single one, or the words of the token endpoint.
    pub(super) fn read(body: &[u8]) -> Vec<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Array(all)) => all.into_iter().map(Self::of).collect(),
            Ok(Value::Object(mut fields)) => {
                let error = text(&mut fields, "error");
                let described = text(&mut fields, "error_description");
                let mut fault = Self::of(Value::Object(fields));
                fault.code = fault.code.or(error);
                fault.message = fault.message.or(described);
                vec![fault]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    fn told(&self) -> String {
        let mut told = String::new();
        if !self.fields.is_empty() {
            told.push_str(&self.fields.join(", "));
            told.push_str(": ");
        }
        told.push_str(&clipped(
            self.message.as_deref().unwrap_or("refused").trim(),
        ));
        if let Some(code) = &self.code {
            told.push_str(" (");
            told.push_str(&clipped(code));
            told.push(')');
        }
        told
    }
}

/// One line for a person about the faults of an answer.
pub(super) fn line(begin: &str, faults: &[Fault]) -> String {
    let told: Vec<String> = faults
        .iter()
        .filter(|fault| fault.code.is_some() || fault.message.is_some())
        .take(MOST)
        .map(Fault::told)
        .collect();
    if told.is_empty() {
        begin.to_owned()
    } else {
        format!("{begin}: {}", told.join("; "))
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// The first record a duplicate rule found.
fn matched_id(result: &Value) -> Option<String> {
    let lists = result.get("matchResults")?.as_array()?;
    let mut records = lists
        .iter()
        .filter_map(|list| list.get("matchRecords")?.as_array())
        .flatten();
    records.find_map(|found| {
        let record = found.get("record")?;
        let named = record.get("Id").or_else(|| record.get("id"))?.as_str()?;
        id::long(named)
    })
}

/// The id at the end of "… duplicates value on record with id: 001…", which is told nowhere else.
fn named_id(message: &str) -> Option<String> {
    let (_, tail) = message.rsplit_once("id: ")?;
    let word: String = tail
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric())
        .collect();
    id::long(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_clean_line_that_names_the_fields() {
        let said = |body: &str| line("Salesforce answered 400", &Fault::read(body.as_bytes()));
        assert_eq!(
            said(
                r#"[{"message":"Required fields are missing: [StageName, CloseDate]","errorCode":"REQUIRED_FIELD_MISSING","fields":["StageName","CloseDate"]}]"#
            ),
            "Salesforce answered 400: StageName, CloseDate: Required fields are missing: [StageName, CloseDate] (REQUIRED_FIELD_MISSING)"
        );
        assert_eq!(
            said(
                r#"[{"message":"\nSELECT Foo\n^\nno such column\u0000","errorCode":"INVALID_FIELD"},{"message":"second"}]"#
            ),
            "Salesforce answered 400: SELECT Foo^no such column (INVALID_FIELD); second"
        );
        assert_eq!(
            said(r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#),
            "Salesforce answered 400: expired access/refresh token (invalid_grant)"
        );
        for strange in [
            "",
            "<html>",
            "7",
            "[7,null]",
            "{}",
            r#"[{"message":{},"errorCode":7,"fields":"Name"}]"#,
        ] {
            assert_eq!(said(strange), "Salesforce answered 400", "{strange}");
        }
    }

    #[test]
    fn the_record_that_is_there_already_is_found_where_it_is_told() {
        let existing = |body: &str| {
            Fault::read(body.as_bytes())
                .into_iter()
                .find_map(|fault| fault.existing_id)
        };
        for name in ["duplicateResut", "duplicateResult"] {
            let body = format!(
                r#"[{{"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?","{name}":{{"matchResults":[{{"matchRecords":[]}},{{"matchRecords":[{{"record":{{"Id":"003D000000QZ2abIAD"}}}}]}}]}}}}]"#
            );
            assert_eq!(existing(&body).as_deref(), Some("003D000000QZ2abIAD"));
        }
        let value = r#"[{"errorCode":"DUPLICATE_VALUE","message":"duplicate value found: Entente_Reference__c duplicates value on record with id: 001D000000IRFma"}]"#;
        assert_eq!(existing(value).as_deref(), Some("001D000000IRFmaIAH"));
        for silent in [
            r#"[{"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?","fields":[]}]"#,
            r#"[{"message":"on record with id: nobody"}]"#,
            r#"[{"duplicateResut":{"matchResults":[{"matchRecords":[{"record":{"Id":"no id"}}]}]}}]"#,
        ] {
            assert_eq!(existing(silent), None, "{silent}");
        }
    }
}
