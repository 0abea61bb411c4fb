//! What if these rules had been in force? The revenue of a period is computed twice from nothing, by the rules as they are and with the proposed ones, and
//! the difference is shown for each partnership. Nothing is written.

use super::book::Book;
use super::desk::{Desk, Told};
use super::store::{self, Ids};
use crate::calendar::plus_months;
use crate::clock::Timestamp;
use crate::commission_rule;
use crate::database::Database;
use crate::error::{Error, Result, ViolationCode};
use crate::id::PartnershipId;
use crate::money::Currency;
use crate::revenue_event;
use crate::viewer::Viewer;
use crate::visible::Visible as _;
use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use std::collections::{BTreeMap, BTreeSet};

/// The most revenue that one simulation reads.
pub const MOST: u64 = 200_000;

/// What a partnership earns from the period's revenue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub partnership_id: PartnershipId,
    /// In which currency.
    pub currency: Currency,
    /// By the rules as they are, in minor units.
    pub now: i64,
    /// With the proposed ones.
    pub then: i64,
}

/// Computes the revenue from one day to the day before another as it is and as it would be. The proposed rules hold from the first day, whatever day they
/// are to be published for. The twelve months before are read too, for the counters, and are not compared.
///
/// # Errors
/// Days out of order, more revenue than a simulation reads, or a fault of the database.
pub async fn simulate(
    database: &Database,
    proposed: Vec<commission_rule::Model>,
    from: NaiveDate,
    until: NaiveDate,
) -> Result<Vec<Difference>> {
    let start = crate::calendar::Zone::UTC.start_of(from);
    let end = crate::calendar::Zone::UTC.start_of(until);
    let before = plus_months(from, -12).and_then(|day| crate::calendar::Zone::UTC.start_of(day));
    let (Some(start), Some(end), Some(before)) = (start, end, before) else {
        return Err(Error::invalid(
            ViolationCode::Invalid,
            "period",
            "Not days to count from.",
        ));
    };
    if end <= start {
        return Err(Error::invalid(
            ViolationCode::Invalid,
            "period",
            "It ends before it starts.",
        ));
    }
    let events = revenue_event::Entity::visible_to(&Viewer::system("accrual"))
        .filter(revenue_event::Column::OccurredAt.gte(before))
        .filter(revenue_event::Column::OccurredAt.lt(end))
        .order_by_asc(revenue_event::Column::OccurredAt)
        .order_by_asc(revenue_event::Column::Id)
        .limit(MOST + 1)
        .all(database.read())
        .await?;
    if events.len() as u64 > MOST {
        let message = format!("More than {MOST} pieces of revenue: choose a shorter period.");
        return Err(Error::invalid(ViolationCode::TooLong, "period", message));
    }
    let told = store::sharers(database.read(), events).await?;
    let partnerships: BTreeSet<PartnershipId> = told
        .iter()
        .flat_map(|one| one.sharers.iter().map(|sharer| sharer.partnership_id))
        .collect();
    let all: Vec<PartnershipId> = partnerships.into_iter().collect();
    let mut book = Book::load(database.read(), &all).await?;
    let now = earned(database, &book, &told, start)?;
    for rule in proposed {
        // A rule that began within the period would otherwise take the place of the proposed one.
        book.rules.retain(|one| {
            (one.program_id, one.kind) != (rule.program_id, rule.kind) || one.effective_on < from
        });
        book.rules.push(commission_rule::Model {
            effective_on: from,
            ..rule
        });
    }
    book.rules.sort_by_key(|rule| rule.effective_on);
    let then = earned(database, &book, &told, start)?;
    let keys: BTreeSet<(PartnershipId, Currency)> =
        now.keys().chain(then.keys()).copied().collect();
    let of =
        |sums: &BTreeMap<(PartnershipId, Currency), i64>, key| sums.get(key).copied().unwrap_or(0);
    Ok(keys
        .iter()
        .map(|key| Difference {
            partnership_id: key.0,
            currency: key.1,
            now: of(&now, key),
            then: of(&then, key),
        })
        .collect())
}

fn earned(
    database: &Database,
    book: &Book,
    told: &[Told],
    start: Timestamp,
) -> Result<BTreeMap<(PartnershipId, Currency), i64>> {
    let mut desk = Desk::default();
    let mut make = Ids(database.clone());
    let mut sums = BTreeMap::new();
    for told in told {
        let outcome = desk.take(book, told, &mut make)?;
        if told.event.occurred_at < start {
            continue;
        }
        for draft in outcome.drafts {
            let sum: &mut i64 = sums
                .entry((draft.partnership_id, draft.currency))
                .or_default();
            *sum = sum.saturating_add(draft.amount);
        }
    }
    Ok(sums)
}
