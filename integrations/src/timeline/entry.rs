//! One thing that is known of a record, in words, made from the row that knows it.

use entities::clock::Timestamp;
use entities::event;
use entities::id::ConnectionId;
use entities::sync_run::Issue;
use entities::{
    chat_message, chat_post, external_link, inbound_signal, outbound_push, pending_link,
    sync_conflict, sync_run,
};
use serde_json::{Value as Json, json};

/// What kind of thing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// The tie between a vendor's record and ours.
    Link,
    /// A vendor's record waits to be looked at.
    Inbound,
    /// A row of ours waits to be sent.
    Outbound,
    /// A record it names has not come.
    Awaiting,
    /// A run named it.
    Issue,
    /// Both sides changed it.
    Conflict,
    /// It changed here.
    Event,
}

/// One thing that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: EntryKind,
    /// In a sentence.
    pub summary: String,
    /// The facts.
    pub detail: Json,
    /// By which connection.
    pub connection: Option<ConnectionId>,
}

/// A link tells when it was made, and how the record stands.
pub(super) fn of_link(row: &external_link::Model) -> Vec<Entry> {
    let name = format!("{} {}", row.resource, row.external_id);
    let entry = |at: Timestamp, summary: String, detail: Json| Entry {
        at,
        kind: EntryKind::Link,
        summary,
        detail,
        connection: Some(row.connection_id),
    };
    let mut entries = vec![entry(
        row.created_at,
        format!("The vendor's {name} was seen for the first time."),
        json!({ "resource": row.resource, "externalId": row.external_id }),
    )];
    let state = match (&row.held_reason, row.subject_id.is_some(), row.archived) {
        (Some(reason), false, _) => format!("The vendor's {name} is kept out: {reason}"),
        (Some(reason), true, _) => format!("The vendor's {name} is taken over in part: {reason}"),
        (None, _, true) => format!("The vendor's {name} is archived or deleted there."),
        (None, true, false) => format!("The vendor's {name} was taken over as it is there."),
        (None, false, false) => format!("The vendor's {name} is known and has no row here."),
    };
    entries.push(entry(
        row.updated_at,
        state,
        json!({
            "changedThereAt": row.external_updated_at.map(Timestamp::to_rfc3339),
            "archived": row.archived,
            "keptOut": row.held_reason,
            "notTakenOver": row.shadow.flags,
            "version": row.version,
        }),
    ));
    entries
}

pub(super) fn of_signal(row: &inbound_signal::Model) -> Entry {
    let state = if row.dead {
        "was given up after too many attempts"
    } else {
        "waits to be looked at"
    };
    Entry {
        at: row.first_seen_at,
        kind: EntryKind::Inbound,
        summary: format!(
            "The vendor said that its {} {} changed; it {state}.",
            row.resource, row.external_id
        ),
        detail: json!({
            "hint": row.hint, "attempts": row.attempts, "error": row.error, "dead": row.dead,
            "notBefore": (!row.dead).then(|| row.available_at.to_rfc3339()),
        }),
        connection: Some(row.connection_id),
    }
}

pub(super) fn of_push(row: &outbound_push::Model) -> Entry {
    let state = if row.dead {
        "was given up after too many attempts"
    } else if row.sent_at.is_some() {
        "was sent, and whether it arrived is not known yet"
    } else {
        "waits to be sent"
    };
    Entry {
        at: row.first_seen_at,
        kind: EntryKind::Outbound,
        summary: format!("Our row changed; it {state}."),
        detail: json!({
            "resource": row.resource, "attempts": row.attempts, "error": row.error, "dead": row.dead,
            "notBefore": (!row.dead).then(|| row.available_at.to_rfc3339()),
        }),
        connection: Some(row.connection_id),
    }
}

pub(super) fn of_message(row: &chat_message::Model) -> Entry {
    let state = if row.dead {
        "was given up"
    } else if row.sent_at.is_some() {
        "was sent, and whether it arrived is not known yet"
    } else {
        "waits to be told"
    };
    Entry {
        at: row.first_seen_at,
        kind: EntryKind::Outbound,
        summary: format!("A message about our row {state}."),
        detail: json!({
            "channel": row.resource, "event": row.event_id, "attempts": row.attempts, "error": row.error, "dead": row.dead,
            "notBefore": (!row.dead).then(|| row.available_at.to_rfc3339()),
        }),
        connection: Some(row.connection_id),
    }
}

pub(super) fn of_post(row: &chat_post::Model) -> Entry {
    Entry {
        at: row.posted_at,
        kind: EntryKind::Outbound,
        summary: "A message about our row was posted.".to_owned(),
        detail: json!({ "channel": row.channel, "event": row.event_id, "message": row.external_id }),
        connection: Some(row.connection_id),
    }
}

pub(super) fn of_pending(row: &pending_link::Model) -> Entry {
    Entry {
        at: row.created_at,
        kind: EntryKind::Awaiting,
        summary: format!(
            "It names the vendor's {} {}, which has not come yet.",
            row.to_resource, row.to_external_id
        ),
        detail: json!({ "resource": row.to_resource, "externalId": row.to_external_id }),
        connection: Some(row.connection_id),
    }
}

pub(super) fn of_issue(run: &sync_run::Model, issue: &Issue) -> Entry {
    Entry {
        at: run.started_at,
        kind: EntryKind::Issue,
        summary: format!("A run said of it: {} ({})", issue.message, issue.code),
        detail: json!({ "run": run.id, "runKind": run.kind, "code": issue.code, "field": issue.field }),
        connection: Some(run.connection_id),
    }
}

/// A conflict tells when it was seen and, where it is, how it was decided.
pub(super) fn of_conflict(row: &sync_conflict::Model) -> Vec<Entry> {
    let detail = json!({ "conflict": row.id, "field": row.field, "policy": row.policy, "winner": row.winner });
    let entry = |at: Timestamp, summary: String| Entry {
        at,
        kind: EntryKind::Conflict,
        summary,
        detail: detail.clone(),
        connection: Some(row.connection_id),
    };
    let mut entries = vec![entry(
        row.created_at,
        format!("Both sides changed {}.", row.field),
    )];
    if let (Some(at), Some(winner)) = (row.resolved_at, row.winner) {
        let side = match winner {
            sync_conflict::Side::Ours => "our",
            sync_conflict::Side::Theirs => "the vendor's",
        };
        let by = row.resolved_by.as_deref().unwrap_or("nobody in particular");
        entries.push(entry(
            at,
            format!("Of {}, {side} value stands, as decided by {by}.", row.field),
        ));
    }
    entries
}

pub(super) fn of_event(row: &event::Model) -> Entry {
    // Only the names of the fields: what they were changed to is told by the event itself.
    let fields: Vec<&str> = row
        .data
        .as_object()
        .into_iter()
        .flat_map(|facts| facts.keys())
        .map(String::as_str)
        .collect();
    Entry {
        at: row.occurred_at,
        kind: EntryKind::Event,
        summary: format!("{} by {}.", row.kind, row.actor),
        detail: json!({ "event": row.id, "type": row.kind, "origin": row.origin, "actor": row.actor, "about": fields }),
        connection: row.connection_id,
    }
}
