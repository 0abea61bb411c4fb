//! What an org is started with. The checks of addresses and of the app are those of every sandbox.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{App, Faults};

/// Everything an org is started with.
#[derive(Debug, Clone)]
pub struct SalesforceOptions {
    /// Where to listen; loopback only. Port 0 takes the port of the last run when it is free, else any.
    pub listen: SocketAddr,
    /// The folder that keeps the org; `None` keeps it in memory only.
    pub state: Option<PathBuf>,
    /// What the org holds when it is made.
    pub source: SalesforceSource,
    /// How the org is set up when it is made.
    pub features: SalesforceFeatures,
    /// The external client app that connects to it.
    pub app: App,
    /// The whole address outbound messages go to, its secret part included; loopback only. A stored one is used when this is `None`.
    pub webhook_target: Option<Url>,
    /// Limits, lifetimes and delays.
    pub limits: SalesforceLimits,
    /// Failures switched on from the start.
    pub faults: Faults,
    /// The seed of generated records and of the org's id.
    pub seed: u64,
}

/// What a new org is filled with. Users, stages and the organization itself are always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SalesforceSource {
    /// Invented accounts, contacts and this many opportunities, the same for the same seed.
    Generated {
        /// How many opportunities; the rest follows in proportion.
        opportunities: usize,
    },
    /// Nothing.
    Empty,
}

/// How the customer's admins have set up the org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SalesforceFeatures {
    /// Records have a `CurrencyIsoCode`; without it the field does not exist.
    pub multi_currency: bool,
    /// Accounts can be persons.
    pub person_accounts: bool,
    /// Partner users exist: `Account.IsPartner`, `Opportunity.PartnerAccountId`.
    pub partner_users: bool,
    /// The external id field `Entente_Reference__c` exists on accounts, contacts, leads and opportunities.
    pub reference_field: bool,
}

impl Default for SalesforceFeatures {
    fn default() -> Self {
        Self {
            multi_currency: false,
            person_accounts: false,
            partner_users: true,
            reference_field: true,
        }
    }
}

impl SalesforceOptions {
    /// How the source is remembered and compared over restarts.
    pub(crate) fn describe_source(&self) -> String {
        match self.source {
            SalesforceSource::Generated { opportunities } => {
                format!("generated data ({opportunities} opportunities)")
            }
            SalesforceSource::Empty => "nothing (an empty org)".to_owned(),
        }
    }
}

/// Limits, lifetimes and delays of the vendor; the default is what the vendor publishes.
#[derive(Debug, Clone)]
pub struct SalesforceLimits {
    /// Requests in 24 hours, rolling.
    pub daily_requests: u32,
    /// How long a session lives without being used, in seconds.
    pub session_seconds: u32,
    /// How long a refresh token lives without being used, in seconds.
    pub refresh_seconds: u32,
    /// Life of an authorization code, in seconds.
    pub code_seconds: u32,
    /// Whether a refresh answers with a new refresh token and refuses the old one.
    pub rotate_refresh_tokens: bool,
    /// Records in a page of a query at most; the vendor's is 2000, and it may give fewer.
    pub query_page: usize,
    /// How long a written record stays invisible to queries.
    pub visibility_lag: Duration,
    /// How long a bulk query job takes: half of it waiting, half of it working.
    pub bulk_job: Duration,
    /// Rows in a page of a bulk job's results when the caller names no number.
    pub bulk_page: usize,
    /// How long an outbound message may take to be answered.
    pub message_timeout: Duration,
    /// Multiplies the waits between attempts of an outbound message; 0 retries at once.
    pub message_time_scale: f64,
    /// How long notifications are gathered into one message.
    pub message_gather: Duration,
    /// How many outbound messages are sent at a time.
    pub message_concurrency: u32,
}

impl Default for SalesforceLimits {
    fn default() -> Self {
        Self {
            daily_requests: 15_000,
            session_seconds: 7200,
            refresh_seconds: 30 * 24 * 3600,
            code_seconds: 600,
            rotate_refresh_tokens: true,
            query_page: 2000,
            visibility_lag: Duration::ZERO,
            bulk_job: Duration::from_millis(600),
            bulk_page: 50_000,
            message_timeout: Duration::from_secs(20),
            message_time_scale: 1.0,
            message_gather: Duration::from_millis(50),
            message_concurrency: 5,
        }
    }
}

impl SalesforceLimits {
    /// A daily quota nobody reaches and bulk jobs that are done at once; lifetimes as published.
    pub fn none() -> Self {
        Self {
            daily_requests: 10_000_000,
            bulk_job: Duration::ZERO,
            ..Self::default()
        }
    }
}
