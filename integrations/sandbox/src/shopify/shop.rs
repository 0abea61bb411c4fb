//! What the endpoints of one shop share, and what concerns the app as a whole: its removal, its scopes, its secrets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use actix_web::web::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use url::Url;

use super::bucket::Bucket;
use super::bulk::Operation;
use super::gid::Kind;
use super::graphql::Schema;
use super::options::ShopifyLimits;
use super::refused::Refused;
use super::store::Store;
use super::tokens::{GrantError, Tokens};
use crate::delivery::Deliveries;
use crate::faults::FaultBook;
use crate::folder::Folder;
use crate::stats::Stats;
use crate::{App, Clock, SandboxError};

/// `head.json`: what makes the shop the same one after a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) port: u16,
    pub(crate) source: String,
    pub(crate) domain: String,
    pub(crate) app: App,
    /// The secret before the last rotation, while it still signs.
    pub(crate) old_secret: Option<String>,
    pub(crate) new_secret: Option<String>,
    pub(crate) webhook_target: Option<Url>,
}

/// What the endpoints share.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) clock: Arc<Clock>,
    pub(crate) store: Arc<Store>,
    pub(crate) tokens: Tokens,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) faults: FaultBook,
    pub(crate) limits: ShopifyLimits,
    pub(crate) bucket: Bucket,
    pub(crate) stats: Stats,
    pub(crate) schema: Schema,
    pub(crate) configured_topics: Vec<String>,
    pub(crate) app: App,
    pub(crate) domain: String,
    pub(crate) shop_id: u64,
    pub(crate) disk: Option<Arc<Folder>>,
    pub(crate) head: Mutex<Head>,
    pub(crate) oldest: Mutex<Option<String>>,
    pub(crate) results: Mutex<HashMap<String, Bytes>>,
    pub(crate) bulk: UnboundedSender<u64>,
    pub(crate) url: OnceLock<Url>,
    pub(crate) stop: watch::Sender<bool>,
}

pub(crate) const HEAD: &str = "head.json";

impl Shop {
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    pub(crate) fn app_id(&self) -> u64 {
        self.app.app_id
    }

    pub(crate) fn id(&self) -> u64 {
        self.shop_id
    }

    pub(crate) fn domain(&self) -> String {
        self.domain.clone()
    }

    /// Ends when the shop is stopped.
    pub(crate) async fn stopping(&self) {
        // The sender lives as long as the shop, so waiting fails never.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn index_lag_ms(&self) -> i64 {
        let lag = self.faults.change(|faults| faults.index_lag_ms);
        let lag = lag.unwrap_or_else(|| {
            u64::try_from(self.limits.index_lag.as_millis()).unwrap_or(u64::MAX)
        });
        i64::try_from(lag).unwrap_or(i64::MAX)
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn save_head(&self, head: &Head) -> Result<(), SandboxError> {
        self.disk
            .as_ref()
            .map_or(Ok(()), |disk| disk.save_json(HEAD, head))
    }

    fn change_head(&self, change: impl FnOnce(&mut Head)) -> Result<(), SandboxError> {
        let mut head = self.head();
        let mut draft = head.clone();
        change(&mut draft);
        self.save_head(&draft)?;
        *head = draft;
        Ok(())
    }

    pub(crate) fn webhook_target(&self) -> Option<Url> {
        self.head().webhook_target.clone()
    }

    pub(crate) fn set_webhook_target(&self, target: Option<Url>) -> Result<(), SandboxError> {
        self.change_head(|head| head.webhook_target = target)
    }

    /// The secret that signs callbacks and webhooks now.
    pub(crate) fn signing_secret(&self) -> String {
        let head = self.head();
        let newest = head.new_secret.as_ref().unwrap_or(&head.app.client_secret);
        head.old_secret.as_ref().unwrap_or(newest).clone()
    }

    /// True for the secret, and for the one before it while it still signs.
    pub(crate) fn knows_secret(&self, secret: &str) -> bool {
        let head = self.head();
        let newest = head.new_secret.as_ref().unwrap_or(&head.app.client_secret);
        secret == newest || head.old_secret.as_deref() == Some(secret)
    }

    pub(crate) fn rotate_secret(&self, new: &str) -> Result<(), SandboxError> {
        if new.is_empty() {
            return Err(SandboxError::Option {
                name: "secret",
                problem: "it must not be empty".to_owned(),
            });
        }
        self.change_head(|head| {
            let newest = head
                .new_secret
                .take()
                .unwrap_or_else(|| head.app.client_secret.clone());
            head.old_secret = Some(newest);
            head.new_secret = Some(new.to_owned());
        })
    }

    pub(crate) fn forget_old_secret(&self) -> Result<(), SandboxError> {
        self.change_head(|head| head.old_secret = None)
    }

    pub(crate) fn oldest_version(&self) -> Option<String> {
        self.oldest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_oldest_version(&self, oldest: Option<&str>) {
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = oldest.map(str::to_owned);
    }

    /// The app was installed, again perhaps: nothing is to be erased any more.
    pub(crate) fn installed(&self) {
        self.store.change(|change| change.state.redact_at = None);
    }

    /// The app is removed: it is told so, then nothing of it works any more.
    pub(crate) fn remove_app(&self) {
        let installed = self.tokens.uninstall().unwrap_or(false);
        if !installed {
            return;
        }
        let after = i64::try_from(self.limits.redact_after.as_millis()).unwrap_or(i64::MAX);
        self.store.change(|change| {
            let body = self.shop_body(change.state);
            change.tell("app/uninstalled", body);
            change.state.subscriptions.clear();
            change.state.redact_at = Some(change.now.saturating_add(after));
        });
    }

    fn shop_body(&self, state: &super::state::State) -> Value {
        json!({
            "id": self.shop_id,
            "name": state.shop.name,
            "email": state.shop.email,
            "domain": self.domain,
            "myshopify_domain": self.domain,
            "currency": state.shop.currency,
            "plan_name": "shopify_plus",
        })
    }

    /// The shop's data is to be erased.
    pub(crate) fn redact_shop(&self) {
        self.store.change(|change| {
            change.state.redact_at = None;
            change.tell(
                "shop/redact",
                json!({"shop_id": self.shop_id, "shop_domain": self.domain}),
            );
        });
    }

    /// A customer's request about their data.
    pub(crate) fn privacy(&self, topic: &'static str, id: u64) -> Result<(), Refused> {
        self.store.change(|change| {
            let customer = change
                .state
                .customers
                .get(&id)
                .ok_or(Refused::no("customer", id))?;
            let orders: Vec<u64> = change.state.orders_of_customer(id).to_vec();
            let mut body = json!({
                "shop_id": self.shop_id,
                "shop_domain": self.domain,
                "customer": {"id": id, "email": customer.email, "phone": customer.phone},
            });
            if let Some(body) = body.as_object_mut() {
                if topic == "customers/data_request" {
                    body.insert("orders_requested".to_owned(), json!(orders));
                    body.insert("data_request".to_owned(), json!({"id": id % 1_000_000}));
                } else {
                    body.insert("orders_to_redact".to_owned(), json!(orders));
                }
            }
            change.tell(topic, body);
            Ok(())
        })
    }

    /// The merchant changes what the app may do.
    pub(crate) fn rescope(&self, scopes: Vec<String>) -> Result<(), GrantError> {
        let (previous, current) = self.tokens.rescope(scopes)?;
        self.store.change(|change| {
            let body = json!({
                "id": self.app.app_id,
                "shop_id": Kind::Shop.gid(self.shop_id),
                "previous": previous,
                "current": current,
                "updated_at": super::resolve::instant(change.now),
            });
            change.tell("app/scopes_update", body);
        });
        Ok(())
    }

    /// Where the result of a bulk operation can be fetched.
    pub(crate) fn result_url(&self, operation: &Operation) -> String {
        let url = self.url.get().map(Url::to_string).unwrap_or_default();
        format!("{url}bulk/{}.jsonl", operation.key)
    }

    pub(crate) fn start_bulk(&self, id: u64) {
        // A closed channel means the shop is stopping; the operation runs at the next start.
        let _ = self.bulk.send(id);
    }

    /// Keeps the result of a bulk operation, on disk when there is one.
    pub(crate) fn keep_result(&self, key: &str, bytes: Vec<u8>) -> Result<(), SandboxError> {
        if let Some(disk) = &self.disk {
            disk.replace(&format!("bulk-{key}.jsonl"), |out| {
                std::io::Write::write_all(out, &bytes)
            })?;
        }
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert(key.to_owned(), Bytes::from(bytes));
        Ok(())
    }

    pub(crate) fn result(&self, key: &str) -> Option<Bytes> {
        let known = self
            .results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned();
        // The key belongs to an operation, so it is no path; after a restart the result is read from disk.
        known.or_else(|| {
            let disk = self.disk.as_ref()?;
            std::fs::read(disk.file(&format!("bulk-{key}.jsonl")))
                .ok()
                .map(Bytes::from)
        })
    }

    /// Writes everything a last time and lets go of the folder.
    pub(crate) fn end(&self) -> Result<(), SandboxError> {
        let written = self
            .store
            .snapshot
            .get()
            .map_or(Ok(()), |snapshot| snapshot.end());
        if let Some(disk) = &self.disk {
            disk.release();
        }
        written
    }
}
