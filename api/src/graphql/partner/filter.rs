//! Which partners are asked for, and in which order.

use crate::graphql::filter::{DateTimeFilter, IdFilter, TextFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::PartnerId;
use entities::partner::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{QueryFilter, Select};

use super::PartnerStatusFilter;

/// Which partners.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PartnerFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By name.
    pub name: Option<TextFilter>,
    /// By domain, normalised.
    pub domain: Option<TextFilter>,
    /// By status.
    pub status: Option<PartnerStatusFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
    /// True: archived ones too. They are left out otherwise.
    pub include_archived: Option<bool>,
}

pub(super) fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl PartnerFilter {
    pub(super) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if !self.include_archived.unwrap_or(false) {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<PartnerId>(column(Column::Id))?);
        }
        if let Some(filter) = self.name {
            select = select.filter(filter.on(column(Column::Name))?);
        }
        if let Some(filter) = self.domain {
            select = select.filter(filter.on(column(Column::Domain))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(PartnerOrder, PartnerOrderField, Entity, "partners", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// Its name.
    Name => Column::Name, false;
    /// Its status.
    Status => Column::Status, false;
});
