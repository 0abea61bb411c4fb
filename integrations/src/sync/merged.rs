//! Records that became one at the vendor.
//!
//! Owns: who inherits our row when a merge makes a record of a new id, and having what hung on the others read again. Refuses: to believe the event alone: only a record that can no longer
//! be read has been merged away. Invariant: what remains of a merge has one row, for deals that became one must not count twice: its own if it
//! has one, else that of the eldest of the others, with its links and what people added to it.

use super::error::Result;
use crate::connector::Merged;
use crate::record::{Resource, is_sound_id};
use entities::change::Change;
use entities::error::Error as EntityError;
use entities::external_link::{self, Model, Shadow};
use entities::id::{ConnectionId, CustomerId, ExternalLinkId, PartnerId};
use entities::inbound_signal::{self, MERGED, NewSignal};
use entities::pending_link;
use entities::viewer::Viewer;
use entities::visible::Visible;
use entities::{contact, deal, deal_partner};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, QueryFilter};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// By record that remains: those that became part of it and are gone.
pub(super) type Merges = BTreeMap<String, BTreeSet<String>>;

/// Has records looked at that are told to have gone into others, as far as they still stand here.
pub(super) async fn look_at(
    change: &Change,
    id: ConnectionId,
    resource: Resource,
    merged: &[Merged],
) -> Result<()> {
    let ids: Vec<&str> = merged.iter().map(|one| one.from.as_str()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let links = external_link::find_all(change.transaction(), id, resource.as_str(), &ids).await?;
    let standing = |one: &&Merged| {
        let mut links = links.iter();
        is_sound_id(&one.into) && links.any(|link| !link.archived && link.external_id == one.from)
    };
    let signal = |one: &Merged| NewSignal {
        connection_id: id,
        resource: resource.as_str().to_owned(),
        external_id: one.from.clone(),
        hint: json!({ "kind": MERGED, "into": one.into }),
    };
    let raised = merged.iter().filter(standing).map(signal).collect();
    inbound_signal::raise(change, raised).await?;
    Ok(())
}

/// Has the records looked at that refer to companies which went into others and had rows of their own: what hung on them has moved there, and no
/// vendor needs to tell of each.
pub(super) async fn look_at_ties(
    change: &Change,
    id: ConnectionId,
    resource: Resource,
    losers: &[&str],
) -> Result<()> {
    if resource != Resource::Company || losers.is_empty() {
        return Ok(());
    }
    let transaction = change.transaction();
    let links = external_link::find_all(transaction, id, resource.as_str(), losers).await?;
    let rows: Vec<Uuid> = links.iter().filter_map(|link| link.subject_id).collect();
    let mut tied = Vec::new();
    for rows in rows.chunks(500) {
        tied.extend(tied_to(transaction, rows).await?);
    }
    let mut raised = Vec::new();
    for resource in [Resource::Contact, Resource::Deal, Resource::Order] {
        let links = external_link::find_subjects(transaction, id, resource.as_str(), &tied).await?;
        let live = links.into_iter().filter(|link| !link.archived);
        raised.extend(live.map(|link| NewSignal {
            connection_id: id,
            resource: link.resource,
            external_id: link.external_id,
            hint: json!({ "kind": "changed" }),
        }));
    }
    inbound_signal::raise(change, raised).await?;
    Ok(())
}

/// Our people and deals that refer to one of these partners or customers.
async fn tied_to(connection: &impl ConnectionTrait, rows: &[Uuid]) -> Result<BTreeSet<Uuid>> {
    let system = Viewer::system("sync");
    let partners = || rows.iter().copied().map(PartnerId);
    let customers = || rows.iter().copied().map(CustomerId);
    let people = contact::Entity::visible_to(&system)
        .filter(
            Condition::any()
                .add(contact::Column::PartnerId.is_in(partners()))
                .add(contact::Column::CustomerId.is_in(customers())),
        )
        .all(connection)
        .await
        .map_err(EntityError::from)?;
    let bought = deal::Entity::visible_to(&system)
        .filter(deal::Column::CustomerId.is_in(customers()))
        .all(connection)
        .await
        .map_err(EntityError::from)?;
    let shares = deal_partner::Entity::visible_to(&system)
        .filter(deal_partner::Column::PartnerId.is_in(partners()))
        .all(connection)
        .await
        .map_err(EntityError::from)?;
    Ok(people
        .into_iter()
        .map(|row| row.id.0)
        .chain(bought.into_iter().map(|row| row.id.0))
        .chain(shares.into_iter().map(|row| row.deal_id.0))
        .collect())
}

/// Reads the hints of signals, and what the vendor tells of those that are missing. Where what remains of one merge was merged itself, the last one
/// counts.
pub(super) fn targets(
    signals: &[inbound_signal::Model],
    missing: &[&str],
    told: &[Merged],
) -> Merges {
    let mut hints: BTreeMap<&str, &str> = told
        .iter()
        .filter(|one| missing.contains(&one.from.as_str()) && is_sound_id(&one.into))
        .map(|one| (one.from.as_str(), one.into.as_str()))
        .collect();
    for row in signals
        .iter()
        .filter(|row| missing.contains(&row.external_id.as_str()))
    {
        let text = |key: &str| row.hint.get(key).and_then(|value| value.as_str());
        if let (Some(MERGED), Some(into)) = (text("kind"), text("into")) {
            hints.insert(&row.external_id, into);
        }
    }
    let mut merges = Merges::new();
    for (loser, first) in &hints {
        let mut into = *first;
        // No chain is longer than there are hints; a ring ends here as well.
        for _ in 0..hints.len() {
            into = hints.get(into).copied().unwrap_or(into);
        }
        if into != *loser {
            merges
                .entry(into.to_owned())
                .or_default()
                .insert((*loser).to_owned());
        }
    }
    merges
}

/// Passes our rows on to the records that remain, and answers which those are: they have to be read. The rows of the other losers are put away
/// by the caller, as those of all that is gone.
pub(super) async fn hand_on(
    change: &Change,
    id: ConnectionId,
    resource: Resource,
    merges: &Merges,
) -> Result<Vec<String>> {
    for (into, losers) in merges {
        let ids: Vec<&str> = losers
            .iter()
            .map(String::as_str)
            .chain([into.as_str()])
            .collect();
        let (mut remains, mut gone): (Vec<Model>, Vec<Model>) =
            external_link::find_all(change.transaction(), id, resource.as_str(), &ids)
                .await?
                .into_iter()
                .partition(|link| &link.external_id == into);
        let remains = remains.pop();
        // The eldest: ids are given out in order, and a longer one is a later one.
        gone.sort_by(|one, other| {
            (one.external_id.len(), &one.external_id)
                .cmp(&(other.external_id.len(), &other.external_id))
        });
        let heir = gone
            .into_iter()
            .find(|link| link.subject_id.is_some() && !link.archived);
        if let Some(heir) = heir.filter(|_| {
            remains
                .as_ref()
                .is_none_or(|link| link.subject_id.is_none())
        }) {
            pending_link::pass_on(change, id, resource.as_str(), (&heir.external_id, into)).await?;
            external_link::upsert(change, &pass_on(change, heir, into, remains)).await?;
        }
    }
    Ok(merges.keys().cloned().collect())
}

/// The link of the record that remains, with the row and the shadow of the heir; and the heir's own, closed.
fn pass_on(change: &Change, heir: Model, into: &str, remains: Option<Model>) -> [Model; 2] {
    let now = change.now();
    let fresh = |heir: &Model| Model {
        id: change.new_id::<ExternalLinkId>(),
        version: 0,
        created_at: now,
        external_id: into.to_owned(),
        external_updated_at: None,
        ..heir.clone()
    };
    let link = remains.unwrap_or_else(|| fresh(&heir));
    let link = Model {
        version: link.version + 1,
        updated_at: now,
        subject_kind: heir.subject_kind.clone(),
        subject_id: heir.subject_id,
        shadow: heir.shadow.clone(),
        archived: false,
        held_reason: heir.held_reason.clone(),
        ..link
    };
    let closed = Model {
        version: heir.version + 1,
        updated_at: now,
        subject_kind: None,
        subject_id: None,
        shadow: Shadow::default(),
        archived: true,
        held_reason: None,
        ..heir
    };
    [link, closed]
}
