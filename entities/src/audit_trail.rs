//! The log as auditors read it: newest first, by who did it, what it was, what it was about, and when.
//!
//! Owns: the selections and the indexes that serve them. Refuses: every viewer that the audit trail is not for: it answers them nothing, whatever
//! they ask. Invariant: only what is below the log's horizon is shown, so nothing appears later between two entries of a page.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::event::{Column, Entity, EventKind, Model, Position, settled};
use crate::viewer::Viewer;
use crate::visible::Visible;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

/// What tells an event about access from all others: the first letters of its kind. Written out in every query, for it is the condition of the
/// index `ix_event_audit`, and neither database finds the index by a bound value.
const ABOUT_ACCESS: &str = "substr(\"event\".\"kind\", 1, 5) IN ('user.', 'sessi', 'ident', 'oauth', 'signi', 'perso', 'log.p')";

/// Who brings most of the log. The index over actors leaves it out; its condition is written out for the same reason.
const SYNC: &str = "sync";
const NOT_SYNC: &str = "\"event\".\"actor\" <> 'sync'";

/// Which events; what is absent does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailFilter {
    /// By this actor.
    pub actor: Option<String>,
    /// Of these kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// Only who came in, who was refused, and who may do what.
    pub about_access: bool,
    /// About this row: the prefix of its id, and the id.
    pub subject: Option<(String, Uuid)>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl TrailFilter {
    fn on(self, mut select: Select<Entity>) -> Select<Entity> {
        let only_access = self.about_access
            || self
                .kinds
                .as_ref()
                .is_some_and(|kinds| kinds.iter().all(|kind| kind.is_audit()));
        if only_access {
            select = select.filter(Expr::cust(ABOUT_ACCESS));
        }
        if let Some(kinds) = self.kinds {
            select = select.filter(Column::Kind.is_in(kinds.into_iter().map(EventKind::as_str)));
        }
        if let Some(actor) = self.actor {
            if actor != SYNC {
                select = select.filter(Expr::cust(NOT_SYNC));
            }
            select = select.filter(Column::Actor.eq(actor));
        }
        if let Some((kind, id)) = self.subject {
            select = select
                .filter(Column::SubjectId.eq(id))
                .filter(Column::SubjectKind.eq(kind));
        }
        if let Some(from) = self.from {
            select = select.filter(Column::OccurredAt.gte(from));
        }
        if let Some(until) = self.until {
            select = select.filter(Column::OccurredAt.lt(until));
        }
        select
    }
}

/// The events that pass a filter, newest first, behind a place where one is given, at most so many.
///
/// # Errors
/// When the database fails.
pub async fn list(
    database: &Database,
    viewer: &Viewer,
    filter: TrailFilter,
    behind: Option<Position>,
    limit: u64,
) -> Result<Vec<Model>> {
    if !viewer.sees_audit() {
        return Ok(Vec::new());
    }
    let mut select = settled(database, filter.on(Entity::visible_to(viewer)));
    if let Some(place) = behind {
        let own = Expr::tuple([Expr::col(Column::Position), Expr::col(Column::Seq)]);
        select = select.filter(own.lt(Expr::tuple([
            Expr::value(place.position),
            Expr::value(place.seq),
        ])));
    }
    let page = select
        .order_by_desc(Column::Position)
        .order_by_desc(Column::Seq)
        .limit(limit);
    Ok(page.all(database.read()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_of_the_index_is_the_audit_trail_of_the_viewer() {
        for kind in EventKind::ALL {
            let first: String = kind.as_str().chars().take(5).collect();
            assert_eq!(
                ABOUT_ACCESS.contains(&format!("'{first}'")),
                kind.is_audit(),
                "{}",
                kind.as_str()
            );
        }
    }
}
