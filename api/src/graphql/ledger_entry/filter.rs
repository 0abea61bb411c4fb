//! Which entries of the ledger, and in which order.

use super::{LedgerKindFilter, LedgerStatusFilter};
use crate::graphql::filter::{DateFilter, DateTimeFilter, IdFilter, MoneyFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{
    LedgerEntryId, PartnerId, PartnershipId, PayoutId, RevenueEventId, StatementId,
};
use entities::ledger_entry::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{QueryFilter, Select};

/// Which entries of the ledger.
#[derive(Clone, Debug, Default, InputObject)]
pub struct LedgerEntryFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By partnership.
    pub partnership_id: Option<IdFilter>,
    /// By the revenue it was earned from.
    pub revenue_event_id: Option<IdFilter>,
    /// By the statement that told of it.
    pub statement_id: Option<IdFilter>,
    /// By the payout it is in.
    pub payout_id: Option<IdFilter>,
    /// By what it is; together with a partner, a partnership or a state.
    pub kind: Option<LedgerKindFilter>,
    /// By where it stands.
    pub status: Option<LedgerStatusFilter>,
    /// By amount, within one currency; together with a partner, a partnership or a state.
    pub amount: Option<MoneyFilter>,
    /// By the day on which it can be paid; together with a state.
    pub available_on: Option<DateFilter>,
    /// By when it was written; together with a partner.
    pub created_at: Option<DateTimeFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl LedgerEntryFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<LedgerEntryId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.partnership_id {
            select = select.filter(filter.on::<PartnershipId>(column(Column::PartnershipId))?);
        }
        if let Some(filter) = self.revenue_event_id {
            select = select.filter(filter.on::<RevenueEventId>(column(Column::RevenueEventId))?);
        }
        if let Some(filter) = self.statement_id {
            select = select.filter(filter.on::<StatementId>(column(Column::StatementId))?);
        }
        if let Some(filter) = self.payout_id {
            select = select.filter(filter.on::<PayoutId>(column(Column::PayoutId))?);
        }
        if let Some(filter) = self.kind {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        if let Some(filter) = self.amount {
            select = select
                .filter(filter.on(column(Column::AmountMinor), column(Column::AmountCurrency))?);
        }
        if let Some(filter) = self.available_on {
            select = select.filter(filter.on(column(Column::AvailableOn)));
        }
        if let Some(filter) = self.created_at {
            select = select.filter(filter.on(column(Column::CreatedAt)));
        }
        Ok(select)
    }
}

order_type!(LedgerEntryOrder, LedgerEntryOrderField, Entity, "ledger entries", {
    /// When it was written; filter by partner to read it from an index.
    CreatedAt => Column::CreatedAt, false;
    /// The day on which it can be paid; filter by state to read it from an index.
    AvailableOn => Column::AvailableOn, false;
});

/// The entries of a partnership.
#[derive(Clone, Copy)]
pub(crate) struct OfPartnership;

impl crate::graphql::page::OfParent for OfPartnership {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PartnershipId).eq(parent))
    }
}

/// The entries that a statement told of.
#[derive(Clone, Copy)]
pub(crate) struct OfStatement;

impl crate::graphql::page::OfParent for OfStatement {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::StatementId).eq(parent))
    }
}

/// The entries of a payout, and that it was paid.
#[derive(Clone, Copy)]
pub(crate) struct OfPayout;

impl crate::graphql::page::OfParent for OfPayout {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PayoutId).eq(parent))
    }
}
