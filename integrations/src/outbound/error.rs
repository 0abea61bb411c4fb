//! What can go wrong on the way out, besides what receivers do, which is kept in the delivery.

use crate::vault::VaultError;

/// The error of the way out.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The database failed, or a row is not what it should be.
    #[error(transparent)]
    Entity(#[from] entities::error::Error),
    /// A secret does not open.
    #[error("the secret of a webhook endpoint cannot be used: {0}")]
    Vault(#[from] VaultError),
}

/// The result of everything on the way out.
pub type Result<T, E = OutboundError> = std::result::Result<T, E>;
