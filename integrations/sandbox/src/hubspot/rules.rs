//! What the portal's admins made mandatory: properties a new record needs, and properties that another property's value makes necessary.
//!
//! Owns: the rules and the check of a write through the API against them. Refuses: nothing a person does: the vendor's own interface asks
//! for the values before it saves, and a sandbox has no form. Invariant: a rule concerns a write only when the write touches it, so that an
//! old record that breaks a new rule can still be changed elsewhere.

use serde::{Deserialize, Serialize};

use super::schema::Invalid;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The property that must have a value.
    pub property: String,
    /// When it must; absent means when a record is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// Another property that holds a certain value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The other property.
    pub property: String,
    /// Its value.
    pub value: String,
}

/// The values of properties by name.
pub(crate) type Values<'f, 'a> = dyn Fn(&str) -> Option<&'a str> + 'f;

impl Rule {
    /// A new record needs this property.
    pub fn on_create(property: &str) -> Self {
        Self {
            property: property.to_owned(),
            when: None,
        }
    }

    /// A record whose `other` is `value` needs this property.
    pub fn when(property: &str, other: &str, value: &str) -> Self {
        Self {
            property: property.to_owned(),
            when: Some(Condition {
                property: other.to_owned(),
                value: value.to_owned(),
            }),
        }
    }

    /// What the rule says against a write. `written` is what it sets, `held` what the record holds; a new record holds nothing.
    pub(crate) fn against<'a>(
        &self,
        written: &Values<'_, 'a>,
        held: Option<&Values<'_, 'a>>,
    ) -> Option<Invalid> {
        let after = |name: &str| {
            written(name)
                .or_else(|| held.and_then(|held| held(name)))
                .filter(|value| !value.is_empty())
        };
        let message = match &self.when {
            None if held.is_some() => return None,
            None => format!("{} is required for new records", self.property),
            Some(condition) => {
                let touched = held.is_none()
                    || written(&condition.property).is_some()
                    || written(&self.property).is_some();
                if !touched || after(&condition.property) != Some(condition.value.as_str()) {
                    return None;
                }
                format!(
                    "{} is required when {} is {}",
                    self.property, condition.property, condition.value
                )
            }
        };
        after(&self.property).is_none().then(|| Invalid {
            name: self.property.clone(),
            code: "MISSING_REQUIRED_PROPERTY",
            message,
        })
    }
}
