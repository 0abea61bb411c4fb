//! Which goals, and in which order.

use crate::graphql::filter::{DateFilter, IdFilter, TextFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::goal::{Column, Entity};
use entities::id::GoalId;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{QueryFilter, Select};

/// Which goals. Those that were put away are left out, unless asked for.
#[derive(Clone, Debug, Default, InputObject)]
pub struct GoalFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By key.
    pub key: Option<TextFilter>,
    /// By the day they are due on.
    pub due_on: Option<DateFilter>,
    /// True: also those that were put away.
    #[graphql(default)]
    pub include_archived: bool,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl GoalFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<GoalId>(column(Column::Id))?);
        }
        if let Some(filter) = self.key {
            select = select.filter(filter.on(column(Column::Key))?);
        }
        if let Some(filter) = self.due_on {
            select = select.filter(filter.on(column(Column::DueOn)));
        }
        if !self.include_archived {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        Ok(select)
    }
}

order_type!(GoalOrder, GoalOrderField, Entity, "goals", {
    /// When it is due.
    DueOn => Column::DueOn, true;
    /// What it is known by.
    Key => Column::Key, false;
});
