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
use entities::id::ConnectionId;
use entities::pending_link;
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::BTreeSet;

/// Records of one transaction.
const AT_ONCE: u64 = 200;

/// Begins a change as a connection and waits for its turn: one worker applies at a time.
pub(super) async fn begin(database: &Database, id: ConnectionId, origin: Origin) -> Result<(Change, connection::Model)> {
    let change = Change::begin(database, Author::connection(id, origin)).await?;
    let row = visible::lock_one::<connection::Entity>(&change, &Viewer::system("sync"), id.0, None).await?;
    Ok((change, row))
}

/// Applies the records again that waited for an end which has come.
pub(super) async fn resolve(database: &Database, id: ConnectionId, origin: Origin, findings: &mut Findings) -> Result<()> {
    for resource in [Resource::Contact, Resource::Deal] {
        loop {
            let rowless = [Resource::Owner.as_str()];
            if pending_link::list_resolvable(database.read(), id, resource.as_str(), &rowless, 1).await?.is_empty() {
                break;
            }
            let (mut change, connection) = begin(database, id, origin).await?;
            let rows = pending_link::list_resolvable(change.transaction(), id, resource.as_str(), &rowless, AT_ONCE).await?;
            let ids: BTreeSet<&str> = rows.iter().map(|row| row.from_external_id.as_str()).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            let links = external_link::find_all(change.transaction(), id, resource.as_str(), &ids).await?;
            let references = References::load(change.transaction(), &connection).await?;
            let scope = Scope { connection: &connection, references: &references, wanted: &Wanted::default(), source: Source::Direct };
            apply::again(&mut change, &scope, resource, links, findings).await?;
            // Whatever became of the record, these ends are no longer missing.
            pending_link::delete(&change, &rows).await?;
            change.commit().await?;
        }
    }
    Ok(())
}

/// Tries the records again that were kept out: the pipeline or the mapping may have changed.
pub(super) async fn retry_held(database: &Database, id: ConnectionId, origin: Origin, findings: &mut Findings) -> Result<()> {
    for resource in [Resource::Company, Resource::Contact, Resource::Deal] {
        let mut after = String::new();
        while !external_link::list_held(database.read(), id, resource.as_str(), &after, 1).await?.is_empty() {
            let (mut change, connection) = begin(database, id, origin).await?;
            let links = external_link::list_held(change.transaction(), id, resource.as_str(), &after, AT_ONCE).await?;
            let Some(last) = links.last() else { break };
            after.clone_from(&last.external_id);
            let references = References::load(change.transaction(), &connection).await?;
            let scope = Scope { connection: &connection, references: &references, wanted: &Wanted::default(), source: Source::Direct };
            // What is still kept out has been reported when it was read; only what gets in now is news.
            let mut again = Findings::default();
            let links: Vec<_> = links.into_iter().filter(|link| !link.archived).collect();
            apply::again(&mut change, &scope, resource, links, &mut again).await?;
            change.commit().await?;
            let created = again.counts.get(resource.as_str()).map_or(0, |counts| counts.created);
            super::findings::counts(findings, resource).created += created;
        }
    }
    Ok(())
}

/// Whether an error means that another worker has the row now.
pub(super) fn is_lost(error: &super::SyncError) -> bool {
    matches!(error, super::SyncError::Entity(EntityError::LeaseLost))
}
