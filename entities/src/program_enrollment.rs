//! Which programme a partnership takes part in: one at a time, from a day on. The days of an earlier one stay, for what was earned then.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerId, PartnershipId, ProgramEnrollmentId, ProgramId};
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use crate::{partnership, program, visible};
use chrono::NaiveDate;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

/// A part in a programme.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "program_enrollment")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProgramEnrollmentId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub program_id: ProgramId,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub enrolled_on: NaiveDate,
    /// The first day on which it took part in another one.
    pub left_on: Option<NaiveDate>,
}

impl Model {
    /// Whether it took part on a day.
    #[must_use]
    pub fn holds_on(&self, on: NaiveDate) -> bool {
        self.enrolled_on <= on && self.left_on.is_none_or(|left| on < left)
    }
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

/// Puts partnerships into a programme. One that is in another goes over; one that is in it already stays as it is.
///
/// # Errors
/// An unknown or archived programme, an unknown partnership; then nothing is written.
pub async fn enroll(
    change: &mut Change,
    program_id: ProgramId,
    partnerships: &[PartnershipId],
    enrolled_on: NaiveDate,
) -> Result<Vec<Model>> {
    let system = Viewer::system("program_enrollment");
    let mut violations = Violations::default();
    let program =
        visible::find_one::<program::Entity, _>(change.transaction(), &system, program_id.0)
            .await?;
    if program.is_none_or(|program| program.archived_at.is_some()) {
        violations.add(ViolationCode::NotFound, "programId", "No such programme.");
    }
    let ids = partnerships.iter().map(|id| id.0);
    let known = visible::lock_all::<partnership::Entity>(change, &system, ids).await?;
    if partnerships
        .iter()
        .any(|id| known.iter().all(|row| row.id != *id))
    {
        violations.add(
            ViolationCode::NotFound,
            "partnershipId",
            "No such partnership.",
        );
    }
    violations.finish()?;
    let mut current = of_partnerships(change.transaction(), &system, partnerships).await?;
    let (now, mut rows, mut new) = (change.now(), Vec::new(), Vec::new());
    for partnership in known {
        let place = current
            .iter()
            .position(|row| row.partnership_id == partnership.id);
        let before = place.map(|place| current.swap_remove(place));
        let from = before.as_ref().map(|row| row.program_id);
        match before {
            Some(row) if row.program_id == program_id => {
                rows.push(row);
                continue;
            }
            Some(row) => {
                let version = row.version;
                let mut active: ActiveModel = row.into();
                active.version = Set(version + 1);
                active.updated_at = Set(now);
                active.left_on = Set(Some(enrolled_on));
                crate::write::update(change, active, version).await?;
            }
            None => {}
        }
        let row = Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            program_id,
            partnership_id: partnership.id,
            partner_id: partnership.partner_id,
            enrolled_on,
            left_on: None,
        };
        new.push(row.clone());
        let data = json!({ "program": program_id, "from": from, "enrolledOn": enrolled_on });
        change.record(
            NewEvent::about(EventKind::ProgramEnrolled, row.partnership_id, data)
                .for_partner(row.partner_id),
        );
        rows.push(row);
    }
    crate::write::insert::<Entity>(change, &new).await?;
    Ok(rows)
}

/// The present parts of these partnerships; those that are in no programme are absent.
///
/// # Errors
/// When the database fails.
pub async fn of_partnerships(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partnerships: &[PartnershipId],
) -> Result<Vec<Model>> {
    let mut found = history(connection, viewer, partnerships).await?;
    found.retain(|row| row.left_on.is_none());
    Ok(found)
}

/// The parts of these partnerships, those that are over as well.
///
/// # Errors
/// When the database fails.
pub async fn history(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    partnerships: &[PartnershipId],
) -> Result<Vec<Model>> {
    let mut found = Vec::new();
    for chunk in partnerships.chunks(500) {
        let select =
            Entity::visible_to(viewer).filter(Column::PartnershipId.is_in(chunk.iter().copied()));
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}
