//! From fields to an input.
//!
//! Owns: which fields can be written, and their form in Shopify's input. Refuses: a field that is only read, by its name, before anything is sent.
//! Invariant: a field that was not handed in is not in the input, because Shopify would empty it.

use crate::error::{ConnectorError, Result};
use crate::record::{Fields, Resource};
use serde_json::{Map, Value};

/// What can be written of a customer, and of a company.
const CUSTOMER: [&str; 7] = [
    "firstName",
    "lastName",
    "email",
    "phone",
    "note",
    "locale",
    "tags",
];
const COMPANY: [&str; 4] = ["name", "note", "externalId", "customerSince"];

/// The input for these fields.
pub(super) fn fields(resource: Resource, fields: &Fields) -> Result<Map<String, Value>> {
    let known: &[&str] = match resource {
        Resource::Contact => &CUSTOMER,
        _ => &COMPANY,
    };
    let unknown: Vec<&str> = fields
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name))
        .collect();
    if !unknown.is_empty() {
        return Err(ConnectorError::permanent(
            "not_writable",
            format!(
                "{}: only read from Shopify, never written there",
                unknown.join(", ")
            ),
        ));
    }
    let input = fields.iter().map(|(name, value)| {
        let value = match value {
            Some(text) if name == "tags" => text.lines().map(Value::from).collect(),
            None if name == "tags" => Value::Array(Vec::new()),
            Some(text) => Value::String(text.clone()),
            None => Value::Null,
        };
        (name.clone(), value)
    });
    Ok(input.collect())
}

/// Lets a company's creation carry our reference: in its external id, the only place that a creation can fill and that is unique.
pub(super) fn carry_reference(input: &mut Map<String, Value>, reference: &str) -> Result<()> {
    if input.contains_key("externalId") {
        return Err(ConnectorError::permanent(
            "reference_field",
            "externalId: it holds our reference for companies that are created from here, so nothing else can be written into it",
        ));
    }
    input.insert("externalId".to_owned(), Value::String(reference.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn of(pairs: &[(&str, Option<&str>)]) -> Fields {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect()
    }

    #[test]
    fn what_is_cleared_is_null_and_what_is_absent_stays() {
        let input = fields(
            Resource::Contact,
            &of(&[
                ("email", None),
                ("tags", Some("a\nb c")),
                ("lastName", Some("O'Neil")),
            ]),
        )
        .unwrap();
        assert_eq!(
            Value::Object(input),
            json!({"email": null, "tags": ["a", "b c"], "lastName": "O'Neil"})
        );
    }

    #[test]
    fn a_field_that_is_only_read_is_refused_by_name() {
        for (resource, name) in [
            (Resource::Contact, "displayName"),
            (Resource::Contact, "metafield.custom.tier"),
            (Resource::Company, "email"),
            (Resource::Contact, "id"),
        ] {
            let error = fields(resource, &of(&[(name, Some("x")), ("note", Some("y"))]));
            assert!(
                matches!(&error, Err(ConnectorError::Permanent { code, message }) if code == "not_writable" && message.starts_with(name)),
                "{error:?}"
            );
        }
    }

    #[test]
    fn nothing_takes_the_place_of_our_reference() {
        let mut input = fields(Resource::Company, &of(&[("name", Some("n"))])).unwrap();
        carry_reference(&mut input, "customer_1").unwrap();
        assert_eq!(input.get("externalId"), Some(&json!("customer_1")));
        assert!(carry_reference(&mut input, "customer_1").is_err());
    }
}
