//! Secrets at rest: envelope encryption.
//!
//! Owns: sealing and opening of the secrets we keep (tokens, app secrets, signing keys) and the rotation of the master key. Refuses:
//! to open anything under another purpose or row than it was sealed for, and to say why it would not open: a wrong key, another
//! row and a changed byte look the same. Invariant: every value has its own random data key; the master key encrypts nothing but data
//! keys, so rotating it rewrites 48 bytes per value and never the value.
//!
//! Text format, version 1: `v1.KEY.WRAP.DATA`. KEY is the first eight bytes of the SHA-256 of the master key, in hexadecimal; WRAP is
//! a 24-byte nonce and the encrypted data key; DATA is a 24-byte nonce and the encrypted value; both XChaCha20-Poly1305, in
//! unpadded URL-safe base64. What binds them: a label, the purpose and the row, each with its length.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use entities::chance::Chance;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use zeroize::Zeroizing;

const VERSION: &str = "v1";
const NONCE: usize = 24;

/// Why the vault refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The master key is not 32 random bytes in base64.
    #[error("the master key must be 32 random bytes in base64")]
    InvalidKey,
    /// The value does not open: another key, another purpose or row, or changed bytes.
    #[error("the sealed value does not open")]
    CannotOpen,
    /// The value could not be sealed.
    #[error("the value could not be sealed")]
    CannotSeal,
}

/// A key that encrypts data keys.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: String,
}

impl MasterKey {
    /// Reads 32 bytes of base64 (standard or URL-safe, with or without padding). Bytes that are all alike are refused: they
    /// are a placeholder, not a key.
    ///
    /// # Errors
    /// [`VaultError::InvalidKey`].
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let plain = text.expose_secret().trim().trim_end_matches('=');
        let standard: Zeroizing<String> = Zeroizing::new(plain.replace('+', "-").replace('/', "_"));
        let decoded = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(standard.as_bytes())
                .map_err(|_| VaultError::InvalidKey)?,
        );
        let bytes: [u8; 32] = decoded
            .as_slice()
            .try_into()
            .map_err(|_| VaultError::InvalidKey)?;
        let [first, ..] = bytes;
        if bytes.iter().all(|byte| *byte == first) {
            return Err(VaultError::InvalidKey);
        }
        Ok(Self::from_bytes(Zeroizing::new(bytes)))
    }

    /// A new key, and its text for whoever keeps it.
    #[must_use]
    pub fn generate(chance: &dyn Chance) -> (Self, SecretString) {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        chance.fill(bytes.as_mut_slice());
        let text = STANDARD.encode(bytes.as_slice());
        (Self::from_bytes(bytes), text.into())
    }

    fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        let digest = Sha256::digest(bytes.as_slice());
        let id = hex::encode(digest.iter().take(8).copied().collect::<Vec<u8>>());
        Self { bytes, id }
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// What a sealed value belongs to. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// What it is for: the table and column, for instance.
    pub purpose: &'a str,
    /// Which row it is in.
    pub row: &'a str,
}

impl Binding<'_> {
    fn bytes(self, label: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(label.len() + self.purpose.len() + self.row.len() + 24);
        for part in [label, self.purpose, self.row] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    current: MasterKey,
    previous: Vec<MasterKey>,
    chance: Arc<dyn Chance>,
}

impl Vault {
    /// A vault that seals with `current` and also opens what the `previous` keys sealed.
    #[must_use]
    pub fn new(current: MasterKey, previous: Vec<MasterKey>, chance: Arc<dyn Chance>) -> Self {
        Self {
            current,
            previous,
            chance,
        }
    }

    /// Seals a value for one place.
    ///
    /// # Errors
    /// [`VaultError::CannotSeal`], for a value beyond what the cipher takes.
    pub fn seal(&self, binding: Binding<'_>, value: &[u8]) -> Result<String, VaultError> {
        let mut data_key = Zeroizing::new([0_u8; 32]);
        self.chance.fill(data_key.as_mut_slice());
        let data = self.encrypt(&data_key, value, &binding.bytes("entente vault value"))?;
        let wrap = self.encrypt(
            &self.current.bytes,
            data_key.as_slice(),
            &binding.bytes("entente vault key"),
        )?;
        Ok(format!("{VERSION}.{}.{wrap}.{data}", self.current.id))
    }

    /// Opens what was sealed for the same place.
    ///
    /// # Errors
    /// [`VaultError::CannotOpen`].
    pub fn open(
        &self,
        binding: Binding<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let parts = Parts::of(sealed)?;
        let data_key = self.unwrap_key(binding, &parts)?;
        decrypt(&data_key, parts.data, &binding.bytes("entente vault value"))
    }

    /// What a value looks like under the current master key: the same for the same value and place, and telling nothing of it to whoever has not
    /// the key. For values that are looked for but should not be readable, and for proofs that we made something. Not for passwords.
    #[must_use]
    pub fn fingerprint(&self, binding: Binding<'_>) -> String {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        // A key of any length is one; HMAC refuses none.
        let mac = Hmac::<Sha256>::new_from_slice(self.current.bytes.as_slice());
        let tag = mac.map(|mac| {
            mac.chain_update(binding.bytes("entente vault fingerprint"))
                .finalize()
                .into_bytes()
        });
        tag.map(|tag| URL_SAFE_NO_PAD.encode(tag))
            .unwrap_or_default()
    }

    /// Whether a value is still under a previous key.
    #[must_use]
    pub fn needs_rewrap(&self, sealed: &str) -> bool {
        Parts::of(sealed).is_ok_and(|parts| parts.key_id != self.current.id)
    }

    /// Moves a value under the current key. Its own bytes stay encrypted and unchanged.
    ///
    /// # Errors
    /// [`VaultError::CannotOpen`].
    pub fn rewrap(&self, binding: Binding<'_>, sealed: &str) -> Result<String, VaultError> {
        let parts = Parts::of(sealed)?;
        let data_key = self.unwrap_key(binding, &parts)?;
        let wrap = self.encrypt(
            &self.current.bytes,
            data_key.as_slice(),
            &binding.bytes("entente vault key"),
        )?;
        Ok(format!(
            "{VERSION}.{}.{wrap}.{}",
            self.current.id, parts.data
        ))
    }

    fn unwrap_key(
        &self,
        binding: Binding<'_>,
        parts: &Parts<'_>,
    ) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let master = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id == parts.key_id)
            .ok_or(VaultError::CannotOpen)?;
        let opened = decrypt(
            &master.bytes,
            parts.wrap,
            &binding.bytes("entente vault key"),
        )?;
        Ok(Zeroizing::new(
            opened
                .as_slice()
                .try_into()
                .map_err(|_| VaultError::CannotOpen)?,
        ))
    }

    fn encrypt(&self, key: &[u8; 32], plain: &[u8], aad: &[u8]) -> Result<String, VaultError> {
        let mut nonce = [0_u8; NONCE];
        self.chance.fill(&mut nonce);
        let cipher = XChaCha20Poly1305::new(&(*key).into());
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
            .map_err(|_| VaultError::CannotSeal)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), sealed.as_slice()].concat()))
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("current", &self.current)
            .field("previous", &self.previous)
            .finish_non_exhaustive()
    }
}

fn decrypt(key: &[u8; 32], sealed: &str, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(sealed)
        .map_err(|_| VaultError::CannotOpen)?;
    let (nonce, msg) = bytes
        .split_first_chunk::<NONCE>()
        .ok_or(VaultError::CannotOpen)?;
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    let plain = cipher
        .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
        .map_err(|_| VaultError::CannotOpen)?;
    Ok(Zeroizing::new(plain))
}

struct Parts<'a> {
    key_id: &'a str,
    wrap: &'a str,
    data: &'a str,
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a str) -> Result<Self, VaultError> {
        let mut parts = sealed.split('.');
        match (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) {
            (Some(VERSION), Some(key_id), Some(wrap), Some(data), None) => {
                Ok(Self { key_id, wrap, data })
            }
            _ => Err(VaultError::CannotOpen),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use entities::chance::SeededChance;
    use proptest::prelude::*;

    const HERE: Binding<'_> = Binding {
        purpose: "connection.tokens",
        row: "conn_1",
    };

    fn key(seed: u64) -> MasterKey {
        MasterKey::generate(&SeededChance::new(seed)).0
    }

    fn vault(current: u64, previous: &[u64]) -> Vault {
        let chance = Arc::new(SeededChance::new(current * 31 + 7));
        Vault::new(
            key(current),
            previous.iter().map(|seed| key(*seed)).collect(),
            chance,
        )
    }

    #[test]
    fn a_key_is_32_bytes_that_differ() {
        let (_, text) = MasterKey::generate(&SeededChance::new(1));
        assert!(MasterKey::parse(&text).is_ok());
        let url_safe = text
            .expose_secret()
            .replace('+', "-")
            .replace('/', "_")
            .replace('=', "");
        assert_eq!(
            MasterKey::parse(&url_safe.into()).unwrap().id,
            MasterKey::parse(&text).unwrap().id
        );
        for bad in [
            "",
            "short",
            &STANDARD.encode([7; 32]),
            &STANDARD.encode([0; 32]),
            &STANDARD.encode([1, 2, 3]),
            "!!!!",
        ] {
            assert_eq!(
                MasterKey::parse(&bad.to_owned().into()).err(),
                Some(VaultError::InvalidKey),
                "{bad}"
            );
        }
    }

    #[test]
    fn it_opens_only_where_it_was_sealed() {
        let vault = vault(1, &[]);
        let sealed = vault.seal(HERE, b"token").unwrap();
        assert_eq!(vault.open(HERE, &sealed).unwrap().as_slice(), b"token");
        for (purpose, row) in [
            ("connection.tokens", "conn_2"),
            ("connection.token", "sconn_1"),
            ("app", "conn_1"),
            ("", ""),
        ] {
            assert_eq!(
                vault.open(Binding { purpose, row }, &sealed),
                Err(VaultError::CannotOpen)
            );
        }
        assert_eq!(
            super::tests::vault(2, &[]).open(HERE, &sealed),
            Err(VaultError::CannotOpen)
        );
        assert_ne!(sealed, vault.seal(HERE, b"token").unwrap());
    }

    #[test]
    fn rotation_rewraps_and_then_the_old_key_may_go() {
        let sealed = vault(1, &[]).seal(HERE, b"token").unwrap();
        let both = vault(2, &[1]);
        assert!(both.needs_rewrap(&sealed));
        assert_eq!(both.open(HERE, &sealed).unwrap().as_slice(), b"token");
        let moved = both.rewrap(HERE, &sealed).unwrap();
        assert!(!both.needs_rewrap(&moved));
        assert_eq!(sealed.rsplit('.').next(), moved.rsplit('.').next());
        assert_eq!(
            vault(2, &[]).open(HERE, &moved).unwrap().as_slice(),
            b"token"
        );
        assert_eq!(
            vault(1, &[]).open(HERE, &moved),
            Err(VaultError::CannotOpen)
        );
    }

    #[test]
    fn nothing_shows_a_key() {
        let (key, text) = MasterKey::generate(&SeededChance::new(3));
        let shown = format!(
            "{:?}",
            Vault::new(key, vec![], Arc::new(SeededChance::new(1)))
        );
        assert!(!shown.contains(&text.expose_secret()[..8]));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_nothing_else_does(
            value in proptest::collection::vec(any::<u8>(), 0..200),
            purpose in ".{0,20}", row in ".{0,20}", at in any::<proptest::sample::Index>(), to in "[A-Za-z0-9_.-]",
        ) {
            let vault = vault(5, &[]);
            let here = Binding { purpose: &purpose, row: &row };
            let sealed = vault.seal(here, &value).unwrap();
            prop_assert_eq!(vault.open(here, &sealed).unwrap().to_vec(), value);
            let at = at.index(sealed.len());
            let mut changed = sealed.clone();
            changed.replace_range(at..=at, &to);
            if changed != sealed {
                prop_assert_eq!(vault.open(here, &changed), Err(VaultError::CannotOpen));
            }
            let mut shorter = sealed;
            shorter.truncate(at);
            prop_assert_eq!(vault.open(here, &shorter), Err(VaultError::CannotOpen));
        }
    }
}
