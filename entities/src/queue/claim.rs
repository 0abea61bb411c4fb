//! Claiming: which rows are next, and making them a worker's own.
//!
//! It takes three short steps: the connections that may be called, the first row of each of their resources, and one UPDATE of the rows behind the
//! oldest of those. What is next is found by going through the index from one resource to the next, not by reading what waits.

use super::text::{CHUNK, Text, columns};
use super::{Queue, Waiting};
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::ConnectionId;
use crate::sync_cursor::callable_connections;
use sea_orm::sea_query::{ArrayType, Value};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use uuid::Uuid;

/// How many connections and resources a claim tries when others are as quick.
const HEADS: usize = 8;

/// From this attempt on a row is claimed alone when the ones before never came to an end: it may be what kills its workers, and those claimed
/// with it would use up their attempts with it.
const SUSPECT: i32 = 2;

/// How a claim is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claiming {
    /// Who claims.
    pub(crate) worker: Uuid,
    /// For how long, in milliseconds.
    pub(crate) lease_millis: i64,
    /// At most so many rows.
    pub(crate) limit: u64,
    /// After so many attempts a row is dead.
    pub(crate) max_attempts: i32,
}

/// Where the due rows of one resource of one connection begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    at: Timestamp,
    connection_id: ConnectionId,
    resource: String,
    /// Whether the first of them is under suspicion.
    alone: bool,
}

/// Whether a row's last attempts never came to an end. One that failed in order says why.
fn suspect(place: &str) -> String {
    format!("({place}.attempts >= {SUSPECT} AND {place}.error IS NULL)")
}

/// The connections that may be called.
async fn callable(database: &Database, now: Timestamp) -> Result<Vec<Value>> {
    let found = database
        .read()
        .query_all(&callable_connections(now))
        .await?;
    let mut callable = Vec::with_capacity(found.len());
    for row in found {
        let id: ConnectionId = row.try_get_by_index(0)?;
        callable.push(id.into());
    }
    Ok(callable)
}

/// The first due row of each resource of each connection that may be called: the oldest first, at most [`HEADS`] of them.
async fn heads<E: Queue>(database: &Database, now: Timestamp) -> Result<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    for connections in callable(database, now).await?.chunks(CHUNK) {
        let statement = heads_statement::<E>(database.backend(), connections, now);
        for row in database.read().query_all_raw(statement).await? {
            heads.push(Head {
                at: row.try_get_by_index(0)?,
                connection_id: row.try_get_by_index(1)?,
                resource: row.try_get_by_index(2)?,
                alone: row.try_get_by_index::<i64>(3)? != 0,
            });
        }
    }
    heads.sort();
    heads.truncate(HEADS);
    Ok(heads)
}

fn heads_statement<E: Queue>(
    backend: DbBackend,
    connections: &[Value],
    now: Timestamp,
) -> Statement {
    let mut text = Text::new(backend);
    let callable = if text.is_postgres() {
        let ids = text.bind_all(ArrayType::Uuid, connections.to_vec());
        format!("SELECT id FROM unnest({ids}::uuid[]) AS each(id)")
    } else {
        let ids = connections
            .iter()
            .map(|id| format!("({})", text.bind(id.clone())));
        let ids = ids.collect::<Vec<_>>().join(", ");
        format!("SELECT column1 AS id FROM (VALUES {ids})")
    };
    let (table, place, now) = (E::TABLE, text.place_of("it"), text.bind(now));
    let head_place = text.place_of("found");
    // From one resource to the next by the index, for a DISTINCT reads every row. What has been worked off stays at the front of PostgreSQL's index
    // until it is vacuumed, so a front is looked at once only: the place that was found tells the rest.
    let first = |connection: &str, behind: &str| {
        format!(
            "SELECT {place} FROM {table} AS it WHERE it.connection_id = {connection} AND it.dead = false{behind} \
             ORDER BY it.resource, it.available_at LIMIT 1"
        )
    };
    let of_head = |column: &str| {
        format!("(SELECT found.{column} FROM {table} AS found WHERE {head_place} = head.place)")
    };
    let (resource, at) = (of_head("resource"), of_head("available_at"));
    let alone = format!(
        "(SELECT CAST(CASE WHEN {} THEN 1 ELSE 0 END AS BIGINT) FROM {table} AS found WHERE {head_place} = head.place)",
        suspect("found")
    );
    let one = first("callable.id", "");
    let next = first(
        "head.connection_id",
        &format!(" AND it.resource > {resource}"),
    );
    let sql = format!(
        "WITH RECURSIVE head(connection_id, place) AS (\
         SELECT callable.id, ({one}) FROM ({callable}) AS callable \
         UNION ALL SELECT head.connection_id, ({next}) FROM head WHERE head.place IS NOT NULL) \
         SELECT due.at, due.connection_id, due.resource, due.alone FROM (\
         SELECT {at} AS at, head.connection_id, {resource} AS resource, {alone} AS alone FROM head WHERE head.place IS NOT NULL) AS due \
         WHERE due.at <= {now} ORDER BY due.at, due.connection_id, due.resource LIMIT {HEADS}"
    );
    text.statement(sql)
}

/// Claims due rows of one resource of one connection that may be called: those that have waited longest. An idle worker only reads.
pub(crate) async fn claim<E: Queue>(
    database: &Database,
    claiming: Claiming,
) -> Result<Vec<E::Model>> {
    let now = database.now();
    for head in heads::<E>(database, now).await? {
        loop {
            let statement = claim_statement::<E>(database.backend(), claiming, now, &head);
            let rows = database.write().query_all_raw(statement).await?;
            let mut claimed = Vec::with_capacity(rows.len());
            for row in &rows {
                let row = E::Model::from_query_result(row, "")?;
                if !row.place().is_dead {
                    claimed.push(row);
                }
            }
            if !claimed.is_empty() {
                claimed.sort_by_key(|row| row.place().first_seen_at);
                return Ok(claimed);
            }
            // Another worker was quicker: on to the next. Where all were given up, those behind them are due.
            if rows.is_empty() {
                break;
            }
        }
    }
    Ok(Vec::new())
}

fn claim_statement<E: Queue>(
    backend: DbBackend,
    claiming: Claiming,
    now: Timestamp,
    head: &Head,
) -> Statement {
    let mut text = Text::new(backend);
    let until = text.bind(now.plus_millis(claiming.lease_millis));
    let (worker, most) = (text.bind(claiming.worker), text.bind(claiming.max_attempts));
    let (connection_id, resource) = (
        text.bind(head.connection_id),
        text.bind(head.resource.as_str()),
    );
    let (first, now) = (text.bind(head.at), text.bind(now));
    let (table, limit, among) = if head.alone {
        (E::TABLE, 1, String::new())
    } else {
        let others = format!(" AND NOT {}", suspect("it"));
        (E::TABLE, claiming.limit, others)
    };
    // The number of rows is written out: bound, PostgreSQL would plan for a tenth of the table.
    let skip = if text.is_postgres() {
        " FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let place = text.place_of("it");
    let due = text.places(&format!(
        "SELECT {place} FROM {table} AS it WHERE it.connection_id = {connection_id} AND it.resource = {resource} AND it.dead = false \
         AND it.available_at >= {first} AND it.available_at <= {now}{among} ORDER BY it.available_at LIMIT {limit}{skip}"
    ));
    let either = |spent: &str, left: &str| {
        format!("CASE WHEN attempts >= {most} THEN {spent} ELSE {left} END")
    };
    let sql = format!(
        "UPDATE {table} SET fence = fence + 1, dead = (attempts >= {most}), attempts = {}, error = {}, lease_owner = {}, lease_until = {}, \
         available_at = {} WHERE {due} RETURNING {}",
        either("attempts", "attempts + 1"),
        either("COALESCE(error, 'it never came to an end')", "NULL"),
        either("NULL", &worker),
        either("NULL", &until),
        either(&now, &until),
        columns::<E>(""),
    );
    text.statement(sql)
}
