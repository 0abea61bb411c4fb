//! Which programmes, and in which order.

use crate::graphql::filter::{DateTimeFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::ProgramId;
use entities::program::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{QueryFilter, Select};

/// Which programmes.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ProgramFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
    /// Also those that were put away.
    #[graphql(default)]
    pub include_archived: bool,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl ProgramFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<ProgramId>(column(Column::Id))?);
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        if !self.include_archived {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        Ok(select)
    }
}

order_type!(ProgramOrder, ProgramOrderField, Entity, "programmes", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
});
