//! What objects exist and which fields they have, in the way `describe` tells it.
//!
//! Owns: looking up by name, whatever its case. The standard objects are in `standard`. Invariant: a name not found here does not exist
//! for queries and writes either.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The types of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// The record's own id.
    Id,
    /// The id of another record.
    Reference,
    /// A line of text.
    String,
    /// Several lines of text.
    TextArea,
    /// An address of mail.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// One of several values.
    Picklist,
    /// An amount, kept with two decimals.
    Currency,
    /// A number of hundredths.
    Percent,
    /// A number.
    Double,
    /// A whole number.
    Int,
    /// Yes or no.
    Boolean,
    /// A day.
    Date,
    /// An instant.
    DateTime,
}

impl FieldKind {
    /// The type in `describe`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference => "reference",
            Self::String => "string",
            Self::TextArea => "textarea",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Picklist => "picklist",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Double => "double",
            Self::Int => "int",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "datetime",
        }
    }

    /// The type of values in SOAP.
    pub(crate) fn soap(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Currency | Self::Percent | Self::Double => "xsd:double",
            Self::Int => "xsd:int",
            Self::Boolean => "xsd:boolean",
            Self::Date => "xsd:date",
            Self::DateTime => "xsd:dateTime",
            _ => "xsd:string",
        }
    }

    pub(crate) fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Reference)
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Currency | Self::Percent | Self::Double | Self::Int
        )
    }
}

/// A field of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SalesforceField {
    pub(crate) name: String,
    pub(crate) kind: FieldKind,
    pub(crate) length: usize,
    pub(crate) required: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    pub(crate) restricted: bool,
    pub(crate) relationship: Option<String>,
    pub(crate) refers_to: Vec<String>,
    pub(crate) picklist: Vec<String>,
}

impl SalesforceField {
    /// A field that may be written and left empty. The name of a custom one ends in `__c`.
    pub fn new(name: &str, kind: FieldKind) -> Self {
        let length = match kind {
            FieldKind::Id | FieldKind::Reference => 18,
            FieldKind::TextArea => 32_000,
            FieldKind::Email => 80,
            FieldKind::Phone => 40,
            FieldKind::String | FieldKind::Url | FieldKind::Picklist => 255,
            _ => 0,
        };
        Self {
            name: name.to_owned(),
            kind,
            length,
            required: false,
            createable: true,
            updateable: true,
            external_id: false,
            unique: false,
            restricted: false,
            relationship: None,
            refers_to: Vec::new(),
            picklist: Vec::new(),
        }
    }

    /// An id of a record of another object. `AccountId` is the relationship `Account`, `Other__c` is `Other__r`.
    pub fn reference(name: &str, to: &str) -> Self {
        let relationship = match name.strip_suffix("__c") {
            Some(stem) => format!("{stem}__r"),
            None => name.strip_suffix("Id").unwrap_or(name).to_owned(),
        };
        Self {
            relationship: Some(relationship),
            refers_to: vec![to.to_owned()],
            ..Self::new(name, FieldKind::Reference)
        }
    }

    /// One of these values; others are taken too unless it is `restricted`.
    pub fn picklist(name: &str, values: &[&str]) -> Self {
        Self {
            picklist: values.iter().map(|value| (*value).to_owned()).collect(),
            ..Self::new(name, FieldKind::Picklist)
        }
    }

    /// Refuses values that are not in the list.
    pub fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }

    /// At most this many characters.
    pub fn length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// A record cannot be without it.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Records can be found and upserted by it; `unique` refuses a value another record has.
    pub fn external_id(mut self, unique: bool) -> Self {
        self.external_id = true;
        self.unique = unique;
        self
    }

    pub(crate) fn read_only(mut self) -> Self {
        self.createable = false;
        self.updateable = false;
        self
    }

    pub(crate) fn create_only(mut self) -> Self {
        self.updateable = false;
        self
    }

    pub(crate) fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// The name as people read it: `CloseDate` is "Close Date".
    pub(crate) fn label(&self) -> String {
        spaced(self.name.strip_suffix("__c").unwrap_or(&self.name))
    }
}

/// An object and what can be done with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) plural: String,
    pub(crate) prefix: String,
    pub(crate) fields: Vec<SalesforceField>,
    pub(crate) children: Vec<Child>,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) deletable: bool,
    /// `getDeleted` is answered.
    pub(crate) replicateable: bool,
    pub(crate) mergeable: bool,
}

/// Records of another object that refer to this one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) relationship: String,
    pub(crate) object: String,
    pub(crate) field: String,
}

impl Object {
    pub(crate) fn field(&self, name: &str) -> Option<&SalesforceField> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn relation(&self, name: &str) -> Option<&SalesforceField> {
        self.fields.iter().find(|field| {
            field
                .relationship
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    pub(crate) fn label(&self) -> String {
        spaced(&self.name)
    }
}

/// All objects of an org.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Schema {
    objects: BTreeMap<String, Object>,
}

impl Schema {
    pub(crate) fn add(&mut self, object: Object) {
        self.objects.insert(object.name.clone(), object);
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.objects.get(name).or_else(|| {
            self.objects
                .values()
                .find(|object| object.name.eq_ignore_ascii_case(name))
        })
    }

    pub(crate) fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        self.objects.get_mut(name)
    }

    /// The object an id belongs to, by its first three characters.
    pub(crate) fn of_id(&self, id: &str) -> Option<&Object> {
        let prefix = id.get(..3)?;
        self.objects.values().find(|object| object.prefix == prefix)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }
}

fn spaced(name: &str) -> String {
    let mut out = String::new();
    let mut last = ' ';
    for c in name.chars() {
        if c == '_' {
            out.push(' ');
        } else {
            if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
                out.push(' ');
            }
            out.push(c);
        }
        last = c;
    }
    out
}
