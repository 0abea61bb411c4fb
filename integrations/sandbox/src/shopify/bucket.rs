//! The leaky bucket of query costs: it is charged what a request may cost, and given back what it did not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// The bucket of one app in one shop.
#[derive(Debug)]
pub(crate) struct Bucket {
    size: f64,
    restore: f64,
    /// Without a limit the numbers are shown and nothing is refused.
    limited: bool,
    level: Mutex<(f64, i64)>,
    /// How often there was not enough in it.
    refusals: AtomicU64,
}

impl Bucket {
    pub(crate) fn new(size: u32, restore: u32, limited: bool, now: i64) -> Self {
        Self {
            size: f64::from(size),
            restore: f64::from(restore),
            limited,
            level: Mutex::new((f64::from(size), now)),
            refusals: AtomicU64::new(0),
        }
    }

    fn with<T>(&self, now: i64, change: impl FnOnce(&mut f64) -> T) -> T {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds between two requests"
        )]
        let passed = (now - level.1).max(0) as f64 / 1000.0;
        level.0 = (level.0 + passed * self.restore).min(self.size);
        level.1 = level.1.max(now);
        change(&mut level.0)
    }

    /// Takes what a request may cost; false when there is not that much.
    pub(crate) fn take(&self, cost: u64, now: i64) -> bool {
        let cost = cost_of(cost);
        self.with(now, |level| {
            if self.limited && *level < cost {
                self.refusals.fetch_add(1, Ordering::Relaxed);
                return false;
            }
            *level = (*level - cost).max(0.0);
            true
        })
    }

    /// How often a request was refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Gives back what was charged and not used.
    pub(crate) fn give_back(&self, cost: u64, now: i64) {
        let size = self.size;
        self.with(now, |level| *level = (*level + cost_of(cost)).min(size));
    }

    /// Lets the bucket run dry.
    pub(crate) fn empty(&self, now: i64) {
        self.with(now, |level| *level = 0.0);
    }

    /// What `extensions.cost` says.
    pub(crate) fn shown(&self, requested: u64, actual: Option<u64>, now: i64) -> Value {
        let available = self.with(now, |level| level.floor());
        #[expect(clippy::cast_possible_truncation, reason = "a bucket holds thousands")]
        let available = available as i64;
        json!({
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.size,
                "currentlyAvailable": available,
                "restoreRate": self.restore,
            },
        })
    }
}

fn cost_of(cost: u64) -> f64 {
    f64::from(u32::try_from(cost).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills_with_time() {
        let bucket = Bucket::new(100, 50, true, 0);
        assert!(bucket.take(80, 0));
        assert!(!bucket.take(30, 0));
        assert!(bucket.take(30, 500));
        bucket.give_back(1000, 500);
        assert!(bucket.take(100, 500));
        assert!(!bucket.take(1, 510));
    }
}
