//! The parts of a mapping that speak of a shop's orders and of a chat.

use super::{ResourcePolicy, map, policy};
use crate::graphql::deal_partner::DealPartnerRole;
use async_graphql::{ID, InputObject, SimpleObject};
use entities::connection::mapping::{chat, order};
use entities::error::{ViolationCode, Violations};

/// A value and the partner it means.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PartnerOfValueInput")]
pub struct PartnerOfValue {
    /// The value, in any case: a discount code, a campaign's source.
    pub value: String,
    /// The partner's id, or its domain.
    pub partner: String,
}

/// A property of an order that says whose doing it was.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "OrderPartnerSourceInput")]
pub struct OrderPartnerSource {
    /// The property: `discount_codes`, `utm_source`, `metafield.<namespace>.<key>`.
    pub property: String,
    /// Which values mean which partner.
    pub partners: Vec<PartnerOfValue>,
    /// Whether a value that is none of these may be a partner's domain, or an address in it.
    pub by_domain: bool,
}

/// How a shop's orders become deals, and whose doing they are.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "OrderMappingInput")]
pub struct OrderMapping {
    /// Whether an order becomes a deal. What was paid is recorded either way.
    pub deals: bool,
    /// Where it says whose doing an order is: the first that names a partner counts.
    pub partner_from: Vec<OrderPartnerSource>,
    /// The partner's role in the deal.
    pub role: DealPartnerRole,
    /// Its weight in basis points, 0 to 10,000.
    pub weight_bp: i32,
    /// Who wins where both sides changed a field. Orders are never sent back.
    pub policy: ResourcePolicy,
}

/// The channel for what concerns one partner.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PartnerChannelInput")]
pub struct PartnerChannel {
    /// The partner.
    pub partner_id: ID,
    /// The vendor's id of the channel.
    pub channel: String,
}

/// What people are told in a chat, and where.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ChatMappingInput")]
pub struct ChatMapping {
    /// The vendor's id of the channel for everything that has none of its own; see `chatChannels`.
    pub channel: Option<String>,
    /// Channels of single partners: what concerns one of them is told there instead.
    pub partners: Vec<PartnerChannel>,
    /// Whether won deals are told.
    pub deal_won: bool,
    /// Whether lost deals are told.
    pub deal_lost: bool,
    /// Whether submitted registrations are told, to be decided there by who may. Left out of a new mapping, it stays as it is.
    pub registrations: Option<bool>,
}

impl From<&order::OrderMapping> for OrderMapping {
    fn from(of: &order::OrderMapping) -> Self {
        let source = |source: &order::PartnerSource| OrderPartnerSource {
            property: source.property.clone(),
            partners: source
                .partners
                .iter()
                .map(|(value, partner)| PartnerOfValue {
                    value: value.clone(),
                    partner: partner.to_string(),
                })
                .collect(),
            by_domain: source.by_domain,
        };
        Self {
            deals: of.deals,
            partner_from: of.partner_from.iter().map(source).collect(),
            role: of.role.into(),
            weight_bp: of.weight_bp,
            policy: policy(&of.policy),
        }
    }
}

impl From<&chat::ChatMapping> for ChatMapping {
    fn from(of: &chat::ChatMapping) -> Self {
        let own = |(partner, channel): (&chat::PartnerKey, &String)| PartnerChannel {
            partner_id: partner.0.to_string().into(),
            channel: channel.clone(),
        };
        Self {
            channel: of.channel.clone(),
            partners: of.partners.iter().map(own).collect(),
            deal_won: of.deal_won,
            deal_lost: of.deal_lost,
            registrations: Some(of.registrations),
        }
    }
}

impl OrderPartnerSource {
    fn into_model(self, place: usize, found: &mut Violations) -> order::PartnerSource {
        let path = format!("order.partnerFrom.{place}.partners");
        let mut read = Vec::with_capacity(self.partners.len());
        for (index, entry) in self.partners.into_iter().enumerate() {
            match entry.partner.parse() {
                Ok(partner) => read.push((order::fold(&entry.value), partner)),
                Err(error) => {
                    let error: order::InvalidPartnerRef = error;
                    found.add(
                        ViolationCode::Invalid,
                        format!("mapping.{path}.{index}.partner"),
                        format!("This is {error}."),
                    );
                }
            }
        }
        order::PartnerSource {
            property: self.property,
            partners: map(read.into_iter(), &path, "value", found),
            by_domain: self.by_domain,
        }
    }
}

impl OrderMapping {
    pub(super) fn into_model(
        self,
        known: &order::OrderMapping,
        found: &mut Violations,
    ) -> order::OrderMapping {
        let sources = self.partner_from.into_iter().enumerate();
        let partner_from = sources
            .map(|(place, source)| source.into_model(place, found))
            .collect();
        order::OrderMapping {
            deals: self.deals,
            partner_from,
            role: self.role.into(),
            weight_bp: self.weight_bp,
            policy: self.policy.into_model("order", &known.policy, found),
        }
    }
}

impl ChatMapping {
    pub(super) fn into_model(
        self,
        known: &chat::ChatMapping,
        found: &mut Violations,
    ) -> chat::ChatMapping {
        let mut own = Vec::with_capacity(self.partners.len());
        for (index, entry) in self.partners.into_iter().enumerate() {
            match entry.partner_id.parse() {
                Ok(partner) => own.push((chat::PartnerKey(partner), entry.channel)),
                Err(_) => found.add(
                    ViolationCode::NotFound,
                    format!("mapping.chat.partners.{index}.partnerId"),
                    "There is no such partner.",
                ),
            }
        }
        chat::ChatMapping {
            channel: self.channel,
            partners: map(own.into_iter(), "chat.partners", "partnerId", found),
            deal_won: self.deal_won,
            deal_lost: self.deal_lost,
            registrations: self.registrations.unwrap_or(known.registrations),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::super::Mapping;
    use super::*;
    use entities::connection::mapping as model;
    use entities::error::Error;
    use entities::id::PartnerId;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn known() -> model::Mapping {
        let partner = PartnerId(Uuid::from_u128(7));
        model::Mapping {
            order: order::OrderMapping {
                deals: true,
                partner_from: vec![order::PartnerSource {
                    property: "discount_codes".to_owned(),
                    partners: BTreeMap::from([
                        ("alpha10".to_owned(), order::PartnerRef::Id(partner)),
                        ("beta".to_owned(), "beta.example".parse().unwrap()),
                    ]),
                    by_domain: true,
                }],
                ..order::OrderMapping::default()
            },
            chat: chat::ChatMapping {
                channel: Some("C1".to_owned()),
                partners: BTreeMap::from([(chat::PartnerKey(partner), "C2".to_owned())]),
                deal_won: true,
                deal_lost: false,
                registrations: true,
            },
            ..integrations::sync::default_mapping::mapping(integrations::hubspot::ID)
        }
    }

    #[test]
    fn what_is_read_can_be_written_back_and_what_is_left_out_stays() {
        let known = known();
        let other = integrations::sync::default_mapping::mapping(integrations::hubspot::ID);
        assert_eq!(Mapping::from(&known).into_model(&other).unwrap(), known);
        let silent = Mapping {
            order: None,
            chat: None,
            ..Mapping::from(&known)
        };
        assert_eq!(silent.into_model(&known).unwrap(), known);
    }

    #[test]
    fn codes_are_compared_in_any_case_and_what_names_no_partner_is_refused_by_its_place() {
        let known = known();
        let mut new = Mapping::from(&known);
        let codes = &mut new.order.as_mut().unwrap().partner_from[0].partners;
        codes.push(PartnerOfValue {
            value: " ALPHA10".to_owned(),
            partner: "beta.example".to_owned(),
        });
        codes.push(PartnerOfValue {
            value: "gamma".to_owned(),
            partner: "no partner at all".to_owned(),
        });
        let own = &mut new.chat.as_mut().unwrap().partners;
        own.push(own[0].clone());
        own.push(PartnerChannel {
            partner_id: "deal_x".into(),
            channel: "C3".to_owned(),
        });
        let Err(Error::Invalid(violations)) = new.into_model(&known) else {
            unreachable!("it is refused");
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "mapping.order.partnerFrom.0.partners.3.partner",
                "mapping.order.partnerFrom.0.partners.2.value",
                "mapping.chat.partners.2.partnerId",
                "mapping.chat.partners.1.partnerId",
            ]
        );
    }
}
