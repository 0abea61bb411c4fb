//! How far the items of one call have come, from nothing written to one outcome each.
//!
//! Owns: what every connector that writes does alike between its calls and its answer: remember, read back, answer. Refuses: to know how a vendor
//! writes or reads. Invariant: there is an outcome for each item, in their order, and an item that was written is answered with what was read
//! back.

use super::PushOutcome;
use crate::{
    error::{ConnectorError, Result},
    record::Record,
};
use std::collections::{BTreeMap, BTreeSet};

/// How far one item has come.
pub(crate) enum Progress {
    /// Nothing is written.
    Waiting,
    /// The record is written, under this id.
    Written(String),
    /// The record is written and a link is not.
    Unlinked(String, ConnectorError),
    Done(PushOutcome),
}

impl Progress {
    pub(crate) fn refused(error: ConnectorError) -> Self {
        Self::Done(PushOutcome::Refused(error))
    }
}

/// Notes how far the item at a place has come.
pub(crate) fn set(progress: &mut [Progress], place: usize, value: Progress) {
    if let Some(slot) = progress.get_mut(place) {
        *slot = value;
    }
}

/// The ids of the records that are written.
pub(crate) fn written(progress: &[Progress]) -> BTreeSet<String> {
    let ids = progress.iter().filter_map(|one| match one {
        Progress::Written(id) | Progress::Unlinked(id, _) => Some(id.clone()),
        Progress::Waiting | Progress::Done(_) => None,
    });
    ids.collect()
}

/// The outcome of each item. `read` is what was read back of those that are written, and `find` looks one up in it by the id it was written under.
pub(crate) fn outcomes(
    progress: Vec<Progress>,
    read: &Result<BTreeMap<String, Record>>,
    find: impl Fn(&BTreeMap<String, Record>, &str) -> Option<Record>,
) -> Vec<PushOutcome> {
    let found = |id: &str| -> Result<Record> {
        let records = read.as_ref().map_err(Clone::clone)?;
        find(records, id).ok_or_else(|| {
            // Merged or put away in this very moment; the next attempt sees which.
            ConnectorError::transient(format!("{id} was written and cannot be read back"))
        })
    };
    let outcome = |one| match one {
        Progress::Done(outcome) => outcome,
        Progress::Written(id) => match found(&id) {
            Ok(record) => PushOutcome::Applied(record),
            Err(error) => PushOutcome::Refused(error),
        },
        Progress::Unlinked(id, why) => match found(&id) {
            Ok(record) => PushOutcome::Partly(record, why),
            Err(_) => PushOutcome::Refused(why),
        },
        Progress::Waiting => {
            PushOutcome::Refused(ConnectorError::transient("the item was not reached"))
        }
    };
    progress.into_iter().map(outcome).collect()
}

/// The outcomes, unless nothing at all was done, for one reason that is not any item's: then the call failed, not its items.
pub(crate) fn answered(outcomes: Vec<PushOutcome>) -> Result<Vec<PushOutcome>> {
    let mut reasons = outcomes.iter().map(|outcome| match outcome {
        PushOutcome::Refused(error) if error.ends_the_work() => Some(error),
        _ => None,
    });
    if let Some(Some(first)) = reasons.next()
        && reasons.all(|reason| reason == Some(first))
    {
        return Err(first.clone());
    }
    Ok(outcomes)
}
