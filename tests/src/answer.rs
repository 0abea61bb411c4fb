//! What came back over HTTP, with the questions tests ask of it. Each question is a claim: it fails the test when there is no answer.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub bytes: Vec<u8>,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response
            .bytes()
            .await
            .expect("the answer arrives whole")
            .to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            bytes,
            body,
        }
    }

    /// A header's text; empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The data of a GraphQL answer without errors.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(
            self.status == 200 && self.body.get("errors").is_none(),
            "{self}"
        );
        self.body
            .get("data")
            .unwrap_or_else(|| panic!("no data: {self}"))
    }

    /// A part of the data, by JSON pointer; null when it is not there.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        static NULL: Value = Value::Null;
        self.data().pointer(pointer).unwrap_or(&NULL)
    }

    /// A text of the data, by JSON pointer.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        self.at(pointer)
            .as_str()
            .unwrap_or_else(|| panic!("no text at {pointer}: {self}"))
            .to_owned()
    }

    /// A list of the data, by JSON pointer.
    #[track_caller]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer)
            .as_array()
            .unwrap_or_else(|| panic!("no list at {pointer}: {self}"))
    }

    /// The same text of each entry of a list of the data.
    #[track_caller]
    pub fn texts(&self, list: &str, pointer: &str) -> Vec<String> {
        let text = |entry: &Value| {
            entry
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("no text at {pointer}: {entry}"))
                .to_owned()
        };
        self.list(list).iter().map(text).collect()
    }

    /// The codes of the top-level errors.
    #[must_use]
    pub fn codes(&self) -> Vec<&str> {
        let errors = self
            .body
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        errors
            .map(|error| {
                error
                    .pointer("/extensions/code")
                    .and_then(Value::as_str)
                    .unwrap_or("(none)")
            })
            .collect()
    }

    /// The codes and fields of a mutation's `userErrors`: `CODE field.part`.
    #[track_caller]
    pub fn refusals(&self, mutation: &str) -> Vec<String> {
        let errors = self.list(&format!("/{mutation}/userErrors")).iter();
        let shown = |error: &Value| {
            let field: Vec<&str> = error["field"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!(
                "{} {}",
                error["code"].as_str().unwrap_or("(none)"),
                field.join(".")
            )
            .trim_end()
            .to_owned()
        };
        errors.map(shown).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        write!(
            f,
            "{} {}",
            self.status,
            text.chars().take(4_000).collect::<String>()
        )
    }
}
