//! The three record types of the portal and the several names the vendor gives each.

use serde::{Deserialize, Serialize};

/// A type of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Companies, 0-2.
    Companies,
    /// Contacts, 0-1.
    Contacts,
    /// Deals, 0-3.
    Deals,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Companies, Self::Contacts, Self::Deals];

    /// Reads a kind from a path: plural, singular, upper case or type id.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "companies" | "company" | "0-2" => Some(Self::Companies),
            "contacts" | "contact" | "0-1" => Some(Self::Contacts),
            "deals" | "deal" | "0-3" => Some(Self::Deals),
            _ => None,
        }
    }

    /// `companies`, `contacts`, `deals`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Companies => "companies",
            Self::Contacts => "contacts",
            Self::Deals => "deals",
        }
    }

    /// `company`, `contact`, `deal`.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Companies => "company",
            Self::Contacts => "contact",
            Self::Deals => "deal",
        }
    }

    /// The numeric type id.
    pub fn type_id(self) -> &'static str {
        match self {
            Self::Companies => "0-2",
            Self::Contacts => "0-1",
            Self::Deals => "0-3",
        }
    }

    /// The property that holds the time of the last change: contacts spell it differently.
    pub fn modified_property(self) -> &'static str {
        match self {
            Self::Contacts => "lastmodifieddate",
            Self::Companies | Self::Deals => "hs_lastmodifieddate",
        }
    }

    /// What the vendor answers when no property was asked for.
    pub(crate) fn default_properties(self) -> &'static [&'static str] {
        match self {
            Self::Companies => &["name", "domain"],
            Self::Contacts => &["email", "firstname", "lastname"],
            Self::Deals => &["amount", "closedate", "dealname", "dealstage", "pipeline"],
        }
    }

    /// The first record id, beyond 32 bits as in real portals.
    pub(crate) fn first_id(self) -> u64 {
        match self {
            Self::Companies => 21_480_000_001,
            Self::Contacts => 60_310_000_001,
            Self::Deals => 38_190_000_001,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Companies => 0,
            Self::Contacts => 1,
            Self::Deals => 2,
        }
    }
}
