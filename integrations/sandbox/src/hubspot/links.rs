//! Associations between records: which kinds of link exist, and the links.
//!
//! Invariant: every link is held in both directions with matching types; a labelled or primary link always stands beside the
//! unlabelled one; a record has at most one primary link to companies.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// Who defined a link type. The number alone does not identify a type: the categories count separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Category {
    /// The vendor.
    HubspotDefined,
    /// The portal's users: labels.
    UserDefined,
}

/// A link type in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkType {
    /// Who defined it.
    pub category: Category,
    /// Its number within the category.
    pub type_id: u32,
}

impl LinkType {
    /// A type the vendor defined.
    pub const fn vendor(type_id: u32) -> Self {
        Self {
            category: Category::HubspotDefined,
            type_id,
        }
    }

    /// A label of the portal.
    pub const fn label(type_id: u32) -> Self {
        Self {
            category: Category::UserDefined,
            type_id,
        }
    }
}

/// Deal to company, unlabelled.
pub const DEAL_TO_COMPANY: LinkType = LinkType::vendor(341);
/// Deal to its primary company.
pub const DEAL_TO_PRIMARY_COMPANY: LinkType = LinkType::vendor(5);
/// Contact to company, unlabelled.
pub const CONTACT_TO_COMPANY: LinkType = LinkType::vendor(279);
/// Contact to its primary company.
pub const CONTACT_TO_PRIMARY_COMPANY: LinkType = LinkType::vendor(1);
/// Deal to contact.
pub const DEAL_TO_CONTACT: LinkType = LinkType::vendor(3);
/// The portal's label "Partner" from deal to company.
pub const DEAL_TO_PARTNER: LinkType = LinkType::label(11);

/// What the portal knows about a link type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) from: Kind,
    pub(crate) to: Kind,
    pub(crate) link_type: LinkType,
    pub(crate) inverse: LinkType,
    /// The name used by the older associations answers.
    pub(crate) name: String,
    pub(crate) label: Option<String>,
}

impl Definition {
    pub(crate) fn is_primary(&self) -> bool {
        self.link_type.category == Category::HubspotDefined && self.label.is_some()
    }
}

pub(crate) fn standard_definitions() -> Vec<Definition> {
    use Kind::{Companies, Contacts, Deals};
    let rows = [
        (Contacts, Companies, 279, 280, None),
        (Contacts, Companies, 1, 2, Some("Primary")),
        (Deals, Contacts, 3, 4, None),
        (Deals, Companies, 341, 342, None),
        (Deals, Companies, 5, 6, Some("Primary")),
    ];
    let mut all = Vec::new();
    for (from, to, there, back, label) in rows {
        for (from, to, there, back) in [(from, to, there, back), (to, from, back, there)] {
            let unlabelled = if label.is_none()
                && from != to
                && !matches!((from, to), (Deals, Contacts) | (Contacts, Deals))
            {
                "_unlabeled"
            } else {
                ""
            };
            all.push(Definition {
                from,
                to,
                link_type: LinkType::vendor(there),
                inverse: LinkType::vendor(back),
                name: format!("{}_to_{}{unlabelled}", from.singular(), to.singular()),
                label: label.map(str::to_owned),
            });
        }
    }
    all.extend(label_definitions(Deals, Companies, 11, "Partner"));
    all
}

/// The two directions of a label.
pub(crate) fn label_definitions(
    from: Kind,
    to: Kind,
    type_id: u32,
    label: &str,
) -> [Definition; 2] {
    let name = label.to_lowercase().replace(' ', "_");
    let there = LinkType::label(type_id);
    let back = LinkType::label(type_id + 1);
    [(from, to, there, back), (to, from, back, there)].map(|(from, to, link_type, inverse)| {
        Definition {
            from,
            to,
            link_type,
            inverse,
            name: name.clone(),
            label: Some(label.to_owned()),
        }
    })
}

/// One direction of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) from_kind: Kind,
    pub(crate) from: u64,
    pub(crate) to_kind: Kind,
    pub(crate) to: u64,
    pub(crate) link_type: LinkType,
}

impl Link {
    fn first(from_kind: Kind, from: u64, to_kind: Kind, to: u64) -> Self {
        Self {
            from_kind,
            from,
            to_kind,
            to,
            link_type: LinkType::vendor(0),
        }
    }
}

/// All links, both directions.
#[derive(Debug, Default)]
pub(crate) struct Links {
    all: BTreeSet<Link>,
}

impl Links {
    pub(crate) fn insert(&mut self, link: Link) -> bool {
        self.all.insert(link)
    }

    pub(crate) fn remove(&mut self, link: &Link) -> bool {
        self.all.remove(link)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.all.iter()
    }

    /// The links of one record to one kind, sorted by the other end, starting behind `after`.
    pub(crate) fn of(
        &self,
        from_kind: Kind,
        from: u64,
        to_kind: Kind,
        after: u64,
    ) -> impl Iterator<Item = &Link> {
        self.all
            .range(Link::first(from_kind, from, to_kind, after.saturating_add(1))..)
            .take_while(move |link| {
                link.from_kind == from_kind && link.from == from && link.to_kind == to_kind
            })
    }

    /// The links between two records, in this direction.
    pub(crate) fn between(&self, from_kind: Kind, from: u64, to_kind: Kind, to: u64) -> Vec<Link> {
        self.of(from_kind, from, to_kind, to.saturating_sub(1))
            .take_while(|link| link.to == to)
            .copied()
            .collect()
    }
}
