//! Tidying up after lanes have caught up: ends that have come, records that were kept out.
//!
//! Owns: applying records again from their shadows. Refuses: to do so without bound in one transaction. Invariant: a pending link is removed
//! in the transaction that applied its record again.

use super::apply::{self, Scope, Source, Wanted};
use super::error::Result;
use super::map::References;
use crate::record::Resource;
use entities::change::{Author, Change, Origin};
use entities::connection;
use entities::database::Database;
use entities::error::Error as EntityError;
use entities::external_link;
use entities::id::{ConnectionId, SyncRunId};
use entities::pending_link;
use entities::sync_run::{self, Counts, Findings};
use entities::viewer::Viewer;
use entities::visible;
use std::collections::BTreeSet;

/// Records of one transaction.
const AT_ONCE: u64 = 200;

/// Begins a change as a connection and waits for its turn: one worker applies at a time.
pub(super) async fn begin(
    database: &Database,
    id: ConnectionId,
    origin: Origin,
) -> Result<(Change, connection::Model)> {
    let change = Change::begin(database, Author::connection(id, origin)).await?;
    let row = visible::lock_one::<connection::Entity>(&change, &Viewer::system("sync"), id.0, None)
        .await?;
    Ok((change, row))
}

/// Writes what was found into a run: the one that is going, or a short one of its own if it is worth telling.
pub(super) async fn tell(
    change: &mut Change,
    id: ConnectionId,
    run: Option<SyncRunId>,
    found: &Findings,
) -> Result<()> {
    if let Some(run) = run {
        sync_run::note(change, run, found).await?;
        return Ok(());
    }
    // A run for every look that found nothing new would bury those that did.
    let is_news =
        |counts: &Counts| counts.created + counts.updated + counts.archived + counts.kept_out > 0;
    if found.issue_count > 0 || found.counts.values().any(is_news) {
        let run = sync_run::begin(change, id, "webhook").await?;
        let findings = sync_run::note(change, run.id, found).await?;
        sync_run::finish(change, sync_run::Model { findings, ..run }, None, false).await?;
    }
    Ok(())
}

/// Applies the records again that waited for an end which has come. What is found goes into the run in the same transaction.
pub(super) async fn resolve(
    database: &Database,
    id: ConnectionId,
    origin: Origin,
    run: Option<SyncRunId>,
) -> Result<()> {
    for resource in [Resource::Contact, Resource::Deal, Resource::Order] {
        loop {
            let rowless = [Resource::Owner.as_str()];
            if pending_link::list_resolvable(database.read(), id, resource.as_str(), &rowless, 1)
                .await?
                .is_empty()
            {
                break;
            }
            let (mut change, connection) = begin(database, id, origin).await?;
            let rows = pending_link::list_resolvable(
                change.transaction(),
                id,
                resource.as_str(),
                &rowless,
                AT_ONCE,
            )
            .await?;
            let ids: BTreeSet<&str> = rows
                .iter()
                .map(|row| row.from_external_id.as_str())
                .collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            let links =
                external_link::find_all(change.transaction(), id, resource.as_str(), &ids).await?;
            let references = References::load(change.transaction(), &connection).await?;
            let scope = Scope {
                connection: &connection,
                references: &references,
                wanted: &Wanted::default(),
                source: Source::Direct,
                read_at: None,
            };
            let mut found = Findings::default();
            apply::again(&mut change, &scope, resource, links, &mut found).await?;
            tell(&mut change, id, run, &found).await?;
            // Whatever became of the record, these ends are no longer missing.
            pending_link::delete(&change, &rows).await?;
            change.commit().await?;
        }
    }
    Ok(())
}

/// Tries the records again that were kept out, and those whose stage was: the pipeline or the mapping has changed.
pub(super) async fn retry_held(
    database: &Database,
    id: ConnectionId,
    origin: Origin,
    run: Option<SyncRunId>,
) -> Result<()> {
    let resources = [
        Resource::Company,
        Resource::Contact,
        Resource::Deal,
        Resource::Order,
    ];
    for resource in resources {
        let mut after = String::new();
        while !external_link::list_held(database.read(), id, resource.as_str(), &after, 1)
            .await?
            .is_empty()
        {
            let (mut change, connection) = begin(database, id, origin).await?;
            let links = external_link::list_held(
                change.transaction(),
                id,
                resource.as_str(),
                &after,
                AT_ONCE,
            )
            .await?;
            let Some(last) = links.last() else { break };
            after.clone_from(&last.external_id);
            let references = References::load(change.transaction(), &connection).await?;
            let scope = Scope {
                connection: &connection,
                references: &references,
                wanted: &Wanted::default(),
                source: Source::Direct,
                read_at: None,
            };
            // What is still kept out has been reported when it was read; only what gets in now is news.
            let mut again = Findings::default();
            // What ended its workers waits for the vendor, not for a mapping.
            let may_fit = |link: &external_link::Model| !link.archived && !apply::is_marked(link);
            let links: Vec<_> = links.into_iter().filter(may_fit).collect();
            apply::again(&mut change, &scope, resource, links, &mut again).await?;
            let done = again.counts.get(resource.as_str());
            let (created, updated) = done.map_or((0, 0), |counts| (counts.created, counts.updated));
            if created + updated > 0 {
                let mut news = Findings::default();
                *super::findings::counts(&mut news, resource) = Counts {
                    created,
                    updated,
                    ..Counts::default()
                };
                tell(&mut change, id, run, &news).await?;
            }
            change.commit().await?;
        }
    }
    Ok(())
}

/// Whether an error means that another worker has the row now.
pub(super) fn is_lost(error: &super::SyncError) -> bool {
    matches!(error, super::SyncError::Entity(EntityError::LeaseLost))
}
