//! The vendor's two signatures: hex over the callback's parameters, base64 over a webhook's body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn sign(secret: &str, message: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        // HMAC takes keys of every length; an empty signature would be refused anyway.
        return Vec::new();
    };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// As the callback carries it.
pub(crate) fn hex(secret: &str, message: &[u8]) -> String {
    hex::encode(sign(secret, message))
}

/// As a webhook carries it.
pub(crate) fn base64(secret: &str, message: &[u8]) -> String {
    STANDARD.encode(sign(secret, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_of_the_hash() {
        // RFC 4231, case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex("Jefe", b"what do ya want for nothing?"), expected);
        assert_eq!(
            base64("Jefe", b"what do ya want for nothing?"),
            STANDARD.encode(hex::decode(expected).unwrap_or_default())
        );
    }
}
