//! What a portal is started with. The checks of addresses and of the app are those of every sandbox.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::{App, Faults};

/// Everything a portal is started with.
#[derive(Debug, Clone)]
pub struct HubSpotOptions {
    /// Where to listen; loopback only. Port 0 takes the port of the last run when it is free, else any.
    pub listen: SocketAddr,
    /// The folder that keeps the portal; `None` keeps it in memory only.
    pub state: Option<PathBuf>,
    /// What the portal holds when it is made.
    pub source: Source,
    /// The application that connects to it.
    pub app: App,
    /// Where webhooks go; loopback only. A stored target is used when this is `None`.
    pub webhook_target: Option<Url>,
    /// Limits, lifetimes and delays.
    pub limits: Limits,
    /// Failures switched on from the start.
    pub faults: Faults,
    /// The seed of generated records and of the portal's id.
    pub seed: u64,
}

/// What a new portal is filled with.
#[derive(Debug, Clone)]
pub enum Source {
    /// Invented companies, contacts and this many deals, the same for the same seed.
    Generated {
        /// How many deals; companies and contacts follow in proportion.
        deals: usize,
    },
    /// The CSV export in this folder.
    Crm(PathBuf),
    /// Nothing.
    Empty,
}

impl Source {
    /// How the source is remembered and compared over restarts.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Generated { deals } => format!("generated data ({deals} deals)"),
            Self::Crm(folder) => {
                let whole = folder
                    .canonicalize()
                    .or_else(|_| std::path::absolute(folder))
                    .unwrap_or_else(|_| folder.clone());
                format!("the CRM export in {}", whole.display())
            }
            Self::Empty => "nothing (an empty portal)".to_owned(),
        }
    }
}

/// Limits, lifetimes and delays of the vendor; the default is what the vendor publishes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests per ten seconds and account, search excluded; `None` is no limit.
    pub per_ten_seconds: Option<u32>,
    /// Search requests per second and account; `None` is no limit.
    pub searches_per_second: Option<u32>,
    /// Life of an access token, in seconds.
    pub access_token_seconds: u32,
    /// Life of an authorization code, in seconds.
    pub code_seconds: u32,
    /// How long a written record stays invisible to search.
    pub index_lag: Duration,
    /// Whether a refresh answers with a new refresh token and refuses the old one.
    pub rotate_refresh_tokens: bool,
    /// How long a webhook may take to be answered.
    pub webhook_timeout: Duration,
    /// Multiplies the waits between webhook attempts; 0 retries at once.
    pub webhook_time_scale: f64,
    /// How long events are gathered into one batch.
    pub webhook_gather: Duration,
    /// How many webhook requests run at a time.
    pub webhook_concurrency: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_ten_seconds: Some(110),
            searches_per_second: Some(5),
            access_token_seconds: 1800,
            code_seconds: 300,
            index_lag: Duration::from_millis(800),
            rotate_refresh_tokens: false,
            webhook_timeout: Duration::from_secs(5),
            webhook_time_scale: 1.0,
            webhook_gather: Duration::from_millis(50),
            webhook_concurrency: 10,
        }
    }
}

impl Limits {
    /// No rate limit and no index lag; lifetimes as published.
    pub fn none() -> Self {
        Self {
            per_ten_seconds: None,
            searches_per_second: None,
            index_lag: Duration::ZERO,
            ..Self::default()
        }
    }
}
