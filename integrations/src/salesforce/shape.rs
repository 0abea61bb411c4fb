//! What an account's objects look like: which fields there are, and what kind of value each holds.
//!
//! Owns: the description of an object, from the answer that tells it to the choice of columns; and keeping it for a few minutes, for each account, so
//! that one piece of work describes an object once. Refuses: to ask for a field the account does not have: Salesforce refuses the whole query for it,
//! and an account without several currencies has no currency field at all. Invariant: a column is a plain name of a field that can be read in lists.

use super::{
    descriptor::Object,
    moment, number,
    soql::{STAMP, is_name},
    wire::{DescribeBody, FieldBody},
};
use crate::{connector::FieldDescriptor, push::REFERENCE};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// The field in which an account keeps our reference. Its administrator makes it; we may not.
pub(super) const REFERENCE_FIELD: &str = "Entente_Reference__c";

/// How long a description is believed, in milliseconds. One that proves wrong is forgotten at once.
const BELIEVED_MS: i64 = 600_000;
/// More descriptions than this are not kept.
const MOST: usize = 400;

/// What kind of value a field holds, as far as that matters to its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Text,
    Number,
    Boolean,
    Day,
    Moment,
    /// Made of other fields, or no text at all: a list cannot hold it.
    Unlisted,
}

/// One field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) kind: ValueKind,
    pub(super) kind_name: String,
    pub(super) label: String,
    pub(super) custom: bool,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    pub(super) unique: bool,
    pub(super) external_id: bool,
    pub(super) length: u32,
    /// The values it may hold, with their labels, where there is a list of them.
    pub(super) picklist: Vec<(String, String)>,
}

/// An object of one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) fields: BTreeMap<String, Field>,
    /// The names under which fields of other records can be asked for (`Owner`).
    relations: BTreeSet<String>,
}

impl Shape {
    pub(super) fn of(body: DescribeBody) -> Self {
        let relations = body
            .fields
            .iter()
            .filter_map(|field| field.relationship_name.clone())
            .collect();
        let fields = body
            .fields
            .into_iter()
            .map(|field| (field.name.clone(), Field::of(field)));
        Self {
            fields: fields.collect(),
            relations,
        }
    }

    /// Whether a list can hold a field.
    pub(super) fn lists(&self, name: &str) -> bool {
        match name.split_once('.') {
            Some((relation, _)) => self.relations.contains(relation) && is_name(name),
            None => self
                .fields
                .get(name)
                .is_some_and(|field| field.kind != ValueKind::Unlisted && is_name(name)),
        }
    }

    /// Whether it has a field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The one form of a value's text, whether a query or a bulk job answered it.
    pub(super) fn plain(&self, name: &str, text: String) -> String {
        match self.fields.get(name).map(|field| field.kind) {
            Some(ValueKind::Number) => number::plain(&text).unwrap_or(text),
            Some(ValueKind::Moment) => moment::plain(&text),
            _ => text,
        }
    }

    /// What people may map.
    pub(super) fn described(&self) -> Vec<FieldDescriptor> {
        let listed = self
            .fields
            .iter()
            .filter(|(name, field)| field.kind != ValueKind::Unlisted && *name != REFERENCE_FIELD);
        listed
            .map(|(name, field)| FieldDescriptor {
                name: name.clone(),
                label: field.label.clone(),
                kind: field.kind_name.clone(),
                custom: field.custom,
            })
            .collect()
    }
}

impl Field {
    fn of(body: FieldBody) -> Self {
        let kind = match body.kind.as_str() {
            "int" | "long" | "double" | "currency" | "percent" => ValueKind::Number,
            "boolean" => ValueKind::Boolean,
            "date" => ValueKind::Day,
            "datetime" => ValueKind::Moment,
            "address" | "location" | "base64" | "complexvalue" | "anyType" => ValueKind::Unlisted,
            _ => ValueKind::Text,
        };
        let picklist = body
            .picklist_values
            .into_iter()
            .filter(|value| value.active);
        Self {
            kind,
            kind_name: body.kind,
            label: body.label,
            custom: body.custom,
            createable: body.createable,
            updateable: body.updateable,
            unique: body.unique,
            external_id: body.external_id,
            length: body.length,
            picklist: picklist
                .map(|value| (value.value.clone(), value.label.unwrap_or(value.value)))
                .collect(),
        }
    }
}

/// What to ask for, and under which name the engine knows it.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The columns of a query.
    pub(super) columns: Vec<String>,
    /// By column: the name in a record's fields. What is asked for only because a record is made of it is not here.
    pub(super) named: BTreeMap<String, String>,
}

impl Selection {
    /// Nothing that is known by a name: the columns are read by hand.
    pub(super) const fn none() -> Self {
        Self {
            columns: Vec::new(),
            named: BTreeMap::new(),
        }
    }

    /// The columns for what is wanted, or for the usual ones; what the account does not have is left out.
    pub(super) fn of(object: Object, shape: &Shape, wanted: &[String]) -> Self {
        let mut named = BTreeMap::new();
        let usual = object.usual.iter().map(|name| (*name).to_owned());
        let wanted: Vec<String> = if wanted.is_empty() {
            usual.collect()
        } else {
            wanted.to_vec()
        };
        for name in wanted {
            let column = if name == REFERENCE {
                REFERENCE_FIELD.to_owned()
            } else {
                name.clone()
            };
            if shape.lists(&column) {
                named.insert(column, name);
            }
        }
        let made_of = ["Id", STAMP, "CreatedDate"];
        let where_there = ["IsDeleted", "MasterRecordId"].iter().chain(object.always);
        let columns: BTreeSet<String> = made_of
            .into_iter()
            .map(str::to_owned)
            .chain(
                where_there
                    .filter(|name| shape.lists(name))
                    .map(|name| (*name).to_owned()),
            )
            .chain(named.keys().cloned())
            .collect();
        Self {
            columns: columns.into_iter().collect(),
            named,
        }
    }
}

/// An object of an account, by the account's id and the object's name.
type Key = (String, &'static str);

/// The descriptions that were read lately, and when, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Shapes(Mutex<HashMap<Key, (i64, Arc<Shape>)>>);

impl Shapes {
    /// What is known of an account's object, if it was read lately.
    pub(super) fn known(
        &self,
        tenant: &str,
        object: &'static str,
        now_ms: i64,
    ) -> Option<Arc<Shape>> {
        let shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_ms, shape) = shapes.get(&(tenant.to_owned(), object))?;
        let young = now_ms.abs_diff(*read_ms) < BELIEVED_MS.unsigned_abs();
        young.then(|| Arc::clone(shape))
    }

    pub(super) fn learn(
        &self,
        tenant: &str,
        object: &'static str,
        now_ms: i64,
        shape: Shape,
    ) -> Arc<Shape> {
        let shape = Arc::new(shape);
        let mut shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shapes.len() >= MOST {
            shapes.clear();
        }
        shapes.insert((tenant.to_owned(), object), (now_ms, Arc::clone(&shape)));
        shape
    }

    /// Forgets a description that has proved wrong.
    pub(super) fn forget(&self, tenant: &str, object: &'static str) {
        let mut shapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.remove(&(tenant.to_owned(), object));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{record::Resource, salesforce::descriptor::object};

    fn shape(fields: &str) -> Shape {
        let body = format!(r#"{{"name":"Opportunity","fields":[{fields}]}}"#);
        Shape::of(serde_json::from_str(&body).unwrap())
    }

    const FIELDS: &str = r#"{"name":"Id","type":"id"},{"name":"SystemModstamp","type":"datetime"},{"name":"CreatedDate","type":"datetime"},
        {"name":"IsDeleted","type":"boolean"},{"name":"Name","type":"string","label":"Name"},{"name":"Amount","type":"currency"},
        {"name":"AccountId","type":"reference","relationshipName":"Account"},{"name":"OwnerId","type":"reference","relationshipName":"Owner"},
        {"name":"Where__c","type":"location","custom":true},{"name":"Entente_Reference__c","type":"string","custom":true},
        {"name":"Tier__c","type":"picklist","custom":true,"label":"Tier","picklistValues":[{"value":"gold","label":"Gold","active":true},{"value":"old","active":false}]}"#;

    #[test]
    fn only_what_the_account_has_is_asked_for() {
        let shape = shape(FIELDS);
        let wanted: Vec<String> = [
            "Name",
            "CurrencyIsoCode",
            "Owner.Email",
            "Nobody.Email",
            "Where__c",
            "Tier__c",
            "entente_reference",
            "Name FROM User",
        ]
        .map(str::to_owned)
        .to_vec();
        let selection = Selection::of(object(Resource::Deal).unwrap(), &shape, &wanted);
        assert_eq!(
            selection.columns,
            [
                "AccountId",
                "CreatedDate",
                "Entente_Reference__c",
                "Id",
                "IsDeleted",
                "Name",
                "Owner.Email",
                "SystemModstamp",
                "Tier__c"
            ]
        );
        assert_eq!(
            selection
                .named
                .get("Entente_Reference__c")
                .map(String::as_str),
            Some("entente_reference")
        );
        assert!(!selection.named.contains_key("AccountId"));
        let usual = Selection::of(object(Resource::Deal).unwrap(), &shape, &[]);
        assert!(
            usual.named.contains_key("Amount")
                && !usual.columns.contains(&"CurrencyIsoCode".to_owned())
        );
    }

    #[test]
    fn values_have_one_form_and_our_reference_is_not_for_people() {
        let shape = shape(FIELDS);
        assert_eq!(shape.plain("Amount", "1.0E7".to_owned()), "10000000");
        assert_eq!(shape.plain("Amount", "unreadable".to_owned()), "unreadable");
        assert_eq!(
            shape.plain("CreatedDate", "2026-11-01T10:00:00.000+0000".to_owned()),
            "2026-11-01T10:00:00.000Z"
        );
        assert_eq!(shape.plain("Name", "1.0E7".to_owned()), "1.0E7");
        let described = shape.described();
        let custom: Vec<&str> = described
            .iter()
            .filter(|field| field.custom)
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(custom, ["Tier__c"]);
        assert_eq!(
            shape.fields.get("Tier__c").unwrap().picklist,
            [("gold".to_owned(), "Gold".to_owned())]
        );
    }

    #[test]
    fn a_description_is_believed_for_a_while_and_for_its_own_account() {
        let shapes = Shapes::default();
        shapes.learn("a", "Account", 1_000, Shape::default());
        assert!(
            shapes
                .known("a", "Account", 1_000 + BELIEVED_MS - 1)
                .is_some()
        );
        assert!(shapes.known("a", "Account", 1_000 + BELIEVED_MS).is_none());
        assert!(shapes.known("b", "Account", 1_000).is_none());
        assert!(shapes.known("a", "Contact", 1_000).is_none());
        shapes.forget("a", "Account");
        assert!(shapes.known("a", "Account", 1_000).is_none());
    }
}
