//! The org's records in memory: reading them, and the doors for tests and for "a human in the CRM".
//!
//! Owns: the one lock around everything. The changes themselves are in `writes` and `human`.
//! Invariant: every change goes to the snapshot and to the outbound messages, in the order of the changes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::human::object;
use super::id;
use super::inner::Inner;
use super::outbound::Touched;
use super::refused::SalesforceRefused as Refused;
use super::rules::Rules;
use super::schema::SalesforceField;
use super::shown;
use super::transaction::{By, Transaction};
use super::writes::Allowed;
use crate::delivery::Deliveries;
use crate::snapshot::Snapshot;
use crate::{Clock, SandboxError};

/// The org's records: shared by the endpoints, by tests, and by the human's door.
#[derive(Debug)]
pub struct SalesforceStore {
    inner: Arc<RwLock<Inner>>,
    clock: Arc<Clock>,
    lag: AtomicI64,
    deliveries: Arc<Deliveries>,
    messages: OnceLock<UnboundedSender<Touched>>,
    snapshot: OnceLock<Arc<Snapshot>>,
}

/// The records as they are while they are written down.
#[derive(Debug)]
pub(crate) struct Reading(Arc<RwLock<Inner>>);

impl Serialize for Reading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.serialize(serializer)
    }
}

impl SalesforceStore {
    pub(crate) fn new(mut inner: Inner, clock: Arc<Clock>, deliveries: Arc<Deliveries>) -> Self {
        inner.reindex();
        Self {
            inner: Arc::new(RwLock::new(inner)),
            clock,
            lag: AtomicI64::new(0),
            deliveries,
            messages: OnceLock::new(),
            snapshot: OnceLock::new(),
        }
    }

    pub(crate) fn attach(
        &self,
        messages: UnboundedSender<Touched>,
        snapshot: Option<Arc<Snapshot>>,
    ) {
        // Attached once, by the start.
        let _ = self.messages.set(messages);
        if let Some(snapshot) = snapshot {
            let _ = self.snapshot.set(snapshot);
        }
    }

    /// What the snapshot writes: the records alone, so that it holds on to nothing that holds on to it.
    pub(crate) fn reading(&self) -> impl Fn() -> Reading + Send + 'static {
        let inner = Arc::clone(&self.inner);
        move || Reading(Arc::clone(&inner))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    pub(crate) fn set_lag(&self, ms: i64) {
        self.lag.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.snapshot
            .get()
            .is_none_or(|snapshot| snapshot.is_kept())
    }

    /// Waits until everything is on disk. May block.
    pub(crate) fn keep(&self) -> Result<(), SandboxError> {
        self.snapshot
            .get()
            .map_or(Ok(()), |snapshot| snapshot.save_now())
    }

    pub(crate) fn changed(&self) {
        if let Some(snapshot) = self.snapshot.get() {
            snapshot.changed();
        }
    }

    /// Begins changes.
    pub(crate) fn begin(&self, by: By) -> Transaction<'_> {
        Transaction::begin(self, self.write(), by, self.now())
    }

    /// One change: it counts when it succeeds.
    pub(crate) fn change<T>(
        &self,
        by: By,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut transaction = self.begin(by);
        let value = change(&mut transaction)?;
        transaction.commit();
        Ok(value)
    }

    /// Tells the disk and the outbound messages of committed changes.
    pub(super) fn tell(&self, touched: Vec<(String, String)>) {
        self.changed();
        let Some(messages) = self.messages.get() else {
            return;
        };
        for (object, id) in touched {
            self.deliveries.opened(1);
            if messages.send(Touched { object, id }).is_err() {
                self.deliveries.closed(1);
            }
        }
    }

    /// The org's id, 18 characters.
    pub fn org_id(&self) -> String {
        self.read().org_id.clone()
    }

    /// Creates a record as a person would, from a JSON object of fields, and returns its id.
    pub fn create(&self, object_name: &str, fields: Value) -> Result<String, Refused> {
        let fields = object(fields);
        self.change(By::Person, |transaction| {
            transaction.create(object_name, &fields, Allowed::default())
        })
    }

    /// Changes fields as a person would; null clears.
    pub fn update(&self, object_name: &str, id: &str, fields: Value) -> Result<(), Refused> {
        let fields = object(fields);
        self.change(By::Person, |transaction| {
            transaction.update(object_name, id, &fields, Allowed::default())
        })
    }

    /// Moves a record to the recycle bin as a person would.
    pub fn delete(&self, object_name: &str, id: &str) -> Result<(), Refused> {
        self.change(By::Person, |transaction| {
            transaction.delete(object_name, id)
        })
    }

    /// Makes an account a partner of an opportunity as a person would, and returns the id of that relation.
    pub fn add_partner(
        &self,
        opportunity: &str,
        account: &str,
        role: &str,
        primary: bool,
    ) -> Result<String, Refused> {
        let fields = json!({
            "OpportunityId": opportunity, "AccountToId": account, "Role": role, "IsPrimary": primary,
        });
        self.create("OpportunityPartner", fields)
    }

    /// All fields of a record, deleted or not; a record that was merged away is still itself.
    pub fn get(&self, object_name: &str, id: &str) -> Option<Value> {
        let inner = self.read();
        let record = inner.record(object_name, &id::parse(id)?)?;
        let text = shown::whole(&inner, object_name, record)?;
        serde_json::from_str(&text).ok()
    }

    /// Ids of the live records of an object, ascending.
    pub fn ids(&self, object_name: &str) -> Vec<String> {
        let inner = self.read();
        let live = inner
            .table(object_name)
            .filter(|record| record.deleted_at.is_none());
        live.map(|record| record.id.clone()).collect()
    }

    /// Ids of the live records whose field has this value, as it is printed.
    pub fn find_by(&self, object_name: &str, field: &str, value: &str) -> Vec<String> {
        let inner = self.read();
        let found = inner.table(object_name).filter(|record| {
            record.deleted_at.is_none()
                && record.get(field).is_some_and(|held| held.plain() == value)
        });
        found.map(|record| record.id.clone()).collect()
    }

    /// How many records are live.
    pub fn count(&self, object_name: &str) -> usize {
        self.ids(object_name).len()
    }

    /// How many records lie in the recycle bin.
    pub fn count_deleted(&self, object_name: &str) -> usize {
        let inner = self.read();
        let gone = inner.table(object_name).filter(|r| r.deleted_at.is_some());
        gone.count()
    }

    /// Adds a field, or replaces the one of its name; false when there is no such object.
    pub fn define_field(&self, object_name: &str, field: SalesforceField) -> bool {
        let mut inner = self.write();
        let Some(described) = inner.schema.object_mut(object_name) else {
            return false;
        };
        described.fields.retain(|known| known.name != field.name);
        described.fields.push(field);
        inner.reindex();
        drop(inner);
        self.changed();
        true
    }

    /// What the admins demand of writes through the API.
    pub fn rules(&self) -> Rules {
        self.read().rules.clone()
    }

    /// Replaces what the admins demand.
    pub fn set_rules(&self, rules: Rules) {
        self.write().rules = rules;
        self.changed();
    }

    /// The next writes of this record through the API find it locked.
    pub fn lock_row(&self, id: &str, times: u32) {
        if let Some(id) = id::parse(id) {
            self.write().rules.locked.insert(id, times);
        }
    }
}
