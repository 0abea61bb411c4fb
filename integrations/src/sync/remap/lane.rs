//! The lane that applies a changed mapping to every known record, a batch at a time.
//!
//! Invariant: rows, links and the lane's position are one transaction that begins with the fence, so that a crash at any moment repeats or loses
//! nothing. What the records said before is read by the old mapping, which the position carries along until the last record is done.

use crate::http;
use crate::record::{Record, Resource};
use crate::sync::apply::{self, Scope, Source, Wanted};
use crate::sync::claim::millis;
use crate::sync::error::{Result, SyncError};
use crate::sync::findings;
use crate::sync::map::References;
use crate::sync::run::Engine;
use crate::sync::settle;
use crate::sync::walk::Reader;
use entities::change::Origin;
use entities::connection::mapping::Mapping;
use entities::error::Error as EntityError;
use entities::external_link;
use entities::id::ConnectionId;
use entities::sync_cursor::{self, DORMANT};
use entities::sync_run::{self, Findings};
use entities::viewer::Viewer;
use entities::visible::Visible;
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::sync::Arc;

/// Records of one transaction; a vendor answers so many by id at once.
const AT_ONCE: u64 = 100;

/// Where the lane stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Position {
    /// The mapping that made the rows.
    before: Mapping,
    /// The last record that is done.
    after: String,
    /// Whether the records are read anew.
    fetch: bool,
}

impl Position {
    pub(super) const fn beginning(before: Mapping, fetch: bool) -> Self {
        Self {
            before,
            after: String::new(),
            fetch,
        }
    }

    /// Of a lane that is under way: from the first record on once more. What is done already reads the same again.
    pub(super) fn anew(position: Json) -> Result<Self> {
        let under_way: Self = serde_json::from_value(position).map_err(|error| damaged(&error))?;
        Ok(Self {
            after: String::new(),
            ..under_way
        })
    }

    pub(super) fn to_json(&self) -> Result<Json> {
        serde_json::to_value(self).map_err(|error| damaged(&error))
    }
}

fn damaged(error: &serde_json::Error) -> SyncError {
    EntityError::Damaged(format!("the position of a mapping's lane: {error}")).into()
}

async fn page(
    connection: &impl ConnectionTrait,
    id: ConnectionId,
    resource: Resource,
    after: &str,
) -> Result<Vec<external_link::Model>> {
    let links = external_link::Entity::visible_to(&Viewer::system("remap"))
        .filter(external_link::Column::ConnectionId.eq(id))
        .filter(external_link::Column::Resource.eq(resource.as_str()))
        .filter(external_link::Column::ExternalId.gt(after))
        .order_by_asc(external_link::Column::ExternalId)
        .limit(AT_ONCE)
        .all(connection)
        .await;
    Ok(links.map_err(EntityError::from)?)
}

impl Engine {
    /// Goes on with a claimed lane, for a while or until all is done. `row` is kept as the last commit left it.
    pub(in crate::sync) async fn remap_lane(&self, row: &mut sync_cursor::Model) -> Result<()> {
        let resource = Resource::parse(&row.resource)
            .ok_or_else(|| EntityError::Damaged(format!("a resource named {:?}", row.resource)))?;
        let Some(position) = row.position.clone() else {
            let mut done = row.clone();
            release(&mut done);
            done.available_at = DORMANT;
            sync_cursor::write_back(self.database().write(), &done).await?;
            return Ok(());
        };
        let mut position: Position =
            serde_json::from_value(position).map_err(|error| damaged(&error))?;
        let before = Arc::new(position.before.clone());
        let id = row.connection_id;
        let mut reader = None;
        let mut wanted = Wanted::default();
        if position.fetch {
            let opened = Reader::open(self.database(), self.keeper(), id).await?;
            let mut opened = opened.doing(http::Work::Backfill);
            wanted = opened.wanted(resource).await?;
            reader = Some(opened);
        }
        let run = self.running(id).await?;
        for turn in 1..=self.settings().batches_per_step.max(1) {
            let known = page(self.database().read(), id, resource, &position.after).await?;
            let is_last = (known.len() as u64) < AT_ONCE;
            let mut fresh: Vec<Record> = Vec::new();
            if let Some(reader) = reader.as_mut().filter(|_| !known.is_empty()) {
                let ids: Vec<String> = known.iter().map(|link| link.external_id.clone()).collect();
                match reader.fetch(resource, &ids, &wanted).await {
                    Ok(fetched) => fresh = fetched.records,
                    Err(error) => {
                        self.flag_consent(reader, &error).await?;
                        return Err(error);
                    }
                }
            }
            let (mut change, connection) = settle::begin(self.database(), id, Origin::Sync).await?;
            // Another reading of what was there is not a sale of today.
            change.let_money_rest();
            if !connection.status.is_working() {
                return Err(SyncError::NotWorking {
                    status: connection.status,
                    reason: connection.status_reason,
                });
            }
            let mut next = row.clone();
            next.attempts = 0;
            next.error = None;
            let until = millis(self.settings().lease);
            next.lease_until = Some(change.now().plus_millis(until));
            if let Some(last) = known.last() {
                position.after.clone_from(&last.external_id);
            }
            next.position = Some(position.to_json()?);
            if is_last {
                next.position = None;
                next.available_at = DORMANT;
            }
            if is_last || turn >= self.settings().batches_per_step {
                release(&mut next);
            }
            sync_cursor::write_back(change.transaction(), &next).await?;
            // As they are now that nobody else applies.
            let ids: Vec<&str> = known.iter().map(|link| link.external_id.as_str()).collect();
            let mut links =
                external_link::find_all(change.transaction(), id, resource.as_str(), &ids).await?;
            links.retain(|link| link.subject_id.is_some() || !link.archived);
            let references = References::load(change.transaction(), &connection).await?;
            let scope = Scope {
                connection: &connection,
                references: &references,
                wanted: &wanted,
                source: Source::Direct,
                read_at: None,
            };
            let mut found = Findings::default();
            findings::counts(&mut found, resource).read += links.len() as u64;
            apply::remapped::remapped(
                &mut change,
                &scope,
                resource,
                (links, fresh),
                &before,
                &mut found,
            )
            .await?;
            sync_run::note(&change, run.id, &found).await?;
            change.commit().await?;
            *row = next;
            if is_last {
                break;
            }
        }
        Ok(())
    }
}

fn release(row: &mut sync_cursor::Model) {
    row.lease_owner = None;
    row.lease_until = None;
}
