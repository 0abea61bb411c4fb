//! What is told of pushes: issues of runs, and an event when one is given up.
//!
//! Owns: the words. Refuses: to put what a vendor said of a person into the log or an event: its words may hold the person's values. They stand in
//! the push's own row, which only staff sees.

use super::rows::subject_of;
use crate::connector::ConnectorError;
use crate::record::Resource;
use crate::sync::error::{Result, SyncError};
use crate::sync::findings;
use crate::sync::merge::Flag;
use entities::change::Change;
use entities::event::{EventKind, NewEvent};
use entities::id::{ConnectionId, ContactId, CustomerId, DealId, PartnerId, TypedId};
use entities::outbound_push::{self, Model};
use entities::sync_run::{self, Counts, Findings};
use serde_json::json;

/// The kind of a run that tells what pushes found.
const RUN: &str = "push";

/// Gives a push up: it stays, dead, with the reason, until its row changes or somebody replays it.
pub(super) async fn give_up(
    change: &mut Change,
    push: &Model,
    (code, reason): (&str, String),
) -> Result<()> {
    let now = change.now();
    outbound_push::release(
        change.transaction(),
        push,
        now,
        push.attempts,
        Some(reason.clone()),
        true,
    )
    .await?;
    let message = (push.resource != Resource::Contact.as_str()).then_some(reason);
    let data = json!({
        "connection": push.connection_id, "resource": push.resource, "code": code, "message": message,
    });
    let kind = EventKind::SyncPushFailed;
    let event = match subject_of(push) {
        Some((PartnerId::PREFIX, id)) => NewEvent::about(kind, PartnerId(id), data),
        Some((CustomerId::PREFIX, id)) => NewEvent::about(kind, CustomerId(id), data),
        Some((ContactId::PREFIX, id)) => NewEvent::about(kind, ContactId(id), data),
        Some((DealId::PREFIX, id)) => NewEvent::about(kind, DealId(id), data),
        _ => return Ok(()),
    };
    change.record(event.internal());
    tracing::warn!(connection = %push.connection_id, resource = push.resource, subject = %push.subject_id, code, "a push was given up");
    Ok(())
}

/// Code and reason of a vendor's refusal, as the push's row keeps them.
pub(super) fn refusal(error: &ConnectorError) -> (&'static str, String) {
    (error.code(), SyncError::Connector(error.clone()).reason())
}

/// Notes what the vendor could not be told of a row.
pub(super) fn flags(found: &mut Findings, resource: Resource, name: &str, flags: &[Flag]) {
    for flag in flags {
        findings::flagged(found, resource, name, flag);
    }
}

/// Writes what was found into a short run of its own, if it is worth telling.
pub(super) async fn tell(change: &mut Change, id: ConnectionId, found: &Findings) -> Result<()> {
    let is_news =
        |counts: &Counts| counts.created + counts.updated + counts.archived + counts.kept_out > 0;
    if found.issue_count > 0 || found.counts.values().any(is_news) {
        let run = sync_run::begin(change, id, RUN).await?;
        let findings = sync_run::note(change, run.id, found).await?;
        sync_run::finish(change, sync_run::Model { findings, ..run }, None, false).await?;
    }
    Ok(())
}
