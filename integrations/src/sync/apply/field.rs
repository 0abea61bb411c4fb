//! Merging the fields of one row, and what is said about it.
//!
//! Owns: the patch of each field, by the connection's policy where both sides changed it. Refuses: to keep personal values: of a person it notes
//! the fields only. Invariant: what was noticed is said only once the row's update has stood.

use super::conflict::{Conflicts, Note, What, policy_of};
use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::findings;
use crate::sync::merge::{Flag, Merge, Reading, Verdict, merge};
use entities::clock::Timestamp;
use entities::connection::mapping::ResourcePolicy;
use entities::error::Violation;
use entities::sync_conflict::{Model as Conflict, Side};
use entities::sync_run::Findings;
use serde::Serialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// The code of a value that a person chose and that cannot be taken.
pub(in crate::sync) const NOT_TAKEN: &str = "NOT_TAKEN";
/// The code of a value that our own rules refuse.
pub(in crate::sync) const REFUSED_HERE: &str = "REFUSED_HERE";

/// Merges one row's fields.
pub(super) struct FieldMerger<'a> {
    policy: &'a ResourcePolicy,
    conflicts: &'a Conflicts,
    candidate: &'a Candidate,
    subject: Uuid,
    ours_at: Timestamp,
    private: bool,
    notes: Vec<Note>,
    flags: Vec<Flag>,
}

impl<'a> FieldMerger<'a> {
    pub(super) fn new(
        scope: &'a Scope<'_>,
        resource: Resource,
        conflicts: &'a Conflicts,
        candidate: &'a Candidate,
        (subject, ours_at): (Uuid, Timestamp),
    ) -> Self {
        Self {
            policy: policy_of(&scope.connection.mapping, resource),
            conflicts,
            candidate,
            subject,
            ours_at,
            private: resource == Resource::Contact,
            notes: Vec::new(),
            flags: Vec::new(),
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
        if self.candidate.takes(name) {
            return self.taken(name, theirs, ours);
        }
        let shown = |theirs: &T| (json!(ours), json!(theirs));
        let known = base.and_then(Reading::value);
        let merged = match merge(base, theirs, ours) {
            // What the vendor held meanwhile could not be read; that does not make the question go away that a person was asked.
            Merge::Take(value) if known.is_none() && self.open(name).is_some() => {
                Merge::Conflict(value)
            }
            merged => merged,
        };
        match merged {
            Merge::Keep => {
                if let Some(theirs) = theirs.value().filter(|_| self.open(name).is_some()) {
                    // Who moved has given in.
                    let theirs_moved = known != Some(theirs);
                    let what = match (theirs == ours, theirs_moved) {
                        (false, _) => What::StillOpen,
                        (true, true) => What::Agreed(Side::Ours),
                        (true, false) => What::Agreed(Side::Theirs),
                    };
                    self.note(name, shown(theirs), what);
                }
                None
            }
            Merge::Take(value) => {
                if self.open(name).is_some() {
                    self.note(name, shown(&value), What::Agreed(Side::Theirs));
                }
                Some(value)
            }
            Merge::Conflict(value) => {
                let verdict = self.verdict(name);
                self.note(name, shown(&value), What::Clash(verdict.winner()));
                verdict.takes_theirs().then_some(value)
            }
        }
    }

    /// The vendor's value, because a person has chosen it.
    fn taken<T: PartialEq + Clone>(
        &mut self,
        name: &str,
        theirs: &Reading<T>,
        ours: &T,
    ) -> Option<T> {
        let Some(value) = theirs.value() else {
            // What merely goes along with the field that was chosen need not say anything.
            if self.open(name).is_some() {
                self.flags.push(Flag {
                    property: name.to_owned(),
                    code: NOT_TAKEN,
                    message: "The vendor's value cannot be taken over.".to_owned(),
                });
            }
            return None;
        };
        (value != ours).then(|| value.clone())
    }

    /// Whether a person has chosen the vendor's value of a field.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.candidate.takes(name)
    }

    /// Who wins a conflict of a field.
    pub(super) fn verdict(&self, name: &str) -> Verdict {
        let theirs_at = self.candidate.incoming.updated_at;
        Verdict::by(self.policy.of(name), theirs_at, self.ours_at)
    }

    /// The open conflict of a field.
    pub(super) fn open(&self, name: &str) -> Option<&'a Conflict> {
        self.conflicts.of(self.subject, name)
    }

    /// Whether our value of a field stays although the vendor's is another.
    pub(super) fn stays_ours(&self, name: &str) -> bool {
        let stays = |what| matches!(what, What::StillOpen | What::Clash(None | Some(Side::Ours)));
        self.notes
            .iter()
            .any(|note| note.field == name && stays(note.what))
    }

    /// Notes what was seen of a field.
    pub(super) fn note(&mut self, name: &str, (ours, theirs): (Json, Json), what: What) {
        let shown = |value| {
            if self.private {
                json!({ "redacted": true })
            } else {
                value
            }
        };
        self.notes.push(Note {
            field: name.to_owned(),
            ours: shown(ours),
            theirs: shown(theirs),
            what,
        });
    }

    /// What was noticed, and what could not be done.
    pub(super) fn into_notes(self) -> (Vec<Note>, Vec<Flag>) {
        (self.notes, self.flags)
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
        code: REFUSED_HERE,
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
