//! Events that retention takes out of the log, so that the chain still holds and says that it was done.
//!
//! The links stay, and what of them can no longer be computed is bound by an event of the audit trail, which stays as well and is sealed like every
//! other: for each stretch of links without events the digest before it and that of its last link. Owns: that list and how it is read. Refuses: to
//! let go of an event that was never sealed. Invariant: whoever lets events go holds the chain's reader until the change ends.

use super::{Column, Entity, Model, digest, redact, system};
use crate::change::Change;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::event::{self, EventKind, NewEvent};
use crate::id::EventId;
use crate::visible::Visible;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Ids of one statement.
const CHUNK: usize = 500;

/// A stretch of links whose events have left the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretch {
    /// The number of its first link.
    pub(super) from: i64,
    /// That of its last.
    pub(super) to: i64,
    /// The digest of the link before the first.
    pub(super) before: String,
    /// The digest of the last.
    pub(super) after: String,
}

/// The event that tells which events leave the log in this change. They must all have been sealed.
///
/// # Errors
/// [`Error::Damaged`] when one was not, or a fault of the database.
pub(crate) async fn leaving(change: &Change, events: &[EventId]) -> Result<Option<NewEvent>> {
    redact::hold(change).await?;
    let mut links: BTreeMap<i64, Model> = BTreeMap::new();
    for chunk in events.chunks(CHUNK) {
        let found = Entity::visible_to(&system())
            .filter(Column::EventId.is_in(chunk.iter().copied()))
            .all(change.transaction())
            .await?;
        links.extend(found.into_iter().map(|link| (link.number, link)));
    }
    if links.len() != events.len() {
        let wrong =
            "an event that is to leave the log was never sealed: see `entente audit verify`";
        return Err(Error::Damaged(wrong.to_owned()));
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for link in links.values() {
        match stretches.last_mut() {
            Some(last) if last.to + 1 == link.number => {
                last.to = link.number;
                last.after.clone_from(&link.digest);
            }
            _ => stretches.push(Stretch {
                from: link.number,
                to: link.number,
                before: digest_of(change, link.number - 1).await?,
                after: link.digest.clone(),
            }),
        }
    }
    let Some(last) = links.into_values().next_back() else {
        return Ok(None);
    };
    let data = json!({ "events": events.len(), "links": stretches });
    Ok(Some(
        NewEvent::about(EventKind::LogPruned, last.event_id, data).internal(),
    ))
}

async fn digest_of(change: &Change, number: i64) -> Result<String> {
    if number == 0 {
        return Ok(digest::FIRST.to_owned());
    }
    let found = Entity::visible_to(&system())
        .filter(Column::Number.eq(number))
        .one(change.transaction())
        .await?;
    let missing = || Error::Damaged(format!("link {number} of the audit chain is missing"));
    found.map(|link| link.digest).ok_or_else(missing)
}

/// What has left the log, by the number of each stretch's first link. Whether the events that say so are sound, the walk along the chain says.
pub(super) async fn listed(database: &Database) -> Result<BTreeMap<i64, Stretch>> {
    let told = event::Entity::visible_to(&system())
        .filter(event::Column::Kind.eq(EventKind::LogPruned.as_str()))
        .order_by_asc(event::Column::Position)
        .order_by_asc(event::Column::Seq)
        .all(database.read())
        .await?;
    let stretches = told.into_iter().flat_map(|mut event| {
        let links = event.data.get_mut("links").map(serde_json::Value::take);
        let read = links.map(serde_json::from_value::<Vec<Stretch>>);
        read.and_then(std::result::Result::ok).unwrap_or_default()
    });
    Ok(stretches.map(|stretch| (stretch.from, stretch)).collect())
}
