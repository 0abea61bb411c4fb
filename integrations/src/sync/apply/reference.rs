//! Owners, pipelines and labels: links without rows of ours.

use super::{Incoming, Links, Scope, clean, link};
use crate::record::{Record, Resource};
use crate::sync::error::Result;
use crate::sync::findings;
use crate::sync::map::References;
use entities::change::Change;
use entities::clock::Timestamp;
use entities::external_link;
use entities::sync_run::Findings;
use std::collections::BTreeMap;

/// Stores them. The archived ones too: deals go on naming an owner who has left.
pub(super) async fn apply(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    records: Vec<Record>,
    findings: &mut Findings,
) -> Result<()> {
    // An owner who is both listed and archived within one walk is there.
    let mut latest: BTreeMap<String, Record> = BTreeMap::new();
    for record in records {
        latest.insert(record.external_id.clone(), record);
    }
    let ids: Vec<&str> = latest.keys().map(String::as_str).collect();
    let known = external_link::find_all(
        change.transaction(),
        scope.connection.id,
        resource.as_str(),
        &ids,
    )
    .await?;
    let mut known: BTreeMap<String, external_link::Model> = known
        .into_iter()
        .map(|link| (link.external_id.clone(), link))
        .collect();
    let mut changed = Vec::new();
    for (id, record) in latest {
        let Some(fields) = References::shadow(&record) else {
            continue;
        };
        let incoming = Incoming {
            external_id: clean(&id),
            updated_at: (record.updated_at_ms > 0)
                .then(|| Timestamp::from_millis(record.updated_at_ms)),
            archived: record.archived,
            fields: fields
                .into_iter()
                .map(|(name, value)| (name, value.map(|text| clean(&text))))
                .collect(),
            links: Links::new(),
        };
        let link = known.remove(&id);
        // Whoever was erased stays so, whatever the vendor still says of them.
        if link.as_ref().is_some_and(super::is_erased) {
            continue;
        }
        let is_new = link.is_none();
        let candidate = super::Candidate {
            incoming,
            link,
            take: Default::default(),
            before: None,
        };
        let written = link::after(
            change,
            scope,
            resource,
            candidate,
            link::Outcome::held(Vec::new()),
        );
        let counts = findings::counts(findings, resource);
        match (&written, is_new) {
            (Some(_), true) => counts.created += 1,
            (Some(_), false) => counts.updated += 1,
            (None, _) => counts.unchanged += 1,
        }
        changed.extend(written);
    }
    external_link::upsert(change, &changed).await?;
    Ok(())
}
