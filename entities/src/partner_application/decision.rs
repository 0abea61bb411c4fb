//! What becomes of an application: looking at it, asking, answering, deciding, taking it back.
//!
//! Approving is one change: the partner where there is none yet, the person who wrote as its contact, the partnership at the beginning of the pipeline, and
//! its part in the programme. Either all of it is there or nothing.

use super::{
    ANSWER_DAYS, ActiveModel, ApplicationStatus, Column, Entity, Model, about, speaks_for,
};
use crate::assessment;
use crate::change::Change;
use crate::contact::{self, NewContact};
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::EventKind;
use crate::id::PartnerId;
use crate::partner::{self, NewPartner, PartnerPatch, PartnerStatus};
use crate::partnership::{self, NewPartnership, PartnershipStatus};
use crate::viewer::Viewer;
use crate::visible::{self, Visible};
use crate::{program, program_enrollment};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use serde_json::json;

const DAY_MILLIS: i64 = 86_400_000;

/// Moves an application to another state, under the version it was read with.
pub(super) async fn step(
    change: &Change,
    row: Model,
    to: ApplicationStatus,
    set: impl FnOnce(&mut ActiveModel),
) -> Result<Model> {
    if !row.status.transitions().contains(&to) {
        let message = format!(
            "An application that is {:?} does not become {to:?}.",
            row.status
        );
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(to);
    set(&mut active);
    crate::write::update(change, active, version).await
}

fn worded(field: &str, text: &str) -> Result<()> {
    let mut violations = Violations::default();
    violations.text(field, text, 5_000);
    violations.finish()
}

/// Begins to look at an application.
///
/// # Errors
/// One that does not wait for it.
pub async fn review(change: &mut Change, row: Model) -> Result<Model> {
    let row = step(change, row, ApplicationStatus::InReview, |_| ()).await?;
    change.record(about(EventKind::ApplicationInReview, &row, json!({})));
    Ok(row)
}

/// Asks the company for something. Without an answer within [`ANSWER_DAYS`] the application expires.
///
/// # Errors
/// One that is not looked at, or no words.
pub async fn request_information(
    change: &mut Change,
    row: Model,
    question: String,
) -> Result<Model> {
    worded("question", &question)?;
    let until = change.now().plus_millis(ANSWER_DAYS * DAY_MILLIS);
    let row = step(
        change,
        row,
        ApplicationStatus::InformationRequested,
        |row| {
            row.question = Set(Some(question));
            row.answer_until = Set(Some(until));
            row.answer = Set(None);
        },
    )
    .await?;
    let data = json!({ "answerUntil": until });
    let kind = EventKind::ApplicationInformationRequested;
    change.record(about(kind, &row, data));
    Ok(row)
}

/// Gives the answer that was asked for; the application waits to be looked at again.
///
/// # Errors
/// One of which nothing was asked, no words, or a viewer who does not speak for the company.
pub async fn answer(
    change: &mut Change,
    viewer: &Viewer,
    row: Model,
    answer: String,
) -> Result<Model> {
    speaks_for(viewer, row.partner_id, "id")?;
    worded("answer", &answer)?;
    // Submitted is reached from nowhere else, so that an answer without a question is refused.
    let row = step(change, row, ApplicationStatus::Submitted, |row| {
        row.answer = Set(Some(answer));
        row.answer_until = Set(None);
    })
    .await?;
    change.record(about(EventKind::ApplicationAnswered, &row, json!({})));
    Ok(row)
}

/// Takes an application back.
///
/// # Errors
/// One that is decided, no reason, or a viewer who does not speak for the company.
pub async fn withdraw(
    change: &mut Change,
    viewer: &Viewer,
    row: Model,
    reason: String,
) -> Result<Model> {
    speaks_for(viewer, row.partner_id, "id")?;
    worded("reason", &reason)?;
    let row = step(change, row, ApplicationStatus::Withdrawn, |row| {
        row.reason = Set(Some(reason));
        row.answer_until = Set(None);
    })
    .await?;
    change.record(about(EventKind::ApplicationWithdrawn, &row, json!({})));
    Ok(row)
}

/// Refuses an application. `reason` is what the company is told, `note` what it is not.
///
/// # Errors
/// One that is decided, or no reason.
pub async fn refuse(
    change: &mut Change,
    row: Model,
    reason: String,
    note: Option<String>,
) -> Result<Model> {
    let mut violations = Violations::default();
    violations.text("reason", &reason, 5_000);
    violations.optional_text("internalNote", note.as_deref(), 5_000);
    violations.finish()?;
    let (by, at) = (change.author().actor.clone(), change.now());
    let row = step(change, row, ApplicationStatus::Refused, |row| {
        row.reason = Set(Some(reason));
        row.internal_note = Set(note);
        row.answer_until = Set(None);
        row.decided_by = Set(Some(by));
        row.decided_at = Set(Some(at));
    })
    .await?;
    change.record(about(EventKind::ApplicationRefused, &row, json!({})));
    Ok(row)
}

/// How an application is approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The partner that the company is already; none makes one, where the application names none.
    pub partner_id: Option<PartnerId>,
    /// What the company is told.
    pub reason: Option<String>,
    /// What it is not told.
    pub note: Option<String>,
    /// Why it is approved without an assessment that is good enough. What is not needed is not kept.
    pub override_reason: Option<String>,
}

/// Approves an application: the partner, its partnership and its part in the programme come into being with it.
///
/// # Errors
/// One that is not looked at; a programme that is put away; a partner that is not there, is another than the application's, or is kept out; a domain that
/// another partner has; a partnership of this type that the partner has already. Then nothing is written.
pub async fn approve(change: &mut Change, row: Model, approval: Approval) -> Result<Model> {
    let mut violations = Violations::default();
    violations.optional_text("reason", approval.reason.as_deref(), 5_000);
    violations.optional_text("internalNote", approval.note.as_deref(), 5_000);
    let override_reason = approval.override_reason.as_deref();
    violations.optional_text("overrideReason", override_reason, 2_000);
    violations.finish()?;
    if !row
        .status
        .transitions()
        .contains(&ApplicationStatus::Approved)
    {
        // In the words of the state machine, before anything comes into being.
        return step(change, row, ApplicationStatus::Approved, |_| ()).await;
    }
    let system = Viewer::system("partner_application");
    let programs =
        visible::lock_all::<program::Entity>(change, &system, [row.program_id.0]).await?;
    let program = programs.into_iter().find(|one| one.archived_at.is_none());
    let Some(program) = program else {
        let message = "The programme is put away.";
        return Err(Error::invalid(ViolationCode::Locked, "programId", message));
    };
    let override_reason = assessed(change, &row, approval.override_reason).await?;
    let partner = partner_of(change, &row, approval.partner_id).await?;
    let new = NewPartnership::of(partner.id, row.kind);
    let partnerships = partnership::create(change, vec![new]).await?;
    let partnership = one(partnerships)?;
    let today = program.zone.day_of(change.now());
    let today = today.ok_or_else(|| Error::Damaged("an instant without a day".to_owned()))?;
    program_enrollment::enroll(change, program.id, &[partnership.id], today).await?;
    let (by, at) = (change.author().actor.clone(), change.now());
    let row = step(change, row, ApplicationStatus::Approved, |row| {
        row.partner_id = Set(Some(partner.id));
        row.partnership_id = Set(Some(partnership.id));
        row.reason = Set(approval.reason);
        row.internal_note = Set(approval.note);
        row.override_reason = Set(override_reason);
        row.decided_by = Set(Some(by));
        row.decided_at = Set(Some(at));
    })
    .await?;
    let data = json!({ "partner": partner.id, "partnership": partnership.id });
    change.record(about(EventKind::ApplicationApproved, &row, data));
    Ok(row)
}

/// Fails unless the application's last assessment is good enough, or somebody says why it goes without; the answer is that reason, where it was needed.
async fn assessed(
    change: &mut Change,
    row: &Model,
    reason: Option<String>,
) -> Result<Option<String>> {
    let admitted = assessment::admits(change.transaction(), row.id).await?;
    // Where there is nothing to be scored by, nobody has to be.
    if admitted != Some(false) {
        return Ok(None);
    }
    let Some(reason) = reason.filter(|text| !text.trim().is_empty()) else {
        let message = "No assessment by the criteria in force reaches their threshold.";
        return Err(Error::invalid(
            ViolationCode::Locked,
            "overrideReason",
            message,
        ));
    };
    let kind = EventKind::ApplicationAssessmentOverridden;
    change.record(about(kind, row, json!({ "reason": reason })).internal());
    Ok(Some(reason))
}

/// Whom an application makes a partner, or who is one already.
async fn partner_of(
    change: &mut Change,
    row: &Model,
    named: Option<PartnerId>,
) -> Result<partner::Model> {
    if let (Some(own), Some(named)) = (row.partner_id, named)
        && own != named
    {
        let message = "The application is another partner's.";
        return Err(Error::invalid(ViolationCode::Invalid, "partnerId", message));
    }
    let Some(id) = row.partner_id.or(named) else {
        return new_partner(change, row).await;
    };
    let system = Viewer::system("partner_application");
    let found = visible::lock_all::<partner::Entity>(change, &system, [id.0]).await?;
    let Some(partner) = found
        .into_iter()
        .find(|partner| partner.archived_at.is_none())
    else {
        return Err(Error::not_found("partnerId"));
    };
    if !partner.status.takes_part() {
        let message = format!("The partner is {:?}.", partner.status);
        return Err(Error::invalid(ViolationCode::Locked, "partnerId", message));
    }
    let same = partnership::Entity::visible_to(&system)
        .filter(partnership::Column::PartnerId.eq(partner.id))
        .filter(partnership::Column::Kind.eq(row.kind))
        .filter(
            partnership::Column::Status.is_in([PartnershipStatus::Open, PartnershipStatus::OnHold]),
        );
    if same.one(change.transaction()).await?.is_some() {
        let message = "It has a partnership of this type already.";
        return Err(Error::invalid(ViolationCode::Taken, "partnerId", message));
    }
    if partner.status == PartnerStatus::Candidate {
        let patch = PartnerPatch {
            status: Some(PartnerStatus::Active),
            ..PartnerPatch::default()
        };
        return partner::update(change, partner, patch).await;
    }
    Ok(partner)
}

async fn new_partner(change: &mut Change, row: &Model) -> Result<partner::Model> {
    let domains: Vec<_> = row.domain.iter().cloned().collect();
    if !partner::find_domains(change, &domains).await?.is_empty() {
        let message = "A partner has this domain: name it, if the company is that partner.";
        return Err(Error::invalid(ViolationCode::Taken, "partnerId", message));
    }
    let new = NewPartner {
        domain: row.domain.clone(),
        website: row.website.clone(),
        country: row.country.clone(),
        employees: row.employees,
        ..NewPartner::named(row.company_name.clone())
    };
    let partner = one(partner::create(change, vec![new]).await?)?;
    // Whoever was erased meanwhile is nobody's contact.
    if row.contact_name != contact::ERASED {
        let person = NewContact {
            partner_id: Some(partner.id),
            customer_id: None,
            name: row.contact_name.clone(),
            email: row.contact_email.clone(),
            phone: None,
            title: None,
            roles: Vec::new(),
            archived: false,
        };
        contact::create(change, vec![person]).await?;
    }
    Ok(partner)
}

fn one<M>(rows: Vec<M>) -> Result<M> {
    rows.into_iter()
        .next()
        .ok_or_else(|| Error::Damaged("a creation without a row".to_owned()))
}

/// The applications whose answer is overdue, locked.
pub(super) async fn overdue(change: &Change, limit: u64) -> Result<Vec<Model>> {
    use sea_orm::{QueryOrder as _, QuerySelect as _};
    let select = Entity::visible_to(&Viewer::system("partner_application"))
        .filter(Column::Status.eq(ApplicationStatus::InformationRequested))
        .filter(Column::AnswerUntil.lte(change.now()))
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_exclusive();
    Ok(select.all(change.transaction()).await?)
}
