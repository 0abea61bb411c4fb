//! Everything behind the store's lock: the shelves, the links, what describes them, and where changes are told.
//!
//! Owns: putting a record in its place and taking it out, with all indices. Refuses: to decide whether a change is allowed; that is
//! `store` and `writes`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::happening::{By, Happening, What};
use super::journal::{Entry, Journal};
use super::kind::Kind;
use super::links::{Definition, LinkType, Links, standard_definitions};
use super::portal::{Owner, Pipeline, PortalInfo};
use super::record::{Name, Record};
use super::rules::Rule;
use super::schema::Schema;
use super::shelf::Shelf;
use super::webhooks::Webhooks;

/// Everything behind the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) info: PortalInfo,
    shelves: [Shelf; 3],
    pub(crate) links: Links,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) schema: Schema,
    pub(crate) owners: BTreeMap<u64, Owner>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) rules: BTreeMap<Kind, Vec<Rule>>,
    pub(super) journal: Option<Journal>,
    pub(super) events: Option<(UnboundedSender<Happening>, Arc<Webhooks>)>,
}

impl Inner {
    pub(crate) fn new(info: PortalInfo) -> Self {
        Self {
            info,
            shelves: Default::default(),
            links: Links::default(),
            definitions: standard_definitions(),
            schema: Schema::standard(),
            owners: BTreeMap::new(),
            pipelines: vec![Pipeline::standard()],
            rules: BTreeMap::new(),
            journal: None,
            events: None,
        }
    }

    pub(crate) fn shelf(&self, kind: Kind) -> &Shelf {
        let [companies, contacts, deals] = &self.shelves;
        match kind {
            Kind::Companies => companies,
            Kind::Contacts => contacts,
            Kind::Deals => deals,
        }
    }

    pub(crate) fn shelf_mut(&mut self, kind: Kind) -> &mut Shelf {
        let [companies, contacts, deals] = &mut self.shelves;
        match kind {
            Kind::Companies => companies,
            Kind::Contacts => contacts,
            Kind::Deals => deals,
        }
    }

    pub(crate) fn next_id(&mut self, kind: Kind) -> u64 {
        let shelf = self.shelf_mut(kind);
        shelf.last_id = shelf.last_id.saturating_add(1).max(kind.first_id());
        shelf.last_id
    }

    /// Notes that an id was used, so that it is never given out again.
    pub(crate) fn note_id(&mut self, kind: Kind, id: u64) {
        let shelf = self.shelf_mut(kind);
        shelf.last_id = shelf.last_id.max(id);
    }

    /// Puts a record in its place and keeps the indices right; used by every change and by loading.
    pub(crate) fn place(&mut self, kind: Kind, record: Record) {
        self.note_id(kind, record.id);
        let unique: Vec<(Name, Box<str>)> = record
            .properties
            .iter()
            .filter(|(name, _)| self.schema.get(kind, name).is_some_and(|p| p.unique))
            .map(|(name, value)| (Arc::clone(name), value.to_lowercase().into_boxed_str()))
            .collect();
        let shelf = self.shelf_mut(kind);
        if record.archived_at.is_some() {
            shelf.archived.insert(record.id, record);
        } else {
            for key in unique {
                shelf.unique.entry(key).or_insert(record.id);
            }
            shelf.modified.insert((record.updated_at, record.id));
            shelf.live.insert(record.id, record);
        }
    }

    /// Takes a record out of all indices.
    pub(crate) fn lift(&mut self, kind: Kind, id: u64) -> Option<Record> {
        let shelf = self.shelf_mut(kind);
        if let Some(record) = shelf.archived.remove(&id) {
            return Some(record);
        }
        let record = shelf.live.remove(&id)?;
        shelf.modified.remove(&(record.updated_at, id));
        for (name, value) in record.properties.iter() {
            let key = (Arc::clone(name), value.to_lowercase().into_boxed_str());
            if shelf.unique.get(&key) == Some(&id) {
                shelf.unique.remove(&key);
            }
        }
        Some(record)
    }

    pub(crate) fn stamp(&mut self, kind: Kind, at: i64) {
        let shelf = self.shelf_mut(kind);
        for record in shelf.live.values_mut() {
            record.updated_at = at;
        }
        shelf.modified = shelf.live.keys().map(|id| (at, *id)).collect();
    }

    pub(crate) fn write_journal(&self, entry: &Entry<'_>) {
        if let Some(journal) = &self.journal {
            journal.append(entry);
        }
    }

    pub(crate) fn tell(&self, kind: Kind, id: u64, at: i64, by: By, what: What) {
        if let Some((events, webhooks)) = &self.events {
            webhooks.deliveries.opened(1);
            let told = events.send(Happening {
                kind,
                id,
                at,
                by,
                what,
            });
            // A closed channel means the portal is stopping: nobody is left to tell.
            if told.is_err() {
                webhooks.deliveries.closed(1);
            }
        }
    }

    pub(crate) fn definition(
        &self,
        from: Kind,
        to: Kind,
        link_type: LinkType,
    ) -> Option<&Definition> {
        self.definitions
            .iter()
            .find(|d| d.from == from && d.to == to && d.link_type == link_type)
    }

    pub(super) fn journal_record(&self, kind: Kind, id: u64) {
        let shelf = self.shelf(kind);
        let found = shelf.live.get(&id).or_else(|| shelf.archived.get(&id));
        if let (Some(journal), Some(record)) = (&self.journal, found) {
            journal.append(&Entry::record(kind, record));
        }
    }
}
