//! The proof that whoever redeems a code is who asked for it (RFC 7636): always, and by S256 only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The one method.
pub const METHOD: &str = "S256";

/// Whether a text can be a challenge: the SHA-256 of something, in base64url.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether a text can be a verifier: 43 to 128 letters, digits and `-._~`.
#[must_use]
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// The challenge that belongs to a verifier.
#[must_use]
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Whether a verifier is the one behind a challenge.
#[must_use]
pub fn proves(verifier: &str, challenge: &str) -> bool {
    is_verifier(verifier)
        && bool::from(
            challenge_of(verifier)
                .as_bytes()
                .ct_eq(challenge.as_bytes()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(challenge_of(verifier), challenge);
        assert!(is_challenge(challenge) && proves(verifier, challenge));
        // A verifier sent as its own challenge is the downgrade to `plain`.
        assert!(!proves(verifier, verifier));
        assert!(!proves(challenge, challenge));
    }

    #[test]
    fn what_is_too_short_or_written_otherwise_is_neither() {
        for text in [
            "",
            "short",
            &"a".repeat(42),
            &"a".repeat(129),
            &"é".repeat(30),
        ] {
            assert!(!is_verifier(text), "{text}");
        }
        for text in [
            "",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=",
            &"a".repeat(44),
        ] {
            assert!(!is_challenge(text), "{text}");
        }
    }
}
