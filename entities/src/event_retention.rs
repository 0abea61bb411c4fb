//! Old events leave the log.
//!
//! Owns: what may leave, and the mark up to which something has. Refuses: to take the audit trail, what a reader has not come to, and what is still on
//! its way to a subscriber, or not sealed yet. Invariants: the audit chain holds afterwards, and lists what has left; a batch is a short change of its own, so that writers wait for no more than that; the mark moves in the change
//! that deletes, so that whoever asks with an older cursor is told that something is missing instead of being given a log with a gap.

use crate::audit_link;
use crate::automation_run;
use crate::change::{Author, Change, Origin};
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::event::{self, Column, Entity, EventKind, Position};
use crate::event_reader;
use crate::id::EventId;
use crate::viewer::Viewer;
use crate::visible::Visible;
use crate::webhook_delivery;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait as _, Query};
use sea_orm::{QueryOrder as _, QuerySelect as _};

/// Under this name the mark is kept among the readers' places.
pub const MARK: &str = "retention";

/// The place up to which events have left; none when none has.
///
/// # Errors
/// When the database fails.
pub async fn mark(connection: &impl ConnectionTrait) -> Result<Option<Position>> {
    event_reader::place(connection, MARK).await
}

/// Takes events that happened before an instant out of the log, at most so many, the oldest first. The answer is how many there were.
///
/// # Errors
/// [`crate::error::Error::LeaseLost`] when another process does the same, or a fault of the database.
pub async fn prune(database: &Database, before: Timestamp, limit: u64) -> Result<u64> {
    let system = Viewer::system("retention");
    let from = mark(database.read()).await?;
    let slowest = event_reader::slowest(database.read(), MARK).await?;
    let pending = Query::select()
        .expr(Expr::val(1))
        .from(webhook_delivery::Entity)
        .and_where(
            Expr::col((webhook_delivery::Entity, webhook_delivery::Column::EventId))
                .equals((Entity, Column::Id)),
        )
        .and_where(Expr::cust("\"webhook_delivery\".\"state\" = 'PENDING'"))
        .to_owned();
    let to_be_done = Query::select()
        .expr(Expr::val(1))
        .from(automation_run::Entity)
        .and_where(
            Expr::col((automation_run::Entity, automation_run::Column::EventId))
                .equals((Entity, Column::Id)),
        )
        .and_where(Expr::cust("\"automation_run\".\"state\" = 'PENDING'"))
        .to_owned();
    let audit = EventKind::ALL
        .iter()
        .filter(|kind| kind.is_audit())
        .map(|kind| kind.as_str());
    let mut select = Entity::visible_to(&system)
        .filter(Column::OccurredAt.lt(before))
        .filter(Column::Kind.is_not_in(audit))
        .filter(Expr::exists(pending).not())
        .filter(Expr::exists(to_be_done).not());
    if let Some(slowest) = slowest {
        select = select.filter(event::up_to(slowest));
    }
    // What was never sealed has not happened for the audit: a chain that was not begun holds everything back.
    let sealed = event_reader::place(database.read(), audit_link::READER).await?;
    select = select.filter(event::up_to(sealed.unwrap_or_default()));
    let old: Vec<(EventId, i64, i64)> = select
        .order_by_asc(Column::OccurredAt)
        .limit(limit)
        .select_only()
        .columns([Column::Id, Column::Position, Column::Seq])
        .into_tuple()
        .all(database.read())
        .await?;
    let last = old.iter().map(|(_, position, seq)| Position {
        position: *position,
        seq: *seq,
    });
    let Some(last) = last.max() else {
        return Ok(0);
    };
    let author = Author {
        actor: "retention".to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    let mut change = Change::begin(database, author).await?;
    event_reader::advance(
        &change,
        MARK,
        from,
        from.map_or(last, |from| from.max(last)),
    )
    .await?;
    let ids: Vec<EventId> = old.into_iter().map(|(id, ..)| id).collect();
    if let Some(told) = audit_link::leaving(&change, &ids).await? {
        change.record(told);
    }
    let done = Entity::delete_many()
        .filter(Column::Id.is_in(ids))
        .exec(change.transaction())
        .await?;
    change.commit().await?;
    Ok(done.rows_affected)
}
