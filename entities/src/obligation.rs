//! What agreements ask for, and by which day: "what binds us this quarter?"
//!
//! Obligations are generated from an agreement's terms whenever it begins, is renewed, amended, given notice of or ends. The same terms give the same
//! obligations, so that generating again writes nothing. A day that has passed when an agreement becomes known asks for nothing. What an agreement no
//! longer asks for because it ended is waived. A partner sees what concerns it, and not our own decisions.

use crate::agreement::{self, AgreementStatus, Cadence};
use crate::agreement_version;
use crate::calendar::{plus_days, plus_months};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{AgreementId, ObligationId, PartnerId, PartnershipId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use chrono::NaiveDate;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

text_enum! {
    /// What is asked for.
    ObligationKind {
        /// Ours: whether to let the agreement go on.
        RenewalDecision,
        /// The last day on which notice ends it with its term.
        NoticeDeadline,
        /// Whether a contract year's commitment was met.
        CommitmentCheck,
        /// A review of the two sides.
        Review,
        /// A certificate or a statement of compliance.
        Attestation,
        /// Confidentiality ends.
        ConfidentialityEnd,
    }
}

text_enum! {
    /// Whether it is done.
    ObligationStatus {
        /// It is to be done.
        Open,
        /// It is.
        Done,
        /// It need not be.
        Waived,
    }
}

/// An obligation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "obligation")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ObligationId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub agreement_id: AgreementId,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub kind: ObligationKind,
    /// What of its kind: a requirement, or nothing.
    pub subject: String,
    pub due_on: NaiveDate,
    pub owner: Option<String>,
    pub status: ObligationStatus,
    pub done_at: Option<Timestamp>,
    pub done_by: Option<String>,
    /// Internal.
    pub note: Option<String>,
    pub announced_at: Option<Timestamp>,
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
        Condition::all()
            .add(own.holds((Entity, Column::PartnerId)))
            .add(Column::Kind.ne(ObligationKind::RenewalDecision))
    }
}

type Duty = (ObligationKind, String, NaiveDate);

/// What an agreement asks for in its present term, by its terms.
fn duties(row: &agreement::Model, version: Option<&agreement_version::Model>) -> Vec<Duty> {
    let mut found: Vec<Duty> = Vec::new();
    let mut add = |kind, subject: &str, on: Option<NaiveDate>| {
        found.extend(on.map(|on| (kind, subject.to_owned(), on)));
    };
    if let Some(ended) = row.ended_on {
        let end = plus_months(ended, row.confidentiality_months);
        add(ObligationKind::ConfidentialityEnd, "", end);
        return found;
    }
    let ends = row.terminates_on.unwrap_or(row.term_ends_on);
    if row.status == AgreementStatus::Active {
        let decide = plus_days(row.term_ends_on, -i64::from(row.notice_days));
        if row.auto_renew {
            add(ObligationKind::NoticeDeadline, "", decide);
        }
        add(ObligationKind::RenewalDecision, "", decide);
    }
    let Some(terms) = version.map(|version| &version.terms) else {
        return found;
    };
    let begins = plus_months(row.effective_on, (row.term - 1) * row.term_months);
    let begins = begins.unwrap_or(row.effective_on);
    // Each is on the last day of its stretch.
    let mut every = |kind, subject: &str, months: i32| {
        for count in 1..=240 {
            let end = plus_months(row.effective_on, count * months);
            match end {
                Some(end) if end > ends => break,
                Some(end) if end > begins => add(kind, subject, plus_days(end, -1)),
                Some(_) => {}
                None => break,
            }
        }
    };
    if terms.earning.commitment.is_some() {
        every(ObligationKind::CommitmentCheck, "", 12);
    }
    match terms.review {
        Cadence::Monthly => every(ObligationKind::Review, "", 1),
        Cadence::Quarterly => every(ObligationKind::Review, "", 3),
        Cadence::AsNeeded => {}
    }
    for requirement in &terms.compliance {
        every(ObligationKind::Attestation, &requirement.to_value(), 12);
    }
    found
}

/// Writes what an agreement asks for and is not written yet, and waives what it no longer asks for since it ended.
///
/// # Errors
/// When the database fails.
pub async fn generate(change: &mut Change, row: &agreement::Model) -> Result<Vec<Model>> {
    let system = Viewer::system("obligation");
    let today = row.zone.day_of(change.now()).unwrap_or(row.effective_on);
    let versions =
        agreement_version::of_agreements(change.transaction(), &system, &[row.id]).await?;
    let wanted = duties(
        row,
        agreement_version::in_force(&versions, today.max(row.effective_on)),
    );
    let known = Entity::visible_to(&system)
        .filter(Column::AgreementId.eq(row.id))
        .all(change.transaction())
        .await?;
    let now = change.now();
    let is_known = |(kind, subject, due): &Duty| {
        known
            .iter()
            .any(|one| one.kind == *kind && one.subject == *subject && one.due_on == *due)
    };
    let new: Vec<Model> = wanted
        .iter()
        .filter(|duty| duty.2 >= today && !is_known(duty))
        .map(|(kind, subject, due_on)| Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            agreement_id: row.id,
            partnership_id: row.partnership_id,
            partner_id: row.partner_id,
            kind: *kind,
            subject: subject.clone(),
            due_on: *due_on,
            owner: None,
            status: ObligationStatus::Open,
            done_at: None,
            done_by: None,
            note: None,
            announced_at: None,
        })
        .collect();
    crate::write::insert::<Entity>(change, &new).await?;
    let ends = row.ended_on.or(row.terminates_on);
    for open in known {
        let outlived = open.kind != ObligationKind::ConfidentialityEnd
            && ends.is_some_and(|end| {
                open.due_on >= end || open.kind == ObligationKind::RenewalDecision
            });
        if open.status == ObligationStatus::Open && outlived {
            close(
                change,
                open,
                ObligationStatus::Waived,
                Some("The agreement ends.".to_owned()),
            )
            .await?;
        }
    }
    Ok(new)
}

/// Marks an obligation done or not needed.
///
/// # Errors
/// One that is closed; a waiver without a note.
pub async fn close(
    change: &mut Change,
    row: Model,
    status: ObligationStatus,
    note: Option<String>,
) -> Result<Model> {
    if row.status != ObligationStatus::Open || status == ObligationStatus::Open {
        let message = "An obligation is closed once.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    let mut violations = Violations::default();
    violations.optional_text("note", note.as_deref(), 2_000);
    let blank = note.as_deref().is_none_or(|note| note.trim().is_empty());
    if status == ObligationStatus::Waived && blank {
        violations.add(ViolationCode::Blank, "note", "Say why it is not needed.");
    }
    violations.finish()?;
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(status);
    active.done_at = Set(Some(change.now()));
    active.done_by = Set(Some(change.author().actor.clone()));
    active.note = Set(note);
    let closed = crate::write::update(change, active, version).await?;
    change.record(about(EventKind::ObligationClosed, &closed));
    Ok(closed)
}

/// Gives an obligation an owner, or none.
///
/// # Errors
/// One that is closed, or a text that cannot be.
pub async fn assign(change: &mut Change, row: Model, owner: Option<String>) -> Result<Model> {
    if row.status != ObligationStatus::Open {
        let message = "The obligation is closed.";
        return Err(Error::invalid(ViolationCode::Locked, "owner", message));
    }
    let mut violations = Violations::default();
    violations.optional_text("owner", owner.as_deref(), 200);
    violations.finish()?;
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.owner = Set(owner);
    crate::write::update(change, active, version).await
}

/// Announces what falls due within so many days, each once; the answer is what was announced.
///
/// # Errors
/// When the database fails.
pub async fn announce(change: &mut Change, within_days: i64, limit: u64) -> Result<Vec<Model>> {
    let until = change
        .now()
        .date()
        .and_then(|today| plus_days(today, within_days));
    let Some(until) = until else {
        return Ok(Vec::new());
    };
    let rows = Entity::visible_to(&Viewer::system("obligation"))
        .filter(Column::Status.eq(ObligationStatus::Open))
        .filter(Column::AnnouncedAt.is_null())
        .filter(Column::DueOn.lte(until))
        .order_by_asc(Column::DueOn)
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    let mut announced = Vec::with_capacity(rows.len());
    for row in rows {
        let version = row.version;
        let mut active: ActiveModel = row.into();
        active.version = Set(version + 1);
        active.updated_at = Set(change.now());
        active.announced_at = Set(Some(change.now()));
        let row = crate::write::update(change, active, version).await?;
        change.record(about(EventKind::ObligationDue, &row));
        if row.kind == ObligationKind::RenewalDecision {
            let data = json!({ "decideUntil": row.due_on });
            let event = NewEvent::about(EventKind::AgreementExpiring, row.agreement_id, data);
            change.record(event.for_partner(row.partner_id).internal());
        }
        announced.push(row);
    }
    Ok(announced)
}

fn about(kind: EventKind, row: &Model) -> NewEvent {
    let data = json!({ "agreement": row.agreement_id, "kind": row.kind, "subject": row.subject, "dueOn": row.due_on, "status": row.status });
    let event = NewEvent::about(kind, row.id, data).for_partner(row.partner_id);
    if row.kind == ObligationKind::RenewalDecision {
        event.internal()
    } else {
        event
    }
}
