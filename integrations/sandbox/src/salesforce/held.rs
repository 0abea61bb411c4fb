//! Values of fields: how they are read from JSON, kept, compared and printed.
//!
//! Owns: the vendor's printing: instants without a colon in the offset, and numbers as its servers print a double, `1.0E7` from ten
//! millions on. Invariant: what was read prints as something that reads as the same value.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id;
use super::refused::SalesforceRefused as Refused;
use super::schema::{FieldKind, SalesforceField};

/// A value. An empty field holds none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Held {
    Text(String),
    Number(f64),
    Flag(bool),
    Day(NaiveDate),
    /// Milliseconds since the epoch, whole seconds.
    At(i64),
}

/// The largest amount of a currency field.
const MAX_CURRENCY: f64 = 1e16;

impl Held {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Reads the value a caller gives for a field. Null and the empty string clear it.
    pub(crate) fn read(field: &SalesforceField, value: &Value) -> Result<Option<Self>, Refused> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => Some(text.as_str()),
            _ => None,
        };
        let held = match (field.kind, value) {
            (kind, _) if kind.is_number() => {
                let number = text.map_or_else(|| value.as_f64(), |text| text.parse().ok());
                Self::number(field, number.ok_or_else(|| unreadable(field, value))?)?
            }
            (FieldKind::Boolean, Value::Bool(flag)) => Self::Flag(*flag),
            (FieldKind::Boolean, _) => match text {
                Some("true") => Self::Flag(true),
                Some("false") => Self::Flag(false),
                _ => return Err(unreadable(field, value)),
            },
            (FieldKind::Date, _) => text
                .and_then(read_day)
                .map(Self::Day)
                .ok_or_else(|| unreadable(field, value))?,
            (FieldKind::DateTime, _) => text
                .and_then(read_instant)
                .map(Self::At)
                .ok_or_else(|| unreadable(field, value))?,
            (FieldKind::Id | FieldKind::Reference, _) => {
                let id = text.and_then(id::parse).ok_or_else(|| {
                    let shown = text.unwrap_or_default();
                    let label = field.label();
                    let message = format!("{label}: id value of incorrect type: {shown}");
                    Refused::new("MALFORMED_ID", message).on(&field.name)
                })?;
                Self::Text(id)
            }
            (_, Value::Bool(_) | Value::Number(_)) => Self::Text(value.to_string()),
            (_, Value::String(text)) => Self::checked_text(field, text)?,
            _ => return Err(unreadable(field, value)),
        };
        Ok(Some(held))
    }

    fn number(field: &SalesforceField, number: f64) -> Result<Self, Refused> {
        if !number.is_finite() || number.abs() >= MAX_CURRENCY {
            let message = format!(
                "{}: value outside of valid range on numeric field: {number}",
                field.label()
            );
            return Err(Refused::new("NUMBER_OUTSIDE_VALID_RANGE", message).on(&field.name));
        }
        Ok(Self::Number(match field.kind {
            FieldKind::Currency | FieldKind::Percent => (number * 100.0).round() / 100.0,
            FieldKind::Int => number.trunc(),
            _ => number,
        }))
    }

    fn checked_text(field: &SalesforceField, text: &str) -> Result<Self, Refused> {
        if text.chars().count() > field.length {
            let start: String = text.chars().take(30).collect();
            let message = format!(
                "{}: data value too large: {start} (max length={})",
                field.label(),
                field.length
            );
            return Err(Refused::new("STRING_TOO_LONG", message).on(&field.name));
        }
        if field.kind == FieldKind::Email && !is_mail(text) {
            let message = format!("{}: invalid email address: {text}", field.label());
            return Err(Refused::new("INVALID_EMAIL_ADDRESS", message).on(&field.name));
        }
        if field.restricted && !field.picklist.iter().any(|known| known == text) {
            let message = format!(
                "{}: bad value for restricted picklist field: {text}",
                field.label()
            );
            let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
            return Err(Refused::new(code, message).on(&field.name));
        }
        Ok(Self::Text(text.to_owned()))
    }

    /// How the value is printed in JSON.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Text(text) => Value::from(text.as_str()).to_string(),
            Self::Number(number) => print_number(*number),
            Self::Flag(flag) => flag.to_string(),
            Self::Day(day) => format!("\"{day}\""),
            Self::At(at) => format!("\"{}\"", instant(*at)),
        }
    }

    /// How the value is printed in CSV and XML, where instants end in `Z`.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => print_number(*number),
            Self::Flag(flag) => flag.to_string(),
            Self::Day(day) => day.to_string(),
            Self::At(at) => instant(*at).replace("+0000", "Z"),
        }
    }

    /// Orders two values of one field; text without regard to case, as queries do.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(fold(a).cmp(&fold(b))),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Flag(a), Self::Flag(b)) => Some(a.cmp(b)),
            (Self::Day(a), Self::Day(b)) => Some(a.cmp(b)),
            (Self::At(a), Self::At(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// Text as queries compare it.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)
    })
}

fn unreadable(field: &SalesforceField, value: &Value) -> Refused {
    let (kind, shown) = match value {
        Value::String(text) => ("STRING", text.clone()),
        Value::Array(_) => ("ARRAY", String::new()),
        Value::Object(_) => ("OBJECT", String::new()),
        Value::Bool(flag) => ("BOOLEAN", flag.to_string()),
        _ => ("NUMBER", value.to_string()),
    };
    Refused::unreadable(
        "JSON_PARSER_ERROR",
        format!(
            "Cannot deserialize instance of {} from VALUE_{kind} value {shown} or request may be missing a required field at [{}]",
            field.kind.name(),
            field.name
        ),
    )
}

/// A day, also given as an instant.
pub(crate) fn read_day(text: &str) -> Option<NaiveDate> {
    let day = text.get(..10)?;
    if text.len() > 10 {
        read_instant(text)?;
    }
    NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()
}

/// An instant with any offset, with or without a colon in it; whole seconds.
pub(crate) fn read_instant(text: &str) -> Option<i64> {
    let at = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?;
    Some(at.timestamp() * 1000)
}

/// An instant as the vendor prints it: milliseconds that are always zero, and no colon in the offset.
pub(crate) fn instant(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms)
        .unwrap_or_default()
        .format("%Y-%m-%dT%H:%M:%S.000+0000")
        .to_string()
}

/// A double as the vendor's servers print it: always with a point, and with an exponent from ten millions on or below a thousandth.
pub(crate) fn print_number(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let text = number.to_string();
        return if text.contains('.') {
            text
        } else {
            format!("{text}.0")
        };
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    #[test]
    fn numbers_are_printed_as_doubles() {
        for (number, printed) in [
            (0.0, "0.0"),
            (1500.0, "1500.0"),
            (-12.34, "-12.34"),
            (9_999_999.99, "9999999.99"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (0.0001, "1.0E-4"),
        ] {
            assert_eq!(print_number(number), printed);
            assert_eq!(printed.parse::<f64>().unwrap(), number);
        }
    }

    #[test]
    fn instants_have_no_colon_in_their_offset() {
        let at = read_instant("2026-11-01T10:00:00.987+02:00").unwrap();
        assert_eq!(instant(at), "2026-11-01T08:00:00.000+0000");
        assert_eq!(read_instant(&instant(at)), Some(at));
        assert_eq!(
            read_instant("2026-11-01T10:00:00Z"),
            read_instant("2026-11-01T10:00:00.000+0000")
        );
        assert_eq!(read_day("2026-02-30"), None);
    }

    #[test]
    fn values_are_checked_against_their_fields() {
        let amount = SalesforceField::new("Amount", FieldKind::Currency);
        let read = |value| Held::read(&amount, &value);
        assert_eq!(
            read(serde_json::json!("12.345")),
            Ok(Some(Held::Number(12.35)))
        );
        assert_eq!(read(Value::Null), Ok(None));
        let refused = read(serde_json::json!("abc")).unwrap_err();
        assert_eq!(refused.code, "JSON_PARSER_ERROR");
        assert!(refused.whole, "it cannot even be read");
        assert_eq!(
            read(serde_json::json!(1e16)).unwrap_err().code,
            "NUMBER_OUTSIDE_VALID_RANGE"
        );
    }
}
