//! The clock of a test: the machine's or one that stands, and either moves on when it is told to.

use entities::clock::{Clock, SystemClock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock that a test can move forward.
#[derive(Debug)]
pub struct TestClock {
    stands_at: Option<Timestamp>,
    ahead_micros: AtomicI64,
}

impl TestClock {
    /// The machine's clock, until it is moved. Needed where a sandbox with a clock of its own signs or dates something.
    #[must_use]
    pub const fn system() -> Self {
        Self {
            stands_at: None,
            ahead_micros: AtomicI64::new(0),
        }
    }

    /// A clock that stands still at an instant.
    #[must_use]
    pub const fn standing(at: Timestamp) -> Self {
        Self {
            stands_at: Some(at),
            ahead_micros: AtomicI64::new(0),
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("a test does not wait for ages");
        self.ahead_micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let base = self.stands_at.unwrap_or_else(|| SystemClock.now());
        Timestamp::from_micros(base.micros() + self.ahead_micros.load(Ordering::SeqCst))
    }
}
