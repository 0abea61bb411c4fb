//! Which applications, and in which order.

use super::{PartnerApplicationSourceFilter, PartnerApplicationStatusFilter};
use crate::graphql::filter::{DateTimeFilter, IdFilter, TextFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{PartnerApplicationId, PartnerId, ProgramId};
use entities::partner_application::{Column, Entity};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which applications.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PartnerApplicationFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By programme.
    pub program_id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By what became of them.
    pub status: Option<PartnerApplicationStatusFilter>,
    /// By how they came.
    pub source: Option<PartnerApplicationSourceFilter>,
    /// By the domain they give, in lower case and without `www.`.
    pub domain: Option<TextFilter>,
    /// By when they were handed in.
    pub created_at: Option<DateTimeFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl PartnerApplicationFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<PartnerApplicationId>(column(Column::Id))?);
        }
        if let Some(filter) = self.program_id {
            select = select.filter(filter.on::<ProgramId>(column(Column::ProgramId))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        if let Some(filter) = self.source {
            select = select.filter(filter.on(column(Column::Source))?);
        }
        if let Some(filter) = self.domain {
            select = select.filter(filter.on(column(Column::Domain))?);
        }
        if let Some(filter) = self.created_at {
            select = select.filter(filter.on(column(Column::CreatedAt)));
        }
        Ok(select)
    }
}

order_type!(PartnerApplicationOrder, PartnerApplicationOrderField, Entity, "applications", {
    /// When it was handed in.
    CreatedAt => Column::CreatedAt, false;
});
