//! The stable codes of everything that can go wrong at the doors, in one table: code, HTTP status, whether to try again.
//!
//! It owns the vocabulary only. Expected outcomes of a mutation are `userErrors` in its payload and have their own codes; the
//! codes here stand in `errors[].extensions.code` and in problem documents. The invariant: every code has exactly one row in
//! [`ErrorCode::TABLE`], so that a client can decide by the code alone, and the documentation is generated from the same rows.

use async_graphql::{ErrorExtensions, InputType, InputValueError};

/// Where a code is described, by what it means to the caller.
#[derive(Clone, Copy, Debug)]
pub struct ErrorRow {
    /// The code.
    pub code: ErrorCode,
    /// As written in answers.
    pub name: &'static str,
    /// The HTTP status when the code decides the whole answer.
    pub status: u16,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
    /// What it means, for the documentation.
    pub meaning: &'static str,
}

macro_rules! error_codes {
    ($($variant:ident = $name:literal, $status:literal, $retryable:literal, $meaning:literal;)*) => {
        /// A stable error code of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
        #[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl ErrorCode {
            /// Every code with its status and meaning, in the order of the documentation.
            pub const TABLE: &'static [ErrorRow] = &[
                $(ErrorRow { code: Self::$variant, name: $name, status: $status, retryable: $retryable, meaning: $meaning },)*
            ];

            /// The code's row.
            #[must_use]
            pub const fn row(self) -> ErrorRow {
                match self {
                    $(Self::$variant => ErrorRow {
                        code: Self::$variant, name: $name, status: $status, retryable: $retryable, meaning: $meaning,
                    },)*
                }
            }
        }
    };
}

error_codes! {
    Unauthenticated = "UNAUTHENTICATED", 401, false, "The request carries no token that is valid here.";
    Forbidden = "FORBIDDEN", 403, false, "The token does not carry the scope that this needs.";
    NotFound = "NOT_FOUND", 404, false, "There is no such address here.";
    BadRequest = "BAD_REQUEST", 400, false, "The request is not the JSON, the encoding or the parameters that this address takes.";
    BadUserInput = "BAD_USER_INPUT", 400, false, "A value in the request is not acceptable.";
    GraphqlParseFailed = "GRAPHQL_PARSE_FAILED", 400, false, "The GraphQL document cannot be parsed (200 when answered as application/json).";
    GraphqlValidationFailed = "GRAPHQL_VALIDATION_FAILED", 400, false, "The document does not fit the schema or its variables (200 when answered as application/json).";
    DocumentTooLarge = "DOCUMENT_TOO_LARGE", 413, false, "The GraphQL document has too many bytes.";
    TooManyTokens = "TOO_MANY_TOKENS", 400, false, "The GraphQL document has too many tokens.";
    TooDeep = "TOO_DEEP", 400, false, "The document or its variables are nested too deep.";
    TooManyFields = "TOO_MANY_FIELDS", 400, false, "The document selects too many fields once its fragments are expanded.";
    TooManyAliases = "TOO_MANY_ALIASES", 400, false, "The document has too many aliases.";
    TooManyRootFields = "TOO_MANY_ROOT_FIELDS", 400, false, "The operation selects too many fields at its root.";
    FragmentCycle = "FRAGMENT_CYCLE", 400, false, "A fragment contains itself.";
    OperationCount = "OPERATION_COUNT", 400, false, "The document does not hold exactly one operation.";
    VariablesTooLarge = "VARIABLES_TOO_LARGE", 400, false, "Large variables are used in too many places.";
    CostExceeded = "COST_EXCEEDED", 400, false, "The operation costs more than any single request may.";
    BodyTooLarge = "BODY_TOO_LARGE", 413, false, "The request body has too many bytes.";
    BodyTimeout = "BODY_TIMEOUT", 408, true, "The request body did not arrive in time.";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, false, "The body is not application/json in UTF-8.";
    NotAcceptable = "NOT_ACCEPTABLE", 406, false, "The Accept header allows none of the types that can be answered.";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, false, "The method is not allowed here; mutations need POST.";
    BatchingRefused = "BATCHING_REFUSED", 400, false, "Several operations in one request are not accepted.";
    Conflict = "CONFLICT", 409, false, "The row changed meanwhile, or a key was used before with other input.";
    RateLimited = "RATE_LIMITED", 429, true, "The token's budget is used up; Retry-After says when to come back.";
    Timeout = "TIMEOUT", 504, true, "The operation took longer than it may.";
    MutationTimeout = "MUTATION_TIMEOUT", 504, false, "The change took longer than it may and may have been carried out; look before repeating it, or repeat it under the same idempotencyKey.";
    Unavailable = "UNAVAILABLE", 503, true, "The service cannot answer just now.";
    Internal = "INTERNAL", 500, true, "Something failed here; the request id finds it in the log.";
}

impl ErrorCode {
    /// As written in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The HTTP status when this code decides the whole answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// Whether the same request may succeed later without being changed.
    #[must_use]
    pub const fn retryable(self) -> bool {
        self.row().retryable
    }

    /// Reads a code as written; none when there is no such code.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.code)
    }

    /// An error for a resolver to return. `message` is shown to the caller.
    #[must_use]
    pub fn error(self, message: impl Into<String>) -> async_graphql::Error {
        async_graphql::Error::new(message).extend_with(|_, extensions| {
            extensions.set("code", self.as_str());
            extensions.set("retryable", self.retryable());
        })
    }

    /// The table as Markdown, for the documentation.
    #[must_use]
    pub fn markdown_table() -> String {
        let mut text =
            String::from("| code | HTTP status | retry | meaning |\n|---|---|---|---|\n");
        for row in Self::TABLE {
            let retry = if row.retryable { "yes" } else { "no" };
            text.push_str(&format!(
                "| `{}` | {} | {retry} | {} |\n",
                row.name, row.status, row.meaning
            ));
        }
        text
    }
}

/// A refusal for a scalar's parser. Errors without a code are taken for faults and hidden, hence this must be used instead of
/// the library's own constructor.
#[must_use]
pub fn bad_input<T: InputType>(message: impl std::fmt::Display) -> InputValueError<T> {
    let code = ErrorCode::BadUserInput;
    InputValueError::custom(message)
        .with_extension("code", code.as_str())
        .with_extension("retryable", code.retryable())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;

    #[test]
    fn each_code_has_one_row_and_is_read_back() {
        let mut names: Vec<_> = ErrorCode::TABLE.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::TABLE.len());
        for row in ErrorCode::TABLE {
            assert_eq!(ErrorCode::from_name(row.name), Some(row.code));
            assert!((400..600).contains(&row.status), "{}", row.name);
        }
    }

    #[test]
    fn the_schema_writes_the_names_of_the_table() {
        use async_graphql::resolver_utils::EnumType;
        for item in ErrorCode::items() {
            assert_eq!(item.name, item.value.as_str());
        }
    }

    #[test]
    fn the_documentation_lists_every_code() {
        assert_eq!(
            ErrorCode::markdown_table().lines().count(),
            ErrorCode::TABLE.len() + 2
        );
    }
}
