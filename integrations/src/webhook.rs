//! What a vendor tells us unasked: signals, and who may send them.
//!
//! Owns: the trait behind the webhook door and the data that crosses it. Refuses: a default check, a fallback to a weaker one, and
//! records taken from a webhook: a signal says only what to look at. Invariant: [`Webhooks::verify`] is pure, so that the same
//! request, secrets and time give the same verdict in a test, on a replay and in production.

use crate::{
    error::Result,
    record::{MalformedRecord, Resource},
};
use secrecy::SecretString;

/// Receiving signals.
pub trait Webhooks: Send + Sync {
    /// Whether this request was sent by the vendor, lately, to this address. `secrets` holds the app's current secret and, during a
    /// rotation, the previous one; with none the answer is a rejection.
    fn verify(
        &self,
        secrets: &[SecretString],
        request: &InboundRequest<'_>,
        now_ms: i64,
    ) -> Verdict;
    /// What an accepted body says. Fails only when the body as a whole cannot be read.
    fn parse(&self, body: &[u8]) -> Result<Signals>;
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct InboundRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The address the vendor called, built from the configured public URL (never from the Host header), query included.
    pub public_url: &'a str,
    /// The headers; names in any case.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl<'a> InboundRequest<'a> {
    /// The value of a header that occurs exactly once. A repeated header counts as absent: which of them was signed would be a guess.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value.as_str()),
            _ => None,
        }
    }
}

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Store it, then answer 2xx. Two requests with one key are one.
    Accepted {
        /// Identifies the delivery.
        dedupe_key: String,
    },
    /// Answer this and store nothing.
    Challenge(WebhookResponse),
    /// Answer 401 and store nothing.
    Rejected(Reason),
}

/// An answer the vendor asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookResponse {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Why a request was rejected. For our log; the sender is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No secret is configured.
    NoSecret,
    /// No signature of the required kind, or more than one.
    MissingSignature,
    /// The signature is not even of the right form.
    MalformedSignature,
    /// No time stamp, more than one, or not a plain number.
    MissingTimestamp,
    /// Sent too long ago.
    Stale,
    /// Sent in the future.
    Future,
    /// The signature belongs to other bytes or another secret.
    WrongSignature,
}

impl Reason {
    /// Stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSecret => "no_secret",
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::MissingTimestamp => "missing_timestamp",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::WrongSignature => "wrong_signature",
        }
    }
}

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// What to look at.
    pub signals: Vec<Signal>,
    /// Kinds of event nothing here deals with, as the vendor names them, without duplicates.
    pub ignored: Vec<String>,
    /// Events that could not be read.
    pub malformed: Vec<MalformedRecord>,
}

/// Something happened to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Whose account: only connections of this tenant may see the signal.
    pub tenant_id: String,
    /// What kind of record.
    pub resource: Resource,
    /// The vendor's id of it.
    pub external_id: String,
    /// What happened.
    pub kind: SignalKind,
    /// When, by the vendor's clock, in milliseconds since 1970. Order of arrival means nothing.
    pub occurred_at_ms: i64,
    /// Two signals with one key are one.
    pub dedupe: String,
}

/// What happened to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// It was made, changed or brought back: fetch it.
    Changed,
    /// It was put away.
    Deleted,
    /// It was erased for a person's privacy: at least as final as deleted.
    Erased,
    /// Records became one. `into` may be new; links to any of `from` now mean `into`.
    Merged {
        /// The id that remains.
        into: String,
        /// The ids that are gone.
        from: Vec<String>,
    },
    /// A link from this record to another was made or removed: fetch this record.
    AssociationChanged {
        /// The other end's resource.
        other: Resource,
        /// The other end's id.
        other_id: String,
        /// Whether the link is gone.
        removed: bool,
    },
}
