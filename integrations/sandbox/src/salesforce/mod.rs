//! A double of Salesforce: one org, one external client app, on loopback.
//!
//! Players: the `store` holds the records and tells every change to the disk and to the outbound messages; `transaction`, `writes` and
//! `derive` are what a change does; the `gate` stands before every endpoint; `oauth` gives out tokens; `soql` answers questions for
//! `query` and `bulk`; `sobjects` and `collections` write; `human` and `admin` are the doors for "a person in the CRM".
//!
//! Theory: a double is worth what it refuses. It has the vendor's ways: times of whole seconds that tie, ids of 15 and 18 characters,
//! numbers printed as `1.0E7`, errors in lists, fields that exist in one org and not in another, deletions in a bin that empties.
//!
//! Left out: SOAP beyond outbound messages, change events over Pub/Sub, bulk ingest, `composite` with references and `composite/batch`,
//! the JWT and client credentials grants, sharing and field permissions, aggregates and semi-joins in queries.

mod admin;
mod answer;
mod bulk;
mod collections;
mod connect;
mod derive;
mod describe;
mod gate;
mod generate;
mod held;
mod human;
mod id;
mod inner;
mod oauth;
mod options;
mod outbound;
mod query;
mod record;
mod refused;
mod rules;
mod schema;
mod shown;
mod soap;
mod sobjects;
mod soql;
mod standard;
mod start;
mod store;
mod tokens;
mod transaction;
mod version;
mod writes;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

pub use crate::app::App;
pub use crate::delivery::WebhookCounts;
pub use crate::faults::{Effect, Fault, Faults, WebhookFaults};
pub use crate::stats::Counts;
pub use human::Converted;
pub use options::{SalesforceFeatures, SalesforceLimits, SalesforceOptions, SalesforceSource};
pub use refused::SalesforceRefused;
pub use rules::{DuplicateRule, Rules, ValidationRule};
pub use schema::{FieldKind, SalesforceField};
pub use standard::REFERENCE_FIELD;
pub use store::SalesforceStore;

use crate::app::check_target;
use crate::delivery::Deliveries;
use crate::door::World as _;
use crate::faults::FaultBook;
use crate::folder::Folder;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::window::Window;
use crate::{Clock, SandboxError};
use bulk::Bulk;
use outbound::Target;
use query::Cursors;
use start::Head;
use tokens::{GrantError, Tokens};

/// What the endpoints share.
#[derive(Debug)]
pub(crate) struct Org {
    clock: Arc<Clock>,
    store: Arc<SalesforceStore>,
    tokens: Tokens,
    deliveries: Arc<Deliveries>,
    target: Target,
    faults: FaultBook,
    limits: SalesforceLimits,
    quota: Window,
    cursors: Cursors,
    bulk: Bulk,
    stats: Stats,
    app: App,
    folder: Option<Arc<Folder>>,
    head: Mutex<Head>,
    url: Url,
    /// The org has been moved to another instance.
    moved: AtomicBool,
    /// The address under which the org is known, where something stands before it.
    known_as: Mutex<Option<Url>>,
    serial: AtomicU64,
    stop: watch::Sender<bool>,
    org_id: String,
    user_id: String,
}

impl Org {
    fn app(&self) -> &App {
        &self.app
    }

    fn org_id(&self) -> String {
        self.org_id.clone()
    }

    /// The user the app acts as.
    fn user_id(&self) -> String {
        self.user_id.clone()
    }

    fn username(&self) -> &'static str {
        "integration@org.example"
    }

    /// Where the org's API is, without a slash at its end. A moved org is the same machine under its other name.
    fn instance_url(&self) -> String {
        let known = self.known_as.lock().unwrap_or_else(PoisonError::into_inner);
        let mut url = known.clone().unwrap_or_else(|| self.url.clone());
        if self.moved.load(Ordering::Relaxed) && url.set_host(Some("localhost")).is_err() {
            return self.url.as_str().trim_end_matches('/').to_owned();
        }
        drop(known);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// The address that names the org and the user, with ids of 18 characters.
    fn identity_url(&self) -> String {
        format!("{}id/{}/{}", self.url, self.org_id, self.user_id)
    }

    /// An id for something that is no record: a cursor, a job, a notification.
    fn fresh_record_id(&self, prefix: &str) -> String {
        id::make(prefix, "Sb", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// How much of the daily quota is used, and the quota.
    fn usage(&self) -> (u32, u32) {
        (
            self.quota.used(self.clock.now_ms()),
            self.limits.daily_requests,
        )
    }

    /// Ends when the org is stopped.
    async fn stopping(&self) {
        // The sender lives as long as the org, so waiting fails never.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// A running org. Dropped without `stop`, it ends at once and keeps what had reached the disk.
#[derive(Debug)]
pub struct Salesforce {
    org: Arc<Org>,
    server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
    snapshot: Option<Arc<Snapshot>>,
}

impl Salesforce {
    /// Makes or continues an org and serves it. Must be called within a tokio runtime.
    pub async fn start(options: SalesforceOptions) -> Result<Self, SandboxError> {
        start::start(options).await
    }

    /// The address that stands for the org's My Domain host: its consent page and its API.
    pub fn url(&self) -> Url {
        self.org.url.clone()
    }

    /// The org's id, 18 characters: the tenant key.
    pub fn tenant(&self) -> String {
        self.org.org_id()
    }

    /// The registered app; its secret is the one of the first start.
    pub fn app(&self) -> &App {
        self.org.app()
    }

    /// The records, to edit them as a human in the CRM would.
    pub fn store(&self) -> Arc<SalesforceStore> {
        Arc::clone(&self.org.store)
    }

    /// The sandbox's clock, to let time pass.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.org.clock)
    }

    /// Switches failures on and off. `index_lag_ms` is the lag of visibility.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.org.change_faults(change);
    }

    /// Adds one rule.
    pub fn fail(&self, fault: Fault) {
        self.org.change_faults(|faults| faults.rules.push(fault));
    }

    /// Ends every session now; refresh tokens stay.
    pub fn expire_tokens(&self) -> Result<(), SandboxError> {
        self.org.tokens.expire_all().map_err(saved)
    }

    /// Ends every grant, as when the customer removes the app: refreshes fail from now on.
    pub fn uninstall(&self) -> Result<(), SandboxError> {
        self.org.tokens.uninstall().map_err(saved)
    }

    /// Moves the org to another instance: from the next token on, `instance_url` has another host, which reaches the same org.
    pub fn move_instance(&self) {
        self.org.moved.store(true, Ordering::Relaxed);
    }

    /// From the next token on, `instance_url` is this address: a proxy's that stands before the org.
    pub fn be_known_as(&self, url: Url) {
        let mut known = self
            .org
            .known_as
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Some(url);
    }

    /// Changes the whole address outbound messages go to; loopback only.
    pub fn set_webhook_target(&self, target: Option<Url>) -> Result<(), SandboxError> {
        if let Some(target) = &target {
            check_target(target).map_err(|problem| SandboxError::Option {
                name: "webhook_target",
                problem,
            })?;
        }
        self.org.target.set(target);
        self.org.save_head()
    }

    /// Waits until no notification is queued, in flight or waiting for another attempt.
    pub async fn webhooks_idle(&self) {
        self.org.deliveries.idle().await;
    }

    /// How the outbound messages went so far.
    pub fn webhook_counts(&self) -> WebhookCounts {
        self.org.deliveries.counts()
    }

    /// How often each endpoint was asked.
    pub fn counts(&self) -> Counts {
        self.org.stats.current()
    }

    /// How much of the daily quota is used, and the quota.
    pub fn usage(&self) -> (u32, u32) {
        self.org.usage()
    }

    /// Stops serving and writes everything to disk.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        self.org.stop.send_replace(true);
        self.server.stop(true).await;
        for task in self.tasks.drain(..) {
            // A task that panicked has nothing left to save.
            let _ = task.await;
        }
        self.org.save_head()?;
        if let Some(snapshot) = self.snapshot.take() {
            let ended = tokio::task::spawn_blocking(move || snapshot.end()).await;
            ended.unwrap_or_else(|panic| {
                Err(SandboxError::File {
                    attempt: "writing",
                    path: "the state of the sandbox".into(),
                    source: std::io::Error::other(panic),
                })
            })?;
        }
        if let Some(folder) = &self.org.folder {
            folder.release();
        }
        Ok(())
    }
}

impl Drop for Salesforce {
    fn drop(&mut self) {
        self.org.stop.send_replace(true);
        // The order to stop is sent at once; waiting for the end is `stop`'s.
        drop(self.server.stop(false));
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn saved(error: GrantError) -> SandboxError {
    match error {
        GrantError::NotSaved(error) => error,
        other => SandboxError::Option {
            name: "tokens",
            problem: format!("{other:?}"),
        },
    }
}
