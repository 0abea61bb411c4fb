//! How a vendor's records become ours, as data: which property feeds which field, what a stage means, what a label means.
//!
//! Property names are the vendor's; everything on our side is a closed list, so that a mapping cannot name a field that does
//! not exist. What the mapping has no field for is reported by each run, never dropped silently.

pub mod chat;
pub mod order;

use crate::deal::DealStage;
use crate::deal_partner::DealPartnerRole;
use crate::partnership::{PartnerType, PipelineStage};
use chat::ChatMapping;
use order::OrderMapping;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The mapping of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Companies.
    pub company: CompanyMapping,
    /// People.
    pub contact: ContactMapping,
    /// Deals.
    pub deal: DealMapping,
    /// Orders of a shop.
    #[serde(default)]
    pub order: OrderMapping,
    /// What is told in a chat.
    #[serde(default)]
    pub chat: ChatMapping,
}

/// What is sent back to the vendor, and who wins where both sides changed a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourcePolicy {
    /// What is sent.
    pub push: PushMode,
    /// Whether what is put away here is put away there too, which with some vendors is to delete it. What nobody chose stays there.
    pub archive: bool,
    /// The policy of fields that have none of their own.
    pub conflicts: ConflictPolicy,
    /// The policy of single fields, by the name that conflicts show (`name`, `owner.email`, …).
    pub fields: BTreeMap<String, ConflictPolicy>,
}

impl ResourcePolicy {
    /// The policy of a field.
    #[must_use]
    pub fn of(&self, field: &str) -> ConflictPolicy {
        self.fields.get(field).copied().unwrap_or(self.conflicts)
    }
}

/// What is sent to the vendor. What nobody chose is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PushMode {
    /// Nothing.
    #[default]
    Off,
    /// Changes of records that the vendor has.
    Update,
    /// Those, and records that the vendor does not have.
    CreateAndUpdate,
}

/// Who wins where both sides changed a field to different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConflictPolicy {
    /// Our value; it is sent to the vendor.
    Ours,
    /// The vendor's value.
    #[default]
    Theirs,
    /// The value of the side that changed last.
    Newest,
    /// Neither until a person decides: our value stays here, theirs stays there.
    Ask,
}

/// A company becomes a partner or a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanyMapping {
    /// Which companies are partners; all others are customers.
    pub partner_when: PartnerWhen,
    /// The partnership a company brings along when it first becomes a partner.
    pub partnership: ImportedPartnership,
    /// Property of each partner field.
    pub partner_fields: BTreeMap<PartnerField, String>,
    /// Property of each customer field.
    pub customer_fields: BTreeMap<CustomerField, String>,
    /// What is sent back, and who wins.
    #[serde(default)]
    pub policy: ResourcePolicy,
}

/// A property that, holding one of these values, makes a company a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerWhen {
    /// The property.
    pub property: String,
    /// The values, compared exactly.
    pub values: BTreeSet<String>,
}

/// The partnership that is imported with a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedPartnership {
    /// Its type.
    pub kind: PartnerType,
    /// Its stage.
    pub stage: PipelineStage,
}

/// Fields of a partner that a property can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields of the row")]
pub enum PartnerField {
    Name,
    Domain,
    Website,
    Country,
    Employees,
    Description,
}

/// Fields of a customer that a property can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields of the row")]
pub enum CustomerField {
    Name,
    Domain,
    Country,
    Segment,
}

/// People.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactMapping {
    /// Property of each field.
    pub fields: BTreeMap<ContactField, String>,
    /// What is sent back, and who wins.
    #[serde(default)]
    pub policy: ResourcePolicy,
}

/// Fields of a contact that a property can feed. First and last name make up the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields of the row")]
pub enum ContactField {
    FirstName,
    LastName,
    Email,
    Phone,
    Title,
}

/// Deals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DealMapping {
    /// Property of each field.
    pub fields: BTreeMap<DealField, String>,
    /// Open stages by the vendor's stage id. WON and LOST follow from the stage's own metadata and need no entry.
    pub stages: BTreeMap<String, DealStage>,
    /// What a labelled association between a deal and a partner's company means.
    pub labels: BTreeMap<String, RoleMapping>,
    /// Who stands behind an owner of the vendor's, by the owner's id there. Of all others the vendor says it.
    #[serde(default)]
    pub owners: BTreeMap<String, OwnerMapping>,
    /// What is sent back, and who wins.
    #[serde(default)]
    pub policy: ResourcePolicy,
}

/// The share a label stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleMapping {
    /// The role.
    pub role: DealPartnerRole,
    /// The weight in basis points, 0 to 10,000.
    pub weight_bp: i32,
}

/// The person an owner of the vendor's stands for: the one who took over, or the one behind a shared account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerMapping {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// Fields of a deal that a property can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields of the row")]
pub enum DealField {
    Name,
    Stage,
    Pipeline,
    Amount,
    Currency,
    /// A date: the expected close of an open deal, the close of a closed one.
    CloseDate,
    LostReason,
    Owner,
    Products,
}

impl Mapping {
    /// All properties the mapping reads of companies.
    #[must_use]
    pub fn company_properties(&self) -> BTreeSet<&str> {
        let fields = self
            .company
            .partner_fields
            .values()
            .chain(self.company.customer_fields.values());
        fields
            .map(String::as_str)
            .chain([self.company.partner_when.property.as_str()])
            .collect()
    }

    /// All properties the mapping reads of contacts.
    #[must_use]
    pub fn contact_properties(&self) -> BTreeSet<&str> {
        self.contact.fields.values().map(String::as_str).collect()
    }

    /// All properties the mapping reads of deals.
    #[must_use]
    pub fn deal_properties(&self) -> BTreeSet<&str> {
        self.deal.fields.values().map(String::as_str).collect()
    }

    /// All properties the mapping reads of orders, besides those that every order has.
    #[must_use]
    pub fn order_properties(&self) -> BTreeSet<&str> {
        self.order.properties()
    }
}
