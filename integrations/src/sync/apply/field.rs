//! Merging the fields of one row, and what is said about it.
//!
//! Owns: the patch of each field, conflicts as issues and as one event. Refuses: to put personal values into the log: of a person it names
//! the fields only.

use crate::record::Resource;
use crate::sync::findings;
use crate::sync::merge::{Flag, Merge, Reading, merge};
use entities::change::Change;
use entities::error::Violation;
use entities::event::{EventKind, NewEvent};
use entities::id::TypedId;
use entities::sync_run::Findings;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

/// Merges one row's fields.
pub(super) struct FieldMerger<'a> {
    findings: &'a mut Findings,
    resource: Resource,
    external_id: &'a str,
    private: bool,
    conflicts: Map<String, Json>,
}

impl<'a> FieldMerger<'a> {
    pub(super) fn new(
        findings: &'a mut Findings,
        resource: Resource,
        external_id: &'a str,
    ) -> Self {
        Self {
            findings,
            resource,
            external_id,
            private: resource == Resource::Contact,
            conflicts: Map::new(),
        }
    }

    /// What an update is to set, if anything.
    pub(super) fn field<T>(
        &mut self,
        name: &str,
        base: Option<&Reading<T>>,
        theirs: &Reading<T>,
        ours: &T,
    ) -> Option<T>
    where
        T: PartialEq + Clone + Serialize,
    {
        match merge(base, theirs, ours) {
            Merge::Keep => None,
            Merge::Take(value) => Some(value),
            Merge::Conflict(value) => {
                let shown = if self.private {
                    json!({})
                } else {
                    json!({ "ours": ours, "theirs": value })
                };
                self.conflict(name, shown);
                Some(value)
            }
        }
    }

    /// Notes a conflict in which the vendor's side was taken.
    pub(super) fn conflict(&mut self, name: &str, shown: Json) {
        let message = "Both sides changed the field; the vendor's value was taken.";
        findings::issue(
            self.findings,
            self.resource,
            Some(self.external_id),
            Some(name),
            "CONFLICT",
            message,
        );
        self.conflicts.insert(name.to_owned(), shown);
    }

    /// Records the conflicts as an event about the row.
    pub(super) fn tell<T: TypedId>(self, change: &mut Change, subject: T) {
        if !self.conflicts.is_empty() {
            change.record(
                NewEvent::about(
                    EventKind::SyncConflict,
                    subject,
                    Json::Object(self.conflicts),
                )
                .internal(),
            );
        }
    }
}

/// How a record ended, for the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Created,
    Updated,
    Archived,
    Unchanged,
    KeptOut,
}

/// Counts a record and reports its flags.
pub(super) fn count(
    findings: &mut Findings,
    resource: Resource,
    external_id: &str,
    ending: Ending,
    flags: &[Flag],
) {
    for flag in flags {
        findings::flagged(findings, resource, external_id, flag);
    }
    let counts = findings::counts(findings, resource);
    match ending {
        Ending::Created => counts.created += 1,
        Ending::Updated => counts.updated += 1,
        Ending::Archived => counts.archived += 1,
        Ending::Unchanged => counts.unchanged += 1,
        Ending::KeptOut => counts.kept_out += 1,
    }
    if ending != Ending::KeptOut && !flags.is_empty() {
        counts.flagged += 1;
    }
}

/// What an update did to a row.
pub(super) const fn ending_of(before: i64, after: i64, archiving: Option<bool>) -> Ending {
    match (before == after, archiving) {
        (true, _) => Ending::Unchanged,
        (false, Some(true)) => Ending::Archived,
        (false, _) => Ending::Updated,
    }
}

/// A refusal of our own rules that the reading did not foresee.
pub(super) fn refusal(violations: &[Violation]) -> Flag {
    let first = violations.first();
    let message: Vec<&str> = violations
        .iter()
        .map(|violation| violation.message.as_str())
        .collect();
    Flag {
        property: first
            .map(|violation| violation.field.clone())
            .unwrap_or_default(),
        code: "REFUSED_HERE",
        message: message.join(" "),
    }
}

/// Creates rows in one go; when the batch is refused, one by one, so that one bad record cannot hold up the others.
macro_rules! create_all {
    ($change:expr, $inputs:expr, $create:path) => {{
        let inputs = $inputs;
        match $create($change, inputs.clone()).await {
            Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(entities::error::Error::Invalid(_)) => {
                let mut rows = Vec::with_capacity(inputs.len());
                for input in inputs {
                    match $create($change, vec![input]).await {
                        Ok(made) => rows.extend(made.into_iter().map(Ok)),
                        Err(entities::error::Error::Invalid(violations)) => {
                            rows.push(Err(violations))
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                rows
            }
            Err(error) => return Err(error.into()),
        }
    }};
}
pub(super) use create_all;
