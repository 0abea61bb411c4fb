//! The records of pushed rows, read anew before anything is sent.
//!
//! Owns: merging them, and noticing those that are gone. Refuses: to decide what became of one that cannot be read: its signal does, which knows of
//! merges and of erasures. Invariant: nothing is sent to a record that was not just read.

use super::settle::look_again;
use crate::connector::{Fetched, Record, Resource};
use crate::sync::apply::{self, Scope};
use crate::sync::error::Result;
use entities::change::Change;
use entities::external_link;
use entities::inbound_signal;
use entities::outbound_push::Model;
use entities::sync_run::Findings;
use std::collections::HashSet;
use uuid::Uuid;

/// Merges the records of the pushed rows, and answers the ids under which nothing could be read: their signals see to them.
pub(super) async fn merge_fetched(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    (ours, fetched): (&[&Model], Fetched),
    found: &mut Findings,
) -> Result<HashSet<String>> {
    let subjects: Vec<Uuid> = ours.iter().map(|push| push.subject_id).collect();
    let id = scope.connection.id;
    let links =
        external_link::find_subjects(change.transaction(), id, resource.as_str(), &subjects)
            .await?;
    let asked: HashSet<&str> = links.iter().map(|link| link.external_id.as_str()).collect();
    // One that came under another id is looked at under a signal of its own, and so is one that could not be read.
    let (records, strangers): (Vec<Record>, Vec<Record>) = fetched
        .records
        .into_iter()
        .partition(|record| asked.contains(record.external_id.as_str()));
    let read: HashSet<&str> = records
        .iter()
        .map(|record| record.external_id.as_str())
        .collect();
    let missing: HashSet<&str> = fetched.missing.iter().map(String::as_str).collect();
    let gone: Vec<&external_link::Model> = links
        .iter()
        .filter(|link| !read.contains(link.external_id.as_str()))
        .filter(|link| !link.archived)
        .filter(|link| {
            // A link that came up since the vendor was asked was not asked for.
            missing.contains(link.external_id.as_str())
                || !strangers.is_empty()
                || !fetched.malformed.is_empty()
        })
        .collect();
    let mut signals: Vec<_> = gone.iter().map(|link| look_again(link)).collect();
    signals.extend(
        strangers
            .into_iter()
            .map(|record| inbound_signal::NewSignal {
                connection_id: id,
                resource: resource.as_str().to_owned(),
                external_id: record.external_id,
                hint: serde_json::json!({ "kind": "changed" }),
            }),
    );
    let gone = gone
        .into_iter()
        .map(|link| link.external_id.clone())
        .collect();
    inbound_signal::raise(change, signals).await?;
    apply::records(change, scope, resource, records, found).await?;
    Ok(gone)
}
