//! Whether a mapping is possible: in itself, and at the vendor.
//!
//! Owns: the rules of a mapping and the names of the fields that can have a policy. Refuses: to hold up a change because the vendor cannot be asked:
//! then only the rules are checked, and the answer says so.

use super::RESOURCES;
use crate::http::Work;
use crate::record::Resource;
use crate::sync::run::Engine;
use entities::connection::{
    self,
    mapping::{ContactField, DealField, Mapping, ResourcePolicy},
};
use entities::error::{Violation, ViolationCode, Violations};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the vendor may take to say which properties there are; well below what a request may take.
const ASK_WITHIN: Duration = Duration::from_secs(6);

/// The longest name of a property, a stage or a label.
const LONGEST: usize = 200;

/// The most entries of one list.
const MOST: usize = 500;

/// The fields of a company's rows that conflicts name.
const COMPANY: [&str; 7] = [
    "name",
    "domain",
    "website",
    "country",
    "employees",
    "description",
    "segment",
];
/// Those of a contact.
const CONTACT: [&str; 5] = ["name", "email", "phone", "title", "company"];
/// Those of a deal.
const DEAL: [&str; 12] = [
    "name",
    "customer",
    "stage",
    "sourceStage",
    "amount",
    "expectedCloseOn",
    "closedAt",
    "lostReason",
    "owner.name",
    "owner.email",
    "products",
    "partners",
];

impl Engine {
    /// What stands against a mapping, and whether the vendor could be asked.
    pub(super) async fn check_mapping(
        &self,
        row: &connection::Model,
        mapping: &Mapping,
    ) -> (Vec<Violation>, bool) {
        let mut violations = rules(mapping);
        let asked = tokio::time::timeout(ASK_WITHIN, self.unknown(row, mapping)).await;
        match asked {
            Ok(Ok(unknown)) => {
                violations.extend(unknown);
                (violations, true)
            }
            Ok(Err(error)) => {
                tracing::info!(connection = %row.id, %error, "the vendor could not be asked for its properties");
                (violations, false)
            }
            Err(_) => (violations, false),
        }
    }

    /// The newly named properties that the vendor does not have.
    async fn unknown(
        &self,
        row: &connection::Model,
        mapping: &Mapping,
    ) -> crate::sync::Result<Vec<Violation>> {
        let opened = self.keeper().open(row.id).await?.doing(Work::Interactive);
        let connector = self.keeper().connector(&row.connector)?;
        let Some(pull) = connector.pull() else {
            return Ok(Vec::new());
        };
        let mut violations = Vec::new();
        for resource in RESOURCES {
            let known = properties(&row.mapping, resource);
            let added: Vec<(String, &str)> = named(mapping, resource)
                .into_iter()
                .filter(|(_, property)| !known.contains(property))
                .collect();
            if added.is_empty() {
                continue;
            }
            let fields = pull
                .fields(&opened.context(self.database()), resource)
                .await?;
            let exists = |property: &str| fields.iter().any(|field| field.name == property);
            // A vendor that lists none has none to choose from.
            for (path, property) in added {
                if !fields.is_empty() && !exists(property) {
                    violations.push(Violation::new(
                        ViolationCode::NotFound,
                        path,
                        format!("The vendor has no property {property:?} of a {resource}."),
                    ));
                }
            }
        }
        Ok(violations)
    }
}

/// The properties a mapping reads of a resource.
pub(super) fn properties(mapping: &Mapping, resource: Resource) -> BTreeSet<&str> {
    match resource {
        Resource::Company => mapping.company_properties(),
        Resource::Contact => mapping.contact_properties(),
        Resource::Deal => mapping.deal_properties(),
        _ => BTreeSet::new(),
    }
}

/// The properties a mapping names of a resource, each with the place that names it.
fn named(mapping: &Mapping, resource: Resource) -> Vec<(String, &str)> {
    fn list<'a>(
        path: &str,
        properties: impl Iterator<Item = &'a String>,
    ) -> Vec<(String, &'a str)> {
        properties
            .enumerate()
            .map(|(index, property)| {
                (
                    format!("mapping.{path}.{index}.property"),
                    property.as_str(),
                )
            })
            .collect()
    }
    match resource {
        Resource::Company => {
            let company = &mapping.company;
            let mut all = vec![(
                "mapping.company.partnerWhen.property".to_owned(),
                company.partner_when.property.as_str(),
            )];
            all.extend(list(
                "company.partnerFields",
                company.partner_fields.values(),
            ));
            all.extend(list(
                "company.customerFields",
                company.customer_fields.values(),
            ));
            all
        }
        Resource::Contact => list("contact.fields", mapping.contact.fields.values()),
        Resource::Deal => list("deal.fields", mapping.deal.fields.values()),
        _ => Vec::new(),
    }
}

/// What stands against a mapping whatever the vendor has.
pub(super) fn rules(mapping: &Mapping) -> Vec<Violation> {
    let mut found = Violations::default();
    for resource in RESOURCES {
        for (path, property) in named(mapping, resource) {
            found.text(&path, property, LONGEST);
        }
    }
    let company = &mapping.company;
    if company.partner_when.values.len() > MOST {
        found.add(
            ViolationCode::TooLong,
            "mapping.company.partnerWhen.values",
            format!("At most {MOST} values."),
        );
    }
    for value in &company.partner_when.values {
        found.text("mapping.company.partnerWhen.values", value, LONGEST);
    }
    let needs = |found: &mut Violations, there: bool, path: &str, message: &str| {
        if !there {
            found.add(ViolationCode::Blank, path, message);
        }
    };
    use entities::connection::mapping::{CustomerField, PartnerField};
    needs(
        &mut found,
        company.partner_fields.contains_key(&PartnerField::Name),
        "mapping.company.partnerFields",
        "A partner's name needs a property.",
    );
    needs(
        &mut found,
        company.customer_fields.contains_key(&CustomerField::Name),
        "mapping.company.customerFields",
        "A customer's name needs a property.",
    );
    let contact = &mapping.contact.fields;
    needs(
        &mut found,
        [
            ContactField::FirstName,
            ContactField::LastName,
            ContactField::Email,
        ]
        .iter()
        .any(|field| contact.contains_key(field)),
        "mapping.contact.fields",
        "A contact needs a property for a name or an e-mail address.",
    );
    let deal = &mapping.deal;
    for (field, what) in [(DealField::Name, "name"), (DealField::Stage, "stage")] {
        needs(
            &mut found,
            deal.fields.contains_key(&field),
            "mapping.deal.fields",
            &format!("A deal's {what} needs a property."),
        );
    }
    if deal.stages.len() > MOST || deal.labels.len() > MOST {
        found.add(
            ViolationCode::TooLong,
            "mapping.deal",
            format!("At most {MOST} stages and {MOST} labels."),
        );
    }
    for (index, (id, stage)) in deal.stages.iter().enumerate() {
        let path = format!("mapping.deal.stages.{index}");
        found.text(&format!("{path}.externalId"), id, LONGEST);
        if stage.is_closed() {
            found.add(
                ViolationCode::Invalid,
                format!("{path}.stage"),
                "Whether a deal is won or lost follows from the vendor's own stage; only open stages are mapped.",
            );
        }
    }
    for (index, (label, role)) in deal.labels.iter().enumerate() {
        let path = format!("mapping.deal.labels.{index}");
        found.text(&format!("{path}.label"), label, LONGEST);
        if !(0..=10_000).contains(&role.weight_bp) {
            found.add(
                ViolationCode::Invalid,
                format!("{path}.weightBp"),
                "A weight is between 0 and 10,000 basis points.",
            );
        }
    }
    policies(&mut found, "company", &company.policy, &COMPANY);
    policies(&mut found, "contact", &mapping.contact.policy, &CONTACT);
    policies(&mut found, "deal", &deal.policy, &DEAL);
    found
        .finish()
        .err()
        .map_or_else(Vec::new, |error| match error {
            entities::error::Error::Invalid(violations) => violations,
            _ => Vec::new(),
        })
}

fn policies(found: &mut Violations, resource: &str, policy: &ResourcePolicy, known: &[&str]) {
    for (index, field) in policy.fields.keys().enumerate() {
        if !known.contains(&field.as_str()) {
            found.add(
                ViolationCode::NotFound,
                format!("mapping.{resource}.policy.fields.{index}.field"),
                format!("There is no such field; there are: {}.", known.join(", ")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::sync::default_mapping;
    use entities::connection::mapping::ConflictPolicy;
    use entities::deal::DealStage;

    fn paths(mapping: &Mapping) -> Vec<String> {
        rules(mapping)
            .into_iter()
            .map(|violation| violation.field)
            .collect()
    }

    #[test]
    fn the_usual_mapping_is_possible() {
        assert_eq!(
            paths(&default_mapping::mapping(crate::hubspot::ID)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_cannot_be_is_named_by_its_place() {
        let mut mapping = default_mapping::mapping(crate::hubspot::ID);
        mapping.deal.stages.insert("a".to_owned(), DealStage::Won);
        mapping
            .deal
            .policy
            .fields
            .insert("colour".to_owned(), ConflictPolicy::Ask);
        mapping.deal.fields.remove(&DealField::Stage);
        mapping
            .contact
            .fields
            .insert(ContactField::Title, " ".to_owned());
        if let Some(label) = mapping.deal.labels.values_mut().next() {
            label.weight_bp = 10_001;
        }
        let found = paths(&mapping);
        for path in [
            "mapping.contact.fields.4.property",
            "mapping.deal.fields",
            "mapping.deal.stages.0.stage",
            "mapping.deal.labels.0.weightBp",
            "mapping.deal.policy.fields.0.field",
        ] {
            assert!(found.iter().any(|known| known == path), "{path}: {found:?}");
        }
        assert_eq!(found.len(), 5, "{found:?}");
    }
}
