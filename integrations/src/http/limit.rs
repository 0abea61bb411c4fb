//! The pace of an account: our side of the vendor's budgets.
//!
//! Owns: one budget per (connector, account, lane), shared by every session of that account in this process and by every kind of [`Work`].
//! Refuses: long sleeps: a wait longer than the caller should be held is an answer, not a pause. Invariant: in any rolling window of the
//! vendor's length no more calls start than the budget allows, no more of a backfill than half of it, and none that the vendor's own count
//! ([`super::told`]) forbids. A bucket that holds the whole budget would allow twice that (a full bucket, and then its refill), so the
//! burst is a tenth and the refill spreads the rest.
//!
//! While a more urgent call waits for its turn no other takes one. The half of a backfill is kept by its starting times: a second bucket
//! would have to spread the half as well, and so make the first sync of a small account, a few dozen calls, take twice the time.
//!
//! What a vendor says in other ways than in headers of a window is a hold: until it is over only what a person waits for goes ahead.

use super::told::{Left, Told};
use super::{HttpError, Work};
use crate::connector::{Lane, RateLimit};
use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
    state::InMemoryState, state::NotKeyed,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{num::NonZeroU32, time::Duration, time::Instant};

/// Nobody waits for a backfill, so it is held a little longer than others before its wait goes into a row.
const BACKFILL_PATIENCE: Duration = Duration::from_secs(10);

/// How long the process runs: the clock of all paces.
#[derive(Clone)]
pub(super) struct Ticks(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Ticks {
    /// The machine's.
    pub(super) fn real() -> Self {
        let began = Instant::now();
        Self(Arc::new(move || began.elapsed()))
    }

    fn elapsed(&self) -> Duration {
        (self.0)()
    }
}

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.elapsed().into()
    }
}

/// The budgets of one account.
pub(super) struct AccountPace {
    lanes: Vec<Arc<LanePace>>,
}

impl AccountPace {
    /// Paces for these budgets; a budget of nothing is ignored, since no vendor means it.
    pub(super) fn new(limits: &[RateLimit], ticks: &Ticks) -> Self {
        let lanes = limits
            .iter()
            .filter_map(|limit| LanePace::new(*limit, ticks.clone()).map(Arc::new));
        Self {
            lanes: lanes.collect(),
        }
    }

    /// Returns when a call in this lane may start, or says how long that would take when it is longer than `patience`. A lane without a
    /// budget is always free, and then there is no pass.
    pub(super) async fn admit(
        &self,
        (lane, cost): (Lane, NonZeroU32),
        work: Work,
        patience: Duration,
    ) -> Result<Option<Pass>, HttpError> {
        let Some(pace) = self.lanes.iter().find(|pace| pace.lane == lane) else {
            return Ok(None);
        };
        let patience = match work {
            Work::Backfill => patience.max(BACKFILL_PATIENCE),
            _ => patience,
        };
        let mut waited = Duration::ZERO;
        let mut queued = None;
        loop {
            let wait = match pace.start(work, cost) {
                Ok(pass) => return Ok(Some(pass)),
                Err(wait) => wait,
            };
            if waited.saturating_add(wait) > patience {
                return Err(HttpError::Paced { lane, wait });
            }
            queued.get_or_insert_with(|| Queued::join(pace, work));
            waited += wait;
            tokio::time::sleep(wait).await;
        }
    }

    /// Lets nothing start in a lane for this long, but for what a person waits for.
    pub(super) fn hold(&self, lane: Lane, wait: Duration) {
        if let Some(pace) = self.lanes.iter().find(|pace| pace.lane == lane) {
            let until = pace.ticks.elapsed().saturating_add(wait);
            let mut state = pace.state();
            state.held_until = state.held_until.max(Some(until));
        }
    }
}

/// One budget.
struct LanePace {
    lane: Lane,
    bucket: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>,
    /// Between two refills of the bucket.
    beat: Duration,
    burst: NonZeroU32,
    half: u32,
    per: Duration,
    ticks: Ticks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When calls of backfills started, within the last window, oldest first, and what each costs.
    backfill: VecDeque<(Duration, u32)>,
    held_until: Option<Duration>,
    told: Told,
    /// How many calls of each kind wait.
    waiting: [u32; Work::ALL.len()],
}

impl State {
    fn waiting(&mut self, work: Work) -> Option<&mut u32> {
        self.waiting.get_mut(work as usize)
    }
}

impl LanePace {
    fn new(limit: RateLimit, ticks: Ticks) -> Option<Self> {
        let quota = quota(limit)?;
        Some(Self {
            lane: limit.lane,
            bucket: RateLimiter::direct_with_clock(quota, ticks.clone()),
            beat: quota.replenish_interval(),
            burst: quota.burst_size(),
            half: (limit.requests / 2).max(1),
            per: limit.per,
            ticks,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a call, or says when to ask again. What may forbid it is asked first, so that a call that does not start spends nothing.
    fn start(self: &Arc<Self>, work: Work, cost: NonZeroU32) -> Result<Pass, Duration> {
        let now = self.ticks.elapsed();
        // What costs more than may start at once takes all of that.
        let cost = cost.min(self.burst);
        let mut state = self.state();
        if work != Work::Interactive
            && let Some(until) = state.held_until.filter(|until| *until > now)
        {
            return Err(until.saturating_sub(now));
        }
        if state
            .waiting
            .iter()
            .take(work as usize)
            .any(|&count| count > 0)
        {
            return Err(self.beat);
        }
        let modest = work == Work::Backfill;
        if modest {
            while state
                .backfill
                .front()
                .is_some_and(|(at, _)| at.saturating_add(self.per) <= now)
            {
                state.backfill.pop_front();
            }
            let spent: u32 = state.backfill.iter().map(|(_, cost)| cost).sum();
            if spent >= self.half
                && let Some((oldest, _)) = state.backfill.front()
            {
                return Err(oldest.saturating_add(self.per).saturating_sub(now));
            }
        }
        if let Some(wait) = state.told.wait(now, modest) {
            return Err(wait);
        }
        if let Ok(Err(not_yet)) = self.bucket.check_n(cost) {
            let wait = not_yet.wait_time_from(self.ticks.now());
            return Err(wait.max(Duration::from_millis(1)));
        }
        state.told.start();
        if modest {
            state.backfill.push_back((now, cost.get()));
        }
        drop(state);
        Ok(Pass {
            pace: Arc::clone(self),
            started: now,
            said: None,
        })
    }
}

/// A call that may go ahead. Its end is noted when this is dropped, whatever became of it.
pub(super) struct Pass {
    pace: Arc<LanePace>,
    started: Duration,
    said: Option<Left>,
}

impl Pass {
    /// Notes what the vendor says is left.
    pub(super) fn note(&mut self, said: Option<Left>) {
        self.said = said;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let now = self.pace.ticks.elapsed();
        self.pace
            .state()
            .told
            .end(now, self.started, self.said.take());
    }
}

/// A call that waits for its turn; less urgent ones let it go first until this is dropped.
struct Queued {
    pace: Arc<LanePace>,
    work: Work,
}

impl Queued {
    fn join(pace: &Arc<LanePace>, work: Work) -> Self {
        if let Some(count) = pace.state().waiting(work) {
            *count += 1;
        }
        Self {
            pace: Arc::clone(pace),
            work,
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(count) = self.pace.state().waiting(self.work) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The bucket for a budget: burst + refill over the window = the budget.
fn quota(limit: RateLimit) -> Option<Quota> {
    let tenth = (limit.requests / 10).max(u32::from(limit.requests > 0));
    let burst = NonZeroU32::new(limit.burst.unwrap_or(tenth).min(limit.requests))?;
    let refill = limit.requests.saturating_sub(burst.get()).max(1);
    Some(Quota::with_period(limit.per / refill)?.allow_burst(burst))
}

#[cfg(test)]
mod tests;
