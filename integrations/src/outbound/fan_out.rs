//! From the log to deliveries.
//!
//! Owns: which event concerns which endpoint. Refuses: history, unless an endpoint asks for it, what happened before the endpoint was made, and what
//! its owner may not see. Invariant: the reader's place and the deliveries it raised are one transaction, so no event is passed over or told twice,
//! whichever process reads.

use super::{Outbound, Result};
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::error::Error;
use entities::event::{self, Head, Position};
use entities::event_reader;
use entities::id::EventId;
use entities::viewer::Viewer;
use entities::webhook_delivery::{self, NewDelivery};
use entities::webhook_endpoint::{self, EndpointStatus, Model as Endpoint, Standing};
use std::collections::HashSet;

/// The reader's name.
const READER: &str = "webhook";
/// Events of one step.
const EVENTS: u64 = 1_000;
/// A reader that begins does so this long before the first endpoint was made, in milliseconds: transactions end in another order than they begin.
const MARGIN_MS: i64 = 3_600_000;

/// The most events that one replay raises anew.
pub const MOST_RAISED: u64 = 10_000;

/// The author of what the way out writes by itself.
pub(super) fn author() -> Author {
    Author {
        actor: "webhook".to_owned(),
        origin: Origin::Api,
        connection: None,
    }
}

impl Outbound {
    /// Follows the event log for a while and raises deliveries. The answer says whether there was anything to read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fan_out(&self) -> Result<bool> {
        let database = &self.database;
        let from = event_reader::place(database.read(), READER).await?;
        let begin = match from {
            Some(place) => Some(place),
            // Without an endpoint there is nobody to follow the log for; the place to begin at is found when there is one.
            None => {
                let states = [EndpointStatus::Active, EndpointStatus::Paused];
                let rows = webhook_endpoint::list_in(database.read(), &states).await?;
                let Some(first) = rows.iter().map(|row| row.created_at).min() else {
                    return Ok(false);
                };
                event::place_before(database, first.plus_millis(-MARGIN_MS)).await?
            }
        };
        let system = Viewer::system("webhook");
        let events = event::list_heads_after(database, &system, begin, EVENTS).await?;
        let Some(last) = events.last() else {
            return Ok(false);
        };
        let to = Position::from(last);
        let mut change = Change::begin(database, author()).await?;
        match event_reader::advance(&change, READER, from, to).await {
            // Another process has read them.
            Err(Error::LeaseLost) => {
                change.rollback().await?;
                return Ok(true);
            }
            other => other?,
        }
        // Read where the reader is already held: an endpoint that was made before an event is known to whoever reads the event.
        let states = [EndpointStatus::Active, EndpointStatus::Paused];
        let endpoints = webhook_endpoint::list_in(change.transaction(), &states).await?;
        let mut raised = Vec::new();
        let mut out = Vec::new();
        for endpoint in endpoints {
            let since = endpoint.created_at;
            let hears = |event: &Head| event.occurred_at >= since && endpoint.wants(event);
            // Nobody is asked for what nobody wants to hear.
            if !events.iter().any(hears) {
                continue;
            }
            if endpoint.standing(change.transaction()).await? == Standing::Out {
                out.push(endpoint);
                continue;
            }
            raised.extend(wanted(&change, &endpoint, since, &events).await?);
        }
        webhook_delivery::raise(&change, &raised).await?;
        for endpoint in out {
            disable(&mut change, endpoint).await?;
        }
        change.commit().await?;
        Ok(true)
    }

    /// Raises what happened in a stretch of time for an endpoint that has heard nothing of it, as while it was disabled. The answer is how many
    /// events it was held against; at most [`MOST_RAISED`] are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn raise_between(
        &self,
        change: &Change,
        endpoint: &Endpoint,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<u64> {
        let mut place = None;
        let (mut read, mut raised) = (0, 0);
        while read < MOST_RAISED {
            let events =
                event::list_heads_between(&self.database, (from, until), place, EVENTS).await?;
            let Some(last) = events.last() else { break };
            place = Some(Position::from(last));
            read += events.len() as u64;
            let wanted = wanted(change, endpoint, from, &events).await?;
            let known = webhook_delivery::events_of(change, endpoint.id, &wanted).await?;
            let new: Vec<NewDelivery> = wanted
                .into_iter()
                .filter(|delivery| !delivery.event_id.is_some_and(|id| known.contains(&id)))
                .collect();
            raised += new.len() as u64;
            webhook_delivery::raise(change, &new).await?;
        }
        Ok(raised)
    }
}

/// Why an endpoint is disabled whose owner is out.
const OWNER_IS_OUT: &str =
    "its owner may not manage webhooks or read events any more: somebody who may has to change it";

/// Disables an endpoint whose owner may hear no more, so that it is seen.
async fn disable(change: &mut Change, endpoint: Endpoint) -> Result<()> {
    let system = Viewer::system("webhook");
    let id = endpoint.id;
    let row = webhook_endpoint::lock(change, &system, id, None).await?;
    tracing::info!(endpoint = %id, "a webhook endpoint was disabled: its owner may hear no more");
    webhook_endpoint::disable(change, row, OWNER_IS_OUT).await?;
    webhook_delivery::forget_waiting(change, id).await?;
    Ok(())
}

/// The deliveries of these events that an endpoint wants and its owner may see.
async fn wanted(
    change: &Change,
    endpoint: &Endpoint,
    since: Timestamp,
    events: &[Head],
) -> Result<Vec<NewDelivery>> {
    let wanted: Vec<&Head> = events
        .iter()
        .filter(|event| event.occurred_at >= since && endpoint.wants(event))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<EventId> = wanted.iter().map(|event| event.id).collect();
    let owner = endpoint.viewer(change.transaction()).await?;
    let seen =
        event::seen_among(change.transaction(), &owner, &endpoint.partners.ids(), &ids).await?;
    let seen: HashSet<EventId> = seen.into_iter().collect();
    let deliveries = wanted
        .into_iter()
        .filter(|event| seen.contains(&event.id))
        .map(|event| NewDelivery {
            endpoint_id: endpoint.id,
            event_id: Some(event.id),
            kind: event.kind.clone(),
            occurred_at: event.occurred_at,
        });
    Ok(deliveries.collect())
}
