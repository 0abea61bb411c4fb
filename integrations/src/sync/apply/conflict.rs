//! The conflicts of one batch: those that are open already, and what becomes of them and of new ones.
//!
//! Owns: the rows of conflicts, and the wish to send where our side won. Refuses: a second open conflict of one field: the one that is open is kept
//! up to date. Invariant: an open conflict ends when the policy decides it, or when both sides say the same again; then the side whose value
//! stands has won.

use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::findings;
use entities::change::Change;
use entities::connection::mapping::{Mapping, PushMode, ResourcePolicy};
use entities::event::{EventKind, NewEvent};
use entities::id::{ConnectionId, TypedId};
use entities::outbound_push::{self, NewPush};
use entities::sync_conflict::{
    self, BY_AGREEMENT, BY_POLICY, ConflictStatus, Model, Side, policy_name,
};
use entities::sync_run::Findings;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use uuid::Uuid;

/// What is sent of a resource, and who wins where both sides changed a field of it.
pub(in crate::sync) const fn policy_of(mapping: &Mapping, resource: Resource) -> &ResourcePolicy {
    match resource {
        Resource::Contact => &mapping.contact.policy,
        Resource::Deal => &mapping.deal.policy,
        Resource::Order => &mapping.order.policy,
        _ => &mapping.company.policy,
    }
}

/// What was noticed of one field of one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    pub(super) field: String,
    pub(super) ours: Json,
    pub(super) theirs: Json,
    pub(super) what: What,
}

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Both sides changed it; none of them has won while it is open.
    Clash(Option<Side>),
    /// It is open, and still is.
    StillOpen,
    /// It was open, and both sides say the same now: the value of this side stands.
    Agreed(Side),
}

/// The conflicts of one batch of records.
#[derive(Default)]
pub(super) struct Conflicts {
    open: HashMap<(Uuid, String), Model>,
    fresh: Vec<Model>,
    changed: Vec<Model>,
    pushes: Vec<NewPush>,
}

impl Conflicts {
    /// Reads the open ones of these rows.
    pub(super) async fn load(
        change: &Change,
        connection_id: ConnectionId,
        subjects: &[Uuid],
    ) -> Result<Self> {
        let open = sync_conflict::find_open(change.transaction(), connection_id, subjects).await?;
        Ok(Self {
            open: open
                .into_iter()
                .map(|row| ((row.subject_id, row.field.clone()), row))
                .collect(),
            ..Self::default()
        })
    }

    /// Whether any field of a row is open.
    pub(super) fn concern(&self, subject: Uuid) -> bool {
        self.open.keys().any(|(of, _)| *of == subject)
    }

    /// The open conflict of a field.
    pub(super) fn of(&self, subject: Uuid, field: &str) -> Option<&Model> {
        if self.open.is_empty() {
            return None;
        }
        self.open.get(&(subject, field.to_owned()))
    }

    /// Takes over what was noticed of a row: its conflicts, the issues of the run, one event, and the wish to send what we have won.
    pub(super) fn settle<T: TypedId>(
        &mut self,
        change: &mut Change,
        (scope, resource, candidate): (&Scope<'_>, Resource, &Candidate),
        subject: T,
        notes: Vec<Note>,
        findings: &mut Findings,
    ) {
        let policy = policy_of(&scope.connection.mapping, resource);
        let external_id = &candidate.incoming.external_id;
        let mut told = Map::new();
        let mut to_send = false;
        for note in notes {
            let known = self.open.remove(&(subject.uuid(), note.field.clone()));
            if let What::Clash(winner) = note.what {
                let message = match winner {
                    Some(Side::Theirs) => {
                        "Both sides changed the field; the vendor's value was taken."
                    }
                    Some(Side::Ours) => {
                        "Both sides changed the field; our value stays and is sent to the vendor."
                    }
                    None => "Both sides changed the field; a person has to decide.",
                };
                let field = Some(note.field.as_str());
                findings::issue(
                    findings,
                    resource,
                    Some(external_id),
                    field,
                    "CONFLICT",
                    message,
                );
                to_send |= winner == Some(Side::Ours);
                let shown = if resource == Resource::Contact {
                    json!({ "winner": winner })
                } else {
                    json!({ "ours": note.ours, "theirs": note.theirs, "winner": winner })
                };
                told.insert(note.field.clone(), shown);
            }
            let policy = policy_name(policy.of(&note.field));
            self.keep(
                change,
                note,
                known,
                Model {
                    id: change.new_id(),
                    version: 1,
                    created_at: change.now(),
                    updated_at: change.now(),
                    connection_id: scope.connection.id,
                    resource: resource.as_str().to_owned(),
                    external_id: external_id.clone(),
                    subject_kind: T::PREFIX.to_owned(),
                    subject_id: subject.uuid(),
                    field: String::new(),
                    ours: Json::Null,
                    theirs: Json::Null,
                    policy: policy.to_owned(),
                    status: ConflictStatus::Open,
                    winner: None,
                    resolved_by: None,
                    resolved_at: None,
                },
            );
        }
        if !told.is_empty() {
            let event = NewEvent::about(EventKind::SyncConflict, subject, Json::Object(told));
            change.record(event.internal());
        }
        if to_send && policy.push != PushMode::Off {
            self.pushes.push(NewPush {
                connection_id: scope.connection.id,
                subject_kind: T::PREFIX,
                subject_id: subject.uuid(),
                resource: resource.as_str(),
            });
        }
    }

    /// Decides what is written of one conflict: `blank` where it is new, the known one otherwise.
    fn keep(&mut self, change: &mut Change, note: Note, known: Option<Model>, blank: Model) {
        let is_new = known.is_none();
        let before = known.unwrap_or_else(|| Model {
            field: note.field.clone(),
            ..blank.clone()
        });
        let now = change.now();
        let seen = Model {
            external_id: blank.external_id,
            ours: note.ours,
            theirs: note.theirs,
            policy: blank.policy,
            ..before.clone()
        };
        let after = match note.what {
            What::Clash(Some(winner)) => seen.decided(winner, BY_POLICY, now),
            What::Agreed(winner) => before.clone().decided(winner, BY_AGREEMENT, now),
            What::Clash(None) => seen,
            // The policy that made it open is the one it shows.
            What::StillOpen => Model {
                policy: before.policy.clone(),
                ..seen
            },
        };
        if is_new {
            self.fresh.push(after);
        } else if after != before {
            if after.status == ConflictStatus::Resolved {
                change.record(after.decision());
            }
            self.changed.push(after);
        }
    }

    /// Writes everything.
    pub(super) async fn write(self, change: &Change) -> Result<()> {
        for row in self.changed {
            sync_conflict::update(change, row).await?;
        }
        if !self.fresh.is_empty() {
            sync_conflict::insert(change, &self.fresh).await?;
        }
        if !self.pushes.is_empty() {
            outbound_push::raise(change, self.pushes).await?;
        }
        Ok(())
    }
}
