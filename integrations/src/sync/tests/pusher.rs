//! The vendor in memory, written to: what it was told, and the ways in which it fails.

use super::vendor::Vendor;
use crate::connector::*;
use crate::push::REFERENCE;
use crate::record::Kind;
use async_trait::async_trait;
use std::collections::{BTreeMap, VecDeque};

/// How one call goes wrong.
pub(super) enum Fault {
    /// Nothing is written.
    Refused(ConnectorError),
    /// It is written, and the answer is lost on the way.
    Lost,
    /// It is written, and the answer never comes.
    Silent,
    /// Nothing is written, and no answer comes.
    Dead,
}

/// What the vendor was told.
#[derive(Default)]
pub(super) struct Writing {
    /// Every call with its items.
    pub(super) calls: Vec<Vec<PushItem>>,
    /// What the next calls meet.
    pub(super) faults: VecDeque<Fault>,
    /// Items with these names are refused each time.
    pub(super) refuses: BTreeMap<String, ConnectorError>,
    /// An item with this name makes every call hang.
    pub(super) hangs_on: Option<String>,
    /// The vendor writes names in capitals.
    pub(super) shouts: bool,
    /// How often the account was prepared, and how often it was asked for a reference.
    pub(super) prepared: usize,
    pub(super) looked: usize,
    made: u64,
}

fn name_of(item: &PushItem) -> Option<String> {
    ["dealname", "name", "lastname"]
        .iter()
        .find_map(|name| item.fields.get(*name).cloned().flatten())
}

impl Vendor {
    fn take_in(&self, resource: Resource, item: &PushItem) -> PushOutcome {
        let mut writing = self.writing.lock().unwrap();
        if let Some(error) = name_of(item).and_then(|name| writing.refuses.get(&name).cloned()) {
            return PushOutcome::Refused(error);
        }
        let mut state = self.state.lock().unwrap();
        let by_reference = state.records.iter().find(|((of, _), record)| {
            *of == resource && record.value(REFERENCE) == Some(item.reference.as_str())
        });
        let known = item
            .external_id
            .clone()
            .or_else(|| by_reference.map(|((_, id), _)| id.clone()));
        let email = item.fields.get("email").cloned().flatten();
        let clash = state.records.iter().find(|((of, _), record)| {
            *of == Resource::Contact && email.is_some() && record.value("email") == email.as_deref()
        });
        if let (None, Resource::Contact, Some(((_, id), _))) = (&known, resource, clash) {
            return PushOutcome::Refused(ConnectorError::Conflict {
                existing_id: Some(id.clone()),
                message: format!("Contact already exists. Existing ID: {id}"),
            });
        }
        let id = known.unwrap_or_else(|| {
            writing.made += 1;
            format!("{}", 900_000 + writing.made)
        });
        state.clock_ms += 1;
        let now = state.clock_ms;
        let key = (resource, id.clone());
        if item.external_id.is_some() && !state.records.contains_key(&key) {
            return PushOutcome::Refused(ConnectorError::NotFound { what: id });
        }
        let record = state.records.entry(key).or_insert_with(|| Record {
            external_id: id,
            updated_at_ms: now,
            created_at_ms: Some(now),
            archived: false,
            fields: [(REFERENCE.to_owned(), Some(item.reference.clone()))].into(),
            links: vec![],
            links_complete: true,
            url: None,
            kind: match resource {
                Resource::Contact => Kind::Contact,
                Resource::Deal => Kind::Deal,
                Resource::Order => unreachable!("orders are not written"),
                _ => Kind::Company,
            },
        });
        record.updated_at_ms = now;
        if item.archive {
            record.archived = true;
            return PushOutcome::Archived;
        }
        for (name, value) in &item.fields {
            let shouted =
                ["dealname", "name", "lastname"].contains(&name.as_str()) && writing.shouts;
            let value = value
                .clone()
                .map(|text| if shouted { text.to_uppercase() } else { text });
            record.fields.insert(name.clone(), value);
        }
        for link in &item.links {
            match record
                .links
                .iter_mut()
                .find(|known| known.external_id == link.external_id)
            {
                Some(known) => {
                    known.labels.extend(link.labels.iter().cloned());
                    known.labels.sort();
                    known.labels.dedup();
                    known.primary |= link.primary;
                }
                None => record.links.push(link.clone()),
            }
        }
        for link in &item.unlinks {
            if link.labels.is_empty() {
                record
                    .links
                    .retain(|known| known.external_id != link.external_id);
            }
            for known in record
                .links
                .iter_mut()
                .filter(|known| known.external_id == link.external_id)
            {
                known.labels.retain(|label| !link.labels.contains(label));
            }
        }
        PushOutcome::Applied(record.clone())
    }

    /// Somebody edits a record there.
    pub(super) fn edit(&self, resource: Resource, id: &str, fields: &[(&str, &str)]) {
        let mut state = self.state.lock().unwrap();
        state.clock_ms += 1;
        let now = state.clock_ms;
        let record = state.records.get_mut(&(resource, id.to_owned())).unwrap();
        record.updated_at_ms = now;
        for (name, value) in fields {
            record
                .fields
                .insert((*name).to_owned(), Some((*value).to_owned()));
        }
    }

    /// The value of a property there.
    pub(super) fn value(&self, resource: Resource, id: &str, name: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        state.records[&(resource, id.to_owned())]
            .value(name)
            .map(str::to_owned)
    }

    /// The records of a resource that carry a name.
    pub(super) fn named(&self, resource: Resource, name: &str) -> Vec<Record> {
        let state = self.state.lock().unwrap();
        let of = state.records.iter().filter(|((of, _), _)| *of == resource);
        of.map(|(_, record)| record)
            .filter(|record| {
                ["dealname", "name", "lastname"]
                    .iter()
                    .any(|property| record.value(property) == Some(name))
            })
            .cloned()
            .collect()
    }

    /// The items of all calls so far.
    pub(super) fn written(&self) -> Vec<PushItem> {
        self.writing.lock().unwrap().calls.concat()
    }
}

#[async_trait]
impl Push for Vendor {
    async fn apply(
        &self,
        _: &Context<'_>,
        resource: Resource,
        items: &[PushItem],
        _: &[String],
    ) -> Result<Vec<PushOutcome>> {
        let (fault, hangs) = {
            let mut writing = self.writing.lock().unwrap();
            writing.calls.push(items.to_vec());
            let hangs = items
                .iter()
                .any(|item| writing.hangs_on.is_some() && name_of(item) == writing.hangs_on);
            (writing.faults.pop_front(), hangs)
        };
        let write = || {
            items
                .iter()
                .map(|item| self.take_in(resource, item))
                .collect::<Vec<_>>()
        };
        match fault {
            _ if hangs => std::future::pending().await,
            None => Ok(write()),
            Some(Fault::Refused(error)) => Err(error),
            Some(Fault::Dead) => std::future::pending().await,
            Some(Fault::Lost) => {
                write();
                Err(ConnectorError::transient("the connection broke"))
            }
            Some(Fault::Silent) => {
                write();
                std::future::pending().await
            }
        }
    }

    async fn find(
        &self,
        _: &Context<'_>,
        resource: Resource,
        references: &[String],
        _: &[String],
    ) -> Result<Vec<(String, Record)>> {
        self.writing.lock().unwrap().looked += 1;
        let state = self.state.lock().unwrap();
        let of = state.records.iter().filter(|((of, _), _)| *of == resource);
        let named = of.filter_map(|(_, record)| {
            let reference = record.value(REFERENCE)?.to_owned();
            references
                .contains(&reference)
                .then(|| (reference, record.clone()))
        });
        Ok(named.collect())
    }

    async fn prepare(&self, _: &Context<'_>, _: Resource) -> Result<()> {
        self.writing.lock().unwrap().prepared += 1;
        Ok(())
    }
}
