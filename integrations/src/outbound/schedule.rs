//! When a delivery is tried again.
//!
//! Owns: the schedule, its jitter, and what a receiver may ask for. Refuses: a wait that a receiver makes longer than a day, or shorter than the
//! schedule's. Invariant: after the last attempt there is none.

use crate::http::Answer;
use entities::id::Ids;
use std::time::Duration;

/// The waits before the second and every further attempt, in seconds.
const WAITS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/// How many attempts there are.
pub const ATTEMPTS: i32 = 8;
/// The longest wait that a receiver may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// A wait differs by at most so much, in thousandths, so that what failed together does not come back together.
const JITTER: u64 = 200;

/// How long to wait after an attempt, counted from one; none after the last. `asked` is what the receiver asked for.
#[must_use]
pub fn wait_after(attempt: i32, asked: Option<Duration>, chance: &Ids) -> Option<Duration> {
    let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let seconds = *WAITS.get(index)?;
    let mut bytes = [0_u8; 8];
    chance.fill(&mut bytes);
    let thousandths = 1_000 - JITTER + u64::from_be_bytes(bytes) % (2 * JITTER + 1);
    let wait = Duration::from_millis(seconds * thousandths);
    Some(asked.map_or(wait, |asked| asked.min(LONGEST).max(wait)))
}

/// What a receiver asks for.
#[must_use]
pub fn asked_by(answer: &Answer) -> Option<Duration> {
    answer.retry_after()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use entities::chance::SeededChance;
    use std::sync::Arc;

    #[test]
    fn each_wait_is_within_a_fifth_of_the_schedule_and_the_eighth_attempt_is_the_last() {
        let chance = Ids::new(Arc::new(SeededChance::new(5)));
        for (index, seconds) in WAITS.iter().enumerate() {
            let attempt = i32::try_from(index).unwrap() + 1;
            let waits: Vec<Duration> = (0..500)
                .map(|_| wait_after(attempt, None, &chance).unwrap())
                .collect();
            let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
            assert!(least >= Duration::from_millis(seconds * 800));
            assert!(most <= Duration::from_millis(seconds * 1_200));
            assert!(
                most - least > Duration::from_millis(seconds * 300),
                "it jitters"
            );
        }
        assert_eq!(usize::try_from(ATTEMPTS).unwrap(), WAITS.len() + 1);
        for attempt in [ATTEMPTS, 0, -1, i32::MIN, i32::MAX] {
            assert_eq!(wait_after(attempt, None, &chance), None);
        }
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_for_a_day_at_most_and_not_for_less() {
        let chance = Ids::new(Arc::new(SeededChance::new(5)));
        let wait = |seconds| wait_after(1, Some(Duration::from_secs(seconds)), &chance).unwrap();
        assert_eq!(wait(90), Duration::from_secs(90));
        assert_eq!(wait(999_999), LONGEST);
        assert!(wait(0) >= Duration::from_secs(4));
    }
}
