//! Orders that named a partner before it was here.
//!
//! Owns: having stored orders read again when somebody comes whom they may have named: a partnership begins, or a partner is found under another
//! domain. Refuses: to ask the shop, for what its orders say is stored; and to take money that is recorded to another partner. Invariant: the
//! wish is part of the transaction that moves the reader of the log on, so nobody's coming is passed over.

use super::error::Result;
use super::remap;
use entities::change::Change;
use entities::connection::mapping::order::{OrderMapping, PartnerRef};
use entities::connection::{self, ConnectionStatus};
use entities::error::Error as EntityError;
use entities::event::{self, EventKind, Head};
use entities::id::EventId;
use entities::partner;
use entities::partnership;
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Has the orders read again that may have named one of those who came by these events.
pub(super) async fn look(change: &Change, events: &[Head]) -> Result<()> {
    let rows = connection::Entity::visible_to(&Viewer::system("attribution"))
        .filter(connection::Column::Status.is_in([
            ConnectionStatus::Active,
            ConnectionStatus::Degraded,
            ConnectionStatus::ReauthRequired,
            ConnectionStatus::Paused,
        ]))
        // Locked in one order by everybody who locks several.
        .order_by_asc(connection::Column::Id)
        .all(change.transaction())
        .await
        .map_err(EntityError::from)?;
    let mut shops = rows
        .into_iter()
        .filter(|row| !row.mapping.order.partner_from.is_empty())
        .peekable();
    if shops.peek().is_none() {
        return Ok(());
    }
    let arrived = arrived(change.transaction(), events).await?;
    for row in shops {
        if arrived.iter().any(|one| may_name(&row.mapping.order, one)) {
            remap::orders_again(change, row.id).await?;
        }
    }
    Ok(())
}

/// The partners whom orders can name since these events.
async fn arrived(
    connection: &impl ConnectionTrait,
    events: &[Head],
) -> Result<Vec<partner::Model>> {
    let of = |kind: EventKind| {
        events
            .iter()
            .filter(move |event| event.kind == kind.as_str())
    };
    let begun = of(EventKind::PartnershipCreated).map(|event| event.subject_id);
    let system = Viewer::system("attribution");
    let begun = visible::find_all::<partnership::Entity, _>(connection, &system, begun).await?;
    let mut ids: BTreeSet<Uuid> = begun.into_iter().map(|row| row.partner_id.0).collect();
    ids.extend(of(EventKind::PartnerRestored).map(|event| event.subject_id));
    let updated: Vec<EventId> = of(EventKind::PartnerUpdated)
        .map(|event| event.id)
        .collect();
    for some in updated.chunks(500) {
        let whole = event::Entity::visible_to(&system)
            .filter(event::Column::Id.is_in(some.iter().copied()))
            .all(connection)
            .await
            .map_err(EntityError::from)?;
        let moved = whole
            .into_iter()
            .filter(|event| event.data.get("domain").is_some());
        ids.extend(moved.map(|event| event.subject_id));
    }
    Ok(visible::find_all::<partner::Entity, _>(connection, &system, ids).await?)
}

/// Whether an order may have named a partner by this mapping.
fn may_name(mapping: &OrderMapping, partner: &partner::Model) -> bool {
    let means = |named: &PartnerRef| match named {
        PartnerRef::Id(id) => *id == partner.id,
        PartnerRef::Domain(domain) => partner.domain.as_ref() == Some(domain),
    };
    mapping.partner_from.iter().any(|source| {
        (source.by_domain && partner.domain.is_some()) || source.partners.values().any(means)
    })
}
