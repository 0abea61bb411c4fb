//! What the authorization server refuses, in the words of the standards (RFC 6749, sections 4.1.2.1 and 5.2; RFC 8707; RFC 9101).
//!
//! A refusal names the rule that was broken. It never says what would have been right, nor whether something exists that is not the caller's.

use super::token::IssueError;
use entities::error::Error;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Why something is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// As answers and redirects write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status of an answer with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// Something is missing, doubled or malformed.
    InvalidRequest = "invalid_request", 400;
    /// The client did not prove who it is.
    InvalidClient = "invalid_client", 401;
    /// What is to be exchanged is not good, or not the client's.
    InvalidGrant = "invalid_grant", 400;
    /// The client may not ask like this.
    UnauthorizedClient = "unauthorized_client", 400;
    /// There is no such way to tokens here.
    UnsupportedGrantType = "unsupported_grant_type", 400;
    /// There is no such answer here.
    UnsupportedResponseType = "unsupported_response_type", 400;
    /// More or other scopes than may be had.
    InvalidScope = "invalid_scope", 400;
    /// Another audience than ours.
    InvalidTarget = "invalid_target", 400;
    /// The person, or a rule on their side, said no.
    AccessDenied = "access_denied", 400;
    /// Requests in a signed object are not taken.
    RequestNotSupported = "request_not_supported", 400;
    /// Nor by their address.
    RequestUriNotSupported = "request_uri_not_supported", 400;
    /// Too many failures; later.
    TemporarilyUnavailable = "temporarily_unavailable", 429;
    /// A fault on our side.
    ServerError = "server_error", 500;
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// One sentence for a developer.
    pub description: &'static str,
    /// After how many seconds the same request may be tried again, where that is the trouble.
    pub retry_after_seconds: Option<i64>,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub const fn new(code: Code, description: &'static str) -> Self {
        Self {
            code,
            description,
            retry_after_seconds: None,
        }
    }

    /// Something is missing, doubled or malformed.
    #[must_use]
    pub const fn request(description: &'static str) -> Self {
        Self::new(Code::InvalidRequest, description)
    }
}

/// Why there is no answer of the wished kind.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The caller's doing.
    #[error("{}: {}", .0.code.as_str(), .0.description)]
    Refused(Refusal),
    /// The database's.
    #[error(transparent)]
    Database(#[from] Error),
    /// The keys'.
    #[error("a token could not be made: {0}")]
    Issue(#[from] IssueError),
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl OAuthError {
    /// The refusal that the caller is shown.
    #[must_use]
    pub const fn shown(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => *refusal,
            Self::Database(_) | Self::Issue(_) => {
                Refusal::new(Code::ServerError, "This cannot be answered just now.")
            }
        }
    }
}

/// The result of everything the authorization server does.
pub type Result<T, E = OAuthError> = std::result::Result<T, E>;
