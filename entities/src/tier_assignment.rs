//! Who is in which tier since when. The history is never changed: another tier is another row, and what was earned under the tier before stays.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerId, PartnershipId, TierAssignmentId, TierId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use crate::{partnership, program_enrollment, tier, visible};
use chrono::NaiveDate;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier_assignment")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierAssignmentId,
    pub created_at: Timestamp,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    /// None when a tier was taken away.
    pub tier_id: Option<TierId>,
    pub effective_on: NaiveDate,
    pub reason: String,
    pub assigned_by: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// Gives a partnership a tier of its programme from a day on, or none. `today` is the programme's day: an assignment never begins in the past, but for
/// an import or a correction.
///
/// # Errors
/// A tier of another programme, a day in the past or before the last assignment's, no reason; then nothing is written.
pub async fn assign(
    change: &mut Change,
    partnership: &partnership::Model,
    tier_id: Option<TierId>,
    effective_on: NaiveDate,
    today: NaiveDate,
    reason: String,
) -> Result<Model> {
    let system = Viewer::system("tier_assignment");
    let mut violations = Violations::default();
    violations.text("reason", &reason, 2_000);
    let origin = change.author().origin;
    let may_be_past = origin.is_external() || origin == crate::change::Origin::Correction;
    if effective_on < today && !may_be_past {
        let message = "A tier holds from today on: what was earned stays.";
        violations.add(ViolationCode::Invalid, "effectiveOn", message);
    }
    let last = history(change.transaction(), &system, &[partnership.id])
        .await?
        .pop();
    if last.is_some_and(|last| last.effective_on > effective_on) {
        let message = "A later assignment is known already.";
        violations.add(ViolationCode::Invalid, "effectiveOn", message);
    }
    if let Some(tier_id) = tier_id {
        let part =
            program_enrollment::of_partnerships(change.transaction(), &system, &[partnership.id])
                .await?;
        let tier =
            visible::find_one::<tier::Entity, _>(change.transaction(), &system, tier_id.0).await?;
        let fits = tier.is_some_and(|tier| {
            tier.archived_at.is_none() && part.iter().any(|part| part.program_id == tier.program_id)
        });
        if !fits {
            let message = "The partnership's programme has no such tier.";
            violations.add(ViolationCode::NotFound, "tierId", message);
        }
    }
    violations.finish()?;
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        partnership_id: partnership.id,
        partner_id: partnership.partner_id,
        tier_id,
        effective_on,
        reason,
        assigned_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "tier": row.tier_id, "effectiveOn": row.effective_on });
    let event = NewEvent::about(EventKind::TierAssigned, row.partnership_id, data);
    change.record(event.for_partner(row.partner_id));
    Ok(row)
}

/// The assignments of these partnerships, in the order in which they take effect.
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
        let select = Entity::visible_to(viewer)
            .filter(Column::PartnershipId.is_in(chunk.iter().copied()))
            .order_by_asc(Column::EffectiveOn)
            .order_by_asc(Column::Id);
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}
