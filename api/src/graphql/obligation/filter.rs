//! Which obligations, and in which order.

use super::{ObligationKindFilter, ObligationStatusFilter};
use crate::graphql::filter::{DateFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{AgreementId, ObligationId, PartnerId};
use entities::obligation::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which obligations.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ObligationFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By agreement.
    pub agreement_id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By what is asked for.
    pub kind: Option<ObligationKindFilter>,
    /// By whether it is done.
    pub status: Option<ObligationStatusFilter>,
    /// By the day.
    pub due_on: Option<DateFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl ObligationFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<ObligationId>(column(Column::Id))?);
        }
        if let Some(filter) = self.agreement_id {
            select = select.filter(filter.on::<AgreementId>(column(Column::AgreementId))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.kind {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        if let Some(filter) = self.due_on {
            select = select.filter(filter.on(column(Column::DueOn)));
        }
        Ok(select)
    }
}

order_type!(ObligationOrder, ObligationOrderField, Entity, "obligations", {
    /// The day by which it is due.
    DueOn => Column::DueOn, false;
});
