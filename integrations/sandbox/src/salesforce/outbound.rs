//! Outbound messages: what was created or changed is told to the one address the customer's admin entered, as SOAP, until it is acknowledged.
//!
//! Owns: the queue and the attempts. Refuses: targets beyond loopback, redirects. As at the vendor, deletions are not told, a message holds
//! the values of the moment it is sent, one acknowledgement covers its whole batch, and order and uniqueness are not promised.
//! Invariant: a message is tried until the answer holds `Ack` with `true`, for about a day, and then given up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use url::Url;

use super::Org;
use super::soap::{self, Envelope, Notification};

/// The waits before further attempts, in seconds: growing to two hours, for a day in all.
const WAITS: [u64; 17] = [
    10, 60, 300, 900, 1800, 3600, 7200, 7200, 7200, 7200, 7200, 7200, 7200, 7200, 7200, 7200, 7200,
];
const MAX_BATCH: usize = 100;

/// What the admin chose to tell about each object.
pub(crate) const MESSAGES: [(&str, &[&str]); 5] = [
    (
        "Account",
        &["Id", "Name", "Type", "Website", "SystemModstamp"],
    ),
    (
        "Contact",
        &[
            "Id",
            "AccountId",
            "FirstName",
            "LastName",
            "Email",
            "SystemModstamp",
        ],
    ),
    (
        "Opportunity",
        &[
            "Id",
            "AccountId",
            "Name",
            "StageName",
            "Amount",
            "CloseDate",
            "IsWon",
            "SystemModstamp",
        ],
    ),
    (
        "OpportunityPartner",
        &[
            "Id",
            "OpportunityId",
            "AccountToId",
            "Role",
            "IsPrimary",
            "SystemModstamp",
        ],
    ),
    (
        "Lead",
        &[
            "Id",
            "Company",
            "LastName",
            "Email",
            "Status",
            "SystemModstamp",
        ],
    ),
];

/// A record that was created or changed.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    pub(crate) object: String,
    pub(crate) id: String,
}

/// Where messages go.
#[derive(Debug)]
pub(crate) struct Target(Mutex<Option<Url>>);

impl Target {
    pub(crate) fn new(target: Option<Url>) -> Self {
        Self(Mutex::new(target))
    }

    pub(crate) fn get(&self) -> Option<Url> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, target: Option<Url>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }
}

/// Gathers, batches and sends until the org stops.
pub(crate) async fn run(
    org: Arc<Org>,
    mut inbox: UnboundedReceiver<Touched>,
    client: reqwest::Client,
    seed: u64,
) {
    let mut chance = StdRng::seed_from_u64(seed);
    let width = usize::try_from(org.limits.message_concurrency.max(1)).unwrap_or(1);
    let gate = Arc::new(Semaphore::new(width));
    let mut sending = JoinSet::new();
    loop {
        let first = tokio::select! {
            first = inbox.recv() => first,
            () = org.stopping() => return,
            Some(_) = sending.join_next() => continue,
        };
        let Some(first) = first else {
            return;
        };
        tokio::time::sleep(org.limits.message_gather).await;
        let mut touched = vec![first];
        while let Ok(next) = inbox.try_recv() {
            touched.push(next);
        }
        let count = touched.len();
        let faults = org.faults.change(|faults| faults.webhooks.clone());
        if let (Some(target), false) = (org.target.get(), faults.drop) {
            let mut notifications: Vec<Notification> = touched
                .into_iter()
                .map(|Touched { object, id }| Notification {
                    id: org.fresh_record_id("04l"),
                    object,
                    record: id,
                })
                .collect();
            if faults.shuffle {
                notifications.shuffle(&mut chance);
            }
            let mut batches = batches(notifications);
            if faults.duplicate {
                batches.extend(batches.clone());
            }
            for batch in batches {
                org.deliveries.opened(1);
                sending.spawn(deliver(
                    Arc::clone(&org),
                    client.clone(),
                    Arc::clone(&gate),
                    target.clone(),
                    batch,
                ));
            }
        }
        org.deliveries.closed(count);
    }
}

/// A message tells about one object; at most a hundred notifications of it.
fn batches(notifications: Vec<Notification>) -> Vec<Vec<Notification>> {
    MESSAGES
        .iter()
        .flat_map(|(object, _)| {
            let of_object: Vec<Notification> = notifications
                .iter()
                .filter(|notification| notification.object == *object)
                .cloned()
                .collect();
            let batches = of_object.chunks(MAX_BATCH).map(<[Notification]>::to_vec);
            batches.collect::<Vec<_>>()
        })
        .collect()
}

async fn deliver(
    org: Arc<Org>,
    client: reqwest::Client,
    gate: Arc<Semaphore>,
    target: Url,
    batch: Vec<Notification>,
) {
    let scale = org.limits.message_time_scale;
    let (shared, client, target, notifications) = (&org, &client, &target, &batch);
    let send = |_| async move { send(shared, client, target, notifications).await };
    org.deliveries
        .attempt(batch.len(), &WAITS, scale, &gate, send)
        .await;
    org.deliveries.closed(1);
}

/// One attempt. True when it was acknowledged, or when nothing is left to tell.
async fn send(org: &Org, client: &reqwest::Client, target: &Url, batch: &[Notification]) -> bool {
    let Some(object) = batch.first().map(|first| first.object.as_str()) else {
        return true;
    };
    let fields = MESSAGES.iter().find(|(known, _)| *known == object);
    let fields = fields.map_or(&[][..], |(_, fields)| fields);
    // A fault can make a message name another org: the only thing a receiver can check.
    let wrong = org.faults.change(|faults| faults.webhooks.wrong_signature);
    let org_id = if wrong {
        super::id::make("00D", "Zz", 1)
    } else {
        org.org_id()
    };
    let envelope = Envelope {
        org_id: &org_id,
        action_id: &super::id::make(
            "04k",
            "Hs",
            u64::from(object.as_bytes().iter().map(|b| u32::from(*b)).sum::<u32>()),
        ),
        base: &org.instance_url(),
        object,
        fields,
    };
    let Some(body) = soap::envelope(&org.store.read(), &envelope, batch) else {
        return true;
    };
    let answer = client
        .post(target.clone())
        .header("content-type", "text/xml; charset=utf-8")
        .header("soapaction", "\"\"")
        .header("user-agent", "Salesforce Outbound Message (sandbox)")
        .timeout(org.limits.message_timeout.max(Duration::from_millis(1)))
        .body(body)
        .send()
        .await;
    match answer {
        Ok(answer) if answer.status().is_success() => answer
            .text()
            .await
            .is_ok_and(|text| soap::acknowledged(&text)),
        _ => false,
    }
}
