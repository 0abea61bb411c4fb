//! The event log in the API: gapless, in order, for whoever missed something.

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::error::ErrorCode;
use super::node::{self, Node};
use super::page::{DEFAULT_SIZE, MAX_SIZE};
use super::scalar::DateTime;
use super::siblings::{Group, Member, members};
use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, ID, Json, Object, Result, SimpleObject};
use entities::change;
use entities::event::{self, EventKind, Model, Position};
use entities::event_retention;
use entities::id::{self, EventId};
use entities::viewer::Scope;
use std::collections::HashMap;

/// Where a change came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "change::Origin")]
pub enum EventOrigin {
    /// A person at a front end.
    Human,
    /// Software through the API.
    Api,
    /// A vendor's later change.
    Sync,
    /// A vendor's existing records, read for the first time.
    Backfill,
    /// A file.
    Import,
    /// A recorded correction of history.
    Correction,
}

/// Something that happened.
#[derive(Clone)]
pub struct Event {
    pub(crate) row: Member<Model>,
    pub(crate) internal: bool,
}

/// The rows that the events of a page are about.
struct Subjects(HashMap<String, Node>);

fn subject_id(row: &Model) -> String {
    id::show(&row.subject_kind, row.subject_id)
}

impl Event {
    /// An event on a page, as a viewer who sees internal values, or one who does not, is shown it.
    pub(crate) fn edge(row: Member<Model>, internal: bool) -> EventEdge {
        EventEdge {
            cursor: cursor(Position::from(row.row())),
            node: Self { row, internal },
        }
    }
}

/// Something that happened.
#[Object]
impl Event {
    /// The event's id.
    async fn id(&self) -> ID {
        self.row.row().id.to_string().into()
    }
    /// What happened: `deal.won`.
    async fn r#type(&self) -> &str {
        &self.row.row().kind
    }
    /// When.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.row.row().occurred_at)
    }
    /// Where the change came from.
    async fn origin(&self) -> EventOrigin {
        self.row.row().origin.into()
    }
    /// Who made it. Internal: null for partners.
    async fn actor(&self) -> Option<&str> {
        self.internal.then_some(self.row.row().actor.as_str())
    }
    /// The connection it came by. Internal: null for partners.
    async fn connection_id(&self) -> Option<ID> {
        self.row
            .row()
            .connection_id
            .filter(|_| self.internal)
            .map(|id| id.to_string().into())
    }
    /// The id of the row it is about; read it with `node`.
    async fn subject_id(&self) -> ID {
        subject_id(self.row.row()).into()
    }
    /// The row it is about, as it is now; null when there is none that you may see.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<Node>> {
        let group = self.row.group();
        let load = async {
            let ids: Vec<String> = group.rows().iter().map(subject_id).collect();
            let asked: Vec<ID> = ids.iter().map(|id| ID(id.clone())).collect();
            let found = node::find(request(ctx)?, &asked).await?;
            let pairs = ids.into_iter().zip(found);
            Ok(Subjects(
                pairs.filter_map(|(id, node)| Some((id, node?))).collect(),
            ))
        };
        let subjects = group.load("subject".to_owned(), load).await?;
        Ok(subjects.0.get(&subject_id(self.row.row())).cloned())
    }
    /// What changed, or the facts of what happened. Of persons only the names of the fields are kept.
    async fn data(&self) -> Json<&serde_json::Value> {
        Json(&self.row.row().data)
    }
}

/// An event on a page.
#[derive(SimpleObject)]
pub struct EventEdge {
    /// Everything up to and including this event has been read.
    pub cursor: String,
    /// The event.
    pub node: Event,
}

/// A page of the log.
#[derive(SimpleObject)]
pub struct EventConnection {
    /// The events, in the order of the list.
    pub edges: Vec<EventEdge>,
    /// Where this page lies in the list. `endCursor` is where to go on, also when nothing follows yet.
    pub page_info: PageInfo,
}

pub(crate) fn cursor(position: Position) -> String {
    format!("{:x}.{:x}", position.position, position.seq)
}

/// Reads a cursor of the log.
pub(crate) fn read_cursor(text: &str) -> Result<Position> {
    let parse = |part: &str| i64::from_str_radix(part, 16).ok();
    text.split_once('.')
        .and_then(|(position, seq)| {
            Some(Position {
                position: parse(position)?,
                seq: parse(seq)?,
            })
        })
        .ok_or_else(|| ErrorCode::BadUserInput.error("This is no cursor of the event log."))
}

/// Fails when events after a place have left the log: whoever goes on from there would be given a log with a gap.
pub(crate) async fn still_whole(request: &RequestContext, place: Option<Position>) -> Result<()> {
    let Some(place) = place else { return Ok(()) };
    match event_retention::mark(request.database.read()).await? {
        Some(mark) if place < mark => Err(ErrorCode::BadUserInput.error(
            "Events after this cursor have left the log. Begin without a cursor, at the oldest that is kept.",
        )),
        _ => Ok(()),
    }
}

/// How many events a page is to have.
pub(crate) fn read_size(first: Option<i32>) -> Result<u64> {
    let Some(first) = first else {
        return Ok(DEFAULT_SIZE);
    };
    u64::try_from(first)
        .ok()
        .filter(|size| *size <= MAX_SIZE)
        .ok_or_else(|| {
            ErrorCode::BadUserInput.error(format!("`first` is between 0 and {MAX_SIZE}."))
        })
}

/// The event type of a text.
pub(crate) fn read_kind(text: &str) -> Result<EventKind> {
    EventKind::ALL
        .iter()
        .copied()
        .find(|known| known.as_str() == text)
        .ok_or_else(|| ErrorCode::BadUserInput.error(format!("There is no event type {text:?}.")))
}

impl EventConnection {
    /// A page of rows that were read with one more than `size`.
    pub(crate) fn of(
        mut rows: Vec<Model>,
        size: u64,
        after: Option<String>,
        internal: bool,
    ) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        let group = Group::new(rows);
        let edges: Vec<EventEdge> = members(&group, 0..group.rows().len())
            .map(|row| Event::edge(row, internal))
            .collect();
        let page_info = PageInfo {
            has_previous_page: after.is_some(),
            has_next_page: more,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()).or(after),
        };
        Self { edges, page_info }
    }
}

/// Queries about the event log.
#[derive(Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// One event; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::EventsRead)", directive = requires_scope::apply("events:read".to_owned()), directive = cost::apply(1))]
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The event's id.")] id: ID,
    ) -> Result<Option<Event>> {
        let request = request(ctx)?;
        let Ok(id) = id.parse::<EventId>() else {
            return Ok(None);
        };
        let found = event::find_seen(request.database.read(), &request.viewer, id).await?;
        Ok(found.map(|row| Event {
            row: Member::single(row),
            internal: request.viewer.sees_internal(),
        }))
    }

    /// What happened after a place in the log, oldest first. No event appears later before one that was answered.
    #[graphql(guard = "RequireScope(Scope::EventsRead)", directive = requires_scope::apply("events:read".to_owned()), directive = cost::apply(1))]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the last event read; absent at the beginning.")]
        after: Option<String>,
        #[graphql(desc = "This many; 20 when nothing is said, 100 at most.")] first: Option<i32>,
        #[graphql(desc = "Only events of these types.")] types: Option<Vec<String>>,
    ) -> Result<EventConnection> {
        let request = request(ctx)?;
        let size = read_size(first)?;
        for kind in types.iter().flatten() {
            read_kind(kind)?;
        }
        let place = after.as_deref().map(read_cursor).transpose()?;
        still_whole(request, place).await?;
        let rows = event::list_after(
            &request.database,
            &request.viewer,
            place,
            types.as_deref(),
            size + 1,
        )
        .await?;
        let internal = request.viewer.sees_internal();
        Ok(EventConnection::of(rows, size, after, internal))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn cursors_round_trip_and_nonsense_is_refused() {
        let place = Position {
            position: 1 << 50,
            seq: 12,
        };
        assert_eq!(read_cursor(&cursor(place)).unwrap(), place);
        for bad in ["", ".", "x.y", "12", "1.2.3"] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }
}
