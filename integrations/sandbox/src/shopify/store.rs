//! The shop's records behind one lock, and the one way to change them.
//!
//! Invariant: a change stamps what it changed, tells the webhooks while the lock is still held (so that what is told is what was written),
//! and marks the state to be saved.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::gid::Kind;
use super::rest;
use super::state::State;
use super::subscriptions::{Subscription, slashed};
use crate::delivery::Deliveries;
use crate::ids::fresh_id;
use crate::snapshot::Snapshot;
use crate::{Clock, SandboxError};

/// Something that happened in the shop.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) topic: &'static str,
    pub(crate) payload: Value,
    /// One action of a merchant; several topics can belong to it.
    pub(crate) action: String,
    pub(crate) at: i64,
    /// The subscriptions there were when it happened.
    pub(crate) subscribed: Vec<Subscription>,
}

/// The records of a shop.
#[derive(Debug)]
pub struct Store {
    state: Mutex<State>,
    clock: Arc<Clock>,
    events: UnboundedSender<Happening>,
    deliveries: Arc<Deliveries>,
    pub(crate) snapshot: OnceLock<Snapshot>,
}

/// A change being made.
pub(crate) struct Change<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) now: i64,
    told: Vec<(&'static str, Value)>,
}

impl Change<'_> {
    /// Tells a topic with its body.
    pub(crate) fn tell(&mut self, topic: &'static str, payload: Value) {
        self.told.push((topic, payload));
    }

    /// Stamps an order and tells each topic with the order as it now is.
    pub(crate) fn order(&mut self, id: u64, topics: &[&'static str]) {
        if let Some(order) = self.state.orders.get_mut(&id) {
            order.updated_at = self.now;
        }
        for topic in topics {
            if let Some(order) = self.state.orders.get(&id) {
                let body = rest::order(self.state, order);
                self.told.push((topic, body));
            }
        }
    }

    pub(crate) fn customer(&mut self, id: u64, topic: &'static str) {
        if let Some(customer) = self.state.customers.get_mut(&id) {
            customer.updated_at = self.now;
            let body = rest::customer(customer, &self.state.shop.currency);
            self.told.push((topic, body));
        }
    }

    pub(crate) fn company(&mut self, id: u64, topic: &'static str) {
        if let Some(company) = self.state.companies.get_mut(&id) {
            company.updated_at = self.now;
            let body = rest::company(company);
            self.told.push((topic, body));
        }
    }

    pub(crate) fn contact(&mut self, id: u64, topic: &'static str) {
        if let Some(contact) = self.state.contacts.get_mut(&id) {
            contact.updated_at = self.now;
        }
        if let Some(contact) = self.state.contacts.get(&id) {
            let body = rest::contact(self.state, contact);
            self.told.push((topic, body));
        }
    }

    /// Stamps the owner of a metafield and tells of its change.
    pub(crate) fn touched(&mut self, owner: (Kind, u64)) {
        match owner {
            (Kind::Order, id) => self.order(id, &["orders/updated"]),
            (Kind::Customer, id) => self.customer(id, "customers/update"),
            (Kind::Company, id) => self.company(id, "companies/update"),
            _ => {}
        }
    }
}

impl Store {
    pub(crate) fn new(
        state: State,
        clock: Arc<Clock>,
        events: UnboundedSender<Happening>,
        deliveries: Arc<Deliveries>,
    ) -> Self {
        Self {
            state: Mutex::new(state),
            clock,
            events,
            deliveries,
            snapshot: OnceLock::new(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The records, to read them.
    pub(crate) fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one change; what it tells belongs to one action.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Change<'_>) -> T) -> T {
        let mut state = self.read();
        self.change_locked(&mut state, change)
    }

    /// The same for who holds the lock already.
    pub(crate) fn change_locked<T>(
        &self,
        state: &mut State,
        change: impl FnOnce(&mut Change<'_>) -> T,
    ) -> T {
        // Whoever has subscribed when it happens is told, also when what happens ends the subscription.
        let known: Vec<Subscription> = state.subscriptions.values().cloned().collect();
        let mut draft = Change {
            state,
            // Stamps have whole seconds, so records changed together share theirs.
            now: self.now().div_euclid(1000) * 1000,
            told: Vec::new(),
        };
        let value = change(&mut draft);
        let told = draft.told;
        let now = self.now();
        let action = fresh_id();
        for (topic, payload) in told {
            self.deliveries.opened(1);
            let happening = Happening {
                topic,
                payload,
                action: action.clone(),
                at: now,
                subscribed: known
                    .iter()
                    .filter(|one| slashed(&one.topic) == topic)
                    .cloned()
                    .collect(),
            };
            // A closed channel means the sandbox is stopping: nobody is left to tell.
            if self.events.send(happening).is_err() {
                self.deliveries.closed(1);
            }
        }
        if let Some(snapshot) = self.snapshot.get() {
            snapshot.changed();
        }
        value
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.snapshot.get().is_none_or(Snapshot::is_kept)
    }

    /// Waits until everything is on disk. May block.
    pub(crate) fn keep(&self) -> Result<(), SandboxError> {
        self.snapshot.get().map_or(Ok(()), Snapshot::save_now)
    }
}
