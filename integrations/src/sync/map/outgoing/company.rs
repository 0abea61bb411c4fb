//! Companies: our partners and our customers are both companies at the vendor, told apart by the mapping's rule.

use super::{Difference, Outgoing, There, Write, until_it_reads};
use crate::record::Fields;
use crate::sync::map::{customer as read_customer, partner as read_partner};
use crate::sync::merge::Flag;
use entities::connection::mapping::{CompanyMapping, CustomerField, PartnerField};
use entities::{customer, partner};
use std::collections::BTreeMap;

/// What has to be written so that a company reads like a partner.
pub(in crate::sync) fn partner(
    mapping: &CompanyMapping,
    there: &There<'_>,
    row: &partner::Model,
) -> Outgoing {
    let of = |field| mapping.partner_fields.get(&field);
    let mut begun = BTreeMap::new();
    let rule = &mapping.partner_when;
    let mark = rule.values.first().filter(|_| !rule.property.is_empty());
    if let Some(value) = mark.filter(|_| there.creating) {
        begun.insert(rule.property.clone(), Write::plain(Some(value.clone())));
    }
    let differences = |candidate: &Fields| {
        let reading = read_partner(mapping, candidate);
        let text =
            |field, property, reading, ours| there.text(field, property, candidate, reading, ours);
        let mut all = Vec::new();
        if let Some(property) = of(PartnerField::Name).filter(|property| {
            there.name_differs(("name", property), candidate, &reading.name, &row.name)
        }) {
            all.push(Difference::plain("name", property, Some(row.name.clone())));
        }
        if let Some(property) = of(PartnerField::Domain).filter(|property| {
            there.differs(
                ("domain", property),
                candidate,
                &reading.domain,
                &row.domain,
            )
        }) {
            let domain = row.domain.as_ref().map(ToString::to_string);
            all.push(Difference::plain("domain", property, domain));
        }
        if let Some(property) = of(PartnerField::Employees).filter(|property| {
            let place = ("employees", property.as_str());
            there.differs(place, candidate, &reading.employees, &row.employees)
        }) {
            let count = row.employees.map(|count| count.to_string());
            all.push(Difference::plain("employees", property, count));
        }
        all.extend(text(
            "website",
            of(PartnerField::Website),
            &reading.website,
            &row.website,
        ));
        all.extend(text(
            "country",
            of(PartnerField::Country),
            &reading.country,
            &row.country,
        ));
        all.extend(text(
            "description",
            of(PartnerField::Description),
            &reading.description,
            &row.description,
        ));
        all
    };
    let mut outgoing = until_it_reads(there, begun, differences);
    if mark.is_none() {
        outgoing.uncreatable = Some(Flag {
            property: rule.property.clone(),
            code: "NO_PARTNER_MARK",
            message: "The mapping names no value by which a company counts as a partner there."
                .to_owned(),
        });
    }
    nameless(&mut outgoing, of(PartnerField::Name));
    outgoing
}

/// What has to be written so that a company reads like a customer.
pub(in crate::sync) fn customer(
    mapping: &CompanyMapping,
    there: &There<'_>,
    row: &customer::Model,
) -> Outgoing {
    let of = |field| mapping.customer_fields.get(&field);
    let differences = |candidate: &Fields| {
        let reading = read_customer(mapping, candidate);
        let text =
            |field, property, reading, ours| there.text(field, property, candidate, reading, ours);
        let mut all = Vec::new();
        if let Some(property) = of(CustomerField::Name).filter(|property| {
            there.name_differs(("name", property), candidate, &reading.name, &row.name)
        }) {
            all.push(Difference::plain("name", property, Some(row.name.clone())));
        }
        if let Some(property) = of(CustomerField::Domain).filter(|property| {
            there.differs(
                ("domain", property),
                candidate,
                &reading.domain,
                &row.domain,
            )
        }) {
            let domain = row.domain.as_ref().map(ToString::to_string);
            all.push(Difference::plain("domain", property, domain));
        }
        all.extend(text(
            "country",
            of(CustomerField::Country),
            &reading.country,
            &row.country,
        ));
        all.extend(text(
            "segment",
            of(CustomerField::Segment),
            &reading.segment,
            &row.segment,
        ));
        all
    };
    let mut outgoing = until_it_reads(there, BTreeMap::new(), differences);
    nameless(&mut outgoing, of(CustomerField::Name));
    outgoing
}

/// A record without a name would be kept out when it comes back.
fn nameless(outgoing: &mut Outgoing, property: Option<&String>) {
    if property.is_none() && outgoing.uncreatable.is_none() {
        outgoing.uncreatable = Some(Flag {
            property: "name".to_owned(),
            code: "NAME_MISSING",
            message: "The mapping names no property for the name of a company.".to_owned(),
        });
    }
}
