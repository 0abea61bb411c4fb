//! Which objections, and in which order.

use super::LedgerDisputeStatusFilter;
use crate::graphql::filter::IdFilter;
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{LedgerDisputeId, LedgerEntryId, PartnerId};
use entities::ledger_dispute::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which objections.
#[derive(Clone, Debug, Default, InputObject)]
pub struct LedgerDisputeFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By the entry they object to.
    pub ledger_entry_id: Option<IdFilter>,
    /// By what became of them.
    pub status: Option<LedgerDisputeStatusFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl LedgerDisputeFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<LedgerDisputeId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.ledger_entry_id {
            select = select.filter(filter.on::<LedgerEntryId>(column(Column::LedgerEntryId))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(LedgerDisputeOrder, LedgerDisputeOrderField, Entity, "objections", {
    /// When it was raised.
    CreatedAt => Column::CreatedAt, false;
});
