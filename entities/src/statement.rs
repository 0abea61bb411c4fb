//! What a partner's ledger said at the end of a period: opening + earned − clawed back − paid = closing.
//!
//! Invariants (domain, 11): the opening is the last closing; each entry is told of by one statement, the first that is finalised after it was written, so
//! that what is computed late is in the next one and none is lost; a finalised statement never changes. What is voided before it is told of is never told.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerId, StatementId};
use crate::ledger_entry::{self, LedgerKind, LedgerStatus};
use crate::money::{Currency, Money};
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{calendar, partner};
use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _};
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "statement")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StatementId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partner_id: PartnerId,
    pub currency: Currency,
    /// 1 for the partner's first in this currency.
    pub number: i32,
    pub starts_on: NaiveDate,
    /// The day after the last.
    pub ends_on: NaiveDate,
    pub opening_minor: i64,
    pub earned_minor: i64,
    pub clawed_back_minor: i64,
    pub paid_minor: i64,
    pub closing_minor: i64,
    pub entries: i64,
    pub finalized_by: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// Finalises a partner's statement up to the day before `ends_on`, in the zone the days are of. All that was written before that day and that no statement
/// has told of is in it.
///
/// # Errors
/// A period that has not ended or is not after the last; an unknown partner; then nothing is written.
pub async fn finalize(
    change: &mut Change,
    partner_id: PartnerId,
    currency: Currency,
    ends_on: NaiveDate,
    zone: calendar::Zone,
) -> Result<Model> {
    let system = Viewer::system("statement");
    // The partner's row is the turn: two statements of one partner follow one another.
    if visible::lock_all::<partner::Entity>(change, &system, [partner_id.0])
        .await?
        .is_empty()
    {
        return Err(Error::not_found("partnerId"));
    }
    let end = zone.start_of(ends_on).filter(|end| *end <= change.now());
    let Some(end) = end else {
        let message = "A statement is made when its period is over.";
        return Err(Error::invalid(ViolationCode::Invalid, "endsOn", message));
    };
    let last = Entity::visible_to(&system)
        .filter(Column::PartnerId.eq(partner_id))
        .filter(Column::Currency.eq(currency))
        .order_by_desc(Column::Number)
        .limit(1)
        .one(change.transaction())
        .await?;
    if last.as_ref().is_some_and(|last| ends_on <= last.ends_on) {
        let message = "There is a statement of this time.";
        return Err(Error::invalid(ViolationCode::Taken, "endsOn", message));
    }
    let entries = ledger_entry::Entity::visible_to(&system)
        .filter(ledger_entry::Column::PartnerId.eq(partner_id))
        .filter(ledger_entry::Column::AmountCurrency.eq(currency))
        .filter(ledger_entry::Column::StatementId.is_null())
        .filter(ledger_entry::Column::CreatedAt.lt(end))
        .filter(ledger_entry::Column::Status.ne(LedgerStatus::Voided))
        .order_by_asc(ledger_entry::Column::Id)
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    let sum = |kinds: &dyn Fn(LedgerKind) -> bool| -> Result<i64> {
        let sum: i128 = entries
            .iter()
            .filter(|row| kinds(row.kind))
            .map(|row| i128::from(row.amount_minor))
            .sum();
        i64::try_from(sum)
            .map_err(|_| Error::Damaged("a statement that does not fit 64 bits".to_owned()))
    };
    let clawed = sum(&|kind| kind == LedgerKind::Clawback)?;
    let paid = sum(&|kind| kind == LedgerKind::Payout)?;
    let earned = sum(&|kind| !matches!(kind, LedgerKind::Clawback | LedgerKind::Payout))?;
    let opening = last.as_ref().map_or(0, |last| last.closing_minor);
    let starts_on = match &last {
        Some(last) => last.ends_on,
        None => entries
            .iter()
            .map(|row| row.created_at)
            .min()
            .and_then(|at| zone.day_of(at))
            .unwrap_or(ends_on),
    };
    let now = change.now();
    let row = Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        partner_id,
        currency,
        number: last.map_or(1, |last| last.number + 1),
        starts_on,
        ends_on,
        opening_minor: opening,
        earned_minor: earned,
        clawed_back_minor: -clawed,
        paid_minor: -paid,
        closing_minor: opening + earned + clawed + paid,
        entries: i64::try_from(entries.len()).unwrap_or(i64::MAX),
        finalized_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    for chunk in entries.chunks(500) {
        ledger_entry::Entity::update_many()
            .col_expr(ledger_entry::Column::StatementId, Expr::value(Some(row.id)))
            .col_expr(
                ledger_entry::Column::Version,
                Expr::col(ledger_entry::Column::Version).add(1),
            )
            .col_expr(ledger_entry::Column::UpdatedAt, Expr::value(now))
            .filter(ledger_entry::Column::Id.is_in(chunk.iter().map(|entry| entry.id)))
            .exec(change.transaction())
            .await?;
    }
    let closing = Money {
        minor: row.closing_minor,
        currency,
    };
    let data = json!({ "number": row.number, "endsOn": row.ends_on, "closing": closing });
    change.record(
        NewEvent::about(EventKind::StatementFinalized, row.id, data).for_partner(partner_id),
    );
    Ok(row)
}
