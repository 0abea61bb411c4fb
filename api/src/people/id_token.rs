//! Reading a provider's ID token (OpenID Connect Core 1.0, 3.1.3.7).
//!
//! The token came straight from the provider over TLS and is verified all the same. The key decides which algorithm can have signed: a token's
//! header is asked only to agree, shared secrets are no keys here, and `crit` is refused, because nothing of what it could name is known. Issuer,
//! audience, end and nonce must be there and right; whatever else is missing gives nothing.
//!
//! It stands on jsonwebtoken over aws-lc, as our own tokens do, and not on the `openidconnect` crate: that one brings a second stack of
//! cryptography, in it an `rsa` with an advisory that has no mended version (RUSTSEC-2023-0071).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use entities::clock::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// Longer tokens are refused unread.
const LONGEST: usize = 16 * 1_024;
/// How far the provider's clock may be off, in seconds.
const SLACK_SECONDS: i64 = 60;
/// The longest name a provider may have for a person (OpenID Connect Core, 2).
const LONGEST_SUBJECT: usize = 255;

/// Why an ID token is not believed. It is for the log; whoever brought it learns only that it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdToken {
    /// It is no signed token.
    #[error("the ID token is malformed")]
    Malformed,
    /// None of the provider's keys has signed it.
    #[error("the ID token is not signed by a key of the provider")]
    Signature,
    /// It is another issuer's.
    #[error("the ID token is another issuer's")]
    Issuer,
    /// It is for somebody else.
    #[error("the ID token is for another client")]
    Audience,
    /// It has ended, or begins in the future.
    #[error("the ID token is out of its time")]
    Time,
    /// It answers another request.
    #[error("the ID token answers another request")]
    Nonce,
    /// It names nobody.
    #[error("the ID token names nobody")]
    Subject,
}

/// What must be true of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer, byte by byte.
    pub issuer: &'a str,
    /// Our registration there.
    pub client_id: &'a str,
    /// That of our request.
    pub nonce: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// What a provider says of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's own name for the person, which never changes.
    pub subject: String,
    /// The address, if the provider vouches for it.
    pub verified_email: Option<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Verified {
    Switch(bool),
    Text(String),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Verified>,
}

/// Verifies a token with a provider's keys.
///
/// # Errors
/// [`InvalidIdToken`].
pub fn verify(
    token: &str,
    keys: &[Jwk],
    expected: Expected<'_>,
) -> Result<Identity, InvalidIdToken> {
    if token.len() > LONGEST {
        return Err(InvalidIdToken::Malformed);
    }
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(InvalidIdToken::Malformed);
    };
    let header: Header = part(head)?;
    if header.crit.is_some() {
        return Err(InvalidIdToken::Malformed);
    }
    let signed = token
        .get(..head.len() + 1 + body.len())
        .ok_or(InvalidIdToken::Malformed)?;
    let signed_by_one = keys
        .iter()
        .filter(|key| header.kid.is_none() || key.common.key_id == header.kid)
        .filter_map(|key| Some((key, algorithm(key, &header.alg)?)))
        .take(10)
        .any(|(key, algorithm)| {
            DecodingKey::from_jwk(key).is_ok_and(|key| {
                jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, algorithm)
                    .unwrap_or(false)
            })
        });
    if !signed_by_one {
        return Err(InvalidIdToken::Signature);
    }
    judge(part(body)?, expected)
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, InvalidIdToken> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| InvalidIdToken::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| InvalidIdToken::Malformed)
}

/// The algorithm by which a key can have signed what a header says; none when the key says otherwise.
fn algorithm(key: &Jwk, header: &str) -> Option<Algorithm> {
    if key
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|usage| *usage != PublicKeyUse::Signature)
    {
        return None;
    }
    if key
        .common
        .key_algorithm
        .is_some_and(|own| own.to_string() != header)
    {
        return None;
    }
    match (&key.algorithm, header) {
        (AlgorithmParameters::RSA(_), "RS256") => Some(Algorithm::RS256),
        (AlgorithmParameters::RSA(_), "RS384") => Some(Algorithm::RS384),
        (AlgorithmParameters::RSA(_), "RS512") => Some(Algorithm::RS512),
        (AlgorithmParameters::RSA(_), "PS256") => Some(Algorithm::PS256),
        (AlgorithmParameters::RSA(_), "PS384") => Some(Algorithm::PS384),
        (AlgorithmParameters::RSA(_), "PS512") => Some(Algorithm::PS512),
        (AlgorithmParameters::EllipticCurve(key), "ES256") if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        (AlgorithmParameters::EllipticCurve(key), "ES384") if key.curve == EllipticCurve::P384 => {
            Some(Algorithm::ES384)
        }
        (AlgorithmParameters::OctetKeyPair(key), "EdDSA")
            if key.curve == EllipticCurve::Ed25519 =>
        {
            Some(Algorithm::EdDSA)
        }
        _ => None,
    }
}

fn judge(claims: Claims, expected: Expected<'_>) -> Result<Identity, InvalidIdToken> {
    if claims.iss != expected.issuer {
        return Err(InvalidIdToken::Issuer);
    }
    let (ours, alone) = match &claims.aud {
        Audience::One(one) => (one == expected.client_id, true),
        Audience::Several(all) => (
            all.iter().any(|one| one == expected.client_id),
            all.len() == 1,
        ),
    };
    let party = match &claims.azp {
        Some(party) => party == expected.client_id,
        None => alone,
    };
    if !ours || !party {
        return Err(InvalidIdToken::Audience);
    }
    let seconds = |at: f64| {
        // Beyond what a double holds exactly nobody means an instant.
        (at.is_finite() && at.abs() < 9.0e15).then_some(at)
    };
    let now = expected.now.micros() as f64 / 1e6;
    let slack = SLACK_SECONDS as f64;
    let ends = seconds(claims.exp).ok_or(InvalidIdToken::Time)?;
    let begins_later = [claims.iat, claims.nbf]
        .into_iter()
        .flatten()
        .any(|at| seconds(at).is_none_or(|at| at > now + slack));
    if ends + slack <= now || begins_later {
        return Err(InvalidIdToken::Time);
    }
    let nonce = claims.nonce.unwrap_or_default();
    let right: bool = nonce.as_bytes().ct_eq(expected.nonce.as_bytes()).into();
    if !right || expected.nonce.is_empty() {
        return Err(InvalidIdToken::Nonce);
    }
    // Not every database takes U+0000, and no provider means it.
    let has_nul = |text: &String| text.contains('\0');
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT || has_nul(&claims.sub) {
        return Err(InvalidIdToken::Subject);
    }
    if claims.email.as_ref().is_some_and(has_nul) {
        return Err(InvalidIdToken::Malformed);
    }
    let vouched = match claims.email_verified {
        Some(Verified::Switch(vouched)) => vouched,
        // Some providers write the switch as a text.
        Some(Verified::Text(text)) => text == "true",
        None => false,
    };
    Ok(Identity {
        subject: claims.sub,
        verified_email: claims.email.filter(|_| vouched),
    })
}

#[cfg(test)]
mod tests;
