//! How far a reader has followed the event log.
//!
//! Invariant: a reader moves on in the transaction that wrote what it made of the events, and only from where it stood, so that no event is
//! passed over or taken twice, whichever process reads.

use crate::change::Change;
use crate::error::{Error, Result};
use crate::event::Position;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::QuerySelect as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, OnConflict};

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_reader")]
pub struct Model {
    /// Its name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reader: String,
    /// `epoch << 48 | transaction id` of the last event it took.
    pub position: i64,
    /// The number of that event.
    pub seq: i64,
}

/// Readers refer to nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// Where a reader stands; none before its first step.
///
/// # Errors
/// When the database fails.
pub async fn place(connection: &impl ConnectionTrait, reader: &str) -> Result<Option<Position>> {
    let row = Entity::visible_to(&Viewer::system("event_reader"))
        .filter(Column::Reader.eq(reader))
        .one(connection)
        .await?;
    Ok(row.map(|row| Position {
        position: row.position,
        seq: row.seq,
    }))
}

/// Where the reader stands that is furthest behind, `except` left out; none when there is none.
///
/// # Errors
/// When the database fails.
pub async fn slowest(connection: &impl ConnectionTrait, except: &str) -> Result<Option<Position>> {
    let rows = Entity::visible_to(&Viewer::system("event_reader"))
        .filter(Column::Reader.ne(except))
        .all(connection)
        .await?;
    let places = rows.into_iter().map(|row| Position {
        position: row.position,
        seq: row.seq,
    });
    Ok(places.min())
}

/// Keeps others from moving a reader until the change ends, and says where it stands. One that never read stands at the beginning of the log.
///
/// # Errors
/// When the database fails.
pub async fn hold(change: &Change, reader: &str) -> Result<Position> {
    let beginning = Model {
        reader: reader.to_owned(),
        position: 0,
        seq: 0,
    };
    let nothing = OnConflict::column(Column::Reader).do_nothing().to_owned();
    Entity::insert_many([beginning.into_active_model()])
        .on_conflict(nothing)
        .exec_without_returning(change.transaction())
        .await?;
    let row = Entity::visible_to(&Viewer::system("event_reader"))
        .filter(Column::Reader.eq(reader))
        .lock_exclusive()
        .one(change.transaction())
        .await?
        .ok_or_else(|| Error::Damaged("a reader of the log vanished".to_owned()))?;
    Ok(Position {
        position: row.position,
        seq: row.seq,
    })
}

/// Moves a reader on from where it was seen to stand, and keeps others from moving it until the change ends.
///
/// # Errors
/// [`Error::LeaseLost`] when another process has moved it meanwhile, or a fault of the database.
pub async fn advance(
    change: &Change,
    reader: &str,
    from: Option<Position>,
    to: Position,
) -> Result<()> {
    let row = Model {
        reader: reader.to_owned(),
        position: to.position,
        seq: to.seq,
    };
    let moved = match from {
        None => {
            let nothing = OnConflict::column(Column::Reader).do_nothing().to_owned();
            Entity::insert_many([row.into_active_model()])
                .on_conflict(nothing)
                .exec_without_returning(change.transaction())
                .await?
        }
        Some(from) => {
            Entity::update_many()
                .col_expr(Column::Position, Expr::value(to.position))
                .col_expr(Column::Seq, Expr::value(to.seq))
                .filter(Column::Reader.eq(reader))
                .filter(Column::Position.eq(from.position))
                .filter(Column::Seq.eq(from.seq))
                .exec(change.transaction())
                .await?
                .rows_affected
        }
    };
    if moved == 1 {
        Ok(())
    } else {
        Err(Error::LeaseLost)
    }
}
