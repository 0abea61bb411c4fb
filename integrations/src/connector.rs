//! What a connector is: capabilities as values.
//!
//! Owns: the traits between the engine and a vendor's folder, and the plain data that crosses them. Refuses: clients and tokens in
//! connectors (they get a [`Context`] whose HTTP adds authorization, limits, tracing and the address guard), and default bodies for
//! checks: a connector without [`Webhooks`] has no door, and [`Webhooks::verify`] must be written. Invariant: everything a
//! connector answers is neutral ([`crate::record`]) or opaque (a cursor is JSON that only its writer reads), so that the engine knows no
//! vendor and a connector described by a manifest can stand behind the same traits.

use crate::{
    http::{Client, Session},
    oauth::{AppCredentials, AuthorizeRequest, Callback, Exchange, TokenSet},
};
use async_trait::async_trait;
use entities::clock::Clock;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use url::Url;

pub use crate::{
    error::{ConnectorError, LimitScope, Result},
    notify::{ButtonStyle, Channel, ChatButton, ChatMessage, Notify, Posted},
    push::{Push, PushItem, PushOutcome},
    record::{MalformedRecord, Record, RecordLink, Resource},
    webhook::{
        AccountSignal, AccountSignalKind, ChatAction, Delivery, Door, InboundRequest, PrivacyKind,
        PrivacyPerson, PrivacyRequest, Reason, Signal, SignalKind, Signals, Verdict,
        WebhookResponse, Webhooks,
    },
};

/// A vendor, as the engine sees it.
pub trait Connector: Send + Sync + 'static {
    /// What it is and what it can do.
    fn descriptor(&self) -> &Descriptor;
    /// How an account is connected.
    fn auth(&self) -> &dyn Authenticate;
    /// Reading records, where the vendor allows it.
    fn pull(&self) -> Option<&dyn Pull> {
        None
    }
    /// Writing records, where the vendor allows it.
    fn push(&self) -> Option<&dyn Push> {
        None
    }
    /// Receiving signals, where the vendor sends them.
    fn webhooks(&self) -> Option<&dyn Webhooks> {
        None
    }
    /// Seeing to it that an account sends its webhooks, where that is asked for account by account.
    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        None
    }
    /// Posting messages, where the vendor is a place where people talk.
    fn notify(&self) -> Option<&dyn Notify> {
        None
    }
}

/// What kind of system a vendor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Customer relationship management.
    Crm,
    /// A shop.
    Commerce,
    /// Chat.
    Chat,
}

/// What a connector is and what it can do.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// Stable id: the key of the registry, of rows and of the webhook path.
    pub id: &'static str,
    /// The name people know.
    pub name: &'static str,
    /// What kind of system it is.
    pub category: Category,
    /// The vendor's API version this connector speaks.
    pub api_version: &'static str,
    /// What can be read, in the order in which a first sync should read it.
    pub resources: Vec<ResourceDescriptor>,
    /// Scopes without which it cannot work.
    pub required_scopes: Vec<&'static str>,
    /// Scopes it uses when they are granted.
    pub optional_scopes: Vec<&'static str>,
    /// The vendor's budgets per account.
    pub limits: Vec<RateLimit>,
    /// The headers in which the vendor says what is left of a budget, where it does.
    pub limit_headers: Option<LimitHeaders>,
    /// What a person must name before they can agree, where each account has an address of its own; none when the vendor has one for all.
    pub site: Option<SiteHint>,
    /// The header that carries the access token.
    pub token_header: TokenHeader,
}

/// What to ask a person for before they can agree: the account's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteHint {
    /// What the vendor calls it.
    pub label: &'static str,
    /// How one looks.
    pub example: &'static str,
}

/// The header that carries the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHeader {
    /// `Authorization: Bearer …`.
    Bearer,
    /// A header of the vendor's own, which holds nothing but the token. In lower case.
    Named(&'static str),
}

impl Descriptor {
    /// What can be read of a resource; none when it cannot be read at all.
    #[must_use]
    pub fn resource(&self, resource: Resource) -> Option<&ResourceDescriptor> {
        self.resources
            .iter()
            .find(|described| described.resource == resource)
    }
}

/// What can be done with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceDescriptor {
    /// Which one.
    pub resource: Resource,
    /// Whether changes since a position can be asked for. When false, a backfill is the only way to see changes; such
    /// resources are small.
    pub delta: bool,
    /// Whether archived records can be listed.
    pub archived: bool,
    /// Whether records can be fetched by id.
    pub fetch: bool,
    /// The resources its records link to.
    pub links: &'static [Resource],
    /// The most records in one page.
    pub page_size: u32,
    /// The scope that writing its records takes; none when the connector does not write them. A connection that was not granted it
    /// reads on and writes nothing.
    pub push_scope: Option<&'static str>,
}

/// One budget of a vendor, per account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Which calls it covers.
    pub lane: Lane,
    /// How many calls; or points, where a call says what it costs ([`crate::http::Call::costing`]).
    pub requests: u32,
    /// In which rolling time.
    pub per: Duration,
    /// How many may start at once, where the vendor says; a tenth when none.
    pub burst: Option<u32>,
}

/// Where an answer says what is left of a budget. What others spend of it shows only there.
#[derive(Clone, Copy, Debug)]
pub enum LimitHeaders {
    /// Three headers speak of a window of time.
    Window {
        /// Which budget.
        lane: Lane,
        /// The header with the size of the budget.
        limit: &'static str,
        /// The header with what is left of it.
        remaining: &'static str,
        /// The header with the length of its window, in milliseconds.
        interval_ms: &'static str,
    },
    /// One header says how much of the customer's quota is used, by whomever. We stop at a share of it, so that the customer's other
    /// software goes on; only what a person waits for is asked beyond that.
    Usage {
        /// The header.
        header: &'static str,
        /// Reads its value.
        read: fn(&str) -> Option<Usage>,
        /// The share, in percent, at which to stop.
        stop_at_percent: u32,
    },
}

/// How much of a quota is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// By all software of the account.
    pub used: u64,
    /// In all.
    pub allowed: u64,
}

/// Which budget a call is counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Ordinary calls.
    Standard,
    /// Searches, where a vendor counts them apart.
    Search,
}

/// What a connector gets for one piece of work. It holds no token; the session inside sends it where it belongs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// HTTP, authorised for this account.
    pub http: &'a Session,
    /// The vendor's id of the account (portal, organisation, team, shop).
    pub tenant_id: &'a str,
    /// The account's facts; none only while it is being connected.
    pub account: Option<&'a Account>,
    /// The account's own address, as it was checked when it was connected, where the vendor has one for each ([`TokenSet::site`]).
    pub site: Option<&'a Url>,
    /// Where its API is, where the vendor tells with the tokens ([`TokenSet::api`]).
    pub api: Option<&'a Url>,
    /// What time it is here.
    pub clock: &'a dyn Clock,
}

/// Facts about a connected account.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// The vendor's id of it: webhooks are routed by this.
    pub tenant_id: String,
    /// A name for people, where the vendor has one.
    pub name: Option<String>,
    /// The currency of amounts that name none, ISO 4217, as the vendor spells it.
    pub currency: Option<String>,
    /// Its time zone, as the vendor spells it.
    pub time_zone: Option<String>,
    /// The host on which people use it.
    pub ui_domain: Option<String>,
}

/// Connecting accounts. Nothing here has a default: what a connector forgot to check would let somebody in.
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// What a person typed as their account's own address, checked and in its one form. A vendor without such addresses refuses any; one with
    /// them refuses none at all, and every host that is not the vendor's: people are sent there to type their password. Refusals are
    /// [`ConnectorError::Permanent`] with the code [`INVALID_SITE`].
    fn site(&self, typed: Option<&str>) -> Result<Option<Url>>;
    /// Where to send the person who connects an account.
    fn authorize_url(&self, app: &AppCredentials, request: &AuthorizeRequest) -> Result<Url>;
    /// Whether what came back was sent by the vendor, where it signs that. The caller compares the state.
    fn check_callback(
        &self,
        app: &AppCredentials,
        callback: &Callback<'_>,
        now_ms: i64,
    ) -> Result<()>;
    /// The only places these tokens may be sent to. What an answer named is held to the same rule as [`Self::site`].
    fn origins(&self, tokens: &TokenSet) -> Result<Vec<Url>>;
    /// Turns the code that came back into tokens.
    async fn exchange(
        &self,
        http: &Client,
        app: &AppCredentials,
        exchange: &Exchange,
        now_ms: i64,
    ) -> Result<TokenSet>;
    /// Gets a new access token. An answer without a refresh token keeps the old one.
    async fn refresh(
        &self,
        http: &Client,
        app: &AppCredentials,
        tokens: &TokenSet,
        now_ms: i64,
    ) -> Result<TokenSet>;
    /// Tells the vendor that the tokens are no longer wanted.
    async fn revoke(&self, http: &Client, app: &AppCredentials, tokens: &TokenSet) -> Result<()>;
    /// Whose account the tokens belong to.
    async fn account(&self, ctx: &Context<'_>) -> Result<Account>;
}

/// What a walk looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Everything that is there.
    Backfill,
    /// What changed since the position; overlaps what was read before rather than missing anything.
    Delta,
    /// What the vendor has put away.
    Archived,
}

/// Asks for one page of a walk.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// What to read.
    pub resource: Resource,
    /// What to look for.
    pub mode: Mode,
    /// Where to go on: what the page before answered ([`Next`]). None begins; a delta without a position reads everything.
    pub cursor: Option<&'a Value>,
    /// The vendor's properties wanted. Empty asks for the connector's usual ones.
    pub fields: &'a [String],
    /// How many records at most; the vendor's own maximum also holds. None asks for that maximum.
    pub page_size: Option<u32>,
    /// Our time in milliseconds since 1970, for a vendor that does not tell its own.
    pub now_ms: i64,
}

/// One page of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The records that could be read.
    pub records: Vec<Record>,
    /// Those that could not; they never hold up the rest.
    pub malformed: Vec<MalformedRecord>,
    /// Records that went into others, where a walk shows that. They are not among `records`: their rows are inherited, not put away.
    pub merged: Vec<Merged>,
    /// How to go on.
    pub next: Next,
    /// Not before this time: the vendor is still preparing what comes next. The lane waits in its row.
    pub wait: Option<Duration>,
}

/// How a walk goes on. The position inside is opaque: store it as it is, with the records, in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// There is more: ask again, in the same mode, from here.
    More(Value),
    /// The walk is done. After a backfill or a delta: where the next delta begins. After the archived: nothing to keep, the
    /// next such walk begins anew.
    CaughtUp(Value),
}

impl Next {
    /// The position to store.
    #[must_use]
    pub const fn cursor(&self) -> &Value {
        match self {
            Self::More(cursor) | Self::CaughtUp(cursor) => cursor,
        }
    }

    /// Whether the walk is done.
    #[must_use]
    pub const fn is_caught_up(&self) -> bool {
        matches!(self, Self::CaughtUp(_))
    }
}

/// Records read by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fetched {
    /// Those that are there. A merged record comes under its new id.
    pub records: Vec<Record>,
    /// The ids that are not there (any more): archived, deleted or merged away.
    pub missing: Vec<String>,
    /// Those that could not be read.
    pub malformed: Vec<MalformedRecord>,
    /// Which of the missing went into others, where the vendor tells.
    pub merged: Vec<Merged>,
}

/// A record that went into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The one that is gone.
    pub from: String,
    /// The one that remains.
    pub into: String,
}

/// A property the vendor's records of one kind may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDescriptor {
    /// The vendor's name of it: the key in [`crate::record::Fields`].
    pub name: String,
    /// Its name as people see it.
    pub label: String,
    /// The vendor's word for its type.
    pub kind: String,
    /// Whether people of this account made it up, as opposed to the vendor.
    pub custom: bool,
}

/// Reading records.
#[async_trait]
pub trait Pull: Send + Sync {
    /// Reads one page of a walk.
    async fn page(&self, ctx: &Context<'_>, request: &PageRequest<'_>) -> Result<Page>;
    /// Reads records by id, any number; `fields` as in [`PageRequest::fields`].
    async fn fetch(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        ids: &[String],
        fields: &[String],
    ) -> Result<Fetched>;
    /// Which properties the records of a resource may have; empty for a resource without any to choose from.
    async fn fields(&self, ctx: &Context<'_>, resource: Resource) -> Result<Vec<FieldDescriptor>>;
}

/// The code of the refusal that means: this is no address of an account of this vendor.
pub const INVALID_SITE: &str = "invalid_site";

/// Seeing to it that an account sends its webhooks. Some vendors drop a subscription after failures, so it is looked after now and then.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Makes the subscriptions that are missing, with webhooks to `target`. Doing it again changes nothing.
    async fn ensure(&self, ctx: &Context<'_>, target: &Url) -> Result<Ensured>;
}

/// What [`Subscriptions::ensure`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// What was missing and is there now, in the vendor's words.
    pub made: Vec<String>,
    /// How many were there.
    pub kept: usize,
}

/// The connectors this build has, by id.
#[derive(Clone, Default)]
pub struct Registry(Vec<Arc<dyn Connector>>);

impl Registry {
    /// A registry of these. Of two with one id the first is found.
    #[must_use]
    pub fn new(connectors: Vec<Arc<dyn Connector>>) -> Self {
        Self(connectors)
    }

    /// The connector of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Connector>> {
        self.0
            .iter()
            .find(|connector| connector.descriptor().id == id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Connector>> {
        self.0.iter()
    }
}

/// The path under `public_url` at which a connector's webhooks arrive.
#[must_use]
pub fn webhook_path(connector_id: &str) -> String {
    format!("/hooks/{connector_id}")
}
