//! A double of HubSpot: one portal, one app, on loopback.
//!
//! Players: the `store` holds the records and tells every change to the `journal` (disk) and to the `webhooks`; the `gate` stands before every
//! endpoint; `oauth` gives out tokens; `objects`, `batch`, `search`, `associations` and `meta` are the vendor's API, under the dated paths
//! and under the older ones the vendor's own client uses; `faults` make it fail on request; `admin` is the door for "a human in the CRM".
//!
//! Theory: a double is worth what it refuses. It has the vendor's limits, its delays, its odd answers (a 207 for a record without an
//! association, an id only inside a message, search that lags), so that a connector that works here has met them.
//!
//! Left out: the history of properties, lists, tickets, line items, custom objects, and everything else a partner platform does not read.

mod admin;
mod answer;
mod associating;
mod associations;
mod batch;
mod batch_writes;
mod crm;
mod filter;
mod gate;
mod generate;
mod happening;
mod inner;
mod journal;
mod kind;
mod limits;
mod linking;
mod links;
mod load;
mod meta;
mod oauth;
mod objects;
mod options;
mod portal;
mod properties;
mod record;
mod refused;
mod rules;
mod schema;
mod search;
mod shelf;
mod shown;
mod signature;
mod spoiling;
mod start;
mod state;
mod store;
mod subscriptions;
mod tokens;
mod webhooks;
mod writes;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

pub use crate::app::App;
pub use crate::delivery::WebhookCounts;
pub use crate::faults::{Effect, Fault, Faults, WebhookFaults};
pub use crate::stats::Counts;
pub use kind::Kind;
pub use links::{
    CONTACT_TO_COMPANY, CONTACT_TO_PRIMARY_COMPANY, Category, DEAL_TO_COMPANY, DEAL_TO_CONTACT,
    DEAL_TO_PARTNER, DEAL_TO_PRIMARY_COMPANY, LinkType,
};
pub use options::{HubSpotOptions, Limits, Source};
pub use record::RecordView;
pub use refused::Refused;
pub use rules::{Condition, Rule};
pub use schema::{Property, ValueType};
pub use store::Store;

use crate::app::check_target;
use crate::door::World as _;
use crate::faults::FaultBook;
use crate::stats::Stats;
use crate::window::Window;
use crate::{Clock, SandboxError};
use journal::Journal;
use state::{Disk, Head};
use tokens::Tokens;
use webhooks::Webhooks;

/// What the endpoints share.
#[derive(Debug)]
pub(crate) struct Portal {
    clock: Arc<Clock>,
    store: Arc<Store>,
    tokens: Tokens,
    webhooks: Arc<Webhooks>,
    faults: FaultBook,
    limits: Limits,
    window: Window,
    search_window: Window,
    stats: Stats,
    app: App,
    disk: Option<Arc<Disk>>,
    head: Mutex<Head>,
    url: OnceLock<Url>,
    stop: watch::Sender<bool>,
}

impl Portal {
    fn app(&self) -> &App {
        &self.app
    }

    /// The sandbox's address, with a slash at its end; empty before it listens.
    fn url(&self) -> String {
        self.url.get().map(Url::to_string).unwrap_or_default()
    }

    /// Ends when the portal is stopped.
    async fn stopping(&self) {
        // The sender lives as long as the portal, so waiting fails never.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Puts port, target and generation on disk.
    fn save_head(&self) -> Result<(), SandboxError> {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        head.webhook_target = self.webhooks.target();
        match &self.disk {
            Some(disk) => disk.save_head(&head),
            None => Ok(()),
        }
    }
}

/// A running portal. Dropped without `stop`, it ends at once and keeps what had reached the disk.
#[derive(Debug)]
pub struct HubSpot {
    portal: Arc<Portal>,
    server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
    journal: Option<Journal>,
    url: Url,
}

impl HubSpot {
    /// Makes or continues a portal and serves it. Must be called within a tokio runtime.
    pub async fn start(options: HubSpotOptions) -> Result<Self, SandboxError> {
        start::start(options).await
    }

    /// The address that stands for the vendor's API and consent page.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The portal's id, the tenant key.
    pub fn portal_id(&self) -> u64 {
        self.portal.store.portal_id()
    }

    /// The registered app; its secret is the one of the first start.
    pub fn app(&self) -> &App {
        self.portal.app()
    }

    /// The records, to edit them as a human in the CRM would.
    pub fn store(&self) -> Arc<Store> {
        Arc::clone(&self.portal.store)
    }

    /// The sandbox's clock, to let time pass.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.portal.clock)
    }

    /// Switches failures on and off.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.portal.change_faults(change);
    }

    /// Adds one rule.
    pub fn fail(&self, fault: Fault) {
        self.portal.change_faults(|faults| faults.rules.push(fault));
    }

    /// Lets every access token of the account expire now.
    pub fn expire_tokens(&self) -> Result<(), SandboxError> {
        self.portal.tokens.expire_all().map_err(saved)
    }

    /// Ends every grant, as when the account removes the app: refreshes fail from now on.
    pub fn uninstall(&self) -> Result<(), SandboxError> {
        self.portal.tokens.uninstall().map_err(saved)
    }

    /// Changes where webhooks go; loopback only.
    pub fn set_webhook_target(&self, target: Option<Url>) -> Result<(), SandboxError> {
        if let Some(target) = &target {
            check_target(target).map_err(|problem| SandboxError::Option {
                name: "webhook_target",
                problem,
            })?;
        }
        self.portal.webhooks.set_target(target);
        self.portal.save_head()
    }

    /// Waits until no event is queued, in flight or waiting for another attempt.
    pub async fn webhooks_idle(&self) {
        self.portal.webhooks.deliveries.idle().await;
    }

    /// How the webhooks went so far.
    pub fn webhook_counts(&self) -> WebhookCounts {
        self.portal.webhooks.deliveries.counts()
    }

    /// How often each endpoint was asked.
    pub fn counts(&self) -> Counts {
        self.portal.stats.current()
    }

    /// Stops serving and writes everything to disk.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        self.portal.stop.send_replace(true);
        self.server.stop(true).await;
        for task in self.tasks.drain(..) {
            // A task that panicked has nothing left to save.
            let _ = task.await;
        }
        self.portal.store.detach();
        self.portal.save_head()?;
        if let Some(journal) = self.journal.take() {
            let flushed = tokio::task::spawn_blocking(move || journal.flush()).await;
            let flushed = flushed.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
            flushed.map_err(|source| SandboxError::File {
                attempt: "writing the journal of",
                path: "the sandbox".into(),
                source,
            })?;
        }
        if let Some(disk) = &self.portal.disk {
            disk.release();
        }
        Ok(())
    }
}

impl Drop for HubSpot {
    fn drop(&mut self) {
        self.portal.stop.send_replace(true);
        // The order to stop is sent at once; waiting for the end is `stop`'s.
        drop(self.server.stop(false));
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn saved(error: tokens::GrantError) -> SandboxError {
    match error {
        tokens::GrantError::NotSaved(error) => error,
        other => SandboxError::Option {
            name: "tokens",
            problem: format!("{other:?}"),
        },
    }
}
