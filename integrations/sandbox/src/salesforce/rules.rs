//! What the customer's admins demand: validation rules, duplicate rules, and rows that other work has locked.
//!
//! Owns: the rules and the check of a write through the API against them. Refuses: nothing a person does: the vendor's own interface asks
//! for the values before it saves, and a sandbox has no form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::held::Held;
use super::record::Record;
use super::refused::SalesforceRefused as Refused;

/// A validation rule: a record whose field has a value needs another field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationRule {
    /// The object it is for.
    pub object: String,
    /// The field that must have a value.
    pub requires: String,
    /// When it must: this field has this value; absent means always.
    #[serde(default)]
    pub when: Option<(String, String)>,
    /// What the admin wrote for the user.
    pub message: String,
}

/// A duplicate rule: two live records with the same value are duplicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateRule {
    /// The object it is for.
    pub object: String,
    /// The field whose values are compared without regard to case.
    pub field: String,
    /// Refuses even a caller who says that duplicates may be saved.
    #[serde(default)]
    pub blocks: bool,
}

/// All rules of an org.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Validation rules.
    pub validation: Vec<ValidationRule>,
    /// Duplicate rules.
    pub duplicates: Vec<DuplicateRule>,
    /// Locked records: how many more writes through the API are refused.
    pub locked: BTreeMap<String, u32>,
}

impl Rules {
    /// What the validation rules say against a record as it would be.
    pub(crate) fn validate(&self, object: &str, record: &Record) -> Result<(), Refused> {
        for rule in self.validation.iter().filter(|rule| rule.object == object) {
            let concerns = rule.when.as_ref().is_none_or(|(field, value)| {
                record.get(field).is_some_and(|held| held.plain() == *value)
            });
            if concerns && record.get(&rule.requires).is_none() {
                let code = "FIELD_CUSTOM_VALIDATION_EXCEPTION";
                return Err(Refused::new(code, rule.message.clone()).on(&rule.requires));
            }
        }
        Ok(())
    }

    /// What the duplicate rules say against a record as it would be, among the live ones.
    pub(crate) fn duplicates<'a>(
        &self,
        object: &str,
        record: &Record,
        others: impl Fn() -> Box<dyn Iterator<Item = &'a Record> + 'a>,
        allow_save: bool,
    ) -> Result<(), Refused> {
        for rule in self.duplicates.iter().filter(|rule| rule.object == object) {
            if allow_save && !rule.blocks {
                continue;
            }
            let Some(value) = record.get(&rule.field) else {
                continue;
            };
            let same = |held: Held| held.plain().eq_ignore_ascii_case(&value.plain());
            let twin = others().any(|other| {
                other.id != record.id
                    && other.deleted_at.is_none()
                    && other.get(&rule.field).is_some_and(same)
            });
            if twin {
                let message = "Use one of these records?";
                return Err(Refused::new("DUPLICATES_DETECTED", message));
            }
        }
        Ok(())
    }

    /// Refuses a locked record, once less.
    pub(crate) fn unlock(&mut self, id: &str) -> Result<(), Refused> {
        let Some(left) = self.locked.get_mut(id) else {
            return Ok(());
        };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.locked.remove(id);
        }
        let message = "unable to obtain exclusive access to this record";
        Err(Refused::new("UNABLE_TO_LOCK_ROW", message))
    }
}
