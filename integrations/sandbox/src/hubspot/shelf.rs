//! The records of one kind with their indices.
//!
//! Invariant: a record is either live or archived; `modified` and `unique` know the live ones only.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::record::{Name, Record};

/// The records of one kind.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) live: BTreeMap<u64, Record>,
    pub(crate) archived: BTreeMap<u64, Record>,
    /// Live records by last change, for search.
    pub(crate) modified: BTreeSet<(i64, u64)>,
    /// Ids that were merged away, and where they live on.
    pub(crate) merged: BTreeMap<u64, u64>,
    /// Records search sees differently than they are, with the moment that ends.
    pub(crate) lagging: BTreeMap<u64, i64>,
    pub(super) lagging_until: VecDeque<(i64, u64)>,
    pub(super) unique: HashMap<(Name, Box<str>), u64>,
    pub(super) last_id: u64,
}

impl Shelf {
    /// The live record behind an id, merged ids followed.
    pub(crate) fn find(&self, id: u64) -> Option<&Record> {
        let mut id = id;
        // A merge can follow a merge; ids only lead to newer ids, so this ends.
        while let Some(next) = self.merged.get(&id) {
            id = *next;
        }
        self.live.get(&id)
    }

    /// Forgets the lags that have passed. A record written twice waits for its last write.
    pub(super) fn settle(&mut self, now: i64) {
        while let Some((until, id)) = self.lagging_until.front().copied() {
            if until > now {
                break;
            }
            self.lagging_until.pop_front();
            if self.lagging.get(&id).is_some_and(|last| *last <= now) {
                self.lagging.remove(&id);
            }
        }
    }

    pub(crate) fn holder(&self, name: &str, value: &str) -> Option<u64> {
        self.unique
            .get(&(Name::from(name), value.to_lowercase().into_boxed_str()))
            .copied()
    }
}
