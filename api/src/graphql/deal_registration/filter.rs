//! Which deal registrations, and in which order.

use super::RegistrationStatusFilter;
use crate::graphql::filter::{DateTimeFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::deal_registration::{Column, Entity};
use entities::id::{DealRegistrationId, PartnerId, PartnershipId};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{QueryFilter, Select};

/// Which deal registrations.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DealRegistrationFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By partnership; together with a partner where there are many.
    pub partnership_id: Option<IdFilter>,
    /// By how far they are.
    pub status: Option<RegistrationStatusFilter>,
    /// By when they were handed in; together with a state.
    pub submitted_at: Option<DateTimeFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl DealRegistrationFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<DealRegistrationId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.partnership_id {
            select = select.filter(filter.on::<PartnershipId>(column(Column::PartnershipId))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        if let Some(filter) = self.submitted_at {
            select = select.filter(filter.on(column(Column::SubmittedAt)));
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(DealRegistrationOrder, DealRegistrationOrderField, Entity, "deal registrations", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// When it was handed in; filter by state to read it from an index.
    SubmittedAt => Column::SubmittedAt, true;
});

/// The registrations of a partnership.
#[derive(Clone, Copy)]
pub(crate) struct OfPartnership;

impl crate::graphql::page::OfParent for OfPartnership {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PartnershipId).eq(parent))
    }
}
