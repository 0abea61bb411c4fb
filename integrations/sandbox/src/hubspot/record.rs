//! One record and what search believes about it.
//!
//! Owns: the compact form of a record, and the older versions that search still shows until its index has caught up.
//! Invariant: properties are sorted by name, without duplicates and without empty values (an empty value is an absent one).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// A property's name, shared between all records.
pub(crate) type Name = Arc<str>;

/// The properties of one version, sorted by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Properties(Vec<(Name, Box<str>)>);

impl Properties {
    pub(crate) fn with_capacity(len: usize) -> Self {
        Self(Vec::with_capacity(len))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let at = self
            .0
            .binary_search_by(|(n, _)| n.as_ref().cmp(name))
            .ok()?;
        self.0.get(at).map(|(_, value)| value.as_ref())
    }

    /// Sets or, with an empty value, clears. True when something changed.
    pub(crate) fn set(&mut self, name: Name, value: &str) -> bool {
        match self.0.binary_search_by(|(n, _)| n.as_ref().cmp(&name)) {
            Ok(at) if value.is_empty() => {
                self.0.remove(at);
                true
            }
            Ok(at) => match self.0.get_mut(at) {
                Some((_, old)) if old.as_ref() != value => {
                    *old = value.into();
                    true
                }
                _ => false,
            },
            Err(_) if value.is_empty() => false,
            Err(at) => {
                self.0.insert(at, (name, value.into()));
                true
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &str)> {
        self.0.iter().map(|(name, value)| (name, value.as_ref()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What search shows until a moment: the version before, or nothing for a record that did not exist.
#[derive(Debug)]
struct Older {
    until: i64,
    version: Option<Box<(i64, Properties)>>,
}

/// One record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) archived_at: Option<i64>,
    pub(crate) properties: Properties,
    older: Vec<Older>,
}

/// A record as one reader sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) archived_at: Option<i64>,
    pub(crate) properties: &'a Properties,
}

impl Record {
    pub(crate) fn new(id: u64, created_at: i64, updated_at: i64, properties: Properties) -> Self {
        Self {
            id,
            created_at,
            updated_at,
            archived_at: None,
            properties,
            older: Vec::new(),
        }
    }

    /// Remembers the present version for search, before it is changed at `now`.
    pub(crate) fn keep_for_search(&mut self, now: i64, lag: i64, existed: bool) {
        self.older.retain(|older| older.until > now);
        if lag > 0 {
            let version = existed.then(|| Box::new((self.updated_at, self.properties.clone())));
            self.older.push(Older {
                until: now.saturating_add(lag),
                version,
            });
        }
    }

    pub(crate) fn view(&self, kind: Kind) -> View<'_> {
        View {
            kind,
            id: self.id,
            created_at: self.created_at,
            updated_at: self.updated_at,
            archived_at: self.archived_at,
            properties: &self.properties,
        }
    }

    /// The record as the search index holds it at `now`; `None` while it is not indexed yet.
    pub(crate) fn indexed_view(&self, kind: Kind, now: i64) -> Option<View<'_>> {
        match self.older.iter().find(|older| older.until > now) {
            None => Some(self.view(kind)),
            Some(older) => older
                .version
                .as_deref()
                .map(|(updated_at, properties)| View {
                    updated_at: *updated_at,
                    properties,
                    ..self.view(kind)
                }),
        }
    }
}

/// A record as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredRecord {
    pub(crate) id: u64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) archived_at: Option<i64>,
    pub(crate) properties: BTreeMap<String, String>,
}

impl StoredRecord {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            id: record.id,
            created_at: record.created_at,
            updated_at: record.updated_at,
            archived_at: record.archived_at,
            properties: record
                .properties
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_owned()))
                .collect(),
        }
    }
}

/// A record handed to tests and to the human's door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordView {
    /// The record's id.
    pub id: u64,
    /// Its properties; absent ones are null at the vendor.
    pub properties: BTreeMap<String, String>,
    /// Creation, epoch milliseconds.
    pub created_at: i64,
    /// Last change, epoch milliseconds.
    pub updated_at: i64,
    /// When it was archived, if it is.
    pub archived_at: Option<i64>,
}

impl RecordView {
    pub(crate) fn of(record: &Record) -> Self {
        let stored = StoredRecord::of(record);
        Self {
            id: stored.id,
            properties: stored.properties,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            archived_at: stored.archived_at,
        }
    }
}
