//! The keys that sign our tokens. One signs; all that are kept verify, found by their key id.
//!
//! A key states its own algorithm, EdDSA (Ed25519) or ES256; what a token's header says is never asked for more than to agree.
//! The id is the key's RFC 7638 thumbprint: it follows from the key, so that it can neither be chosen nor mixed up. Private
//! bytes leave only through [`SigningKey::to_secret_bytes`], to be sealed; they are never shown. Symmetric keys are not
//! representable, hence a public key can never be taken for a shared secret.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entities::chance::Chance;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// PKCS #8 v1 before the 32 bytes of an Ed25519 seed (RFC 8410).
const ED25519_PKCS8: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// PKCS #8 v1 before the 32 bytes of a P-256 scalar, the public key left out (RFC 5915, RFC 5958).
const P256_PKCS8: &[u8] = &[
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// Ed25519; the default.
    EdDsa,
    /// ECDSA on P-256 with SHA-256, for verifiers that know nothing newer.
    Es256,
}

impl SigningAlgorithm {
    /// As a header's `alg` writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    const fn jwt(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
        }
    }
}

/// Why a key cannot be used. It never says anything about the key's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no private key of a kind that signs here.
    #[error("not a PKCS #8 private key for Ed25519 or P-256")]
    NotAKey,
    /// The source of chance gave bytes that are no key, time after time.
    #[error("no key could be generated")]
    NoKey,
    /// Signing failed.
    #[error("the token could not be signed")]
    NotSigned,
}

/// The public half: it verifies, and it may be published.
#[derive(Clone, Debug)]
pub struct PublicKey {
    kid: String,
    algorithm: SigningAlgorithm,
    jwk: Value,
    decoding: DecodingKey,
}

impl PublicKey {
    fn new(algorithm: SigningAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        // The members of a thumbprint are the required ones, in the order of their names.
        let (thumbprint_of, mut jwk, decoding) = match algorithm {
            SigningAlgorithm::EdDsa => {
                let x = text(bytes);
                (
                    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
                    json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
                    DecodingKey::from_ed_der(bytes),
                )
            }
            SigningAlgorithm::Es256 => {
                let (Some(0x04), Some(x), Some(y), 65) = (
                    bytes.first(),
                    bytes.get(1..33),
                    bytes.get(33..65),
                    bytes.len(),
                ) else {
                    return Err(KeyError::NotAKey);
                };
                let (x, y) = (text(x), text(y));
                (
                    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
                    json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
                    DecodingKey::from_ec_der(bytes),
                )
            }
        };
        let kid = text(&Sha256::digest(thumbprint_of.as_bytes()));
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), kid.clone().into());
            members.insert("alg".into(), algorithm.as_str().into());
            members.insert("use".into(), "sig".into());
        }
        Ok(Self {
            kid,
            algorithm,
            jwk,
            decoding,
        })
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The key as a JSON Web Key (RFC 7517).
    #[must_use]
    pub const fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Whether `signature` (base64url) is this key's over `message`, by this key's algorithm.
    #[must_use]
    pub fn verifies(&self, signature: &str, message: &[u8]) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, self.algorithm.jwt())
            .unwrap_or(false)
    }
}

/// A key that signs.
pub struct SigningKey {
    public: PublicKey,
    pkcs8: SecretSlice<u8>,
    encoding: EncodingKey,
}

impl SigningKey {
    /// Makes a new Ed25519 key.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] when chance gives nothing usable.
    pub fn generate(chance: &dyn Chance) -> Result<Self, KeyError> {
        Self::generate_for(SigningAlgorithm::EdDsa, chance)
    }

    /// Makes a new key for an algorithm.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] when chance gives nothing usable.
    pub fn generate_for(
        algorithm: SigningAlgorithm,
        chance: &dyn Chance,
    ) -> Result<Self, KeyError> {
        let prefix = match algorithm {
            SigningAlgorithm::EdDsa => ED25519_PKCS8,
            SigningAlgorithm::Es256 => P256_PKCS8,
        };
        // One in 2^32 scalars lies outside of P-256's order; a few tries are more than enough.
        for _ in 0..8 {
            let mut pkcs8 = vec![0_u8; prefix.len() + 32];
            let (head, secret) = pkcs8.split_at_mut(prefix.len());
            head.copy_from_slice(prefix);
            chance.fill(secret);
            if let Ok(key) = Self::from_secret_bytes(&SecretSlice::from(pkcs8)) {
                return Ok(key);
            }
        }
        Err(KeyError::NoKey)
    }

    /// The key from its stored bytes (PKCS #8), which say what kind of key it is.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`].
    pub fn from_secret_bytes(pkcs8: &SecretSlice<u8>) -> Result<Self, KeyError> {
        let bytes = pkcs8.expose_secret();
        let (public, encoding) = if let Ok(pair) = Ed25519KeyPair::from_pkcs8(bytes) {
            (
                PublicKey::new(SigningAlgorithm::EdDsa, pair.public_key().as_ref())?,
                EncodingKey::from_ed_der(bytes),
            )
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes)
                .map_err(|_| KeyError::NotAKey)?;
            (
                PublicKey::new(SigningAlgorithm::Es256, pair.public_key().as_ref())?,
                EncodingKey::from_ec_der(bytes),
            )
        };
        Ok(Self {
            public,
            pkcs8: pkcs8.clone(),
            encoding,
        })
    }

    /// The private key (PKCS #8), to be sealed before it is stored.
    #[must_use]
    pub const fn to_secret_bytes(&self) -> &SecretSlice<u8> {
        &self.pkcs8
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`; the answer is base64url.
    ///
    /// # Errors
    /// [`KeyError::NotSigned`].
    pub fn sign(&self, message: &[u8]) -> Result<String, KeyError> {
        jsonwebtoken::crypto::sign(message, &self.encoding, self.public.algorithm.jwt())
            .map_err(|_| KeyError::NotSigned)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.public.kid)
            .finish_non_exhaustive()
    }
}

/// The key that signs now, and those whose tokens are still accepted.
#[derive(Debug)]
pub struct KeyRing {
    current: SigningKey,
    previous: Vec<PublicKey>,
}

impl KeyRing {
    /// A ring. `previous` may hold the current key's public half; it counts once.
    #[must_use]
    pub fn new(current: SigningKey, previous: Vec<PublicKey>) -> Self {
        let previous = previous
            .into_iter()
            .filter(|key| key.kid != current.public.kid)
            .collect();
        Self { current, previous }
    }

    /// The key that signs.
    #[must_use]
    pub const fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The verifying key with this id.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.verifying().find(|key| key.kid == kid)
    }

    /// The published key set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({"keys": self.verifying().map(PublicKey::jwk).collect::<Vec<_>>()})
    }

    fn verifying(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&self.current.public).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use entities::chance::SeededChance;

    const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256];

    #[test]
    fn a_key_survives_its_bytes_and_verifies_only_its_own() {
        for algorithm in BOTH {
            let chance = SeededChance::new(5);
            let key = SigningKey::generate_for(algorithm, &chance).unwrap();
            let other = SigningKey::generate_for(algorithm, &chance).unwrap();
            let again = SigningKey::from_secret_bytes(key.to_secret_bytes()).unwrap();
            assert_eq!(
                (again.public().kid(), again.public().algorithm()),
                (key.public().kid(), algorithm)
            );
            let signature = again.sign(b"message").unwrap();
            assert!(key.public().verifies(&signature, b"message"));
            assert!(!key.public().verifies(&signature, b"messagf"));
            assert!(!other.public().verifies(&signature, b"message"));
            assert!(!key.public().verifies("", b"message"));
        }
    }

    #[test]
    fn the_id_is_the_thumbprint_of_rfc_8037() {
        // RFC 8037, appendices A.1 and A.3.
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let key =
            SigningKey::from_secret_bytes(&SecretSlice::from([ED25519_PKCS8, &seed].concat()))
                .unwrap();
        assert_eq!(
            key.public().jwk()["x"],
            "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        );
        assert_eq!(
            key.public().kid(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn other_bytes_are_no_key() {
        for bytes in [
            vec![],
            vec![0; 32],
            ED25519_PKCS8.to_vec(),
            [P256_PKCS8, &[0; 32]].concat(),
            [P256_PKCS8, &[0xFF; 32]].concat(),
        ] {
            assert_eq!(
                SigningKey::from_secret_bytes(&SecretSlice::from(bytes)).err(),
                Some(KeyError::NotAKey)
            );
        }
    }

    #[test]
    fn a_ring_publishes_each_key_once_and_no_private_part() {
        let chance = SeededChance::new(6);
        let old = SigningKey::generate_for(SigningAlgorithm::Es256, &chance).unwrap();
        let new = SigningKey::generate(&chance).unwrap();
        let ring = KeyRing::new(new, vec![old.public().clone()]);
        let ring = KeyRing::new(
            SigningKey::from_secret_bytes(ring.current().to_secret_bytes()).unwrap(),
            vec![ring.current().public().clone(), old.public().clone()],
        );
        let keys = ring.jwks()["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 2);
        assert!(
            keys.iter()
                .all(|key| key.get("d").is_none() && key["use"] == "sig")
        );
        assert!(ring.find(old.public().kid()).is_some());
        assert!(ring.find("").is_none());
        assert!(!format!("{ring:?}").contains("pkcs8"));
    }
}
