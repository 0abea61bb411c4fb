//! "Why is this record not here, or like this?": everything that is known of one record, in order of time.
//!
//! Owns: gathering what links, waiting signals and pushes, awaited ends, runs, conflicts and the event log say of one row of ours or of one record of
//! a vendor, and saying why there is nothing where there is nothing. Refuses: values: it tells what happened and which fields it concerned, and the
//! rows themselves tell what they hold. Invariant: it only reads, by keys, a bounded number of rows of each kind.

mod absent;
mod entry;

pub use entry::{Entry, EntryKind};

use entities::connection;
use entities::database::Database;
use entities::error::Result;
use entities::external_link;
use entities::id::ConnectionId;
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use entities::{chat_message, chat_post};
use entities::{event, inbound_signal, outbound_push, pending_link, sync_conflict, sync_run};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Rows of each kind that are looked at.
const EACH: u64 = 200;
/// Runs of a connection that are looked through, newest first.
const RUNS: u64 = 50;

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A row of ours: the kind (an id prefix) and its id.
    Row {
        /// The kind.
        kind: String,
        /// The id.
        id: Uuid,
    },
    /// A vendor's record.
    Record {
        /// Of which connection.
        connection: ConnectionId,
        /// Its id at the vendor.
        external_id: String,
    },
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Why nothing is known, where nothing is.
    pub because: Option<String>,
}

/// What the searches go by.
#[derive(Debug, Default)]
struct Keys {
    /// Ids of rows of ours.
    subjects: BTreeSet<Uuid>,
    /// Records of vendors: connection, resource where it is known, id.
    records: BTreeSet<(ConnectionId, Option<String>, String)>,
}

/// Gathers what is known of a record.
///
/// # Errors
/// When the database fails.
pub async fn read(database: &Database, asked: &Asked) -> Result<Timeline> {
    let mut keys = Keys::default();
    let links = links(database, asked).await?;
    match asked {
        Asked::Row { id, .. } => {
            keys.subjects.insert(*id);
        }
        Asked::Record {
            connection,
            external_id,
        } => {
            keys.records
                .insert((*connection, None, external_id.clone()));
        }
    }
    for link in &links {
        keys.subjects.extend(link.subject_id);
        keys.records.insert((
            link.connection_id,
            Some(link.resource.clone()),
            link.external_id.clone(),
        ));
    }
    let mut entries: Vec<Entry> = links.iter().flat_map(entry::of_link).collect();
    entries.extend(of_records(database, &keys).await?);
    entries.extend(of_subjects(database, &keys).await?);
    entries.sort_by_key(|entry| entry.at);
    entries.dedup();
    let because = if entries.is_empty() {
        Some(absent::why(database, asked).await?)
    } else {
        None
    };
    Ok(Timeline { entries, because })
}

async fn links(database: &Database, asked: &Asked) -> Result<Vec<external_link::Model>> {
    let select = external_link::Entity::visible_to(&Viewer::system("timeline"));
    let select = match asked {
        Asked::Row { id, .. } => select.filter(external_link::Column::SubjectId.eq(*id)),
        // Without the resource the key's index would not be used to its end.
        Asked::Record {
            connection,
            external_id,
        } => select
            .filter(external_link::Column::ConnectionId.eq(*connection))
            .filter(
                external_link::Column::Resource.is_in(
                    crate::record::Resource::ALL
                        .iter()
                        .map(|resource| resource.as_str()),
                ),
            )
            .filter(external_link::Column::ExternalId.eq(external_id.as_str())),
    };
    Ok(select.limit(EACH).all(database.read()).await?)
}

/// What waits for a vendor's record, and which runs named it.
async fn of_records(database: &Database, keys: &Keys) -> Result<Vec<Entry>> {
    let (read, system) = (database.read(), Viewer::system("timeline"));
    let mut entries = Vec::new();
    let mut connections = BTreeSet::new();
    for (connection, resource, external_id) in &keys.records {
        connections.insert(*connection);
        let all: Vec<&str> = crate::record::Resource::ALL
            .iter()
            .map(|resource| resource.as_str())
            .collect();
        let resources = || {
            resource
                .as_deref()
                .map_or_else(|| all.clone(), |one| vec![one])
        };
        let signals = inbound_signal::Entity::visible_to(&system)
            .filter(inbound_signal::Column::ConnectionId.eq(*connection))
            .filter(inbound_signal::Column::Resource.is_in(resources()))
            .filter(inbound_signal::Column::ExternalId.eq(external_id.as_str()))
            .all(read)
            .await?;
        entries.extend(signals.iter().map(entry::of_signal));
        let pending = pending_link::Entity::visible_to(&system)
            .filter(pending_link::Column::ConnectionId.eq(*connection))
            .filter(pending_link::Column::FromResource.is_in(resources()))
            .filter(pending_link::Column::FromExternalId.eq(external_id.as_str()))
            .limit(EACH)
            .all(read)
            .await?;
        entries.extend(pending.iter().map(entry::of_pending));
    }
    for connection in connections {
        let runs = sync_run::Entity::visible_to(&system)
            .filter(sync_run::Column::ConnectionId.eq(connection))
            .order_by_desc(sync_run::Column::Id)
            .limit(RUNS)
            .all(read)
            .await?;
        for run in &runs {
            let named = run.findings.issues.iter().filter(|issue| {
                let key = |resource: Option<String>| {
                    (
                        connection,
                        resource,
                        issue.external_id.clone().unwrap_or_default(),
                    )
                };
                keys.records.contains(&key(Some(issue.resource.clone())))
                    || keys.records.contains(&key(None))
            });
            entries.extend(named.map(|issue| entry::of_issue(run, issue)));
        }
    }
    Ok(entries)
}

/// What waits to be sent of a row of ours, its conflicts, and what happened to it.
async fn of_subjects(database: &Database, keys: &Keys) -> Result<Vec<Entry>> {
    let (read, system) = (database.read(), Viewer::system("timeline"));
    let mut entries = Vec::new();
    for subject in &keys.subjects {
        let pushes = outbound_push::list_of_subject(read, *subject).await?;
        entries.extend(pushes.iter().map(entry::of_push));
        let messages = chat_message::list_about(read, *subject).await?;
        entries.extend(messages.iter().map(entry::of_message));
        let posts = chat_post::list_about(read, *subject).await?;
        entries.extend(posts.iter().map(entry::of_post));
        let conflicts = sync_conflict::Entity::visible_to(&system)
            .filter(sync_conflict::Column::SubjectId.eq(*subject))
            .order_by_desc(sync_conflict::Column::Id)
            .limit(EACH)
            .all(read)
            .await?;
        entries.extend(conflicts.iter().flat_map(entry::of_conflict));
        let events = event::Entity::visible_to(&system)
            .filter(event::Column::SubjectId.eq(*subject))
            .order_by_desc(event::Column::Position)
            .order_by_desc(event::Column::Seq)
            .limit(EACH)
            .all(read)
            .await?;
        entries.extend(events.iter().map(entry::of_event));
    }
    Ok(entries)
}

/// The connections there are.
async fn connections(database: &Database) -> Result<Vec<connection::Model>> {
    let select = connection::Entity::visible_to(&Viewer::system("timeline"))
        .order_by_asc(connection::Column::Id)
        .limit(EACH);
    Ok(select.all(database.read()).await?)
}

async fn connection_of(database: &Database, id: ConnectionId) -> Result<Option<connection::Model>> {
    visible::find_one::<connection::Entity, _>(database.read(), &Viewer::system("timeline"), id.0)
        .await
}
