//! What deals are worth: sums in the database, one statement each, never across currencies.

use super::{Column, DealStage, Entity};
use crate::database::Database;
use crate::deal_partner::{self, DealPartnerRole};
use crate::error::Result;
use crate::id::PartnerId;
use crate::money::{Currency, Money};
use crate::viewer::Viewer;
use crate::visible::Visible;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use std::collections::HashMap;

/// Deals of one stage and currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct StageTotal {
    /// The stage.
    pub stage: DealStage,
    /// The currency; absent for deals whose amount is not known.
    pub currency: Option<Currency>,
    /// How many deals.
    pub count: i64,
    /// The sum of their amounts in minor units; absent with the currency.
    pub minor: Option<i64>,
}

impl StageTotal {
    /// The sum of the amounts that are known.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        Some(Money {
            minor: self.minor?,
            currency: self.currency?,
        })
    }
}

/// Sums a selection of deals by stage and currency.
///
/// # Errors
/// When the database fails, or a sum exceeds 64 bits.
pub async fn by_stage(database: &Database, deals: Select<Entity>) -> Result<Vec<StageTotal>> {
    let select = deals
        .select_only()
        .column(Column::Stage)
        .column_as(Column::AmountCurrency, "currency")
        .expr_as(Expr::cust("COUNT(*)"), "count")
        .expr_as(
            Expr::cust("CAST(SUM(\"deal\".\"amount_minor\") AS BIGINT)"),
            "minor",
        )
        .group_by(Column::Stage)
        .group_by(Column::AmountCurrency)
        .order_by_asc(Column::Stage)
        .order_by_asc(Column::AmountCurrency);
    Ok(select.into_model().all(database.read()).await?)
}

#[derive(FromQueryResult)]
struct Won {
    partner_id: PartnerId,
    currency: Currency,
    minor: i64,
}

/// What the won deals of these partners are worth, each deal by the partner's weight in it, rounded half up to the minor unit
/// (invariant 12). Influence does not count; archived deals do not count. A partner without any is absent.
///
/// # Errors
/// When the database fails, or a sum exceeds 64 bits.
pub async fn won_by_partner(
    database: &Database,
    viewer: &Viewer,
    partners: impl IntoIterator<Item = PartnerId>,
) -> Result<HashMap<PartnerId, Vec<Money>>> {
    // Split into whole and remainder, so that the product stays within 64 bits whatever the amount. Both databases cut towards zero;
    // the remainder is lifted above it by a whole first, so that half up means the same below zero.
    let weighted = "(\"deal\".\"amount_minor\" / 10000) * \"deal_partner\".\"weight_bp\" \
                    + ((\"deal\".\"amount_minor\" % 10000) * \"deal_partner\".\"weight_bp\" + 100005000) / 10000 - 10000";
    let mut select = Entity::visible_to(viewer)
        .filter(Column::Stage.eq(DealStage::Won))
        .filter(Column::ArchivedAt.is_null())
        .filter(Column::AmountMinor.is_not_null())
        .filter(
            Condition::all()
                .add(deal_partner::Column::PartnerId.is_in(partners))
                .add(deal_partner::Column::Role.is_in(DealPartnerRole::earning())),
        )
        .select_only();
    if let Some(visible) = deal_partner::Entity::visibility(viewer) {
        select = select.filter(visible);
    }
    let mut statement = select.into_query();
    statement
        .inner_join(
            deal_partner::Entity,
            Expr::col((deal_partner::Entity, deal_partner::Column::DealId))
                .equals((Entity, Column::Id)),
        )
        .column((deal_partner::Entity, deal_partner::Column::PartnerId))
        .expr_as(Expr::col((Entity, Column::AmountCurrency)), "currency")
        .expr_as(
            Expr::cust(format!("CAST(SUM({weighted}) AS BIGINT)")),
            "minor",
        )
        .group_by_columns([(deal_partner::Entity, deal_partner::Column::PartnerId)])
        .add_group_by([Expr::col((Entity, Column::AmountCurrency))])
        .order_by((Entity, Column::AmountCurrency), sea_orm::Order::Asc);
    let mut won: HashMap<PartnerId, Vec<Money>> = HashMap::new();
    for row in database.read().query_all(&statement).await? {
        let row = Won::from_query_result(&row, "")?;
        won.entry(row.partner_id).or_default().push(Money {
            minor: row.minor,
            currency: row.currency,
        });
    }
    Ok(won)
}
