//! The portal's properties: which exist, of what type, and which values the API accepts.
//!
//! Owns: definitions and the check of a write that comes through the API. Refuses: unknown properties, read-only ones, options that
//! do not exist, numbers that are none. A human's edit through the sandbox's own door skips the check on purpose: connectors must
//! survive values the vendor's user interface let through years ago.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::record::Name;
use crate::clock::parse_instant;

/// The vendor's property types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Text.
    String,
    /// Decimal number.
    Number,
    /// Instant.
    Datetime,
    /// Day.
    Date,
    /// One of the options.
    Enumeration,
    /// `true` or `false`.
    Bool,
}

impl ValueType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Datetime => "datetime",
            Self::Date => "date",
            Self::Enumeration => "enumeration",
            Self::Bool => "bool",
        }
    }
}

/// One property.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Property {
    /// Internal name.
    pub name: String,
    /// What people see.
    pub label: String,
    /// Type of its values.
    pub value_type: ValueType,
    /// The values an enumeration accepts; empty when they are defined elsewhere (owners, pipelines).
    pub options: Vec<String>,
    /// At most one live record may hold a value.
    pub unique: bool,
    /// Made by the vendor.
    pub hubspot_defined: bool,
    /// Computed by the vendor; writes are refused.
    pub read_only: bool,
}

impl Property {
    /// A custom property of the portal.
    pub fn custom(name: &str, value_type: ValueType) -> Self {
        Self {
            name: name.to_owned(),
            label: name.replace('_', " "),
            value_type,
            options: Vec::new(),
            unique: false,
            hubspot_defined: false,
            read_only: false,
        }
    }

    fn vendor(name: &str, label: &str, value_type: ValueType) -> Self {
        Self {
            label: label.to_owned(),
            hubspot_defined: true,
            ..Self::custom(name, value_type)
        }
    }
}

/// Why a value is refused.
#[derive(Debug, Clone)]
pub(crate) struct Invalid {
    pub(crate) name: String,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// All properties of the portal, and the shared names.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    kinds: [BTreeMap<Name, Property>; 3],
    names: HashSet<Name>,
}

impl Schema {
    pub(crate) fn standard() -> Self {
        let mut schema = Self::default();
        for kind in Kind::ALL {
            for property in vendor_properties(kind) {
                schema.define(kind, property);
            }
        }
        schema
    }

    pub(crate) fn define(&mut self, kind: Kind, property: Property) {
        let name = self.intern(&property.name);
        if let Some(properties) = self.kinds.get_mut(kind.index()) {
            properties.insert(name, property);
        }
    }

    pub(crate) fn intern(&mut self, name: &str) -> Name {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let fresh: Name = Arc::from(name);
        self.names.insert(Arc::clone(&fresh));
        fresh
    }

    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<&Property> {
        self.kinds.get(kind.index())?.get(name)
    }

    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Property> {
        self.kinds
            .get(kind.index())
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Checks one written value by its type; options that live elsewhere are the caller's.
    pub(crate) fn check(&self, kind: Kind, name: &str, value: &str) -> Result<(), Invalid> {
        let invalid = |code, message| Invalid {
            name: name.to_owned(),
            code,
            message,
        };
        let Some(property) = self.get(kind, name) else {
            return Err(invalid(
                "PROPERTY_DOESNT_EXIST",
                format!("Property \"{name}\" does not exist"),
            ));
        };
        if property.read_only {
            return Err(invalid(
                "READ_ONLY_VALUE",
                format!("\"{name}\" is a read only property; its value cannot be set."),
            ));
        }
        if value.is_empty() {
            return Ok(());
        }
        match property.value_type {
            ValueType::Number if !value.parse::<f64>().is_ok_and(f64::is_finite) => Err(invalid(
                "INVALID_DOUBLE",
                format!("{value} was not a valid number."),
            )),
            ValueType::Datetime | ValueType::Date if parse_instant(value).is_none() => Err(
                invalid("INVALID_DATE", format!("{value} was not a valid date.")),
            ),
            ValueType::Bool if !matches!(value, "true" | "false") => Err(invalid(
                "INVALID_OPTION",
                format!("{value} was not one of the allowed options: [true, false]"),
            )),
            ValueType::Enumeration
                if !property.options.is_empty() && !property.options.iter().any(|o| o == value) =>
            {
                Err(invalid(
                    "INVALID_OPTION",
                    format!(
                        "{value} was not one of the allowed options: [{}]",
                        property.options.join(", ")
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn vendor_properties(kind: Kind) -> Vec<Property> {
    use ValueType::{Datetime, Enumeration, Number, String};
    let mut all = vec![
        Property {
            read_only: true,
            ..Property::vendor("hs_object_id", "Record ID", Number)
        },
        Property::vendor("createdate", "Create Date", Datetime),
        Property {
            read_only: true,
            ..Property::vendor(kind.modified_property(), "Last Modified Date", Datetime)
        },
        Property {
            read_only: true,
            ..Property::vendor("hs_merged_object_ids", "Merged record IDs", Enumeration)
        },
        Property::vendor("hubspot_owner_id", "Owner", Enumeration),
    ];
    let more: &[(&str, &str, ValueType)] = match kind {
        Kind::Companies => &[
            ("name", "Company name", String),
            ("domain", "Company Domain Name", String),
            ("website", "Website URL", String),
            ("phone", "Phone Number", String),
            ("city", "City", String),
            ("country", "Country/Region", String),
            ("industry", "Industry", String),
            ("type", "Type", Enumeration),
            ("annualrevenue", "Annual Revenue", Number),
            ("numberofemployees", "Number of Employees", Number),
            ("founded_year", "Year Founded", String),
            ("description", "Description", String),
            ("lifecyclestage", "Lifecycle Stage", String),
        ],
        Kind::Contacts => &[
            ("email", "Email", String),
            ("firstname", "First Name", String),
            ("lastname", "Last Name", String),
            ("jobtitle", "Job Title", String),
            ("phone", "Phone Number", String),
            ("company", "Company Name", String),
            ("lifecyclestage", "Lifecycle Stage", String),
        ],
        Kind::Deals => &[
            ("dealname", "Deal Name", String),
            ("dealstage", "Deal Stage", Enumeration),
            ("pipeline", "Pipeline", Enumeration),
            ("amount", "Amount", Number),
            ("closedate", "Close Date", Datetime),
            ("deal_currency_code", "Currency", Enumeration),
            ("dealtype", "Deal Type", String),
            ("closed_lost_reason", "Closed Lost Reason", String),
            ("closed_won_reason", "Closed Won Reason", String),
            ("description", "Deal Description", String),
        ],
    };
    all.extend(
        more.iter()
            .map(|(name, label, value_type)| Property::vendor(name, label, *value_type)),
    );
    for property in &mut all {
        match (kind, property.name.as_str()) {
            (Kind::Contacts, "email") => property.unique = true,
            (Kind::Companies, "type") => {
                property.options = ["PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER"]
                    .map(str::to_owned)
                    .to_vec();
            }
            (Kind::Deals, "deal_currency_code") => {
                property.options = ["USD", "EUR", "JPY", "GBP"].map(str::to_owned).to_vec();
            }
            _ => {}
        }
    }
    all
}
