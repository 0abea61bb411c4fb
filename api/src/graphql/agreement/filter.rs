//! Which agreements, and in which order.

use super::AgreementStatusFilter;
use crate::graphql::filter::{DateFilter, DateTimeFilter, IdFilter, TextFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::agreement::{Column, Entity};
use entities::id::{AgreementId, PartnerId, PartnershipId};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which agreements.
#[derive(Clone, Debug, Default, InputObject)]
pub struct AgreementFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By what it is called.
    pub number: Option<TextFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By partnership.
    pub partnership_id: Option<IdFilter>,
    /// By where it stands.
    pub status: Option<AgreementStatusFilter>,
    /// By the end of its present term.
    pub term_ends_on: Option<DateFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl AgreementFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<AgreementId>(column(Column::Id))?);
        }
        if let Some(filter) = self.number {
            select = select.filter(filter.on(column(Column::Number))?);
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
        if let Some(filter) = self.term_ends_on {
            select = select.filter(filter.on(column(Column::TermEndsOn)));
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(AgreementOrder, AgreementOrderField, Entity, "agreements", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// The end of its present term; filter by status to read it from an index.
    TermEndsOn => Column::TermEndsOn, false;
});
