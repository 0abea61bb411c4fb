//! Replacing personal values in the data of events, so that the chain still holds and says that it was done.
//!
//! Owns: the only change that is ever made to an event. Refuses: to touch anything but its data. Invariant: whoever redacts holds the chain's
//! reader until the change ends, so no event is sealed with what is being erased; and every redacted link is listed, with the digest of what is
//! there now, by an event of the erasure in the same change.

use super::{Column, Entity, READER, digest, new_salt, system};
use crate::change::Change;
use crate::error::Result;
use crate::event::{self, EventKind, NewEvent};
use crate::event_reader;
use crate::id::{EventId, TypedId};
use crate::visible::Visible;
use sea_orm::entity::prelude::*;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

/// Events that one event of an erasure lists at most: a longer erasure leaves several.
const LISTED: usize = 500;

/// Ids of one statement.
const CHUNK: usize = 500;

/// An event whose data was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The event.
    pub event_id: EventId,
    /// Its link's number and the digest of its present data; none when it had not been sealed yet.
    pub sealed: Option<(i64, String)>,
}

/// Keeps events from being sealed until the change ends. To be called before the events that are to be redacted are looked for.
///
/// # Errors
/// When the database fails.
pub(crate) async fn hold(change: &Change) -> Result<()> {
    event_reader::hold(change, READER).await.map(drop)
}

/// Replaces the data of events that were found while the chain was held. The answer is to be recorded with [`erasure_events`].
///
/// # Errors
/// When the database fails.
pub async fn redact(change: &Change, replaced: Vec<(EventId, Json)>) -> Result<Vec<Redacted>> {
    hold(change).await?;
    let mut links = HashMap::with_capacity(replaced.len());
    let ids: Vec<EventId> = replaced.iter().map(|(id, _)| *id).collect();
    for chunk in ids.chunks(CHUNK) {
        let found = Entity::visible_to(&system())
            .filter(Column::EventId.is_in(chunk.iter().copied()))
            .all(change.transaction())
            .await?;
        links.extend(found.into_iter().map(|link| (link.event_id, link.number)));
    }
    let mut redacted = Vec::with_capacity(replaced.len());
    for (event_id, data) in replaced {
        let sealed = match links.get(&event_id) {
            None => None,
            Some(number) => {
                let salt = new_salt(change.database());
                let present = digest::of_data(&salt, &data);
                Entity::update_many()
                    .col_expr(Column::Salt, Expr::value(salt))
                    .col_expr(Column::RedactedAt, Expr::value(Some(change.now())))
                    .filter(Column::Number.eq(*number))
                    .exec(change.transaction())
                    .await?;
                Some((*number, present))
            }
        };
        event::Entity::update_many()
            .col_expr(event::Column::Data, Expr::value(data))
            .filter(event::Column::Id.eq(event_id))
            .exec(change.transaction())
            .await?;
        redacted.push(Redacted { event_id, sealed });
    }
    Ok(redacted)
}

/// The events that tell of an erasure: what was done, in the first of them, and which events of the log were redacted.
#[must_use]
pub fn erasure_events<T: TypedId>(
    subject: T,
    done: &Map<String, Json>,
    redacted: &[Redacted],
) -> Vec<NewEvent> {
    let mut chunks: Vec<&[Redacted]> = redacted.chunks(LISTED).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let event = |(index, chunk): (usize, &[Redacted])| {
        let mut data = if index == 0 { done.clone() } else { Map::new() };
        let (mut sealed, mut unsealed) = (Vec::new(), Vec::new());
        for one in chunk {
            match &one.sealed {
                Some((number, digest)) => {
                    sealed.push(json!({ "number": number, "dataDigest": digest }));
                }
                None => unsealed.push(json!(one.event_id)),
            }
        }
        data.insert("redacted".to_owned(), Json::Array(sealed));
        data.insert("redactedUnsealed".to_owned(), Json::Array(unsealed));
        NewEvent::about(EventKind::PersonErased, subject, Json::Object(data)).internal()
    };
    chunks.into_iter().enumerate().map(event).collect()
}

/// Which links an event says were redacted, each with the digest of its present data; none for an event that tells of something else.
pub(super) fn listed(event: &event::Model) -> Vec<(i64, String)> {
    if event.kind != EventKind::PersonErased.as_str() {
        return Vec::new();
    }
    let entries = event.data.get("redacted").and_then(Json::as_array);
    let read = |entry: &Json| {
        let number = entry.get("number")?.as_i64()?;
        Some((number, entry.get("dataDigest")?.as_str()?.to_owned()))
    };
    entries.into_iter().flatten().filter_map(read).collect()
}
