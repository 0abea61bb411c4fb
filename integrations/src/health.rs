//! How a connection is, in words, and what a person should do about it.
//!
//! Owns: the facts that tell how a connection is, and their judgement. Refuses: to judge in more than one place: everything that shows health asks
//! [`judge`], which is a pure function of the facts. Invariant: the worst thing is said first, and whatever asks for a person names the next
//! action.

use entities::clock::Timestamp;
use entities::connection::{self, ConnectionStatus};
use entities::database::Database;
use entities::error::Result;
use entities::id::ConnectionId;
use entities::sync_conflict::{self, ConflictStatus};
use entities::sync_cursor;
use entities::sync_run::{self, SyncRunStatus};
use entities::viewer::Viewer;
use entities::visible::Visible;
use entities::{chat_message, inbound_signal, outbound_push};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use std::collections::HashMap;

/// Nothing read for so long says that no worker is at work. In milliseconds.
const STALE_MILLIS: i64 = 60 * 60 * 1_000;

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it stands.
    pub status: ConnectionStatus,
    /// Why, in words.
    pub reason: Option<String>,
    /// The vendor asked not to be called before this instant.
    pub paused_until: Option<Timestamp>,
    /// When it was connected first.
    pub created_at: Timestamp,
    /// Whether anything is read there; of a chat nothing is.
    pub reads: bool,
    /// When the last run that read something began, webhooks aside.
    pub last_run_at: Option<Timestamp>,
    /// Why that run failed, if it did.
    pub last_run_error: Option<String>,
    /// When the last run that read everything began: what is here is at least as fresh as that.
    pub fresh_at: Option<Timestamp>,
    /// Records the vendor has told of that have not been looked at.
    pub waiting_inbound: u64,
    /// Rows that have not been sent.
    pub waiting_outbound: u64,
    /// Records and rows that were given up after too many attempts.
    pub dead: u64,
    /// Conflicts that wait for a person.
    pub open_conflicts: u64,
    /// Why the account's webhooks could not be seen to, if so.
    pub tending_error: Option<String>,
    /// Records the last reconciliation found that ordinary synchronisation had missed.
    pub drift: u64,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HealthState {
    /// Nobody need do anything.
    Ok,
    /// It works, and somebody should look at something.
    Attention,
    /// It does not work until somebody does something.
    Broken,
    /// Somebody stopped it.
    Paused,
    /// It has been disconnected.
    Disconnected,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How it is.
    pub state: HealthState,
    /// In a sentence.
    pub summary: String,
    /// What a person should do next; none when nothing need be done.
    pub next_action: Option<String>,
}

fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

/// Whether deletions wait for a person's word.
fn is_held(facts: &Facts) -> bool {
    facts
        .reason
        .as_deref()
        .is_some_and(|reason| reason.starts_with(crate::sync::DELETES_HELD))
}

/// Judges the facts.
#[must_use]
pub fn judge(facts: &Facts, now: Timestamp) -> Health {
    let say = |state: HealthState, summary: String, next: Option<&str>| Health {
        state,
        summary,
        next_action: next.map(str::to_owned),
    };
    let because = |what: &str| match facts.reason.as_deref() {
        Some(reason) => format!("{what}: {reason}"),
        None => format!("{what}."),
    };
    match facts.status {
        ConnectionStatus::Revoked => {
            return say(
                HealthState::Disconnected,
                because("It has been disconnected"),
                Some("To use it again, connect the account with connectIntegration."),
            );
        }
        ConnectionStatus::Paused => {
            return say(
                HealthState::Paused,
                because("It is paused; what comes in waits"),
                Some("To go on, use resumeIntegration."),
            );
        }
        ConnectionStatus::ReauthRequired => {
            return say(
                HealthState::Broken,
                because("The vendor no longer accepts our consent; what comes in waits"),
                Some("Connect the account again with connectIntegration and this connection's id."),
            );
        }
        ConnectionStatus::Authorizing => {
            return say(
                HealthState::Attention,
                "The consent has been asked for and not yet been given.".to_owned(),
                Some("Finish connecting in the browser."),
            );
        }
        ConnectionStatus::Degraded if is_held(facts) => {
            return say(
                HealthState::Attention,
                facts.reason.clone().unwrap_or_default(),
                Some(
                    "If the records are really gone, let the deletions through with confirmDeletes.",
                ),
            );
        }
        ConnectionStatus::Degraded => {
            return say(
                HealthState::Attention,
                because("It works in part"),
                Some("Read the reason; its runs (syncRuns) tell more."),
            );
        }
        ConnectionStatus::Active => {}
    }
    if facts.dead > 0 {
        let what = count(facts.dead, "record was", "records were");
        return say(
            HealthState::Attention,
            format!("{what} given up after too many attempts."),
            Some("Read syncFailures, mend the cause, and use replaySyncFailures."),
        );
    }
    if let Some(error) = &facts.last_run_error {
        return say(
            HealthState::Attention,
            format!("The last run failed: {error}"),
            Some("It is tried again by itself; if it keeps failing, read its run in syncRuns."),
        );
    }
    if facts.open_conflicts > 0 {
        let what = count(facts.open_conflicts, "field was", "fields were");
        return say(
            HealthState::Attention,
            format!("{what} changed on both sides and waits for a decision."),
            Some("Read syncConflicts and decide with resolveConflict."),
        );
    }
    if let Some(error) = &facts.tending_error {
        return say(
            HealthState::Attention,
            format!("It is not certain that the vendor sends us its webhooks: {error}"),
            Some("It is tried again by itself; what webhooks miss is found by polling meanwhile."),
        );
    }
    let heard = facts.last_run_at.unwrap_or(facts.created_at);
    let asked_to_wait = facts.paused_until.filter(|until| *until > now);
    if facts.reads && asked_to_wait.is_none() && now.millis() - heard.millis() > STALE_MILLIS {
        return say(
            HealthState::Attention,
            "Nothing has been read for more than an hour.".to_owned(),
            Some("See that a worker is running: `entente serve` or `entente worker`."),
        );
    }
    if facts.drift > 0 {
        let what = count(facts.drift, "record", "records");
        return say(
            HealthState::Attention,
            format!(
                "The last reconciliation found {what} that synchronisation had missed, and put that right."
            ),
            Some("See that the vendor's webhooks reach this server."),
        );
    }
    if let Some(until) = asked_to_wait {
        return say(
            HealthState::Ok,
            format!(
                "The vendor asked us to wait until {}; it goes on then by itself.",
                until.to_rfc3339()
            ),
            None,
        );
    }
    let summary = if facts.last_run_at.is_none() {
        "It is connected; its first run has not begun yet."
    } else if facts.waiting_inbound + facts.waiting_outbound > 0 {
        "It works; some records are on their way."
    } else {
        "It works, and everything known has been taken over."
    };
    say(HealthState::Ok, summary.to_owned(), None)
}

async fn by_liveness<E>(
    database: &Database,
    select: Select<E>,
    connection: E::Column,
    dead: E::Column,
) -> Result<Vec<(ConnectionId, bool, i64)>>
where
    E: EntityTrait,
{
    let grouped = select
        .select_only()
        .column(connection)
        .column(dead)
        .column_as(connection.count(), "rows")
        .group_by(connection)
        .group_by(dead);
    Ok(grouped.into_tuple().all(database.read()).await?)
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The facts of these connections: a few statements for all that is counted, and the last runs of each.
///
/// # Errors
/// When the database fails.
pub async fn facts(
    database: &Database,
    connections: &[connection::Model],
) -> Result<HashMap<ConnectionId, Facts>> {
    let system = Viewer::system("health");
    let ids: Vec<ConnectionId> = connections.iter().map(|row| row.id).collect();
    let mut known: HashMap<ConnectionId, Facts> = HashMap::with_capacity(ids.len());
    for row in connections {
        let runs = last_runs(database, row.id).await?;
        known.insert(row.id, of(row, &runs));
    }
    let lanes: Vec<ConnectionId> = sync_cursor::Entity::visible_to(&system)
        .filter(sync_cursor::Column::ConnectionId.is_in(ids.iter().copied()))
        .select_only()
        .column(sync_cursor::Column::ConnectionId)
        .distinct()
        .into_tuple()
        .all(database.read())
        .await?;
    for id in lanes {
        if let Some(facts) = known.get_mut(&id) {
            facts.reads = true;
        }
    }
    let signals = inbound_signal::Entity::visible_to(&system)
        .filter(inbound_signal::Column::ConnectionId.is_in(ids.iter().copied()));
    let signals = by_liveness(
        database,
        signals,
        inbound_signal::Column::ConnectionId,
        inbound_signal::Column::Dead,
    )
    .await?;
    for (id, dead, rows) in signals {
        if let Some(facts) = known.get_mut(&id) {
            let place = if dead {
                &mut facts.dead
            } else {
                &mut facts.waiting_inbound
            };
            *place += whole(rows);
        }
    }
    let pushes = outbound_push::Entity::visible_to(&system)
        .filter(outbound_push::Column::ConnectionId.is_in(ids.iter().copied()));
    let pushes = by_liveness(
        database,
        pushes,
        outbound_push::Column::ConnectionId,
        outbound_push::Column::Dead,
    )
    .await?;
    for (id, dead, rows) in pushes {
        if let Some(facts) = known.get_mut(&id) {
            let place = if dead {
                &mut facts.dead
            } else {
                &mut facts.waiting_outbound
            };
            *place += whole(rows);
        }
    }
    let messages = chat_message::Entity::visible_to(&system)
        .filter(chat_message::Column::ConnectionId.is_in(ids.iter().copied()));
    let messages = by_liveness(
        database,
        messages,
        chat_message::Column::ConnectionId,
        chat_message::Column::Dead,
    )
    .await?;
    for (id, dead, rows) in messages {
        if let Some(facts) = known.get_mut(&id) {
            let place = if dead {
                &mut facts.dead
            } else {
                &mut facts.waiting_outbound
            };
            *place += whole(rows);
        }
    }
    let open: Vec<(ConnectionId, i64)> = sync_conflict::Entity::visible_to(&system)
        .filter(sync_conflict::Column::ConnectionId.is_in(ids))
        .filter(sync_conflict::Column::Status.eq(ConflictStatus::Open))
        .select_only()
        .column(sync_conflict::Column::ConnectionId)
        .column_as(sync_conflict::Column::Id.count(), "rows")
        .group_by(sync_conflict::Column::ConnectionId)
        .into_tuple()
        .all(database.read())
        .await?;
    for (id, rows) in open {
        if let Some(facts) = known.get_mut(&id) {
            facts.open_conflicts = whole(rows);
        }
    }
    Ok(known)
}

#[derive(Default)]
struct LastRuns {
    ended: Option<sync_run::Model>,
    completed: Option<sync_run::Model>,
    reconciled: Option<sync_run::Model>,
}

async fn last_runs(database: &Database, id: ConnectionId) -> Result<LastRuns> {
    let runs = || {
        sync_run::Entity::visible_to(&Viewer::system("health"))
            .filter(sync_run::Column::ConnectionId.eq(id))
            .filter(sync_run::Column::Kind.ne("webhook"))
            .order_by_desc(sync_run::Column::Id)
    };
    let ended = runs()
        .filter(sync_run::Column::Status.ne(SyncRunStatus::Running))
        .one(database.read())
        .await?;
    let completed = match &ended {
        Some(run) if run.status == SyncRunStatus::Completed => Some(run.clone()),
        None => None,
        Some(_) => {
            runs()
                .filter(sync_run::Column::Status.eq(SyncRunStatus::Completed))
                .one(database.read())
                .await?
        }
    };
    let reconciled = runs()
        .filter(sync_run::Column::Kind.eq(sync_run::RECONCILE))
        .filter(sync_run::Column::Status.ne(SyncRunStatus::Running))
        .one(database.read())
        .await?;
    Ok(LastRuns {
        ended,
        completed,
        reconciled,
    })
}

fn of(row: &connection::Model, runs: &LastRuns) -> Facts {
    let failed = runs
        .ended
        .as_ref()
        .filter(|run| run.status == SyncRunStatus::Failed);
    Facts {
        status: row.status,
        reason: row.status_reason.clone(),
        paused_until: row.paused_until,
        created_at: row.created_at,
        reads: false,
        last_run_at: runs.ended.as_ref().map(|run| run.started_at),
        last_run_error: failed.map(|run| {
            run.error
                .clone()
                .unwrap_or_else(|| "it says no reason".to_owned())
        }),
        fresh_at: runs.completed.as_ref().map(|run| run.started_at),
        waiting_inbound: 0,
        waiting_outbound: 0,
        dead: 0,
        open_conflicts: 0,
        tending_error: row.tending_error.clone(),
        drift: runs
            .reconciled
            .as_ref()
            .map_or(0, |run| drift(&run.findings)),
    }
}

/// How many records a reconciliation found astray.
fn drift(findings: &sync_run::Findings) -> u64 {
    findings.drift.values().map(sync_run::Drift::total).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn well() -> Facts {
        Facts {
            status: ConnectionStatus::Active,
            reason: None,
            paused_until: None,
            created_at: Timestamp::from_millis(NOW - 86_400_000),
            reads: true,
            last_run_at: Some(Timestamp::from_millis(NOW - 60_000)),
            last_run_error: None,
            fresh_at: Some(Timestamp::from_millis(NOW - 60_000)),
            waiting_inbound: 0,
            waiting_outbound: 0,
            dead: 0,
            open_conflicts: 0,
            tending_error: None,
            drift: 0,
        }
    }

    fn judged(facts: &Facts) -> Health {
        judge(facts, Timestamp::from_millis(NOW))
    }

    #[track_caller]
    fn is(facts: &Facts, state: HealthState, words: &str, action: Option<&str>) {
        let health = judged(facts);
        assert_eq!(health.state, state, "{health:?}");
        assert!(health.summary.contains(words), "{health:?}");
        match action {
            None => assert_eq!(health.next_action, None, "{health:?}"),
            Some(words) => assert!(
                health.next_action.as_deref().unwrap().contains(words),
                "{health:?}"
            ),
        }
    }

    #[test]
    fn a_connection_that_works_asks_for_nothing() {
        is(&well(), HealthState::Ok, "everything known", None);
        let silent = Facts {
            last_run_at: None,
            reads: false,
            ..well()
        };
        assert_eq!(
            judge(&silent, Timestamp::from_millis(NOW)).state,
            HealthState::Ok,
            "a chat is only spoken to"
        );
        let busy = Facts {
            waiting_inbound: 3,
            ..well()
        };
        is(&busy, HealthState::Ok, "on their way", None);
        let new = Facts {
            created_at: Timestamp::from_millis(NOW - 1_000),
            last_run_at: None,
            ..well()
        };
        is(&new, HealthState::Ok, "first run", None);
    }

    #[test]
    fn a_pause_the_vendor_asked_for_is_no_fault() {
        let waiting = Facts {
            paused_until: Some(Timestamp::from_millis(NOW + 5_000)),
            last_run_at: Some(Timestamp::from_millis(NOW - 2 * STALE_MILLIS)),
            ..well()
        };
        is(&waiting, HealthState::Ok, "asked us to wait", None);
        let over = Facts {
            paused_until: Some(Timestamp::from_millis(NOW - 5_000)),
            ..well()
        };
        is(&over, HealthState::Ok, "everything known", None);
    }

    #[test]
    fn what_needs_a_person_says_what_to_do() {
        let of = |status| Facts {
            status,
            reason: Some("because of X".to_owned()),
            ..well()
        };
        is(
            &of(ConnectionStatus::Revoked),
            HealthState::Disconnected,
            "because of X",
            Some("connectIntegration"),
        );
        is(
            &of(ConnectionStatus::Paused),
            HealthState::Paused,
            "because of X",
            Some("resumeIntegration"),
        );
        is(
            &of(ConnectionStatus::ReauthRequired),
            HealthState::Broken,
            "because of X",
            Some("connectIntegration"),
        );
        is(
            &of(ConnectionStatus::Degraded),
            HealthState::Attention,
            "because of X",
            Some("syncRuns"),
        );
        let held = Facts {
            reason: Some(format!("{}40 of 100", crate::sync::DELETES_HELD)),
            ..of(ConnectionStatus::Degraded)
        };
        is(
            &held,
            HealthState::Attention,
            "40 of 100",
            Some("confirmDeletes"),
        );
        is(
            &of(ConnectionStatus::Authorizing),
            HealthState::Attention,
            "asked for",
            Some("browser"),
        );
    }

    #[test]
    fn what_went_wrong_is_said_in_the_order_of_its_weight() {
        let mut facts = Facts { drift: 2, ..well() };
        is(
            &facts,
            HealthState::Attention,
            "2 records",
            Some("webhooks"),
        );
        facts.last_run_at = Some(Timestamp::from_millis(NOW - STALE_MILLIS - 1));
        is(&facts, HealthState::Attention, "an hour", Some("worker"));
        facts.tending_error = Some("TRANSIENT: down".to_owned());
        is(&facts, HealthState::Attention, "webhooks", Some("polling"));
        facts.open_conflicts = 1;
        is(
            &facts,
            HealthState::Attention,
            "1 field",
            Some("resolveConflict"),
        );
        facts.last_run_error = Some("TRANSIENT: down".to_owned());
        is(
            &facts,
            HealthState::Attention,
            "TRANSIENT: down",
            Some("syncRuns"),
        );
        facts.dead = 7;
        is(
            &facts,
            HealthState::Attention,
            "7 records were given up",
            Some("replaySyncFailures"),
        );
    }
}
