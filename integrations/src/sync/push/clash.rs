//! Creations that meet a record which is there already, as a person with the same e-mail address.
//!
//! Owns: tying that record to our row. Refuses: a record that is another row's already: that is for a person to sort out. Invariant: of both sides'
//! values none is lost; where they differ it is a conflict like any other.

use super::ends;
use super::rows;
use super::setback::unless_lost;
use super::settle::Settled;
use super::told;
use crate::connector::{ConnectorError, Record, Resource};
use crate::push::PushOutcome;
use crate::sync::apply::adopt::{self, Base};
use crate::sync::apply::{self, Scope, Source, Wanted};
use crate::sync::error::Result;
use crate::sync::map::References;
use crate::sync::run::Engine;
use crate::sync::settle::begin;
use crate::sync::walk::Reader;
use entities::change::{Change, Origin};
use entities::outbound_push::{self, Model};
use entities::sync_run::Findings;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// The records that creations met, by our row.
pub(super) fn existing(outcomes: &[Settled]) -> HashMap<Uuid, String> {
    let met = |(sent, outcome): &Settled| match outcome {
        PushOutcome::Refused(ConnectorError::Conflict {
            existing_id: Some(id),
            ..
        }) if sent.link.is_none() => Some((sent.push.subject_id, id.clone())),
        _ => None,
    };
    outcomes.iter().filter_map(met).collect()
}

impl Engine {
    /// Creations that met a record which is there already: it is read, tied to our row and merged; what then still differs is sent next.
    pub(super) async fn meet(
        &self,
        reader: &mut Reader<'_>,
        resource: Resource,
        clashes: Vec<Settled>,
        existing: &HashMap<Uuid, String>,
        wanted: &Wanted,
    ) -> Result<()> {
        let Some((first, _)) = clashes.first() else {
            return Ok(());
        };
        let id = first.push.connection_id;
        let pushes: Vec<Model> = clashes.iter().map(|(sent, _)| sent.push.clone()).collect();
        let mut ids: Vec<String> = pushes
            .iter()
            .filter_map(|push| existing.get(&push.subject_id).cloned())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let read_at = self.database().now();
        let fetched = match reader.fetch(resource, &ids, wanted).await {
            Ok(fetched) => fetched,
            Err(error) => return self.give_back(id, &pushes, &error).await,
        };
        let (mut change, connection) = begin(self.database(), id, Origin::Sync).await?;
        let held = outbound_push::still_claimed(&change, &pushes).await?;
        let held: HashSet<Uuid> = held.into_iter().map(|push| push.subject_id).collect();
        let references = References::load(change.transaction(), &connection).await?;
        let scope = Scope {
            connection: &connection,
            references: &references,
            wanted,
            source: Source::Direct,
            read_at: Some(read_at),
        };
        let mut found = Findings::default();
        for (sent, outcome) in clashes
            .into_iter()
            .filter(|(sent, _)| held.contains(&sent.push.subject_id))
        {
            let push = &sent.push;
            let record = existing.get(&push.subject_id).and_then(|id| {
                fetched
                    .records
                    .iter()
                    .find(|record| record.external_id == *id)
            });
            let tied = match record {
                Some(record) => {
                    tie_existing(
                        &mut change,
                        &scope,
                        resource,
                        (record.clone(), push),
                        &mut found,
                    )
                    .await?
                }
                None => false,
            };
            if tied {
                let now = change.now();
                let attempts = (push.attempts - 1).max(0);
                let given =
                    outbound_push::release(change.transaction(), push, now, attempts, None, false);
                unless_lost(given.await)?;
            } else if let PushOutcome::Refused(error) = &outcome {
                told::give_up(&mut change, push, told::refusal(error)).await?;
            }
        }
        ends::settled(&change, id, resource).await?;
        told::tell(&mut change, id, &found).await?;
        change.commit().await?;
        Ok(())
    }
}

/// Ties a record that was there before to a row that was to be created. The answer says whether it could be.
async fn tie_existing(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    (record, push): (Record, &Model),
    found: &mut Findings,
) -> Result<bool> {
    let Some(subject) = rows::subject_of(push) else {
        return Ok(false);
    };
    if !adopt::tie(change, scope, resource, (&record, subject), Base::Nothing).await? {
        return Ok(false);
    }
    apply::records(change, scope, resource, vec![record], found).await?;
    Ok(true)
}
