//! Why a write or a query is refused: the vendor's code, its words and the fields it is about.

use std::fmt;

/// A refusal. It is told as `errorCode` at the top level and as `statusCode` for one record of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesforceRefused {
    /// The vendor's code, such as `REQUIRED_FIELD_MISSING`.
    pub code: &'static str,
    /// The vendor's words.
    pub message: String,
    /// The fields it is about.
    pub fields: Vec<String>,
    pub(crate) status: u16,
    /// Refuses the whole request even when it holds several records: it could not be read.
    pub(crate) whole: bool,
}

impl fmt::Display for SalesforceRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SalesforceRefused {}

impl SalesforceRefused {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
            status: 400,
            whole: false,
        }
    }

    pub(crate) fn on(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The request cannot be read.
    pub(crate) fn unreadable(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            whole: true,
            ..Self::new(code, message)
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::new("NOT_FOUND", "The requested resource does not exist").with_status(404)
    }

    pub(crate) fn deleted() -> Self {
        Self::new("ENTITY_IS_DELETED", "entity is deleted").with_status(404)
    }

    pub(crate) fn no_such_type(name: &str) -> Self {
        Self::new(
            "INVALID_TYPE",
            format!("sObject type '{name}' is not supported."),
        )
    }

    pub(crate) fn no_such_column(field: &str, object: &str) -> Self {
        Self::unreadable(
            "INVALID_FIELD",
            format!("No such column '{field}' on sobject of type {object}"),
        )
    }

    pub(crate) fn bad_reference() -> Self {
        Self::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    }
}
