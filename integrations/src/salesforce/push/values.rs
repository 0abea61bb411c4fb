//! The values of a record as Salesforce takes them.
//!
//! Owns: the step from texts to JSON, by what each field holds: numbers without losing a digit, days and moments in Salesforce's spelling. Refuses: a
//! field the account does not have or does not let us write, and a text that is no value of its field: each is named, before anything is sent.
//! Invariant: what is sent reads back as what was meant, as exactly as the field can hold it.

use super::super::{
    descriptor::Object,
    moment, number,
    shape::{Field, Shape, ValueKind},
    wire::clipped,
};
use super::ties::Change;
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::PushItem,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A record on its way.
pub(super) type Body = BTreeMap<String, Sent>;

/// One value on its way.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Sent {
    /// Clears the field.
    Null,
    Flag(bool),
    /// Digits as they are; a floating number in between could change them.
    Number(Box<RawValue>),
    Text(String),
    /// What kind of record it is.
    Kind {
        #[serde(rename = "type")]
        kind: &'static str,
    },
}

/// The field that only accounts with several currencies have.
const CURRENCY: &str = "CurrencyIsoCode";

/// What is written of an item: its fields, and the links that are fields.
pub(super) fn body(
    ctx: &Context<'_>,
    (object, shape): (Object, &Shape),
    item: &PushItem,
    change: &Change,
) -> Result<Body> {
    let mut body = Body::new();
    for (name, value) in &item.fields {
        let Some(field) = shape.fields.get(name) else {
            if name == CURRENCY {
                only_currency(ctx, value.as_deref())?;
                continue;
            }
            return Err(ConnectorError::permanent(
                "unknown_field",
                format!(
                    "{}: {} has no such field, or does not let us see it",
                    clipped(name),
                    object.name
                ),
            ));
        };
        check_writable(object, name, field, item.external_id.is_none())?;
        body.insert(name.clone(), sent(ctx, name, field, value.as_deref())?);
    }
    for (name, account) in &change.fields {
        let value = account.clone().map_or(Sent::Null, Sent::Text);
        body.insert((*name).to_owned(), value);
    }
    Ok(body)
}

/// An account with one currency has no field for it: what is in that currency needs none, and nothing else can be held.
fn only_currency(ctx: &Context<'_>, wanted: Option<&str>) -> Result<()> {
    let own = ctx.account.and_then(|account| account.currency.as_deref());
    match (wanted, own) {
        (None, _) => Ok(()),
        (Some(wanted), Some(own)) if wanted == own => Ok(()),
        (Some(wanted), own) => Err(ConnectorError::permanent(
            "currency_not_there",
            format!(
                "{CURRENCY}: this account holds amounts in {} only, not in {}",
                own.unwrap_or("a currency it does not name"),
                clipped(wanted)
            ),
        )),
    }
}

fn check_writable(object: Object, name: &str, field: &Field, create: bool) -> Result<()> {
    let allowed = if create {
        field.createable
    } else {
        field.updateable
    };
    if allowed && field.kind != ValueKind::Unlisted {
        return Ok(());
    }
    Err(ConnectorError::permanent(
        "field_not_writable",
        format!(
            "{name}: the connected user may not write this field of {}",
            object.name
        ),
    ))
}

fn sent(ctx: &Context<'_>, name: &str, field: &Field, value: Option<&str>) -> Result<Sent> {
    let Some(text) = value.filter(|text| !text.is_empty()) else {
        return Ok(Sent::Null);
    };
    let zone = ctx.account.and_then(|account| account.time_zone.as_deref());
    let sent = match field.kind {
        ValueKind::Text | ValueKind::Unlisted => Some(Sent::Text(text.to_owned())),
        ValueKind::Number => number::plain(text)
            .and_then(|digits| RawValue::from_string(digits).ok())
            .map(Sent::Number),
        ValueKind::Boolean => text.trim().parse().ok().map(Sent::Flag),
        ValueKind::Day => moment::day(text, zone).map(Sent::Text),
        ValueKind::Moment => moment::millis(text).map(|at| Sent::Text(moment::literal(at))),
    };
    sent.ok_or_else(|| {
        ConnectorError::permanent(
            "invalid_value",
            format!("{name}: {:?} is no {}", clipped(text), field.kind_name),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_kind_of_value_has_its_form() {
        let mut body = Body::new();
        body.insert("a".to_owned(), Sent::Null);
        body.insert("b".to_owned(), Sent::Flag(true));
        let digits = RawValue::from_string("12345678901234567890.10".to_owned()).unwrap();
        body.insert("c".to_owned(), Sent::Number(digits));
        body.insert("d".to_owned(), Sent::Text("x".to_owned()));
        body.insert("e".to_owned(), Sent::Kind { kind: "Account" });
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"a":null,"b":true,"c":12345678901234567890.10,"d":"x","e":{"type":"Account"}}"#
        );
    }
}
