//! The signing keys at rest: made at the first start, sealed by the vault, read again from time to time.
//!
//! Which key signs and which only verify follows from their rows and the clock ([`signing_key::stages`]). A rotated key is in the set of every process, and
//! published by it, before its turn to sign comes; one whose tokens have ended leaves the set. Two nodes that start first at the same moment each make
//! one; reading again lets every node learn the other's. A key that the vault does not open stops the start: a server that could not verify the tokens
//! it issued before would lock everybody out without a word.

use crate::oauth::keys::{KeyError, KeyRing, SigningKey};
use crate::oauth::token::{IssueError, TokenAuthority, TokenRequest};
use entities::chance::Chance;
use entities::change::{Author, Change, Origin};
use entities::database::Database;
use entities::signing_key::{self, Rotated, Stage};
use entities::token_revocation::ACCESS_TOKEN_SECONDS;
use integrations::vault::{Binding, Vault, VaultError};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// How often a running process looks for keys that others made, or whose turn has come.
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
    /// A token was not issued.
    #[error("the token cannot be made: {0}")]
    Issue(#[from] IssueError),
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
        let (key, sealed) = generate(vault, chance)?;
        signing_key::insert(database, key.public().kid().to_owned(), sealed).await?;
        rows = signing_key::list(database).await?;
    }
    let stages = signing_key::stages(&rows, database.now());
    let (mut current, mut others) = (None, Vec::with_capacity(rows.len()));
    for (row, stage) in rows.iter().zip(stages) {
        match stage {
            Stage::Signing => current = Some(open(vault, row)?),
            Stage::Published | Stage::Verifying { .. } => {
                others.push(open(vault, row)?);
            }
            Stage::Retired => {}
        }
    }
    // A clock that is behind that of the one who made the first key finds none whose turn has come: the oldest goes before its time.
    let current = match current {
        Some(key) => key,
        None => others.pop().ok_or(KeyError::NoKey)?,
    };
    Ok(KeyRing::new(
        current,
        others.iter().map(|key| key.public().clone()).collect(),
    ))
}

fn generate(vault: &Vault, chance: &dyn Chance) -> Result<(SigningKey, String), KeysError> {
    let key = SigningKey::generate(chance)?;
    let sealed = vault.seal(
        binding(key.public().kid()),
        key.to_secret_bytes().expose_secret(),
    )?;
    Ok((key, sealed))
}

fn open(vault: &Vault, row: &signing_key::Model) -> Result<SigningKey, KeysError> {
    let bytes = vault
        .open(binding(&row.kid), &row.sealed)
        .map_err(|source| KeysError::Sealed {
            kid: row.kid.clone(),
            source,
        })?;
    Ok(SigningKey::from_secret_bytes(&SecretSlice::from(
        bytes.to_vec(),
    ))?)
}

/// Makes a new key and says its id and what follows. With `distrust_others` the keys before are worth nothing from now on, and neither are their tokens.
///
/// # Errors
/// [`KeysError`].
pub async fn rotate(
    database: &Database,
    vault: &Vault,
    chance: &dyn Chance,
    distrust_others: bool,
) -> Result<(String, Rotated), KeysError> {
    let (key, sealed) = generate(vault, chance)?;
    let kid = key.public().kid().to_owned();
    let author = Author {
        actor: "entente keys".to_owned(),
        origin: Origin::Human,
        connection: None,
    };
    let mut change = Change::begin(database, author).await?;
    let rotated = signing_key::rotate(&mut change, kid.clone(), sealed, distrust_others).await?;
    change.commit().await?;
    Ok((kid, rotated))
}

/// Issues a token that may live longer than the usual ones, and sees to it that its key verifies as long.
///
/// # Errors
/// [`KeysError`].
pub async fn issue_long(
    database: &Database,
    tokens: &TokenAuthority,
    request: &TokenRequest,
    chance: &dyn Chance,
) -> Result<SecretString, KeysError> {
    if request.lifetime_seconds > ACCESS_TOKEN_SECONDS {
        let millis = request.lifetime_seconds.saturating_mul(1_000);
        let until = database.now().plus_millis(millis);
        let ring = tokens.keys();
        signing_key::note_long_token(database, ring.current().public().kid(), until).await?;
    }
    Ok(tokens.issue(request, chance)?)
}

const fn binding(kid: &str) -> Binding<'_> {
    Binding {
        purpose: "signing_key.sealed",
        row: kid,
    }
}

/// Looks for keys of other nodes, and for those whose turn has come or is over, until the process ends.
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
