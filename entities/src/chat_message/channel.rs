//! The pace of one channel: chats take about one message a second and channel, whoever sends.
//!
//! Owns: the row of each channel. Invariants: messages that are raised get instants [`GAP_MS`] apart, in the order in which they were raised;
//! and no two of them leave within that time, whichever process sends, because a turn is taken in the row.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::QuerySelect as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, OnConflict};

/// Between two messages of one channel, in milliseconds.
pub const GAP_MS: i64 = 1_000;

/// A channel that was written to.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_channel")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The vendor's id of it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub channel: String,
    /// When the next message that is raised is due at the earliest.
    pub next_at: Timestamp,
    /// Not before this instant may the next one leave.
    pub free_at: Timestamp,
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

fn key(connection_id: ConnectionId, channel: &str) -> Condition {
    Condition::all()
        .add(Column::ConnectionId.eq(connection_id))
        .add(Column::Channel.eq(channel))
}

/// When a message that is raised now is due; the next one is due after it.
pub(super) async fn next_turn(
    change: &Change,
    connection_id: ConnectionId,
    channel: &str,
) -> Result<Timestamp> {
    let now = change.now();
    let row = Model {
        connection_id,
        channel: channel.to_owned(),
        next_at: now,
        free_at: now,
    };
    Entity::insert_many([row.into_active_model()])
        .on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::Channel])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(change.transaction())
        .await?;
    let known = Entity::visible_to(&Viewer::system("chat_channel"))
        .filter(key(connection_id, channel))
        .lock_exclusive()
        .one(change.transaction())
        .await?;
    let turn = known.map_or(now, |row| Ord::max(row.next_at, now));
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::value(turn.plus_millis(GAP_MS)))
        .filter(key(connection_id, channel))
        .exec(change.transaction())
        .await?;
    Ok(turn)
}

/// Makes sure that a channel has a pace.
///
/// # Errors
/// When the database fails.
pub async fn open(database: &Database, connection_id: ConnectionId, channel: &str) -> Result<()> {
    let known = Entity::visible_to(&Viewer::system("chat_channel"))
        .filter(key(connection_id, channel))
        .one(database.read())
        .await?;
    if known.is_some() {
        return Ok(());
    }
    let now = database.now();
    let row = Model {
        connection_id,
        channel: channel.to_owned(),
        next_at: now,
        free_at: now,
    };
    let nothing = OnConflict::columns([Column::ConnectionId, Column::Channel])
        .do_nothing()
        .to_owned();
    Entity::insert_many([row.into_active_model()])
        .on_conflict(nothing)
        .exec_without_returning(database.write())
        .await?;
    Ok(())
}

/// Takes the turn of a channel. Otherwise the answer is when it is free.
///
/// # Errors
/// When the database fails.
pub async fn take_turn(
    database: &Database,
    connection_id: ConnectionId,
    channel: &str,
) -> Result<std::result::Result<(), Timestamp>> {
    let now = database.now();
    let taken = Entity::update_many()
        .col_expr(Column::FreeAt, Expr::value(now.plus_millis(GAP_MS)))
        .filter(key(connection_id, channel))
        .filter(Column::FreeAt.lte(now))
        .exec(database.write())
        .await?;
    if taken.rows_affected == 1 {
        return Ok(Ok(()));
    }
    let known = Entity::visible_to(&Viewer::system("chat_channel"))
        .filter(key(connection_id, channel))
        .one(database.read())
        .await?;
    Ok(match known {
        Some(row) => Err(Ord::max(row.free_at, now.plus_millis(1))),
        // A channel that nothing was raised for: the row of the message was made before there were any.
        None => Ok(()),
    })
}

/// Keeps a channel quiet until an instant, and moves what waits for it there: all by the same time, so that it stays in order and apart.
///
/// # Errors
/// When the database fails.
pub async fn hold_until(
    database: &Database,
    connection_id: ConnectionId,
    channel: &str,
    until: Timestamp,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::FreeAt, Expr::value(until))
        .filter(key(connection_id, channel))
        .filter(Column::FreeAt.lt(until))
        .exec(database.write())
        .await?;
    let waiting = || {
        Condition::all()
            .add(super::Column::ConnectionId.eq(connection_id))
            .add(super::Column::Resource.eq(channel))
            .add(super::Column::LeaseUntil.is_null())
            .add(Expr::cust("\"chat_message\".\"dead\" = false"))
    };
    let first: Option<Option<Timestamp>> =
        super::Entity::visible_to(&Viewer::system("chat_channel"))
            .filter(waiting())
            .select_only()
            .column_as(super::Column::AvailableAt.min(), "first")
            .into_tuple()
            .one(database.read())
            .await?;
    let Some(first) = first.flatten() else {
        return Ok(());
    };
    // The one that met the limit comes first.
    let behind = until.plus_millis(GAP_MS);
    let by = behind.micros() - first.micros();
    if by <= 0 {
        return Ok(());
    }
    super::Entity::update_many()
        .col_expr(
            super::Column::AvailableAt,
            Expr::col(super::Column::AvailableAt).add(by),
        )
        .filter(waiting())
        .exec(database.write())
        .await?;
    Entity::update_many()
        .col_expr(Column::NextAt, Expr::col(Column::NextAt).add(by))
        .filter(key(connection_id, channel))
        .exec(database.write())
        .await?;
    Ok(())
}
