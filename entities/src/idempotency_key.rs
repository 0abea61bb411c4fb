//! "I may have sent this before": the answer to a create is kept for 24 hours under the caller's key.
//!
//! The row is written in the same transaction as what was created, so that there is never the one without the other. The same
//! key with another input is an error; keys of different callers do not meet.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{ActiveValue::Set, TryInsertResult};
use uuid::Uuid;

/// How long an answer is kept, in milliseconds.
pub const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_key")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    /// The token's subject.
    #[sea_orm(primary_key, auto_increment = false)]
    pub caller: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The mutation and a hash of its input.
    pub request: String,
    /// What was created; set before the transaction ends.
    pub subject_id: Uuid,
    pub created_at: Timestamp,
}

/// It has none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// Finds what this caller created under this key before.
///
/// # Errors
/// [`ViolationCode::IdempotencyMismatch`] when the key was used for another request.
pub async fn find(change: &Change, caller: &str, key: &str, request: &str) -> Result<Option<Uuid>> {
    if key.is_empty() || key.len() > 200 || key.chars().any(char::is_control) {
        return Err(Error::invalid(
            ViolationCode::Invalid,
            "idempotencyKey",
            "Between 1 and 200 characters, none of them a control character.",
        ));
    }
    let kept = Entity::visible_to(&Viewer::system("idempotency_key"))
        .filter(Column::Caller.eq(caller))
        .filter(Column::Key.eq(key))
        .filter(Column::CreatedAt.gt(change.now().plus_millis(-KEPT_MILLIS)))
        .one(change.transaction())
        .await?;
    match kept {
        Some(row) if row.request != request => Err(Error::invalid(
            ViolationCode::IdempotencyMismatch,
            "idempotencyKey",
            "This key was used for another request.",
        )),
        Some(row) => Ok(Some(row.subject_id)),
        None => Ok(None),
    }
}

/// Keeps what was created. If another transaction used the key meanwhile, the answer is false and this change must be dropped.
///
/// # Errors
/// When the database fails.
pub async fn keep(
    change: &Change,
    caller: &str,
    key: &str,
    request: &str,
    subject_id: Uuid,
) -> Result<bool> {
    let now = change.now();
    Entity::delete_many()
        .filter(Column::Caller.eq(caller))
        .filter(Column::Key.eq(key))
        .filter(Column::CreatedAt.lte(now.plus_millis(-KEPT_MILLIS)))
        .exec(change.transaction())
        .await?;
    let row = ActiveModel {
        caller: Set(caller.to_owned()),
        key: Set(key.to_owned()),
        request: Set(request.to_owned()),
        subject_id: Set(subject_id),
        created_at: Set(now),
    };
    let done = Entity::insert(row)
        .on_conflict_do_nothing_on([Column::Caller, Column::Key])
        .exec_without_returning(change.transaction())
        .await?;
    // A conflict is reported as an insertion of no row.
    Ok(matches!(done, TryInsertResult::Inserted(1)))
}
