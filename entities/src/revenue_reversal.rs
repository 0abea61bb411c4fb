//! Which part of which payment a refund took back. Written when the refund is computed, or before it where somebody says what it refunds.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::RevenueEventId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// A part that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revenue_reversal")]
#[expect(missing_docs, reason = "named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub refund_id: RevenueEventId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: RevenueEventId,
    pub amount_minor: i64,
    pub created_at: Timestamp,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// What was taken back of these payments.
///
/// # Errors
/// When the database fails.
pub async fn of_payments(
    connection: &impl ConnectionTrait,
    payments: &[RevenueEventId],
) -> Result<Vec<Model>> {
    by(connection, Column::PaymentId, payments).await
}

/// What these refunds took back.
///
/// # Errors
/// When the database fails.
pub async fn of_refunds(
    connection: &impl ConnectionTrait,
    refunds: &[RevenueEventId],
) -> Result<Vec<Model>> {
    by(connection, Column::RefundId, refunds).await
}

async fn by(
    connection: &impl ConnectionTrait,
    column: Column,
    ids: &[RevenueEventId],
) -> Result<Vec<Model>> {
    let mut found: Vec<Model> = Vec::new();
    for chunk in ids.chunks(5_000) {
        let select = Entity::visible_to(&Viewer::system("revenue_reversal"))
            .filter(column.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    found.sort_unstable_by_key(|row| (row.refund_id, row.payment_id));
    Ok(found)
}
