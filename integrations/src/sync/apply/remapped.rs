//! Applying known records again because the mapping has changed.
//!
//! Invariant: the base of the merge is what the mapping before read of the shadow, because that is what our rows were made of. So a field whose
//! property changed is taken over where nobody here had touched it, and is a conflict like any other where somebody had.

use super::{Candidate, Scope, candidates_of, conflicts_of, from_shadow, incoming};
use crate::record::{Record, Resource};
use crate::sync::error::Result;
use entities::change::Change;
use entities::connection::mapping::Mapping;
use entities::external_link;
use entities::sync_run::Findings;
use std::collections::HashMap;
use std::sync::Arc;

impl Candidate {
    /// The mapping by which the base is read: `now`, unless the mapping has just changed.
    pub(super) fn base_mapping<'a>(&'a self, now: &'a Mapping) -> &'a Mapping {
        self.before.as_deref().unwrap_or(now)
    }
}

/// Applies the records of these links under the connection's mapping, which was `before` until now: from `fresh` where a record was read anew, else
/// from its shadow.
pub(in crate::sync) async fn remapped(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    (links, fresh): (Vec<external_link::Model>, Vec<Record>),
    before: &Arc<Mapping>,
    findings: &mut Findings,
) -> Result<()> {
    let mut fresh: HashMap<String, Record> = fresh
        .into_iter()
        .map(|record| (record.external_id.clone(), record))
        .collect();
    let candidate = |link: external_link::Model| {
        let candidate = match fresh.remove(&link.external_id) {
            Some(record) => Candidate::new(incoming(scope.wanted, record, Some(&link)), Some(link)),
            None => from_shadow(link),
        };
        Candidate {
            before: Some(Arc::clone(before)),
            ..candidate
        }
    };
    let candidates: Vec<Candidate> = links.into_iter().map(candidate).collect();
    let conflicts = conflicts_of(change, scope, &candidates).await?;
    candidates_of(change, scope, resource, candidates, conflicts, findings).await
}
