//! A double of Shopify: one shop, one app, on loopback.
//!
//! Players: the `store` holds the records; `human` is what buyers and merchants do; `graphql` checks and runs documents against `resolve` and
//! `mutate`; the `gate` stands before every endpoint; `oauth` gives out tokens; `bulk` runs in the background; `webhooks` tell of every
//! change; faults make it fail on request; `admin` is the door for "a human in the shop".
//!
//! Theory: a double is worth what it refuses. It executes GraphQL against the names and types of the vendor's published schema, charges by
//! cost, says THROTTLED with HTTP 200, ignores search fields it does not know, hides orders older than sixty days, and sends ids that no
//! JavaScript number holds.
//!
//! Left out: draft orders, products, discounts, fulfilment, several languages, and everything else of the schema that is not in
//! `schema.graphql`; asking for it is an unknown field.

mod access;
mod admin;
mod api;
mod bucket;
mod bulk;
mod creating;
mod drafts;
mod gate;
mod generate;
mod gid;
mod graphql;
mod human;
mod model;
mod money;
mod mutate;
mod oauth;
mod options;
mod paging;
mod refused;
mod resolve;
mod rest;
mod running;
mod search;
mod shop;
mod signature;
mod start;
mod state;
mod store;
mod subscriptions;
mod tokens;
mod versions;
mod webhooks;

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;
use url::Url;

pub use drafts::{CompanyDraft, CustomerDraft, LineDraft, OrderDraft, OrderEdit};
pub use model::Utm;
pub use options::{ShopSource, ShopifyLimits, ShopifyOptions};
pub use refused::Refused;
pub use store::Store;

pub(crate) use shop::Shop;

use crate::app::check_target;
use crate::{App, Clock, Counts, Fault, Faults, SandboxError, WebhookCounts};

/// A running shop. Dropped without `stop`, it ends at once and keeps what had reached the disk.
#[derive(Debug)]
pub struct Shopify {
    shop: Arc<Shop>,
    server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
    url: Url,
}

impl Shopify {
    /// Makes or continues a shop and serves it. Must be called within a tokio runtime.
    pub async fn start(options: ShopifyOptions) -> Result<Self, SandboxError> {
        start::start(options).await
    }

    /// The address that stands for `https://{shop}`.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// The shop's domain, the tenant key.
    pub fn tenant(&self) -> String {
        self.shop.domain()
    }

    /// The registered app; its secret is the one of the first start, until it is rotated.
    pub fn app(&self) -> &App {
        self.shop.app()
    }

    /// The records, to do with them what people do in a shop.
    pub fn store(&self) -> Arc<Store> {
        Arc::clone(&self.shop.store)
    }

    /// The sandbox's clock, to let time pass.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.shop.clock)
    }

    /// Switches failures on and off. The path of a rule for the API may name the fields asked for at the top of a document, in order:
    /// `/admin/api/2026-10/graphql.json#orders`.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.shop.faults.change(change);
    }

    /// Adds one rule.
    pub fn fail(&self, fault: Fault) {
        self.shop.faults.change(|faults| faults.rules.push(fault));
    }

    /// Lets every access token that expires do so now.
    pub fn expire_tokens(&self) -> Result<(), SandboxError> {
        self.shop.tokens.expire_all().map_err(start::saved)
    }

    /// The merchant removes the app: tokens die, subscriptions end, `app/uninstalled` is told, and later `shop/redact`.
    pub fn uninstall(&self) -> Result<(), SandboxError> {
        self.shop.remove_app();
        Ok(())
    }

    /// The merchant changes what the app may do; `app/scopes_update` is told.
    pub fn change_scopes(&self, scopes: &[&str]) -> Result<(), SandboxError> {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.shop.rescope(scopes).map_err(start::saved)
    }

    /// A customer asks what is known of them; told to the app's configured address.
    pub fn request_customer_data(&self, customer: u64) -> Result<(), Refused> {
        self.shop.privacy("customers/data_request", customer)
    }

    /// A customer wants to be forgotten; told to the app's configured address.
    pub fn redact_customer(&self, customer: u64) -> Result<(), Refused> {
        self.shop.privacy("customers/redact", customer)
    }

    /// The shop's data is to be erased, without waiting for the hours after the app's removal.
    pub fn redact_shop(&self) {
        self.shop.redact_shop();
    }

    /// The app gets a new secret. Both are known from now on; the old one goes on signing until `sign_with_new_secret`.
    pub fn rotate_secret(&self, new: &str) -> Result<(), SandboxError> {
        self.shop.rotate_secret(new)
    }

    /// The new secret signs from now on; the old one is forgotten.
    pub fn sign_with_new_secret(&self) -> Result<(), SandboxError> {
        self.shop.forget_old_secret()
    }

    /// Requests for versions older than this are served by it from now on.
    pub fn end_versions_before(&self, oldest: Option<&str>) {
        self.shop.set_oldest_version(oldest);
    }

    /// Changes where topics of the app's configuration go; loopback only.
    pub fn set_webhook_target(&self, target: Option<Url>) -> Result<(), SandboxError> {
        if let Some(target) = &target {
            check_target(target).map_err(|problem| SandboxError::Option {
                name: "webhook_target",
                problem,
            })?;
        }
        self.shop.set_webhook_target(target)
    }

    /// Topic and address of each subscription made over the API.
    pub fn subscriptions(&self) -> Vec<(String, String)> {
        let state = self.shop.store.read();
        state
            .subscriptions
            .values()
            .map(|one| (subscriptions::slashed(&one.topic), one.uri.clone()))
            .collect()
    }

    /// Waits until no webhook is queued, in flight or waiting for another attempt.
    pub async fn webhooks_idle(&self) {
        self.shop.deliveries.idle().await;
    }

    /// How the webhooks went so far.
    pub fn webhook_counts(&self) -> WebhookCounts {
        self.shop.deliveries.counts()
    }

    /// How often a request was refused because the bucket did not hold what it costs. Such an answer has the status of a success.
    pub fn throttled(&self) -> u64 {
        self.shop.bucket.refusals()
    }

    /// How often each endpoint was asked; of the API also for what, as rules of faults name it: `graphql.json#orders`.
    pub fn counts(&self) -> Counts {
        self.shop.stats.current()
    }

    /// Stops serving and writes everything to disk.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        self.shop.stop.send_replace(true);
        self.server.stop(true).await;
        for task in self.tasks.drain(..) {
            // A task that panicked has nothing left to save.
            let _ = task.await;
        }
        let shop = Arc::clone(&self.shop);
        let saved = tokio::task::spawn_blocking(move || shop.end()).await;
        saved.map_err(|panic| SandboxError::File {
            attempt: "writing the state of",
            path: "the sandbox".into(),
            source: std::io::Error::other(panic),
        })?
    }
}

impl Drop for Shopify {
    fn drop(&mut self) {
        self.shop.stop.send_replace(true);
        // The order to stop is sent at once; waiting for the end is `stop`'s.
        drop(self.server.stop(false));
        for task in &self.tasks {
            task.abort();
        }
    }
}
