//! The sandbox's time, in milliseconds since the epoch.
//!
//! Owns: the one reading of the system clock in this package, and a shift that tests use instead of waiting.
//! Refuses: to go backwards; the shift only grows.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// The system clock plus a shift.
#[derive(Debug, Default)]
pub struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    /// A clock that follows the system.
    pub fn system() -> Self {
        Self::default()
    }

    /// Milliseconds since the epoch, shift included.
    #[expect(
        clippy::disallowed_methods,
        reason = "the home of time in this package"
    )]
    pub fn now_ms(&self) -> i64 {
        let system = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| {
                i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
            });
        system.saturating_add(self.ahead.load(Ordering::Relaxed))
    }

    /// Moves the sandbox's time forward, for tokens to expire and lags to pass without waiting.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(by, Ordering::Relaxed);
    }
}

/// An instant as the vendor prints it: milliseconds are left out when they are zero.
pub(crate) fn instant(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Reads an instant given as RFC 3339, as a date, or as epoch milliseconds.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_milliseconds_are_not_printed() {
        assert_eq!(instant(1_488_326_400_000), "2017-03-01T00:00:00Z");
        assert_eq!(instant(1_726_061_259_356), "2024-09-11T13:27:39.356Z");
        assert_eq!(parse_instant("2017-03-01"), Some(1_488_326_400_000));
        assert_eq!(
            parse_instant("2024-09-11T13:27:39.356Z"),
            Some(1_726_061_259_356)
        );
    }
}
