//! The secrets that sign: made here, sealed by the vault, bound to their endpoint.
//!
//! Invariant: as text a secret is `whsec_` and 32 random bytes in base64, as Standard Webhooks write it; what signs is the bytes.

use crate::vault::{Binding, Vault, VaultError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use entities::id::{Ids, WebhookEndpointId};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// What a secret's text begins with.
pub const PREFIX: &str = "whsec_";

/// A new secret.
#[must_use]
pub fn generate(chance: &Ids) -> SecretString {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    chance.fill(bytes.as_mut_slice());
    format!("{PREFIX}{}", STANDARD.encode(bytes.as_slice())).into()
}

/// Seals a secret.
///
/// # Errors
/// When the vault cannot.
pub fn seal(
    vault: &Vault,
    endpoint: WebhookEndpointId,
    secret: &SecretString,
) -> Result<String, VaultError> {
    let row = endpoint.to_string();
    vault.seal(binding(&row), secret.expose_secret().as_bytes())
}

/// Opens a secret and answers the bytes that sign.
///
/// # Errors
/// When it does not open, or is no secret.
pub fn open(
    vault: &Vault,
    endpoint: WebhookEndpointId,
    sealed: &str,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let row = endpoint.to_string();
    let text = vault.open(binding(&row), sealed)?;
    let encoded = text
        .strip_prefix(PREFIX.as_bytes())
        .ok_or(VaultError::CannotOpen)?;
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| VaultError::CannotOpen)?;
    Ok(Zeroizing::new(bytes))
}

const fn binding(row: &str) -> Binding<'_> {
    Binding {
        purpose: "webhook_endpoint.secret",
        row,
    }
}
