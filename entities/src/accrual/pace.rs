//! Commitments that are at risk: looked at once a day, told once a year of the agreement.
//!
//! At risk is, from the middle of the year on, whoever would not reach the target by going on as before: counted so far, by the days that have passed,
//! over the whole year. A year of which nothing was counted yet is at risk as well.

use super::book::Book;
use crate::agreement::{self, AgreementStatus};
use crate::change::Change;
use crate::commitment_year;
use crate::daily::{self, Task};
use crate::error::{Error, Result};
use crate::event::{self, EventKind, NewEvent};
use crate::id::{AgreementId, PartnershipId};
use crate::viewer::Viewer;
use crate::visible::Visible as _;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

/// Agreements that are read at once.
const AT_ONCE: u64 = 500;

/// Looks which commitments are at risk, if it has not been done today. The answer is whose are; none when it was done.
///
/// # Errors
/// When the database fails.
pub async fn warn_of_commitments(change: &mut Change) -> Result<Option<Vec<PartnershipId>>> {
    let today = change.now().date();
    let today = today.ok_or_else(|| Error::Damaged("an instant without a day".to_owned()))?;
    if !daily::take(change, Task::Commitments, Uuid::nil(), today).await? {
        return Ok(None);
    }
    let system = Viewer::system("accrual");
    let (mut told, mut after) = (Vec::new(), None::<AgreementId>);
    loop {
        let mut select = agreement::Entity::visible_to(&system)
            .filter(
                agreement::Column::Status
                    .is_in([AgreementStatus::Active, AgreementStatus::NoticeGiven]),
            )
            .order_by_asc(agreement::Column::Id)
            .limit(AT_ONCE);
        if let Some(after) = after {
            select = select.filter(agreement::Column::Id.gt(after));
        }
        let page = select.all(change.transaction()).await?;
        let Some(last) = page.last() else {
            return Ok(Some(told));
        };
        after = Some(last.id);
        let of: Vec<PartnershipId> = page.iter().map(|row| row.partnership_id).collect();
        let book = Book::load(change.transaction(), &of).await?;
        let years = commitment_year::of_partnerships(change.transaction(), &system, &of).await?;
        for row in &page {
            if warn(change, &book, row, &years).await? {
                told.push(row.partnership_id);
            }
        }
    }
}

async fn warn(
    change: &mut Change,
    book: &Book,
    row: &agreement::Model,
    years: &[commitment_year::Model],
) -> Result<bool> {
    let Some(today) = row.zone.day_of(change.now()).filter(|on| row.binds_on(*on)) else {
        return Ok(false);
    };
    let terms = book.terms_on(row, today);
    let (Some(terms), Some(year)) = (terms, row.year_of(today)) else {
        return Ok(false);
    };
    let Some(commitment) = terms.commitment else {
        return Ok(false);
    };
    let counted = years.iter().find(|known| {
        (known.agreement_id, known.starts_on, known.currency)
            == (row.id, year.start, terms.currency)
    });
    let counter = match counted {
        Some(known) => known
            .counters
            .0
            .counter(commitment.unit)
            .map_err(|fault| Error::Damaged(format!("{}: {fault}", known.id)))?,
        None => 0,
    };
    let whole = (year.end - year.start).num_days();
    let passed = (today - year.start).num_days();
    let reaches = i128::from(counter) * i128::from(whole)
        >= i128::from(commitment.target) * i128::from(passed);
    if passed * 2 < whole || reaches {
        return Ok(false);
    }
    let data = json!({
        "agreement": row.id, "year": year.start, "currency": terms.currency, "commitment": commitment, "counter": counter, "daysLeft": whole - passed,
    });
    let kind = EventKind::CommitmentAtRisk;
    let before = event::last_about(change.transaction(), row.partnership_id, kind).await?;
    let same = |name: &str| before.as_ref().and_then(|told| told.data.get(name)) == data.get(name);
    if same("agreement") && same("year") {
        return Ok(false);
    }
    let partner_id = book.partner_of(row.partnership_id);
    let event = NewEvent::about(kind, row.partnership_id, data);
    change.record(match partner_id {
        Some(partner) => event.for_partner(partner),
        None => event.internal(),
    });
    Ok(true)
}
