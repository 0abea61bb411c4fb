//! Beginning, renewing and ending agreements, by their days.
//!
//! [`tend`] does what is due on a day and nothing twice: each step is taken from the state it left. Terms are counted from the first day of the
//! agreement. What a day decides does not wait for it: [`Model::binds_on`] says the same before [`tend`] has run.

use super::{
    AgreementStatus, Column, Entity, Exclusivity, Model, agreement_version, exclusivity, record,
    set_status,
};
use crate::agreement_signature::Side;
use crate::calendar::{plus_days, plus_months};
use crate::change::Change;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::EventKind;
use crate::id::AgreementId;
use crate::obligation;
use crate::viewer::Viewer;
use crate::visible::Visible as _;
use chrono::NaiveDate;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Agreements that began, were renewed or ended.
    pub moved: Vec<Model>,
    /// Agreements that could not begin, and why.
    pub blocked: Vec<(Model, String)>,
    /// The last agreement that was looked at; none when there was none.
    pub last: Option<AgreementId>,
}

/// Puts a signed agreement in force. Another of the same partnership that is in force is superseded by it.
///
/// # Errors
/// When its exclusive scope is taken; then nothing is written.
pub(super) async fn activate(change: &mut Change, row: Model) -> Result<Model> {
    let system = Viewer::system("agreement");
    let versions =
        agreement_version::of_agreements(change.transaction(), &system, &[row.id]).await?;
    if let Some(version) = agreement_version::in_force(&versions, row.effective_on)
        && version.terms.exclusivity != Exclusivity::NonExclusive
    {
        let claim = exclusivity::claim_of(&row, version);
        exclusivity::claim_alone(change, row.partnership_id, &claim).await?;
    }
    let before = Entity::visible_to(&system)
        .filter(Column::PartnershipId.eq(row.partnership_id))
        .filter(Column::Status.is_in([AgreementStatus::Active, AgreementStatus::NoticeGiven]))
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    for other in before {
        let ended_on = row.effective_on.max(other.effective_on);
        let by = row.id;
        let other = set_status(change, other, AgreementStatus::Superseded, |active| {
            active.ended_on = Set(Some(ended_on));
            active.superseded_by = Set(Some(by));
        })
        .await?;
        obligation::generate(change, &other).await?;
        record(
            change,
            &other,
            EventKind::AgreementSuperseded,
            json!({ "by": by, "endedOn": ended_on }),
        );
    }
    let begun = set_status(change, row, AgreementStatus::Active, |_| ()).await?;
    obligation::generate(change, &begun).await?;
    let data = json!({ "effectiveOn": begun.effective_on, "termEndsOn": begun.term_ends_on });
    record(change, &begun, EventKind::AgreementActivated, data);
    Ok(begun)
}

/// Gives notice. Without a day it ends as soon as the notice allows.
///
/// # Errors
/// An agreement that is not in force, no reason, or a day before the notice is over; then nothing is written.
pub async fn give_notice(
    change: &mut Change,
    row: Model,
    by: Side,
    reason: String,
    terminates_on: Option<NaiveDate>,
) -> Result<Model> {
    if row.status != AgreementStatus::Active {
        let message = "Notice is given of an agreement that is in force, and once.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    let mut violations = Violations::default();
    violations.text("reason", &reason, 2_000);
    let today = row.zone.day_of(change.now());
    let earliest = today.and_then(|today| plus_days(today, i64::from(row.notice_days)));
    let (Some(today), Some(earliest)) = (today, earliest) else {
        return Err(Error::Damaged("an instant without a day".to_owned()));
    };
    let ends = terminates_on.unwrap_or(earliest);
    if ends < earliest {
        let message = format!(
            "The notice of {} days is over on {earliest}.",
            row.notice_days
        );
        violations.add(ViolationCode::Invalid, "terminatesOn", message);
    }
    violations.finish()?;
    let noted = set_status(change, row, AgreementStatus::NoticeGiven, |active| {
        active.notice_given_on = Set(Some(today));
        active.notice_reason = Set(Some(reason));
        active.terminates_on = Set(Some(ends));
    })
    .await?;
    obligation::generate(change, &noted).await?;
    let data = json!({ "by": by, "givenOn": today, "terminatesOn": ends });
    record(change, &noted, EventKind::AgreementNoticeGiven, data);
    Ok(noted)
}

/// Does what is due at the instant of the change: begins what is signed, renews or ends what has come to its end. It looks at `limit` agreements at
/// most, those behind `after`: again from its last one on, until there is none, for some that are looked at may not begin.
///
/// # Errors
/// When the database fails.
pub async fn tend(change: &mut Change, after: Option<AgreementId>, limit: u64) -> Result<Tended> {
    // The day after, anywhere: whose zone has not come to it yet is passed over below.
    let Some(latest) = change.now().date().and_then(|day| plus_days(day, 1)) else {
        return Ok(Tended::default());
    };
    let due = Condition::any()
        .add(
            Condition::all()
                .add(Column::Status.eq(AgreementStatus::Signed))
                .add(Column::EffectiveOn.lte(latest)),
        )
        .add(
            Condition::all()
                .add(Column::Status.eq(AgreementStatus::Active))
                .add(Column::TermEndsOn.lte(latest)),
        )
        .add(
            Condition::all()
                .add(Column::Status.eq(AgreementStatus::NoticeGiven))
                .add(Column::TerminatesOn.lte(latest)),
        );
    let mut select = Entity::visible_to(&Viewer::system("agreement")).filter(due);
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    let rows = select
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    let mut tended = Tended {
        last: rows.last().map(|row| row.id),
        ..Tended::default()
    };
    for row in rows {
        let Some(today) = row.zone.day_of(change.now()) else {
            continue;
        };
        match row.status {
            AgreementStatus::Signed if row.effective_on <= today => {
                match activate(change, row.clone()).await {
                    Ok(begun) => tended.moved.push(begun),
                    Err(Error::Invalid(why)) => {
                        let why = why.into_iter().map(|one| one.message).collect::<Vec<_>>();
                        tended.blocked.push((row, why.join(" ")));
                    }
                    Err(fault) => return Err(fault),
                }
            }
            AgreementStatus::Active if row.term_ends_on <= today => {
                tended.moved.push(end_term(change, row, today).await?);
            }
            AgreementStatus::NoticeGiven if row.terminates_on.is_some_and(|end| end <= today) => {
                let ended = row.terminates_on;
                let over = set_status(change, row, AgreementStatus::Terminated, |active| {
                    active.ended_on = Set(ended);
                })
                .await?;
                obligation::generate(change, &over).await?;
                record(
                    change,
                    &over,
                    EventKind::AgreementTerminated,
                    json!({ "endedOn": ended }),
                );
                tended.moved.push(over);
            }
            _ => {}
        }
    }
    Ok(tended)
}

/// Renews an agreement into the term that today falls in, or ends it with its term.
async fn end_term(change: &mut Change, row: Model, today: NaiveDate) -> Result<Model> {
    if !row.auto_renew {
        let ended_on = row.term_ends_on;
        let over = set_status(change, row, AgreementStatus::Expired, |active| {
            active.ended_on = Set(Some(ended_on));
        })
        .await?;
        obligation::generate(change, &over).await?;
        record(
            change,
            &over,
            EventKind::AgreementExpired,
            json!({ "endedOn": ended_on }),
        );
        return Ok(over);
    }
    let mut row = row;
    // One renewal a term, also where several have passed unseen.
    while row.term_ends_on <= today {
        let term = row.term + 1;
        let ends = term
            .checked_mul(row.term_months)
            .and_then(|months| plus_months(row.effective_on, months));
        let Some(ends) = ends else {
            return Err(Error::Damaged("a term without an end".to_owned()));
        };
        row = set_status(change, row, AgreementStatus::Active, |active| {
            active.term = Set(term);
            active.term_ends_on = Set(ends);
        })
        .await?;
        let data = json!({ "term": term, "termEndsOn": ends });
        record(change, &row, EventKind::AgreementRenewed, data);
    }
    obligation::generate(change, &row).await?;
    Ok(row)
}
