//! What people are told in a chat, and where.
//!
//! Secure by absence: without a channel, or with nothing chosen to be told, nothing is posted.

use super::order::{InvalidPartnerRef, PartnerRef};
use crate::id::PartnerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChatMapping {
    /// The vendor's id of the channel for everything that has none of its own.
    pub channel: Option<String>,
    /// Channels of single partners: what concerns one of them is told there instead.
    pub partners: BTreeMap<PartnerKey, String>,
    /// Whether won deals are told.
    pub deal_won: bool,
    /// Whether lost deals are told.
    pub deal_lost: bool,
    /// Whether submitted registrations are told, to be decided there.
    pub registrations: bool,
}

impl ChatMapping {
    /// Where something is told that concerns these partners, the one with the largest share first.
    #[must_use]
    pub fn channel_for(&self, partners: &[PartnerId]) -> Option<&str> {
        let own = partners
            .iter()
            .find_map(|partner| self.partners.get(&PartnerKey(*partner)));
        own.or(self.channel.as_ref()).map(String::as_str)
    }
}

/// A partner's id as the key of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartnerKey(pub PartnerId);

impl TryFrom<String> for PartnerKey {
    type Error = InvalidPartnerRef;

    fn try_from(text: String) -> Result<Self, InvalidPartnerRef> {
        match text.parse() {
            Ok(PartnerRef::Id(id)) => Ok(Self(id)),
            _ => Err(InvalidPartnerRef),
        }
    }
}

impl From<PartnerKey> for String {
    fn from(key: PartnerKey) -> Self {
        key.0.to_string()
    }
}
