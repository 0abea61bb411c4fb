//! Answers: nearly always status 200, also when the answer is no.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

/// A call that is refused, in the vendor's word for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    error: String,
    more: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            more: Map::new(),
            retry_after: None,
        }
    }

    /// Over a limit: the one refusal that has a status of its own.
    pub(crate) fn limited(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new("ratelimited")
        }
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }

    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("ok".to_owned(), json!(false));
        body.insert("error".to_owned(), json!(self.error));
        body.extend(self.more.clone());
        Value::Object(body)
    }

    pub(crate) fn response(&self) -> HttpResponse {
        match self.retry_after {
            Some(seconds) => HttpResponse::TooManyRequests()
                .insert_header((RETRY_AFTER, seconds.to_string()))
                .json(self.body()),
            None => HttpResponse::Ok().json(self.body()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::OK
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

/// A call that was done.
#[derive(Debug)]
pub(crate) struct Done {
    body: Map<String, Value>,
    warnings: Vec<&'static str>,
}

impl Done {
    /// `body` must be an object; `ok` is added.
    pub(crate) fn new(body: Value) -> Self {
        let mut whole = Map::new();
        whole.insert("ok".to_owned(), json!(true));
        if let Value::Object(body) = body {
            whole.extend(body);
        }
        Self {
            body: whole,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn warn(mut self, warning: &'static str) -> Self {
        self.warnings.push(warning);
        self
    }

    pub(crate) fn warn_all(mut self, warnings: &[&'static str]) -> Self {
        self.warnings.extend(warnings);
        self
    }

    pub(crate) fn body(mut self) -> Value {
        if !self.warnings.is_empty() {
            self.body
                .insert("warning".to_owned(), json!(self.warnings.join(",")));
            let metadata = self
                .body
                .entry("response_metadata")
                .or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("warnings".to_owned(), json!(self.warnings));
            }
        }
        Value::Object(self.body)
    }
}
