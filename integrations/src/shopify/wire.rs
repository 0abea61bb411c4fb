//! Shopify's JSON, as far as we read it.
//!
//! Owns: the shapes of answers and of errors. Refuses: an answer that lacks what was asked for: an absent list would mean that everything is gone.
//! Invariant: a page is read in two steps, the frame and then each record, so that one bad record is one bad record.

use crate::error::{ConnectorError, Result};
use serde::Deserialize;
use serde_json::{Value, error::Category, value::RawValue};

/// Reads a whole answer.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        // An answer that breaks off was cut on the way; asking again may bring all of it.
        Category::Eof | Category::Io => ConnectorError::transient("Shopify's answer breaks off"),
        Category::Syntax => ConnectorError::schema(format!(
            "Shopify's answer is not JSON (column {})",
            error.column()
        )),
        Category::Data => ConnectorError::schema(format!(
            "Shopify's answer has an unexpected shape: {}",
            clipped(&error.to_string())
        )),
    })
}

/// An answer to a document.
#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) errors: Option<Value>,
    #[serde(default)]
    pub(super) extensions: Option<Value>,
}

/// One of an answer's errors, as far as it can be read: any part of it may be missing or of another type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) code: Option<String>,
    /// What of the answer it is about; numbers are places in a list.
    pub(super) path: Vec<String>,
    /// What would have to be granted.
    pub(super) required: Option<String>,
    pub(super) request_id: Option<String>,
}

impl Problem {
    /// Reads the errors of an answer: a list, or whatever stands in its place.
    pub(super) fn list(errors: Option<Value>) -> Vec<Self> {
        match errors {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(errors)) => errors.iter().map(Self::of).collect(),
            // Outside of GraphQL, Shopify answers a text or an object here.
            Some(other) => vec![Self {
                message: match other {
                    Value::String(text) => clipped(&text),
                    other => clipped(&other.to_string()),
                },
                ..Self::default()
            }],
        }
    }

    fn of(error: &Value) -> Self {
        let extension = |name: &str| error.get("extensions")?.get(name)?.as_str().map(clipped);
        let segment = |part: &Value| match part {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let path = error.get("path").and_then(Value::as_array);
        Self {
            message: error
                .get("message")
                .and_then(Value::as_str)
                .map(clipped)
                .unwrap_or_default(),
            code: extension("code"),
            path: path
                .map(|path| path.iter().map(segment).collect())
                .unwrap_or_default(),
            required: extension("requiredAccess"),
            request_id: extension("requestId"),
        }
    }

    /// One line for a person, with what its support wants to know.
    pub(super) fn told(&self) -> String {
        let mut line = if self.message.is_empty() {
            "Shopify gives no reason".to_owned()
        } else {
            format!("Shopify: {}", self.message)
        };
        if let Some(required) = &self.required {
            line.push_str(" (required: ");
            line.push_str(required);
            line.push(')');
        }
        if let Some(id) = &self.request_id {
            line.push_str(" (request ");
            line.push_str(id);
            line.push(')');
        }
        line
    }
}

/// A page of records.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection<'a> {
    #[serde(borrow)]
    pub(super) nodes: Vec<&'a RawValue>,
    pub(super) page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl PageInfo {
    /// Where the next page begins; none on the last one. A page that has a next one and does not say where is no page.
    pub(super) fn after(&self, asked: Option<&str>) -> Result<Option<String>> {
        if !self.has_next_page {
            return Ok(None);
        }
        let after = self.end_cursor.as_deref().filter(|text| !text.is_empty());
        match after {
            Some(after) if Some(after) != asked => Ok(Some(after.to_owned())),
            _ => Err(ConnectorError::schema(
                "Shopify has more and does not say where it begins, or says the same place again",
            )),
        }
    }
}

/// What came of a mutation.
#[derive(Deserialize)]
pub(super) struct Mutated {
    /// None when it was denied.
    pub(super) written: Option<Written>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(default)]
    pub(super) record: Option<Identified>,
    pub(super) user_errors: Vec<UserError>,
}

/// Only a global id.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

/// What Shopify has against an input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserError {
    pub(super) field: Option<Vec<String>>,
    pub(super) message: String,
    pub(super) code: Option<String>,
}

impl UserError {
    /// Whether it is about a field of the input, however deep the input nests it.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let field = self.field.as_ref().and_then(|path| path.last());
        field.is_some_and(|field| field == name)
    }

    fn told(&self) -> String {
        let mut told = String::new();
        if let Some(field) = &self.field {
            // The name of the input itself says nothing to a person.
            let names: Vec<String> = field
                .iter()
                .filter(|name| *name != "input")
                .map(|name| clipped(name))
                .collect();
            told.push_str(&names.join("."));
            told.push_str(": ");
        }
        told.push_str(&clipped(&self.message));
        if let Some(code) = &self.code {
            told.push_str(" (");
            told.push_str(&clipped(code));
            told.push(')');
        }
        told
    }
}

/// What Shopify has against an input, as a refusal for good.
pub(super) fn refused(errors: &[UserError]) -> ConnectorError {
    let told: Vec<String> = errors.iter().take(20).map(UserError::told).collect();
    let code = errors
        .iter()
        .find_map(|error| error.code.clone())
        .map_or_else(|| "USER_ERROR".to_owned(), |code| clipped(&code));
    ConnectorError::permanent(code, format!("Shopify refuses: {}", told.join("; ")))
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
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cut_answer_may_be_asked_for_again_and_a_strange_one_not() {
        let whole = br#"{"nodes":[{"id":"1"}],"pageInfo":{"hasNextPage":true,"endCursor":"c"}}"#;
        let page: Connection<'_> = read(whole).unwrap();
        assert_eq!(page.page_info.after(None).unwrap().as_deref(), Some("c"));
        assert!(
            page.page_info.after(Some("c")).is_err(),
            "it would never end"
        );
        for cut in 0..whole.len() {
            let error = read::<Connection<'_>>(whole.get(..cut).unwrap()).err();
            assert_eq!(error.unwrap().code(), "TRANSIENT", "{cut}");
        }
        for strange in [
            "<html>",
            "[]",
            r#"{"nodes":null,"pageInfo":{"hasNextPage":false}}"#,
            r#"{"nodes":[]}"#,
            "{}",
        ] {
            let error = read::<Connection<'_>>(strange.as_bytes()).err();
            assert_eq!(error.unwrap().code(), "UNEXPECTED_ANSWER", "{strange}");
        }
        let nowhere: Connection<'_> =
            read(br#"{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":null}}"#).unwrap();
        assert!(nowhere.page_info.after(None).is_err());
    }

    #[test]
    fn errors_of_any_shape_are_read() {
        let listed = Problem::list(Some(json!([
            {"message": "Access denied for email field.", "path": ["page", "nodes", 3, "email"],
             "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_x`", "requestId": "r-1"}},
            7, {"message": 7, "extensions": [], "path": "x"},
        ])));
        let first = listed.first().unwrap();
        assert_eq!(first.path, ["page", "nodes", "3", "email"]);
        assert_eq!(
            first.told(),
            "Shopify: Access denied for email field. (required: `read_x`) (request r-1)"
        );
        assert_eq!(listed.len(), 3);
        assert_eq!(
            Problem::list(Some(json!("[API] Invalid\n key")))[0].message,
            "[API] Invalid key"
        );
        assert!(Problem::list(None).is_empty() && Problem::list(Some(Value::Null)).is_empty());
    }

    #[test]
    fn refusals_name_the_field() {
        let errors: Vec<UserError> = serde_json::from_value(json!([
            {"field": ["input", "company", "name"], "message": "Name can't be blank", "code": "BLANK"},
            {"field": null, "message": "No"},
        ]))
        .unwrap();
        assert!(
            matches!(refused(&errors), ConnectorError::Permanent { code, message } if code == "BLANK"
                && message == "Shopify refuses: company.name: Name can't be blank (BLANK); No")
        );
    }
}
