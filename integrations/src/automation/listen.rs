//! From the log to runs.
//!
//! Owns: which event concerns which automation. Refuses: history, what happened before an automation was enabled, what an automation brought about, what
//! its owner may not see, and more than so many an hour. Invariant: the reader's place and the runs it raised are one transaction, so no event is
//! passed over or acted on twice, whichever process reads.

use super::author;
use super::run::{OWNER_IS_OUT, Runner};
use entities::automation::{self, Model as Automation};
use entities::automation_run::{self, NewRun};
use entities::change::Change;
use entities::error::{Error, Result};
use entities::event::{self, Head, Position};
use entities::event_reader;
use entities::id::EventId;
use entities::viewer::{Viewer, ViewerKind};
use std::collections::HashSet;

/// The reader's name.
const READER: &str = "automation";
/// Events of one step.
const EVENTS: u64 = 1_000;
/// A reader that begins does so this long before the first automation was enabled, in milliseconds: transactions end in another order than they begin.
const MARGIN_MS: i64 = 3_600_000;
/// An hour in milliseconds.
const HOUR_MS: i64 = 3_600_000;

impl Runner {
    /// Follows the event log for a while and raises runs. The answer says whether there was anything to read.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listen(&self) -> Result<bool> {
        let database = self.database();
        let begin = match event_reader::place(database.read(), READER).await? {
            Some(place) => (Some(place), Some(place)),
            // Without an automation there is nobody to follow the log for; the place to begin at is found when there is one.
            None => {
                let rows = automation::list_enabled(database.read()).await?;
                let Some(first) = rows.iter().map(|row| row.enabled_at).min() else {
                    return Ok(false);
                };
                let place = event::place_before(database, first.plus_millis(-MARGIN_MS)).await?;
                (None, place)
            }
        };
        let (from, begin) = begin;
        let system = Viewer::system(READER);
        let events = event::list_heads_after(database, &system, begin, EVENTS).await?;
        let Some(last) = events.last() else {
            return Ok(false);
        };
        let to = Position::from(last);
        let mut change = Change::begin(database, author()).await?;
        match event_reader::advance(&change, READER, from, to).await {
            // Another process has read them.
            Err(Error::LeaseLost) => {
                change.rollback().await?;
                return Ok(true);
            }
            other => other?,
        }
        // Read where the reader is already held: an automation that was made before an event is known to whoever reads the event.
        let rows = automation::list_enabled(change.transaction()).await?;
        for row in rows {
            let heard: Vec<&Head> = events.iter().filter(|event| row.hears(event)).collect();
            if !heard.is_empty() {
                raise(&mut change, row, &heard).await?;
            }
        }
        change.commit().await?;
        Ok(true)
    }
}

/// Raises the runs of one automation.
async fn raise(change: &mut Change, row: Automation, heard: &[&Head]) -> Result<()> {
    let owner = row.viewer(change.transaction()).await?;
    if owner.kind() == ViewerKind::Nobody {
        tracing::info!(automation = %row.id, "an automation was disabled: its owner may read events no more");
        automation::disable(change, row, Some(OWNER_IS_OUT)).await?;
        return Ok(());
    }
    let ids: Vec<EventId> = heard.iter().map(|event| event.id).collect();
    let partners = row.partners.ids();
    let seen = event::seen_among(change.transaction(), &owner, &partners, &ids).await?;
    let seen: HashSet<EventId> = seen.into_iter().collect();
    let since = change.now().plus_millis(-HOUR_MS);
    let done = automation_run::count_since(change.transaction(), row.id, since).await?;
    let mut room = u64::try_from(row.per_hour)
        .unwrap_or(0)
        .saturating_sub(done);
    let mut runs = Vec::new();
    for event in heard.iter().filter(|event| seen.contains(&event.id)) {
        let skipped = (room == 0).then_some("it has acted as often as it may in an hour");
        room = room.saturating_sub(1);
        runs.push(NewRun {
            automation_id: row.id,
            event_id: event.id,
            kind: event.kind.clone(),
            skipped,
        });
    }
    automation_run::raise(change, &runs).await
}
