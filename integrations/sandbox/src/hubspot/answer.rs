//! Answers: how the vendor says no, and the pieces every answer shares.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::kind::Kind;
use super::refused::Refused;
use crate::ids::fresh_id;
use crate::params::BadParam;

/// A request that is refused, in the vendor's words.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, category: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: json!({
                "status": "error",
                "message": message.into(),
                "correlationId": fresh_id(),
                "category": category,
            }),
        }
    }

    pub(crate) fn raw(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "OBJECT_NOT_FOUND",
            "resource not found",
        )
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(object) = self.body.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
        self
    }

    pub(crate) fn body(&self) -> &Value {
        &self.body
    }

    pub(crate) fn response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(&self.body)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match &refused {
            Refused::NotFound { .. } => Self::not_found(),
            Refused::Taken { .. } => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", refused.to_string())
            }
            Refused::Invalid { problems } => {
                let listed: Vec<Value> = problems
                    .iter()
                    .map(|(name, code, message)| {
                        json!({"isValid": false, "message": message, "error": code, "name": name})
                    })
                    .collect();
                let errors: Vec<Value> = problems
                    .iter()
                    .map(|(name, code, message)| {
                        json!({
                            "message": message,
                            "code": code,
                            "context": {"propertyName": [name]},
                        })
                    })
                    .collect();
                Self::validation(format!(
                    "Property values were not valid: {}",
                    Value::Array(listed)
                ))
                .with("errors", Value::Array(errors))
            }
            Refused::NoSuchLinkType { .. } => Self::validation(refused.to_string()),
        }
    }
}

/// Reads a JSON body; malformed input is told with its place.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::validation(format!(
            "Invalid input JSON on line {}, column {}: {error}",
            error.line(),
            error.column()
        ))
    })
}

/// Reads a kind from a path; the sandbox knows three.
pub(crate) fn read_kind(text: &str) -> Result<Kind, Refusal> {
    Kind::parse(text)
        .ok_or_else(|| Refusal::validation(format!("Unable to infer object type from: {text}")))
}

/// Reads a record id; what is no number is not found.
pub(crate) fn read_id(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Self::validation(bad.to_string())
    }
}
