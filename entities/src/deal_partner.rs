//! A partner's share in a deal: which partnership, in which role, with which weight.
//!
//! Invariant 10 of the domain: the weights of the earning roles on a deal sum to at most 10,000 basis points and lock when the
//! deal is won. An outside system may set roles together with the won state; its later change of a closed deal's roles is
//! recorded as a correction, and what the deal was booked with is earned anew by its present shares. Influence is shown apart and never earns.

use crate::change::{Change, Origin};
use crate::clock::Timestamp;
use crate::deal;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{DealId, DealPartnerId, PartnerId, PartnershipId};
use crate::money::BasisPoints;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use crate::{partnership, revenue_event};
use sea_orm::Iterable;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _};
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What a partner did for a deal.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DealPartnerRole {
    /// Brought the deal.
    Sourced,
    /// Helped it along; never earns.
    Influenced,
    /// Sold it in its own name.
    Resold,
    /// Sold it together with us.
    CoSold,
    /// Put it into operation.
    Implemented,
    /// Referred the customer.
    Referred,
}

impl DealPartnerRole {
    /// Whether the role shares in the deal's revenue.
    #[must_use]
    pub const fn earns(self) -> bool {
        !matches!(self, Self::Influenced)
    }

    /// The roles that share in revenue.
    #[must_use]
    pub fn earning() -> Vec<Self> {
        Self::iter().filter(|role| role.earns()).collect()
    }
}

/// One share.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal_partner")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DealPartnerId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deal_id: DealId,
    pub partnership_id: PartnershipId,
    /// The partnership's partner, kept here too: who may see a deal is decided by this column's index.
    pub partner_id: PartnerId,
    pub role: DealPartnerRole,
    pub weight_bp: BasisPoints,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// One share as an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// Through which partnership.
    pub partnership_id: PartnershipId,
    /// In which role.
    pub role: DealPartnerRole,
    /// With which weight.
    pub weight_bp: BasisPoints,
}

/// Sets the shares of deals: what is not named is removed, what is the same is left alone. Returns which deals changed; a deal whose
/// shares changed has a new version, so that who read it before cannot overwrite them unseen.
///
/// # Errors
/// Weights over the whole, an unknown partnership, a share named twice, or a locked deal; then nothing is written.
pub async fn attribute(
    change: &mut Change,
    deals: &[(deal::Model, Vec<Share>)],
) -> Result<HashSet<DealId>> {
    let mut violations = Violations::default();
    let partnerships: HashSet<PartnershipId> = deals
        .iter()
        .flat_map(|(_, shares)| shares.iter().map(|share| share.partnership_id))
        .collect();
    let partners: HashMap<PartnershipId, PartnerId> =
        crate::visible::find_all::<partnership::Entity, _>(
            change.transaction(),
            &Viewer::system("deal_partner"),
            partnerships.iter().map(|id| id.0),
        )
        .await?
        .into_iter()
        .map(|row| (row.id, row.partner_id))
        .collect();
    let mut current: HashMap<DealId, Vec<Model>> = HashMap::new();
    let existing = Entity::visible_to(&Viewer::system("deal_partner"))
        .filter(Column::DealId.is_in(deals.iter().map(|(deal, _)| deal.id)))
        .all(change.transaction())
        .await?;
    for row in existing {
        current.entry(row.deal_id).or_default().push(row);
    }

    let mut removed = Vec::new();
    let mut added = Vec::new();
    let mut events = Vec::new();
    let mut shared_anew = Vec::new();
    for (deal, shares) in deals {
        let before = current.remove(&deal.id).unwrap_or_default();
        let wanted: BTreeMap<(PartnershipId, DealPartnerRole), BasisPoints> = shares
            .iter()
            .map(|share| ((share.partnership_id, share.role), share.weight_bp))
            .collect();
        if wanted.len() < shares.len() {
            violations.add(
                ViolationCode::Taken,
                "partners",
                "A partnership may have each role once.",
            );
        }
        let earning: i64 = wanted
            .iter()
            .filter(|((_, role), _)| role.earns())
            .map(|(_, weight)| i64::from(weight.points()))
            .sum();
        if earning > i64::from(BasisPoints::WHOLE.points()) {
            violations.add(
                ViolationCode::WeightsExceedWhole,
                "partners",
                "The weights of the earning roles exceed 10,000 basis points.",
            );
        }
        let same: BTreeMap<_, _> = before
            .iter()
            .map(|row| ((row.partnership_id, row.role), row.weight_bp))
            .collect();
        if same == wanted {
            continue;
        }
        // An outside system is the authority over its own closed deals; a caller of the API is not.
        if deal.stage.is_won()
            && !change.author().origin.is_external()
            && change.author().origin != Origin::Correction
        {
            violations.add(
                ViolationCode::Locked,
                "partners",
                "The deal is won: its shares are locked.",
            );
            continue;
        }
        if earning_of(&same) != earning_of(&wanted) && !earning_of(&same).is_empty() {
            shared_anew.push(deal);
        }
        let mut concerned: HashSet<PartnerId> = HashSet::new();
        for row in before {
            if wanted.get(&(row.partnership_id, row.role)) != Some(&row.weight_bp) {
                concerned.insert(row.partner_id);
                removed.push(row.id);
            }
        }
        let first = added.len();
        for ((partnership_id, role), weight_bp) in wanted {
            let Some(partner_id) = partners.get(&partnership_id).copied() else {
                violations.add(
                    ViolationCode::NotFound,
                    "partners.partnershipId",
                    "No such partnership.",
                );
                continue;
            };
            if same.get(&(partnership_id, role)) == Some(&weight_bp) {
                continue;
            }
            concerned.insert(partner_id);
            let now = change.now();
            added.push(Model {
                id: change.new_id(),
                version: 1,
                created_at: now,
                updated_at: now,
                deal_id: deal.id,
                partnership_id,
                partner_id,
                role,
                weight_bp,
            });
        }
        let mut concerned: Vec<PartnerId> = concerned.into_iter().collect();
        concerned.sort_unstable();
        for partner in concerned {
            let shares: Vec<_> = added
                .iter()
                .skip(first)
                .filter(|row| row.partner_id == partner)
                .map(|row| json!({ "partnership": row.partnership_id, "role": row.role, "weightBp": row.weight_bp }))
                .collect();
            let data =
                json!({ "partner": partner, "set": shares, "correction": deal.stage.is_won() });
            events.push((
                deal.id,
                NewEvent::about(EventKind::DealAttributed, deal.id, data).for_partner(partner),
            ));
        }
    }
    violations.finish()?;

    for chunk in removed.chunks(500) {
        Entity::delete_many()
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .exec(change.transaction())
            .await?;
    }
    crate::write::insert::<Entity>(change, &added).await?;
    let mut changed = HashSet::new();
    for (deal, event) in events {
        changed.insert(deal);
        change.record(event);
    }
    // A deal made in this change has been seen by nobody yet.
    let seen: Vec<DealId> = deals
        .iter()
        .filter(|(deal, _)| changed.contains(&deal.id) && deal.created_at != change.now())
        .map(|(deal, _)| deal.id)
        .collect();
    for chunk in seen.chunks(500) {
        deal::Entity::update_many()
            .col_expr(
                deal::Column::Version,
                Expr::col(deal::Column::Version).add(1),
            )
            .col_expr(deal::Column::UpdatedAt, Expr::value(change.now()))
            .filter(deal::Column::Id.is_in(chunk.iter().copied()))
            .exec(change.transaction())
            .await?;
    }
    revenue_event::share_anew(change, &shared_anew).await?;
    Ok(changed)
}

/// Of shares those that earn.
fn earning_of(
    shares: &BTreeMap<(PartnershipId, DealPartnerRole), BasisPoints>,
) -> Vec<((PartnershipId, DealPartnerRole), BasisPoints)> {
    shares
        .iter()
        .filter(|((_, role), weight)| role.earns() && **weight > BasisPoints::NONE)
        .map(|(share, weight)| (*share, *weight))
        .collect()
}
