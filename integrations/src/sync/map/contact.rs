//! People.

use super::value::{checked, present, text};
use crate::record::Fields;
use crate::sync::merge::{Flag, Reading};
use entities::connection::mapping::{ContactField, ContactMapping};
use entities::contact::is_email;

/// What a record says of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct ContactReading {
    pub(in crate::sync) name: Reading<String>,
    pub(in crate::sync) email: Reading<Option<String>>,
    pub(in crate::sync) phone: Reading<Option<String>>,
    pub(in crate::sync) title: Reading<Option<String>>,
}

impl ContactReading {
    /// What could not be taken over.
    pub(in crate::sync) fn flags(&self) -> impl Iterator<Item = &Flag> {
        [
            self.name.flag(),
            self.email.flag(),
            self.phone.flag(),
            self.title.flag(),
        ]
        .into_iter()
        .flatten()
    }
}

/// Reads a person.
pub(in crate::sync) fn contact(mapping: &ContactMapping, fields: &Fields) -> ContactReading {
    let of = |field| mapping.fields.get(&field);
    let email = match text(fields, of(ContactField::Email), 320) {
        Reading::Value(Some(email)) if !is_email(&email) => {
            let property = of(ContactField::Email).map_or("email", String::as_str);
            Reading::flagged(
                property,
                "INVALID_EMAIL",
                "The value is not an e-mail address.",
            )
        }
        other => other,
    };
    ContactReading {
        name: name(mapping, fields),
        email,
        phone: text(fields, of(ContactField::Phone), 100),
        title: text(fields, of(ContactField::Title), 300),
    }
}

/// First and last name; where the vendor has neither, the e-mail address stands for them.
fn name(mapping: &ContactMapping, fields: &Fields) -> Reading<String> {
    let value = |field| {
        mapping
            .fields
            .get(&field)
            .and_then(|property| present(fields, property))
            .map(str::trim)
    };
    let parts: Vec<&str> = [
        value(ContactField::FirstName),
        value(ContactField::LastName),
    ]
    .into_iter()
    .flatten()
    .collect();
    let label = mapping
        .fields
        .get(&ContactField::LastName)
        .map_or("name", String::as_str);
    match (parts.is_empty(), value(ContactField::Email)) {
        (false, _) => checked(label, &parts.join(" "), 300),
        (true, Some(email)) => checked(label, email, 300),
        (true, None) => Reading::flagged(
            label,
            "NAME_MISSING",
            "The contact has neither a name nor an e-mail address.",
        ),
    }
}
