//! The one outgoing client.
//!
//! Owns: every request that leaves the process on behalf of a connector: time limits, a cap on what is read, the address guard, the
//! pace per account, tracing. Refuses: redirects, proxies from the environment, plain HTTP (but to a sandbox on loopback), addresses
//! that are not public, and retries: waiting happens in a row, where every process sees it, never in a caller. Invariant: a token is
//! sent only to the origins its connector declares, and no error, log line or `Debug` shows one.

mod answer;
mod call;
mod client;
pub mod guard;
mod limit;
mod session;
mod told;
mod work;

pub use answer::Answer;
pub use call::{Body, Call};
pub use client::{Client, ClientSettings};
pub use guard::{Blocked, HostPolicy, Receivers};
pub use session::Session;
pub use work::Work;

use crate::{
    connector::Lane,
    error::{ConnectorError, LimitScope},
};
use std::time::Duration;

/// Why a call has no answer. An answer with a bad status is not an error here: its connector knows what it means.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is not one we call.
    #[error("address refused: {0}")]
    Blocked(#[from] Blocked),
    /// The session's connector does not declare this origin, so the token stays here.
    #[error("the token may not be sent to {host}")]
    ForeignOrigin {
        /// Where the call would have gone.
        host: String,
    },
    /// The token cannot be put into a header.
    #[error("the access token holds characters a header cannot carry")]
    BadToken,
    /// A time limit passed.
    #[error("no complete answer from {host} in time")]
    TimedOut {
        /// Who was called.
        host: String,
    },
    /// No connection, or a connection that broke before the answer was whole.
    #[error("the connection to {host} failed: {reason}")]
    Broken {
        /// Who was called.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// More was answered than we read.
    #[error("the answer of {host} exceeds {cap} bytes")]
    TooLarge {
        /// Who was called.
        host: String,
        /// How much we read.
        cap: usize,
    },
    /// Our own pace forbids the call for longer than a caller should be held.
    #[error("the pace of this account allows the next call in {} ms", wait.as_millis())]
    Paced {
        /// Which budget.
        lane: Lane,
        /// How long.
        wait: Duration,
    },
    /// The client could not be made.
    #[error("the outgoing client could not be made: {0}")]
    Setup(String),
}

impl From<HttpError> for ConnectorError {
    fn from(error: HttpError) -> Self {
        let message = error.to_string();
        match error {
            HttpError::Paced { wait, .. } => Self::RateLimited {
                retry_after: wait,
                scope: LimitScope::Pace,
            },
            HttpError::TimedOut { .. } | HttpError::Broken { .. } => Self::transient(message),
            HttpError::Blocked(Blocked::NoAddress { .. }) => Self::transient(message),
            HttpError::Blocked(_) | HttpError::ForeignOrigin { .. } => {
                Self::permanent("address_blocked", message)
            }
            HttpError::TooLarge { .. } => Self::permanent("answer_too_large", message),
            HttpError::BadToken => Self::Auth {
                reconnect: false,
                message,
            },
            HttpError::Setup(_) => Self::permanent("client_setup", message),
        }
    }
}

#[cfg(test)]
mod tests;
