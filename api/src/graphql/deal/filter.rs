//! Which deals are asked for, and in which order.

use crate::graphql::filter::{DateFilter, DateTimeFilter, IdFilter, MoneyFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::deal::{Column, Entity};
use entities::deal_partner;
use entities::id::{CustomerId, DealId, PartnerId};
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{QueryFilter, QuerySelect, QueryTrait, Select};

use super::DealStageFilter;

/// Which deals.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DealFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By stage.
    pub stage: Option<DealStageFilter>,
    /// By customer.
    pub customer_id: Option<IdFilter>,
    /// True: only deals with a customer; false: only deals without one.
    pub has_customer: Option<bool>,
    /// By a partner that shares in it.
    pub partner_id: Option<IdFilter>,
    /// By amount, within one currency.
    pub amount: Option<MoneyFilter>,
    /// By the day it is expected to close.
    pub expected_close_on: Option<DateFilter>,
    /// By the instant it closed.
    pub closed_at: Option<DateTimeFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
    /// True: archived ones too. They are left out otherwise.
    pub include_archived: Option<bool>,
}

pub(super) fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl DealFilter {
    /// The deals that the viewer may see, narrowed. A partner that the viewer may not see shares in no deal, as far as it can tell.
    pub(super) fn on(self, viewer: &Viewer) -> Result<Select<Entity>> {
        let mut select = Entity::visible_to(viewer);
        if !self.include_archived.unwrap_or(false) {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<DealId>(column(Column::Id))?);
        }
        if let Some(filter) = self.stage {
            select = select.filter(filter.on(column(Column::Stage))?);
        }
        if let Some(filter) = self.customer_id {
            select = select.filter(filter.on::<CustomerId>(column(Column::CustomerId))?);
        }
        if let Some(has) = self.has_customer {
            let customer = column(Column::CustomerId);
            select = select.filter(if has {
                customer.is_not_null()
            } else {
                customer.is_null()
            });
        }
        if let Some(filter) = self.partner_id {
            let shares = deal_partner::Entity::visible_to(viewer)
                .select_only()
                .column(deal_partner::Column::DealId)
                .filter(filter.on::<PartnerId>(Expr::col((
                    deal_partner::Entity,
                    deal_partner::Column::PartnerId,
                )))?);
            select = select.filter(column(Column::Id).in_subquery(shares.into_query()));
        }
        if let Some(filter) = self.amount {
            select = select
                .filter(filter.on(column(Column::AmountMinor), column(Column::AmountCurrency))?);
        }
        if let Some(filter) = self.expected_close_on {
            select = select.filter(filter.on(column(Column::ExpectedCloseOn)));
        }
        if let Some(filter) = self.closed_at {
            select = select.filter(filter.on(column(Column::ClosedAt)));
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(DealOrder, DealOrderField, Entity, "deals", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// Its stage, by name.
    Stage => Column::Stage, false;
    /// Its amount in minor units; filter by currency to compare like with like.
    Amount => Column::AmountMinor, true;
    /// The day it is expected to close.
    ExpectedCloseOn => Column::ExpectedCloseOn, true;
    /// The instant it closed.
    ClosedAt => Column::ClosedAt, true;
});

/// The deals a partner shares in, each once, however many roles it has in it.
#[derive(Clone, Copy)]
pub(crate) struct OfPartner;

impl crate::graphql::page::OfParent for OfPartner {
    type Child = Entity;

    fn narrow(&self, mut select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        use deal_partner::Column as Share;
        // The index on partner and deal gives the distinct deals in the order of their ids, and a page stops reading where it is full.
        let shared = Query::select()
            .distinct()
            .column(Share::DealId)
            .from(deal_partner::Entity)
            .and_where(Expr::col(Share::PartnerId).eq(parent))
            .to_owned();
        let joined = Expr::col(("share", Share::DealId)).eq(column(Column::Id));
        QueryTrait::query(&mut select).join_subquery(
            sea_orm::JoinType::InnerJoin,
            shared,
            "share",
            joined,
        );
        select
    }
}

/// The deals of a customer.
#[derive(Clone, Copy)]
pub(crate) struct OfCustomer;

impl crate::graphql::page::OfParent for OfCustomer {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::CustomerId).eq(parent))
    }
}
