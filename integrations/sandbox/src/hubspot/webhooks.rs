//! Webhooks: what happened is gathered into batches, signed, sent to the app's one address, and tried again when it is not taken.
//!
//! Owns: the queue, the attempts and their times. Refuses: targets beyond loopback, redirects; accounts that have not installed the app hear
//! nothing. Invariant: a batch is tried at most eleven times; order and uniqueness are not promised, as at the vendor.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use url::Url;

use super::Portal;
use super::happening::{Happening, What};
use super::signature;
use super::subscriptions::Subscriptions;
use crate::delivery::Deliveries;
use crate::faults::WebhookFaults;

/// The waits before the ten further attempts, in seconds: about a day in all.
const WAITS: [u64; 10] = [
    60, 300, 900, 1800, 3600, 7200, 10_800, 14_400, 18_000, 21_600,
];
const MAX_BATCH: usize = 100;

/// The sending side's state.
#[derive(Debug)]
pub(crate) struct Webhooks {
    target: Mutex<Option<Url>>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) deliveries: Deliveries,
    next_event: AtomicU64,
}

impl Webhooks {
    pub(crate) fn new(target: Option<Url>) -> Self {
        Self {
            target: Mutex::new(target),
            subscriptions: Subscriptions::default(),
            next_event: AtomicU64::new(3_816_279_340),
            deliveries: Deliveries::default(),
        }
    }

    pub(crate) fn target(&self) -> Option<Url> {
        self.target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_target(&self, target: Option<Url>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }
}

/// A happening, as the event the subscription asks for.
fn event(portal: &Portal, happening: &Happening) -> Option<Value> {
    let (suffix, property) = match &happening.what {
        What::Created => ("creation", None),
        What::Deleted => ("deletion", None),
        What::PrivacyDeleted => ("privacyDeletion", None),
        What::Restored => ("restore", None),
        What::Changed { name, .. } => ("propertyChange", Some(name.as_str())),
        What::Merged { .. } => ("merge", None),
        What::Associated { .. } => ("associationChange", None),
    };
    let event_type = format!("{}.{suffix}", happening.kind.singular());
    let subscription = portal.webhooks.subscriptions.find(&event_type, property)?;
    let mut event = json!({
        "eventId": portal.webhooks.next_event.fetch_add(1, Ordering::Relaxed),
        "subscriptionId": subscription,
        "portalId": portal.store.portal_id(),
        "appId": portal.app().app_id,
        "occurredAt": happening.at,
        "subscriptionType": event_type,
        "attemptNumber": 0,
        "changeSource": happening.by.source(),
        "sourceId": happening.by.source_id(),
    });
    let more = match &happening.what {
        What::Created => json!({"objectId": happening.id, "changeFlag": "CREATED"}),
        What::Deleted | What::PrivacyDeleted => {
            json!({"objectId": happening.id, "changeFlag": "DELETED"})
        }
        What::Restored => json!({"objectId": happening.id, "changeFlag": "RESTORED"}),
        What::Changed { name, value } => json!({
            "objectId": happening.id,
            "propertyName": name,
            "propertyValue": value,
            "isSensitive": false,
        }),
        What::Merged {
            primary,
            merged,
            into,
            moved,
        } => json!({
            "objectId": into,
            "primaryObjectId": primary,
            "mergedObjectIds": [primary, merged],
            "newObjectId": into,
            "numberOfPropertiesMoved": moved,
        }),
        What::Associated {
            to_kind,
            to,
            removed,
            primary,
        } => json!({
            "associationType": format!("{}_TO_{}", happening.kind.singular(), to_kind.singular()).to_uppercase(),
            "fromObjectId": happening.id,
            "toObjectId": to,
            "associationRemoved": removed,
            "isPrimaryAssociation": primary,
        }),
    };
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    Some(event)
}

/// Gathers, batches and sends until the portal stops.
pub(crate) async fn run(
    portal: Arc<Portal>,
    mut inbox: UnboundedReceiver<Happening>,
    client: reqwest::Client,
    seed: u64,
) {
    let mut chance = StdRng::seed_from_u64(seed);
    let width = usize::try_from(portal.limits.webhook_concurrency.max(1)).unwrap_or(1);
    let gate = Arc::new(Semaphore::new(width));
    let mut sending = JoinSet::new();
    loop {
        let first = tokio::select! {
            first = inbox.recv() => first,
            () = portal.stopping() => return,
            Some(_) = sending.join_next() => continue,
        };
        let Some(first) = first else {
            return;
        };
        tokio::time::sleep(portal.limits.webhook_gather).await;
        let mut happenings = vec![first];
        while let Ok(next) = inbox.try_recv() {
            happenings.push(next);
        }
        let count = happenings.len();
        let faults = portal.faults.change(|faults| faults.webhooks.clone());
        let Some(target) = portal.webhooks.target() else {
            portal.webhooks.deliveries.closed(count);
            continue;
        };
        if faults.drop || !portal.tokens.installed() {
            portal.webhooks.deliveries.closed(count);
            continue;
        }
        let mut events: Vec<Value> = happenings
            .iter()
            .filter_map(|happening| event(&portal, happening))
            .collect();
        if faults.duplicate {
            events.extend(events.clone());
        }
        if faults.shuffle {
            events.shuffle(&mut chance);
        }
        for batch in events.chunks(MAX_BATCH) {
            portal.webhooks.deliveries.opened(1);
            sending.spawn(deliver(
                Arc::clone(&portal),
                client.clone(),
                Arc::clone(&gate),
                target.clone(),
                batch.to_vec(),
            ));
        }
        portal.webhooks.deliveries.closed(count);
    }
}

async fn deliver(
    portal: Arc<Portal>,
    client: reqwest::Client,
    gate: Arc<Semaphore>,
    target: Url,
    events: Vec<Value>,
) {
    let deliveries = &portal.webhooks.deliveries;
    let scale = portal.limits.webhook_time_scale;
    let (portal, client, target, events) = (&portal, &client, &target, &events);
    let send = |attempt| async move {
        let mut events = events.clone();
        for event in &mut events {
            if let Some(event) = event.as_object_mut() {
                event.insert("attemptNumber".to_owned(), json!(attempt));
            }
        }
        send(portal, client, target, &events).await
    };
    deliveries
        .attempt(events.len(), &WAITS, scale, &gate, send)
        .await;
    deliveries.closed(1);
}

/// One attempt. True when it was taken.
async fn send(portal: &Portal, client: &reqwest::Client, target: &Url, events: &[Value]) -> bool {
    let Ok(body) = serde_json::to_vec(events) else {
        return false;
    };
    let faults: WebhookFaults = portal.faults.change(|faults| faults.webhooks.clone());
    let app = portal.app();
    let secret = if faults.wrong_signature {
        format!("not {}", app.client_secret)
    } else {
        app.client_secret.clone()
    };
    let timestamp = portal
        .store
        .now()
        .saturating_add(faults.time_shift_ms)
        .to_string();
    let mut request = client
        .post(target.clone())
        .header("content-type", "application/json")
        .header("user-agent", "HubSpot Connect 2.0 (sandbox)")
        .timeout(portal.limits.webhook_timeout);
    if !faults.no_signature {
        let v3 = signature::v3(&secret, "POST", target.as_str(), &body, &timestamp);
        request = request
            .header("X-HubSpot-Signature", signature::v1(&secret, &body))
            .header("X-HubSpot-Signature-Version", "v1")
            .header("X-HubSpot-Signature-v3", v3)
            .header("X-HubSpot-Request-Timestamp", timestamp);
    }
    request
        .body(body)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}
