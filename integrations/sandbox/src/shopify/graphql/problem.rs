//! Something wrong with a request, as it stands in the `errors` of an answer.

use async_graphql_parser::Pos;
use serde_json::{Map, Value, json};

/// One entry of `errors`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problem {
    message: String,
    locations: Vec<Pos>,
    path: Option<Vec<Value>>,
    extensions: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// A problem found before anything ran, with the vendor's code.
    pub(crate) fn fixed(
        message: impl Into<String>,
        code: &str,
        pos: Pos,
        path: &[String],
        more: &[(&str, &str)],
    ) -> Self {
        let path = path.iter().map(|step| json!(step)).collect();
        let mut problem = Self::new(message).at(pos).on(path).code(code);
        for (key, value) in more {
            problem.extensions.insert((*key).to_owned(), json!(value));
        }
        problem
    }

    pub(crate) fn at(mut self, pos: Pos) -> Self {
        self.locations.push(pos);
        self
    }

    pub(crate) fn on(mut self, path: Vec<Value>) -> Self {
        self.path = Some(path);
        self
    }

    pub(crate) fn code(self, code: &str) -> Self {
        self.with("code", json!(code))
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.extensions.insert(key.to_owned(), value);
        self
    }

    pub(crate) fn json(&self) -> Value {
        let mut out = Map::new();
        out.insert("message".to_owned(), json!(self.message));
        if !self.locations.is_empty() {
            let places: Vec<Value> = self
                .locations
                .iter()
                .map(|pos| json!({"line": pos.line, "column": pos.column}))
                .collect();
            out.insert("locations".to_owned(), Value::Array(places));
        }
        if let Some(path) = &self.path {
            out.insert("path".to_owned(), Value::Array(path.clone()));
        }
        if !self.extensions.is_empty() {
            out.insert(
                "extensions".to_owned(),
                Value::Object(self.extensions.clone()),
            );
        }
        Value::Object(out)
    }
}
