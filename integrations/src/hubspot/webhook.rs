//! HubSpot's webhooks: who may send them, and what they say.
//!
//! Owns: signature version 3 and the reading of event batches. Refuses: versions 1 and 2 altogether. Version 1 is sent beside 3 and is a
//! plain hash of secret and body: whoever could fall back to it could replay a body to another address at any time. Invariant: what
//! is signed is rebuilt from the configured public URL and the raw bytes, never from what the sender says of itself.
//!
//! HubSpot decodes a few escapes in the URL before it signs (see [`decoded`]); its own libraries do not, so they fail on such URLs.

mod events;

use super::HubSpot;
use crate::{
    error::Result,
    signature::{Encoding, Match, hmac_sha256},
    webhook::{
        Delivery, Door, InboundRequest, Reason, Signals, Verdict, WebhookResponse, Webhooks,
    },
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// How far HubSpot's time stamp may be from ours, either way.
const TOLERANCE_MS: u64 = 300_000;

/// The escapes HubSpot undoes before it signs a URL, and nothing else: `%20`, `%26` and `%3D` stay.
const DECODED: [(&str, char); 12] = [
    ("3A", ':'),
    ("2F", '/'),
    ("3F", '?'),
    ("40", '@'),
    ("21", '!'),
    ("24", '$'),
    ("27", '\''),
    ("28", '('),
    ("29", ')'),
    ("2A", '*'),
    ("2C", ','),
    ("3B", ';'),
];

/// A URL as HubSpot signs it. One pass: what an undone escape yields is not looked at again.
fn decoded(url: &str) -> Cow<'_, str> {
    if !url.contains('%') {
        return Cow::Borrowed(url);
    }
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let known = escape
            .get(1..3)
            .and_then(|hex| {
                DECODED
                    .iter()
                    .find(|(code, _)| code.eq_ignore_ascii_case(hex))
            })
            .zip(escape.get(3..));
        if let Some(((_, plain), after)) = known {
            out.push(*plain);
            rest = after;
        } else {
            out.push('%');
            rest = escape.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The time stamp of a request: digits and nothing else, so that no sign, blank, fraction or word passes.
fn timestamp(text: &str) -> Option<i64> {
    let digits =
        !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl Webhooks for HubSpot {
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
        let Some(signature) = request.header("x-hubspot-signature-v3") else {
            return Verdict::Rejected(Reason::MissingSignature);
        };
        let stamp_text = request.header("x-hubspot-request-timestamp");
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
        let url = decoded(request.public_url);
        let parts: [&[u8]; 4] = [
            request.method.as_bytes(),
            url.as_bytes(),
            request.body,
            stamp_text.as_bytes(),
        ];
        match hmac_sha256(secrets, &parts, signature, Encoding::Base64) {
            Match::Malformed => Verdict::Rejected(Reason::MalformedSignature),
            Match::No => Verdict::Rejected(Reason::WrongSignature),
            Match::Yes => Verdict::Accepted {
                dedupe_key: hex::encode(Sha256::digest(request.body)),
            },
        }
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Signals> {
        events::parse(delivery.body)
    }

    fn accepted(&self) -> WebhookResponse {
        WebhookResponse::empty()
    }
}

#[cfg(test)]
mod tests;
