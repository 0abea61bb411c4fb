//! Deciding a registration: reviewing, asking, approving, refusing, and making a deal of it.

use super::{Model, RegistrationStatus, claim, conflict, follows, set_status, still_open, tell};
use crate::calendar::{Zone, plus_days};
use crate::change::Change;
use crate::customer::{self, NewCustomer};
use crate::deal::{self, DealStage, NewDeal};
use crate::deal_partner::{self, DealPartnerRole, Share};
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::EventKind;
use crate::id::CustomerId;
use crate::money::BasisPoints;
use crate::registration_note::{self, NoteKind};
use crate::viewer::Viewer;
use crate::visible;
use crate::visible::Visible as _;
use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use serde_json::json;

/// How long a registration protects where it is of no programme.
const USUAL_PROTECTION_DAYS: i32 = 90;

/// A decision against a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is refused.
    Reject,
    /// Somebody was first.
    Duplicate,
}

/// Begins to look at a registration.
///
/// # Errors
/// One that does not wait to be looked at.
pub async fn review(change: &mut Change, row: Model) -> Result<Model> {
    follows(&row, RegistrationStatus::UnderReview)?;
    let row = set_status(change, row, RegistrationStatus::UnderReview, |_| ()).await?;
    tell(change, EventKind::RegistrationUnderReview, &row, json!({}));
    Ok(row)
}

/// What is decided without having been looked at is looked at by being decided.
async fn looked_at(change: &mut Change, row: Model) -> Result<Model> {
    if row.status == RegistrationStatus::Submitted {
        review(change, row).await
    } else {
        Ok(row)
    }
}

/// Asks the partner for something.
///
/// # Errors
/// A registration that is not being looked at, or no question.
pub async fn request_information(
    change: &mut Change,
    row: Model,
    question: String,
) -> Result<Model> {
    let row = looked_at(change, row).await?;
    follows(&row, RegistrationStatus::InfoRequested)?;
    registration_note::write(change, &row, NoteKind::Question, false, question).await?;
    let row = set_status(change, row, RegistrationStatus::InfoRequested, |_| ()).await?;
    tell(
        change,
        EventKind::RegistrationInfoRequested,
        &row,
        json!({}),
    );
    Ok(row)
}

/// Approves a registration: from now on it is protected, for so many days or for the programme's. A deal of the account with the partner as who brought
/// it is made with the approval, so that whoever sells sees it where they work; while it is where it began, the registration speaks for it.
///
/// # Errors
/// One that is not to be decided, a partnership that is not open any more, days out of range, an earlier registration of the account that is not decided, or one that is approved; then nothing
/// is written, and the change must be dropped.
pub async fn approve(
    change: &mut Change,
    row: Model,
    days: Option<i32>,
    message: Option<String>,
    internal_note: Option<String>,
) -> Result<Model> {
    let row = looked_at(change, row).await?;
    follows(&row, RegistrationStatus::Approved)?;
    let mut violations = Violations::default();
    violations.optional_text("message", message.as_deref(), 2_000);
    let program = claim::take_turn(change, &row).await?;
    still_open(change, &row, &mut violations).await?;
    let usual = program
        .as_ref()
        .map_or(USUAL_PROTECTION_DAYS, |program| program.protection_days);
    let days = days.unwrap_or(usual);
    if !(1..=365).contains(&days) {
        violations.add(ViolationCode::Invalid, "days", "Between 1 and 365 days.");
    }
    let others = conflict::of_account(change.transaction(), &row.wanted()).await?;
    let certain = |stands: fn(&Model, &Model) -> bool| {
        others
            .iter()
            .any(|(other, sure)| *sure && other.id != row.id && stands(other, &row))
    };
    if certain(|other, _| other.status == RegistrationStatus::Approved) {
        violations.add(ViolationCode::Taken, "account", claim::HELD);
    }
    if certain(|other, row| {
        other.status != RegistrationStatus::Approved
            && other.partner_id != row.partner_id
            && other.turn < row.turn
    }) {
        let message = "An earlier registration of this account is not decided yet.";
        violations.add(ViolationCode::Taken, "account", message);
    }
    violations.finish()?;
    claim::take(change, &row).await?;
    // Whole days: the last of them ends with the day of the programme's zone.
    let zone = program.map_or(Zone::UTC, |program| program.zone);
    let until = zone
        .day_of(change.now())
        .and_then(|today| plus_days(today, i64::from(days)))
        .and_then(|last| zone.end_of(last))
        .ok_or_else(|| Error::Damaged("an instant without a day".to_owned()))?;
    let deal_id = deal_of(change, &row).await?.id;
    let (now, actor) = (change.now(), change.author().actor.clone());
    let row = set_status(change, row, RegistrationStatus::Approved, |active| {
        active.deal_id = Set(Some(deal_id));
        active.protected_until = Set(Some(until));
        active.decided_at = Set(Some(now));
        active.decided_by = Set(Some(actor));
        active.decision = Set(message);
    })
    .await?;
    if let Some(note) = internal_note {
        registration_note::write(change, &row, NoteKind::Decision, true, note).await?;
    }
    tell(
        change,
        EventKind::RegistrationApproved,
        &row,
        json!({ "protectedUntil": until, "deal": deal_id }),
    );
    Ok(row)
}

/// Refuses a registration.
///
/// # Errors
/// One that is not to be decided, or no reason; then nothing is written.
pub async fn decide(
    change: &mut Change,
    row: Model,
    decision: Decision,
    reason: String,
    internal_note: Option<String>,
) -> Result<Model> {
    let (to, kind) = match decision {
        Decision::Reject => (
            RegistrationStatus::Rejected,
            EventKind::RegistrationRejected,
        ),
        Decision::Duplicate => (
            RegistrationStatus::Duplicate,
            EventKind::RegistrationDuplicate,
        ),
    };
    let mut violations = Violations::default();
    violations.text("reason", &reason, 2_000);
    violations.finish()?;
    let row = looked_at(change, row).await?;
    follows(&row, to)?;
    let (now, actor) = (change.now(), change.author().actor.clone());
    let row = set_status(change, row, to, |active| {
        active.decided_at = Set(Some(now));
        active.decided_by = Set(Some(actor));
        active.decision = Set(Some(reason));
    })
    .await?;
    if let Some(note) = internal_note {
        registration_note::write(change, &row, NoteKind::Decision, true, note).await?;
    }
    tell(change, kind, &row, json!({}));
    Ok(row)
}

/// Lets the deal of an approved registration go on by itself: from now on the deal stands against others, however far it is.
///
/// # Errors
/// One that is not approved, or whose protection is over; then nothing is written.
pub async fn convert(change: &mut Change, row: Model) -> Result<(Model, deal::Model)> {
    follows(&row, RegistrationStatus::Converted)?;
    let mut violations = Violations::default();
    still_open(change, &row, &mut violations).await?;
    violations.finish()?;
    if row
        .protected_until
        .is_some_and(|until| until <= change.now())
    {
        let message = "Its protection is over.";
        return Err(Error::invalid(ViolationCode::Locked, "status", message));
    }
    let system = Viewer::system("deal_registration");
    let made = row.deal_id.map(|id| id.0);
    let known = visible::lock_all::<deal::Entity>(change, &system, made).await?;
    let deal = match known.into_iter().next() {
        Some(deal) => deal,
        None => deal_of(change, &row).await?,
    };
    let id = deal.id;
    let row = set_status(change, row, RegistrationStatus::Converted, |active| {
        active.deal_id = Set(Some(id));
    })
    .await?;
    // The deal itself stands against others now.
    claim::release(change, &[row.id]).await?;
    tell(
        change,
        EventKind::RegistrationConverted,
        &row,
        json!({ "deal": deal.id }),
    );
    Ok((row, deal))
}

/// Makes the deal of a registration: with the account as its customer and the partner as who brought it.
async fn deal_of(change: &mut Change, row: &Model) -> Result<deal::Model> {
    let customer_id = customer_of(change, row).await?;
    let new = NewDeal {
        name: row.account_name.clone(),
        customer_id: Some(customer_id),
        stage: DealStage::Prospect,
        source_stage: None,
        amount: row.value(),
        expected_close_on: row.expected_close_on,
        closed_at: None,
        lost_reason: None,
        owner_name: None,
        owner_email: None,
        products: row.products.0.clone(),
        archived: false,
    };
    let Some(deal) = deal::create(change, vec![new]).await?.pop() else {
        return Err(Error::Damaged("a deal that was not made".to_owned()));
    };
    let share = Share {
        partnership_id: row.partnership_id,
        role: DealPartnerRole::Sourced,
        weight_bp: BasisPoints::WHOLE,
    };
    deal_partner::attribute(change, &[(deal.clone(), vec![share])]).await?;
    Ok(deal)
}

/// The customer with the account's domain, or a new one.
async fn customer_of(change: &mut Change, row: &Model) -> Result<CustomerId> {
    if let Some(domain) = &row.account_domain {
        let known = customer::Entity::visible_to(&Viewer::system("deal_registration"))
            .filter(customer::Column::Domain.eq(domain.as_str()))
            .filter(customer::Column::ArchivedAt.is_null())
            .order_by_asc(customer::Column::Id)
            .one(change.transaction())
            .await?;
        if let Some(known) = known {
            return Ok(known.id);
        }
    }
    let new = NewCustomer {
        name: row.account_name.clone(),
        domain: row.account_domain.clone(),
        country: row.account_country.clone(),
        segment: None,
        archived: false,
    };
    let made = customer::create(change, vec![new]).await?.pop();
    made.map(|made| made.id)
        .ok_or_else(|| Error::Damaged("a customer that was not made".to_owned()))
}
