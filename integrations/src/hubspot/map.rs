//! From HubSpot's records to neutral ones.
//!
//! Owns: ids, times, addresses and the meaning of a stage's metadata. Refuses: to touch a property's value. Invariant: a record either
//! comes through whole or is answered as malformed with its reason; nothing is filled in.

use super::{
    descriptor::Object,
    wire::{IdOnly, ObjectBody, OwnerBody, PipelineBody, StageBody, clipped},
};
use crate::{
    connector::Context,
    record::{
        Fields, Kind, MalformedRecord, Owner, Pipeline, Record, Resource, Stage, StageOutcome,
    },
};
use entities::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// Why a record cannot be used.
pub(super) type Flaw = String;

/// Reads one record of a page.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Flaw> {
    serde_json::from_str(raw.get()).map_err(|error| clipped(&error.to_string()))
}

/// The entry for a record that cannot be used.
pub(super) fn malformed(raw: &RawValue, reason: Flaw) -> MalformedRecord {
    MalformedRecord {
        external_id: id_of(raw),
        reason,
        raw: serde_json::from_str(raw.get()).unwrap_or(Value::Null),
    }
}

/// The id of a record, readable or not otherwise.
pub(super) fn id_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str::<IdOnly>(raw.get())
        .ok()
        .map(|only| only.id.0)
}

/// The time of the last change of a record that is otherwise unreadable.
pub(super) fn modified_of(raw: &RawValue, object: Object) -> Option<i64> {
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    let property = value
        .get("properties")
        .and_then(|properties| properties.get(object.modified));
    property
        .or_else(|| value.get("updatedAt"))
        .and_then(Value::as_str)
        .and_then(time_ms)
}

/// Milliseconds since 1970 of a time as HubSpot writes it: RFC 3339, or the number itself.
pub(super) fn time_ms(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    Timestamp::parse_rfc3339(text).map(Timestamp::millis)
}

/// A company, contact or deal, still without its links.
pub(super) fn object(ctx: &Context<'_>, object: Object, body: ObjectBody) -> Result<Record, Flaw> {
    let ObjectBody {
        id,
        properties,
        created_at,
        updated_at,
        archived,
        archived_at,
        url,
        ..
    } = body;
    let own = properties
        .get(object.modified)
        .and_then(|value| value.as_deref());
    let changed = own
        .and_then(time_ms)
        .or_else(|| updated_at.as_deref().and_then(time_ms));
    let Some(changed) = changed else {
        return Err(format!(
            "it has no readable time of change ({} or updatedAt)",
            object.modified
        ));
    };
    let put_away = archived_at.as_deref().and_then(time_ms);
    Ok(Record {
        url: url.or_else(|| address(ctx, object, &id.0)),
        external_id: id.0,
        updated_at_ms: changed.max(put_away.unwrap_or(changed)),
        created_at_ms: created_at.as_deref().and_then(time_ms),
        archived: archived || put_away.is_some(),
        fields: properties,
        links: Vec::new(),
        links_complete: false,
        kind: match object.resource {
            Resource::Contact => Kind::Contact,
            Resource::Deal => Kind::Deal,
            _ => Kind::Company,
        },
    })
}

/// Where a person finds a record in the web application.
fn address(ctx: &Context<'_>, object: Object, id: &str) -> Option<String> {
    let domain = ctx.account?.ui_domain.as_deref()?;
    Some(
        [
            "https://",
            domain,
            "/contacts/",
            ctx.tenant_id,
            "/record/",
            object.type_id,
            "/",
            id,
        ]
        .concat(),
    )
}

/// A user who owns records.
pub(super) fn owner(body: OwnerBody) -> Record {
    let name = [&body.first_name, &body.last_name]
        .into_iter()
        .flatten()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty());
    let name = name.collect::<Vec<_>>().join(" ");
    let owner = Owner {
        name: (!name.is_empty()).then_some(name),
        email: body.email.clone().filter(|email| !email.is_empty()),
    };
    let fields = Fields::from([
        ("email".to_owned(), body.email),
        ("firstName".to_owned(), body.first_name),
        ("lastName".to_owned(), body.last_name),
        ("userId".to_owned(), body.user_id.map(|id| id.0)),
    ]);
    Record {
        external_id: body.id.0,
        updated_at_ms: body.updated_at.as_deref().and_then(time_ms).unwrap_or(0),
        created_at_ms: body.created_at.as_deref().and_then(time_ms),
        archived: body.archived,
        fields,
        links: Vec::new(),
        links_complete: true,
        url: None,
        kind: Kind::Owner(owner),
    }
}

/// A row of stages, in HubSpot's order.
pub(super) fn pipeline(body: PipelineBody) -> Record {
    let mut stages: Vec<Stage> = body.stages.into_iter().map(stage).collect();
    stages.sort_by(|one, other| {
        (one.position, &one.external_id).cmp(&(other.position, &other.external_id))
    });
    Record {
        external_id: body.id.0,
        updated_at_ms: body.updated_at.as_deref().and_then(time_ms).unwrap_or(0),
        created_at_ms: body.created_at.as_deref().and_then(time_ms),
        archived: body.archived,
        fields: Fields::from([("label".to_owned(), Some(body.label.clone()))]),
        links: Vec::new(),
        links_complete: true,
        url: None,
        kind: Kind::Pipeline(Pipeline {
            label: body.label,
            stages,
        }),
    }
}

fn stage(body: StageBody) -> Stage {
    let fields: Fields = body
        .metadata
        .into_iter()
        .map(|(name, value)| (name, plain_text(value)))
        .collect();
    Stage {
        external_id: body.id.0,
        label: body.label,
        position: body.display_order,
        outcome: outcome(&fields),
        archived: body.archived,
        fields,
    }
}

/// A metadata value as text; HubSpot sends text, and a bare number or truth value says the same.
fn plain_text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// What a stage means. HubSpot calls a stage won when it is closed with probability 1, and lost when it is closed with 0; whatever
/// else a closed stage holds is for a person to map.
fn outcome(metadata: &BTreeMap<String, Option<String>>) -> StageOutcome {
    let text = |name: &str| {
        metadata
            .get(name)
            .and_then(|value| value.as_deref())
            .map(str::trim)
    };
    let probability = text("probability").and_then(|value| value.parse::<f64>().ok());
    let certain = match probability {
        Some(1.0) => Some(StageOutcome::Won),
        Some(0.0) => Some(StageOutcome::Lost),
        _ => None,
    };
    match text("isClosed") {
        Some("true") => certain.unwrap_or(StageOutcome::Unclear),
        Some("false") => StageOutcome::Open,
        Some(_) => StageOutcome::Unclear,
        None => match probability {
            Some(_) => certain.unwrap_or(StageOutcome::Open),
            None => StageOutcome::Unclear,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_means_what_its_metadata_say_and_no_more() {
        use StageOutcome::{Lost, Open, Unclear, Won};
        for (closed, probability, expected) in [
            (Some("true"), Some("1.0"), Won),
            (Some("true"), Some("1"), Won),
            (Some("true"), Some("0.0"), Lost),
            (Some("true"), Some("0.5"), Unclear),
            (Some("true"), None, Unclear),
            (Some("true"), Some("high"), Unclear),
            (Some("false"), Some("0.2"), Open),
            (Some("false"), Some("0.0"), Open),
            (Some("false"), None, Open),
            (Some("maybe"), Some("1.0"), Unclear),
            (None, Some("1.0"), Won),
            (None, Some("0"), Lost),
            (None, Some("0.4"), Open),
            (None, None, Unclear),
        ] {
            let fields = [("isClosed", closed), ("probability", probability)]
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), Some(value?.to_owned()))))
                .collect();
            assert_eq!(outcome(&fields), expected, "{closed:?} {probability:?}");
        }
    }

    #[test]
    fn times_are_read_to_the_millisecond() {
        assert_eq!(time_ms("2024-09-11T13:27:39.356Z"), Some(1_726_061_259_356));
        assert_eq!(time_ms("1726061259356"), Some(1_726_061_259_356));
        assert_eq!(
            time_ms("2024-09-11T15:27:39.356+02:00"),
            Some(1_726_061_259_356)
        );
        for bad in ["", "-1", "yesterday", "2024-09-11", "99999999999999999999"] {
            assert_eq!(time_ms(bad), None, "{bad}");
        }
    }
}
