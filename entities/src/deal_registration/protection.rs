//! How long a registration protects: extensions with evidence, the announcement of its end, and its end by the clock.

use super::{Column, Entity, Model, RegistrationStatus, claim, follows, set_status, tell};
use crate::calendar::{Zone, plus_days};
use crate::change::Change;
use crate::deal::{self, DealStage};
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::EventKind;
use crate::id::DealRegistrationId;
use crate::program;
use crate::registration_note::{self, NoteKind};
use crate::viewer::Viewer;
use crate::visible::{self, Visible as _};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

/// How often a protection may be extended.
pub const MOST_EXTENSIONS: i32 = 2;

/// By how much where it is of no programme.
const USUAL_EXTENSION_DAYS: i32 = 45;

/// Asks for a longer protection. Nothing becomes of it until somebody extends.
///
/// # Errors
/// One that is not protected any more or was extended as often as may be, or no words; then nothing is written.
pub async fn request_extension(change: &mut Change, row: Model, evidence: String) -> Result<Model> {
    let lasts = row
        .protected_until
        .is_some_and(|until| until > change.now());
    if row.status != RegistrationStatus::Approved || !lasts {
        let message = "Only a protection that lasts is extended.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    if row.extensions >= MOST_EXTENSIONS {
        let message = format!("A protection is extended at most {MOST_EXTENSIONS} times.");
        return Err(Error::invalid(ViolationCode::Locked, "extensions", message));
    }
    let mut violations = Violations::default();
    violations.text("evidence", &evidence, 5_000);
    violations.finish()?;
    registration_note::write(change, &row, NoteKind::ExtensionRequest, false, evidence).await?;
    Ok(row)
}

/// Extends a protection, for evidence that was not given before.
///
/// # Errors
/// One that is not protected any more, was extended twice, or old evidence; then nothing is written.
pub async fn extend(change: &mut Change, row: Model, evidence: String) -> Result<Model> {
    let protected = row.protected_until.filter(|until| *until > change.now());
    let Some(until) = protected.filter(|_| row.status == RegistrationStatus::Approved) else {
        let message = "Only a protection that lasts is extended.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    };
    let mut violations = Violations::default();
    if row.extensions >= MOST_EXTENSIONS {
        let message = format!("A protection is extended at most {MOST_EXTENSIONS} times.");
        violations.add(ViolationCode::Locked, "extensions", message);
    }
    violations.text("evidence", &evidence, 5_000);
    let system = Viewer::system("deal_registration");
    let plain = |text: &str| {
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase()
    };
    let notes = registration_note::of_registration(change.transaction(), &system, row.id).await?;
    if notes
        .iter()
        .any(|note| note.kind == NoteKind::Evidence && plain(&note.text) == plain(&evidence))
    {
        violations.add(
            ViolationCode::Taken,
            "evidence",
            "This evidence was given before.",
        );
    }
    violations.finish()?;
    let program = match row.program_id {
        Some(id) => {
            visible::find_one::<program::Entity, _>(change.transaction(), &system, id.0).await?
        }
        None => None,
    };
    let (zone, days) = program.map_or((Zone::UTC, USUAL_EXTENSION_DAYS), |program| {
        (program.zone, program.extension_days)
    });
    // The protection ends with a day: so does the longer one, also where the clocks change between them.
    let longer = zone
        .day_of(until)
        .and_then(|day| plus_days(day, i64::from(days)))
        .and_then(|day| zone.start_of(day))
        .ok_or_else(|| Error::Damaged("an instant without a day".to_owned()))?;
    registration_note::write(change, &row, NoteKind::Evidence, false, evidence).await?;
    let extensions = row.extensions + 1;
    let row = set_status(change, row, RegistrationStatus::Approved, |active| {
        active.protected_until = Set(Some(longer));
        active.extensions = Set(extensions);
        active.expiring_announced_at = Set(None);
    })
    .await?;
    tell(
        change,
        EventKind::RegistrationExtended,
        &row,
        json!({ "protectedUntil": longer, "extensions": extensions }),
    );
    Ok(row)
}

/// Takes a registration back.
///
/// # Errors
/// One that is over, or no reason; then nothing is written.
pub async fn withdraw(change: &mut Change, row: Model, reason: String) -> Result<Model> {
    follows(&row, RegistrationStatus::Withdrawn)?;
    registration_note::write(change, &row, NoteKind::Comment, false, reason).await?;
    let row = set_status(change, row, RegistrationStatus::Withdrawn, |_| ()).await?;
    claim::release(change, &[row.id]).await?;
    tell(change, EventKind::RegistrationWithdrawn, &row, json!({}));
    let system = Viewer::system("deal_registration");
    let made = row.deal_id.map(|id| id.0);
    for deal in visible::lock_all::<deal::Entity>(change, &system, made).await? {
        // One that has gone on is somebody's work by now, and not the partner's to end.
        if deal.stage == DealStage::Prospect {
            deal::lose(
                change,
                deal,
                "The registration was withdrawn.".to_owned(),
                None,
            )
            .await?;
        }
    }
    Ok(row)
}

/// Ends the protections that are over at the instant of the change; at most `limit`, again until none is left.
///
/// # Errors
/// When the database fails.
pub async fn expire(change: &mut Change, limit: u64) -> Result<Vec<Model>> {
    let rows = Entity::visible_to(&Viewer::system("deal_registration"))
        .filter(Column::Status.eq(RegistrationStatus::Approved))
        .filter(Column::ProtectedUntil.lte(change.now()))
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    let ids: Vec<DealRegistrationId> = rows.iter().map(|row| row.id).collect();
    claim::release(change, &ids).await?;
    let mut over = Vec::with_capacity(rows.len());
    for row in rows {
        let row = set_status(change, row, RegistrationStatus::Expired, |_| ()).await?;
        tell(
            change,
            EventKind::RegistrationExpired,
            &row,
            json!({ "protectedUntil": row.protected_until }),
        );
        over.push(row);
    }
    Ok(over)
}

/// Announces protections that end within so many days, each once until it is extended.
///
/// # Errors
/// When the database fails.
pub async fn announce_expiring(
    change: &mut Change,
    within_days: i64,
    limit: u64,
) -> Result<Vec<Model>> {
    let until = change
        .now()
        .plus_millis(within_days.saturating_mul(86_400_000));
    let rows = Entity::visible_to(&Viewer::system("deal_registration"))
        .filter(Column::Status.eq(RegistrationStatus::Approved))
        .filter(Column::ExpiringAnnouncedAt.is_null())
        .filter(Column::ProtectedUntil.lte(until))
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    let now = change.now();
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        let row = set_status(change, row, RegistrationStatus::Approved, |active| {
            active.expiring_announced_at = Set(Some(now));
        })
        .await?;
        tell(
            change,
            EventKind::RegistrationExpiring,
            &row,
            json!({ "protectedUntil": row.protected_until }),
        );
        told.push(row);
    }
    Ok(told)
}
