//! What was done with a partner: calls, meetings, reviews, and how they went.
//!
//! Owns the activities. Refuses: one that has not happened yet, and one without words. Invariant: an activity never changes, another one says what became
//! of it. A partner sees its own, without the outcome and what we noted.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{ActivityId, PartnerId, PartnershipId};
use crate::partnership;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Visible};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

text_enum! {
    /// What was done.
    ActivityKind {
        /// A regular look at how it goes.
        CheckIn,
        /// A review of the two sides' business.
        BusinessReview,
        /// A first call.
        IntroCall,
        /// A call to find out whether it fits.
        QualificationCall,
        /// A meeting.
        Meeting,
        /// A message.
        Email,
        /// A call.
        Call,
        /// Something worth knowing.
        Note,
    }
}

text_enum! {
    /// How it went.
    ActivityOutcome {
        /// The partner responded well.
        Positive,
        /// Neither way.
        Neutral,
        /// It did not.
        Negative,
        /// It accepted a proposal in principle.
        ProposalAccepted,
        /// It declined one.
        ProposalDeclined,
    }
}

/// An activity.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ActivityId,
    pub created_at: Timestamp,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub kind: ActivityKind,
    pub occurred_at: Timestamp,
    /// Internal.
    pub outcome: Option<ActivityOutcome>,
    /// What the partner may read.
    pub summary: Option<String>,
    /// Internal.
    pub internal_note: Option<String>,
    pub recorded_by: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    /// What has no words for the partner was not written for it.
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all()
            .add(own.holds((Entity, Column::PartnerId)))
            .add(Column::Summary.is_not_null())
    }
}

/// What an activity is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewActivity {
    pub partnership_id: PartnershipId,
    pub kind: ActivityKind,
    pub occurred_at: Timestamp,
    pub outcome: Option<ActivityOutcome>,
    pub summary: Option<String>,
    pub internal_note: Option<String>,
}

/// Records an activity.
///
/// # Errors
/// An unknown partnership, an instant to come, no words; then nothing is written.
pub async fn record(change: &mut Change, viewer: &Viewer, input: NewActivity) -> Result<Model> {
    let mut violations = Violations::default();
    violations.optional_text("summary", input.summary.as_deref(), 5_000);
    violations.optional_text("internalNote", input.internal_note.as_deref(), 5_000);
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    if !said(&input.summary) && !said(&input.internal_note) {
        let message = "Say what happened: to the partner, or among ourselves.";
        violations.add(ViolationCode::Blank, "summary", message);
    }
    if input.occurred_at > change.now() {
        let message = "It has not happened yet.";
        violations.add(ViolationCode::Invalid, "occurredAt", message);
    }
    let id = input.partnership_id.0;
    let found = visible::find_one::<partnership::Entity, _>(change.transaction(), viewer, id);
    let partnership = found.await?;
    if partnership.is_none() {
        violations.add(ViolationCode::NotFound, "partnershipId", "No such row.");
    }
    violations.finish()?;
    let Some(partnership) = partnership else {
        return Err(crate::error::Error::not_found("partnershipId"));
    };
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        partnership_id: partnership.id,
        partner_id: partnership.partner_id,
        kind: input.kind,
        occurred_at: input.occurred_at,
        outcome: input.outcome,
        summary: input.summary.filter(|text| !text.trim().is_empty()),
        internal_note: input.internal_note.filter(|text| !text.trim().is_empty()),
        recorded_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "partnership": row.partnership_id, "kind": row.kind });
    let event = NewEvent::about(EventKind::ActivityRecorded, row.id, data);
    let event = event.for_partner(row.partner_id);
    change.record(if row.summary.is_some() {
        event
    } else {
        event.internal()
    });
    Ok(row)
}

/// Whether something with one of these outcomes was done in a partnership.
///
/// # Errors
/// When the database fails.
pub(crate) async fn any_with(
    connection: &impl ConnectionTrait,
    partnership: PartnershipId,
    outcomes: &[ActivityOutcome],
) -> Result<bool> {
    let select = Entity::visible_to(&Viewer::system("activity"))
        .filter(Column::PartnershipId.eq(partnership))
        .filter(Column::Outcome.is_in(outcomes.iter().copied()));
    Ok(select.one(connection).await?.is_some())
}
