//! What a shop is started with. Refuses: addresses beyond loopback, wildcard redirects, an app without a secret, a name that is no shop's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::subscriptions::CONFIGURED;
use crate::app::check_start;
use crate::{App, Faults, SandboxError};

/// Everything a shop is started with.
#[derive(Debug, Clone)]
pub struct ShopifyOptions {
    /// Where to listen; loopback only. Port 0 takes the port of the last run when it is free, else any.
    pub listen: SocketAddr,
    /// The folder that keeps the shop; `None` keeps it in memory only.
    pub state: Option<PathBuf>,
    /// The shop's domain, the tenant key: `some-shop.myshopify.com`.
    pub domain: String,
    /// What the shop holds when it is made.
    pub source: ShopSource,
    /// The application that connects to it.
    pub app: App,
    /// Where topics of the app's configuration go; loopback only. A stored target is used when this is `None`.
    pub webhook_target: Option<Url>,
    /// The topics of the app's configuration; by default the privacy ones and those about the app itself.
    pub configured_topics: Vec<String>,
    /// Limits, lifetimes and delays.
    pub limits: ShopifyLimits,
    /// Failures switched on from the start.
    pub faults: Faults,
    /// The seed of generated records.
    pub seed: u64,
}

/// What a new shop is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopSource {
    /// Invented customers, companies and this many orders, the same for the same seed.
    Generated {
        /// How many orders; customers and companies follow in proportion.
        orders: usize,
    },
    /// Nothing.
    Empty,
}

impl ShopSource {
    /// How the source is remembered and compared over restarts.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Generated { orders } => format!("generated data ({orders} orders)"),
            Self::Empty => "nothing (an empty shop)".to_owned(),
        }
    }
}

impl ShopifyOptions {
    /// An empty shop in memory, on any port, with the vendor's limits.
    pub fn new(app: App) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state: None,
            domain: "entente-sandbox.myshopify.com".to_owned(),
            source: ShopSource::Empty,
            app,
            webhook_target: None,
            configured_topics: CONFIGURED.iter().map(|topic| (*topic).to_owned()).collect(),
            limits: ShopifyLimits::default(),
            faults: Faults::default(),
            seed: 1,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        check_start(&self.app, self.listen, self.webhook_target.as_ref())?;
        let name = self
            .domain
            .strip_suffix(".myshopify.com")
            .unwrap_or_default();
        let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if plain {
            return Ok(());
        }
        Err(SandboxError::Option {
            name: "domain",
            problem: format!("{:?} is not the name of a shop", self.domain),
        })
    }
}

/// Limits, lifetimes and delays of the vendor; the default is what the vendor publishes.
#[derive(Debug, Clone)]
pub struct ShopifyLimits {
    /// Points the bucket holds; `None` refuses nothing.
    pub bucket: Option<u32>,
    /// Points that come back each second.
    pub restore_per_second: u32,
    /// The most a single query may cost.
    pub max_query_cost: u32,
    /// Connections cost by their size in full, as once published, and not by its logarithm, as now seen.
    pub linear_costs: bool,
    /// Life of an access token, in seconds.
    pub access_token_seconds: u32,
    /// Life of a refresh token, in seconds.
    pub refresh_token_seconds: u32,
    /// Tokens that do not expire are refused, as for public apps made since April 2026.
    pub expiring_tokens_only: bool,
    /// Whether the app is approved to read names, emails and phones of customers.
    pub personal_data_approved: bool,
    /// How long a written record stays invisible to lists with a `query`.
    pub index_lag: Duration,
    /// How many bulk operations run at a time.
    pub bulk_operations: usize,
    /// How long a bulk operation waits, and then runs, at least.
    pub bulk_delay: Duration,
    /// How long a webhook may take to be answered.
    pub webhook_timeout: Duration,
    /// Multiplies the waits between webhook attempts; 0 retries at once.
    pub webhook_time_scale: f64,
    /// How many webhook requests run at a time.
    pub webhook_concurrency: u32,
    /// Replaces the oldest version that is served: requests for older ones get this one.
    pub oldest_version: Option<String>,
    /// How long after the app's removal the shop's data is to be erased.
    pub redact_after: Duration,
}

impl Default for ShopifyLimits {
    fn default() -> Self {
        Self {
            bucket: Some(2000),
            restore_per_second: 100,
            max_query_cost: 1000,
            linear_costs: false,
            access_token_seconds: 3600,
            refresh_token_seconds: 7_776_000,
            expiring_tokens_only: true,
            personal_data_approved: true,
            index_lag: Duration::from_millis(500),
            bulk_operations: 5,
            bulk_delay: Duration::from_secs(1),
            webhook_timeout: Duration::from_secs(5),
            webhook_time_scale: 1.0,
            webhook_concurrency: 10,
            oldest_version: None,
            redact_after: Duration::from_secs(48 * 3600),
        }
    }
}

impl ShopifyLimits {
    /// No rate limit and no delays; lifetimes as published.
    pub fn none() -> Self {
        Self {
            bucket: None,
            index_lag: Duration::ZERO,
            bulk_delay: Duration::ZERO,
            ..Self::default()
        }
    }
}
