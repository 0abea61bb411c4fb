//! Which payouts, and in which order.

use super::PayoutStatusFilter;
use crate::graphql::filter::{IdFilter, TextFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{PartnerId, PayoutId};
use entities::payout::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{QueryFilter, Select};

/// Which payouts.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PayoutFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By the batch they were made in.
    pub batch: Option<TextFilter>,
    /// By how far they are.
    pub status: Option<PayoutStatusFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl PayoutFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<PayoutId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.batch {
            select = select.filter(filter.on(column(Column::Batch))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(PayoutOrder, PayoutOrderField, Entity, "payouts", {
    /// When it was made.
    CreatedAt => Column::CreatedAt, false;
});

/// The payouts of a partner.
#[derive(Clone, Copy)]
pub(crate) struct OfPartner;

impl crate::graphql::page::OfParent for OfPartner {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PartnerId).eq(parent))
    }
}
