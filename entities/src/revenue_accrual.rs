//! Which revenue has been computed, which waits, and why some of it earned nothing.
//!
//! History does not act, by absence: revenue without a row here earns nothing, and only what is recorded as it happens gets one. [`history`] is
//! what was there before, for who asks for it.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::commission_run;
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
        /// No agreement was in force. Computed again once one is, by its days.
        NoAgreement,
        /// No rule has a rate for it.
        NoRate,
        /// The agreement shares another kind of revenue.
        OtherBase,
        /// The share's time is over.
        DurationOver,
        /// A refund of which no payment is known. Computed again once there is one.
        Unmatched,
        /// A refund larger than what is left of its payments. What is left of it is looked for again once there is another one.
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

/// The revenue of history from an instant on: what nobody let wait.
pub(crate) async fn history(
    change: &Change,
    from: Timestamp,
) -> Result<Vec<(RevenueEventId, Timestamp)>> {
    let mut found = Vec::new();
    loop {
        let mut select = revenue_event::Entity::visible_to(&Viewer::system("accrual"))
            .filter(revenue_event::Column::OccurredAt.gte(from))
            .filter(Expr::cust(
                "NOT EXISTS (SELECT 1 FROM revenue_accrual WHERE revenue_accrual.revenue_event_id = revenue_event.id)",
            ));
        if let Some((after, _)) = found.last() {
            select = select.filter(revenue_event::Column::Id.gt(*after));
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
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

/// Lets wait again what was nobody's and now is somebody's, what had no agreement and may have one, and refunds whose payment has been told since.
pub(crate) async fn reopen(change: &Change) -> Result<()> {
    let somebody = "EXISTS (SELECT 1 FROM revenue_event AS e WHERE e.id = revenue_accrual.revenue_event_id AND (e.partnership_id IS NOT NULL \
         OR EXISTS (SELECT 1 FROM deal_partner AS d WHERE d.deal_id = e.deal_id AND d.role <> 'INFLUENCED' AND d.weight_bp > 0)))";
    // An agreement that was moved since the last run: whether it binds on the day of the money is for the computation to say.
    let since = last_run(change).await?;
    let moved = format!(
        "SELECT a.partnership_id FROM agreement AS a WHERE a.updated_at > {since} AND a.status IN \
         ('ACTIVE', 'NOTICE_GIVEN', 'TERMINATED', 'EXPIRED', 'SUPERSEDED')"
    );
    let agreed = format!(
        "revenue_accrual.revenue_event_id IN (SELECT e.id FROM revenue_event AS e WHERE e.partnership_id IN ({moved}) \
         UNION SELECT e.id FROM revenue_event AS e JOIN deal_partner AS d ON d.deal_id = e.deal_id WHERE d.role <> 'INFLUENCED' AND d.partnership_id IN ({moved}))"
    );
    // A payment that a refund may be of: the same kind of money for the same deal (the same customer, where there is no deal). It is computed already, or
    // is before the refund is; history's is not until somebody asks.
    let payment = "EXISTS (SELECT 1 FROM revenue_event AS e JOIN revenue_event AS p ON p.id <> e.id AND p.amount_minor > 0 \
         AND p.kind IN ('INVOICE', 'PAYMENT', 'ADJUSTMENT') AND (p.kind = 'INVOICE') = (e.kind = 'CREDIT_NOTE') \
         AND (p.source = 'deal') = (e.source = 'deal') AND p.amount_currency = e.amount_currency \
         AND (p.deal_id = e.deal_id OR (e.deal_id IS NULL AND p.deal_id IS NULL AND p.customer_id = e.customer_id)) \
         JOIN revenue_accrual AS w ON w.revenue_event_id = p.id AND (w.status <> 'PENDING' OR p.occurred_at < e.occurred_at \
         OR (p.occurred_at = e.occurred_at AND p.id < e.id)) \
         WHERE e.id = revenue_accrual.revenue_event_id";
    // The one that was named, if one was.
    let paid = format!(
        "{payment} AND (NOT EXISTS (SELECT 1 FROM revenue_reversal AS r WHERE r.refund_id = e.id) \
         OR EXISTS (SELECT 1 FROM revenue_reversal AS r WHERE r.refund_id = e.id AND r.payment_id = p.id)))"
    );
    for (reason, again) in [
        (AccrualReason::Nobody, somebody.to_owned()),
        (AccrualReason::NoAgreement, agreed),
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
    // The reason stays: it tells the computation that a part was taken back before.
    let spare = format!(
        "{payment} AND p.amount_minor > COALESCE((SELECT SUM(r.amount_minor) FROM revenue_reversal AS r WHERE r.payment_id = p.id), 0) \
         AND NOT EXISTS (SELECT 1 FROM revenue_reversal AS o WHERE o.refund_id = e.id AND o.payment_id = p.id))"
    );
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(AccrualStatus::Pending))
        .filter(Column::Reason.eq(AccrualReason::Exceeds))
        .filter(Column::Status.ne(AccrualStatus::Pending))
        .filter(Expr::cust(spare))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// When the last run began, and a little before that, for what was being written then.
async fn last_run(change: &Change) -> Result<i64> {
    const MOMENT: i64 = 5_000_000;
    let last = commission_run::Entity::visible_to(&Viewer::system("accrual"))
        .order_by_desc(commission_run::Column::Id)
        .one(change.transaction())
        .await?;
    Ok(last.map_or(0, |run| run.started_at.0.saturating_sub(MOMENT)))
}

/// Which of these pieces of revenue have been computed.
pub(crate) async fn computed(
    connection: &impl ConnectionTrait,
    events: &[RevenueEventId],
) -> Result<Vec<RevenueEventId>> {
    let mut found = Vec::new();
    for chunk in events.chunks(5_000) {
        let rows = Entity::visible_to(&Viewer::system("accrual"))
            .filter(Column::RevenueEventId.is_in(chunk.iter().copied()))
            .filter(Column::Status.ne(AccrualStatus::Pending))
            .all(connection)
            .await?;
        found.extend(rows.into_iter().map(|row| row.revenue_event_id));
    }
    Ok(found)
}

/// Brings in line what is said of refunds that took back in another turn than the one they were computed in: whether there are entries of them, and that
/// their payment is known.
pub(crate) async fn look_again(change: &Change, refunds: &[RevenueEventId]) -> Result<()> {
    let status = "CASE WHEN EXISTS (SELECT 1 FROM ledger_entry AS l WHERE l.cause_event_id = revenue_accrual.revenue_event_id) \
         THEN 'ACCRUED' ELSE 'NOTHING' END";
    let reason = "CASE WHEN reason = 'UNMATCHED' THEN NULL ELSE reason END";
    for chunk in refunds.chunks(1_000) {
        Entity::update_many()
            .col_expr(Column::Status, Expr::cust(status))
            .col_expr(Column::Reason, Expr::cust(reason))
            .filter(Column::RevenueEventId.is_in(chunk.iter().copied()))
            .filter(Column::Status.ne(AccrualStatus::Pending))
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}

/// Everything that waits.
pub(crate) async fn all_pending(
    connection: &impl ConnectionTrait,
) -> Result<HashSet<RevenueEventId>> {
    let ids = Entity::visible_to(&Viewer::system("accrual"))
        .filter(Column::Status.eq(AccrualStatus::Pending))
        .select_only()
        .column(Column::RevenueEventId)
        .into_tuple()
        .all(connection)
        .await?;
    Ok(ids.into_iter().collect())
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
