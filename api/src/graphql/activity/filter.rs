//! Which activities, and in which order.

use super::ActivityKindFilter;
use crate::graphql::filter::{DateTimeFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::activity::{Column, Entity};
use entities::id::{ActivityId, PartnerId, PartnershipId};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which activities.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ActivityFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By partnership.
    pub partnership_id: Option<IdFilter>,
    /// By what was done.
    pub kind: Option<ActivityKindFilter>,
    /// By when it was.
    pub occurred_at: Option<DateTimeFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl ActivityFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<ActivityId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.partnership_id {
            select = select.filter(filter.on::<PartnershipId>(column(Column::PartnershipId))?);
        }
        if let Some(filter) = self.kind {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.occurred_at {
            select = select.filter(filter.on(column(Column::OccurredAt)));
        }
        Ok(select)
    }
}

order_type!(ActivityOrder, ActivityOrderField, Entity, "activities", {
    /// When it was.
    OccurredAt => Column::OccurredAt, false;
});
