//! How a shop's orders become deals, and whose doing they are.
//!
//! Secure by absence: a mapping that says nothing of orders makes no deals of them and gives nobody a share.

use super::ResourcePolicy;
use crate::deal_partner::DealPartnerRole;
use crate::domain_name::DomainName;
use crate::id::PartnerId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderMapping {
    /// Whether an order becomes a deal. What was paid is recorded either way.
    pub deals: bool,
    /// Where it says whose doing an order is: the first source that names a partner counts.
    pub partner_from: Vec<PartnerSource>,
    /// The partner's role in the deal.
    pub role: DealPartnerRole,
    /// Its weight in basis points, 0 to 10,000.
    pub weight_bp: i32,
    /// Who wins where both sides changed a field. Orders are never sent back.
    pub policy: ResourcePolicy,
}

impl Default for OrderMapping {
    fn default() -> Self {
        Self {
            deals: false,
            partner_from: Vec::new(),
            role: DealPartnerRole::Referred,
            weight_bp: 10_000,
            policy: ResourcePolicy::default(),
        }
    }
}

impl OrderMapping {
    /// The properties that say whose doing an order is.
    #[must_use]
    pub fn properties(&self) -> BTreeSet<&str> {
        let sources = self.partner_from.iter();
        sources.map(|source| source.property.as_str()).collect()
    }
}

/// A property of an order that names a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerSource {
    /// The property: `discount_codes`, `utm_source`, `metafield.<namespace>.<key>`, … Each line of it is a value.
    pub property: String,
    /// Which value means which partner; the values as [`fold`] leaves them.
    #[serde(default)]
    pub partners: BTreeMap<String, PartnerRef>,
    /// Whether a value that is none of these may be a partner's domain, or an address in it.
    #[serde(default)]
    pub by_domain: bool,
}

/// A value as it is looked up: people write codes in any case.
#[must_use]
pub fn fold(value: &str) -> String {
    value.trim().to_lowercase()
}

/// A partner, by its id or by its domain. Written as one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PartnerRef {
    /// By its id.
    Id(PartnerId),
    /// By its domain: whoever has it when an order is read.
    Domain(DomainName),
}

/// A text that names no partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a partner's id nor a domain name")]
pub struct InvalidPartnerRef;

impl std::str::FromStr for PartnerRef {
    type Err = InvalidPartnerRef;

    fn from_str(text: &str) -> Result<Self, InvalidPartnerRef> {
        if let Ok(id) = text.trim().parse() {
            return Ok(Self::Id(id));
        }
        text.parse()
            .map(Self::Domain)
            .map_err(|_| InvalidPartnerRef)
    }
}

impl TryFrom<String> for PartnerRef {
    type Error = InvalidPartnerRef;

    fn try_from(text: String) -> Result<Self, InvalidPartnerRef> {
        text.parse()
    }
}

impl std::fmt::Display for PartnerRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Domain(domain) => domain.fmt(f),
        }
    }
}

impl From<PartnerRef> for String {
    fn from(partner: PartnerRef) -> Self {
        partner.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::super::Mapping;
    use serde_json::json;

    fn stored() -> serde_json::Value {
        json!({
            "company": {
                "partner_when": { "property": "type", "values": [] },
                "partnership": { "kind": "CHANNEL", "stage": "ACTIVE" },
                "partner_fields": {}, "customer_fields": {},
            },
            "contact": { "fields": {} },
            "deal": { "fields": {}, "stages": {}, "labels": {} },
        })
    }

    #[test]
    fn a_mapping_that_was_stored_before_there_were_orders_stays_readable_and_gives_nothing_away() {
        let mapping: Mapping = serde_json::from_value(stored()).unwrap();
        assert!(!mapping.order.deals && mapping.order.partner_from.is_empty());
        assert!(mapping.chat.channel.is_none() && !mapping.chat.deal_won);
    }

    #[test]
    fn partners_are_named_by_id_or_domain_and_nothing_else() {
        let id = "partner_01h455vb4pex5vsknk084sn02q";
        let mut value = stored();
        value["order"] = json!({ "partner_from": [{ "property": "p", "partners": { "a": id, "b": "WWW.Acme.example" } }] });
        value["chat"] = json!({ "partners": { id: "C1" } });
        let mapping: Mapping = serde_json::from_value(value.clone()).unwrap();
        let source = mapping.order.partner_from.first().unwrap();
        assert_eq!(source.partners["a"].to_string(), id);
        assert_eq!(source.partners["b"].to_string(), "acme.example");
        let again: Mapping =
            serde_json::from_value(serde_json::to_value(&mapping).unwrap()).unwrap();
        assert_eq!(again, mapping);
        for bad in ["", "nobody", "deal_01h455vb4pex5vsknk084sn02q"] {
            value["order"]["partner_from"][0]["partners"]["a"] = json!(bad);
            assert!(
                serde_json::from_value::<Mapping>(value.clone()).is_err(),
                "{bad}"
            );
        }
        value["order"] = json!({ "surprise": 1 });
        assert!(serde_json::from_value::<Mapping>(value).is_err());
    }
}
