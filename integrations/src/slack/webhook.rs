//! What Slack sends: who may send it, and what it says.
//!
//! Owns: signature version 0, the challenge of a new address, the telling apart of events (JSON) and presses (a form). Refuses: everything
//! without a signature of the signing secret, a stamp more than five minutes away, hexadecimal in capitals (one signature has one spelling), and
//! the old verification token, which proves nothing. Invariant: what is signed is the raw body, byte for byte, also where it is a form.

mod actions;
mod events;

use super::Slack;
use crate::{
    error::{ConnectorError, Result},
    signature::{Encoding, Match, hmac_sha256},
    webhook::{
        Delivery, Door, InboundRequest, Reason, Signals, Verdict, WebhookResponse, Webhooks,
    },
};
use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// How far Slack's time stamp may be from ours, either way.
const TOLERANCE_MS: u64 = 300_000;
/// The longest challenge that is repeated.
const CHALLENGE: usize = 512;

/// As much of a JSON body as decides what becomes of the request.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    challenge: Option<String>,
    #[serde(default)]
    event_id: Option<String>,
}

/// The time stamp of a request in milliseconds: digits and nothing else, so that no sign, blank, fraction or word passes.
fn timestamp(text: &str) -> Option<i64> {
    let digits =
        !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = if digits {
        text.parse().ok()?
    } else {
        return None;
    };
    seconds.checked_mul(1000)
}

impl Webhooks for Slack {
    fn door(&self) -> Door {
        Door::App
    }

    fn verify(
        &self,
        secrets: &[SecretString],
        request: &InboundRequest<'_>,
        now_ms: i64,
    ) -> Verdict {
        if secrets.is_empty() {
            return Verdict::Rejected(Reason::NoSecret);
        }
        let Some(signature) = request.header("x-slack-signature") else {
            return Verdict::Rejected(Reason::MissingSignature);
        };
        let stamp_text = request.header("x-slack-request-timestamp");
        let Some((stamp_text, stamp)) = stamp_text.and_then(|text| Some((text, timestamp(text)?)))
        else {
            return Verdict::Rejected(Reason::MissingTimestamp);
        };
        if now_ms.abs_diff(stamp) > TOLERANCE_MS {
            return Verdict::Rejected(if stamp > now_ms {
                Reason::Future
            } else {
                Reason::Stale
            });
        }
        let hex = signature
            .strip_prefix("v0=")
            .filter(|hex| !hex.bytes().any(|byte| byte.is_ascii_uppercase()));
        let Some(hex) = hex else {
            return Verdict::Rejected(Reason::MalformedSignature);
        };
        let parts: [&[u8]; 4] = [b"v0:", stamp_text.as_bytes(), b":", request.body];
        match hmac_sha256(secrets, &parts, hex, Encoding::Hex) {
            Match::Malformed => Verdict::Rejected(Reason::MalformedSignature),
            Match::No => Verdict::Rejected(Reason::WrongSignature),
            Match::Yes => admitted(request.body),
        }
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Signals> {
        match form_payload(delivery.body) {
            Some(payload) => actions::parse(&payload),
            None => events::parse(delivery.body),
        }
    }

    /// A press is answered 200 with nothing: any text would be taken for an answer to the person.
    fn accepted(&self) -> WebhookResponse {
        WebhookResponse {
            status: 200,
            content_type: "text/plain",
            body: String::new(),
        }
    }
}

/// What becomes of a request that Slack has signed.
fn admitted(body: &[u8]) -> Verdict {
    let envelope = serde_json::from_slice::<Envelope>(body).ok();
    let challenge = envelope
        .as_ref()
        .filter(|envelope| envelope.kind == "url_verification")
        .and_then(|envelope| envelope.challenge.clone())
        .filter(|challenge| challenge.len() <= CHALLENGE);
    if let Some(challenge) = challenge {
        return Verdict::Challenge(WebhookResponse {
            status: 200,
            content_type: "text/plain",
            body: challenge,
        });
    }
    // Between attempts the envelope may change, the event's id does not. A press has none and is sent once.
    let event = envelope
        .filter(|envelope| envelope.kind == "event_callback")
        .and_then(|envelope| envelope.event_id)
        .filter(|id| !id.is_empty());
    let mut hash = Sha256::new();
    match &event {
        Some(id) => {
            hash.update(b"event:");
            hash.update(id.as_bytes());
        }
        None => {
            hash.update(b"body:");
            hash.update(body);
        }
    }
    Verdict::Accepted {
        dedupe_key: hex::encode(hash.finalize()),
    }
}

/// The payload of a form; none when the body is none. A form has no brace before its first name.
fn form_payload(body: &[u8]) -> Option<String> {
    let starts_json = body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_none_or(|byte| matches!(byte, b'{' | b'['));
    if starts_json {
        return None;
    }
    url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .map(|(_, value)| value.into_owned())
}

/// An instant as Slack prints it, `seconds.microseconds`, in milliseconds.
fn instant_ms(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = timestamp(seconds)?;
    let digits: String = fraction
        .chars()
        .take(3)
        .chain("000".chars())
        .take(3)
        .collect();
    whole.checked_add(timestamp(&digits)? / 1000)
}

fn unreadable(what: &str) -> ConnectorError {
    ConnectorError::schema(format!("Slack sent {what}"))
}

#[cfg(test)]
mod tests;
