//! What a token's subject may spend: a bucket of cost that refills by the second.
//!
//! Buckets live in this process's memory and are bounded in number; one that is evicted starts full again. That can only help a
//! caller, and only when more subjects are active than are kept; subjects come from tokens we signed, so that nobody can invent
//! them to flush the others. Time is handed in, and a clock that runs backwards refills nothing.

use entities::clock::Timestamp;
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

/// Parts of one unit of cost: a rate per second times elapsed microseconds comes out in these.
const PARTS: u64 = 1_000_000;

/// The size of every subject's bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The cost that a rested subject may spend at once.
    pub capacity: u64,
    /// The cost that comes back each second.
    pub restore_rate: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            capacity: 1_000_000,
            restore_rate: 100_000,
        }
    }
}

/// The budget does not hold what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// What is left.
    pub left: u64,
    /// Whole seconds after which the same request will be accepted; none when it never will, being larger than the bucket.
    pub retry_after_seconds: Option<u64>,
}

#[derive(Debug)]
struct Bucket {
    parts: u64,
    refilled_at: Timestamp,
}

/// The buckets of all subjects.
pub struct Budgets {
    budget: Budget,
    buckets: Cache<String, Arc<Mutex<Bucket>>>,
}

impl Budgets {
    /// Full buckets for up to about `subjects` subjects.
    #[must_use]
    pub fn new(budget: Budget, subjects: usize) -> Self {
        Self {
            budget,
            buckets: Cache::new(subjects.max(1)),
        }
    }

    /// The size of each bucket.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        self.budget
    }

    /// Takes `cost` from a subject's bucket and says what is left.
    ///
    /// # Errors
    /// [`Exhausted`], and nothing is taken.
    pub fn take(&self, subject: &str, cost: u64, now: Timestamp) -> Result<u64, Exhausted> {
        self.with(subject, now, |bucket| {
            let wanted = cost.saturating_mul(PARTS);
            if let Some(left) = bucket.parts.checked_sub(wanted) {
                bucket.parts = left;
                return Ok(left / PARTS);
            }
            let missing = wanted.saturating_sub(bucket.parts);
            let per_second = self.budget.restore_rate.saturating_mul(PARTS);
            let fits = cost <= self.budget.capacity && per_second > 0;
            let retry_after_seconds = fits.then(|| missing.div_ceil(per_second).max(1));
            Err(Exhausted {
                left: bucket.parts / PARTS,
                retry_after_seconds,
            })
        })
    }

    /// Gives back what a request was priced above what it came to, and says what is left.
    pub fn give_back(&self, subject: &str, cost: u64, now: Timestamp) -> u64 {
        let full = self.full();
        self.with(subject, now, |bucket| {
            bucket.parts = bucket
                .parts
                .saturating_add(cost.saturating_mul(PARTS))
                .min(full);
            bucket.parts / PARTS
        })
    }

    const fn full(&self) -> u64 {
        self.budget.capacity.saturating_mul(PARTS)
    }

    fn with<T>(&self, subject: &str, now: Timestamp, work: impl FnOnce(&mut Bucket) -> T) -> T {
        let new = || {
            Ok::<_, Infallible>(Arc::new(Mutex::new(Bucket {
                parts: self.full(),
                refilled_at: now,
            })))
        };
        let Ok(bucket) = self.buckets.get_or_insert_with(subject, new);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed =
            u64::try_from(now.micros().saturating_sub(bucket.refilled_at.micros())).unwrap_or(0);
        bucket.parts = bucket
            .parts
            .saturating_add(elapsed.saturating_mul(self.budget.restore_rate))
            .min(self.full());
        bucket.refilled_at = bucket.refilled_at.max(now);
        work(&mut bucket)
    }
}

impl std::fmt::Debug for Budgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budgets")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use proptest::prelude::*;

    const BUDGET: Budget = Budget {
        capacity: 100,
        restore_rate: 10,
    };

    fn second(n: i64) -> Timestamp {
        Timestamp::from_secs(n)
    }

    #[test]
    fn a_bucket_empties_and_refills() {
        let budgets = Budgets::new(BUDGET, 10);
        assert_eq!(budgets.take("a", 60, second(0)), Ok(40));
        assert_eq!(
            budgets.take("a", 60, second(0)),
            Err(Exhausted {
                left: 40,
                retry_after_seconds: Some(2)
            })
        );
        assert_eq!(
            budgets.take("b", 100, second(0)),
            Ok(0),
            "each subject has its own"
        );
        assert_eq!(budgets.take("a", 60, second(2)), Ok(0));
        assert_eq!(budgets.give_back("a", 15, second(2)), 15);
        assert_eq!(budgets.give_back("a", 1_000, second(2)), 100);
        assert_eq!(budgets.take("a", 0, second(9_999)), Ok(100));
    }

    #[test]
    fn what_never_fits_names_no_time() {
        let budgets = Budgets::new(BUDGET, 10);
        assert_eq!(
            budgets.take("a", 101, second(0)),
            Err(Exhausted {
                left: 100,
                retry_after_seconds: None
            })
        );
        let never = Budgets::new(
            Budget {
                capacity: 1,
                restore_rate: 0,
            },
            10,
        );
        assert_eq!(never.take("a", 1, second(0)), Ok(0));
        assert_eq!(
            never
                .take("a", 1, second(9))
                .unwrap_err()
                .retry_after_seconds,
            None
        );
    }

    #[test]
    fn a_clock_that_runs_backwards_refills_nothing() {
        let budgets = Budgets::new(BUDGET, 10);
        assert_eq!(budgets.take("a", 100, second(10)), Ok(0));
        assert_eq!(budgets.give_back("a", 0, second(5)), 0);
        assert_eq!(budgets.give_back("a", 0, second(10)), 0);
        assert_eq!(budgets.give_back("a", 0, second(11)), 10);
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let budgets = Budgets::new(BUDGET, 100);
        for n in 0..10_000 {
            budgets.take(&format!("subject-{n}"), 1, second(0)).unwrap();
        }
        assert!(budgets.buckets.len() <= 200, "{}", budgets.buckets.len());
    }

    proptest! {
        #[test]
        fn nobody_spends_more_than_the_bucket_and_its_refill(steps in proptest::collection::vec((0_u64..150, 0_i64..3_000), 1..200)) {
            let budgets = Budgets::new(BUDGET, 10);
            let (mut spent, mut millis) = (0, 0);
            for (cost, wait) in steps {
                millis += wait;
                if budgets.take("a", cost, Timestamp::from_millis(millis)).is_ok() {
                    spent += cost;
                }
                let refilled = u64::try_from(millis).unwrap() * BUDGET.restore_rate / 1_000;
                prop_assert!(spent <= BUDGET.capacity + refilled);
            }
        }

        #[test]
        fn after_the_named_time_it_fits(first in 0_u64..=100, cost in 0_u64..=100) {
            let budgets = Budgets::new(BUDGET, 10);
            budgets.take("a", first, second(0)).unwrap();
            if let Err(exhausted) = budgets.take("a", cost, second(0)) {
                let wait = i64::try_from(exhausted.retry_after_seconds.unwrap()).unwrap();
                prop_assert!(budgets.take("a", cost, second(wait)).is_ok());
            }
        }
    }
}
