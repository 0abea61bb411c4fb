//! The ends of a record's links: which customer, which partners with which shares, and which ends are still awaited.
//!
//! Owns: reading links with what is known of companies, and the three-way merge of shares. Refuses: to touch a share the vendor never
//! knew: what people set here stays, whatever the vendor's associations do.

use super::{Links, Scope, is_primary, ties};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::merge::Reading;
use entities::change::Change;
use entities::connection::mapping::RoleMapping;
use entities::deal_partner::{DealPartnerRole, Share};
use entities::external_link;
use entities::id::{CustomerId, PartnerId, PartnershipId, TypedId};
use entities::money::BasisPoints;
use entities::partnership;
use entities::pending_link;
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::{ActiveEnum as _, ColumnTrait, QueryFilter, QueryOrder};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a company is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompanyEnd {
    Partner(PartnerId),
    Customer(CustomerId),
}

/// What is known of the companies that links name.
#[derive(Debug, Default)]
pub(super) struct Companies {
    ends: HashMap<String, CompanyEnd>,
    partnerships: HashMap<PartnerId, PartnershipId>,
}

impl Companies {
    /// Looks up all companies of these links at once, and the partnership of those that are partners: the one that came with the import, which
    /// is the first.
    pub(super) async fn load(change: &Change, scope: &Scope<'_>, links: &[&Links]) -> Result<Self> {
        let ids: BTreeSet<&str> = links
            .iter()
            .flat_map(|links| ties(links, Resource::Company))
            .map(|(id, _)| id)
            .collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut companies = Self::default();
        if ids.is_empty() {
            return Ok(companies);
        }
        for link in external_link::find_ties(
            change.transaction(),
            scope.connection.id,
            Resource::Company.as_str(),
            &ids,
        )
        .await?
        {
            let end = match (link.subject_kind.as_deref(), link.subject_id) {
                (Some(PartnerId::PREFIX), Some(id)) => CompanyEnd::Partner(PartnerId(id)),
                (Some(CustomerId::PREFIX), Some(id)) => CompanyEnd::Customer(CustomerId(id)),
                _ => continue,
            };
            companies.ends.insert(link.external_id, end);
        }
        let partners: HashSet<PartnerId> = companies
            .ends
            .values()
            .filter_map(|end| match end {
                CompanyEnd::Partner(id) => Some(*id),
                CompanyEnd::Customer(_) => None,
            })
            .collect();
        if !partners.is_empty() {
            let select = partnership::Entity::visible_to(&Viewer::system("sync"))
                .filter(partnership::Column::PartnerId.is_in(partners));
            for row in select
                .order_by_asc(partnership::Column::Id)
                .all(change.transaction())
                .await
                .map_err(entities::error::Error::from)?
            {
                companies
                    .partnerships
                    .entry(row.partner_id)
                    .or_insert(row.id);
            }
        }
        Ok(companies)
    }

    fn end(&self, id: &str) -> Option<CompanyEnd> {
        self.ends.get(id).copied()
    }
}

/// Shares by partnership and role.
pub(super) type Shares = BTreeMap<ShareKey, BasisPoints>;

/// What links say of a deal.
#[derive(Debug, Default)]
pub(super) struct DealEnds {
    pub(super) customer: Option<CustomerId>,
    pub(super) shares: Shares,
    /// Companies that are not known yet.
    pub(super) awaited: BTreeSet<String>,
    /// Ties to partners whose label means nothing to the mapping.
    pub(super) unmapped: Vec<String>,
}

impl DealEnds {
    /// Reads links. `passed_over` holds the companies that were not known when the links were last taken over.
    pub(super) fn read(
        links: &Links,
        companies: &Companies,
        labels: &BTreeMap<String, RoleMapping>,
        passed_over: &HashSet<&str>,
    ) -> Self {
        let mut ends = Self::default();
        let mut chosen_is_primary = false;
        for (id, tie) in ties(links, Resource::Company).filter(|(id, _)| !passed_over.contains(id))
        {
            match companies.end(id) {
                None => {
                    ends.awaited.insert(id.to_owned());
                }
                Some(CompanyEnd::Customer(customer)) => {
                    let primary = is_primary(tie);
                    if ends.customer.is_none() || (primary && !chosen_is_primary) {
                        ends.customer = Some(customer);
                        chosen_is_primary = primary;
                    }
                    // A customer has no share, so what people labelled the tie with has no place here.
                    ends.unmapped.extend(
                        tie.iter()
                            .filter(|label| *label != super::PRIMARY)
                            .map(|label| format!("company[{label}]")),
                    );
                }
                Some(CompanyEnd::Partner(partner)) => ends.share(companies, labels, partner, tie),
            }
        }
        ends
    }

    fn share(
        &mut self,
        companies: &Companies,
        labels: &BTreeMap<String, RoleMapping>,
        partner: PartnerId,
        tie: &[String],
    ) {
        let Some(partnership) = companies.partnerships.get(&partner).copied() else {
            self.unmapped
                .push("company[a partner without a partnership]".to_owned());
            return;
        };
        let mut found = false;
        for label in tie.iter().filter(|label| *label != super::PRIMARY) {
            match labels
                .get(label)
                .and_then(|role| Some((role.role, BasisPoints::new(role.weight_bp)?)))
            {
                Some((role, weight)) => {
                    found = true;
                    let share = self.shares.entry((partnership, role)).or_insert(weight);
                    *share = (*share).max(weight);
                }
                None => self.unmapped.push(format!("company[{label}]")),
            }
        }
        if !found && tie.iter().all(|label| label == super::PRIMARY) {
            self.unmapped.push("company[no label]".to_owned());
        }
    }

    /// The customer as a reading. While a company is awaited and none is known, the links say nothing yet.
    pub(super) fn customer(&self) -> Reading<Option<CustomerId>> {
        if self.customer.is_none() && !self.awaited.is_empty() {
            Reading::Unread
        } else {
            Reading::Value(self.customer)
        }
    }
}

/// What tells one share of a deal from another.
pub(super) type ShareKey = (PartnershipId, DealPartnerRole);

/// The result of merging shares.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MergedShares {
    pub(super) shares: Shares,
    /// Those that both sides changed, to different values.
    pub(super) conflicting: BTreeSet<ShareKey>,
}

/// Merges shares three-way; of those in conflict theirs are taken or ours stay. Without a base all of theirs are taken and ours stay beside them.
pub(super) fn merge_shares(
    base: Option<&Shares>,
    theirs: &Shares,
    ours: &Shares,
    takes_theirs: bool,
) -> MergedShares {
    let mut shares = ours.clone();
    let mut conflicting = BTreeSet::new();
    let known = |key: &ShareKey| base.and_then(|base| base.get(key));
    let keys: BTreeSet<ShareKey> = base
        .into_iter()
        .flat_map(BTreeMap::keys)
        .chain(theirs.keys())
        .copied()
        .collect();
    for key in keys {
        let (theirs, present) = (theirs.get(&key), ours.get(&key));
        if known(&key) == theirs || present == theirs {
            continue;
        }
        if base.is_some() && present != known(&key) {
            conflicting.insert(key);
            if !takes_theirs {
                continue;
            }
        }
        set(&mut shares, key, theirs.copied());
    }
    MergedShares {
        shares,
        conflicting,
    }
}

/// Gives a share, or takes it away.
pub(super) fn set(shares: &mut Shares, key: ShareKey, weight: Option<BasisPoints>) {
    match weight {
        Some(weight) => shares.insert(key, weight),
        None => shares.remove(&key),
    };
}

/// Some shares as a conflict shows them: partnership and role, and the weight; null where there is none.
pub(super) fn shown<'a>(shares: &Shares, keys: impl IntoIterator<Item = &'a ShareKey>) -> Json {
    let one = |key: &ShareKey| {
        let name = format!("{}:{}", key.0, key.1.to_value());
        (name, json!(shares.get(key).map(|weight| weight.points())))
    };
    Json::Object(keys.into_iter().map(one).collect())
}

/// The shares that a conflict shows.
pub(super) fn shown_keys(shown: &Json) -> BTreeSet<ShareKey> {
    let key = |name: &String| {
        let (partnership, role) = name.split_once(':')?;
        let role = DealPartnerRole::try_from_value(&role.to_owned()).ok()?;
        Some((partnership.parse().ok()?, role))
    };
    shown
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .filter_map(key)
        .collect()
}

/// Whether the earning shares stay within the whole.
pub(super) fn within_the_whole(shares: &Shares) -> bool {
    let earning = shares
        .iter()
        .filter(|((_, role), _)| role.earns())
        .map(|(_, weight)| i64::from(weight.points()));
    earning.sum::<i64>() <= i64::from(BasisPoints::WHOLE.points())
}

/// Shares as an input of the operation.
pub(super) fn as_input(shares: &Shares) -> Vec<Share> {
    shares
        .iter()
        .map(|((partnership_id, role), weight_bp)| Share {
            partnership_id: *partnership_id,
            role: *role,
            weight_bp: *weight_bp,
        })
        .collect()
}

/// What a person's links say: the employer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) enum Employer {
    #[default]
    None,
    Partner(PartnerId),
    Customer(CustomerId),
}

/// The employer that links name, the primary one first; and the companies that are awaited.
pub(super) fn employer(
    links: &Links,
    companies: &Companies,
    passed_over: &HashSet<&str>,
) -> (Reading<Employer>, BTreeSet<String>) {
    let mut awaited = BTreeSet::new();
    let mut found: Option<(bool, Employer)> = None;
    for (id, tie) in ties(links, Resource::Company).filter(|(id, _)| !passed_over.contains(id)) {
        let employer = match companies.end(id) {
            None => {
                awaited.insert(id.to_owned());
                continue;
            }
            Some(CompanyEnd::Partner(id)) => Employer::Partner(id),
            Some(CompanyEnd::Customer(id)) => Employer::Customer(id),
        };
        let primary = is_primary(tie);
        if found.is_none_or(|(before, _)| primary && !before) {
            found = Some((primary, employer));
        }
    }
    let reading = match found {
        Some((_, employer)) => Reading::Value(employer),
        None if awaited.is_empty() => Reading::Value(Employer::None),
        None => Reading::Unread,
    };
    (reading, awaited)
}

/// The ends that records already wait for.
pub(super) struct Awaiting(HashMap<String, Vec<pending_link::Model>>);

impl Awaiting {
    pub(super) async fn load(
        change: &Change,
        scope: &Scope<'_>,
        resource: Resource,
        known: &[&str],
    ) -> Result<Self> {
        let rows = pending_link::find_from(
            change.transaction(),
            scope.connection.id,
            resource.as_str(),
            known,
        )
        .await?;
        let mut awaiting: HashMap<String, Vec<pending_link::Model>> = HashMap::new();
        for row in rows {
            awaiting
                .entry(row.from_external_id.clone())
                .or_default()
                .push(row);
        }
        Ok(Self(awaiting))
    }

    /// The ends of one resource a record waits for.
    pub(super) fn of(&self, external_id: &str, resource: Resource) -> HashSet<&str> {
        let rows = self.0.get(external_id).into_iter().flatten();
        rows.filter(|row| row.to_resource == resource.as_str())
            .map(|row| row.to_external_id.as_str())
            .collect()
    }

    /// Writes what is awaited from now on and removes what no longer is.
    pub(super) async fn settle(
        mut self,
        change: &Change,
        scope: &Scope<'_>,
        resource: Resource,
        awaited: Vec<(String, BTreeSet<(Resource, String)>)>,
    ) -> Result<()> {
        let mut fresh = Vec::new();
        let mut stale = Vec::new();
        for (from, ends) in awaited {
            let before = self.0.remove(&from).unwrap_or_default();
            for (to, id) in &ends {
                if !before
                    .iter()
                    .any(|row| row.to_resource == to.as_str() && &row.to_external_id == id)
                {
                    fresh.push(pending_link::Model {
                        connection_id: scope.connection.id,
                        from_resource: resource.as_str().to_owned(),
                        from_external_id: from.clone(),
                        to_resource: to.as_str().to_owned(),
                        to_external_id: id.clone(),
                        created_at: change.now(),
                    });
                }
            }
            stale.extend(before.into_iter().filter(|row| {
                !ends
                    .iter()
                    .any(|(to, id)| row.to_resource == to.as_str() && &row.to_external_id == id)
            }));
        }
        pending_link::insert(change, fresh).await?;
        pending_link::delete(change, &stale).await?;
        Ok(())
    }
}
