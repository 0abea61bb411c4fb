//! How often each endpoint of a sandbox was asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// How often each endpoint was asked, and what was answered.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// Requests by method and route.
    pub requests: BTreeMap<String, u64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
}

impl Counts {
    /// Requests whose route contains the text.
    pub fn of(&self, route: &str) -> u64 {
        self.requests
            .iter()
            .filter(|(known, _)| known.contains(route))
            .map(|(_, count)| count)
            .sum()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Stats {
    counts: Mutex<Counts>,
}

impl Stats {
    pub(crate) fn count(&self, method: &str, route: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts
            .requests
            .entry(format!("{method} {route}"))
            .or_default() += 1;
    }

    pub(crate) fn answered(&self, status: u16) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.statuses.entry(status).or_default() += 1;
    }

    pub(crate) fn current(&self) -> Counts {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
