//! A client's public key, and what it verifies. The algorithm is the key's own and never the one that a header names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// The algorithms by which clients may sign. Ed25519 is what RFC 9864 calls EdDSA with such a key; both names are in use.
pub const ALGORITHMS: [&str; 5] = ["EdDSA", "Ed25519", "ES256", "RS256", "PS256"];

/// A key of a client's registered set.
pub struct ClientKey {
    kid: Option<String>,
    names: &'static [&'static str],
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl ClientKey {
    /// The keys of a set. One that cannot be read is none: it verifies nothing.
    #[must_use]
    pub fn of_set(set: &Value) -> Vec<Self> {
        let keys = set.get("keys").and_then(Value::as_array);
        keys.into_iter().flatten().filter_map(Self::read).collect()
    }

    fn read(key: &Value) -> Option<Self> {
        let text = |member: &str| key.get(member).and_then(Value::as_str);
        let (names, algorithm, decoding): (&[&str], _, _) =
            match (text("kty")?, text("crv"), text("alg")) {
                ("OKP", Some("Ed25519"), None | Some("EdDSA" | "Ed25519")) => (
                    &["EdDSA", "Ed25519"],
                    Algorithm::EdDSA,
                    DecodingKey::from_ed_components(text("x")?).ok()?,
                ),
                ("EC", Some("P-256"), None | Some("ES256")) => (
                    &["ES256"],
                    Algorithm::ES256,
                    DecodingKey::from_ec_components(text("x")?, text("y")?).ok()?,
                ),
                ("RSA", None, Some("RS256")) => (&["RS256"], Algorithm::RS256, rsa(key)?),
                ("RSA", None, Some("PS256")) => (&["PS256"], Algorithm::PS256, rsa(key)?),
                _ => return None,
            };
        Some(Self {
            kid: text("kid").map(str::to_owned),
            names,
            algorithm,
            decoding,
        })
    }

    /// Whether it may be the key that a header means: by its algorithm, and by its id where both have one.
    #[must_use]
    pub fn is_meant_by(&self, kid: Option<&str>, alg: &str) -> bool {
        let is_same = match (kid, self.kid.as_deref()) {
            (Some(named), Some(own)) => named == own,
            _ => true,
        };
        self.names.contains(&alg) && is_same
    }

    /// Whether `signature` (base64url) is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, signature: &str, message: &str) -> bool {
        // Other spellings of the same bytes are refused: there is one way to write a signature.
        URL_SAFE_NO_PAD.decode(signature).is_ok()
            && jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                &self.decoding,
                self.algorithm,
            )
            .unwrap_or(false)
    }
}

fn rsa(key: &Value) -> Option<DecodingKey> {
    let text = |member: &str| key.get(member).and_then(Value::as_str);
    DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()
}
