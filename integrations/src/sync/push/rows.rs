//! The rows of ours that pushes name, as they are now.

use super::super::apply::adopt::Subject;
use super::fan_out::resource_of;
use crate::sync::error::Result;
use entities::change::Change;
use entities::deal_partner::DealPartnerRole;
use entities::event::{self, EventKind};
use entities::id::{ConnectionId, ContactId, CustomerId, DealId, PartnerId, TypedId};
use entities::outbound_push;
use entities::viewer::Viewer;
use entities::visible::{self, Versioned, Visible};
use entities::{contact, customer, deal, deal_partner, partner};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A partner's share in a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShareOf {
    pub(super) partner: PartnerId,
    pub(super) role: DealPartnerRole,
    pub(super) weight_bp: i32,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Partner(partner::Model),
    Customer(customer::Model),
    Contact(contact::Model),
    Deal(deal::Model, Vec<ShareOf>),
}

impl Row {
    /// Whether it has been put away here.
    pub(super) const fn is_archived(&self) -> bool {
        match self {
            Self::Partner(row) => row.archived_at.is_some(),
            Self::Customer(row) => row.archived_at.is_some(),
            Self::Contact(row) => row.archived_at.is_some(),
            Self::Deal(row, _) => row.archived_at.is_some(),
        }
    }

    /// The companies it refers to.
    pub(super) fn ends(&self) -> Vec<Subject> {
        let partner = |id: PartnerId| (PartnerId::PREFIX, id.0);
        let customer = |id: CustomerId| (CustomerId::PREFIX, id.0);
        match self {
            Self::Partner(_) | Self::Customer(_) => Vec::new(),
            Self::Contact(row) => row
                .partner_id
                .map(partner)
                .or_else(|| row.customer_id.map(customer))
                .into_iter()
                .collect(),
            Self::Deal(row, shares) => {
                let partners = shares.iter().map(|share| partner(share.partner));
                partners.chain(row.customer_id.map(customer)).collect()
            }
        }
    }
}

/// Our row that a push names.
pub(super) fn subject_of(push: &outbound_push::Model) -> Option<Subject> {
    let (kind, _) = resource_of(&push.subject_kind)?;
    Some((kind, push.subject_id))
}

async fn find<E>(change: &Change, ids: Vec<Uuid>) -> Result<Vec<E::Model>>
where
    E: Visible,
    E::Model: Versioned,
{
    let mut rows = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(500) {
        let system = Viewer::system("push");
        let found = visible::find_all::<E, _>(change.transaction(), &system, chunk.to_vec());
        rows.extend(found.await?);
    }
    Ok(rows)
}

/// Reads rows by their ids.
pub(super) async fn load(
    change: &Change,
    subjects: impl IntoIterator<Item = Subject>,
) -> Result<HashMap<Uuid, Row>> {
    let mut by_kind: HashMap<&'static str, Vec<Uuid>> = HashMap::new();
    for (kind, id) in subjects {
        by_kind.entry(kind).or_default().push(id);
    }
    let mut of = |kind| by_kind.remove(kind).unwrap_or_default();
    let (partners, customers) = (of(PartnerId::PREFIX), of(CustomerId::PREFIX));
    let (contacts, deals) = (of(ContactId::PREFIX), of(DealId::PREFIX));
    let mut rows = HashMap::new();
    for row in find::<partner::Entity>(change, partners).await? {
        rows.insert(row.id.0, Row::Partner(row));
    }
    for row in find::<customer::Entity>(change, customers).await? {
        rows.insert(row.id.0, Row::Customer(row));
    }
    for row in find::<contact::Entity>(change, contacts).await? {
        rows.insert(row.id.0, Row::Contact(row));
    }
    let mut shares = shares_of(change, &deals).await?;
    for row in find::<deal::Entity>(change, deals).await? {
        let shares = shares.remove(&row.id).unwrap_or_default();
        rows.insert(row.id.0, Row::Deal(row, shares));
    }
    Ok(rows)
}

async fn shares_of(change: &Change, deals: &[Uuid]) -> Result<HashMap<DealId, Vec<ShareOf>>> {
    let mut shares: HashMap<DealId, Vec<ShareOf>> = HashMap::new();
    for chunk in deals.chunks(500) {
        let ids = chunk.iter().copied().map(DealId);
        let rows = deal_partner::Entity::visible_to(&Viewer::system("push"))
            .filter(deal_partner::Column::DealId.is_in(ids))
            .all(change.transaction())
            .await
            .map_err(entities::error::Error::from)?;
        for row in rows {
            shares.entry(row.deal_id).or_default().push(ShareOf {
                partner: row.partner_id,
                role: row.role,
                weight_bp: row.weight_bp.points(),
            });
        }
    }
    Ok(shares)
}

/// Which of these rows were brought here by a connection. One of those that has no record there (any more) was merged, put away for good or
/// turned into another row there: to create it again would make a double.
pub(super) async fn brought_by(
    connection: &impl ConnectionTrait,
    id: ConnectionId,
    subjects: &[Uuid],
) -> Result<HashSet<Uuid>> {
    let kinds = [
        EventKind::PartnerCreated,
        EventKind::CustomerCreated,
        EventKind::ContactCreated,
        EventKind::DealCreated,
    ]
    .map(EventKind::as_str);
    let mut found = HashSet::new();
    for chunk in subjects.chunks(500) {
        let select = event::Entity::visible_to(&Viewer::system("push"))
            .filter(event::Column::SubjectId.is_in(chunk.iter().copied()))
            .filter(event::Column::ConnectionId.eq(id))
            .filter(event::Column::Kind.is_in(kinds));
        let rows = select
            .all(connection)
            .await
            .map_err(entities::error::Error::from)?;
        found.extend(rows.into_iter().map(|row| row.subject_id));
    }
    Ok(found)
}
