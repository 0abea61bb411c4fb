//! Which revenue has been computed, which waits, and why some of it earned nothing.
//!
//! History does not act, by absence: revenue without a row here earns nothing, and only what is recorded as it happens gets one. [`mark_history`] is the
//! way in for what was there before.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{CommissionRunId, RevenueEventId};
use crate::revenue_event;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use std::collections::HashSet;

text_enum! {
    /// Whether revenue has been computed.
    AccrualStatus {
        /// It waits.
        Pending,
        /// It has, and there are entries of it.
        Accrued,
        /// It has, and there are none.
        Nothing,
    }
}

text_enum! {
    /// Why revenue earned nothing, or not all.
    AccrualReason {
        /// It is no partner's. Computed again once it is.
        Nobody,
        /// No agreement was in force.
        NoAgreement,
        /// No rule has a rate for it.
        NoRate,
        /// The agreement shares another kind of revenue.
        OtherBase,
        /// The share's time is over.
        DurationOver,
        /// A refund of which no payment is known. Computed again once there is one.
        Unmatched,
        /// A refund larger than what is left of its payments.
        Exceeds,
        /// A sum does not fit.
        TooLarge,
    }
}

/// A piece of revenue.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revenue_accrual")]
#[expect(missing_docs, reason = "named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub revenue_event_id: RevenueEventId,
    pub occurred_at: Timestamp,
    pub status: AccrualStatus,
    pub reason: Option<AccrualReason>,
    pub run_id: Option<CommissionRunId>,
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

const COLUMNS: [write::Column; 3] = [
    write::Column::plain("revenue_event_id"),
    write::Column::plain("occurred_at"),
    write::Column::plain("status"),
];

/// Lets revenue wait to be computed.
pub(crate) async fn raise(change: &Change, events: &[(RevenueEventId, Timestamp)]) -> Result<()> {
    let rows = events.iter().map(|(id, at)| {
        Ok([
            (*id).into(),
            (*at).into(),
            AccrualStatus::Pending.to_value().into(),
        ])
    });
    let known = " ON CONFLICT DO NOTHING";
    write::insert_values(
        change.transaction(),
        "revenue_accrual",
        &COLUMNS,
        rows,
        known,
    )
    .await
}

/// Which of these wait to be computed or have been; the others are history's.
pub(crate) async fn told_of(
    connection: &impl ConnectionTrait,
    events: &[RevenueEventId],
) -> Result<HashSet<RevenueEventId>> {
    let mut told = HashSet::new();
    for chunk in events.chunks(500) {
        let rows = Entity::visible_to(&Viewer::system("accrual"))
            .filter(Column::RevenueEventId.is_in(chunk.iter().copied()))
            .all(connection)
            .await?;
        told.extend(rows.into_iter().map(|row| row.revenue_event_id));
    }
    Ok(told)
}

/// Lets the revenue of history wait to be computed, from an instant on. The answer says how much of it there is.
pub(crate) async fn mark_history(change: &Change, from: Timestamp) -> Result<u64> {
    let (mut marked, mut after) = (0, None::<RevenueEventId>);
    loop {
        let mut select = revenue_event::Entity::visible_to(&Viewer::system("accrual"))
            .filter(revenue_event::Column::OccurredAt.gte(from))
            .filter(Expr::cust(
                "NOT EXISTS (SELECT 1 FROM revenue_accrual WHERE revenue_accrual.revenue_event_id = revenue_event.id)",
            ));
        if let Some(after) = after {
            select = select.filter(revenue_event::Column::Id.gt(after));
        }
        let page: Vec<(RevenueEventId, Timestamp)> = select
            .select_only()
            .column(revenue_event::Column::Id)
            .column(revenue_event::Column::OccurredAt)
            .order_by_asc(revenue_event::Column::Id)
            .limit(5_000)
            .into_tuple()
            .all(change.transaction())
            .await?;
        let Some(last) = page.last() else {
            return Ok(marked);
        };
        after = Some(last.0);
        marked += page.len() as u64;
        raise(change, &page).await?;
    }
}

/// Lets wait again what was nobody's and now is somebody's, and refunds whose payment has been told since.
pub(crate) async fn reopen(change: &Change) -> Result<()> {
    let somebody = "EXISTS (SELECT 1 FROM revenue_event AS e WHERE e.id = revenue_accrual.revenue_event_id AND (e.partnership_id IS NOT NULL \
         OR EXISTS (SELECT 1 FROM deal_partner AS d WHERE d.deal_id = e.deal_id AND d.role <> 'INFLUENCED')))";
    // A payment that a refund may be of: the one that was named; else the same kind of money for the same deal (the same customer, where there is no
    // deal). It is computed already, or is before the refund is; history's is not until somebody asks.
    let paid = "EXISTS (SELECT 1 FROM revenue_event AS e JOIN revenue_event AS p ON p.id <> e.id AND p.amount_minor > 0 \
         AND p.kind IN ('INVOICE', 'PAYMENT', 'ADJUSTMENT') AND (p.kind = 'INVOICE') = (e.kind = 'CREDIT_NOTE') \
         AND (p.source = 'deal') = (e.source = 'deal') AND p.amount_currency = e.amount_currency \
         AND (p.deal_id = e.deal_id OR (e.deal_id IS NULL AND p.deal_id IS NULL AND p.customer_id = e.customer_id)) \
         JOIN revenue_accrual AS w ON w.revenue_event_id = p.id AND (w.status <> 'PENDING' OR p.occurred_at < e.occurred_at \
         OR (p.occurred_at = e.occurred_at AND p.id < e.id)) \
         WHERE e.id = revenue_accrual.revenue_event_id \
         AND (NOT EXISTS (SELECT 1 FROM revenue_reversal AS r WHERE r.refund_id = e.id) \
         OR EXISTS (SELECT 1 FROM revenue_reversal AS r WHERE r.refund_id = e.id AND r.payment_id = p.id)))";
    for (reason, again) in [
        (AccrualReason::Nobody, somebody),
        (AccrualReason::Unmatched, paid),
    ] {
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(AccrualStatus::Pending))
            .col_expr(Column::Reason, Expr::value(None::<String>))
            .filter(Column::Reason.eq(reason))
            .filter(Column::Status.eq(AccrualStatus::Nothing))
            .filter(Expr::cust(again))
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}

/// What waits, in the order in which the money moved.
pub(crate) async fn pending(connection: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("accrual"))
        .filter(Column::Status.eq(AccrualStatus::Pending))
        .order_by_asc(Column::OccurredAt)
        .order_by_asc(Column::RevenueEventId)
        .limit(limit);
    Ok(select.all(connection).await?)
}

/// Notes what became of revenue.
pub(crate) async fn settle(
    change: &Change,
    run: CommissionRunId,
    events: &[RevenueEventId],
    status: AccrualStatus,
    reason: Option<AccrualReason>,
) -> Result<()> {
    for chunk in events.chunks(1_000) {
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(status))
            .col_expr(
                Column::Reason,
                Expr::value(reason.map(|reason| reason.to_value())),
            )
            .col_expr(Column::RunId, Expr::value(run))
            .filter(Column::RevenueEventId.is_in(chunk.iter().copied()))
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}
