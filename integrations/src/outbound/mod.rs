//! Webhooks out: telling subscribers what happened.
//!
//! Players: a *reader* of the event log raises one delivery for each event and endpoint ([`fan_out`]); the [`Courier`] claims what is due, has it
//! rendered once ([`Render`], which the API gives: it knows the schema), keeps the bytes, sends them signed as Standard Webhooks say ([`sign`]) and
//! settles what came of it; a schedule says when to try again ([`schedule`]).
//!
//! Theory: at least once. A delivery is a row that is claimed under a lease and a fence; whoever dies leaves it to run out. Every endpoint has places
//! of its own in the air, and one that fails has fewer, so that a receiver that hangs holds up itself and nobody else; first attempts and later ones
//! are claimed apart, the later ones may not take every place.
//!
//! It refuses: to say anything that the endpoint's owner may not read at the moment of rendering, to follow redirects, to call what is not public.

mod courier;
mod error;
mod fan_out;
mod flight;
pub mod schedule;
pub mod secret;
pub mod sign;

pub use courier::Courier;
pub use error::{OutboundError, Result};

use crate::http::{Blocked, Client, ClientSettings, HostPolicy, HttpError};
use crate::vault::{Vault, VaultError};
use async_trait::async_trait;
use entities::database::Database;
use entities::event;
use entities::id::WebhookEndpointId;
use entities::viewer::Viewer;
use entities::webhook_delivery;
use entities::webhook_endpoint::Model as Endpoint;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Within this time a receiver must have answered.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// So much of an answer is read.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// What the courier asks the API for.
#[async_trait]
pub trait Render: Send + Sync + 'static {
    /// The bytes to send for an event, in the name of the endpoint's owner as it is today.
    ///
    /// # Errors
    /// [`NotRendered`].
    async fn render(
        &self,
        endpoint: &Endpoint,
        owner: &Viewer,
        event: &event::Model,
    ) -> std::result::Result<Vec<u8>, NotRendered>;
}

/// Why there are no bytes to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRendered {
    /// It may be rendered later.
    #[error("the payload could not be rendered just now")]
    NotNow,
    /// It never will be, with this selection.
    #[error("{0}")]
    Never(String),
}

/// How deliveries are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundSettings {
    /// How long a courier that stopped answering keeps its deliveries from others. Longer than an attempt may take.
    pub lease: Duration,
    /// How long an answer may take.
    pub within: Duration,
    /// Deliveries of one endpoint in the air at a time.
    pub at_a_time: usize,
    /// Of those, later attempts.
    pub retries_at_a_time: usize,
    /// The same for an endpoint that fails.
    pub failing_at_a_time: usize,
    /// All deliveries in the air; failing endpoints take half of it at most.
    pub in_the_air: usize,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            within: ANSWER_WITHIN,
            at_a_time: 16,
            retries_at_a_time: 4,
            failing_at_a_time: 4,
            in_the_air: 1_024,
        }
    }
}

/// What couriers and the API have in common. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    database: Database,
    vault: Vault,
    http: Client,
    policy: HostPolicy,
    settings: OutboundSettings,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("policy", &self.policy)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the outgoing client cannot be made.
    pub fn new(
        database: Database,
        vault: Vault,
        policy: HostPolicy,
        settings: OutboundSettings,
    ) -> std::result::Result<Self, HttpError> {
        let client = ClientSettings {
            connect: settings.within.min(Duration::from_secs(5)),
            read: settings.within,
            total: settings.within,
            body_cap: ANSWER_BYTES,
            cut: true,
            paced: false,
            ..ClientSettings::default()
        };
        Ok(Self {
            http: Client::new(policy.clone(), client)?,
            database,
            vault,
            policy,
            settings,
        })
    }

    /// Judges an address before it is kept.
    ///
    /// # Errors
    /// Why it may not be called.
    pub fn check_address(&self, text: &str) -> std::result::Result<(), BadAddress> {
        let url = Url::parse(text).map_err(|_| BadAddress::NotAnAddress)?;
        if url.fragment().is_some() {
            return Err(BadAddress::Fragment);
        }
        Ok(self.policy.check(&url)?)
    }

    /// A new secret for an endpoint, and how it is kept.
    ///
    /// # Errors
    /// When the vault cannot seal.
    pub fn new_secret(
        &self,
        endpoint: WebhookEndpointId,
    ) -> std::result::Result<(SecretString, String), VaultError> {
        let secret = secret::generate(self.database.ids());
        let sealed = secret::seal(&self.vault, endpoint, &secret)?;
        Ok((secret, sealed))
    }

    /// Takes every lease away. Only for a caller that knows no other process works on this database.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn break_leases(&self) -> Result<()> {
        Ok(webhook_delivery::break_leases(&self.database).await?)
    }
}

/// Why an address is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is none.
    #[error("it is no absolute URL")]
    NotAnAddress,
    /// It has a part that is never sent.
    #[error("it has a fragment")]
    Fragment,
    /// It may not be called.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}
