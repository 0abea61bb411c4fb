//! What a batch of events says.
//!
//! Owns: the meaning of each kind of event. Refuses: values: an event tells what to look at, the record is fetched. Invariant: one bad event
//! is one malformed entry, and an event of a kind nobody here knows is named, not dropped silently.

use crate::{
    error::Result,
    hubspot::{
        map,
        wire::{self, Id},
    },
    record::Resource,
    webhook::{Signal, SignalKind, Signals},
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    portal_id: Id,
    occurred_at: i64,
    subscription_type: Option<String>,
    /// The older name of the same.
    event_type: Option<String>,
    event_id: Option<Id>,
    object_id: Option<Id>,
    object_type_id: Option<String>,
    property_name: Option<String>,
    primary_object_id: Option<Id>,
    #[serde(default)]
    merged_object_ids: Vec<Id>,
    new_object_id: Option<Id>,
    association_type: Option<String>,
    from_object_id: Option<Id>,
    to_object_id: Option<Id>,
    #[serde(default)]
    association_removed: bool,
}

pub(super) fn parse(body: &[u8]) -> Result<Signals> {
    let events: Vec<&RawValue> = wire::read(body)?;
    let mut signals = Signals::default();
    for raw in events {
        match map::read::<Event>(raw).and_then(read) {
            Ok(Read::Signal(signal)) => signals.signals.push(signal),
            Ok(Read::Ignored(kind)) => {
                if !signals.ignored.contains(&kind) {
                    signals.ignored.push(kind);
                }
            }
            Err(flaw) => signals.malformed.push(map::malformed(raw, flaw)),
        }
    }
    Ok(signals)
}

enum Read {
    Signal(Signal),
    Ignored(String),
}

fn read(event: Event) -> Result<Read, map::Flaw> {
    let Some(kind_name) = event
        .subscription_type
        .as_ref()
        .or(event.event_type.as_ref())
    else {
        return Err("it does not say what kind of event it is".to_owned());
    };
    let kind_name = wire::clipped(kind_name);
    let ignored = Ok(Read::Ignored(kind_name.clone()));
    let Some((subject, action)) = kind_name.split_once('.') else {
        return ignored;
    };
    if action == "associationChange" {
        return match association(&event)? {
            Some((resource, external_id, kind)) => {
                Ok(signal(event, &kind_name, resource, external_id, kind))
            }
            None => ignored,
        };
    }
    let subject = if subject == "object" {
        event.object_type_id.as_deref().unwrap_or_default()
    } else {
        subject
    };
    let Some(resource) = resource_of(subject) else {
        return ignored;
    };
    let (external_id, kind) = match action {
        "creation" | "propertyChange" | "restore" => (object_id(&event)?, SignalKind::Changed),
        "deletion" => (object_id(&event)?, SignalKind::Deleted),
        "privacyDeletion" => (object_id(&event)?, SignalKind::Erased),
        "merge" => merge(&event)?,
        _ => return ignored,
    };
    Ok(signal(event, &kind_name, resource, external_id, kind))
}

fn resource_of(name: &str) -> Option<Resource> {
    match name.to_ascii_lowercase().as_str() {
        "company" | "0-2" => Some(Resource::Company),
        "contact" | "0-1" => Some(Resource::Contact),
        "deal" | "0-3" => Some(Resource::Deal),
        _ => None,
    }
}

fn object_id(event: &Event) -> Result<String, map::Flaw> {
    event
        .object_id
        .as_ref()
        .map(|id| id.0.clone())
        .ok_or_else(|| "it does not say which record".to_owned())
}

/// What remains of a merge may be one of the records or a new one.
fn merge(event: &Event) -> Result<(String, SignalKind), map::Flaw> {
    let into = event
        .new_object_id
        .as_ref()
        .or(event.primary_object_id.as_ref())
        .or(event.object_id.as_ref());
    let Some(into) = into.map(|id| id.0.clone()) else {
        return Err("it does not say which record remains".to_owned());
    };
    let mut from: Vec<String> = event
        .merged_object_ids
        .iter()
        .chain(&event.primary_object_id)
        .map(|id| id.0.clone())
        .filter(|id| *id != into)
        .collect();
    from.sort();
    from.dedup();
    Ok((into.clone(), SignalKind::Merged { into, from }))
}

/// An association, told by the end that keeps the link: a deal its companies and contacts, a contact its companies.
fn association(event: &Event) -> Result<Option<(Resource, String, SignalKind)>, map::Flaw> {
    let Some((from, to)) = event
        .association_type
        .as_deref()
        .and_then(|name| name.split_once("_TO_"))
    else {
        return Err("it does not say what kind of association it is".to_owned());
    };
    let (Some(from), Some(to)) = (resource_of(from), resource_of(to)) else {
        return Ok(None);
    };
    let (Some(from_id), Some(to_id)) = (&event.from_object_id, &event.to_object_id) else {
        return Err("it does not say which records are associated".to_owned());
    };
    let keeps = |one, other| crate::hubspot::descriptor::links_of(one).contains(&other);
    let (resource, id, other, other_id) = if keeps(from, to) {
        (from, from_id, to, to_id)
    } else if keeps(to, from) {
        (to, to_id, from, from_id)
    } else {
        return Ok(None);
    };
    let kind = SignalKind::AssociationChanged {
        other,
        other_id: other_id.0.clone(),
        removed: event.association_removed,
    };
    Ok(Some((resource, id.0.clone(), kind)))
}

/// HubSpot's event id is not unique, so a repetition is told by everything that is the same in it; the attempt is not.
fn signal(
    event: Event,
    kind_name: &str,
    resource: Resource,
    external_id: String,
    kind: SignalKind,
) -> Read {
    let id = |id: &Option<Id>| id.as_ref().map(|id| id.0.clone()).unwrap_or_default();
    let dedupe = [
        event.portal_id.0.clone(),
        kind_name.to_owned(),
        id(&event.object_id),
        event.occurred_at.to_string(),
        id(&event.event_id),
        event.property_name.unwrap_or_default(),
        event.association_type.unwrap_or_default(),
        id(&event.from_object_id),
        id(&event.to_object_id),
    ]
    .join("|");
    Read::Signal(Signal {
        tenant_id: event.portal_id.0,
        resource,
        external_id,
        kind,
        occurred_at_ms: event.occurred_at,
        dedupe,
    })
}
