//! The neutral records every vendor maps to.
//!
//! Owns: the shape in which a vendor's record reaches the engine: its head (ids, times), the vendor's property values verbatim, and
//! its links. Refuses: to interpret values. Amounts, dates and currencies stay text, because the mapping from a vendor's property
//! to our field is data of the connection. Invariant: `fields` is exactly what the vendor answered, so that it can serve as the
//! shadow of the record: comparing two reads needs no knowledge of the vendor.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The vendor's property values, verbatim: property name → value. `None` is the vendor's null; an absent key was not asked for or
/// does not exist there.
pub type Fields = BTreeMap<String, Option<String>>;

/// The most bytes of a vendor's id. Databases refuse to index texts without bound.
pub const MAX_ID_BYTES: usize = 512;

/// Whether a text can be a vendor's id: ids are keys of rows here, so one that a database would refuse must not come that far.
#[must_use]
pub fn is_sound_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.chars().any(char::is_control)
}

/// What kind of thing a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// An organisation.
    Company,
    /// A person.
    Contact,
    /// A sale in progress or closed.
    Deal,
    /// What somebody bought in a shop, with what was paid and refunded.
    Order,
    /// A user of the vendor who owns records.
    Owner,
    /// A row of stages deals move through.
    Pipeline,
    /// A named way in which two records may be linked.
    AssociationLabel,
}

impl Resource {
    /// Every resource, in the order in which links between them resolve soonest.
    pub const ALL: [Self; 7] = [
        Self::Owner,
        Self::Pipeline,
        Self::AssociationLabel,
        Self::Company,
        Self::Contact,
        Self::Deal,
        Self::Order,
    ];

    /// Stable name, as stored in rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Company => "company",
            Self::Contact => "contact",
            Self::Deal => "deal",
            Self::Order => "order",
            Self::Owner => "owner",
            Self::Pipeline => "pipeline",
            Self::AssociationLabel => "association_label",
        }
    }

    /// The resource of that stable name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|resource| resource.as_str() == name)
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One record of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The vendor's id, as text. Never parsed as a number: some vendors exceed 53 bits.
    pub external_id: String,
    /// When the vendor last changed it, in milliseconds since 1970 (UTC). Zero when the vendor keeps no such time.
    pub updated_at_ms: i64,
    /// When it was created there, in milliseconds since 1970 (UTC), where known.
    pub created_at_ms: Option<i64>,
    /// Whether the vendor has put it away (archived, in its bin). Such a record still exists there.
    pub archived: bool,
    /// The vendor's values, verbatim.
    pub fields: Fields,
    /// The records this one points at: deal → companies and contacts, contact → company, order → its customer.
    pub links: Vec<RecordLink>,
    /// Whether `links` holds every link of the resources that [`crate::connector::ResourceDescriptor::links`] names. When
    /// false, a missing link means "not read", never "gone".
    pub links_complete: bool,
    /// Where a person can look at it.
    pub url: Option<String>,
    /// What it is, with what only that kind has.
    pub kind: Kind,
}

impl Record {
    /// Which resource this record belongs to.
    #[must_use]
    pub const fn resource(&self) -> Resource {
        match self.kind {
            Kind::Company => Resource::Company,
            Kind::Contact => Resource::Contact,
            Kind::Deal => Resource::Deal,
            Kind::Order(_) => Resource::Order,
            Kind::Owner(_) => Resource::Owner,
            Kind::Pipeline(_) => Resource::Pipeline,
            Kind::AssociationLabel(_) => Resource::AssociationLabel,
        }
    }

    /// The value of a vendor property; none when it is null, empty or was not answered.
    #[must_use]
    pub fn value(&self, property: &str) -> Option<&str> {
        self.fields
            .get(property)?
            .as_deref()
            .filter(|value| !value.is_empty())
    }
}

/// What a record is. Companies, contacts and deals have nothing but their fields and links: the mapping reads those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An organisation.
    Company,
    /// A person.
    Contact,
    /// A sale.
    Deal,
    /// A purchase.
    Order(Order),
    /// A user of the vendor.
    Owner(Owner),
    /// A row of stages.
    Pipeline(Pipeline),
    /// A named kind of link.
    AssociationLabel(AssociationLabel),
}

/// What was paid and refunded of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Each payment and each refund that went through, oldest first.
    pub revenue: Vec<RevenueLine>,
}

/// Money that came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevenueLine {
    /// The vendor's id of the payment or refund; the same for ever, and unique within the account.
    pub external_key: String,
    /// Which way it went.
    pub kind: RevenueLineKind,
    /// How much: a positive decimal in major units, as the vendor wrote it.
    pub amount: String,
    /// Its currency, ISO 4217, as the vendor spells it.
    pub currency: String,
    /// When, in milliseconds since 1970 (UTC).
    pub occurred_at_ms: i64,
}

/// Which way money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevenueLineKind {
    /// From the customer.
    Payment,
    /// Back to the customer.
    Refund,
}

/// A user of the vendor who owns records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// First and last name, as far as the vendor has them.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
}

/// A row of stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Its name as people see it.
    pub label: String,
    /// Its stages in the vendor's order.
    pub stages: Vec<Stage>,
}

/// One stage of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The vendor's id: what a deal's stage property holds.
    pub external_id: String,
    /// Its name as people see it.
    pub label: String,
    /// Its place in the row.
    pub position: i64,
    /// What it means for a deal to be here, by the vendor's own metadata.
    pub outcome: StageOutcome,
    /// Whether the vendor has put the stage away; deals may still be in it.
    pub archived: bool,
    /// The vendor's metadata, verbatim.
    pub fields: Fields,
}

/// What it means for a deal to be in a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// Still going.
    Open,
    /// Closed and won.
    Won,
    /// Closed and lost.
    Lost,
    /// The metadata contradict each other or say too little; a person must map it.
    Unclear,
}

/// A named way in which two records may be linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociationLabel {
    /// Where such a link starts.
    pub from: Resource,
    /// Where it ends.
    pub to: Resource,
    /// Its name; none for the plain, unlabelled link.
    pub label: Option<String>,
    /// Whether links of this kind mark the primary one.
    pub primary: bool,
    /// Whether people of this account made it up, as opposed to the vendor.
    pub custom: bool,
}

/// A link from the record that holds it to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordLink {
    /// What it points at.
    pub resource: Resource,
    /// The vendor's id of the other end.
    pub external_id: String,
    /// The labels people gave the link, sorted, without duplicates; empty for a plain one.
    pub labels: Vec<String>,
    /// Whether it is the main one of its resource.
    pub primary: bool,
}

/// A record that could not be read; the rest of its page could.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MalformedRecord {
    /// The vendor's id, when at least that was readable.
    pub external_id: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// The record as it came.
    pub raw: serde_json::Value,
}
