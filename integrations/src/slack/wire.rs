//! Slack's JSON, as far as it is read.
//!
//! Invariant: an answer is a success only when it says `"ok": true`; the status alone says nothing.

use super::limits;
use crate::{
    error::{ConnectorError, Result},
    http::Answer,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// What Slack says when it says no. Read leniently: an odd detail must not hide the word.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Slack's word for what is wrong.
    pub(super) error: Option<String>,
    /// More of it, in Slack's sentences.
    pub(super) details: Vec<String>,
}

impl Head {
    pub(super) fn of(value: &Value) -> Self {
        let details = value.pointer("/response_metadata/messages");
        let details = details.and_then(Value::as_array).into_iter().flatten();
        Self {
            error: value
                .get("error")
                .and_then(Value::as_str)
                .map(str::to_owned),
            details: details
                .filter_map(|detail| detail.as_str().map(str::to_owned))
                .collect(),
        }
    }
}

/// Where the next page begins.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Metadata {
    /// Where the next page begins; none after the last one.
    pub(super) fn next(self) -> Option<String> {
        self.next_cursor.filter(|cursor| !cursor.is_empty())
    }
}

/// Reads an answer. One that is no success is the error it stands for; one that is neither is not as promised.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    let value = body(answer)?;
    serde_json::from_value(value).map_err(|error| {
        ConnectorError::schema(format!(
            "Slack's answer is not as promised: {}",
            clipped(&error.to_string())
        ))
    })
}

/// The body of a success.
pub(super) fn body(answer: &Answer) -> Result<Value> {
    if !answer.is_success() {
        return Err(limits::refusal(answer));
    }
    let value: Value = serde_json::from_slice(&answer.body).map_err(|error| {
        if error.is_eof() {
            ConnectorError::transient("Slack's answer breaks off")
        } else {
            ConnectorError::schema("Slack's answer is no JSON")
        }
    })?;
    match value.get("ok").and_then(Value::as_bool) {
        Some(true) => Ok(value),
        Some(false) => Err(limits::said(&Head::of(&value), answer)),
        None => Err(ConnectorError::schema(
            "Slack's answer does not say whether it is a success",
        )),
    }
}

/// A short text of Slack's, fit for rows and logs.
pub(super) fn clipped(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}
