//! The link of a record after it was applied.
//!
//! Invariant: a link is written only when it differs in more than the vendor's time of change; a touch that changes no value writes nothing. What
//! our own rules refused is no base of a later merge: the shadow stays as it was, so the record is new each time it is read until it fits.

use super::field::refusal;
use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::merge::Flag;
use entities::change::Change;
use entities::error::Violation;
use entities::external_link::{Model, Shadow};
use entities::id::{ExternalLinkId, TypedId};
use uuid::Uuid;

/// What became of a record.
pub(super) struct Outcome {
    /// Our row, if it has one.
    pub(super) subject: Option<(&'static str, Uuid)>,
    /// What could not be taken over.
    pub(super) flags: Vec<Flag>,
    /// Nothing was taken over, because our own rules refuse it.
    pub(super) refused: bool,
}

impl Outcome {
    /// It has a row.
    pub(super) fn of<T: TypedId>(subject: T, flags: Vec<Flag>) -> Self {
        Self {
            subject: Some((T::PREFIX, subject.uuid())),
            flags,
            refused: false,
        }
    }

    /// It has a row, and nothing of it was taken over: our own rules refuse the update.
    pub(super) fn refused<T: TypedId>(subject: T, violations: &[Violation]) -> Self {
        Self {
            refused: true,
            ..Self::of(subject, vec![refusal(violations)])
        }
    }

    /// It is kept out, for the first of these reasons.
    pub(super) const fn held(flags: Vec<Flag>) -> Self {
        Self {
            subject: None,
            flags,
            refused: false,
        }
    }
}

/// The link to write, if it has to be.
pub(super) fn after(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    candidate: Candidate,
    outcome: Outcome,
) -> Option<Model> {
    let Candidate {
        incoming,
        link,
        arrived,
        ..
    } = candidate;
    if let Some(before) = link.as_ref().filter(|_| outcome.refused) {
        return refused(change, before, outcome.flags);
    }
    // A row whose stage could not be taken over waits for the pipeline or the mapping just as a record without a row does.
    let waits = |flag: &&Flag| outcome.subject.is_none() || flag.code == "UNKNOWN_STAGE";
    let held_reason = outcome
        .flags
        .iter()
        .find(waits)
        .map(|flag| flag.code.to_owned());
    let flags = outcome
        .flags
        .into_iter()
        .map(|flag| (flag.property, flag.code.to_owned()))
        .collect();
    let known = arrived
        .as_deref()
        .or(link.as_ref().map(|link| &link.shadow));
    let shadow = Shadow {
        fields: incoming.fields,
        links: incoming.links,
        flags,
        sent: known.and_then(|known| known.sent.clone()),
    };
    let (subject_kind, subject_id) = match outcome.subject {
        Some((kind, id)) => (Some(kind.to_owned()), Some(id)),
        None => (None, None),
    };
    let now = change.now();
    let Some(before) = link else {
        return Some(Model {
            id: change.new_id::<ExternalLinkId>(),
            version: 1,
            created_at: now,
            updated_at: now,
            connection_id: scope.connection.id,
            resource: resource.as_str().to_owned(),
            external_id: incoming.external_id,
            subject_kind,
            subject_id,
            shadow,
            external_updated_at: incoming.updated_at,
            archived: incoming.archived,
            held_reason,
        });
    };
    let same = before.shadow == shadow
        && before.subject_id == subject_id
        && before.archived == incoming.archived
        && before.held_reason == held_reason;
    if same {
        return None;
    }
    Some(Model {
        version: before.version + 1,
        updated_at: now,
        subject_kind,
        subject_id,
        shadow,
        external_updated_at: incoming.updated_at.max(before.external_updated_at),
        archived: incoming.archived,
        held_reason,
        ..before
    })
}

/// The link of a record of which nothing was taken over.
fn refused(change: &Change, before: &Model, flags: Vec<Flag>) -> Option<Model> {
    let mut shadow = before.shadow.clone();
    let named = flags
        .into_iter()
        .map(|flag| (flag.property, flag.code.to_owned()));
    shadow.flags.extend(named);
    (shadow != before.shadow).then(|| Model {
        version: before.version + 1,
        updated_at: change.now(),
        shadow,
        ..before.clone()
    })
}
