//! Where the reading of one resource of one connection stands, and who is reading it: a lease with a fence.
//!
//! A worker claims the row for a while and gets a fence number that is higher than any before. It writes its page, its links and
//! the new position in one transaction that checks the fence; a worker whose lease ran out finds another number and writes
//! nothing. A row whose lease was never given back tells the next one who claims it that the work there may be what ends workers.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::connection::{self, ConnectionStatus};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, LockBehavior, LockType, OnConflict, Query};
use std::collections::HashSet;
use uuid::Uuid;

/// `available_at` of a lane that has nothing to do until somebody rewinds it.
pub const DORMANT: Timestamp = Timestamp(i64::MAX);
/// `available_at` of a lane that is done for the present run; the end of the run sets it free.
pub const PARKED: Timestamp = Timestamp(i64::MAX - 1);

/// The lane of a complete walk that looks for what the others have missed. It has times and runs of its own.
pub const RECONCILE: &str = "reconcile";

/// What the error of a lane begins with that waits for a vendor's limit.
pub const RATE_LIMITED: &str = "RATE_LIMITED";

/// A cursor.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_cursor")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The neutral resource.
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    /// `backfill`, `delta`, `archived` or [`RECONCILE`].
    #[sea_orm(primary_key, auto_increment = false)]
    pub lane: String,
    /// The connector's position; only it can read it.
    pub position: Option<Json>,
    /// Whether the backfill is complete.
    pub complete: bool,
    /// Not before this instant.
    pub available_at: Timestamp,
    pub attempts: i32,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub error: Option<String>,
    /// How often work at this position never came to an end: whoever had claimed it was gone before it could say why. Counted by the next claim, but not
    /// while a record is on trial: who tries it counts.
    pub unfinished: i32,
    /// The record of the page that is being applied alone.
    pub on_trial: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// Makes sure that the lanes exist; those that do stay as they are.
///
/// # Errors
/// When the database fails.
pub async fn ensure(
    change: &Change,
    connection_id: ConnectionId,
    lanes: &[(&str, &str, Timestamp)],
) -> Result<()> {
    if lanes.is_empty() {
        return Ok(());
    }
    let mut statement = Query::insert();
    statement.into_table(Entity).columns([
        Column::ConnectionId,
        Column::Resource,
        Column::Lane,
        Column::Complete,
        Column::AvailableAt,
        Column::Attempts,
        Column::Fence,
    ]);
    for (resource, lane, available_at) in lanes {
        statement.values_panic([
            Expr::value(connection_id),
            Expr::value(*resource),
            Expr::value(*lane),
            Expr::value(false),
            Expr::value(*available_at),
            Expr::value(0_i32),
            Expr::value(0_i64),
        ]);
    }
    statement.on_conflict(
        OnConflict::columns([Column::ConnectionId, Column::Resource, Column::Lane])
            .do_nothing()
            .to_owned(),
    );
    change.transaction().execute(&statement).await?;
    Ok(())
}

/// The lanes of a connection.
///
/// # Errors
/// When the database fails.
pub async fn list(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("sync_cursor"))
        .filter(Column::ConnectionId.eq(connection_id));
    Ok(select.all(connection).await?)
}

/// The connections whose vendor may be called now.
pub(crate) fn callable_connections(now: Timestamp) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(connection::Column::Id)
        .from(connection::Entity)
        .and_where(
            connection::Column::Status
                .is_in([ConnectionStatus::Active, ConnectionStatus::Degraded]),
        )
        .cond_where(
            Condition::any()
                .add(connection::Column::PausedUntil.is_null())
                .add(connection::Column::PausedUntil.lte(now)),
        )
        .to_owned()
}

fn free(now: Timestamp) -> Condition {
    let lease = Condition::any()
        .add(Column::LeaseUntil.is_null())
        .add(Column::LeaseUntil.lte(now));
    Condition::all()
        .add(Column::AvailableAt.lte(now))
        .add(lease)
}

/// How a claim is made.
#[derive(Clone, Copy, Debug)]
pub struct Claiming {
    /// Who claims.
    pub worker: Uuid,
    /// For how long, in milliseconds.
    pub lease_millis: i64,
    /// Only lanes of this connection.
    pub only: Option<ConnectionId>,
}

/// Claims the due lane of the lowest rank of a connection that may be called and of which no other lane is being read. The attempt
/// is counted here, before anything can go wrong.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    database: &Database,
    claiming: Claiming,
    rank: impl Fn(&Model) -> u32,
) -> Result<Option<Model>> {
    let system = Viewer::system("sync_cursor");
    let now = database.now();
    let mut select = Entity::visible_to(&system)
        .filter(Column::ConnectionId.in_subquery(callable_connections(now)));
    select = select.filter(
        Condition::any()
            .add(free(now))
            .add(Column::LeaseUntil.gt(now)),
    );
    if let Some(only) = claiming.only {
        select = select.filter(Column::ConnectionId.eq(only));
    }
    let rows = select.all(database.read()).await?;
    let leased = |row: &Model| row.lease_until.is_some_and(|until| until > now);
    let busy: HashSet<ConnectionId> = rows
        .iter()
        .filter(|row| leased(row))
        .map(|row| row.connection_id)
        .collect();
    let mut due: Vec<&Model> = rows
        .iter()
        .filter(|row| !busy.contains(&row.connection_id))
        .collect();
    due.sort_by_key(|row| (rank(row), row.available_at));
    for row in due {
        if let Some(claimed) = try_claim(database, claiming, row, now).await? {
            return Ok(Some(claimed));
        }
    }
    Ok(None)
}

async fn try_claim(
    database: &Database,
    claiming: Claiming,
    row: &Model,
    now: Timestamp,
) -> Result<Option<Model>> {
    let transaction = database.begin().await?;
    // Applying locks the connection's row first as well. Under it, what another worker has claimed meanwhile is seen.
    let system = Viewer::system("sync_cursor");
    connection::Entity::visible_to(&system)
        .filter(connection::Column::Id.eq(row.connection_id))
        .lock_exclusive()
        .one(&transaction)
        .await?;
    if list(&transaction, row.connection_id)
        .await?
        .iter()
        .any(|lane| lane.lease_until.is_some_and(|until| until > now))
    {
        return Ok(None);
    }
    let select = Entity::visible_to(&system)
        .filter(key(row))
        .filter(free(now));
    let found = select
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(&transaction)
        .await?;
    let Some(mut row) = found else {
        return Ok(None);
    };
    row.attempts = row.attempts.saturating_add(1);
    row.fence += 1;
    if row.lease_until.is_some() && row.on_trial.is_none() {
        row.unfinished = row.unfinished.saturating_add(1);
    }
    row.lease_owner = Some(claiming.worker);
    row.lease_until = Some(now.plus_millis(claiming.lease_millis));
    Entity::update_many()
        .col_expr(Column::Attempts, Expr::value(row.attempts))
        .col_expr(Column::Fence, Expr::value(row.fence))
        .col_expr(Column::LeaseOwner, Expr::value(row.lease_owner))
        .col_expr(Column::LeaseUntil, Expr::value(row.lease_until))
        .col_expr(Column::Unfinished, Expr::value(row.unfinished))
        .filter(key(&row))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(Some(row))
}

fn key(row: &Model) -> Condition {
    Condition::all()
        .add(Column::ConnectionId.eq(row.connection_id))
        .add(Column::Resource.eq(row.resource.as_str()))
        .add(Column::Lane.eq(row.lane.as_str()))
}

/// Writes a claimed row back, all but its key and its fence. Whoever lost the lease writes nothing.
///
/// # Errors
/// [`Error::LeaseLost`], or a fault of the database.
pub async fn write_back(connection: &impl ConnectionTrait, row: &Model) -> Result<()> {
    let done = Entity::update_many()
        .col_expr(Column::Position, Expr::value(row.position.clone()))
        .col_expr(Column::Complete, Expr::value(row.complete))
        .col_expr(Column::AvailableAt, Expr::value(row.available_at))
        .col_expr(Column::Attempts, Expr::value(row.attempts))
        .col_expr(Column::LeaseOwner, Expr::value(row.lease_owner))
        .col_expr(Column::LeaseUntil, Expr::value(row.lease_until))
        .col_expr(Column::Error, Expr::value(row.error.clone()))
        .col_expr(Column::Unfinished, Expr::value(row.unfinished))
        .col_expr(Column::OnTrial, Expr::value(row.on_trial.clone()))
        .filter(key(row))
        .filter(Column::Fence.eq(row.fence))
        .exec(connection)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(Error::LeaseLost)
    }
}

/// Sets the position at which a lane goes on; whoever reads it at the time loses its lease.
///
/// # Errors
/// When the database fails.
pub async fn place(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    (resource, lane): (&str, &str),
    position: Option<Json>,
    available_at: Timestamp,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Position, Expr::value(position))
        .col_expr(Column::AvailableAt, Expr::value(available_at))
        .col_expr(Column::Attempts, Expr::value(0_i32))
        .col_expr(Column::Error, Expr::value(Option::<String>::None))
        .col_expr(Column::Unfinished, Expr::value(0_i32))
        .col_expr(Column::OnTrial, Expr::value(Option::<String>::None))
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1_i64))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Resource.eq(resource))
        .filter(Column::Lane.eq(lane))
        .exec(connection)
        .await?;
    Ok(())
}

/// Makes every lane of a connection due but that of reconciling, if it is not dormant, not being read, and not told by the vendor to wait: nobody's wish shortens that.
///
/// # Errors
/// When the database fails.
pub async fn make_due(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    now: Timestamp,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::AvailableAt, Expr::value(now))
        .col_expr(Column::Attempts, Expr::value(0_i32))
        .col_expr(Column::Error, Expr::value(Option::<String>::None))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::AvailableAt.ne(DORMANT))
        .filter(Column::Lane.ne(RECONCILE))
        .filter(
            Condition::any()
                .add(Column::Error.is_null())
                .add(Column::Error.not_like(format!("{RATE_LIMITED}%")))
                .add(Column::AvailableAt.lte(now)),
        )
        .filter(
            Condition::any()
                .add(Column::LeaseUntil.is_null())
                .add(Column::LeaseUntil.lte(now)),
        )
        .exec(connection)
        .await?;
    Ok(())
}

/// Sets the parked lanes of a connection free from an instant on.
///
/// # Errors
/// When the database fails.
pub async fn unpark(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    available_at: Timestamp,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::AvailableAt, Expr::value(available_at))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::AvailableAt.eq(PARKED))
        .exec(connection)
        .await?;
    Ok(())
}

/// Takes every lease away. Only for a caller that knows no other process works on this database: what a process that was killed
/// had claimed is then due at once, and counts as work that never came to an end.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Unfinished, {
            let unfinished = Expr::col(Column::Unfinished);
            Expr::case(Column::OnTrial.is_null(), unfinished.clone().add(1_i32))
                .finally(unfinished)
                .into()
        })
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1_i64))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::LeaseUntil.is_not_null())
        .exec(database.write())
        .await?;
    Ok(())
}
