//! What can go wrong with a change: bad input named field by field, a row that is not there (or not yours), a row that has
//! moved on, or a fault of the database.

use sea_orm::DbErr;

/// Why one field of an input is refused. The text is the stable code of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViolationCode {
    /// The value is missing or blank.
    Blank,
    /// The value has the wrong form.
    Invalid,
    /// The value is longer or larger than allowed.
    TooLong,
    /// Another row has this value, and it must be unique.
    Taken,
    /// The named row does not exist or is not visible.
    NotFound,
    /// The state machine has no such transition.
    TransitionNotAllowed,
    /// The row is closed or locked.
    Locked,
    /// The weights of the earning roles would exceed 100 %.
    WeightsExceedWhole,
    /// The row has changed since the version the caller saw.
    VersionConflict,
    /// The same idempotency key came with another input.
    IdempotencyMismatch,
}

/// One refused field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Why.
    pub code: ViolationCode,
    /// Which field of the input, in the API's spelling (`amount.currency`); empty for the input as a whole.
    pub field: String,
    /// One sentence for a person.
    pub message: String,
}

impl Violation {
    /// A violation of one field.
    pub fn new(code: ViolationCode, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The error of every operation in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input breaks a rule; nothing was written.
    #[error("the input is refused: {}", .0.iter().map(|violation| violation.message.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Violation>),
    /// The lease under which the work was done has been lost to somebody else; nothing was written.
    #[error("the lease was lost")]
    LeaseLost,
    /// The database failed.
    #[error("the database failed: {0}")]
    Db(#[from] DbErr),
    /// A stored value cannot be read as what it should be.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

impl Error {
    /// A single violation as an error.
    pub fn invalid(
        code: ViolationCode,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![Violation::new(code, field, message)])
    }

    /// The caller's row moved on: `expected` is the version it saw.
    #[must_use]
    pub fn version_conflict(expected: i64, actual: i64) -> Self {
        Self::invalid(
            ViolationCode::VersionConflict,
            "expectedVersion",
            format!(
                "The row is at version {actual}, not {expected}: read it again and repeat the change."
            ),
        )
    }

    /// Not there, or not the caller's: the two answer alike.
    pub fn not_found(field: impl Into<String>) -> Self {
        Self::invalid(ViolationCode::NotFound, field, "No such row.")
    }
}

/// The result of every operation in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Collects violations, so that a caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes one violation.
    pub fn add(
        &mut self,
        code: ViolationCode,
        field: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.0.push(Violation::new(code, field, message));
    }

    /// Checks a required text: not blank, at most `max` characters.
    pub fn text(&mut self, field: &str, value: &str, max: usize) {
        if value.trim().is_empty() {
            self.add(ViolationCode::Blank, field, "A text is required.");
        } else {
            self.optional_text(field, Some(value), max);
        }
    }

    /// Checks a required text of one line: what stands in a sentence of ours must not go on as one of its own.
    pub fn line(&mut self, field: &str, value: &str, max: usize) {
        let ends_line =
            |letter: char| matches!(letter, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}');
        self.text(field, value, max);
        if value.trim().contains(ends_line) {
            self.add(ViolationCode::Invalid, field, "One line, without tabs.");
        }
    }

    /// Checks an optional text: at most `max` characters, no control characters other than line breaks and tabs.
    pub fn optional_text(&mut self, field: &str, value: Option<&str>, max: usize) {
        let Some(value) = value else { return };
        if value.chars().count() > max {
            self.add(
                ViolationCode::TooLong,
                field,
                format!("At most {max} characters."),
            );
        }
        if value
            .chars()
            .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
        {
            self.add(
                ViolationCode::Invalid,
                field,
                "Control characters are not allowed.",
            );
        }
    }

    /// Checks a list of short texts: at most 100 of at most 100 characters.
    pub fn tags(&mut self, field: &str, values: &[String]) {
        if values.len() > 100 {
            self.add(ViolationCode::TooLong, field, "At most 100 entries.");
        }
        for value in values {
            self.text(field, value, 100);
        }
    }

    /// Succeeds if nothing was noted.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything noted.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.0))
        }
    }
}
