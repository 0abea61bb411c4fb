//! Which partnerships are asked for, and in which order.

use crate::graphql::filter::{DateTimeFilter, IdFilter};
use crate::graphql::list::order_type;
use async_graphql::{InputObject, Result};
use entities::id::{PartnerId, PartnershipId};
use entities::partnership::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{QueryFilter, Select};

use super::{PartnerTypeFilter, PartnershipStatusFilter, PipelineStageFilter};

/// Which partnerships.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PartnershipFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By partner.
    pub partner_id: Option<IdFilter>,
    /// By type.
    pub r#type: Option<PartnerTypeFilter>,
    /// By stage.
    pub stage: Option<PipelineStageFilter>,
    /// By status.
    pub status: Option<PartnershipStatusFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
}

pub(super) fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl PartnershipFilter {
    pub(super) fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<PartnershipId>(column(Column::Id))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.r#type {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.stage {
            select = select.filter(filter.on(column(Column::Stage))?);
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

order_type!(PartnershipOrder, PartnershipOrderField, Entity, "partnerships", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// Its stage, by name.
    Stage => Column::Stage, false;
});

/// The partnerships of a partner.
#[derive(Clone, Copy)]
pub(crate) struct OfPartner;

impl crate::graphql::page::OfParent for OfPartner {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PartnerId).eq(parent))
    }
}
