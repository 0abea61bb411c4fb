//! Whose doing an order is: the partners that a mapping's values mean, and their partnerships.
//!
//! Refuses: a partner that does not exist, is archived, or has no partnership: a share needs one. Invariant: of several partners an order names the
//! first counts, in the order in which the mapping looks for them.

use super::Candidate;
use crate::sync::error::Result;
use crate::sync::map::order::{named_partners, taken_partner};
use crate::sync::merge::Flag;
use entities::change::Change;
use entities::connection::mapping::order::{OrderMapping, PartnerRef};
use entities::domain_name::DomainName;
use entities::error::Error as EntityError;
use entities::id::{PartnerId, PartnershipId};
use entities::partner;
use entities::partnership;
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The partners that orders name.
#[derive(Debug, Default)]
pub(super) struct Sponsors {
    living: HashSet<PartnerId>,
    by_domain: HashMap<DomainName, PartnerId>,
    /// The first partnership of each, which is the one that came with it.
    partnerships: HashMap<PartnerId, PartnershipId>,
    partners: HashMap<PartnershipId, PartnerId>,
}

impl Sponsors {
    /// Looks up all partners that these orders name or named, and everybody who shares in their deals.
    pub(super) async fn load(
        change: &Change,
        mapping: &OrderMapping,
        candidates: &[Candidate],
    ) -> Result<Self> {
        let mut ids: BTreeSet<PartnerId> = BTreeSet::new();
        let mut domains: BTreeSet<DomainName> = BTreeSet::new();
        for candidate in candidates {
            for named in named_partners(mapping, &candidate.incoming.fields) {
                match named {
                    PartnerRef::Id(id) => ids.insert(id),
                    PartnerRef::Domain(domain) => domains.insert(domain),
                };
            }
            ids.extend(
                candidate
                    .base()
                    .and_then(|base| taken_partner(&base.fields)),
            );
        }
        let domains: Vec<DomainName> = domains.into_iter().collect();
        let mut sponsors = Self::default();
        for row in partner::find_domains(change, &domains).await? {
            if let (Some(domain), None) = (row.domain, row.archived_at) {
                sponsors.by_domain.insert(domain, row.id);
                sponsors.living.insert(row.id);
            }
        }
        let system = Viewer::system("sync");
        let named = ids.iter().map(|id| id.0);
        for row in visible::find_all::<partner::Entity, _>(change.transaction(), &system, named)
            .await?
            .into_iter()
            .filter(|row| row.archived_at.is_none())
        {
            sponsors.living.insert(row.id);
        }
        ids.extend(sponsors.living.iter().copied());
        let deals: Vec<_> = candidates
            .iter()
            .filter_map(|candidate| candidate.link.as_ref()?.subject_id)
            .map(entities::id::DealId)
            .collect();
        let shares = entities::deal_partner::Entity::visible_to(&system)
            .filter(entities::deal_partner::Column::DealId.is_in(deals))
            .all(change.transaction())
            .await
            .map_err(EntityError::from)?;
        for share in shares {
            sponsors
                .partners
                .insert(share.partnership_id, share.partner_id);
        }
        let partnerships = partnership::Entity::visible_to(&system)
            .filter(partnership::Column::PartnerId.is_in(ids))
            .order_by_asc(partnership::Column::Id)
            .all(change.transaction())
            .await
            .map_err(EntityError::from)?;
        for row in partnerships {
            sponsors
                .partnerships
                .entry(row.partner_id)
                .or_insert(row.id);
            sponsors.partners.insert(row.id, row.partner_id);
        }
        Ok(sponsors)
    }

    /// The partner of an order, and what is to be said of those that it names and that cannot be.
    pub(super) fn of(&self, named: &[PartnerRef]) -> (Option<PartnerId>, Vec<Flag>) {
        let mut flags = Vec::new();
        for named in named {
            let known = match named {
                PartnerRef::Id(id) => self.living.get(id),
                PartnerRef::Domain(domain) => self.by_domain.get(domain),
            };
            match known {
                Some(partner) if self.partnerships.contains_key(partner) => {
                    return (Some(*partner), flags);
                }
                Some(_) => flags.push(Flag {
                    property: "partner".to_owned(),
                    code: "NO_PARTNERSHIP",
                    message: format!("The partner {named} has no partnership to share through."),
                }),
                // A domain may be anybody's; an id was meant for somebody.
                None if matches!(named, PartnerRef::Id(_)) => flags.push(Flag {
                    property: "partner".to_owned(),
                    code: "UNKNOWN_PARTNER",
                    message: format!("There is no partner {named} (any more)."),
                }),
                None => {}
            }
        }
        (None, flags)
    }

    /// The partnership through which a partner shares.
    pub(super) fn partnership(&self, partner: PartnerId) -> Option<PartnershipId> {
        self.partnerships.get(&partner).copied()
    }

    /// Whose a partnership is.
    pub(super) fn partner(&self, partnership: PartnershipId) -> Option<PartnerId> {
        self.partners.get(&partnership).copied()
    }
}
