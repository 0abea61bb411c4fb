//! What can go wrong outside, said as what the caller must do next.
//!
//! Owns: [`ConnectorError`] and its stable codes. Refuses: to carry a secret, a raw vendor body or a reason that only a reader of
//! the vendor's manual understands. Invariant: every variant has exactly one reaction, so that no caller matches on text.

use std::time::Duration;

/// The result of anything a connector does.
pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// Which of the vendor's budgets is exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitScope {
    /// The budget of ordinary calls of this account.
    Account,
    /// The separate budget of search calls of this account; other calls may go on.
    Search,
    /// The budget of the whole day of this account; nothing helps but waiting.
    Day,
    /// None of the vendor's: our own pace holds this kind of work back, for the sake of other calls.
    Pace,
    /// None either: the vendor is still preparing what was asked for.
    Preparing,
    /// The budget of one place or method within the account, such as a channel; others may go on.
    Place,
}

impl LimitScope {
    /// Whether nothing at all may be asked of the account before the wait is over. Otherwise only the work that met the limit waits.
    #[must_use]
    pub const fn stops_the_account(self) -> bool {
        matches!(self, Self::Account | Self::Day)
    }

    /// Stable name, for logs and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Search => "search",
            Self::Day => "day",
            Self::Pace => "pace",
            Self::Preparing => "preparing",
            Self::Place => "place",
        }
    }
}

/// A failed call to the outside, by the reaction it asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// The credentials did not work. `reconnect: false`: refresh the access token and try once more;
    /// `reconnect: true`: only a person can authorise the connection again.
    #[error("authorization refused: {message}")]
    Auth {
        /// Whether a person must connect again.
        reconnect: bool,
        /// What the vendor said, without secrets.
        message: String,
    },
    /// The vendor's budget is spent. Wait at least `retry_after`; it is never shortened.
    #[error("rate limited ({}): wait {} ms", scope.as_str(), retry_after.as_millis())]
    RateLimited {
        /// The least time to wait.
        retry_after: Duration,
        /// Which budget is spent.
        scope: LimitScope,
    },
    /// It may work later without any change: time limits, broken connections, 5xx, a truncated answer.
    #[error("temporary failure: {message}")]
    Transient {
        /// What happened.
        message: String,
        /// The vendor's own wish, when it gave one; never shortened.
        retry_after: Option<Duration>,
    },
    /// The vendor understood and refuses; the same call will always fail.
    #[error("refused ({code}): {message}")]
    Permanent {
        /// The vendor's category, or our own in lower case with underscores.
        code: String,
        /// What the vendor said.
        message: String,
    },
    /// The record clashes with one that exists there.
    #[error("conflict: {message}")]
    Conflict {
        /// The id of the record that exists, when the vendor tells it.
        existing_id: Option<String>,
        /// What the vendor said.
        message: String,
    },
    /// The position cannot be continued from; begin the walk again.
    #[error("the position is no longer usable: {message}")]
    CursorExpired {
        /// Why.
        message: String,
    },
    /// The answer is complete but does not have the promised shape. Retrying does not help; a person should look.
    #[error("unexpected answer: {message}")]
    Schema {
        /// What was expected and what came.
        message: String,
    },
    /// The thing asked for is not there.
    #[error("not found: {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
}

impl ConnectorError {
    /// Stable code, for rows, metrics and the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Auth {
                reconnect: true, ..
            } => "REAUTH_REQUIRED",
            Self::Auth {
                reconnect: false, ..
            } => "TOKEN_REFUSED",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Transient { .. } => "TRANSIENT",
            Self::Permanent { .. } => "REFUSED_BY_VENDOR",
            Self::Conflict { .. } => "CONFLICT",
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
            Self::Schema { .. } => "UNEXPECTED_ANSWER",
            Self::NotFound { .. } => "NOT_FOUND",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Transient { .. }
                | Self::Auth {
                    reconnect: false,
                    ..
                }
        )
    }

    /// Whether it is about the account or the line rather than about one record, so that more calls of the same work are of no use.
    #[must_use]
    pub const fn ends_the_work(&self) -> bool {
        matches!(
            self,
            Self::Auth { .. } | Self::RateLimited { .. } | Self::Transient { .. }
        )
    }

    /// The least time to wait before the next call, where the vendor set one.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A temporary failure without a wish of the vendor.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> Self {
        Self::Transient {
            message: message.into(),
            retry_after: None,
        }
    }

    /// An answer of the wrong shape.
    #[must_use]
    pub fn schema(message: impl Into<String>) -> Self {
        Self::Schema {
            message: message.into(),
        }
    }

    /// A refusal for good.
    #[must_use]
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Permanent {
            code: code.into(),
            message: message.into(),
        }
    }
}
