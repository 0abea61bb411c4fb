//! The changes of records: create, change, archive, restore, forget, merge.
//!
//! Owns: the check of what the API writes, and the order in which a change reaches record, search index, journal and webhooks.
//! Refuses: a second live record with a unique value. Invariant: all of a change happens under one lock, or none of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::happening::{By, What};
use super::inner::Inner;
use super::journal::Entry;
use super::kind::Kind;
use super::record::{Properties, Record};
use super::refused::Refused;
use super::schema::{Invalid, Property, ValueType};
use super::store::Store;
use crate::clock::instant;

impl Store {
    pub(crate) fn create_by(
        &self,
        by: By,
        kind: Kind,
        properties: &[(String, String)],
        checked: bool,
    ) -> Result<u64, Refused> {
        let now = self.now();
        let lag = self.lag.load(Ordering::Relaxed);
        let mut inner = self.write();
        let kept;
        let properties = if checked {
            inner.check(kind, properties, None)?;
            kept = inner.as_kept(kind, properties);
            &kept
        } else {
            properties
        };
        let id = inner.next_id(kind);
        let mut record = Record::new(id, now, now, Properties::with_capacity(properties.len()));
        record.keep_for_search(now, lag, false);
        let changed = inner.apply(kind, &mut record, properties);
        inner.place(kind, record);
        inner.lag_behind(kind, id, now, lag);
        inner.journal_record(kind, id);
        inner.tell(kind, id, now, by, What::Created);
        for (name, value) in changed {
            inner.tell(kind, id, now, by, What::Changed { name, value });
        }
        Ok(id)
    }

    pub(crate) fn update_by(
        &self,
        by: By,
        kind: Kind,
        id: u64,
        properties: &[(String, String)],
        checked: bool,
    ) -> Result<(), Refused> {
        let now = self.now();
        let lag = self.lag.load(Ordering::Relaxed);
        let mut inner = self.write();
        let Some(id) = inner.shelf(kind).find(id).map(|record| record.id) else {
            return Err(Refused::NotFound { kind, id });
        };
        let kept;
        let properties = if checked {
            inner.check(kind, properties, Some(id))?;
            kept = inner.as_kept(kind, properties);
            &kept
        } else {
            properties
        };
        let Some(mut record) = inner.lift(kind, id) else {
            return Err(Refused::NotFound { kind, id });
        };
        record.keep_for_search(now, lag, true);
        let changed = inner.apply(kind, &mut record, properties);
        if !changed.is_empty() {
            record.updated_at = now;
        }
        inner.place(kind, record);
        if changed.is_empty() {
            return Ok(());
        }
        inner.lag_behind(kind, id, now, lag);
        inner.journal_record(kind, id);
        for (name, value) in changed {
            inner.tell(kind, id, now, by, What::Changed { name, value });
        }
        Ok(())
    }

    pub(crate) fn archive_by(&self, by: By, kind: Kind, id: u64) -> Result<(), Refused> {
        let now = self.now();
        let mut inner = self.write();
        let Some(id) = inner.shelf(kind).find(id).map(|record| record.id) else {
            return Err(Refused::NotFound { kind, id });
        };
        if let Some(mut record) = inner.lift(kind, id) {
            record.archived_at = Some(now);
            record.updated_at = now;
            inner.place(kind, record);
        }
        inner.journal_record(kind, id);
        inner.tell(kind, id, now, by, What::Deleted);
        Ok(())
    }

    /// Brings an archived record back, as a person would.
    pub fn restore(&self, kind: Kind, id: u64) -> Result<(), Refused> {
        let now = self.now();
        let lag = self.lag.load(Ordering::Relaxed);
        let mut inner = self.write();
        if !inner.shelf(kind).archived.contains_key(&id) {
            return Err(Refused::NotFound { kind, id });
        }
        if let Some(mut record) = inner.lift(kind, id) {
            record.archived_at = None;
            record.keep_for_search(now, lag, false);
            record.updated_at = now;
            inner.place(kind, record);
        }
        inner.lag_behind(kind, id, now, lag);
        inner.journal_record(kind, id);
        inner.tell(kind, id, now, By::Human, What::Restored);
        Ok(())
    }

    /// Removes a contact for good, as a privacy request does; it is told as two events.
    pub(crate) fn forget_by(&self, by: By, kind: Kind, id: u64) -> Result<(), Refused> {
        let now = self.now();
        let mut inner = self.write();
        if inner.lift(kind, id).is_none() {
            return Err(Refused::NotFound { kind, id });
        }
        for to in Kind::ALL {
            let gone: Vec<_> = inner.links.of(kind, id, to, 0).copied().collect();
            for link in gone {
                inner.unlink(link);
            }
        }
        inner.write_journal(&Entry::Forget { kind, id });
        inner.tell(kind, id, now, by, What::PrivacyDeleted);
        inner.tell(kind, id, now, by, What::Deleted);
        Ok(())
    }

    /// Merges two records as a person would; the result is a new record. Returns its id.
    pub fn merge(&self, kind: Kind, primary: u64, other: u64) -> Result<u64, Refused> {
        self.merge_by(By::Human, kind, primary, other)
    }

    pub(crate) fn merge_by(
        &self,
        by: By,
        kind: Kind,
        primary: u64,
        other: u64,
    ) -> Result<u64, Refused> {
        let now = self.now();
        let lag = self.lag.load(Ordering::Relaxed);
        let mut inner = self.write();
        for id in [primary, other] {
            if !inner.shelf(kind).live.contains_key(&id) || primary == other {
                return Err(Refused::NotFound { kind, id });
            }
        }
        let into = inner.next_id(kind);
        let (Some(kept), Some(lost)) = (inner.lift(kind, primary), inner.lift(kind, other)) else {
            return Err(Refused::NotFound { kind, id: primary });
        };
        let mut properties = kept.properties;
        let before = properties.len();
        for (name, value) in lost.properties.iter() {
            if properties.get(name).is_none() {
                properties.set(Arc::clone(name), value);
            }
        }
        let moved = properties.len() - before;
        let merged_ids = inner.schema.intern("hs_merged_object_ids");
        properties.set(merged_ids, &format!("{primary};{other}"));
        let mut record = Record::new(into, kept.created_at.min(lost.created_at), now, properties);
        record.keep_for_search(now, lag, false);
        inner.place(kind, record);
        inner.lag_behind(kind, into, now, lag);
        for old in [primary, other] {
            inner.shelf_mut(kind).merged.insert(old, into);
            inner.write_journal(&Entry::Merged { kind, old, into });
            inner.repoint(kind, old, into);
        }
        inner.journal_record(kind, into);
        inner.tell(
            kind,
            into,
            now,
            by,
            What::Merged {
                primary,
                merged: other,
                into,
                moved,
            },
        );
        Ok(into)
    }
}

impl Inner {
    fn lag_behind(&mut self, kind: Kind, id: u64, now: i64, lag: i64) {
        let shelf = self.shelf_mut(kind);
        shelf.settle(now);
        if lag > 0 {
            let until = now.saturating_add(lag);
            shelf.lagging.insert(id, until);
            shelf.lagging_until.push_back((until, id));
        }
    }

    /// Checks what the API wants to write, the values that live outside the schema included.
    fn check(
        &self,
        kind: Kind,
        properties: &[(String, String)],
        own: Option<u64>,
    ) -> Result<(), Refused> {
        let mut problems: Vec<Invalid> = Vec::new();
        for (name, value) in properties {
            if let Err(invalid) = self.schema.check(kind, name, value) {
                problems.push(invalid);
                continue;
            }
            if !value.is_empty() && !self.option_exists(kind, name, value) {
                problems.push(Invalid {
                    name: name.clone(),
                    code: "INVALID_OPTION",
                    message: format!("{value} was not one of the allowed options"),
                });
            }
            let unique = self.schema.get(kind, name).is_some_and(|p| p.unique);
            if let Some(existing) = self.shelf(kind).holder(name, value)
                && unique
                && Some(existing) != own
            {
                return Err(Refused::Taken { kind, existing });
            }
        }
        problems.extend(self.missing(kind, properties, own));
        if problems.is_empty() {
            return Ok(());
        }
        Err(Refused::Invalid {
            problems: problems
                .into_iter()
                .map(|invalid| (invalid.name, invalid.code, invalid.message))
                .collect(),
        })
    }

    /// What the vendor makes of values it accepts: addresses become lower case, times are printed one way. A caller that takes what it sent for
    /// what is held is wrong.
    fn as_kept(&self, kind: Kind, properties: &[(String, String)]) -> Vec<(String, String)> {
        let kept = |name: &str, value: &str| match (kind, name) {
            (Kind::Contacts, "email") => value.trim().to_lowercase(),
            _ => match self.schema.get(kind, name).map(|p| p.value_type) {
                Some(ValueType::Datetime) => {
                    crate::clock::parse_instant(value).map_or_else(|| value.to_owned(), instant)
                }
                _ => value.to_owned(),
            },
        };
        properties
            .iter()
            .map(|(name, value)| (name.clone(), kept(name, value)))
            .collect()
    }

    /// The mandatory properties that a write leaves without a value.
    fn missing(
        &self,
        kind: Kind,
        properties: &[(String, String)],
        own: Option<u64>,
    ) -> Vec<Invalid> {
        let record = own.and_then(|id| self.shelf(kind).find(id));
        let written = |name: &str| {
            let found = properties.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let held = |name: &str| record.and_then(|record| record.properties.get(name));
        let rules = self.rules.get(&kind).into_iter().flatten();
        rules
            .filter_map(|rule| rule.against(&written, record.is_some().then_some(&held as _)))
            .collect()
    }

    fn option_exists(&self, kind: Kind, name: &str, value: &str) -> bool {
        match (kind, name) {
            (_, "hubspot_owner_id") => value
                .parse::<u64>()
                .is_ok_and(|id| self.owners.contains_key(&id)),
            (Kind::Deals, "pipeline") => self.pipelines.iter().any(|p| p.id == value),
            (Kind::Deals, "dealstage") => self
                .pipelines
                .iter()
                .any(|p| p.stages.iter().any(|stage| stage.id == value)),
            _ => true,
        }
    }

    /// Applies properties to a record that is out of its place; returns what changed.
    pub(crate) fn apply(
        &mut self,
        kind: Kind,
        record: &mut Record,
        properties: &[(String, String)],
    ) -> Vec<(String, String)> {
        let mut changed = Vec::new();
        for (name, value) in properties {
            if name == "createdate" {
                if let Some(at) = crate::clock::parse_instant(value)
                    && at != record.created_at
                {
                    record.created_at = at;
                    changed.push((name.clone(), value.clone()));
                }
                continue;
            }
            if self.schema.get(kind, name).is_none() {
                let property = Property::custom(name, ValueType::String);
                self.write_journal(&Entry::property(kind, &property));
                self.schema.define(kind, property);
            }
            let shared = self.schema.intern(name);
            if record.properties.set(shared, value) {
                changed.push((name.clone(), value.clone()));
            }
        }
        changed
    }
}
