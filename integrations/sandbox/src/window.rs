//! A rolling window that counts requests, for the vendors' rate limits.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// One rolling window. Refused requests do not count, as at the vendor.
#[derive(Debug)]
pub(crate) struct Window {
    max: Option<u32>,
    length_ms: i64,
    taken: Mutex<VecDeque<i64>>,
}

impl Window {
    pub(crate) fn new(max: Option<u32>, length_ms: i64) -> Self {
        Self {
            max,
            length_ms,
            taken: Mutex::new(VecDeque::new()),
        }
    }

    /// Takes a place; `Ok(Some((max, remaining)))` when there is a limit, `Err` when the window is full.
    pub(crate) fn take(&self, now: i64) -> Result<Option<(u32, u32)>, u32> {
        let Some(max) = self.max else {
            return Ok(None);
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.front().is_some_and(|at| at + self.length_ms <= now) {
            taken.pop_front();
        }
        let used = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        if used >= max {
            return Err(max);
        }
        taken.push_back(now);
        Ok(Some((max, max - used - 1)))
    }

    /// How many places are taken.
    pub(crate) fn used(&self, now: i64) -> u32 {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.front().is_some_and(|at| at + self.length_ms <= now) {
            taken.pop_front();
        }
        u32::try_from(taken.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_rolls() {
        let window = Window::new(Some(2), 1000);
        assert_eq!(window.take(0), Ok(Some((2, 1))));
        assert_eq!(window.take(900), Ok(Some((2, 0))));
        assert_eq!(window.take(999), Err(2));
        assert_eq!(window.take(1000), Ok(Some((2, 0))));
        assert_eq!(window.take(1001), Err(2));
    }
}
