//! Companies: partners by the mapping's rule, customers otherwise.

use super::value::{checked, domain, headcount, present, text};
use crate::record::Fields;
use crate::sync::merge::{Flag, Reading};
use entities::connection::mapping::{CompanyMapping, CustomerField, PartnerField};
use entities::domain_name::DomainName;

/// What a record says of a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct PartnerReading {
    pub(in crate::sync) name: Reading<String>,
    pub(in crate::sync) domain: Reading<Option<DomainName>>,
    pub(in crate::sync) website: Reading<Option<String>>,
    pub(in crate::sync) country: Reading<Option<String>>,
    pub(in crate::sync) employees: Reading<Option<i32>>,
    pub(in crate::sync) description: Reading<Option<String>>,
}

impl PartnerReading {
    /// What could not be taken over.
    pub(in crate::sync) fn flags(&self) -> impl Iterator<Item = &Flag> {
        [
            self.name.flag(),
            self.domain.flag(),
            self.website.flag(),
            self.country.flag(),
            self.employees.flag(),
            self.description.flag(),
        ]
        .into_iter()
        .flatten()
    }
}

/// What a record says of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct CustomerReading {
    pub(in crate::sync) name: Reading<String>,
    pub(in crate::sync) domain: Reading<Option<DomainName>>,
    pub(in crate::sync) country: Reading<Option<String>>,
    pub(in crate::sync) segment: Reading<Option<String>>,
}

impl CustomerReading {
    /// What could not be taken over.
    pub(in crate::sync) fn flags(&self) -> impl Iterator<Item = &Flag> {
        [
            self.name.flag(),
            self.domain.flag(),
            self.country.flag(),
            self.segment.flag(),
        ]
        .into_iter()
        .flatten()
    }
}

/// Whether the mapping calls a company a partner.
pub(in crate::sync) fn is_partner(mapping: &CompanyMapping, fields: &Fields) -> bool {
    let value = fields
        .get(&mapping.partner_when.property)
        .and_then(|value| value.as_deref());
    value.is_some_and(|value| mapping.partner_when.values.contains(value))
}

/// Reads a partner.
pub(in crate::sync) fn partner(mapping: &CompanyMapping, fields: &Fields) -> PartnerReading {
    let of = |field| mapping.partner_fields.get(&field);
    PartnerReading {
        name: name(fields, of(PartnerField::Name), of(PartnerField::Domain)),
        domain: domain(fields, of(PartnerField::Domain)),
        website: text(fields, of(PartnerField::Website), 2_000),
        country: text(fields, of(PartnerField::Country), 100),
        employees: headcount(fields, of(PartnerField::Employees)),
        description: text(fields, of(PartnerField::Description), 20_000),
    }
}

/// Reads a customer.
pub(in crate::sync) fn customer(mapping: &CompanyMapping, fields: &Fields) -> CustomerReading {
    let of = |field| mapping.customer_fields.get(&field);
    CustomerReading {
        name: name(fields, of(CustomerField::Name), of(CustomerField::Domain)),
        domain: domain(fields, of(CustomerField::Domain)),
        country: text(fields, of(CustomerField::Country), 100),
        segment: text(fields, of(CustomerField::Segment), 200),
    }
}

/// A company's name; where the vendor has none, its domain stands for it.
fn name(fields: &Fields, property: Option<&String>, fallback: Option<&String>) -> Reading<String> {
    let first = |name: &String| present(fields, name).map(|text| checked(name, text.trim(), 300));
    let found = property
        .and_then(first)
        .or_else(|| fallback.and_then(first));
    let label = property.map_or("name", String::as_str);
    found.unwrap_or_else(|| {
        Reading::flagged(
            label,
            "NAME_MISSING",
            "The company has neither a name nor a domain.",
        )
    })
}
