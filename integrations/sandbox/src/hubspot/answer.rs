//! Answers: how the vendor says no, and the pieces every answer shares.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::kind::Kind;
use super::refused::Refused;

/// A request that is refused, in the vendor's words.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Value,
}

/// A fresh correlation id.
#[expect(
    clippy::disallowed_methods,
    reason = "the home of random identifiers in this package"
)]
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
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

/// The parameters of a query string or form, repeated names kept.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string().as_bytes())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a name, comma lists taken apart.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::validation(format!(
                "{name} must be true or false, not {other}"
            ))),
        }
    }

    /// A page size between 1 and `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        match self.get("limit") {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
                _ => Err(Refusal::validation(format!(
                    "limit must be between 1 and {max}, not {text}"
                ))),
            },
        }
    }

    /// The id behind which a page starts; 0 for the first page.
    pub(crate) fn after(&self) -> Result<u64, Refusal> {
        match self.get("after") {
            None | Some("") => Ok(0),
            Some(text) => text
                .parse()
                .map_err(|_| Refusal::validation(format!("after is not a valid cursor: {text}"))),
        }
    }

    /// The query string without one parameter, with another value for `after`.
    pub(crate) fn next_query(&self, after: &str) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.0.iter().filter(|(key, _)| key != "after") {
            out.append_pair(key, value);
        }
        out.append_pair("after", after);
        out.finish()
    }
}
