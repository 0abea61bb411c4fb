//! The signing keys at rest: made at the first start, sealed by the vault, read again from time to time.
//!
//! The newest key signs, all of them verify. Two nodes that start first at the same moment each make one; reading again lets every node
//! learn the other's, as it does when a key is rotated. A key that the vault does not open stops the start: a server that could
//! not verify the tokens it issued before would lock everybody out without a word.

use crate::oauth::keys::{KeyError, KeyRing, SigningKey};
use crate::oauth::token::TokenAuthority;
use entities::chance::Chance;
use entities::database::Database;
use entities::signing_key;
use integrations::vault::{Binding, Vault, VaultError};
use secrecy::{ExposeSecret, SecretSlice};
use std::sync::Arc;
use std::time::Duration;

/// How often a running process looks for keys that others made.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database failed.
    #[error("the signing keys cannot be read: {0}")]
    Database(#[from] entities::error::Error),
    /// The vault has another master key than the one that sealed them.
    #[error(
        "the vault key does not open the stored signing key {kid}: it was sealed with another vault_key"
    )]
    Sealed {
        /// Which key.
        kid: String,
        /// What the vault said.
        source: VaultError,
    },
    /// A key could not be sealed.
    #[error("a signing key could not be sealed: {0}")]
    Vault(#[from] VaultError),
    /// A stored key is no key.
    #[error("a stored signing key is damaged: {0}")]
    Key(#[from] KeyError),
}

/// Reads the keys; the first start makes one.
///
/// # Errors
/// [`KeysError`].
pub async fn load(
    database: &Database,
    vault: &Vault,
    chance: &dyn Chance,
) -> Result<KeyRing, KeysError> {
    let mut rows = signing_key::list(database).await?;
    if rows.is_empty() {
        let key = SigningKey::generate(chance)?;
        let kid = key.public().kid().to_owned();
        let sealed = vault.seal(binding(&kid), key.to_secret_bytes().expose_secret())?;
        signing_key::insert(database, kid, sealed).await?;
        rows = signing_key::list(database).await?;
    }
    let mut opened = Vec::with_capacity(rows.len());
    for row in &rows {
        let bytes = vault
            .open(binding(&row.kid), &row.sealed)
            .map_err(|source| KeysError::Sealed {
                kid: row.kid.clone(),
                source,
            })?;
        opened.push(SigningKey::from_secret_bytes(&SecretSlice::from(
            bytes.to_vec(),
        ))?);
    }
    let mut keys = opened.into_iter();
    let current = keys.next().ok_or(KeyError::NoKey)?;
    Ok(KeyRing::new(
        current,
        keys.map(|key| key.public().clone()).collect(),
    ))
}

const fn binding(kid: &str) -> Binding<'_> {
    Binding {
        purpose: "signing_key.sealed",
        row: kid,
    }
}

/// Looks for keys of other nodes until the process ends.
pub async fn watch(
    database: Database,
    vault: Vault,
    tokens: Arc<TokenAuthority>,
    chance: Arc<dyn Chance>,
) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        match load(&database, &vault, chance.as_ref()).await {
            // Exchanging them forgets every verified token, so it is done only when there is something new.
            Ok(keys) if keys.jwks() != tokens.keys().jwks() => tokens.replace_keys(keys),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the signing keys could not be read again"),
        }
    }
}
