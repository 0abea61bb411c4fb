//! What is due, and making it a worker's own: by endpoint and lane, so that neither a slow receiver nor what failed stands before anything else.

use super::{Column, DeliveryState, Entity, Model};
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::WebhookEndpointId;
use crate::viewer::Viewer;
use crate::visible::Visible;
use crate::webhook_endpoint::{self, EndpointStatus};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, LockBehavior, LockType, Query};
use sea_orm::{DatabaseTransaction, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

/// The active endpoints that something is due for.
///
/// # Errors
/// When the database fails.
pub async fn due_endpoints(database: &Database) -> Result<Vec<webhook_endpoint::Model>> {
    let due = Query::select()
        .expr(Expr::val(1))
        .from(Entity)
        .and_where(
            Expr::col((Entity, Column::EndpointId))
                .equals((webhook_endpoint::Entity, webhook_endpoint::Column::Id)),
        )
        .and_where(Expr::cust("\"webhook_delivery\".\"state\" = 'PENDING'"))
        // Both lanes are named, for the index begins with them.
        .and_where(Expr::col((Entity, Column::Retry)).is_in([false, true]))
        .and_where(Expr::col((Entity, Column::AvailableAt)).lte(database.now()))
        .to_owned();
    let select = webhook_endpoint::Entity::visible_to(&Viewer::system("webhook_delivery"))
        .filter(webhook_endpoint::Column::Status.eq(EndpointStatus::Active))
        .filter(Expr::exists(due));
    Ok(select.all(database.read()).await?)
}

/// How deliveries are claimed.
#[derive(Clone, Copy, Debug)]
pub struct Claiming {
    /// Who claims.
    pub worker: Uuid,
    /// Until when they are the worker's.
    pub until: Timestamp,
    /// What is due at this instant.
    pub now: Timestamp,
    /// After so many attempts a delivery is given up.
    pub max_attempts: i32,
}

/// Claims due deliveries of one lane of one endpoint, those that have waited longest. The attempt is counted here. One whose attempts are used up,
/// because the process that made the last one died, is given up.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    transaction: &DatabaseTransaction,
    claiming: Claiming,
    (endpoint, retry): (WebhookEndpointId, bool),
    limit: u64,
) -> Result<Vec<Model>> {
    let rows = Entity::visible_to(&Viewer::system("webhook_delivery"))
        .filter(Column::EndpointId.eq(endpoint))
        .filter(Column::Retry.eq(retry))
        .filter(Expr::cust("\"webhook_delivery\".\"state\" = 'PENDING'"))
        .filter(Column::AvailableAt.lte(claiming.now))
        .order_by_asc(Column::AvailableAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(transaction)
        .await?;
    let (spent, mut claimed): (Vec<Model>, Vec<Model>) = rows
        .into_iter()
        .partition(|row| row.attempts >= claiming.max_attempts);
    let ids = |rows: &[Model]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    if !spent.is_empty() {
        Entity::update_many()
            .col_expr(Column::State, Expr::value(DeliveryState::Failed))
            .col_expr(Column::SettledAt, Expr::value(Some(claiming.now)))
            .col_expr(Column::Fence, Expr::col(Column::Fence).add(1_i64))
            .col_expr(
                Column::Error,
                Expr::value(Some("the last attempt never came to an end")),
            )
            .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
            .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .filter(Column::Id.is_in(ids(&spent)))
            .exec(transaction)
            .await?;
    }
    if !claimed.is_empty() {
        Entity::update_many()
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1_i32))
            .col_expr(Column::Fence, Expr::col(Column::Fence).add(1_i64))
            .col_expr(Column::LeaseOwner, Expr::value(Some(claiming.worker)))
            .col_expr(Column::LeaseUntil, Expr::value(Some(claiming.until)))
            // Due again when the lease is over, whatever becomes of the worker.
            .col_expr(Column::AvailableAt, Expr::value(claiming.until))
            .filter(Column::Id.is_in(ids(&claimed)))
            .exec(transaction)
            .await?;
        for row in &mut claimed {
            row.attempts += 1;
            row.fence += 1;
            row.lease_owner = Some(claiming.worker);
            row.lease_until = Some(claiming.until);
            row.available_at = claiming.until;
        }
    }
    Ok(claimed)
}
