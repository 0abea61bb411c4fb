//! What came back.
//!
//! Owns: status, headers and the whole body, and the two facts every vendor states in headers: what time it is there, and how long
//! to wait. Refuses: to judge the status. Invariant: a wait that was stated is never shortened; one that cannot be read is absent.

use bytes::Bytes;
use chrono::DateTime;
use http::HeaderMap;
use std::time::Duration;

/// The longest wait that is believed; a larger number is a mistake of the sender.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A complete answer.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Answer {
    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// A header that is there once and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The sender's time in milliseconds since 1970, to the second; none when it does not say.
    #[must_use]
    pub fn vendor_now_ms(&self) -> Option<i64> {
        Some(
            DateTime::parse_from_rfc2822(self.header("date")?)
                .ok()?
                .timestamp_millis(),
        )
    }

    /// `Retry-After`, given in seconds or as a date (which is read against the sender's own clock).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let wait = if let Ok(seconds) = text.parse::<f64>() {
            Duration::try_from_secs_f64(seconds).ok()?
        } else {
            let until = DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis();
            let now = self.vendor_now_ms()?;
            Duration::from_millis(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
        };
        Some(wait.min(LONGEST_WAIT))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        Answer {
            status: 429,
            headers,
            body: Bytes::new(),
        }
    }

    #[test]
    fn retry_after_reads_seconds_and_dates_and_nothing_else() {
        for (text, expected) in [
            ("7", Some(7_000)),
            (" 2.5 ", Some(2_500)),
            ("0", Some(0)),
            ("Sun, 01 Nov 2026 10:00:30 GMT", Some(30_000)),
            ("Sun, 01 Nov 2026 09:00:00 GMT", Some(0)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
            ("1e300", None),
            ("99999999999", Some(7 * 24 * 3_600_000)),
        ] {
            let answer = answer(&[
                ("retry-after", text),
                ("date", "Sun, 01 Nov 2026 10:00:00 GMT"),
            ]);
            assert_eq!(
                answer.retry_after(),
                expected.map(Duration::from_millis),
                "{text:?}"
            );
        }
        assert_eq!(answer(&[]).retry_after(), None);
    }

    #[test]
    fn the_senders_clock_is_read_from_its_date() {
        let answer = answer(&[("date", "Sun, 01 Nov 2026 10:00:00 GMT")]);
        assert_eq!(answer.vendor_now_ms(), Some(1_793_527_200_000));
    }
}
