//! "Look at this record again": what webhooks boil down to. One row per connection and record, however many deliveries named
//! it; a connection that cannot be called keeps its signals until it can.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::{ConnectionId, PartnerId};
use crate::sync_cursor::callable_connections;
use crate::viewer::Viewer;
use crate::visible::{Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, LockBehavior, LockType, OnConflict, Query};
use sea_orm::{QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

/// A signal.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "inbound_signal")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
    /// Rises with every delivery that names the record; a worker removes the row only if it has not risen meanwhile.
    pub generation: i64,
    /// What the vendor said happened: `changed`, `deleted`, `merged`, `association_changed`; the record itself is the truth.
    pub hint: Json,
    pub first_seen_at: Timestamp,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub dead: bool,
    pub error: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: PartnerId) -> Condition {
        nothing()
    }
}

/// The kind of hint that says that a record became part of another. What came later cannot undo it, so no other hint replaces it.
pub const MERGED: &str = "merged";

const LASTING_HINT: &str = "CASE WHEN \"inbound_signal\".\"hint\" ->> 'kind' = 'merged' AND COALESCE(excluded.\"hint\" ->> 'kind', '') <> 'merged' \
     THEN \"inbound_signal\".\"hint\" ELSE excluded.\"hint\" END";

/// What a delivery says of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSignal {
    /// Whose record.
    pub connection_id: ConnectionId,
    /// The neutral resource.
    pub resource: String,
    /// The vendor's id.
    pub external_id: String,
    /// What is said to have happened.
    pub hint: Json,
}

/// Raises signals: a new one per record, or the next generation of the one that waits. A dead one comes back to life: something
/// happened to its record since.
///
/// # Errors
/// When the database fails.
pub async fn raise(change: &Change, mut signals: Vec<NewSignal>) -> Result<()> {
    // Always in the order of the key, so that two changes over the same records cannot wait for each other; and each record once,
    // because one INSERT cannot touch a row twice.
    signals.sort_by(|one, other| {
        (one.connection_id, &one.resource, &one.external_id).cmp(&(
            other.connection_id,
            &other.resource,
            &other.external_id,
        ))
    });
    signals.dedup_by(|next, kept| {
        let same = (next.connection_id, &next.resource, &next.external_id)
            == (kept.connection_id, &kept.resource, &kept.external_id);
        let is_merge = |hint: &Json| hint.get("kind").is_some_and(|kind| kind == MERGED);
        if same && (is_merge(&next.hint) || !is_merge(&kept.hint)) {
            std::mem::swap(&mut next.hint, &mut kept.hint);
        }
        same
    });
    let now = change.now();
    for chunk in signals.chunks(500) {
        let mut statement = Query::insert();
        statement.into_table(Entity).columns([
            Column::ConnectionId,
            Column::Resource,
            Column::ExternalId,
            Column::Generation,
            Column::Hint,
            Column::FirstSeenAt,
            Column::Attempts,
            Column::AvailableAt,
            Column::Fence,
            Column::Dead,
        ]);
        for signal in chunk {
            statement.values_panic([
                Expr::value(signal.connection_id),
                Expr::value(signal.resource.as_str()),
                Expr::value(signal.external_id.as_str()),
                Expr::value(1_i64),
                Expr::value(signal.hint.clone()),
                Expr::value(now),
                Expr::value(0_i32),
                Expr::value(now),
                Expr::value(0_i64),
                Expr::value(false),
            ]);
        }
        statement.on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::Resource, Column::ExternalId])
                .value(
                    Column::Generation,
                    Expr::col((Entity, Column::Generation)).add(1_i64),
                )
                .value(Column::Attempts, Expr::value(0_i32))
                .value(Column::Dead, Expr::value(false))
                .value(Column::Hint, Expr::cust(LASTING_HINT))
                .to_owned(),
        );
        change.transaction().execute(&statement).await?;
    }
    Ok(())
}

/// Claims signals of one resource of one connection whose vendor may be called, oldest first; the attempt is counted here. Those
/// that have used up their attempts become dead.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    database: &Database,
    worker: Uuid,
    lease_millis: i64,
    limit: u64,
    max_attempts: i32,
) -> Result<Vec<Model>> {
    let now = database.now();
    let due = || {
        let lease = Condition::any()
            .add(Column::LeaseUntil.is_null())
            .add(Column::LeaseUntil.lte(now));
        Entity::visible_to(&Viewer::system("inbound_signal"))
            .filter(Column::Dead.eq(false))
            .filter(Column::AvailableAt.lte(now))
            .filter(lease)
            .filter(Column::ConnectionId.in_subquery(callable_connections(now)))
    };
    let Some(first) = due()
        .order_by_asc(Column::AvailableAt)
        .one(database.read())
        .await?
    else {
        return Ok(Vec::new());
    };
    let transaction = database.begin().await?;
    let rows = due()
        .filter(Column::ConnectionId.eq(first.connection_id))
        .filter(Column::Resource.eq(first.resource.as_str()))
        .order_by_asc(Column::AvailableAt)
        .order_by_asc(Column::ExternalId)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(&transaction)
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for mut row in rows {
        if row.attempts >= max_attempts {
            row.dead = true;
            row.error = row
                .error
                .or_else(|| Some("it never came to an end".to_owned()));
        } else {
            row.attempts += 1;
            row.lease_owner = Some(worker);
            row.lease_until = Some(now.plus_millis(lease_millis));
        }
        row.fence += 1;
        Entity::update_many()
            .col_expr(Column::Fence, Expr::value(row.fence))
            .col_expr(Column::Attempts, Expr::value(row.attempts))
            .col_expr(Column::Dead, Expr::value(row.dead))
            .col_expr(Column::Error, Expr::value(row.error.clone()))
            .col_expr(Column::LeaseOwner, Expr::value(row.lease_owner))
            .col_expr(Column::LeaseUntil, Expr::value(row.lease_until))
            .filter(key(&row))
            .exec(&transaction)
            .await?;
        if !row.dead {
            claimed.push(row);
        }
    }
    transaction.commit().await?;
    Ok(claimed)
}

fn key(row: &Model) -> Condition {
    Condition::all()
        .add(Column::ConnectionId.eq(row.connection_id))
        .add(Column::Resource.eq(row.resource.as_str()))
        .add(Column::ExternalId.eq(row.external_id.as_str()))
}

/// Of these claimed signals, those whose lease still holds, locked until the change ends.
///
/// # Errors
/// When the database fails.
pub async fn still_claimed(change: &Change, claimed: &[Model]) -> Result<Vec<Model>> {
    let Some(first) = claimed.first() else {
        return Ok(Vec::new());
    };
    let rows = Entity::visible_to(&Viewer::system("inbound_signal"))
        .filter(Column::ConnectionId.eq(first.connection_id))
        .filter(Column::Resource.eq(first.resource.as_str()))
        .filter(Column::ExternalId.is_in(claimed.iter().map(|row| row.external_id.as_str())))
        .order_by_asc(Column::ExternalId)
        .lock_exclusive()
        .all(change.transaction())
        .await?;
    let ours = |row: &Model| {
        claimed
            .iter()
            .any(|mine| mine.external_id == row.external_id && mine.fence == row.fence)
    };
    Ok(rows.into_iter().filter(ours).collect())
}

/// Ends the work on claimed signals: those that nothing was added to since are gone, the others are due again.
///
/// # Errors
/// When the database fails.
pub async fn settle(
    connection: &impl ConnectionTrait,
    claimed: &[Model],
    now: Timestamp,
) -> Result<()> {
    for row in claimed {
        let unchanged = Condition::all()
            .add(key(row))
            .add(Column::Fence.eq(row.fence));
        let gone = Entity::delete_many()
            .filter(unchanged.clone())
            .filter(Column::Generation.eq(row.generation))
            .exec(connection)
            .await?;
        if gone.rows_affected == 0 {
            release(connection, row, now, 0, None, false).await?;
        }
    }
    Ok(())
}

/// Gives a claimed signal back: due at an instant, with so many attempts counted and the reason. One that something was added to meanwhile
/// is not dead: it is due again instead.
///
/// # Errors
/// When the database fails.
pub async fn release(
    connection: &impl ConnectionTrait,
    row: &Model,
    available_at: Timestamp,
    attempts: i32,
    error: Option<String>,
    dead: bool,
) -> Result<()> {
    let give_back = |attempts: i32, dead: bool| {
        Entity::update_many()
            .col_expr(Column::AvailableAt, Expr::value(available_at))
            .col_expr(Column::Attempts, Expr::value(attempts))
            .col_expr(Column::Error, Expr::value(error.clone()))
            .col_expr(Column::Dead, Expr::value(dead))
            .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
            .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .filter(key(row))
            .filter(Column::Fence.eq(row.fence))
    };
    if dead
        && give_back(attempts, true)
            .filter(Column::Generation.eq(row.generation))
            .exec(connection)
            .await?
            .rows_affected
            > 0
    {
        return Ok(());
    }
    give_back(if dead { 0 } else { attempts }, false)
        .exec(connection)
        .await?;
    Ok(())
}

/// Takes every lease away. Only for a caller that knows no other process works on this database: what a process that was killed
/// had claimed is then due at once.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1_i64))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::LeaseUntil.is_not_null())
        .exec(database.write())
        .await?;
    Ok(())
}
