//! Days in the programme's time zone: which day an instant falls on, when a day begins, and months counted from an anchor.
//!
//! Owns the arithmetic of dates that contracts depend on. Invariants: the n-th month after a day is counted from that day and never from the month
//! before it, so that a term begun on the 31st comes back to the 31st; a month that is too short ends on its last day; a day begins at the first
//! instant its zone shows it, also where the clocks are put forward over midnight.

use crate::clock::Timestamp;
use chrono::{Days, Duration, LocalResult, Months, NaiveDate, NaiveTime, TimeZone as _, Utc};
use sea_orm::DeriveValueType;
use std::fmt;
use std::str::FromStr;

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Zone(chrono_tz::Tz);

/// Text that names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time zone of the IANA database")]
pub struct InvalidZone;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(chrono_tz::Tz::UTC);

    /// The day an instant falls on; none outside the range a calendar can show.
    #[must_use]
    pub fn day_of(self, at: Timestamp) -> Option<NaiveDate> {
        let at = chrono::DateTime::<Utc>::from_timestamp_micros(at.micros())?;
        Some(at.with_timezone(&self.0).date_naive())
    }

    /// The first instant of a day; none outside the range a calendar can show.
    #[must_use]
    pub fn start_of(self, day: NaiveDate) -> Option<Timestamp> {
        // Where midnight does not exist the day begins when the clocks have been put forward: no zone skips more than a day.
        let midnight = day.and_time(NaiveTime::MIN);
        (0..=24 * 4).find_map(|quarter| {
            let local = midnight.checked_add_signed(Duration::minutes(15 * quarter))?;
            match self.0.from_local_datetime(&local) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => {
                    Some(Timestamp::from_micros(at.timestamp_micros()))
                }
                LocalResult::None => None,
            }
        })
    }

    /// The first instant after a day.
    #[must_use]
    pub fn end_of(self, day: NaiveDate) -> Option<Timestamp> {
        self.start_of(day.succ_opt()?)
    }
}

impl FromStr for Zone {
    type Err = InvalidZone;
    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        text.parse().map(Self).map_err(|_| InvalidZone)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl serde::Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// The day so many months after (or, negative, before) an anchor; the last day of a month that is too short.
#[must_use]
pub fn plus_months(anchor: NaiveDate, months: i32) -> Option<NaiveDate> {
    let distance = Months::new(months.unsigned_abs());
    if months < 0 {
        anchor.checked_sub_months(distance)
    } else {
        anchor.checked_add_months(distance)
    }
}

/// The day so many days after (or, negative, before) another.
#[must_use]
pub fn plus_days(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    let distance = Days::new(days.unsigned_abs());
    if days < 0 {
        day.checked_sub_days(distance)
    } else {
        day.checked_add_days(distance)
    }
}

/// A stretch of days: from its first day to the day before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first day.
    pub start: NaiveDate,
    /// The day after the last.
    pub end: NaiveDate,
}

impl Span {
    /// Whether a day is within.
    #[must_use]
    pub fn contains(self, day: NaiveDate) -> bool {
        self.start <= day && day < self.end
    }
}

/// The stretch of `length` months, counted from an anchor, that a day falls in; none before the anchor.
#[must_use]
pub fn stretch_of(anchor: NaiveDate, length: i32, day: NaiveDate) -> Option<Span> {
    use chrono::Datelike as _;
    if day < anchor || length < 1 {
        return None;
    }
    let months = (day.year() - anchor.year()) * 12 + day.month0().cast_signed()
        - anchor.month0().cast_signed();
    // The guess may be one stretch late, where the day comes before the anchor's day of the month.
    let guess = months / length;
    (0..=1)
        .filter_map(|back| {
            let start = plus_months(anchor, (guess - back) * length)?;
            let end = plus_months(anchor, (guess - back + 1) * length)?;
            Some(Span { start, end })
        })
        .find(|span| span.contains(day))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn months_are_counted_from_the_anchor() {
        for (anchor, months, wanted) in [
            ("2027-01-31", 1, "2027-02-28"),
            ("2028-01-31", 1, "2028-02-29"),
            ("2027-01-31", 2, "2027-03-31"),
            ("2027-01-31", 3, "2027-04-30"),
            ("2028-02-29", 12, "2029-02-28"),
            ("2028-02-29", 24, "2030-02-28"),
            ("2028-02-29", 48, "2032-02-29"),
            ("2027-12-31", 2, "2028-02-29"),
            ("2027-11-30", 3, "2028-02-29"),
            ("2026-11-30", 3, "2027-02-28"),
            ("2027-12-01", 1, "2028-01-01"),
            ("2027-12-31", 12, "2028-12-31"),
            ("2027-03-31", -1, "2027-02-28"),
            ("2028-03-31", -1, "2028-02-29"),
            ("2027-01-15", -1, "2026-12-15"),
            ("2100-01-31", 1, "2100-02-28"),
            ("2000-01-31", 1, "2000-02-29"),
        ] {
            assert_eq!(
                plus_months(day(anchor), months),
                Some(day(wanted)),
                "{anchor} {months}"
            );
        }
    }

    #[test]
    fn a_day_belongs_to_the_contract_year_that_its_anchor_says() {
        for (anchor, on, start, end) in [
            ("2027-01-01", "2027-01-01", "2027-01-01", "2028-01-01"),
            ("2027-01-01", "2027-12-31", "2027-01-01", "2028-01-01"),
            ("2027-01-01", "2028-01-01", "2028-01-01", "2029-01-01"),
            ("2027-07-15", "2028-07-14", "2027-07-15", "2028-07-15"),
            ("2027-07-15", "2028-07-15", "2028-07-15", "2029-07-15"),
            ("2028-02-29", "2029-02-27", "2028-02-29", "2029-02-28"),
            ("2028-02-29", "2029-02-28", "2029-02-28", "2030-02-28"),
            ("2028-02-29", "2032-02-28", "2031-02-28", "2032-02-29"),
            ("2028-02-29", "2032-02-29", "2032-02-29", "2033-02-28"),
            ("2027-12-31", "2028-12-30", "2027-12-31", "2028-12-31"),
            ("2027-12-31", "2028-12-31", "2028-12-31", "2029-12-31"),
            ("2027-03-31", "2028-03-30", "2027-03-31", "2028-03-31"),
        ] {
            let span = Span {
                start: day(start),
                end: day(end),
            };
            assert_eq!(
                stretch_of(day(anchor), 12, day(on)),
                Some(span),
                "{anchor} {on}"
            );
        }
        assert_eq!(stretch_of(day("2027-01-02"), 12, day("2027-01-01")), None);
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        for (zone, on, begins) in [
            ("UTC", "2027-03-28", "2027-03-28T00:00:00Z"),
            ("Europe/Berlin", "2027-03-28", "2027-03-27T23:00:00Z"),
            ("Europe/Berlin", "2027-03-29", "2027-03-28T22:00:00Z"),
            ("Europe/Berlin", "2027-10-31", "2027-10-30T22:00:00Z"),
            ("Europe/Berlin", "2027-11-01", "2027-10-31T23:00:00Z"),
            ("America/New_York", "2027-03-14", "2027-03-14T05:00:00Z"),
            ("America/New_York", "2027-03-15", "2027-03-15T04:00:00Z"),
            ("America/New_York", "2028-01-01", "2028-01-01T05:00:00Z"),
            ("Asia/Kolkata", "2028-02-29", "2028-02-28T18:30:00Z"),
            ("Pacific/Auckland", "2027-12-31", "2027-12-30T11:00:00Z"),
            ("Pacific/Kiritimati", "2028-01-01", "2027-12-31T10:00:00Z"),
            // Midnight does not exist: the clocks go from 24:00 to 01:00.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
            // Midnight comes twice: the first of them.
            ("America/Havana", "2027-11-07", "2027-11-07T04:00:00Z"),
            // The whole day was left out when the islands crossed the date line; what begins is the next one.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ] {
            let zone: Zone = zone.parse().unwrap();
            let at = zone.start_of(day(on)).unwrap();
            assert_eq!(at, Timestamp::parse_rfc3339(begins).unwrap(), "{zone} {on}");
        }
        assert_eq!("Mars/Olympus".parse::<Zone>(), Err(InvalidZone));
    }

    #[test]
    fn notice_and_renewal_are_counted_back_from_the_end_of_the_term() {
        // The first day, how many months a term has, which term, days of notice; the end of the term, and the last day to decide.
        for (begins, months, term, notice, ends, decide) in [
            ("2027-01-01", 12, 1, 90, "2028-01-01", "2027-10-03"),
            ("2028-01-01", 12, 1, 90, "2029-01-01", "2028-10-03"),
            ("2027-03-01", 12, 1, 90, "2028-03-01", "2027-12-02"),
            ("2026-03-01", 12, 1, 90, "2027-03-01", "2026-12-01"),
            ("2028-02-29", 12, 1, 90, "2029-02-28", "2028-11-30"),
            ("2028-02-29", 12, 4, 90, "2032-02-29", "2031-12-01"),
            ("2027-01-31", 1, 1, 30, "2027-02-28", "2027-01-29"),
            ("2027-01-31", 1, 2, 30, "2027-03-31", "2027-03-01"),
            ("2028-01-31", 1, 1, 30, "2028-02-29", "2028-01-30"),
            ("2027-08-31", 6, 1, 60, "2028-02-29", "2027-12-31"),
            ("2027-08-31", 6, 2, 60, "2028-08-31", "2028-07-02"),
            ("2026-08-31", 6, 1, 60, "2027-02-28", "2026-12-30"),
            ("2027-12-31", 12, 1, 0, "2028-12-31", "2028-12-31"),
            ("2027-12-31", 2, 1, 59, "2028-02-29", "2028-01-01"),
            ("2027-12-31", 2, 1, 60, "2028-02-29", "2027-12-31"),
            ("2027-06-30", 3, 3, 30, "2028-03-30", "2028-02-29"),
            ("2026-06-30", 3, 3, 30, "2027-03-30", "2027-02-28"),
            ("2027-03-28", 12, 1, 1, "2028-03-28", "2028-03-27"),
            ("2027-10-31", 24, 1, 180, "2029-10-31", "2029-05-04"),
            ("2099-12-31", 2, 1, 1, "2100-02-28", "2100-02-27"),
        ] {
            let end = plus_months(day(begins), months * term).unwrap();
            assert_eq!(end, day(ends), "{begins} {months} {term}");
            assert_eq!(
                plus_days(end, -notice),
                Some(day(decide)),
                "{begins} {notice}"
            );
        }
    }

    proptest! {
        #[test]
        fn stretches_follow_one_another_without_a_gap(anchor in 0_i64..40_000, length in 1_i32..40, later in 0_i64..20_000) {
            let anchor = plus_days(day("1990-01-01"), anchor).unwrap();
            let on = plus_days(anchor, later).unwrap();
            let span = stretch_of(anchor, length, on).unwrap();
            prop_assert!(span.contains(on));
            prop_assert_eq!(stretch_of(anchor, length, span.end).unwrap().start, span.end);
        }
    }
}
