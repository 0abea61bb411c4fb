//! Applying records to our rows, inside one change.
//!
//! Owns: telling what is new from what is known, the shadow and its writing, and the order of the steps. Refuses: to fail a page for one
//! record: what cannot be taken over is flagged or kept out, with its reason in the run and on the link. Invariant: a record that says
//! nothing new writes nothing at all, neither a row nor a link nor an event.
//!
//! The rows are changed by the same operations a mutation uses. A record that is unknown and already archived at the vendor is not
//! brought in: its history is not ours.

pub(super) mod adopt;
mod buyer;
mod company;
mod conflict;
mod contact;
mod deal;
mod deal_merge;
mod ended;
mod field;
mod link;
mod order;
mod reference;
pub(super) mod remapped;
mod share;
mod sponsor;
#[cfg(test)]
mod tests;
pub(super) mod unanswered;

use super::error::Result;
use super::findings;
use super::map::{References, order as order_reading, value};
use crate::record::{Fields, Record, RecordLink, Resource, is_sound_id};
use entities::change::Change;
use entities::clock::Timestamp;
use entities::connection::{self, mapping::Mapping};
use entities::external_link::{self, Shadow};
use entities::inbound_signal::{self, NewSignal};
use entities::sync_run::Findings;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

use conflict::Conflicts;
pub(super) use conflict::policy_of;
pub(super) use ended::{is_marked, keep_out};
pub(super) use field::{NOT_TAKEN, REFUSED_HERE};

/// The label that marks the primary tie in a shadow; people's labels have no brackets of this kind.
pub(super) const PRIMARY: &str = "⟨primary⟩";

/// Why a record is kept out for good: the person it was about has been erased.
pub(super) const ERASED: &str = "ERASED";

/// Associated records as a shadow keeps them.
pub(super) type Links = BTreeMap<String, Vec<String>>;

/// Which properties are read of a resource, and which of those the mapping has no field for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) fields: Vec<String>,
    pub(super) unmapped: BTreeSet<String>,
    /// Properties of the account that are not read, because there are too many.
    pub(super) unread: Vec<String>,
}

/// How fresh the records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From a list or a search, whose index may lag: an older version than the one we know is passed over.
    Index,
    /// Read by id: the present truth.
    Direct,
}

/// What applying needs besides the records.
pub(super) struct Scope<'a> {
    pub(super) connection: &'a connection::Model,
    pub(super) references: &'a References,
    pub(super) wanted: &'a Wanted,
    pub(super) source: Source,
    /// An instant before the records were read; none of what cannot have been overtaken, as an answer to what we sent.
    pub(super) read_at: Option<Timestamp>,
}

/// A record as it will stand in the shadow.
#[derive(Clone, Debug)]
struct Incoming {
    external_id: String,
    updated_at: Option<Timestamp>,
    archived: bool,
    fields: Fields,
    links: Links,
}

/// A record to apply, with what is known of it.
#[derive(Clone, Debug)]
struct Candidate {
    incoming: Incoming,
    link: Option<external_link::Model>,
    /// The shadow as it is once the record shows what we had sent, where it does.
    arrived: Option<Box<Shadow>>,
    /// The fields of which a person has chosen the vendor's value.
    take: BTreeSet<String>,
    /// The mapping that made our row, where it is another than the present one.
    before: Option<Arc<Mapping>>,
}

impl Candidate {
    fn new(incoming: Incoming, link: Option<external_link::Model>) -> Self {
        let arrived = link
            .as_ref()
            .and_then(|link| unanswered::arrived(&link.shadow, &incoming));
        Self {
            incoming,
            link,
            arrived,
            take: BTreeSet::new(),
            before: None,
        }
    }

    /// What the vendor was known to hold when our row last took it over, or was given it.
    fn base(&self) -> Option<&Shadow> {
        let link = self.link.as_ref()?;
        link.subject_id?;
        Some(self.arrived.as_deref().unwrap_or(&link.shadow))
    }

    /// Whether the link was written after the record was read, and the record is no later version than the link knows: it may show what was there
    /// before we sent something, and would undo what somebody did here.
    fn is_overtaken(&self, read_at: Option<Timestamp>) -> bool {
        let (Some(read_at), Some(link)) = (read_at, &self.link) else {
            return false;
        };
        link.subject_id.is_some()
            && link.updated_at > read_at
            && self.incoming.updated_at <= link.external_updated_at
    }

    /// Whether the vendor's value of a field is taken whatever the base says.
    fn takes(&self, field: &str) -> bool {
        self.take.contains(field)
    }

    /// Whether a value of the base was flagged so and hence never taken over: then it is no base.
    fn was_flagged(&self, code: &str) -> bool {
        self.base()
            .is_some_and(|shadow| shadow.flags.values().any(|flag| flag == code))
    }

    /// Whether our row is to be archived or restored: only when the vendor changed its mind.
    fn archiving(&self) -> Option<bool> {
        let before = self.link.as_ref().is_some_and(|link| link.archived);
        (before != self.incoming.archived).then_some(self.incoming.archived)
    }
}

/// Applies records of one resource.
pub(super) async fn records(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    records: Vec<Record>,
    findings: &mut Findings,
) -> Result<()> {
    findings::counts(findings, resource).read += records.len() as u64;
    let (records, strange): (Vec<Record>, Vec<Record>) = records
        .into_iter()
        .partition(|record| is_sound_id(&record.external_id));
    for record in strange {
        findings::issue(
            findings,
            resource,
            Some(&record.external_id),
            None,
            findings::MALFORMED,
            "The id is too long or holds control characters.",
        );
        findings::counts(findings, resource).kept_out += 1;
    }
    let records: Vec<Record> = records
        .into_iter()
        .map(|mut record| {
            order_reading::keep_revenue(&mut record);
            record
        })
        .collect();
    match resource {
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel => {
            reference::apply(change, scope, resource, records, findings).await
        }
        Resource::Company | Resource::Contact | Resource::Deal | Resource::Order => {
            adopt::by_reference(change, scope, resource, &records).await?;
            let (candidates, conflicts) = sift(change, scope, resource, records, findings).await?;
            candidates_of(change, scope, resource, candidates, conflicts, findings).await
        }
    }
}

/// Applies records again from their shadows, because something they refer to has come or changed.
pub(super) async fn again(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    links: Vec<external_link::Model>,
    findings: &mut Findings,
) -> Result<()> {
    let candidates: Vec<Candidate> = links.into_iter().map(from_shadow).collect();
    let conflicts = conflicts_of(change, scope, &candidates).await?;
    candidates_of(change, scope, resource, candidates, conflicts, findings).await
}

/// Takes the vendor's values of some fields of one row, whatever the row says: a person has chosen them.
pub(super) async fn take(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    (link, fields): (external_link::Model, BTreeSet<String>),
    findings: &mut Findings,
) -> Result<()> {
    let candidate = Candidate {
        take: fields,
        ..from_shadow(link)
    };
    let candidates = vec![candidate];
    let conflicts = conflicts_of(change, scope, &candidates).await?;
    candidates_of(change, scope, resource, candidates, conflicts, findings).await
}

/// A record as its shadow keeps it.
fn from_shadow(link: external_link::Model) -> Candidate {
    let incoming = Incoming {
        external_id: link.external_id.clone(),
        updated_at: link.external_updated_at,
        archived: link.archived,
        fields: link.shadow.fields.clone(),
        links: link.shadow.links.clone(),
    };
    Candidate::new(incoming, Some(link))
}

async fn conflicts_of(
    change: &Change,
    scope: &Scope<'_>,
    candidates: &[Candidate],
) -> Result<Conflicts> {
    let subjects: Vec<Uuid> = candidates
        .iter()
        .filter_map(|candidate| candidate.link.as_ref()?.subject_id)
        .collect();
    Conflicts::load(change, scope.connection.id, &subjects).await
}

async fn candidates_of(
    change: &mut Change,
    scope: &Scope<'_>,
    resource: Resource,
    mut candidates: Vec<Candidate>,
    mut conflicts: Conflicts,
    findings: &mut Findings,
) -> Result<()> {
    candidates.retain(|candidate| !candidate.link.as_ref().is_some_and(is_erased));
    if candidates.is_empty() {
        return Ok(());
    }
    let known = &mut conflicts;
    let links = match resource {
        Resource::Company => company::apply(change, scope, candidates, known, findings).await?,
        Resource::Contact => contact::apply(change, scope, candidates, known, findings).await?,
        Resource::Deal => deal::apply(change, scope, candidates, known, findings).await?,
        Resource::Order => order::apply(change, scope, candidates, known, findings).await?,
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel => Vec::new(),
    };
    external_link::upsert(change, &links).await?;
    conflicts.write(change).await?;
    Ok(())
}

/// Keeps the records that say something new.
async fn sift(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    records: Vec<Record>,
    findings: &mut Findings,
) -> Result<(Vec<Candidate>, Conflicts)> {
    // Overlapping pages may hold a record twice; the newer version counts.
    let mut newest: HashMap<String, usize> = HashMap::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let known = newest
            .get(&record.external_id)
            .and_then(|index| records.get(*index));
        if known.is_none_or(|known| known.updated_at_ms <= record.updated_at_ms) {
            newest.insert(record.external_id.clone(), index);
        }
    }
    let ids: Vec<&str> = newest.keys().map(String::as_str).collect();
    let known = external_link::find_all(
        change.transaction(),
        scope.connection.id,
        resource.as_str(),
        &ids,
    )
    .await?;
    let mut known: HashMap<String, external_link::Model> = known
        .into_iter()
        .map(|link| (link.external_id.clone(), link))
        .collect();

    let subjects: Vec<Uuid> = known.values().filter_map(|link| link.subject_id).collect();
    let conflicts = Conflicts::load(change, scope.connection.id, &subjects).await?;
    let mut candidates = Vec::with_capacity(records.len());
    let (mut unchanged, mut again) = (0, Vec::new());
    for (index, record) in records.into_iter().enumerate() {
        if newest.get(&record.external_id) != Some(&index) {
            unchanged += 1;
            continue;
        }
        let link = known.remove(&record.external_id);
        if ended::is_kept_from(link.as_ref(), &record) {
            unchanged += 1;
            continue;
        }
        let candidate = Candidate::new(incoming(scope.wanted, record, link.as_ref()), link);
        report_unmapped(scope.wanted, resource, &candidate.incoming, findings);
        let subject = candidate.link.as_ref().and_then(|link| link.subject_id);
        // Whether an open conflict has ended depends on our row as well.
        let is_open = subject.is_some_and(|id| conflicts.concern(id));
        if !is_open && says_nothing_new(scope.source, &candidate) {
            unchanged += 1;
        } else if candidate.is_overtaken(scope.read_at) {
            again.push(NewSignal {
                connection_id: scope.connection.id,
                resource: resource.as_str().to_owned(),
                external_id: candidate.incoming.external_id.clone(),
                hint: json!({ "kind": "changed" }),
            });
            unchanged += 1;
        } else {
            candidates.push(candidate);
        }
    }
    // They are read anew, by their ids.
    inbound_signal::raise(change, again).await?;
    findings::counts(findings, resource).unchanged += unchanged;
    Ok((candidates, conflicts))
}

/// Whether a link is of somebody who was erased: nothing brings them back.
fn is_erased(link: &external_link::Model) -> bool {
    link.held_reason.as_deref() == Some(ERASED)
}

fn says_nothing_new(source: Source, candidate: &Candidate) -> bool {
    let incoming = &candidate.incoming;
    let Some(link) = &candidate.link else {
        return incoming.archived;
    };
    if is_erased(link) {
        return true;
    }
    // A record that was put away before we ever took it over stays out, unless it comes back.
    if link.subject_id.is_none() && incoming.archived && link.archived {
        return true;
    }
    if source == Source::Index
        && incoming.updated_at.is_some()
        && incoming.updated_at < link.external_updated_at
    {
        return true;
    }
    // What our own rules refused is tried again; when it has gone, so has the flag.
    let refused =
        link.subject_id.is_some() && link.shadow.flags.values().any(|flag| flag == REFUSED_HERE);
    link.shadow.fields == incoming.fields
        && link.shadow.links == incoming.links
        && link.archived == incoming.archived
        && candidate.arrived.is_none()
        && !refused
}

/// The record as its shadow will be. A property or a link that was not read stays as it was known.
fn incoming(wanted: &Wanted, record: Record, link: Option<&external_link::Model>) -> Incoming {
    let mut fields = link
        .map(|link| link.shadow.fields.clone())
        .unwrap_or_default();
    for (name, value) in record.fields {
        if !wanted.fields.contains(&name) && name != order_reading::REVENUE {
            continue;
        }
        match value.filter(|text| !text.is_empty()) {
            Some(text) => fields.insert(name, Some(clean(&text))),
            None => fields.remove(&name),
        };
    }
    let mut links = match link {
        Some(link) if !record.links_complete => link.shadow.links.clone(),
        _ => Links::new(),
    };
    for tie in record.links {
        let RecordLink {
            resource,
            external_id,
            labels,
            primary,
        } = tie;
        // What it points at could not have been brought in under such an id.
        if !is_sound_id(&external_id) {
            continue;
        }
        let entry = links
            .entry(format!("{resource}:{external_id}"))
            .or_default();
        entry.extend(labels.iter().map(|label| clean(label)));
        if primary {
            entry.push(PRIMARY.to_owned());
        }
        entry.sort_unstable();
        entry.dedup();
    }
    Incoming {
        external_id: record.external_id,
        updated_at: (record.updated_at_ms > 0)
            .then(|| Timestamp::from_millis(record.updated_at_ms)),
        archived: record.archived,
        fields,
        links,
    }
}

/// A text without the one character that PostgreSQL can store in no text.
fn clean(text: &str) -> String {
    if text.contains('\0') {
        text.replace('\0', "\u{FFFD}")
    } else {
        text.to_owned()
    }
}

fn report_unmapped(
    wanted: &Wanted,
    resource: Resource,
    incoming: &Incoming,
    findings: &mut Findings,
) {
    for name in &wanted.unmapped {
        if value::present(&incoming.fields, name).is_some() {
            findings::unmapped(findings, resource, name);
        }
    }
}

/// The associated records of one resource: their ids and labels.
pub(super) fn ties(links: &Links, resource: Resource) -> impl Iterator<Item = (&str, &[String])> {
    links.iter().filter_map(move |(key, labels)| {
        let (of, id) = key.split_once(':')?;
        (of == resource.as_str()).then_some((id, labels.as_slice()))
    })
}

pub(super) fn is_primary(labels: &[String]) -> bool {
    labels.iter().any(|label| label == PRIMARY)
}
