//! Who meets the criteria of which tier, looked at once a day of the programme.
//!
//! A tier asks for something measured over months back from the day: what was earned, which deals were won, which registrations were approved. Whoever
//! meets all criteria of a tier above its own gets the highest such. Who got a tier in this way and meets its criteria no longer gets the highest that
//! it meets, or none. What a person decided is not lowered by the clock: neither a tier that was given for other reasons, nor that there is none. A tier
//! without criteria is given by people only. Every change is a row of the history and an event, and says what was counted.

use super::{Criterion, Entity, Model, TierMetric};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::daily::{self, Task};
use crate::deal::{self, DealStage};
use crate::deal_partner::{self, DealPartnerRole};
use crate::deal_registration::{self, RegistrationStatus};
use crate::error::{Error, Result};
use crate::id::PartnershipId;
use crate::ledger_entry::{self, LedgerKind, LedgerStatus};
use crate::partnership::{self, PartnershipStatus};
use crate::program;
use crate::program_enrollment;
use crate::revenue_event;
use crate::tier_assignment;
use crate::viewer::Viewer;
use crate::visible::{self, Visible as _};
use chrono::{Months, NaiveDate};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, SelectStatement};
use sea_orm::{FromQueryResult, QueryOrder as _, QuerySelect as _, QueryTrait as _};
use std::collections::HashMap;

/// What was counted of a criterion, by partnership.
type Counted = HashMap<PartnershipId, i64>;

/// Looks at a programme whose day has not been looked at. The answer is what changed; none when there was no such programme.
///
/// # Errors
/// When the database fails.
pub async fn evaluate(change: &mut Change) -> Result<Option<Vec<tier_assignment::Model>>> {
    let programs = program::Entity::visible_to(&Viewer::system("tier"))
        .filter(program::Column::ArchivedAt.is_null())
        .order_by_asc(program::Column::Id)
        .all(change.transaction())
        .await?;
    for program in programs {
        let today = program.zone.day_of(change.now());
        let today = today.ok_or_else(|| Error::Damaged("an instant without a day".to_owned()))?;
        if daily::take(change, Task::Tiers, program.id.0, today).await? {
            return Ok(Some(of_program(change, &program, today).await?));
        }
    }
    Ok(None)
}

async fn of_program(
    change: &mut Change,
    program: &program::Model,
    today: NaiveDate,
) -> Result<Vec<tier_assignment::Model>> {
    let system = Viewer::system("tier");
    let tiers = Entity::visible_to(&system)
        .filter(super::Column::ProgramId.eq(program.id))
        .order_by_desc(super::Column::Rank)
        .all(change.transaction())
        .await?;
    let measured = |tier: &&Model| tier.archived_at.is_none() && !tier.criteria.0.is_empty();
    let asking: Vec<&Model> = tiers.iter().filter(measured).collect();
    if asking.is_empty() {
        return Ok(Vec::new());
    }
    let mut counted: Vec<(Criterion, Counted)> = Vec::new();
    for criterion in asking.iter().flat_map(|tier| &tier.criteria.0) {
        let same = |(known, _): &(Criterion, Counted)| {
            (known.metric, known.months) == (criterion.metric, criterion.months)
        };
        if !counted.iter().any(same) {
            let count = count(change, program, *criterion, today).await?;
            counted.push((*criterion, count));
        }
    }
    let of = |criterion: &Criterion, id: PartnershipId| {
        let found = counted.iter().find(|(known, _)| {
            (known.metric, known.months) == (criterion.metric, criterion.months)
        });
        found
            .and_then(|(_, count)| count.get(&id))
            .copied()
            .unwrap_or(0)
    };
    let meets = |tier: &Model, id: PartnershipId| {
        let all = &tier.criteria.0;
        all.iter()
            .all(|criterion| of(criterion, id) >= criterion.at_least)
    };
    let enrolled = program_enrollment::Entity::visible_to(&system)
        .filter(program_enrollment::Column::ProgramId.eq(program.id))
        .all(change.transaction())
        .await?;
    let ids: Vec<PartnershipId> = enrolled.iter().map(|row| row.partnership_id).collect();
    let mut last: HashMap<PartnershipId, tier_assignment::Model> = HashMap::new();
    for row in tier_assignment::history(change.transaction(), &system, &ids).await? {
        last.insert(row.partnership_id, row);
    }
    let uuids = ids.iter().map(|id| id.0);
    let rows = visible::find_all::<partnership::Entity, _>(change.transaction(), &system, uuids);
    let mut rows = rows.await?;
    rows.retain(|row| row.status == PartnershipStatus::Open);
    rows.sort_unstable_by_key(|row| row.id);
    let clock = change.author().actor.clone();
    let mut changed = Vec::new();
    for row in rows {
        let last = last.get(&row.id);
        if last.is_some_and(|last| last.effective_on > today) {
            continue;
        }
        let by_clock = last.is_none_or(|last| last.assigned_by == clock);
        let has = last.and_then(|last| last.tier_id);
        let current = tiers.iter().find(|tier| Some(tier.id) == has);
        let earned = asking.iter().copied().find(|tier| meets(tier, row.id));
        let rises = earned.is_some_and(|tier| current.is_none_or(|now| tier.rank > now.rank))
            && (by_clock || has.is_some());
        let falls = by_clock && current.is_some_and(|now| !meets(now, row.id));
        if !rises && !falls {
            continue;
        }
        let (word, judged) = match (rises, earned, current) {
            (true, Some(tier), _) => ("The criteria are met", tier),
            (_, _, Some(tier)) => ("The criteria are met no longer", tier),
            _ => continue,
        };
        let told = judged.criteria.0.iter().map(|criterion| {
            let (what, months) = (criterion.metric.to_value(), criterion.months);
            format!(
                "{what} {} of {} in {months} months",
                of(criterion, row.id),
                criterion.at_least
            )
        });
        let reason = format!("{word}: {}.", told.collect::<Vec<_>>().join(", "));
        let tier = earned.map(|tier| tier.id);
        changed.push(tier_assignment::assign(change, &row, tier, today, today, reason).await?);
    }
    Ok(changed)
}

#[derive(FromQueryResult)]
struct Count {
    partnership_id: PartnershipId,
    counted: i64,
}

/// Measures a criterion for everybody.
async fn count(
    change: &Change,
    program: &program::Model,
    criterion: Criterion,
    today: NaiveDate,
) -> Result<Counted> {
    let months = Months::new(criterion.months.unsigned_abs());
    let from = today
        .checked_sub_months(months)
        .and_then(|day| program.zone.start_of(day))
        .ok_or_else(|| Error::Damaged("a month without a first day".to_owned()))?;
    let statement = match criterion.metric {
        TierMetric::Earned => earned(program, from),
        TierMetric::WonDeals => won_deals(from),
        TierMetric::ApprovedRegistrations => approved(from),
    };
    let rows = change.transaction().query_all(&statement).await?;
    let mut counted = Counted::with_capacity(rows.len());
    for row in rows {
        let row = Count::from_query_result(&row, "")?;
        counted.insert(row.partnership_id, row.counted);
    }
    Ok(counted)
}

/// Shares, fees and bonuses, less what was taken back of them, of money that moved since an instant.
fn earned(program: &program::Model, from: Timestamp) -> SelectStatement {
    use ledger_entry::{Column, Entity};
    let kinds = [
        LedgerKind::Commission,
        LedgerKind::Bonus,
        LedgerKind::ReferralFee,
        LedgerKind::Clawback,
    ];
    // What is the whole year's was earned when it was written.
    let moved = "COALESCE(\"revenue_event\".\"occurred_at\", \"ledger_entry\".\"created_at\")";
    let moved = Expr::cust(moved).gte(from);
    let mut statement = Entity::visible_to(&Viewer::system("tier"))
        .filter(Column::Kind.is_in(kinds))
        .filter(Column::Status.ne(LedgerStatus::Voided))
        .filter(Column::AmountCurrency.eq(program.currency))
        .select_only()
        .into_query();
    statement
        .left_join(
            revenue_event::Entity,
            Expr::col((revenue_event::Entity, revenue_event::Column::Id))
                .equals((Entity, Column::RevenueEventId)),
        )
        .and_where(moved)
        .column((Entity, Column::PartnershipId))
        .expr_as(
            Expr::cust("CAST(SUM(\"ledger_entry\".\"amount_minor\") AS BIGINT)"),
            "counted",
        )
        .group_by_col((Entity, Column::PartnershipId));
    statement
}

/// Deals won since an instant, in an earning role.
fn won_deals(from: Timestamp) -> SelectStatement {
    use deal_partner::{Column, Entity};
    let of_deal = |column: deal::Column| Expr::col((deal::Entity, column));
    let mut statement = Entity::visible_to(&Viewer::system("tier"))
        .filter(Column::Role.is_in(DealPartnerRole::earning()))
        .select_only()
        .into_query();
    statement
        .inner_join(
            deal::Entity,
            of_deal(deal::Column::Id).equals((Entity, Column::DealId)),
        )
        .and_where(of_deal(deal::Column::Stage).eq(DealStage::Won))
        .and_where(of_deal(deal::Column::ArchivedAt).is_null())
        .and_where(of_deal(deal::Column::ClosedAt).gte(from))
        .column((Entity, Column::PartnershipId))
        .expr_as(Expr::cust("COUNT(DISTINCT \"deal\".\"id\")"), "counted")
        .group_by_col((Entity, Column::PartnershipId));
    statement
}

/// Registrations approved since an instant, whatever became of them later, but for those that were taken back.
fn approved(from: Timestamp) -> SelectStatement {
    use deal_registration::{Column, Entity};
    let mut statement = Entity::visible_to(&Viewer::system("tier"))
        .filter(Column::DecidedAt.gte(from))
        .filter(Column::Status.is_in([
            RegistrationStatus::Approved,
            RegistrationStatus::Converted,
            RegistrationStatus::Expired,
        ]))
        .select_only()
        .into_query();
    statement
        .column((Entity, Column::PartnershipId))
        .expr_as(Expr::cust("COUNT(*)"), "counted")
        .group_by_col((Entity, Column::PartnershipId));
    statement
}
