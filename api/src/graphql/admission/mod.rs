//! The door before the library: what a request may be is decided here, before async-graphql sees a byte of it.
//!
//! Limits that a GraphQL library enforces come too late for two shapes of request. A literal nested a few thousand deep overflows
//! the stack of the recursive parser, which ends the process; and thirty fragments that each spread the next one twice make the
//! validator visit a billion selections. Both fit into a few kilobytes. So a request passes these steps, each of which is bounded
//! by the ones before it:
//!
//! 1. [`Params::from_json`]: the body is UTF-8, is one JSON object (no batch) and is nested within bounds.
//! 2. [`lexer::scan`]: bytes, tokens and bracket nesting of the document, by a loop.
//! 3. the library's parser, on text now known to be shallow and short.
//! 4. [`survey`]: one operation; fragments counted as if expanded, with memory, so that the count itself costs no more than the
//!    text is long; depth, aliases, root fields, cycles.
//! 5. [`price`](cost::price): what the operation may cost with these variables.
//!
//! Steps 2 to 4 depend on the text only and are remembered by [`DocumentCache`](super::document_cache::DocumentCache). Nothing here reads the
//! schema: a document may still be invalid for it, which validation then says. The invariant: an [`AdmittedDocument`] is finite
//! and small however its fragments are expanded, so that every later pass over it is bounded.

pub mod budget;
pub mod cost;
pub mod lexer;
mod limits;
mod params;
pub mod survey;

use super::error::ErrorCode;
use async_graphql::Pos;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::parser::{Error as ParserError, parse_query};

pub use cost::Pricing;
pub use limits::Limits;
pub use params::{Params, json_nesting};
pub use survey::Survey;

/// Messages that quote the request are cut here: an answer must not grow with what was wrong.
const LONGEST_MESSAGE: usize = 500;

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The code to answer with.
    pub code: ErrorCode,
    /// What was wrong, for the caller.
    pub message: String,
    /// Where in the document, when known.
    pub location: Option<Pos>,
}

impl Refusal {
    /// A refusal without a place.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: shortened(message.into()),
            location: None,
        }
    }

    pub(crate) fn at(code: ErrorCode, message: String, line: usize, column: usize) -> Self {
        Self {
            code,
            message: shortened(message),
            location: Some(Pos { line, column }),
        }
    }

    pub(crate) fn over(code: ErrorCode, what: &str, limit: u64) -> Self {
        Self::new(
            code,
            format!("The request has too many {what}; at most {limit} are accepted."),
        )
    }

    /// Whether this is an ordinary mistake in a document, which is answered 200 to those who ask for `application/json`.
    #[must_use]
    pub const fn is_request_error(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::GraphqlParseFailed | ErrorCode::GraphqlValidationFailed
        )
    }
}

fn shortened(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        let end = (0..=LONGEST_MESSAGE)
            .rev()
            .find(|at| message.is_char_boundary(*at))
            .unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

/// A document that may be executed, with what was found out about it.
#[derive(Clone, Debug)]
pub struct AdmittedDocument {
    /// The parsed text.
    pub document: ExecutableDocument,
    /// Whether it queries, mutates or subscribes.
    pub operation_type: OperationType,
    /// The operation's own name.
    pub operation_name: Option<String>,
    /// Sizes.
    pub survey: Survey,
    /// Tokens and nesting of the text.
    pub scan: lexer::Scan,
    /// What it costs, or that its variables decide.
    pub pricing: Pricing,
}

/// Scans, parses and surveys a document.
///
/// # Errors
/// A [`Refusal`] with the code of the first limit that is passed.
pub fn admit(source: &str, limits: &Limits) -> Result<AdmittedDocument, Refusal> {
    if source.len() > limits.document_bytes {
        return Err(Refusal::over(
            ErrorCode::DocumentTooLarge,
            "bytes in its document",
            limits.document_bytes as u64,
        ));
    }
    let scan = lexer::scan(source, limits)?;
    let document = parse_query(source).map_err(|error| parse_refusal(&error))?;
    let mut operations = document.operations.iter();
    let (Some((name, operation)), None) = (operations.next(), operations.next()) else {
        return Err(one_operation());
    };
    let operation_type = operation.node.ty;
    let operation_name = name.map(ToString::to_string);
    let survey = survey::survey(&document, &operation.node, limits)?;
    let pricing = cost::pricing(&document, &operation.node, limits);
    Ok(AdmittedDocument {
        operation_type,
        operation_name,
        survey,
        scan,
        pricing,
        document,
    })
}

fn one_operation() -> Refusal {
    Refusal::new(
        ErrorCode::OperationCount,
        "The document must hold exactly one operation.",
    )
}

fn parse_refusal(error: &ParserError) -> Refusal {
    if matches!(
        error,
        ParserError::MultipleOperations { .. }
            | ParserError::OperationDuplicated { .. }
            | ParserError::MissingOperation
    ) {
        return one_operation();
    }
    let mut refusal = Refusal::new(ErrorCode::GraphqlParseFailed, error.to_string());
    refusal.location = error.positions().next();
    refusal
}

#[cfg(test)]
mod tests;
