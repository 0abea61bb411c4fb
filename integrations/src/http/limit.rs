//! The pace of an account: our side of the vendor's budgets.
//!
//! Owns: one limiter per (connector, account, lane), shared by every session of that account in this process. Refuses: long sleeps:
//! a wait longer than the caller should be held is an answer, not a pause. Invariant: in any rolling window of the vendor's length no
//! more calls start than the budget allows. A bucket that holds the whole budget would allow twice that (a full bucket, and then
//! its refill), so the burst is a tenth and the refill spreads the rest.

use super::HttpError;
use crate::connector::{Lane, RateLimit};
use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use std::{num::NonZeroU32, time::Duration};

/// The limiters of one account.
#[derive(Debug, Default)]
pub(super) struct AccountPace {
    lanes: Vec<(Lane, DefaultDirectRateLimiter)>,
}

impl AccountPace {
    /// Limiters for these budgets; a budget of nothing is ignored, since no vendor means it.
    pub(super) fn new(limits: &[RateLimit]) -> Self {
        let lanes = limits
            .iter()
            .filter_map(|limit| Some((limit.lane, RateLimiter::direct(quota(*limit)?))));
        Self {
            lanes: lanes.collect(),
        }
    }

    /// Returns when a call in this lane may start, or says how long that would take when it is longer than `patience`.
    pub(super) async fn admit(&self, lane: Lane, patience: Duration) -> Result<(), HttpError> {
        let Some((_, limiter)) = self.lanes.iter().find(|(of, _)| *of == lane) else {
            return Ok(());
        };
        let clock = DefaultClock::default();
        let mut waited = Duration::ZERO;
        loop {
            let Err(not_yet) = limiter.check() else {
                return Ok(());
            };
            let wait = not_yet
                .wait_time_from(clock.now())
                .max(Duration::from_millis(1));
            if waited + wait > patience {
                return Err(HttpError::Paced { lane, wait });
            }
            waited += wait;
            tokio::time::sleep(wait).await;
        }
    }
}

/// The bucket for a budget: burst + refill over the window = the budget.
fn quota(limit: RateLimit) -> Option<Quota> {
    let burst = NonZeroU32::new((limit.requests / 10).max(u32::from(limit.requests > 0)))?;
    let refill = (limit.requests - burst.get()).max(1);
    Some(Quota::with_period(limit.per / refill)?.allow_burst(burst))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn burst_and_refill_never_exceed_the_budget_in_any_window() {
        for (requests, seconds) in [(110, 10), (5, 1), (190, 10), (100, 10), (2, 1), (1, 1)] {
            let limit = RateLimit {
                lane: Lane::Standard,
                requests,
                per: Duration::from_secs(seconds),
            };
            let quota = quota(limit).unwrap();
            let refilled = limit.per.as_nanos() / quota.replenish_interval().as_nanos();
            assert!(
                u128::from(quota.burst_size().get()) + refilled <= u128::from(requests.max(2)),
                "{requests}/{seconds}"
            );
        }
    }

    #[tokio::test]
    async fn a_long_wait_is_an_answer_and_another_lane_is_free() {
        let limit = |lane, requests, secs| RateLimit {
            lane,
            requests,
            per: Duration::from_secs(secs),
        };
        let pace = AccountPace::new(&[limit(Lane::Search, 2, 3600)]);
        pace.admit(Lane::Search, Duration::ZERO).await.unwrap();
        let refused = pace.admit(Lane::Search, Duration::from_secs(1)).await;
        assert!(
            matches!(refused, Err(HttpError::Paced { wait, .. }) if wait > Duration::from_secs(1000))
        );
        for _ in 0..1000 {
            pace.admit(Lane::Standard, Duration::ZERO).await.unwrap();
        }
    }
}
