//! Which statements, and in which order.

use crate::graphql::filter::{DateFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{PartnerId, StatementId};
use entities::statement::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{QueryFilter, Select};

/// Which statements.
#[derive(Clone, Debug, Default, InputObject)]
pub struct StatementFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By the end of the period; together with a partner.
    pub ends_on: Option<DateFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl StatementFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<StatementId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.ends_on {
            select = select.filter(filter.on(column(Column::EndsOn)));
        }
        Ok(select)
    }
}

order_type!(StatementOrder, StatementOrderField, Entity, "statements", {
    /// The number among the partner's in its currency.
    Number => Column::Number, false;
});

/// The statements of a partner.
#[derive(Clone, Copy)]
pub(crate) struct OfPartner;

impl crate::graphql::page::OfParent for OfPartner {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PartnerId).eq(parent))
    }
}
