//! The courier: claims, has rendered, lets fly, settles.
//!
//! One task does all the writing, in few transactions: what landed is settled together, what departs is claimed together. Only the attempts themselves
//! run side by side. Owns: how many deliveries of each endpoint are in the air. Refuses: to let an endpoint take another's places, and to send what is
//! not kept. Invariant: what is in the air is counted, and given back also when an attempt panics.

use super::fan_out::author;
use super::flight::{self, Landed};
use super::{NotRendered, Outbound, Render, Result, schedule};
use bytes::Bytes;
use entities::change::Change;
use entities::event;
use entities::id::WebhookEndpointId;
use entities::viewer::Viewer;
use entities::webhook_delivery::{self, Claiming, Model as Delivery, Next};
use entities::webhook_endpoint::{self, EndpointStatus, Model as Endpoint, PATIENCE_MS};
use futures::future::join_all;
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio::task::{Id, JoinSet};
use uuid::Uuid;

/// What is rendered side by side.
const RENDERED_AT_A_TIME: usize = 16;

/// An endpoint's deliveries in the air.
#[derive(Clone, Copy, Debug, Default)]
struct Aloft {
    all: usize,
    retries: usize,
    /// Whether it was failing when they left.
    failing: bool,
}

/// What became of having a delivery rendered.
enum Rendered {
    Body(Bytes),
    /// The owner may not see the event any more, or there is none.
    Nothing,
    Failed(String, bool),
}

/// A courier.
pub struct Courier {
    outbound: Outbound,
    render: Arc<dyn Render>,
    worker: Uuid,
    flying: JoinSet<Landed>,
    tickets: HashMap<Id, (WebhookEndpointId, bool)>,
    aloft: HashMap<WebhookEndpointId, Aloft>,
    /// What landed and is not settled yet.
    landed: Vec<Landed>,
}

impl Courier {
    /// A courier with nothing in the air.
    #[must_use]
    pub fn new(outbound: Outbound, render: Arc<dyn Render>) -> Self {
        let mut bytes = [0_u8; 16];
        outbound.database.ids().fill(&mut bytes);
        Self {
            outbound,
            render,
            worker: Uuid::from_bytes(bytes),
            flying: JoinSet::new(),
            tickets: HashMap::new(),
            aloft: HashMap::new(),
            landed: Vec::new(),
        }
    }

    /// Settles what landed, follows the log, and lets fly what is due. The answer says whether there was anything to do.
    ///
    /// # Errors
    /// When the database fails. Nothing is lost by that: what landed is settled in the next turn, what was claimed is due again.
    pub async fn turn(&mut self) -> Result<bool> {
        let settled = self.settle().await?;
        let read = self.outbound.fan_out().await?;
        let left = self.depart().await?;
        Ok(settled || read || left)
    }

    /// Whether anything is in the air.
    #[must_use]
    pub fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    /// Waits until something has landed; for ever while nothing is in the air.
    pub async fn landing(&mut self) {
        match self.flying.join_next_with_id().await {
            Some(landed) => self.land(landed),
            None => std::future::pending().await,
        }
    }

    /// Lets what is in the air land, and settles it. Nothing departs meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn come_home(&mut self) -> Result<()> {
        while let Some(landed) = self.flying.join_next_with_id().await {
            self.land(landed);
        }
        self.settle().await?;
        Ok(())
    }

    fn land(&mut self, landed: std::result::Result<(Id, Landed), tokio::task::JoinError>) {
        let id = match landed {
            Ok((id, landed)) => {
                self.landed.push(landed);
                id
            }
            Err(error) => {
                tracing::error!("an attempt of a webhook delivery panicked");
                error.id()
            }
        };
        let Some((endpoint, retry)) = self.tickets.remove(&id) else {
            return;
        };
        if let Some(aloft) = self.aloft.get_mut(&endpoint) {
            aloft.all = aloft.all.saturating_sub(1);
            aloft.retries = aloft.retries.saturating_sub(usize::from(retry));
            if aloft.all == 0 {
                self.aloft.remove(&endpoint);
            }
        }
    }

    /// Writes down what landed, all in one transaction.
    async fn settle(&mut self) -> Result<bool> {
        while let Some(landed) = self.flying.try_join_next_with_id() {
            self.land(landed);
        }
        if self.landed.is_empty() {
            return Ok(false);
        }
        let mut change = Change::begin(&self.outbound.database, author()).await?;
        let mut endings: HashMap<WebhookEndpointId, Ending> = HashMap::new();
        for landed in &self.landed {
            let (delivery, ended) = (&landed.delivery, &landed.ended);
            if !webhook_delivery::settle(&change, delivery, ended.clone()).await? {
                // Another courier's by now: the lease was over.
                continue;
            }
            let ending = endings.entry(delivery.endpoint_id).or_default();
            ending.gone |= landed.gone;
            // A test says nothing of how deliveries fare.
            if delivery.event_id.is_some() {
                ending.arrived |= ended.next == Next::Delivered;
                ending.failed |= ended.next != Next::Delivered;
            }
        }
        for (id, ending) in endings {
            ending.apply(&mut change, id).await?;
        }
        change.commit().await?;
        self.landed.clear();
        Ok(true)
    }

    /// Claims what is due and may leave, and lets it fly.
    async fn depart(&mut self) -> Result<bool> {
        let outbound = self.outbound.clone();
        let (database, settings) = (&outbound.database, outbound.settings);
        let mut wanted = Vec::new();
        let mut room = settings.in_the_air.saturating_sub(self.flying.len());
        let failing: usize = self
            .aloft
            .values()
            .filter(|aloft| aloft.failing)
            .map(|aloft| aloft.all)
            .sum();
        let mut failing_room = (settings.in_the_air / 2).saturating_sub(failing);
        for endpoint in webhook_delivery::due_endpoints(database).await? {
            let aloft = self.aloft.get(&endpoint.id).copied().unwrap_or_default();
            let fails = endpoint.failing_since.is_some();
            let most = if fails {
                settings.failing_at_a_time.min(failing_room + aloft.all)
            } else {
                settings.at_a_time
            };
            let free = most.saturating_sub(aloft.all).min(room);
            if free > 0 {
                room -= free;
                failing_room = failing_room.saturating_sub(if fails { free } else { 0 });
                let retries = settings.retries_at_a_time.saturating_sub(aloft.retries);
                wanted.push((Arc::new(endpoint), free, retries));
            }
        }
        if wanted.is_empty() {
            return Ok(false);
        }
        let lease = i64::try_from(settings.lease.as_millis()).unwrap_or(i64::MAX);
        let change = Change::begin(database, author()).await?;
        let now = change.now();
        let claiming = Claiming {
            worker: self.worker,
            until: now.plus_millis(lease),
            now,
            max_attempts: schedule::ATTEMPTS,
        };
        let mut claimed: Vec<(Arc<Endpoint>, Delivery)> = Vec::new();
        for (endpoint, free, retries) in wanted {
            let mut free = free;
            for (retry, most) in [(false, free), (true, retries)] {
                let limit = most.min(free);
                if limit == 0 {
                    continue;
                }
                let lane = (endpoint.id, retry);
                let rows =
                    webhook_delivery::claim(change.transaction(), claiming, lane, limit as u64)
                        .await?;
                free -= rows.len().min(free);
                claimed.extend(rows.into_iter().map(|row| (Arc::clone(&endpoint), row)));
            }
        }
        change.commit().await?;
        let any = !claimed.is_empty();
        self.prepare(claimed).await?;
        Ok(any)
    }

    /// Has what was never rendered rendered, keeps it, and lets everything fly.
    async fn prepare(&mut self, claimed: Vec<(Arc<Endpoint>, Delivery)>) -> Result<()> {
        let owners = self.owners(&claimed).await?;
        let owner = |endpoint: &Endpoint| owners.get(&endpoint.id);
        let (ready, bare): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|(endpoint, delivery)| {
                let rendering = owner(endpoint).map(|owner| endpoint.rendering_for(owner));
                delivery.rendering == rendering && delivery.body.is_some()
            });
        for (endpoint, mut delivery) in ready {
            let body = delivery.body.take().unwrap_or_default();
            self.launch(endpoint, delivery, body.into());
        }
        if bare.is_empty() {
            return Ok(());
        }
        let mut rendered = Vec::with_capacity(bare.len());
        for few in bare.chunks(RENDERED_AT_A_TIME) {
            let few = few
                .iter()
                .map(|(endpoint, delivery)| self.rendered(endpoint, owner(endpoint), delivery));
            rendered.extend(join_all(few).await);
        }
        let change = Change::begin(&self.outbound.database, author()).await?;
        let mut flights = Vec::with_capacity(bare.len());
        for ((endpoint, delivery), rendered) in bare.into_iter().zip(rendered) {
            match rendered? {
                Rendered::Body(body) => {
                    let rendering =
                        owner(&endpoint).map_or(0, |owner| endpoint.rendering_for(owner));
                    if webhook_delivery::keep_body(&change, &delivery, rendering, &body).await? {
                        flights.push((endpoint, delivery, body));
                    }
                }
                Rendered::Nothing => webhook_delivery::forget(&change, &delivery).await?,
                Rendered::Failed(error, for_good) => {
                    let outbound = &self.outbound;
                    let landed = flight::grounded(outbound, &endpoint, delivery, error, for_good);
                    self.landed.push(landed);
                }
            }
        }
        change.commit().await?;
        for (endpoint, delivery, body) in flights {
            self.launch(endpoint, delivery, body);
        }
        Ok(())
    }

    /// In whose names the endpoints of these deliveries hear today.
    async fn owners(
        &self,
        claimed: &[(Arc<Endpoint>, Delivery)],
    ) -> Result<HashMap<WebhookEndpointId, Viewer>> {
        let connection = self.outbound.database.read();
        let mut owners = HashMap::new();
        for (endpoint, _) in claimed {
            if let Entry::Vacant(place) = owners.entry(endpoint.id) {
                place.insert(endpoint.viewer(connection).await?);
            }
        }
        Ok(owners)
    }

    async fn rendered(
        &self,
        endpoint: &Endpoint,
        owner: Option<&Viewer>,
        delivery: &Delivery,
    ) -> Result<Rendered> {
        let Some(id) = delivery.event_id else {
            return Ok(Rendered::Body(test_body(endpoint, delivery)));
        };
        // The owner may have lost the right to it since the delivery was raised.
        let connection = self.outbound.database.read();
        let Some(owner) = owner else {
            return Ok(Rendered::Nothing);
        };
        let Some(event) = event::find_seen(connection, owner, id).await? else {
            return Ok(Rendered::Nothing);
        };
        Ok(match self.render.render(endpoint, owner, &event).await {
            Ok(body) => Rendered::Body(body.into()),
            Err(error) => {
                let for_good = matches!(error, NotRendered::Never(_));
                Rendered::Failed(error.to_string(), for_good)
            }
        })
    }

    fn launch(&mut self, endpoint: Arc<Endpoint>, delivery: Delivery, body: Bytes) {
        let ticket = (endpoint.id, delivery.retry);
        let aloft = self.aloft.entry(endpoint.id).or_default();
        aloft.all += 1;
        aloft.retries += usize::from(delivery.retry);
        aloft.failing = endpoint.failing_since.is_some();
        let flight = flight::fly(self.outbound.clone(), endpoint, delivery, body);
        let handle = self.flying.spawn(flight);
        self.tickets.insert(handle.id(), ticket);
    }
}

/// What a test says: it has no event, and so nothing that anybody would have to be allowed to see.
fn test_body(endpoint: &Endpoint, delivery: &Delivery) -> Bytes {
    let body = json!({
        "type": delivery.kind,
        "timestamp": delivery.occurred_at,
        "data": { "webhookEndpointId": endpoint.id },
    });
    body.to_string().into()
}

/// How an endpoint's deliveries ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ending {
    arrived: bool,
    failed: bool,
    gone: bool,
}

impl Ending {
    async fn apply(self, change: &mut Change, id: WebhookEndpointId) -> Result<()> {
        let since = (!self.arrived).then_some(change.now());
        if self.arrived || self.failed {
            webhook_endpoint::note_failing(change, id, since).await?;
        }
        // What arrives says that the receiver is there, whatever else failed.
        if !self.gone && (self.arrived || !self.failed) {
            return Ok(());
        }
        let system = Viewer::system("webhook");
        let row = webhook_endpoint::lock(change, &system, id, None).await?;
        let patience_is_over = row
            .failing_since
            .is_some_and(|since| since.plus_millis(PATIENCE_MS) <= change.now());
        let reason = if self.gone {
            "the receiver answered 410 Gone"
        } else if patience_is_over {
            "no delivery has arrived for five days"
        } else {
            return Ok(());
        };
        if row.status != EndpointStatus::Disabled {
            tracing::info!(endpoint = %id, reason, "a webhook endpoint was disabled");
            webhook_endpoint::disable(change, row, reason).await?;
        }
        Ok(())
    }
}
