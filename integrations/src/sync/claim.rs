//! Leases and patience: how long work may take, and how long it waits after a failure.
//!
//! Invariant: a wait the vendor set is never shortened, and a rate limit burns no attempt.

use super::error::SyncError;
use crate::error::ConnectorError;
use entities::clock::Timestamp;
use std::time::Duration;

/// After so many failed attempts a lane counts as failed for the run; it goes on being tried, ever more seldom.
pub(super) const GIVE_UP: i32 = 5;

/// What a failure means for the row it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setback {
    /// Not before this instant.
    pub(super) available_at: Timestamp,
    /// How many attempts count from now on.
    pub(super) attempts: i32,
    /// Why, as the row keeps it. A rate limit is kept too: a lane that waits for one is not done.
    pub(super) error: Option<String>,
    /// Until when the whole connection must be quiet, where the vendor set a wait.
    pub(super) pause: Option<Timestamp>,
}

/// Milliseconds of a duration.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The wait before the next attempt: doubling, up to a cap.
pub(super) fn backoff(base: Duration, cap: Duration, attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(20);
    base.saturating_mul(2_u32.saturating_pow(doublings))
        .min(cap)
}

/// Judges a failure of work that is at its `attempts`-th attempt.
pub(super) fn setback(
    error: &SyncError,
    attempts: i32,
    now: Timestamp,
    base: Duration,
    cap: Duration,
) -> Setback {
    let usual = backoff(base, cap, attempts);
    let at = |wait: Duration| now.plus_millis(millis(wait));
    match error {
        SyncError::Connector(ConnectorError::RateLimited { retry_after, scope }) => {
            let attempts = attempts.saturating_sub(1).max(0);
            Setback {
                available_at: at(*retry_after),
                attempts,
                error: Some(error.reason()),
                // A limit of its own kind stops its own kind of work: the rest of the connection goes on.
                pause: scope.stops_the_account().then(|| at(*retry_after)),
            }
        }
        SyncError::Connector(ConnectorError::Transient { retry_after, .. }) => {
            let wait = retry_after.map_or(usual, |asked| asked.max(usual));
            Setback {
                available_at: at(wait),
                attempts,
                error: Some(error.reason()),
                pause: retry_after.map(at),
            }
        }
        error if error.is_retryable() => Setback {
            available_at: at(usual),
            attempts,
            error: Some(error.reason()),
            pause: None,
        },
        error => {
            let attempts = attempts.max(GIVE_UP);
            Setback {
                available_at: at(backoff(base, cap, attempts)),
                attempts,
                error: Some(error.reason()),
                pause: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::LimitScope;
    use proptest::prelude::*;

    const BASE: Duration = Duration::from_secs(1);
    const CAP: Duration = Duration::from_secs(600);

    proptest! {
        #[test]
        fn a_vendors_wait_is_never_shortened(wait_ms in 0_u64..10_000_000, attempts in 1_i32..40) {
            let now = Timestamp::from_secs(1_000);
            let retry_after = Duration::from_millis(wait_ms);
            let limited = SyncError::Connector(ConnectorError::RateLimited { retry_after, scope: LimitScope::Account });
            let set = setback(&limited, attempts, now, BASE, CAP);
            prop_assert!(set.available_at >= now.plus_millis(millis(retry_after)));
            prop_assert_eq!(set.attempts, attempts - 1);
            let down = SyncError::Connector(ConnectorError::Transient { message: String::new(), retry_after: Some(retry_after) });
            let down = setback(&down, attempts, now, BASE, CAP);
            prop_assert!(down.available_at >= now.plus_millis(millis(retry_after)));
            // The whole connection keeps the wait, whatever asks for a lane to be due.
            prop_assert_eq!((set.pause, down.pause), (Some(now.plus_millis(millis(retry_after))), Some(now.plus_millis(millis(retry_after)))));
        }

        #[test]
        fn waits_grow_and_stay_under_the_cap(attempts in 1_i32..1_000) {
            prop_assert!(backoff(BASE, CAP, attempts) <= backoff(BASE, CAP, attempts + 1));
            prop_assert!(backoff(BASE, CAP, attempts) <= CAP);
        }
    }

    #[test]
    fn only_a_limit_of_the_account_stops_the_account() {
        for (scope, stops) in [
            (LimitScope::Account, true),
            (LimitScope::Day, true),
            (LimitScope::Search, false),
            (LimitScope::Pace, false),
        ] {
            let retry_after = Duration::from_secs(7);
            let limited = SyncError::Connector(ConnectorError::RateLimited { retry_after, scope });
            let set = setback(&limited, 3, Timestamp(0), BASE, CAP);
            let until = Timestamp(0).plus_millis(7_000);
            assert_eq!(
                (set.pause, set.available_at, set.attempts),
                (stops.then_some(until), until, 2),
                "{scope:?}"
            );
            // A row that waits for a limit is known by this, and nobody's wish shortens its wait.
            assert!(
                limited
                    .reason()
                    .starts_with(entities::sync_cursor::RATE_LIMITED)
            );
        }
    }

    #[test]
    fn a_refusal_for_good_counts_as_failed_at_once() {
        let refused = SyncError::Connector(ConnectorError::permanent("no", "no"));
        assert_eq!(
            setback(&refused, 1, Timestamp(0), BASE, CAP).attempts,
            GIVE_UP
        );
    }
}
