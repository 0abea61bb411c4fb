//! The headers and the signature of Standard Webhooks.
//!
//! What is signed is `id.timestamp.body` by HMAC-SHA-256. While a secret is being rotated the header holds one signature for each, so that a receiver
//! may know either. Invariant: the time is that of the attempt, for receivers refuse what is older than a few minutes; the id is the delivery's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use entities::clock::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderName, HeaderValue};
use sha2::Sha256;

/// The message's id.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When it was sent, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures, each `v1,` and base64, with spaces between them.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The headers of a message; none without any key, for a message that nobody can check is not sent.
#[must_use]
pub fn headers(
    id: &str,
    at: Timestamp,
    body: &[u8],
    keys: &[&[u8]],
) -> Option<[(HeaderName, HeaderValue); 3]> {
    let seconds = at.secs().to_string();
    let mut signatures = Vec::with_capacity(keys.len());
    for key in keys.iter().filter(|key| !key.is_empty()) {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        signatures.push(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ));
    }
    if signatures.is_empty() {
        return None;
    }
    Some([
        (ID, HeaderValue::from_str(id).ok()?),
        (TIMESTAMP, HeaderValue::from_str(&seconds).ok()?),
        (
            SIGNATURE,
            HeaderValue::from_str(&signatures.join(" ")).ok()?,
        ),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_specifications_own_example_is_signed_alike() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_secs(1_614_265_330);
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let [(_, written), (_, seconds), (_, signature)] = headers(id, at, body, &[&key]).unwrap();
        assert_eq!(written, id);
        assert_eq!(seconds, "1614265330");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(headers(id, at, body, &[]).is_none());
        assert!(headers(id, at, body, &[b""]).is_none());
    }
}
