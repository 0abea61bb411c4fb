//! Rows that wait for a worker and belong to no connection: what is to be mailed, and what automations are to do.
//!
//! Owns their claiming and giving back; what a row means is its table's matter. The laws are those of the other queues: a row is due exactly when
//! `available_at` has come, a claim moves that to the end of its lease, raises the fence and counts the attempt, and whoever settles names the fence it
//! was given. Invariant: a row whose attempts are used up because the processes that made them died is given up, and says so.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::viewer::Viewer;
use crate::visible::Visible;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{
    Alias, Condition, ExprTrait as _, LockBehavior, LockType, Query, SimpleExpr, UpdateStatement,
};
use sea_orm::{QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

/// A table of such rows: `id, state, attempts, available_at, lease_owner, lease_until, fence, settled_at, error` and its own columns. An index over
/// `(available_at, id) WHERE state = 'PENDING'` is part of it.
pub(crate) trait Outbox: Visible<Model: Errand> {
    /// Its name.
    const TABLE: &'static str;
    /// The state of a row that was given up.
    const GIVEN_UP: &'static str;
}

/// A row of such a table.
pub(crate) trait Errand: Send + Sync {
    /// Its id.
    fn id(&self) -> Uuid;
    /// What the last claim was given.
    fn fence(&self) -> i64;
    /// How often it was claimed.
    fn attempts(&self) -> i32;
}

/// How a claim is made.
#[derive(Clone, Copy, Debug)]
pub struct Claiming {
    /// Who claims.
    pub worker: Uuid,
    /// For how long, in milliseconds.
    pub lease_millis: i64,
    /// At most so many rows.
    pub limit: u64,
    /// After so many attempts a row is given up.
    pub max_attempts: i32,
}

fn column<E: Outbox>(name: &'static str) -> SimpleExpr {
    Expr::col((E::default(), Alias::new(name)))
}

/// Written out, for a bound value would keep both databases from the index over what waits.
fn pending<E: Outbox>() -> SimpleExpr {
    Expr::cust(format!("\"{}\".\"state\" = 'PENDING'", E::TABLE))
}

fn update<E: Outbox>() -> UpdateStatement {
    Query::update().table(E::default()).to_owned()
}

/// Claims due rows, those that have waited longest first.
pub(crate) async fn claim<E: Outbox>(
    database: &Database,
    claiming: Claiming,
) -> Result<Vec<E::Model>> {
    let (system, now) = (Viewer::system(E::TABLE), database.now());
    let due = || {
        Condition::all()
            .add(pending::<E>())
            .add(column::<E>("available_at").lte(now))
    };
    // Looking costs no transaction: mostly there is nothing.
    let any = E::visible_to(&system).filter(due()).limit(1);
    if any.one(database.read()).await?.is_none() {
        return Ok(Vec::new());
    }
    let transaction = database.begin().await?;
    let rows = E::visible_to(&system)
        .filter(due())
        .order_by_asc(column::<E>("available_at"))
        .order_by_asc(column::<E>("id"))
        .limit(claiming.limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(&transaction)
        .await?;
    let (spent, claimed): (Vec<E::Model>, Vec<E::Model>) = rows
        .into_iter()
        .partition(|row| row.attempts() >= claiming.max_attempts);
    let ids = |rows: &[E::Model]| rows.iter().map(Errand::id).collect::<Vec<Uuid>>();
    if !spent.is_empty() {
        let died = "the last attempt never came to an end";
        let mut statement = update::<E>();
        statement
            .value("state", E::GIVEN_UP)
            .value("settled_at", now)
            .value("error", died)
            .value("fence", column::<E>("fence").add(1_i64))
            .value("lease_owner", Option::<Uuid>::None)
            .value("lease_until", Option::<Timestamp>::None)
            .and_where(column::<E>("id").is_in(ids(&spent)));
        transaction.execute(&statement).await?;
    }
    let mut found = Vec::new();
    if !claimed.is_empty() {
        let until = now.plus_millis(claiming.lease_millis);
        let mut statement = update::<E>();
        statement
            .value("attempts", column::<E>("attempts").add(1_i32))
            .value("fence", column::<E>("fence").add(1_i64))
            .value("lease_owner", Some(claiming.worker))
            .value("lease_until", Some(until))
            .value("available_at", until)
            .and_where(column::<E>("id").is_in(ids(&claimed)));
        transaction.execute(&statement).await?;
        found = E::visible_to(&system)
            .filter(column::<E>("id").is_in(ids(&claimed)))
            .order_by_asc(column::<E>("id"))
            .all(&transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(found)
}

/// Adds to an update that it is of a row that is still the claimer's.
fn of_held<E: Outbox>(statement: &mut UpdateStatement, row: &E::Model) {
    statement
        .value("lease_owner", Option::<Uuid>::None)
        .value("lease_until", Option::<Timestamp>::None)
        .and_where(column::<E>("id").eq(row.id()))
        .and_where(column::<E>("fence").eq(row.fence()))
        .and_where(pending::<E>());
}

/// Ends the work on a claimed row in this state. The answer says whether it was still the claimer's; otherwise nothing is written.
pub(crate) async fn settle<E: Outbox>(
    connection: &impl ConnectionTrait,
    row: &E::Model,
    state: impl Into<sea_orm::Value>,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let mut statement = update::<E>();
    let state: sea_orm::Value = state.into();
    statement
        .value("state", state)
        .value("settled_at", Some(now))
        .value("error", error);
    of_held::<E>(&mut statement, row);
    Ok(connection.execute(&statement).await?.rows_affected() == 1)
}

/// Gives a claimed row back, due at an instant. `counted` says whether the attempt was one.
pub(crate) async fn release<E: Outbox>(
    connection: &impl ConnectionTrait,
    row: &E::Model,
    available_at: Timestamp,
    error: Option<&str>,
    counted: bool,
) -> Result<bool> {
    let attempts = row.attempts() - i32::from(!counted);
    let mut statement = update::<E>();
    statement
        .value("available_at", available_at)
        .value("attempts", attempts)
        .value("error", error);
    of_held::<E>(&mut statement, row);
    Ok(connection.execute(&statement).await?.rows_affected() == 1)
}

/// Takes every lease away: what a process that was killed had claimed is due at once.
pub(crate) async fn break_leases<E: Outbox>(database: &Database) -> Result<()> {
    let mut statement = update::<E>();
    statement
        .value("fence", column::<E>("fence").add(1_i64))
        .value("lease_owner", Option::<Uuid>::None)
        .value("lease_until", Option::<Timestamp>::None)
        .value("available_at", database.now())
        .and_where(column::<E>("lease_until").is_not_null())
        .and_where(pending::<E>());
    database.write().execute(&statement).await?;
    Ok(())
}

/// Throws away what was settled before an instant, at most so many rows. The answer is how many there were.
pub(crate) async fn prune<E: Outbox>(
    database: &Database,
    before: Timestamp,
    limit: u64,
) -> Result<u64> {
    let settled = || Expr::cust(format!("\"{}\".\"state\" <> 'PENDING'", E::TABLE));
    let old: Vec<Uuid> = E::visible_to(&Viewer::system(E::TABLE))
        .filter(settled())
        .filter(column::<E>("settled_at").lt(before))
        .order_by_asc(column::<E>("settled_at"))
        .limit(limit)
        .select_only()
        .expr(column::<E>("id"))
        .into_tuple()
        .all(database.read())
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    let done = E::delete_many()
        .filter(column::<E>("id").is_in(old))
        .filter(settled())
        .exec(database.write())
        .await?;
    Ok(done.rows_affected)
}
