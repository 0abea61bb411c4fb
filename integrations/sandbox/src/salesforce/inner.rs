//! Everything behind the store's lock: the schema, the records, what was deleted, and the admins' rules.
//!
//! Owns: making ids, finding records, the 15 days of the recycle bin. Refuses: to decide whether a change is allowed; that is `writes`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::held::Held;
use super::id;
use super::options::SalesforceFeatures;
use super::record::Record;
use super::rules::Rules;
use super::schema::{Object, Schema};

/// How long deleted records and the log of deletions are kept.
pub(crate) const BIN_MS: i64 = 15 * 24 * 3600 * 1000;

/// A deletion, as `getDeleted` tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deletion {
    pub(crate) object: String,
    pub(crate) id: String,
    pub(crate) at: i64,
}

/// The org.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inner {
    pub(crate) features: SalesforceFeatures,
    pub(crate) schema: Schema,
    pub(crate) pod: String,
    pub(crate) org_id: String,
    /// The user the app acts as.
    pub(crate) app_user: String,
    /// The user who edits by hand.
    pub(crate) person: String,
    pub(crate) tables: BTreeMap<String, BTreeMap<String, Record>>,
    pub(crate) serials: BTreeMap<String, u64>,
    pub(crate) deletions: Vec<Deletion>,
    /// Deletions before this are no longer in the log.
    pub(crate) log_from: i64,
    pub(crate) rules: Rules,
    /// Where values of the fields that identify records are: object and field, then the folded value.
    #[serde(skip)]
    index: BTreeMap<(String, String), BTreeMap<String, Vec<String>>>,
}

impl Inner {
    pub(crate) fn new(features: SalesforceFeatures, schema: Schema, pod: String) -> Self {
        let mut inner = Self {
            features,
            schema,
            pod,
            org_id: String::new(),
            app_user: String::new(),
            person: String::new(),
            tables: BTreeMap::new(),
            serials: BTreeMap::new(),
            deletions: Vec::new(),
            log_from: 0,
            rules: Rules::default(),
            index: BTreeMap::new(),
        };
        inner.org_id = inner.next_id("00D");
        inner
    }

    /// The next id with this prefix.
    pub(crate) fn next_id(&mut self, prefix: &str) -> String {
        let serial = self.serials.entry(prefix.to_owned()).or_insert(100);
        *serial += 1;
        id::make(prefix, &self.pod, *serial)
    }

    pub(crate) fn table(&self, object: &str) -> impl Iterator<Item = &Record> {
        self.tables
            .get(object)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    pub(crate) fn record(&self, object: &str, id: &str) -> Option<&Record> {
        self.tables.get(object)?.get(id)
    }

    /// The object and the record of an id.
    pub(crate) fn by_id(&self, id: &str) -> Option<(&Object, &Record)> {
        let object = self.schema.of_id(id)?;
        Some((object, self.record(&object.name, id)?))
    }

    /// Puts a record in its place, over the one with its id.
    pub(crate) fn place(&mut self, object: &str, record: Record) {
        let id = record.id.clone();
        self.unindex(object, &id);
        self.tables
            .entry(object.to_owned())
            .or_default()
            .insert(id.clone(), record);
        self.index(object, &id);
    }

    /// Takes a record out.
    pub(crate) fn lift(&mut self, object: &str, id: &str) -> Option<Record> {
        self.unindex(object, id);
        self.tables.get_mut(object)?.remove(id)
    }

    /// Live records whose external id field has this value.
    pub(crate) fn find_external(&self, object: &str, field: &str, value: &Held) -> Vec<String> {
        let key = (object.to_owned(), field.to_owned());
        let value = value.plain().to_lowercase();
        self.index
            .get(&key)
            .and_then(|values| values.get(&value))
            .cloned()
            .unwrap_or_default()
    }

    /// Live records of an object that refer to one in a field.
    pub(crate) fn referring(&self, object: &str, field: &str, id: &str) -> Vec<String> {
        self.table(object)
            .filter(|record| record.deleted_at.is_none() && record.text(field) == Some(id))
            .map(|record| record.id.clone())
            .collect()
    }

    /// True when the record lies in the recycle bin and has not lain there too long.
    pub(crate) fn in_bin(record: &Record, now: i64) -> bool {
        record.deleted_at.is_some_and(|at| at + BIN_MS > now)
    }

    /// Makes the indices anew, after loading or when a field was added.
    pub(crate) fn reindex(&mut self) {
        self.index.clear();
        let all: Vec<(String, String)> = self
            .tables
            .iter()
            .flat_map(|(object, table)| table.keys().map(|id| (object.clone(), id.clone())))
            .collect();
        for (object, id) in all {
            self.index(&object, &id);
        }
    }

    fn index(&mut self, object: &str, id: &str) {
        for (key, value) in self.identifying(object, id) {
            self.index
                .entry(key)
                .or_default()
                .entry(value)
                .or_default()
                .push(id.to_owned());
        }
    }

    fn unindex(&mut self, object: &str, id: &str) {
        for (key, value) in self.identifying(object, id) {
            if let Some(ids) = self.index.get_mut(&key).and_then(|v| v.get_mut(&value)) {
                ids.retain(|known| known != id);
            }
        }
    }

    fn identifying(&self, object: &str, id: &str) -> Vec<((String, String), String)> {
        let (Some(described), Some(record)) = (self.schema.object(object), self.record(object, id))
        else {
            return Vec::new();
        };
        if record.deleted_at.is_some() {
            return Vec::new();
        }
        described
            .fields
            .iter()
            .filter(|field| field.external_id || field.unique)
            .filter_map(|field| {
                let value = record.fields.get(&field.name)?.plain().to_lowercase();
                Some(((object.to_owned(), field.name.clone()), value))
            })
            .collect()
    }
}
