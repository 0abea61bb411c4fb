//! Answers: how the vendor says no, and the pieces every answer shares.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::refused::SalesforceRefused;
use crate::params::BadParam;

/// A request that is refused, in the vendor's words.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    /// The data API's form: a list with one error.
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: json!([{"message": message.into(), "errorCode": code}]),
        }
    }

    /// The OAuth endpoints' form.
    pub(crate) fn oauth(error: &str, description: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            body: json!({"error": error, "error_description": description}),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "The requested resource does not exist",
        )
    }

    pub(crate) fn session() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "INVALID_SESSION_ID",
            "Session expired or invalid",
        )
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

impl From<SalesforceRefused> for Refusal {
    fn from(refused: SalesforceRefused) -> Self {
        let mut error = json!({"message": refused.message, "errorCode": refused.code});
        // Only refusals of a record's values say which fields they are about.
        let about_record = !refused.fields.is_empty()
            || matches!(
                refused.code,
                "UNABLE_TO_LOCK_ROW" | "DUPLICATES_DETECTED" | "DUPLICATE_VALUE"
            );
        if let (true, Some(error)) = (about_record, error.as_object_mut()) {
            error.insert("fields".to_owned(), json!(refused.fields));
        }
        Self {
            status: StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST),
            body: json!([error]),
        }
    }
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "INVALID_PARAMETER",
            bad.to_string(),
        )
    }
}

/// One record's refusal among the results of several.
pub(crate) fn per_record(refused: &SalesforceRefused) -> Value {
    json!({
        "success": false,
        "errors": [{
            "statusCode": refused.code,
            "message": refused.message,
            "fields": refused.fields,
        }],
    })
}

/// Reads a JSON body; malformed input is told with its place.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "JSON_PARSER_ERROR",
            format!(
                "{error} at [line:{}, column:{}]",
                error.line(),
                error.column()
            ),
        )
    })
}

/// JSON that is already text.
pub(crate) fn json_text(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json;charset=UTF-8")
        .body(text)
}
