//! What time does to applications: a question that nobody answers ends one, and who wrote one is forgotten when the person is erased.

use super::decision::{overdue, step};
use super::{ActiveModel, ApplicationStatus, Model, about};
use crate::change::Change;
use crate::contact::ERASED;
use crate::error::Result;
use crate::event::EventKind;
use sea_orm::ActiveValue::Set;
use serde_json::json;

/// For how many days a question waits for its answer.
pub const ANSWER_DAYS: i64 = 30;

/// Ends the applications whose answer did not come in time, a few at once; the answer is which.
///
/// # Errors
/// When the database fails.
pub async fn expire(change: &mut Change, limit: u64) -> Result<Vec<Model>> {
    let mut over = Vec::new();
    for row in overdue(change, limit).await? {
        let row = step(change, row, ApplicationStatus::Expired, |_| ()).await?;
        let data = json!({ "answerUntil": row.answer_until });
        change.record(about(EventKind::ApplicationExpired, &row, data));
        over.push(row);
    }
    Ok(over)
}

/// Takes the person out of an application that was read in this change; what the company asked for stays.
///
/// # Errors
/// When the database fails.
pub async fn erase_contact(change: &mut Change, row: Model) -> Result<Model> {
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.contact_name = Set(ERASED.to_owned());
    active.contact_email = Set(None);
    let row = crate::write::update(change, active, version).await?;
    change.record(about(EventKind::ApplicationErased, &row, json!({})));
    Ok(row)
}
