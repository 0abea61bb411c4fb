//! Webhooks: what happened goes to each subscription of its topic and to the app's configured address, signed, and again when not taken.
//!
//! Owns: the envelopes and the attempts. Refuses: targets beyond loopback (checked where they are set); a shop without the app says nothing
//! except what concerns its removal. Invariant: a body is sent as it was when it happened, nine times at most; a subscription made over the
//! API that never takes a delivery is removed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use url::Url;

use super::Shop;
use super::rest;
use super::signature;
use super::store::Happening;
use super::subscriptions::Subscription;
use super::versions;
use crate::ids::fresh_id;

/// The waits before the eight further attempts, in seconds: about four hours in all.
const WAITS: [u64; 8] = [10, 60, 300, 900, 1800, 3000, 3600, 4500];
/// What is told although the app is no longer there.
const PARTING: [&str; 4] = [
    "app/uninstalled",
    "shop/redact",
    "customers/redact",
    "customers/data_request",
];

/// One body for one address.
#[derive(Debug, Clone)]
struct Envelope {
    target: Url,
    /// The subscription made over the API, when there is one.
    subscription: Option<u64>,
    name: Option<String>,
    topic: &'static str,
    body: String,
    webhook_id: String,
    event_id: String,
    at: i64,
}

/// Leaves only the fields a subscription asked for.
fn narrowed(payload: &Value, subscription: &Subscription) -> Value {
    let (Some(fields), false) = (payload.as_object(), subscription.include_fields.is_empty())
    else {
        return payload.clone();
    };
    let mut out = Map::new();
    for wanted in &subscription.include_fields {
        let top = wanted.split('.').next().unwrap_or_default();
        if let Some(value) = fields.get(top) {
            out.insert(top.to_owned(), value.clone());
        }
    }
    Value::Object(out)
}

fn envelopes(shop: &Shop, happening: &Happening) -> Vec<Envelope> {
    if !shop.tokens.installed() && !PARTING.contains(&happening.topic) {
        return Vec::new();
    }
    let envelope = |target, subscription: Option<&Subscription>, body: &Value| Envelope {
        target,
        subscription: subscription.map(|one| one.id),
        name: subscription.and_then(|one| one.name.clone()),
        topic: happening.topic,
        body: rest::print(body),
        webhook_id: fresh_id(),
        event_id: happening.action.clone(),
        at: happening.at,
    };
    let mut out: Vec<Envelope> = happening
        .subscribed
        .iter()
        .filter_map(|one| {
            let target = Url::parse(&one.uri).ok()?;
            Some(envelope(
                target,
                Some(one),
                &narrowed(&happening.payload, one),
            ))
        })
        .collect();
    if let Some(target) = shop.webhook_target()
        && shop
            .configured_topics
            .iter()
            .any(|topic| topic == happening.topic)
    {
        out.push(envelope(target, None, &happening.payload));
    }
    out
}

/// Sends what happens until the shop stops.
pub(crate) async fn run(
    shop: Arc<Shop>,
    mut inbox: UnboundedReceiver<Happening>,
    client: reqwest::Client,
    seed: u64,
) {
    let mut chance = StdRng::seed_from_u64(seed);
    let width = usize::try_from(shop.limits.webhook_concurrency.max(1)).unwrap_or(1);
    let gate = Arc::new(Semaphore::new(width));
    let mut sending = JoinSet::new();
    loop {
        let first = tokio::select! {
            first = inbox.recv() => first,
            () = shop.stopping() => return,
            Some(_) = sending.join_next() => continue,
        };
        let Some(first) = first else {
            return;
        };
        let mut happenings = vec![first];
        while let Ok(next) = inbox.try_recv() {
            happenings.push(next);
        }
        let faults = shop.faults.current().webhooks;
        let mut batch: Vec<Envelope> = Vec::new();
        if !faults.drop {
            batch = happenings
                .iter()
                .flat_map(|happening| envelopes(&shop, happening))
                .collect();
        }
        if faults.duplicate {
            batch.extend(batch.clone());
        }
        if faults.shuffle {
            batch.shuffle(&mut chance);
        }
        for envelope in batch {
            shop.deliveries.opened(1);
            sending.spawn(deliver(
                Arc::clone(&shop),
                client.clone(),
                Arc::clone(&gate),
                envelope,
            ));
        }
        shop.deliveries.closed(happenings.len());
    }
}

async fn deliver(
    shop: Arc<Shop>,
    client: reqwest::Client,
    gate: Arc<Semaphore>,
    envelope: Envelope,
) {
    let scale = shop.limits.webhook_time_scale;
    let taken = shop
        .deliveries
        .attempt(1, &WAITS, scale, &gate, |_| send(&shop, &client, &envelope))
        .await;
    if let (false, Some(id)) = (taken, envelope.subscription) {
        shop.store
            .change(|change| change.state.subscriptions.remove(&id));
    }
    shop.deliveries.closed(1);
}

/// A time with nanoseconds, as the vendor prints it here and nowhere else.
fn nanoseconds(ms: i64) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()
}

/// One attempt. True when it was taken.
async fn send(shop: &Shop, client: &reqwest::Client, envelope: &Envelope) -> bool {
    let faults = shop.faults.current().webhooks;
    let mut secret = shop.signing_secret();
    if faults.wrong_signature {
        secret.insert_str(0, "not ");
    }
    let mut request = client
        .post(envelope.target.clone())
        .header("content-type", "application/json")
        .header("user-agent", "Shopify-Captain-Hook (sandbox)")
        .header("X-Shopify-Topic", envelope.topic)
        .header("X-Shopify-Shop-Domain", shop.domain())
        .header("X-Shopify-API-Version", versions::CURRENT)
        .header("X-Shopify-Webhook-Id", &envelope.webhook_id)
        .header("X-Shopify-Event-Id", &envelope.event_id)
        .header(
            "X-Shopify-Triggered-At",
            nanoseconds(envelope.at.saturating_add(faults.time_shift_ms)),
        )
        .timeout(shop.limits.webhook_timeout);
    if let Some(name) = &envelope.name {
        request = request.header("X-Shopify-Name", name);
    }
    if !faults.no_signature {
        request = request.header(
            "X-Shopify-Hmac-Sha256",
            signature::base64(&secret, envelope.body.as_bytes()),
        );
    }
    request
        .body(envelope.body.clone())
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}

/// Asks for the erasure of the shop's data once its time has come.
pub(crate) async fn parting(shop: Arc<Shop>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            () = shop.stopping() => return,
        }
        let now = shop.clock.now_ms();
        let due = shop.store.read().redact_at.is_some_and(|at| at <= now);
        if due {
            shop.redact_shop();
        }
    }
}
