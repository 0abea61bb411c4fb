//! A task of a partnership's onboarding: TODO → IN_PROGRESS → DONE, TODO → SKIPPED with a reason, DONE → IN_PROGRESS where it was not done after all.
//!
//! Owns the tasks of a partnership, made from a [`crate::checklist`] once. Refuses: to begin an onboarding a second time. Invariant: an onboarding is
//! completed when it was begun and each of its tasks is done or skipped; one that was never begun is not. A partner sees its own tasks.

use crate::change::Change;
use crate::checklist::{self, OnboardingStep};
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{OnboardingTaskId, PartnerId, PartnershipId};
use crate::partnership;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

text_enum! {
    /// Where a task stands.
    TaskStatus {
        /// Nobody has begun.
        Todo,
        /// Somebody is at it.
        InProgress,
        /// It is done.
        Done,
        /// It need not be.
        Skipped,
    }
}

impl TaskStatus {
    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Todo => &[Self::InProgress, Self::Skipped],
            Self::InProgress => &[Self::Done],
            Self::Done => &[Self::InProgress],
            Self::Skipped => &[],
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "onboarding_task")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OnboardingTaskId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub place: i32,
    pub step: OnboardingStep,
    pub title: String,
    pub from_week: i32,
    pub to_week: i32,
    pub status: TaskStatus,
    /// Internal.
    pub note: Option<String>,
    /// Internal.
    pub done_by: Option<String>,
    pub done_at: Option<Timestamp>,
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

async fn of_partnership(
    connection: &impl ConnectionTrait,
    partnership: PartnershipId,
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("onboarding_task"))
        .filter(Column::PartnershipId.eq(partnership));
    Ok(select.all(connection).await?)
}

/// Begins a partnership's onboarding with the tasks of a checklist, the present one of the name, or the last that was published.
///
/// # Errors
/// No such partnership or checklist, or an onboarding that has begun; then nothing is written.
pub async fn begin(
    change: &mut Change,
    viewer: &Viewer,
    partnership: PartnershipId,
    list: Option<&str>,
) -> Result<partnership::Model> {
    // The partnership's row is the turn: who begins second finds the tasks of the first.
    let found = visible::lock_all::<partnership::Entity>(change, viewer, [partnership.0]).await?;
    let Some(partnership) = found.into_iter().next() else {
        return Err(Error::not_found("partnershipId"));
    };
    let system = Viewer::system("onboarding_task");
    let Some(list) = checklist::find(change.transaction(), &system, list).await? else {
        let message = "There is no such checklist: publish one, or load a preset.";
        return Err(Error::invalid(
            ViolationCode::NotFound,
            "checklist",
            message,
        ));
    };
    if !of_partnership(change.transaction(), partnership.id)
        .await?
        .is_empty()
    {
        let message = "Its onboarding has begun already.";
        return Err(Error::invalid(
            ViolationCode::Taken,
            "partnershipId",
            message,
        ));
    }
    let now = change.now();
    let mut rows = Vec::with_capacity(list.items.0.len());
    for (place, item) in (1..).zip(list.items.0) {
        rows.push(Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            partnership_id: partnership.id,
            partner_id: partnership.partner_id,
            place,
            step: item.step,
            title: item.title,
            from_week: item.from_week,
            to_week: item.to_week,
            status: TaskStatus::Todo,
            note: None,
            done_by: None,
            done_at: None,
        });
    }
    crate::write::insert::<Entity>(change, &rows).await?;
    let data = json!({ "checklist": list.name, "tasks": rows.len() });
    let event = NewEvent::about(EventKind::OnboardingBegun, partnership.id, data);
    change.record(event.for_partner(partnership.partner_id));
    Ok(partnership)
}

/// Moves a task on. `note` says why one is skipped, or what is worth knowing.
///
/// # Errors
/// A state that does not follow, or a task that is skipped without a reason; then nothing is written.
pub async fn step(
    change: &mut Change,
    row: Model,
    to: TaskStatus,
    note: Option<String>,
) -> Result<Model> {
    let mut violations = Violations::default();
    violations.optional_text("note", note.as_deref(), 2_000);
    if !row.status.transitions().contains(&to) {
        let message = format!("A task that is {:?} does not become {to:?}.", row.status);
        violations.add(ViolationCode::TransitionNotAllowed, "status", message);
    }
    let blank = note.as_deref().is_none_or(|note| note.trim().is_empty());
    if to == TaskStatus::Skipped && blank {
        violations.add(ViolationCode::Blank, "note", "Say why it is not needed.");
    }
    violations.finish()?;
    let (version, settled) = (row.version, to.is_settled());
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(to);
    active.done_at = Set(settled.then_some(change.now()));
    active.done_by = Set(settled.then(|| change.author().actor.clone()));
    if note.is_some() {
        active.note = Set(note);
    }
    let row = crate::write::update(change, active, version).await?;
    let about = |kind, data| NewEvent::about(kind, row.id, data).for_partner(row.partner_id);
    if settled {
        let data =
            json!({ "partnership": row.partnership_id, "step": row.step, "status": row.status });
        change.record(about(EventKind::OnboardingTaskCompleted, data));
        if is_completed(change.transaction(), row.partnership_id).await? {
            let event = NewEvent::about(
                EventKind::OnboardingCompleted,
                row.partnership_id,
                json!({}),
            );
            change.record(event.for_partner(row.partner_id));
        }
    } else {
        let data =
            json!({ "partnership": row.partnership_id, "step": row.step, "status": row.status });
        change.record(about(EventKind::OnboardingTaskUpdated, data));
    }
    Ok(row)
}

/// Whether an onboarding was begun and nothing of it is left to do.
///
/// # Errors
/// When the database fails.
pub(crate) async fn is_completed(
    connection: &impl ConnectionTrait,
    partnership: PartnershipId,
) -> Result<bool> {
    let tasks = of_partnership(connection, partnership).await?;
    Ok(!tasks.is_empty() && tasks.iter().all(|task| task.status.is_settled()))
}
