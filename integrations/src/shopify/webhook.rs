//! Shopify's webhooks: who may send them, and which delivery is which.
//!
//! Owns: the signature over the raw body and the names of the headers. Refuses: a delivery whose signature came twice or in both spellings, and the
//! headers as proof of anything: they are not signed. What they say is believed as far as it only makes us look; what acts at once (an app
//! removed, a person erased) must say in its signed body whose it is. Invariant: a retry has the key of its first attempt.
//!
//! Header names are known in two spellings: `X-Shopify-…`, and the newer `shopify-…` of events. `Webhook-Id` is the same for all attempts of
//! a delivery. `Event-Id` is not used to tell repetitions: several topics of one action of a merchant share it. The scheme signs no time, so
//! an old delivery cannot be told from a new one but by that key; replayed, it makes us look again, which changes nothing.

mod topics;

use super::{ID, Shopify, shop};
use crate::{
    error::Result,
    signature::{Encoding, Match, hmac_sha256},
    webhook::{
        Delivery, Door, InboundRequest, Reason, Signals, Verdict, WebhookResponse, Webhooks,
    },
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// What is stored beside a body.
const KEPT: [&str; 16] = [
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-shopify-webhook-id",
    "x-shopify-event-id",
    "x-shopify-triggered-at",
    "x-shopify-api-version",
    "x-shopify-name",
    "x-shopify-sub-topic",
    "shopify-topic",
    "shopify-shop-domain",
    "shopify-webhook-id",
    "shopify-event-id",
    "shopify-triggered-at",
    "shopify-api-version",
    "shopify-action",
    "shopify-resource-id",
];

/// Both spellings of a header's name.
fn spellings(name: &str) -> [String; 2] {
    [format!("x-shopify-{name}"), format!("shopify-{name}")]
}

/// The value of a header of a request, which must be there once and in one spelling.
fn sent<'a>(request: &InboundRequest<'a>, name: &str) -> Option<&'a str> {
    let names = spellings(name);
    let mut found = request
        .headers
        .iter()
        .filter(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value.as_str()),
        _ => None,
    }
}

/// The value of a header that was kept.
fn kept<'a>(delivery: &Delivery<'a>, name: &str) -> Option<&'a str> {
    let [one, other] = spellings(name);
    delivery.header(&one).or_else(|| delivery.header(&other))
}

/// Tells deliveries apart: by shop, topic and the id that all attempts share; without one, by what was sent.
fn key(request: &InboundRequest<'_>) -> String {
    let part = |name| sent(request, name).unwrap_or_default();
    let mut hash = Sha256::new();
    for text in [ID, part("shop-domain"), part("topic"), part("action")] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    match part("webhook-id") {
        "" => hash.update(request.body),
        id => hash.update(id.as_bytes()),
    }
    hex::encode(hash.finalize())
}

impl Webhooks for Shopify {
    fn door(&self) -> Door {
        Door::App
    }

    fn verify(&self, secrets: &[SecretString], request: &InboundRequest<'_>, _: i64) -> Verdict {
        if secrets.is_empty() {
            return Verdict::Rejected(Reason::NoSecret);
        }
        let Some(signature) = sent(request, "hmac-sha256") else {
            return Verdict::Rejected(Reason::MissingSignature);
        };
        match hmac_sha256(secrets, &[request.body], signature, Encoding::Base64) {
            Match::Malformed => Verdict::Rejected(Reason::MalformedSignature),
            Match::No => Verdict::Rejected(Reason::WrongSignature),
            Match::Yes => Verdict::Accepted {
                dedupe_key: key(request),
            },
        }
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &KEPT
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Signals> {
        let topic = topics::Topic {
            name: kept(delivery, "topic").unwrap_or_default(),
            action: kept(delivery, "action"),
            shop: kept(delivery, "shop-domain").and_then(shop::host_of),
            delivery: kept(delivery, "webhook-id").unwrap_or_default(),
            triggered_at: kept(delivery, "triggered-at"),
        };
        topics::parse(&topic, delivery.body)
    }

    fn accepted(&self) -> WebhookResponse {
        WebhookResponse {
            status: 200,
            ..WebhookResponse::empty()
        }
    }
}
