//! The kinds of webhook signature.
//!
//! Owns: HMAC-SHA-256 over the parts a vendor signs, compared in constant time, in the encodings vendors use. Refuses: plain hashes of
//! secret and body (length extension, and vendors keep them only for old apps), lenient decoding, and an empty list of secrets or an
//! empty secret. Invariant: every secret is tried, so that the time taken does not tell which one matched.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// How a vendor writes the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower- or upper-case hexadecimal.
    Hex,
    /// Standard base64 with its padding.
    Base64,
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// One of the secrets made this signature.
    Yes,
    /// None did.
    No,
    /// It is not 32 bytes in this encoding.
    Malformed,
}

/// Whether `signature` is the HMAC-SHA-256 of the concatenated `parts` under one of the secrets.
#[must_use]
pub fn hmac_sha256(
    secrets: &[SecretString],
    parts: &[&[u8]],
    signature: &str,
    encoding: Encoding,
) -> Match {
    let decoded = match encoding {
        Encoding::Hex => hex::decode(signature).ok(),
        Encoding::Base64 => STANDARD.decode(signature).ok(),
    };
    let Some(given) = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
        return Match::Malformed;
    };
    let mut any = Choice::from(0);
    for secret in secrets {
        let secret = secret.expose_secret().as_bytes();
        let Some(expected) = digest(secret, parts) else {
            continue;
        };
        any |= expected.as_slice().ct_eq(given.as_slice());
    }
    if bool::from(any) {
        Match::Yes
    } else {
        Match::No
    }
}

/// The HMAC-SHA-256 of the parts; none under an empty key, which would be no secret at all.
fn digest(secret: &[u8], parts: &[&[u8]]) -> Option<[u8; 32]> {
    if secret.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    /// RFC 4231, test case 2.
    const HEX: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn the_published_case_matches_in_both_encodings_and_in_parts() {
        let base64 = STANDARD.encode(hex::decode(HEX).unwrap());
        let parts: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        assert_eq!(
            hmac_sha256(&secrets(&["Jefe"]), parts, HEX, Encoding::Hex),
            Match::Yes
        );
        assert_eq!(
            hmac_sha256(
                &secrets(&["Jefe"]),
                parts,
                &HEX.to_uppercase(),
                Encoding::Hex
            ),
            Match::Yes
        );
        assert_eq!(
            hmac_sha256(&secrets(&["new", "Jefe"]), parts, &base64, Encoding::Base64),
            Match::Yes
        );
        assert_eq!(
            hmac_sha256(&secrets(&["Jefe", "new"]), parts, &base64, Encoding::Base64),
            Match::Yes
        );
        assert_eq!(
            hmac_sha256(&secrets(&["jefe", "new"]), parts, &base64, Encoding::Base64),
            Match::No
        );
        assert_eq!(hmac_sha256(&[], parts, HEX, Encoding::Hex), Match::No);
    }

    #[test]
    fn other_spellings_are_malformed() {
        let base64 = STANDARD.encode(hex::decode(HEX).unwrap());
        for bad in [
            "",
            " ",
            HEX,
            &base64[..43],
            &format!("{base64}="),
            &format!(" {base64}"),
            &base64.replace('/', "_"),
        ] {
            if bad == base64 {
                continue;
            }
            assert_eq!(
                hmac_sha256(&secrets(&["Jefe"]), &[], bad, Encoding::Base64),
                Match::Malformed,
                "{bad:?}"
            );
        }
        assert_eq!(
            hmac_sha256(&secrets(&["Jefe"]), &[], &base64, Encoding::Hex),
            Match::Malformed
        );
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let mac = Hmac::<Sha256>::new_from_slice(b"")
            .unwrap()
            .finalize()
            .into_bytes();
        assert_eq!(
            hmac_sha256(&secrets(&[""]), &[], &hex::encode(mac), Encoding::Hex),
            Match::No
        );
    }

    proptest! {
        /// Flipping any bit of the signature or the message breaks the match.
        #[test]
        fn one_flipped_bit_is_enough(body in proptest::collection::vec(any::<u8>(), 1..64), bit in 0_usize..256) {
            let mut mac = digest(b"secret", &[&body]).unwrap();
            let keys = secrets(&["secret"]);
            prop_assert_eq!(hmac_sha256(&keys, &[&body], &hex::encode(mac), Encoding::Hex), Match::Yes);
            let mut other = body.clone();
            let at = bit % other.len();
            if let Some(byte) = other.get_mut(at) { *byte ^= 1; }
            prop_assert_eq!(hmac_sha256(&keys, &[&other], &hex::encode(mac), Encoding::Hex), Match::No);
            if let Some(byte) = mac.get_mut(bit / 8) { *byte ^= 1 << (bit % 8); }
            prop_assert_eq!(hmac_sha256(&keys, &[&body], &hex::encode(mac), Encoding::Hex), Match::No);
        }
    }
}
