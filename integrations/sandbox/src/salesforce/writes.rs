//! Creating, changing, upserting and deleting one record, with everything the vendor checks.
//!
//! Refuses: unknown and read-only fields, values a field cannot hold, references to nothing, what the admins' rules forbid.
//! Invariant: a refused write has changed nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::held::Held;
use super::id;
use super::record::Record;
use super::refused::SalesforceRefused as Refused;
use super::schema::{Object, SalesforceField};
use super::transaction::{By, Transaction};

/// What the caller of a write allows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    /// A duplicate may be saved although an alerting rule found it.
    pub(crate) duplicates: bool,
}

/// Values by the exact names of their fields.
type Changes = BTreeMap<String, Option<Held>>;

impl Transaction<'_> {
    /// Makes a record and returns its id.
    pub(crate) fn create(
        &mut self,
        object: &str,
        fields: &Map<String, Value>,
        allowed: Allowed,
    ) -> Result<String, Refused> {
        let described = self.described(object)?;
        self.creatable(&described)?;
        let changes = self.read(&described, fields, true)?;
        let id = self.inner.next_id(&described.prefix);
        let user = self.user();
        let mut record = Record {
            id: id.clone(),
            fields: BTreeMap::new(),
            created_at: self.now,
            created_by: user.clone(),
            modified_at: self.now,
            modified_by: user,
            stamp: self.now,
            deleted_at: None,
            master: None,
            visible_at: 0,
            earlier: None,
        };
        self.fill_defaults(&described, &mut record);
        for (name, value) in changes {
            record.set(&name, value);
        }
        self.save(&described, record, allowed)?;
        Ok(id)
    }

    /// Changes fields of a record.
    pub(crate) fn update(
        &mut self,
        object: &str,
        id: &str,
        fields: &Map<String, Value>,
        allowed: Allowed,
    ) -> Result<(), Refused> {
        let described = self.described(object)?;
        if self.by == By::App && !described.updateable {
            return Err(not_allowed(&described, "update"));
        }
        let mut record = self.live(&described, id)?;
        let changes = self.read(&described, fields, false)?;
        if self.by == By::App {
            self.inner.rules.unlock(&record.id)?;
        }
        for (name, value) in changes {
            record.set(&name, value);
        }
        self.save(&described, record, allowed)
    }

    /// Changes the record with this external id or makes it; true when it was made.
    pub(crate) fn upsert(
        &mut self,
        object: &str,
        field: &str,
        value: &Value,
        fields: &Map<String, Value>,
        allowed: Allowed,
    ) -> Result<(String, bool), Refused> {
        let described = self.described(object)?;
        let key = external_field(&described, field)?.clone();
        let Some(held) = Held::read(&key, value)? else {
            let message = format!("{} not specified", key.name);
            return Err(Refused::new("MISSING_ARGUMENT", message).on(&key.name));
        };
        let found = self.inner.find_external(&described.name, &key.name, &held);
        match found.as_slice() {
            [] => {
                let mut fields = fields.clone();
                fields.insert(key.name.clone(), value.clone());
                Ok((self.create(object, &fields, allowed)?, true))
            }
            [id] => {
                let id = id.clone();
                self.update(object, &id, fields, allowed)?;
                Ok((id, false))
            }
            several => {
                let message = format!(
                    "more than one record found for external id field: [{}]",
                    several.join(", ")
                );
                let refused = Refused::new("DUPLICATE_EXTERNAL_ID", message).on(&key.name);
                Err(refused.with_status(300))
            }
        }
    }

    /// Moves a record and what hangs on it to the recycle bin.
    pub(crate) fn delete(&mut self, object: &str, id: &str) -> Result<(), Refused> {
        let described = self.described(object)?;
        if self.by == By::App && !described.deletable {
            return Err(not_allowed(&described, "delete"));
        }
        let record = self.live(&described, id)?;
        if self.by == By::App {
            self.inner.rules.unlock(&record.id)?;
        }
        let id = record.id.clone();
        self.bin(&described.name, record, None);
        for child in &described.children {
            if child.relationship == "ChildAccounts" {
                continue;
            }
            for hanging in self.inner.referring(&child.object, &child.field, &id) {
                self.delete_hanging(&child.object, &hanging);
            }
        }
        Ok(())
    }

    /// What hangs on a deleted record is deleted whatever its own rules say.
    fn delete_hanging(&mut self, object: &str, id: &str) {
        let by = std::mem::replace(&mut self.by, By::System);
        // It was found a moment ago under the same lock, so it is there.
        let _ = self.delete(object, id);
        self.by = by;
    }

    /// The live record with this id, given with 15 or 18 characters.
    pub(super) fn live(&self, described: &Object, id: &str) -> Result<Record, Refused> {
        let malformed = || Refused::new("MALFORMED_ID", format!("malformed id {id}"));
        let id = id::parse(id).ok_or_else(malformed)?;
        if !id.starts_with(&described.prefix) {
            return Err(malformed());
        }
        let record = self
            .inner
            .record(&described.name, &id)
            .ok_or_else(|| Refused::bad_reference().with_status(404))?;
        if record.deleted_at.is_some() {
            return Err(Refused::deleted());
        }
        Ok(record.clone())
    }

    pub(super) fn described(&self, object: &str) -> Result<Object, Refused> {
        let known = self.inner.schema.object(object).cloned();
        known.ok_or_else(|| Refused::no_such_type(object).with_status(404))
    }

    fn creatable(&self, described: &Object) -> Result<(), Refused> {
        if self.by == By::App && !described.createable {
            return Err(not_allowed(described, "create"));
        }
        Ok(())
    }

    /// Reads what a caller sent into values of fields.
    fn read(
        &self,
        described: &Object,
        fields: &Map<String, Value>,
        creates: bool,
    ) -> Result<Changes, Refused> {
        let mut changes = Changes::new();
        let mut closed = Vec::new();
        for (name, value) in fields {
            if name == "attributes" {
                continue;
            }
            if let Some(field) = described.relation(name)
                && let Value::Object(target) = value
            {
                let id = self.by_external(field, target)?;
                changes.insert(field.name.clone(), Some(Held::Text(id)));
                continue;
            }
            let field = described
                .field(name)
                .ok_or_else(|| Refused::no_such_column(name, &described.name))?;
            let open = if creates {
                field.createable
            } else {
                field.updateable
            };
            if self.by == By::App && !open {
                closed.push(field.name.clone());
                continue;
            }
            let held = Held::read(field, value)?;
            if let (Some(Held::Text(id)), true) = (&held, field.relationship.is_some()) {
                self.refers(field, id)?;
            }
            changes.insert(field.name.clone(), held);
        }
        if closed.is_empty() {
            return Ok(changes);
        }
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
            closed.join(", ")
        );
        Err(Refused {
            fields: closed,
            ..Refused::new("INVALID_FIELD_FOR_INSERT_UPDATE", message)
        })
    }

    fn refers(&self, field: &SalesforceField, id: &str) -> Result<(), Refused> {
        let target = self.inner.schema.of_id(id);
        if target.is_none_or(|target| !field.refers_to.contains(&target.name)) {
            let label = field.label();
            let message = format!("{label}: id value of incorrect type: {id}");
            return Err(Refused::new("FIELD_INTEGRITY_EXCEPTION", message).on(&field.name));
        }
        match self.inner.by_id(id) {
            None => Err(Refused::bad_reference().on(&field.name)),
            Some((_, record)) if record.deleted_at.is_some() => {
                Err(Refused::new("ENTITY_IS_DELETED", "entity is deleted").on(&field.name))
            }
            Some(_) => Ok(()),
        }
    }

    /// The record a nested object names by its external id.
    fn by_external(
        &self,
        field: &SalesforceField,
        target: &Map<String, Value>,
    ) -> Result<String, Refused> {
        let object = field.refers_to.first().map_or("", String::as_str);
        let described = self.described(object)?;
        let mut given = target.iter().filter(|(name, _)| *name != "attributes");
        let (Some((name, value)), None) = (given.next(), given.next()) else {
            let message = format!("{object} must be named by one external id");
            return Err(Refused::unreadable("JSON_PARSER_ERROR", message));
        };
        let key = external_field(&described, name)?;
        let found = Held::read(key, value)?
            .map(|held| self.inner.find_external(&described.name, &key.name, &held))
            .unwrap_or_default();
        match found.as_slice() {
            [id] => Ok(id.clone()),
            _ => {
                let shown = value.as_str().unwrap_or_default();
                let message = format!(
                    "Foreign key external ID: {shown} not found for field {} in entity {object}",
                    key.name
                );
                Err(Refused::new("INVALID_FIELD", message))
            }
        }
    }

    /// Completes, checks and keeps a record.
    fn save(
        &mut self,
        described: &Object,
        mut record: Record,
        allowed: Allowed,
    ) -> Result<(), Refused> {
        self.derive(described, &mut record);
        let missing: Vec<String> = described
            .fields
            .iter()
            .filter(|field| field.required && record.get(&field.name).is_none())
            .map(|field| field.name.clone())
            .collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(Refused {
                fields: missing,
                ..Refused::new("REQUIRED_FIELD_MISSING", message)
            });
        }
        for field in described.fields.iter().filter(|field| field.unique) {
            let Some(held) = record.fields.get(&field.name) else {
                continue;
            };
            let found = self.inner.find_external(&described.name, &field.name, held);
            if let Some(other) = found.iter().find(|id| **id != record.id) {
                let message = format!(
                    "duplicate value found: {} duplicates value on record with id: {}",
                    field.name,
                    id::short(other)
                );
                return Err(Refused::new("DUPLICATE_VALUE", message));
            }
        }
        if self.by == By::App {
            let name = &described.name;
            self.inner.rules.validate(name, &record)?;
            let others =
                || -> Box<dyn Iterator<Item = &Record>> { Box::new(self.inner.table(name)) };
            self.inner
                .rules
                .duplicates(name, &record, others, allowed.duplicates)?;
        }
        let id = record.id.clone();
        self.put(&described.name, record);
        self.follow(&described.name, &id);
        Ok(())
    }
}

/// The field an upsert goes by.
pub(super) fn external_field<'a>(
    described: &'a Object,
    name: &str,
) -> Result<&'a SalesforceField, Refused> {
    let field = described
        .field(name)
        .ok_or_else(|| Refused::no_such_column(name, &described.name))?;
    if field.external_id {
        return Ok(field);
    }
    let message = format!("{} is not an external id of {}", field.name, described.name);
    Err(Refused::unreadable("INVALID_FIELD", message))
}

fn not_allowed(described: &Object, verb: &str) -> Refused {
    let message = format!("entity type {} does not support {verb}", described.name);
    Refused::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)
}
