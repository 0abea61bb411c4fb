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

/// Receiving signals. Nothing here has a default: what a connector forgot would be let in.
pub trait Webhooks: Send + Sync {
    /// Who comes to which door, and so what `secrets` holds below.
    fn door(&self) -> Door;
    /// Whether this request was sent by the vendor, lately, to this address. At an app's door `secrets` holds the app's current secret and,
    /// during a rotation, the previous one; at a connection's door the unguessable part of its address. With none the answer is a rejection.
    fn verify(
        &self,
        secrets: &[SecretString],
        request: &InboundRequest<'_>,
        now_ms: i64,
    ) -> Verdict;
    /// The headers that say what the body is, in lower case: they are stored with it. Never one that holds a secret.
    fn kept_headers(&self) -> &'static [&'static str];
    /// What an accepted delivery says. Fails only when it cannot be read as a whole.
    fn parse(&self, delivery: &Delivery<'_>) -> Result<Signals>;
    /// What a delivery is answered once it is stored.
    fn accepted(&self) -> WebhookResponse;
}

/// Who comes to which door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// All accounts come to one address, and the app's secret signs.
    App,
    /// Nobody signs: each connection has an address of its own, which is its secret, and what comes there can only speak of its account.
    Connection,
}

/// A stored delivery, as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The headers that were kept, in lower case.
    pub headers: &'a [(String, String)],
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The account whose door it came to; none at an app's door.
    pub tenant_id: Option<&'a str>,
}

impl<'a> Delivery<'a> {
    /// A body without headers, at an app's door.
    #[must_use]
    pub const fn of(body: &'a [u8]) -> Self {
        Self {
            headers: &[],
            body,
            tenant_id: None,
        }
    }

    /// The value of a kept header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
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
    /// The account whose door this is; none at an app's door.
    pub tenant_id: Option<&'a str>,
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

impl WebhookResponse {
    /// Nothing but "received".
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            status: 204,
            content_type: "text/plain",
            body: String::new(),
        }
    }
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
    /// It speaks of another account than the one whose door it came to.
    ForeignAccount,
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
            Self::ForeignAccount => "foreign_account",
        }
    }
}

/// What a delivery says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// What to look at.
    pub signals: Vec<Signal>,
    /// What happened to whole accounts.
    pub account: Vec<AccountSignal>,
    /// What the law on personal data asks of us.
    pub privacy: Vec<PrivacyRequest>,
    /// What people pressed.
    pub actions: Vec<ChatAction>,
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

/// Something happened to a whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSignal {
    /// Which one.
    pub tenant_id: String,
    /// What happened.
    pub kind: AccountSignalKind,
    /// When, by the vendor's clock, in milliseconds since 1970. Order of arrival means nothing.
    pub occurred_at_ms: i64,
}

/// What happened to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountSignalKind {
    /// Our app was removed: its tokens are worthless.
    Uninstalled,
    /// Its tokens were taken back.
    TokensRevoked,
    /// It grants more or less than before.
    ScopesChanged,
}

/// A wish under the law on personal data, passed on by the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyRequest {
    /// Whose account.
    pub tenant_id: String,
    /// What is wanted.
    pub kind: PrivacyKind,
    /// The vendor's id of the wish, or one made of what it says: two with one id are one.
    pub request_id: String,
    /// Whom it is about; none when it is about the whole account.
    pub person: Option<PrivacyPerson>,
    /// Records the vendor names besides.
    pub records: Vec<(Resource, String)>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrivacyKind {
    /// Everything we hold of a person is to be handed over to the account's owner.
    DataRequest,
    /// A person is to be erased.
    RedactPerson,
    /// Everything that came from the account is to be erased.
    RedactAccount,
}

/// A person, as the vendor knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivacyPerson {
    /// The vendor's id of the contact, where it has one.
    pub external_id: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
}

/// Somebody pressed a button below a message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatAction {
    /// Whose account.
    pub tenant_id: String,
    /// Which action the button means ([`crate::notify::ChatButton::action`]).
    pub action: String,
    /// What it is about ([`crate::notify::ChatButton::value`]).
    pub value: String,
    /// The vendor's id of the person.
    pub user_id: String,
    /// The person's name, where it is told.
    pub user_name: Option<String>,
    /// The vendor's id of the place.
    pub channel: String,
    /// The vendor's id of the message.
    pub message: String,
    /// When, by the vendor's clock, in milliseconds since 1970.
    pub occurred_at_ms: i64,
    /// Two presses with one key are one.
    pub dedupe: String,
}
