//! Labelled associations.
//!
//! Owns: reading, for the records of a page, which others they point at and under which labels. Refuses: to take "could not be read"
//! for "has none": such records are named, and keep `links_complete` false. Invariant: the links of a record are sorted and each
//! other end occurs once, so that two reads of the same state are equal.

use super::{
    API_DATE, HubSpot,
    descriptor::{BATCH, Object, links_of, object},
    map,
    wire::{AssociationBody, AssociationEnd, BatchFrame},
};
use crate::{
    connector::{Context, Lane},
    error::{ConnectorError, Result},
    record::{Record, RecordLink},
};
use futures::future::try_join_all;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize)]
struct Inputs<'a> {
    inputs: Vec<Input<'a>>,
}

#[derive(Clone, Serialize)]
struct Input<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// The links of some records to one object.
#[derive(Default)]
struct Ends<'a> {
    of: BTreeMap<&'a str, BTreeMap<String, RecordLink>>,
    unread: BTreeSet<&'a str>,
}

impl HubSpot {
    /// Reads the links of these records. `may_have` says, by the index of the record and the name of the other object, whether there can be
    /// any; a search does not know, so it says yes.
    pub(super) async fn link(
        &self,
        ctx: &Context<'_>,
        from: Object,
        records: &mut [Record],
        may_have: impl Fn(usize, &str) -> bool,
    ) -> Result<()> {
        let targets: Vec<Object> = links_of(from.resource)
            .iter()
            .filter_map(|other| object(*other))
            .collect();
        let mut reads = Vec::new();
        for to in &targets {
            let with: Vec<&str> = records
                .iter()
                .enumerate()
                .filter(|(index, _)| may_have(*index, to.path))
                .map(|(_, record)| record.external_id.as_str())
                .collect();
            for ids in with.chunks(BATCH) {
                reads.push(self.ends(ctx, from, *to, ids.to_vec()));
            }
        }
        let mut found: BTreeMap<String, Vec<RecordLink>> = BTreeMap::new();
        let mut unread: BTreeSet<String> = BTreeSet::new();
        for ends in try_join_all(reads).await? {
            unread.extend(ends.unread.into_iter().map(str::to_owned));
            for (id, links) in ends.of {
                found
                    .entry(id.to_owned())
                    .or_default()
                    .extend(links.into_values());
            }
        }
        for record in records {
            record.links = found.remove(&record.external_id).unwrap_or_default();
            record.links.sort();
            record.links_complete = !unread.contains(&record.external_id);
        }
        Ok(())
    }

    /// Reads the associations of at most a batch of ids to one object, page by page where a record has very many.
    async fn ends<'a>(
        &self,
        ctx: &Context<'_>,
        from: Object,
        to: Object,
        ids: Vec<&'a str>,
    ) -> Result<Ends<'a>> {
        let path = format!(
            "/crm/associations/{API_DATE}/{}/{}/batch/read",
            from.path, to.path
        );
        let known: BTreeMap<&str, &'a str> = ids.iter().map(|id| (*id, *id)).collect();
        let mut inputs: Vec<Input<'a>> = ids.iter().map(|id| Input { id, after: None }).collect();
        let mut ends = Ends::default();
        while !inputs.is_empty() {
            let answer = self
                .post(
                    ctx,
                    &path,
                    &Inputs {
                        inputs: inputs.clone(),
                    },
                    Lane::Standard,
                )
                .await?;
            let frame: BatchFrame<'_> = super::wire::read(&answer.body)?;
            let mut next = Vec::new();
            for raw in frame.results {
                let body = match map::read::<AssociationBody>(raw) {
                    Ok(body) => body,
                    Err(flaw) => {
                        ends.unread.insert(*owner_of(raw, &known).ok_or_else(|| {
                            ConnectorError::schema(format!("an association cannot be read: {flaw}"))
                        })?);
                        continue;
                    }
                };
                // An answer about a record nobody asked for is of no use.
                let Some(id) = known.get(body.from.id.0.as_str()).copied() else {
                    continue;
                };
                let links = ends.of.entry(id).or_default();
                for end in body.to {
                    add(links, to, end);
                }
                if let Some(after) = body
                    .paging
                    .and_then(|paging| paging.next)
                    .map(|next| next.after.0)
                {
                    // The same mark twice would never end.
                    if inputs.iter().any(|input| {
                        input.id == id && input.after.as_deref() == Some(after.as_str())
                    }) {
                        return Err(ConnectorError::schema(
                            "HubSpot answers the same page of associations again",
                        ));
                    }
                    next.push(Input {
                        id,
                        after: Some(after),
                    });
                }
            }
            for error in frame.errors.iter().filter(|error| !error.is_absence()) {
                let mut named = error
                    .ids()
                    .filter_map(|id| known.get(id.as_str()).copied())
                    .peekable();
                if named.peek().is_none() {
                    return Err(ConnectorError::transient(
                        "HubSpot could not read the associations of a batch",
                    ));
                }
                ends.unread.extend(named);
            }
            inputs = next;
        }
        Ok(ends)
    }
}

fn owner_of<'k, 'a>(
    raw: &serde_json::value::RawValue,
    known: &'k BTreeMap<&str, &'a str>,
) -> Option<&'k &'a str> {
    #[derive(serde::Deserialize)]
    struct From {
        from: super::wire::IdOnly,
    }
    let id = serde_json::from_str::<From>(raw.get()).ok()?.from.id.0;
    known.get(id.as_str())
}

/// Adds one end; the same end may come several times, once per kind of association.
fn add(links: &mut BTreeMap<String, RecordLink>, to: Object, end: AssociationEnd) {
    let link = links
        .entry(end.to_object_id.0)
        .or_insert_with_key(|id| RecordLink {
            resource: to.resource,
            external_id: id.clone(),
            labels: Vec::new(),
            primary: false,
        });
    for kind in end.association_types {
        if kind.is_primary() {
            link.primary = true;
        } else if let Some(label) = kind.label.filter(|label| !label.is_empty()) {
            link.labels.push(label);
        }
    }
    link.labels.sort();
    link.labels.dedup();
}
