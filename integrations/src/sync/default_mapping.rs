//! The mapping a new connection begins with, by connector.
//!
//! Owns: the usual names of properties and stages of each vendor. Refuses: to change a connection that has a mapping of its own. Invariant:
//! a connector not named here begins with a mapping that names nothing, so that nothing is taken over by accident and everything
//! is reported.

use entities::connection::mapping::chat::ChatMapping;
use entities::connection::mapping::order::OrderMapping;
use entities::connection::mapping::{
    CompanyMapping, ConflictPolicy, ContactField, ContactMapping, CustomerField, DealField,
    DealMapping, ImportedPartnership, Mapping, PartnerField, PartnerWhen, PushMode, ResourcePolicy,
    RoleMapping,
};
use entities::deal::DealStage;
use entities::deal_partner::DealPartnerRole;
use entities::partnership::{PartnerType, PipelineStage};
use std::collections::{BTreeMap, BTreeSet};

/// The mapping a new connection of a connector begins with.
#[must_use]
pub fn mapping(connector: &str) -> Mapping {
    if connector == crate::hubspot::ID {
        hubspot()
    } else if connector == crate::salesforce::ID {
        salesforce()
    } else if connector == crate::shopify::ID {
        shopify()
    } else {
        empty()
    }
}

/// Standard properties that people fill and the usual mapping has no field for. They are read so that a run can report
/// them; an account's own properties are found by asking the vendor.
#[must_use]
pub fn watched(connector: &str, resource: crate::record::Resource) -> &'static [&'static str] {
    use crate::record::Resource;
    match (connector, resource) {
        (crate::hubspot::ID, Resource::Company) => &[
            "phone",
            "city",
            "annualrevenue",
            "founded_year",
            "hubspot_owner_id",
        ],
        (crate::hubspot::ID, Resource::Contact) => &["company", "hubspot_owner_id"],
        (crate::hubspot::ID, Resource::Deal) => &["dealtype", "description", "closed_won_reason"],
        (crate::salesforce::ID, Resource::Company) => &[
            "Phone",
            "BillingCity",
            "AnnualRevenue",
            "AccountNumber",
            "OwnerId",
        ],
        (crate::salesforce::ID, Resource::Contact) => &["Department", "MobilePhone", "OwnerId"],
        (crate::salesforce::ID, Resource::Deal) => &[
            "Type",
            "Description",
            "LeadSource",
            "NextStep",
            "Probability",
        ],
        (crate::shopify::ID, Resource::Company) => &["note", "externalId"],
        (crate::shopify::ID, Resource::Contact) => &["note", "tags", "company"],
        _ => &[],
    }
}

fn names<F: Ord + Copy>(pairs: &[(F, &str)]) -> BTreeMap<F, String> {
    pairs
        .iter()
        .map(|(field, property)| (*field, (*property).to_owned()))
        .collect()
}

fn hubspot() -> Mapping {
    let stages = [
        ("prospecting", DealStage::Prospect),
        ("engaging", DealStage::Qualified),
        ("appointmentscheduled", DealStage::Prospect),
        ("qualifiedtobuy", DealStage::Qualified),
        ("presentationscheduled", DealStage::TechnicalValidation),
        ("decisionmakerboughtin", DealStage::BusinessValidation),
        ("contractsent", DealStage::Committed),
    ];
    let label = RoleMapping {
        role: DealPartnerRole::Resold,
        weight_bp: 10_000,
    };
    Mapping {
        company: CompanyMapping {
            partner_when: PartnerWhen {
                property: "type".to_owned(),
                values: BTreeSet::from(["PARTNER".to_owned(), "RESELLER".to_owned()]),
            },
            partnership: ImportedPartnership {
                kind: PartnerType::Channel,
                stage: PipelineStage::Active,
            },
            partner_fields: names(&[
                (PartnerField::Name, "name"),
                (PartnerField::Domain, "domain"),
                (PartnerField::Website, "website"),
                (PartnerField::Country, "country"),
                (PartnerField::Employees, "numberofemployees"),
                (PartnerField::Description, "description"),
            ]),
            customer_fields: names(&[
                (CustomerField::Name, "name"),
                (CustomerField::Domain, "domain"),
                (CustomerField::Country, "country"),
                (CustomerField::Segment, "industry"),
            ]),
            policy: with_archive(),
        },
        contact: ContactMapping {
            fields: names(&[
                (ContactField::FirstName, "firstname"),
                (ContactField::LastName, "lastname"),
                (ContactField::Email, "email"),
                (ContactField::Phone, "phone"),
                (ContactField::Title, "jobtitle"),
            ]),
            policy: with_archive(),
        },
        deal: DealMapping {
            fields: names(&[
                (DealField::Name, "dealname"),
                (DealField::Stage, "dealstage"),
                (DealField::Pipeline, "pipeline"),
                (DealField::Amount, "amount"),
                (DealField::Currency, "deal_currency_code"),
                (DealField::CloseDate, "closedate"),
                (DealField::LostReason, "closed_lost_reason"),
                (DealField::Owner, "hubspot_owner_id"),
                (DealField::Products, "product"),
            ]),
            stages: stages
                .into_iter()
                .map(|(id, stage)| (id.to_owned(), stage))
                .collect(),
            labels: BTreeMap::from([("Partner".to_owned(), label)]),
            owners: BTreeMap::new(),
            policy: with_archive(),
        },
        order: OrderMapping::default(),
        chat: ChatMapping::default(),
    }
}

/// What is put away here stays in Salesforce: putting an account away is to delete it there, and its people and deals go with it.
fn salesforce() -> Mapping {
    let stages = [
        ("Prospecting", DealStage::Prospect),
        ("Qualification", DealStage::Qualified),
        ("Needs Analysis", DealStage::Qualified),
        ("Value Proposition", DealStage::TechnicalValidation),
        ("Id. Decision Makers", DealStage::BusinessValidation),
        ("Perception Analysis", DealStage::BusinessValidation),
        ("Proposal/Price Quote", DealStage::BusinessValidation),
        ("Negotiation/Review", DealStage::Committed),
    ];
    // Roles a new org has. A deal's own partner field says who owns the deal, and cannot be written; `Agency` can.
    let labels = [
        ("Agency", DealPartnerRole::Sourced),
        ("Partner", DealPartnerRole::Sourced),
        ("VAR/Reseller", DealPartnerRole::Resold),
        ("System Integrator", DealPartnerRole::Implemented),
        ("Consultant", DealPartnerRole::Influenced),
    ];
    let whole = |role| RoleMapping {
        role,
        weight_bp: 10_000,
    };
    Mapping {
        company: CompanyMapping {
            partner_when: PartnerWhen {
                property: "Type".to_owned(),
                values: BTreeSet::from([
                    "Channel Partner / Reseller".to_owned(),
                    "Installation Partner".to_owned(),
                    "Technology Partner".to_owned(),
                ]),
            },
            partnership: ImportedPartnership {
                kind: PartnerType::Channel,
                stage: PipelineStage::Active,
            },
            partner_fields: names(&[
                (PartnerField::Name, "Name"),
                (PartnerField::Website, "Website"),
                (PartnerField::Country, "BillingCountry"),
                (PartnerField::Employees, "NumberOfEmployees"),
                (PartnerField::Description, "Description"),
            ]),
            customer_fields: names(&[
                (CustomerField::Name, "Name"),
                (CustomerField::Domain, "Website"),
                (CustomerField::Country, "BillingCountry"),
                (CustomerField::Segment, "Industry"),
            ]),
            policy: both_ways(),
        },
        contact: ContactMapping {
            fields: names(&[
                (ContactField::FirstName, "FirstName"),
                (ContactField::LastName, "LastName"),
                (ContactField::Email, "Email"),
                (ContactField::Phone, "Phone"),
                (ContactField::Title, "Title"),
            ]),
            policy: both_ways(),
        },
        deal: DealMapping {
            fields: names(&[
                (DealField::Name, "Name"),
                (DealField::Stage, "StageName"),
                (DealField::Amount, "Amount"),
                (DealField::Currency, "CurrencyIsoCode"),
                (DealField::CloseDate, "CloseDate"),
                (DealField::Owner, "OwnerId"),
            ]),
            stages: stages
                .into_iter()
                .map(|(id, stage)| (id.to_owned(), stage))
                .collect(),
            labels: labels
                .into_iter()
                .map(|(label, role)| (label.to_owned(), whole(role)))
                .collect(),
            owners: BTreeMap::new(),
            policy: both_ways(),
        },
        order: OrderMapping::default(),
        chat: ChatMapping::default(),
    }
}

/// Everything is sent back but that a row was put away, and where both sides changed a field the CRM, in which salespeople live, wins.
fn both_ways() -> ResourcePolicy {
    ResourcePolicy {
        push: PushMode::CreateAndUpdate,
        archive: false,
        conflicts: ConflictPolicy::Theirs,
        fields: BTreeMap::new(),
    }
}

/// The same where a record that is put away there can be brought back.
fn with_archive() -> ResourcePolicy {
    ResourcePolicy {
        archive: true,
        ..both_ways()
    }
}

/// A shop knows customers, companies and orders. Orders become deals; whose doing one is, each programme says by codes of its own, so no
/// partner is named here. What changes here of a customer the shop has is sent there; nobody is made a customer of a shop unasked.
fn shopify() -> Mapping {
    let known = ResourcePolicy {
        push: PushMode::Update,
        ..both_ways()
    };
    let nothing = empty();
    Mapping {
        company: CompanyMapping {
            customer_fields: names(&[(CustomerField::Name, "name")]),
            policy: known.clone(),
            ..nothing.company
        },
        contact: ContactMapping {
            fields: names(&[
                (ContactField::FirstName, "firstName"),
                (ContactField::LastName, "lastName"),
                (ContactField::Email, "email"),
                (ContactField::Phone, "phone"),
            ]),
            policy: known,
        },
        order: OrderMapping {
            deals: true,
            ..OrderMapping::default()
        },
        ..nothing
    }
}

fn empty() -> Mapping {
    Mapping {
        company: CompanyMapping {
            partner_when: PartnerWhen {
                property: String::new(),
                values: BTreeSet::new(),
            },
            partnership: ImportedPartnership {
                kind: PartnerType::Channel,
                stage: PipelineStage::Prospect,
            },
            partner_fields: BTreeMap::new(),
            customer_fields: BTreeMap::new(),
            policy: ResourcePolicy::default(),
        },
        contact: ContactMapping {
            fields: BTreeMap::new(),
            policy: ResourcePolicy::default(),
        },
        deal: DealMapping {
            fields: BTreeMap::new(),
            stages: BTreeMap::new(),
            labels: BTreeMap::new(),
            owners: BTreeMap::new(),
            policy: ResourcePolicy::default(),
        },
        order: OrderMapping::default(),
        chat: ChatMapping::default(),
    }
}
