//! Single values: texts, numbers, amounts and dates as vendors write them.
//!
//! Refuses: to round, to guess a currency, and to shift a plain date by a time zone. The limits on texts are those of the rows.

use crate::record::Fields;
use crate::sync::merge::Reading;
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use entities::clock::Timestamp;
use entities::domain_name::DomainName;
use entities::money::{Currency, InvalidAmount, Money};

/// The value of a property; none when it is absent, null or blank.
pub(in crate::sync) fn present<'a>(fields: &'a Fields, property: &str) -> Option<&'a str> {
    fields
        .get(property)?
        .as_deref()
        .filter(|text| !text.trim().is_empty())
}

/// A text of at most `max` characters.
pub(in crate::sync) fn text(
    fields: &Fields,
    property: Option<&String>,
    max: usize,
) -> Reading<Option<String>> {
    let Some(property) = property else {
        return Reading::Unread;
    };
    let Some(text) = present(fields, property) else {
        return Reading::Value(None);
    };
    checked(property, text, max).map(Some)
}

/// A text that is there, held against the limits of a row.
pub(in crate::sync) fn checked(property: &str, text: &str, max: usize) -> Reading<String> {
    if text.chars().count() > max {
        return Reading::flagged(
            property,
            "TOO_LONG",
            format!("The text is longer than {max} characters."),
        );
    }
    if text
        .chars()
        .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    {
        return Reading::flagged(
            property,
            "INVALID_TEXT",
            "The text holds control characters.",
        );
    }
    Reading::Value(text.to_owned())
}

/// A domain name.
pub(in crate::sync) fn domain(
    fields: &Fields,
    property: Option<&String>,
) -> Reading<Option<DomainName>> {
    let Some(property) = property else {
        return Reading::Unread;
    };
    let Some(text) = present(fields, property) else {
        return Reading::Value(None);
    };
    match text.parse() {
        Ok(domain) => Reading::Value(Some(domain)),
        Err(_) => Reading::flagged(
            property,
            "INVALID_DOMAIN",
            "The value is not a domain name.",
        ),
    }
}

/// A number of people. Vendors write whole numbers with and without decimals.
pub(in crate::sync) fn headcount(
    fields: &Fields,
    property: Option<&String>,
) -> Reading<Option<i32>> {
    let Some(property) = property else {
        return Reading::Unread;
    };
    let Some(text) = present(fields, property) else {
        return Reading::Value(None);
    };
    let whole = text.trim();
    let whole = whole
        .split_once('.')
        .filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'))
        .map_or(whole, |(head, _)| head);
    match whole.parse::<i32>() {
        Ok(count) if count >= 0 => Reading::Value(Some(count)),
        _ => Reading::flagged(
            property,
            "INVALID_NUMBER",
            "The value is not a number of people.",
        ),
    }
}

/// An amount, in the currency its record names, else in the account's.
pub(in crate::sync) fn amount(
    fields: &Fields,
    amount: Option<&String>,
    currency: Option<&String>,
    account: Option<Currency>,
) -> Reading<Option<Money>> {
    let Some(property) = amount else {
        return Reading::Unread;
    };
    let Some(text) = present(fields, property) else {
        return Reading::Value(None);
    };
    let named = currency.and_then(|name| Some((name, present(fields, name)?)));
    let currency = match named {
        Some((name, code)) => match code.trim().parse::<Currency>() {
            Ok(currency) => currency,
            Err(_) => {
                return Reading::flagged(
                    name,
                    "INVALID_CURRENCY",
                    "The currency does not exist, so the amount means nothing.",
                );
            }
        },
        None => match account {
            Some(currency) => currency,
            None => {
                return Reading::flagged(
                    property,
                    "INVALID_CURRENCY",
                    "Neither the record nor the account names a currency.",
                );
            }
        },
    };
    match Money::parse(text, currency) {
        Ok(money) => Reading::Value(Some(money)),
        Err(
            fault @ (InvalidAmount::NotANumber
            | InvalidAmount::TooPrecise
            | InvalidAmount::TooLarge),
        ) => Reading::flagged(
            property,
            "INVALID_AMOUNT",
            format!("The amount is {fault} ({currency})."),
        ),
    }
}

/// An instant: RFC 3339, a plain date, or milliseconds since 1970.
pub(in crate::sync) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Timestamp::from_millis);
    }
    Timestamp::parse_rfc3339(text).or_else(|| {
        let date: NaiveDate = text.parse().ok()?;
        Some(Timestamp::from_micros(
            Utc.from_utc_datetime(&date.and_time(NaiveTime::MIN))
                .timestamp_micros(),
        ))
    })
}

/// The day of an instant in the account's zone. Midnight in UTC to the microsecond is how vendors write a plain date: it is that
/// date everywhere, and shifting it would move deals to the day before west of Greenwich.
pub(in crate::sync) fn day(at: Timestamp, zone: Tz) -> Option<NaiveDate> {
    let instant = DateTime::<Utc>::from_timestamp_micros(at.micros())?;
    if instant.time() == NaiveTime::MIN {
        return Some(instant.date_naive());
    }
    Some(instant.with_timezone(&zone).date_naive())
}
