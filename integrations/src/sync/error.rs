//! Why a piece of the engine's work did not come to its end.
//!
//! Owns: the one error of this subsystem. Refuses: to flatten a vendor's answer into text: [`ConnectorError`] keeps its reaction, because the
//! engine decides by it whether to wait, to try again or to ask a person.

use crate::error::ConnectorError;
use crate::http::HttpError;
use crate::vault::VaultError;
use entities::connection::ConnectionStatus;
use entities::error::Error as EntityError;

/// The result of the engine's work.
pub type Result<T, E = SyncError> = std::result::Result<T, E>;

/// What stopped the work.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The vendor, or the way to it.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// Our own rows.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// A sealed value does not open, or could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// There is no such connection.
    #[error("there is no such connection")]
    UnknownConnection,
    /// This build has no such connector.
    #[error("this build has no connector {0:?}")]
    UnknownConnector(String),
    /// No app is configured for the connector.
    #[error("no app is configured for {0:?}: its client id and secret are missing")]
    NoApp(String),
    /// The connection may not be used now.
    #[error("the connection is {status:?}{}", reason.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    NotWorking {
        /// Where it stands.
        status: ConnectionStatus,
        /// Why.
        reason: Option<String>,
    },
    /// The answer to a consent belongs to no request of ours: never asked, used already, too late, or another browser's.
    #[error("this authorization was not asked for, is too old, or was used already: begin again")]
    UnknownConsent,
    /// The person did not grant what the connector cannot do without.
    #[error("the authorization lacks: {}", .0.join(", "))]
    MissingScopes(Vec<String>),
    /// Another account came back than the one whose consent was to be renewed.
    #[error("another account was authorized than the one of this connection; nothing was changed")]
    AnotherAccount,
    /// The vendor names two different accounts for one token.
    #[error("the vendor names two accounts for one authorization")]
    AmbiguousAccount,
}

impl From<HttpError> for SyncError {
    fn from(error: HttpError) -> Self {
        Self::Connector(error.into())
    }
}

impl SyncError {
    /// Stable code, for rows and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connector(error) => error.code(),
            Self::Entity(EntityError::LeaseLost) => "LEASE_LOST",
            Self::Entity(EntityError::Invalid(_)) => "REFUSED_HERE",
            Self::Entity(EntityError::Db(_)) => "DATABASE",
            Self::Entity(EntityError::Damaged(_)) => "DAMAGED",
            Self::Vault(_) => "VAULT",
            Self::UnknownConnection => "UNKNOWN_CONNECTION",
            Self::UnknownConnector(_) => "UNKNOWN_CONNECTOR",
            Self::NoApp(_) => "NO_APP",
            Self::NotWorking { .. } => "NOT_WORKING",
            Self::UnknownConsent => "UNKNOWN_CONSENT",
            Self::MissingScopes(_) => "MISSING_SCOPES",
            Self::AnotherAccount => "ANOTHER_ACCOUNT",
            Self::AmbiguousAccount => "AMBIGUOUS_ACCOUNT",
        }
    }

    /// Whether the same work may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Connector(error) => error.is_retryable(),
            Self::Entity(EntityError::Db(_) | EntityError::LeaseLost) => true,
            _ => false,
        }
    }

    /// Code and message, as rows keep it.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("{}: {self}", self.code())
    }
}
