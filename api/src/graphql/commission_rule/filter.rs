//! Which commission rules, and in which order.

use crate::graphql::filter::{DateFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::commission_rule::{Column, Entity};
use entities::id::{CommissionRuleId, ProgramId};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Which commission rules.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CommissionRuleFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By programme.
    pub program_id: Option<IdFilter>,
    /// By the first day.
    pub effective_on: Option<DateFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl CommissionRuleFilter {
    pub(crate) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<CommissionRuleId>(column(Column::Id))?);
        }
        if let Some(filter) = self.program_id {
            select = select.filter(filter.on::<ProgramId>(column(Column::ProgramId))?);
        }
        if let Some(filter) = self.effective_on {
            select = select.filter(filter.on(column(Column::EffectiveOn)));
        }
        Ok(select)
    }
}

order_type!(CommissionRuleOrder, CommissionRuleOrderField, Entity, "commission rules", {
    /// The first day on which it holds.
    EffectiveOn => Column::EffectiveOn, false;
});
