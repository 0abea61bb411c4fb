//! Secrets that we give out: a client's secret, a code, a refresh token.
//!
//! Each is 256 bits of chance, so that nothing can be guessed and a plain SHA-256 is enough at rest: a slow hash protects what people
//! choose, and nobody chooses these. The secret itself is shown once, by whoever made it, and kept nowhere; passwords have no business here.

use crate::id::Ids;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A new secret: 43 characters that need no escaping anywhere.
#[must_use]
pub fn generate(ids: &Ids) -> SecretString {
    let mut bytes = [0_u8; 32];
    ids.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes).into()
}

/// What is kept of a secret: its SHA-256, in hex.
#[must_use]
pub fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Whether a presented secret is the one that was kept, in the same time wherever they differ.
#[must_use]
pub fn matches(presented: &str, kept: &str) -> bool {
    digest(presented).as_bytes().ct_eq(kept.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::SeededChance;
    use secrecy::ExposeSecret as _;
    use std::sync::Arc;

    #[test]
    fn a_secret_is_long_and_matches_itself_only() {
        let ids = Ids::new(Arc::new(SeededChance::new(4)));
        let (one, other) = (generate(&ids), generate(&ids));
        assert_eq!(one.expose_secret().len(), 43);
        let kept = digest(one.expose_secret());
        assert!(matches(one.expose_secret(), &kept));
        assert!(!matches(other.expose_secret(), &kept));
        assert!(!matches("", &kept));
        assert!(!matches(one.expose_secret(), ""));
    }
}
