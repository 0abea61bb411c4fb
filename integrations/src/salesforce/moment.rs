//! Salesforce's times.
//!
//! Owns: reading them, writing them into queries and into records, and the day a plain date means. Refuses: to guess a zone: a time without an offset
//! is no time. Invariant: what is read and written again is the same millisecond, and a plain date is never shifted.
//!
//! A query answers `2026-11-01T10:00:00.000+0000`, without the colon RFC 3339 asks for; a bulk job answers the same moment as
//! `2026-11-01T10:00:00.000Z`. Both leave here as the latter, so that the two ways of reading show one value.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Milliseconds since 1970 of a time with an offset.
pub(super) fn millis(text: &str) -> Option<i64> {
    let text = text.trim();
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()
        .map(|at| at.timestamp_millis())
}

/// A moment as a query takes it: unquoted, in UTC, without a sign that an address would turn into a blank.
pub(super) fn literal(millis: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(millis)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The one form of a time; a text that is none stays as it is.
pub(super) fn plain(text: &str) -> String {
    millis(text).map_or_else(|| text.to_owned(), literal)
}

/// The day a value means, for a field that holds days: a plain date as it stands, midnight in UTC likewise (for that is how plain dates travel), and
/// any other moment by the account's own calendar.
pub(super) fn day(text: &str, zone: Option<&str>) -> Option<String> {
    let text = text.trim();
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.to_string());
    }
    let at = DateTime::<Utc>::from_timestamp_millis(millis(text)?)?;
    if at.time() == NaiveTime::MIN {
        return Some(at.date_naive().to_string());
    }
    let zone: Tz = zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
    Some(
        zone.from_utc_datetime(&at.naive_utc())
            .date_naive()
            .to_string(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offset_without_a_colon_is_read() {
        const AT: i64 = 1_793_527_200_000;
        for text in [
            "2026-11-01T10:00:00.000+0000",
            "2026-11-01T10:00:00.000+00:00",
            "2026-11-01T10:00:00Z",
            "2026-11-01T02:00:00.000-0800",
            "2026-11-01T15:30:00+0530",
            " 2026-11-01T10:00:00.000Z ",
        ] {
            assert_eq!(millis(text), Some(AT), "{text}");
            assert_eq!(plain(text), "2026-11-01T10:00:00.000Z");
        }
        for bad in [
            "",
            "2026-11-01",
            "2026-11-01T10:00:00",
            "2026-11-01T10:00:00.000",
            "yesterday",
            "1793527200000",
        ] {
            assert_eq!(millis(bad), None, "{bad:?}");
            assert_eq!(plain(bad), bad);
        }
    }

    #[test]
    fn a_plain_date_is_that_day_everywhere() {
        let west = Some("America/Los_Angeles");
        for (text, zone, expected) in [
            ("2026-11-30", west, Some("2026-11-30")),
            ("2026-11-30T00:00:00Z", west, Some("2026-11-30")),
            ("2026-11-30T00:00:00.000+0000", west, Some("2026-11-30")),
            ("2026-11-30T03:00:00Z", west, Some("2026-11-29")),
            ("2026-11-30T03:00:00Z", None, Some("2026-11-30")),
            (
                "2026-11-30T23:00:00Z",
                Some("Asia/Tokyo"),
                Some("2026-12-01"),
            ),
            (
                "2026-11-30T23:00:00Z",
                Some("Nowhere/Land"),
                Some("2026-11-30"),
            ),
            ("soon", west, None),
        ] {
            assert_eq!(day(text, zone).as_deref(), expected, "{text} {zone:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(at in 0_i64..4_102_444_800_000) {
            prop_assert_eq!(millis(&literal(at)), Some(at));
            prop_assert!(!literal(at).contains('+'));
        }
    }
}
