//! The end of contract years: whether their commitments were met, and what follows where they were not.
//!
//! Every contract year has its row, also one that nothing was paid in: it is made when its agreement has begun ([`open_years`]) or when the year before
//! is settled. Each year is settled once, some days after its end, so that what was paid on its last days has been told. A shortfall fee is an entry like any other
//! and waits for approval; a reduced rate holds for the year after; a right to terminate is told and left to people.

use super::book::Book;
use crate::agreement::AgreementStatus;
use crate::calendar::plus_days;
use crate::change::Change;
use crate::commitment_year::{self, Counters, YearStatus};
use crate::error::{Error, Result};
use crate::event::{EventKind, NewEvent};
use crate::id::{CommitmentYearId, PartnershipId};
use crate::ledger_entry::{self, LedgerKind};
use crate::money::{BasisPoints, Money};
use crate::revenue_share::{ShortfallPolicy, portion};
use crate::turn::{self, Turn};
use crate::viewer::Viewer;
use crate::visible::{self, Visible as _};
use crate::{agreement, write};
use chrono::NaiveDate;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

/// What became of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub year: CommitmentYearId,
    /// Whether its commitment was met.
    pub status: YearStatus,
    /// What the partner owes.
    pub fee: Option<Money>,
}

/// Makes the first year of agreements that have begun; at most `limit` of them, again until none is left. The answer says how many.
///
/// # Errors
/// When the database fails.
pub async fn open_years(change: &mut Change, limit: u64) -> Result<usize> {
    turn::take(change, Turn::Accrual).await?;
    let system = Viewer::system("accrual");
    let Some(today) = change.now().date() else {
        return Ok(0);
    };
    let begun = [
        AgreementStatus::Active,
        AgreementStatus::NoticeGiven,
        AgreementStatus::Terminated,
        AgreementStatus::Expired,
        AgreementStatus::Superseded,
    ];
    let without = "NOT EXISTS (SELECT 1 FROM commitment_year AS y WHERE y.agreement_id = agreement.id AND y.starts_on = agreement.effective_on)";
    let agreements = agreement::Entity::visible_to(&system)
        .filter(agreement::Column::Status.is_in(begun))
        .filter(agreement::Column::EffectiveOn.lte(today))
        .filter(Expr::cust(without))
        .order_by_asc(agreement::Column::Id)
        .limit(limit)
        .all(change.transaction())
        .await?;
    let partnerships: Vec<PartnershipId> =
        agreements.iter().map(|row| row.partnership_id).collect();
    let book = Book::load(change.transaction(), &partnerships).await?;
    for agreement in &agreements {
        open(change, &book, agreement, agreement.effective_on).await?;
    }
    Ok(agreements.len())
}

/// Makes the year of an agreement that begins on a day, in the currency of its terms, unless it is there.
async fn open(
    change: &Change,
    book: &Book,
    agreement: &agreement::Model,
    on: NaiveDate,
) -> Result<()> {
    let terms = book.terms_on(agreement, on);
    let (Some(terms), Some(year)) = (terms, agreement.year_of(on)) else {
        return Err(Error::Damaged(format!(
            "{} has no terms on {on}",
            agreement.id
        )));
    };
    let row = commitment_year::Model {
        id: change.new_id(),
        version: 1,
        created_at: change.now(),
        updated_at: change.now(),
        partnership_id: agreement.partnership_id,
        partner_id: agreement.partner_id,
        agreement_id: agreement.id,
        currency: terms.currency,
        starts_on: year.start,
        ends_on: year.end,
        status: YearStatus::Open,
        counters: Counters::default(),
        settled_at: None,
    };
    let known = commitment_year::Entity::visible_to(&Viewer::system("accrual"))
        .filter(commitment_year::Column::AgreementId.eq(row.agreement_id))
        .filter(commitment_year::Column::StartsOn.eq(row.starts_on))
        .filter(commitment_year::Column::Currency.eq(row.currency))
        .one(change.transaction())
        .await?;
    if known.is_none() {
        write::insert::<commitment_year::Entity>(change, &[row]).await?;
    }
    Ok(())
}

/// Settles the years that ended at least so many days ago; at most `limit` of them, again until none is left.
///
/// # Errors
/// When the database fails.
pub async fn close_years(change: &mut Change, after_days: i64, limit: u64) -> Result<Vec<Settled>> {
    turn::take(change, Turn::Accrual).await?;
    let latest = change
        .now()
        .date()
        .and_then(|today| plus_days(today, -after_days));
    let Some(latest) = latest else {
        return Ok(Vec::new());
    };
    let system = Viewer::system("accrual");
    let years = commitment_year::Entity::visible_to(&system)
        .filter(commitment_year::Column::SettledAt.is_null())
        .filter(commitment_year::Column::EndsOn.lte(latest))
        .order_by_asc(commitment_year::Column::EndsOn)
        .order_by_asc(commitment_year::Column::Id)
        .limit(limit)
        .all(change.transaction())
        .await?;
    let partnerships: Vec<PartnershipId> = years.iter().map(|row| row.partnership_id).collect();
    let book = Book::load(change.transaction(), &partnerships).await?;
    let agreements = years.iter().map(|row| row.agreement_id.0);
    let agreements =
        visible::find_all::<agreement::Entity, _>(change.transaction(), &system, agreements)
            .await?;
    let mut settled = Vec::with_capacity(years.len());
    for row in years {
        let Some(agreement) = agreements.iter().find(|one| one.id == row.agreement_id) else {
            return Err(Error::Damaged(format!("{} is of no agreement", row.id)));
        };
        settled.push(settle(change, &book, agreement, row).await?);
    }
    Ok(settled)
}

async fn settle(
    change: &mut Change,
    book: &Book,
    agreement: &agreement::Model,
    row: commitment_year::Model,
) -> Result<Settled> {
    // The terms of the year's last day in force: an agreement that ended within the year is asked for nothing of it.
    let last = plus_days(row.ends_on, -1).unwrap_or(row.starts_on);
    let terms = book
        .terms_on(agreement, last)
        .filter(|_| agreement.binds_on(last));
    let commitment = terms
        .as_ref()
        .filter(|terms| terms.currency == row.currency)
        .and_then(|terms| terms.commitment);
    let large = |fault| Error::Damaged(format!("{}: {fault}", row.id));
    let counter = match commitment {
        Some(commitment) => row.counters.0.counter(commitment.unit).map_err(large)?,
        None => 0,
    };
    let status = match commitment {
        None => YearStatus::Closed,
        Some(commitment) if counter >= commitment.target => YearStatus::Met,
        Some(_) => YearStatus::Missed,
    };
    let shortfall = terms
        .as_ref()
        .and_then(|terms| terms.shortfall)
        .filter(|_| status == YearStatus::Missed);
    let mut fee = None;
    if let (Some(shortfall), Some(commitment)) = (shortfall, commitment)
        && shortfall.policy == ShortfallPolicy::ShortfallFee
    {
        let missing = commitment.target - counter;
        let rate = shortfall.rate_bp.unwrap_or(BasisPoints::NONE);
        let minor = -portion(missing, rate).map_err(large)?;
        if minor < 0 {
            let amount = Money {
                minor,
                currency: row.currency,
            };
            let explanation = json!({ "commitment": commitment, "counter": counter, "missing": missing, "rateBp": rate, "year": row.starts_on });
            let entry = ledger_entry::Model {
                kind: LedgerKind::ShortfallFee,
                agreement_id: Some(row.agreement_id),
                commitment_year_id: Some(row.id),
                explanation,
                ..ledger_entry::blank(
                    change,
                    row.partnership_id,
                    row.partner_id,
                    amount,
                    row.ends_on,
                )
            };
            write::insert::<ledger_entry::Entity>(change, std::slice::from_ref(&entry)).await?;
            ledger_entry::tell(
                change,
                EventKind::CommissionCreated,
                &[entry],
                |ids, sums| json!({ "entries": ids, "amounts": sums }),
            );
            fee = Some(amount);
        }
    }
    if let Some(commitment) = commitment.filter(|_| status == YearStatus::Missed) {
        let data = json!({
            "agreement": row.agreement_id, "year": row.starts_on, "commitment": commitment, "counter": counter,
            "policy": shortfall.map(|shortfall| shortfall.policy),
        });
        let event = NewEvent::about(EventKind::CommitmentMissed, row.partnership_id, data);
        change.record(event.for_partner(row.partner_id));
    }
    if terms
        .as_ref()
        .is_some_and(|terms| terms.currency != row.currency)
    {
        // What was paid in another currency fills no commitment: the year has a row of its own in the one that was agreed.
        open(change, book, agreement, row.starts_on).await?;
    }
    if agreement.binds_on(row.ends_on) {
        open(change, book, agreement, row.ends_on).await?;
    }
    let (year, version) = (row.id, row.version);
    let mut active: commitment_year::ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(status);
    active.settled_at = Set(Some(change.now()));
    write::update(change, active, version).await?;
    Ok(Settled { year, status, fee })
}
