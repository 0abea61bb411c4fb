//! Rows that wait for a worker: how a batch of them is claimed, kept, settled and given back, whatever the rows mean.
//!
//! Owns the statements; each is one for a whole batch, on both databases. Refuses: to lock or to read rows that are not due, and rows of more than
//! one connection and resource at a time. What a row means is its table's matter ([`crate::inbound_signal`], [`crate::outbound_push`]); what tells the rows'
//! type from its arguments those modules offer as it stands here.
//!
//! Invariants:
//! - Whoever claims a row raises its fence; whoever writes to it afterwards names the fence it was given and does nothing when another came since.
//! - A row is due exactly when `available_at` has come. A claim moves that to the end of the lease, so a search for due rows never walks over those
//!   that are being worked on, and a row whose worker died is due again by itself.
//! - The attempt is counted by the claim, before anything can go wrong; a row that has used up its attempts is claimed by nobody and dead.
//! - A claim clears the row's error, so that one whose worker died says nothing of why. After two such attempts it is claimed alone: what kills its
//!   workers ends by itself, and takes nobody with it.
//! - Rows are found through an index over those that live, `(connection_id, resource, available_at)`: what a claim costs does not depend on how many
//!   rows wait, nor on how many of another resource or another connection do.

mod claim;
pub(crate) mod outbox;
mod raise;
mod text;

pub(crate) use claim::{Claiming, claim};
pub(crate) use raise::raise;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::Visible;
use sea_orm::sea_query::{Alias, ArrayType, Expr, ExprTrait as _, Value};
use sea_orm::{
    ConnectionTrait, FromQueryResult, IdenStatic as _, ModelTrait, QueryFilter as _, Select,
};
use text::{CHUNK, Text, chunks, columns};

/// A table of waiting rows: `connection_id, resource, generation, attempts, available_at, lease_owner, lease_until, fence, dead, error` and its
/// own columns. An index over `(connection_id, resource, available_at) WHERE dead = false` is part of it.
pub trait Queue: Visible<Model: Waiting> {
    /// Its name.
    const TABLE: &'static str;
    /// The last column of its primary key.
    const KEY: &'static str;
    /// That column's type, as PostgreSQL names it, and as values have it.
    const KEY_TYPE: (&'static str, ArrayType);
    /// Whether the resource is part of the primary key.
    const KEYED_BY_RESOURCE: bool;
    /// What else is set on a row that is due again because something was added to it while it was worked on.
    const DUE_AGAIN: &'static str;
}

/// What every row of such a table says.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose it is.
    pub connection_id: ConnectionId,
    /// The neutral resource.
    pub resource: &'a str,
    /// What the last claim was given.
    pub fence: i64,
    /// How often something was added to it.
    pub generation: i64,
    /// Whether it is given up.
    pub is_dead: bool,
    /// Since when it waits.
    pub first_seen_at: Timestamp,
}

/// A row of such a table.
pub trait Waiting: ModelTrait + FromQueryResult + Send + Sync {
    /// What it says.
    fn place(&self) -> Place<'_>;
    /// The last column of its key.
    fn key(&self) -> Value;
}

/// Of these claimed rows those whose lease still holds, as they are now, locked until the change ends.
///
/// # Errors
/// When the database fails.
pub async fn still_claimed<M>(change: &Change, claimed: &[M]) -> Result<Vec<M>>
where
    M: Waiting<Entity: Queue<Model = M>>,
{
    let connection = change.transaction();
    let mut held = Vec::with_capacity(claimed.len());
    for chunk in chunks(claimed) {
        let mut text = Text::new(connection.get_database_backend());
        let sql = text.held::<M::Entity>(&columns::<M::Entity>("it."), &chunk, false);
        for row in connection.query_all_raw(text.statement(sql)).await? {
            held.push(M::from_query_result(&row, "")?);
        }
    }
    Ok(held)
}

/// Ends the work on claimed rows: those that nothing was added to since are gone, the others are due again.
///
/// # Errors
/// When the database fails.
pub async fn settle<M>(
    connection: &impl ConnectionTrait,
    claimed: &[M],
    now: Timestamp,
) -> Result<()>
where
    M: Waiting<Entity: Queue<Model = M>>,
{
    let backend = connection.get_database_backend();
    let (table, besides) = (M::Entity::TABLE, M::Entity::DUE_AGAIN);
    for chunk in chunks(claimed) {
        let mut text = Text::new(backend);
        let place = text.place_of("it");
        let held = text.held::<M::Entity>(&place, &chunk, true);
        let sql = format!("DELETE FROM {table} WHERE {}", text.places(&held));
        let gone = connection.execute_raw(text.statement(sql)).await?;
        if usize::try_from(gone.rows_affected()).is_ok_and(|gone| gone == chunk.len()) {
            continue;
        }
        let set =
            "attempts = 0, error = NULL, dead = false, lease_owner = NULL, lease_until = NULL";
        let mut text = Text::new(backend);
        let place = text.place_of("it");
        let held = text.held::<M::Entity>(&place, &chunk, false);
        let (now, places) = (text.bind(now), text.places(&held));
        let sql = format!("UPDATE {table} SET available_at = {now}, {set}{besides} WHERE {places}");
        connection.execute_raw(text.statement(sql)).await?;
    }
    Ok(())
}

/// Gives a claimed row back: due at an instant, with so many attempts counted and the reason. One that something was added to meanwhile is not
/// dead: it is due again instead.
///
/// # Errors
/// When the database fails.
pub async fn release<M>(
    connection: &impl ConnectionTrait,
    row: &M,
    available_at: Timestamp,
    attempts: i32,
    error: Option<String>,
    dead: bool,
) -> Result<()>
where
    M: Waiting<Entity: Queue<Model = M>>,
{
    let backend = connection.get_database_backend();
    let give = async |attempts: i32, dead: bool| -> Result<u64> {
        let mut text = Text::new(backend);
        let place = text.place_of("it");
        let held = text.held::<M::Entity>(&place, &[row], dead);
        let (at, attempts) = (text.bind(available_at), text.bind(attempts));
        let (error, dead) = (text.bind(error.clone()), text.bind(dead));
        let set =
            format!("available_at = {at}, attempts = {attempts}, error = {error}, dead = {dead}");
        let sql = format!(
            "UPDATE {} SET {set}, lease_owner = NULL, lease_until = NULL WHERE {}",
            M::Entity::TABLE,
            text.places(&held)
        );
        let done = connection.execute_raw(text.statement(sql)).await?;
        Ok(done.rows_affected())
    };
    if dead && give(attempts, true).await? > 0 {
        return Ok(());
    }
    give(if dead { 0 } else { attempts }, false).await?;
    Ok(())
}

/// Sets one column of the claimed rows that are still ours; the answer is how many there were.
pub(crate) async fn note<E: Queue>(
    connection: &impl ConnectionTrait,
    claimed: &[E::Model],
    column: E::Column,
    value: impl Into<Value>,
) -> Result<usize> {
    let value: Value = value.into();
    let mut noted = 0;
    for chunk in chunks(claimed) {
        let mut text = Text::new(connection.get_database_backend());
        let place = text.place_of("it");
        let held = text.held::<E>(&place, &chunk, false);
        let (value, places) = (text.bind(value.clone()), text.places(&held));
        let (table, column) = (E::TABLE, column.as_str());
        let sql = format!("UPDATE {table} SET {column} = {value} WHERE {places}");
        let done = connection.execute_raw(text.statement(sql)).await?;
        noted += usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
    }
    Ok(noted)
}

/// Takes every lease away: what a process that was killed had claimed is due at once.
pub(crate) async fn break_leases<E: Queue>(database: &Database) -> Result<()> {
    let mut text = Text::new(database.backend());
    let (table, now) = (E::TABLE, text.bind(database.now()));
    let set = "fence = fence + 1, lease_owner = NULL, lease_until = NULL";
    let sql =
        format!("UPDATE {table} SET {set}, available_at = {now} WHERE lease_until IS NOT NULL");
    database.write().execute_raw(text.statement(sql)).await?;
    Ok(())
}

/// A SELECT of the dead rows of a connection.
pub(crate) fn dead_of<E: Queue>(connection_id: ConnectionId) -> Select<E> {
    // Written out, for a bound value would keep both databases from the index over the dead.
    E::visible_to(&Viewer::system(E::TABLE))
        .filter(Expr::col((E::default(), Alias::new("connection_id"))).eq(connection_id))
        .filter(Expr::cust(format!("\"{}\".\"dead\" = true", E::TABLE)))
}

/// Lets dead rows of a connection live again, due at once and with no attempt counted: those of these resources and keys, or all of them.
/// The answer is how many there were.
pub(crate) async fn replay<E: Queue>(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    which: Option<Vec<(Option<&str>, Value)>>,
    now: Timestamp,
) -> Result<u64> {
    let (backend, table) = (connection.get_database_backend(), E::TABLE);
    let begin = |text: &mut Text| {
        let (connection_id, now) = (text.bind(connection_id), text.bind(now));
        format!(
            "UPDATE {table} SET dead = false, attempts = 0, available_at = {now} WHERE connection_id = {connection_id} AND dead = true"
        )
    };
    let Some(mut which) = which else {
        let mut text = Text::new(backend);
        let sql = begin(&mut text);
        return Ok(connection
            .execute_raw(text.statement(sql))
            .await?
            .rows_affected());
    };
    which.sort_by_cached_key(|(resource, key)| (resource.map(str::to_owned), format!("{key}")));
    let mut replayed = 0;
    for chunk in which.chunks(CHUNK) {
        let mut text = Text::new(backend);
        let begin = begin(&mut text);
        let one = |(resource, key): &(Option<&str>, Value)| {
            let key = format!("{} = {}", E::KEY, text.bind(key.clone()));
            match resource {
                Some(resource) => format!("(resource = {} AND {key})", text.bind(*resource)),
                None => key,
            }
        };
        let each = chunk.iter().map(one).collect::<Vec<_>>().join(" OR ");
        let sql = format!("{begin} AND ({each})");
        replayed += connection
            .execute_raw(text.statement(sql))
            .await?
            .rows_affected();
    }
    Ok(replayed)
}
