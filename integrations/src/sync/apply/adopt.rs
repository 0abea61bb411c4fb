//! Records that are ours although no link says so yet, and records that answer what we sent.
//!
//! Owns: tying a record to a row that was there before it. Refuses: to make a second row of a record that carries our reference (its creation may be
//! still unanswered when the record comes in by another way), and to take a reference at its word: the row must exist and be tied to no other
//! record, for people copy records. Invariant: what is written here are links only; the rows are merged by the usual way afterwards.

use super::{Links, PRIMARY, Scope, incoming};
use crate::push::REFERENCE;
use crate::record::{Fields, Record, RecordLink, Resource, is_sound_id};
use crate::sync::error::Result;
use crate::sync::findings;
use entities::change::Change;
use entities::external_link::{self, Model, Shadow};
use entities::id::{ContactId, CustomerId, DealId, ExternalLinkId, PartnerId, TypedId, parse_any};
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible::{self, Versioned, Visible};
use entities::{contact, customer, deal, partner};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A row of ours: the prefix of its id, and the id.
pub(in crate::sync) type Subject = (&'static str, Uuid);

/// What the vendor is taken to have held before, when a record is tied to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Base {
    /// What it holds now: we made the record, so what differs is what we have changed since.
    Theirs,
    /// Nothing: the record was there before, so both sides' values count, and what differs is a conflict.
    Nothing,
}

/// A record that answers what we sent.
pub(in crate::sync) struct Answer {
    /// Our row.
    pub(in crate::sync) subject: Subject,
    /// What the vendor now holds.
    pub(in crate::sync) record: Record,
    /// What it is taken to have held before: our values as they were sent.
    pub(in crate::sync) fields: Fields,
    /// Links that were made.
    pub(in crate::sync) made: Vec<RecordLink>,
    /// Links, or labels of links, that were taken away.
    pub(in crate::sync) unmade: Vec<RecordLink>,
}

/// Our row that a record's reference names.
fn subject_of(resource: Resource, record: &Record) -> Option<Subject> {
    let (kind, id) = parse_any(record.value(REFERENCE)?).ok()?;
    let prefix = match (resource, kind.as_str()) {
        (Resource::Company, PartnerId::PREFIX) => PartnerId::PREFIX,
        (Resource::Company, CustomerId::PREFIX) => CustomerId::PREFIX,
        (Resource::Contact, ContactId::PREFIX) => ContactId::PREFIX,
        (Resource::Deal, DealId::PREFIX) => DealId::PREFIX,
        _ => return None,
    };
    Some((prefix, id))
}

async fn existing<E>(change: &Change, ids: Vec<Uuid>) -> Result<usize>
where
    E: Visible,
    E::Model: Versioned,
{
    let system = Viewer::system("sync");
    let rows = visible::find_all::<E, _>(change.transaction(), &system, ids).await?;
    Ok(rows.len())
}

async fn exists(change: &Change, (kind, id): Subject) -> Result<bool> {
    let found = match kind {
        PartnerId::PREFIX => existing::<partner::Entity>(change, vec![id]).await?,
        CustomerId::PREFIX => existing::<customer::Entity>(change, vec![id]).await?,
        ContactId::PREFIX => existing::<contact::Entity>(change, vec![id]).await?,
        DealId::PREFIX => existing::<deal::Entity>(change, vec![id]).await?,
        _ => 0,
    };
    Ok(found > 0)
}

/// Ties records that carry our reference and are known by no link to the rows they were made of.
pub(super) async fn by_reference(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    records: &[Record],
) -> Result<()> {
    let ours: Vec<(&Record, Subject)> = records
        .iter()
        .filter(|record| !record.archived)
        .filter_map(|record| Some((record, subject_of(resource, record)?)))
        .collect();
    if ours.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ours
        .iter()
        .map(|(record, _)| record.external_id.as_str())
        .collect();
    let known = links_of(change, scope, resource, &ids).await?;
    let fresh: Vec<(&Record, Subject)> = ours
        .into_iter()
        .filter(|(record, _)| {
            known
                .get(&record.external_id)
                .is_none_or(|link| link.subject_id.is_none())
        })
        .collect();
    for (record, subject) in fresh {
        tie(change, scope, resource, (record, subject), Base::Theirs).await?;
    }
    Ok(())
}

async fn links_of(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    ids: &[&str],
) -> Result<HashMap<String, Model>> {
    let of = scope.connection.id;
    let links = external_link::find_all(change.transaction(), of, resource.as_str(), ids).await?;
    Ok(links
        .into_iter()
        .map(|link| (link.external_id.clone(), link))
        .collect())
}

/// Ties a record to a row of ours. The answer says whether it is tied now: not if the record is another row's, or the row another record's.
pub(in crate::sync) async fn tie(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    (record, subject): (&Record, Subject),
    base: Base,
) -> Result<bool> {
    let name = resource.as_str();
    let of = scope.connection.id;
    let known = links_of(change, scope, resource, &[&record.external_id]).await?;
    let link = known.into_values().next();
    if link.as_ref().is_some_and(super::is_erased) {
        return Ok(false);
    }
    if let Some(link) = link.as_ref().filter(|link| link.subject_id.is_some()) {
        return Ok(link.subject_id == Some(subject.1));
    }
    let tied = external_link::find_subjects(change.transaction(), of, name, &[subject.1]).await?;
    if !is_sound_id(&record.external_id)
        || tied.iter().any(|link| !link.archived)
        || !exists(change, subject).await?
    {
        return Ok(false);
    }
    let seen = incoming(scope.wanted, record.clone(), None);
    let shadow = match base {
        Base::Theirs => Shadow {
            fields: seen.fields,
            links: seen.links,
            ..Shadow::default()
        },
        Base::Nothing => Shadow::default(),
    };
    let before = link.unwrap_or_else(|| blank(change, scope, resource, &record.external_id));
    let written = Model {
        version: before.version + 1,
        updated_at: change.now(),
        subject_kind: Some(subject.0.to_owned()),
        subject_id: Some(subject.1),
        shadow,
        external_updated_at: seen.updated_at,
        archived: false,
        held_reason: None,
        ..before
    };
    external_link::upsert(change, &[written]).await?;
    Ok(true)
}

fn blank(change: &Change, scope: &Scope<'_>, resource: Resource, external_id: &str) -> Model {
    Model {
        id: change.new_id::<ExternalLinkId>(),
        version: 0,
        created_at: change.now(),
        updated_at: change.now(),
        connection_id: scope.connection.id,
        resource: resource.as_str().to_owned(),
        external_id: external_id.to_owned(),
        subject_kind: None,
        subject_id: None,
        shadow: Shadow::default(),
        external_updated_at: None,
        archived: false,
        held_reason: None,
    }
}

/// Takes in what the vendor answered: first the links learn what was sent, then the records are merged like any that were read. What the vendor
/// made of a value of ours is so told apart from what somebody changed there.
pub(in crate::sync) async fn answered(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    answers: Vec<Answer>,
    findings: &mut Findings,
) -> Result<()> {
    let ids: Vec<&str> = answers
        .iter()
        .map(|answer| answer.record.external_id.as_str())
        .collect();
    let mut known = links_of(change, scope, resource, &ids).await?;
    let mut taken: HashSet<String> = HashSet::new();
    let (mut links, mut records) = (Vec::new(), Vec::new());
    for answer in answers {
        let Answer {
            subject,
            record,
            fields,
            made,
            unmade,
        } = answer;
        let id = &record.external_id;
        let is_other = |link: &Model| link.subject_id.is_some_and(|of| of != subject.1);
        if !is_sound_id(id) || known.get(id).is_some_and(is_other) || !taken.insert(id.clone()) {
            let message = "The record that answered belongs to another row of ours.";
            findings::issue(
                findings,
                resource,
                Some(id),
                None,
                "LINKED_ELSEWHERE",
                message,
            );
            continue;
        }
        let before = known
            .remove(id)
            .unwrap_or_else(|| blank(change, scope, resource, id));
        if super::is_erased(&before) {
            continue;
        }
        let mut shadow = before.shadow.clone();
        // This is the answer.
        shadow.sent = None;
        shadow
            .flags
            .retain(|property, _| !fields.contains_key(property));
        for (name, value) in fields {
            if !scope.wanted.fields.contains(&name) {
                continue;
            }
            match value.filter(|text| !text.is_empty()) {
                Some(text) => shadow.fields.insert(name, Some(text)),
                None => shadow.fields.remove(&name),
            };
        }
        relink(&mut shadow.links, &made, &unmade);
        let at = incoming(scope.wanted, record.clone(), None).updated_at;
        links.push(Model {
            version: before.version + 1,
            updated_at: change.now(),
            subject_kind: Some(subject.0.to_owned()),
            subject_id: Some(subject.1),
            shadow,
            external_updated_at: at.max(before.external_updated_at),
            archived: false,
            held_reason: before.held_reason.clone(),
            ..before
        });
        records.push(record);
    }
    external_link::upsert(change, &links).await?;
    super::records(change, scope, resource, records, findings).await
}

/// Links as they are once some were made and others taken away.
pub(super) fn relink(links: &mut Links, made: &[RecordLink], unmade: &[RecordLink]) {
    let key = |link: &RecordLink| format!("{}:{}", link.resource, link.external_id);
    for link in made {
        let labels = links.entry(key(link)).or_default();
        labels.extend(link.labels.iter().cloned());
        if link.primary {
            labels.push(PRIMARY.to_owned());
        }
        labels.sort_unstable();
        labels.dedup();
    }
    for link in unmade {
        let key = key(link);
        if link.labels.is_empty() {
            links.remove(&key);
        } else if let Some(labels) = links.get_mut(&key) {
            labels.retain(|label| !link.labels.contains(label));
        }
    }
}
