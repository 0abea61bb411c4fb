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
    mapping::{
        ContactField, DealField, Mapping, OwnerMapping, PushMode, ResourcePolicy,
        chat::ChatMapping,
        order::{OrderMapping, fold},
    },
};
use entities::contact::is_email;
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
/// Those of an order, as a deal.
const ORDER: [&str; 7] = [
    "name",
    "customer",
    "stage",
    "amount",
    "closedAt",
    "lostReason",
    "partners",
];
/// The most properties that may name a partner of an order.
const MOST_SOURCES: usize = 20;
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
        let has = |resource: Resource| self.reads(&row.connector, resource);
        let mut violations = rules(mapping, &has);
        violations.extend(self.unsaid(&row.connector, mapping));
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

    /// Whether a connector reads a kind of record.
    fn reads(&self, connector: &str, resource: Resource) -> bool {
        let known = self.keeper().connector(connector).ok();
        known.is_some_and(|connector| connector.descriptor().resource(resource).is_some())
    }

    /// A vendor where nobody talks is told nothing.
    fn unsaid(&self, connector: &str, mapping: &Mapping) -> Option<Violation> {
        let known = self.keeper().connector(connector).ok();
        let talks = known.is_some_and(|connector| connector.notify().is_some());
        let message = "Nothing can be told there: this vendor takes no messages.";
        (!talks && mapping.chat != ChatMapping::default())
            .then(|| Violation::new(ViolationCode::Invalid, "mapping.chat", message))
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
        let there = |resource: &Resource| self.reads(&row.connector, *resource);
        for resource in RESOURCES.into_iter().filter(there) {
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
        Resource::Order => mapping.order_properties(),
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
            let mut all = Vec::new();
            // Without a value that makes one, no company is a partner, and then no property need say so.
            let when = &company.partner_when;
            if !when.values.is_empty() || !when.property.is_empty() {
                all.push((
                    "mapping.company.partnerWhen.property".to_owned(),
                    when.property.as_str(),
                ));
            }
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
        Resource::Order => {
            let sources = mapping.order.partner_from.iter();
            list("order.partnerFrom", sources.map(|source| &source.property))
        }
        _ => Vec::new(),
    }
}

/// What stands against a mapping whatever the vendor has. `has` says which kinds of records there are; of others nothing need be mapped.
pub(super) fn rules(mapping: &Mapping, has: &dyn Fn(Resource) -> bool) -> Vec<Violation> {
    let mut found = Violations::default();
    for resource in RESOURCES.into_iter().filter(|resource| has(*resource)) {
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
    let needs = |found: &mut Violations, of: Resource, there: bool, path: &str, message: &str| {
        if !there && has(of) {
            found.add(ViolationCode::Blank, path, message);
        }
    };
    use entities::connection::mapping::{CustomerField, PartnerField};
    needs(
        &mut found,
        Resource::Company,
        company.partner_when.values.is_empty()
            || company.partner_fields.contains_key(&PartnerField::Name),
        "mapping.company.partnerFields",
        "A partner's name needs a property.",
    );
    needs(
        &mut found,
        Resource::Company,
        company.customer_fields.contains_key(&CustomerField::Name),
        "mapping.company.customerFields",
        "A customer's name needs a property.",
    );
    let contact = &mapping.contact.fields;
    needs(
        &mut found,
        Resource::Contact,
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
            Resource::Deal,
            deal.fields.contains_key(&field),
            "mapping.deal.fields",
            &format!("A deal's {what} needs a property."),
        );
    }
    if [deal.stages.len(), deal.labels.len(), deal.owners.len()]
        .iter()
        .any(|count| *count > MOST)
    {
        found.add(
            ViolationCode::TooLong,
            "mapping.deal",
            format!("At most {MOST} stages, {MOST} labels and {MOST} owners."),
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
    for (index, (id, person)) in deal.owners.iter().enumerate() {
        owner(
            &mut found,
            &format!("mapping.deal.owners.{index}"),
            id,
            person,
        );
    }
    orders(&mut found, &mapping.order);
    chat(&mut found, &mapping.chat);
    policies(&mut found, "order", &mapping.order.policy, &ORDER);
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

fn owner(found: &mut Violations, path: &str, id: &str, person: &OwnerMapping) {
    found.text(&format!("{path}.externalId"), id, LONGEST);
    found.optional_text(&format!("{path}.name"), person.name.as_deref(), 1_000);
    found.optional_text(&format!("{path}.email"), person.email.as_deref(), 320);
    if person.name.is_none() && person.email.is_none() {
        let message = "A person is known by a name or an e-mail address.";
        found.add(ViolationCode::Blank, format!("{path}.email"), message);
    }
    if person.email.as_deref().is_some_and(|text| !is_email(text)) {
        let message = "Not an e-mail address.";
        found.add(ViolationCode::Invalid, format!("{path}.email"), message);
    }
}

fn orders(found: &mut Violations, order: &OrderMapping) {
    if order.partner_from.len() > MOST_SOURCES {
        found.add(
            ViolationCode::TooLong,
            "mapping.order.partnerFrom",
            format!("At most {MOST_SOURCES} sources."),
        );
    }
    for (index, source) in order.partner_from.iter().enumerate() {
        let path = format!("mapping.order.partnerFrom.{index}");
        if source.partners.len() > MOST {
            let message = format!("At most {MOST} values.");
            found.add(ViolationCode::TooLong, format!("{path}.partners"), message);
        }
        for (place, value) in source.partners.keys().enumerate() {
            let path = format!("{path}.partners.{place}.value");
            found.text(&path, value, LONGEST);
            if fold(value) != *value {
                let message = "Values are looked up in lower case, without spaces around them.";
                found.add(ViolationCode::Invalid, path, message);
            }
        }
    }
    if !(0..=10_000).contains(&order.weight_bp) {
        found.add(
            ViolationCode::Invalid,
            "mapping.order.weightBp",
            "A weight is between 0 and 10,000 basis points.",
        );
    }
    if order.policy.push != PushMode::Off {
        found.add(
            ViolationCode::Invalid,
            "mapping.order.policy.push",
            "Orders are only read, never written.",
        );
    }
}

fn chat(found: &mut Violations, chat: &ChatMapping) {
    let mut channel = |path: String, id: &str| found.text(&path, id, LONGEST);
    if let Some(id) = &chat.channel {
        channel("mapping.chat.channel".to_owned(), id);
    }
    for (place, id) in chat.partners.values().enumerate() {
        channel(format!("mapping.chat.partners.{place}.channel"), id);
    }
    if chat.partners.len() > MOST {
        let message = format!("At most {MOST} channels of partners.");
        found.add(ViolationCode::TooLong, "mapping.chat.partners", message);
    }
    let told = chat.deal_won || chat.deal_lost;
    if told && chat.channel.is_none() && chat.partners.is_empty() {
        found.add(
            ViolationCode::Blank,
            "mapping.chat.channel",
            "What is told needs a channel to be told in.",
        );
    }
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
        rules(mapping, &|_| true)
            .into_iter()
            .map(|violation| violation.field)
            .collect()
    }

    #[test]
    fn the_usual_mapping_is_possible() {
        for connector in crate::connectors(crate::Endpoints::default()).iter() {
            let descriptor = connector.descriptor();
            let has = |resource: Resource| descriptor.resource(resource).is_some();
            let found = rules(&default_mapping::mapping(descriptor.id), &has);
            assert_eq!(found, [], "{}", descriptor.id);
        }
    }

    #[test]
    fn a_vendor_of_other_records_needs_no_mapping_of_these() {
        let empty = default_mapping::mapping("nobody");
        assert_eq!(rules(&empty, &|_| false), []);
        assert!(!rules(&empty, &|resource| resource == Resource::Deal).is_empty());
    }

    #[test]
    fn orders_and_chats_are_checked_too() {
        use entities::connection::mapping::order::{PartnerRef, PartnerSource};
        let mut mapping = default_mapping::mapping(crate::hubspot::ID);
        let partner: PartnerRef = "acme.example".parse().unwrap();
        mapping.order.weight_bp = -1;
        mapping.order.policy.push = PushMode::Update;
        mapping.order.partner_from = vec![PartnerSource {
            property: "discount_codes".to_owned(),
            partners: [("SUMMER".to_owned(), partner)].into(),
            by_domain: false,
        }];
        mapping.chat.deal_won = true;
        let found = paths(&mapping);
        for path in [
            "mapping.order.partnerFrom.0.partners.0.value",
            "mapping.order.weightBp",
            "mapping.order.policy.push",
            "mapping.chat.channel",
        ] {
            assert!(found.iter().any(|known| known == path), "{path}: {found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
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
        for (id, email) in [("7", None), ("8", Some("nobody".to_owned()))] {
            let person = OwnerMapping { name: None, email };
            mapping.deal.owners.insert(id.to_owned(), person);
        }
        let found = paths(&mapping);
        for path in [
            "mapping.contact.fields.4.property",
            "mapping.deal.fields",
            "mapping.deal.stages.0.stage",
            "mapping.deal.labels.0.weightBp",
            "mapping.deal.owners.0.email",
            "mapping.deal.owners.1.email",
            "mapping.deal.policy.fields.0.field",
        ] {
            assert!(found.iter().any(|known| known == path), "{path}: {found:?}");
        }
        assert_eq!(found.len(), 7, "{found:?}");
    }
}
