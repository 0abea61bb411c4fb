//! One record: its own fields and the ones the vendor keeps for every record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::held::Held;

/// A record, deleted or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) fields: BTreeMap<String, Held>,
    pub(crate) created_at: i64,
    pub(crate) created_by: String,
    /// The last change by a person or through the API.
    pub(crate) modified_at: i64,
    pub(crate) modified_by: String,
    /// The last change of any kind.
    pub(crate) stamp: i64,
    pub(crate) deleted_at: Option<i64>,
    /// The record this one was merged into.
    pub(crate) master: Option<String>,
    /// Queries see this version from then on, and before it the earlier one.
    #[serde(skip)]
    pub(crate) visible_at: i64,
    #[serde(skip)]
    pub(crate) earlier: Option<Box<Record>>,
}

impl Record {
    /// The value of a field under its exact name; `None` when it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<Held> {
        match name {
            "Id" => Some(Held::Text(self.id.clone())),
            "IsDeleted" => Some(Held::Flag(self.deleted_at.is_some())),
            "CreatedDate" => Some(Held::At(self.created_at)),
            "CreatedById" => Some(Held::Text(self.created_by.clone())),
            "LastModifiedDate" => Some(Held::At(self.modified_at)),
            "LastModifiedById" => Some(Held::Text(self.modified_by.clone())),
            "SystemModstamp" => Some(Held::At(self.stamp)),
            "MasterRecordId" => self.master.clone().map(Held::Text),
            _ => self.fields.get(name).cloned(),
        }
    }

    /// The text of a field.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Held::text)
    }

    /// Sets or clears a field.
    pub(crate) fn set(&mut self, name: &str, value: Option<Held>) {
        match value {
            Some(value) => {
                self.fields.insert(name.to_owned(), value);
            }
            None => {
                self.fields.remove(name);
            }
        }
    }

    /// The version that queries see now.
    pub(crate) fn visible(&self, now: i64) -> Option<&Self> {
        if self.visible_at <= now {
            Some(self)
        } else {
            self.earlier
                .as_deref()
                .and_then(|earlier| earlier.visible(now))
        }
    }
}
