//! The portal's records in memory: reading them, and the doors for tests and for "a human in the CRM".
//!
//! Owns: the one lock around everything. The changes themselves are in `writes` and `linking`.
//! Invariant: every change goes to the journal and to the webhooks while the lock is held, so both see the same order as readers.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::mpsc::UnboundedSender;

use super::happening::{By, Happening};
use super::inner::Inner;
use super::journal::{Entry, Journal};
use super::kind::Kind;
use super::links::{Category, LinkType, label_definitions};
use super::record::RecordView;
use super::refused::Refused;
use super::rules::Rule;
use super::schema::Property;
use super::webhooks::Webhooks;
use crate::{Clock, SandboxError};

/// The portal's records: shared by the endpoints, by tests, and by the human's door.
#[derive(Debug)]
pub struct Store {
    inner: RwLock<Inner>,
    clock: Arc<Clock>,
    pub(super) lag: AtomicI64,
    portal_id: OnceLock<u64>,
}

impl Store {
    pub(crate) fn new(inner: Inner, clock: Arc<Clock>) -> Self {
        Self {
            inner: RwLock::new(inner),
            clock,
            lag: AtomicI64::new(0),
            portal_id: OnceLock::new(),
        }
    }

    pub(crate) fn attach(
        &self,
        journal: Option<Journal>,
        events: UnboundedSender<Happening>,
        webhooks: Arc<Webhooks>,
    ) {
        let mut inner = self.write();
        inner.journal = journal;
        inner.events = Some((events, webhooks));
    }

    /// Lets go of the journal and the webhooks: the portal has stopped.
    pub(crate) fn detach(&self) {
        let mut inner = self.write();
        inner.journal = None;
        inner.events = None;
    }

    pub(crate) fn set_lag(&self, ms: i64) {
        self.lag.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn portal_id(&self) -> u64 {
        *self.portal_id.get_or_init(|| self.read().info.portal_id)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.read().journal.as_ref().is_none_or(Journal::is_kept)
    }

    /// Waits until everything is on disk. May block.
    pub(crate) fn keep(&self) -> Result<(), SandboxError> {
        let journal = self.read().journal.clone();
        let kept = journal.map_or(Ok(()), |journal| journal.flush());
        kept.map_err(|source| SandboxError::File {
            attempt: "writing the journal of",
            path: "the sandbox".into(),
            source,
        })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a record as a person would; values are not checked. Returns its id.
    pub fn create(&self, kind: Kind, properties: &[(&str, &str)]) -> Result<u64, Refused> {
        let owned = owned(properties);
        self.create_by(By::Human, kind, &owned, false)
    }

    /// Changes properties as a person would; an empty value clears. Values are not checked, unknown properties become text.
    pub fn update(&self, kind: Kind, id: u64, properties: &[(&str, &str)]) -> Result<(), Refused> {
        let owned = owned(properties);
        self.update_by(By::Human, kind, id, &owned, false)
    }

    /// Archives (deletes) a record as a person would.
    pub fn archive(&self, kind: Kind, id: u64) -> Result<(), Refused> {
        self.archive_by(By::Human, kind, id)
    }

    /// The record with this id, archived or not; a merged id gives the record it became.
    pub fn get(&self, kind: Kind, id: u64) -> Option<RecordView> {
        let inner = self.read();
        let shelf = inner.shelf(kind);
        shelf
            .find(id)
            .or_else(|| shelf.archived.get(&id))
            .map(RecordView::of)
    }

    /// Ids of the live records of a kind, ascending.
    pub fn ids(&self, kind: Kind) -> Vec<u64> {
        self.read().shelf(kind).live.keys().copied().collect()
    }

    /// Ids of the live records whose property has this value.
    pub fn find_by(&self, kind: Kind, property: &str, value: &str) -> Vec<u64> {
        let inner = self.read();
        let shelf = inner.shelf(kind);
        shelf
            .live
            .values()
            .filter(|record| record.properties.get(property) == Some(value))
            .map(|record| record.id)
            .collect()
    }

    /// How many records are live.
    pub fn count(&self, kind: Kind) -> usize {
        self.read().shelf(kind).live.len()
    }

    /// How many records are archived.
    pub fn count_archived(&self, kind: Kind) -> usize {
        self.read().shelf(kind).archived.len()
    }

    /// Adds a property to the portal.
    pub fn define_property(&self, kind: Kind, property: Property) {
        let mut inner = self.write();
        inner.write_journal(&Entry::property(kind, &property));
        inner.schema.define(kind, property);
    }

    /// Replaces what is mandatory for a kind. It binds what is written through the API.
    pub fn set_rules(&self, kind: Kind, rules: Vec<Rule>) {
        let mut inner = self.write();
        inner.write_journal(&Entry::Rules {
            kind,
            rules: Cow::Borrowed(&rules),
        });
        inner.rules.insert(kind, rules);
    }

    /// What is mandatory for a kind.
    pub fn rules(&self, kind: Kind) -> Vec<Rule> {
        self.read().rules.get(&kind).cloned().unwrap_or_default()
    }

    /// Adds an association label between two kinds and returns its type in the `from → to` direction.
    pub fn add_label(&self, from: Kind, to: Kind, label: &str) -> LinkType {
        let mut inner = self.write();
        let taken = inner
            .definitions
            .iter()
            .filter(|d| d.link_type.category == Category::UserDefined)
            .map(|d| d.link_type.type_id)
            .max();
        let type_id = taken.map_or(11, |id| id + 1);
        let [there, back] = label_definitions(from, to, type_id, label);
        let link_type = there.link_type;
        inner.write_journal(&Entry::label(&there));
        inner.definitions.push(there);
        inner.definitions.push(back);
        link_type
    }

    /// Gives all live records of a kind the same time of change, to the millisecond: the tie a keyset must walk.
    pub fn stamp_all(&self, kind: Kind, at_ms: i64) {
        let mut inner = self.write();
        inner.stamp(kind, at_ms);
        inner.write_journal(&Entry::Stamp { kind, at: at_ms });
    }
}

fn owned(properties: &[(&str, &str)]) -> Vec<(String, String)> {
    properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
