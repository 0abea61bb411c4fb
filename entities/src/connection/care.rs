//! What happens to a connection without anybody here having asked: its app is removed at the vendor, its tokens are taken back, its scopes
//! change; and the care that its webhooks take.
//!
//! Invariant: vendors tell these things in any order and more than once. What is told of a consent that has since been given anew concerns
//! nobody; what is told again changes nothing; and a connection whose app is removed keeps no credentials, whatever is told of it afterwards.

use super::{ActiveModel, Column, ConnectionStatus, Entity, Model, set_status};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::Visible;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

impl Model {
    /// Whether something that happened at the vendor at an instant concerns the present consent. An unknown instant does.
    #[must_use]
    pub fn concerns_consent(&self, occurred_at: Option<Timestamp>) -> bool {
        match (occurred_at, self.authorized_at) {
            (Some(at), Some(since)) => at >= since,
            _ => true,
        }
    }
}

/// Our app was removed at the vendor: the credentials are worthless and are destroyed.
///
/// # Errors
/// When the database fails.
pub async fn uninstalled(change: &mut Change, row: Model, reason: &str) -> Result<Model> {
    if row.status == ConnectionStatus::Revoked {
        return Ok(row);
    }
    end(change, row, reason).await
}

async fn end(change: &mut Change, row: Model, reason: &str) -> Result<Model> {
    let version = row.version;
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(ConnectionStatus::Revoked);
    active.status_reason = Set(Some(reason.to_owned()));
    active.credentials = Set(None);
    // A renewal that is under way must not bring credentials back.
    active.credentials_version = Set(row.credentials_version + 1);
    active.paused_until = Set(None);
    active.renewing_until = Set(None);
    active.scopes_changed_at = Set(None);
    active.tending_error = Set(None);
    let gone: Model = crate::write::update(change, active, version).await?;
    let data = json!({
        "connector": gone.connector, "account": gone.tenant_id, "from": row.status, "reason": reason,
    });
    change.record(NewEvent::about(EventKind::ConnectionDisconnected, gone.id, data).internal());
    Ok(gone)
}

/// The vendor took the tokens back: somebody must connect again. A connection that cannot be used anyway stays as it is.
///
/// # Errors
/// When the database fails.
pub async fn tokens_revoked(change: &mut Change, row: Model, reason: &str) -> Result<Model> {
    let next = ConnectionStatus::ReauthRequired;
    if row.status == next || !row.status.transitions().contains(&next) {
        return Ok(row);
    }
    set_status(change, row, next, Some(reason.to_owned())).await
}

/// The vendor changed what the consent covers: it is asked for at the next use.
///
/// # Errors
/// When the database fails.
pub async fn scopes_changed(change: &Change, row: &Model) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::ScopesChangedAt, Expr::value(Some(change.now())))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Status.ne(ConnectionStatus::Revoked))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Keeps the scopes that the vendor names now; a change that was told meanwhile is asked for again.
///
/// # Errors
/// When the database fails.
pub async fn keep_scopes(
    database: &Database,
    seen: &Model,
    scopes: Option<Vec<String>>,
) -> Result<()> {
    let mut statement = Entity::update_many().col_expr(
        Column::ScopesChangedAt,
        Expr::value(Option::<Timestamp>::None),
    );
    if let Some(scopes) = scopes {
        statement = statement.col_expr(
            Column::GrantedScopes,
            Expr::value(crate::diff::Texts(scopes)),
        );
    }
    let unchanged = match seen.scopes_changed_at {
        Some(at) => Column::ScopesChangedAt.eq(at),
        None => Column::ScopesChangedAt.is_null(),
    };
    statement
        .filter(Column::Id.eq(seen.id))
        .filter(unchanged)
        .exec(database.write())
        .await?;
    Ok(())
}

/// Erases what is known of the account itself, with its credentials. The row stays, so that what it brought can be told apart.
///
/// # Errors
/// When the database fails.
pub async fn forget_account(change: &mut Change, row: Model) -> Result<Model> {
    let row = if row.status == ConnectionStatus::Revoked {
        row
    } else {
        end(change, row, "The account's data were erased.").await?
    };
    let version = row.version;
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.account = Set(super::AccountFacts::default());
    active.credentials = Set(None);
    active.hook = Set(None);
    active.hook_hash = Set(None);
    crate::write::update(change, active, version).await
}

/// Claims the care of a connection of these connectors that has had none since `before`: no other process has it then.
///
/// # Errors
/// When the database fails.
pub async fn claim_tending(
    database: &Database,
    connectors: &[&str],
    before: Timestamp,
) -> Result<Option<Model>> {
    if connectors.is_empty() {
        return Ok(None);
    }
    let now = database.now();
    let due = Condition::any()
        .add(Column::TendedAt.is_null())
        .add(Column::TendedAt.lte(before));
    let quiet = Condition::any()
        .add(Column::PausedUntil.is_null())
        .add(Column::PausedUntil.lte(now));
    let found = Entity::visible_to(&Viewer::system("tend"))
        .filter(Column::Connector.is_in(connectors.iter().copied()))
        .filter(Column::Status.is_in([ConnectionStatus::Active, ConnectionStatus::Degraded]))
        .filter(due)
        .filter(quiet)
        .order_by_asc(Column::Id)
        .limit(1)
        .one(database.read())
        .await?;
    let Some(row) = found else {
        return Ok(None);
    };
    let seen = match row.tended_at {
        Some(at) => Column::TendedAt.eq(at),
        None => Column::TendedAt.is_null(),
    };
    let claimed = Entity::update_many()
        .col_expr(Column::TendedAt, Expr::value(Some(now)))
        .filter(Column::Id.eq(row.id))
        .filter(seen)
        .exec(database.write())
        .await?;
    Ok((claimed.rows_affected == 1).then_some(row))
}

/// Keeps what came of the care: why it did not work out, if so, and the instant that counts as the last one.
///
/// # Errors
/// When the database fails.
pub async fn tended(
    change: &Change,
    id: ConnectionId,
    at: Timestamp,
    error: Option<String>,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::TendedAt, Expr::value(Some(at)))
        .col_expr(Column::TendingError, Expr::value(error))
        .filter(Column::Id.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(())
}
