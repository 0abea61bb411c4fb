//! People, at a partner or at a customer.

use super::conflict::Conflicts;
use super::field::{Ending, FieldMerger, count, create_all, ending_of, refusal};
use super::link::{self, Outcome};
use super::share::{Awaiting, Companies, Employer, employer};
use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::map;
use crate::sync::merge::{Flag, Reading};
use entities::change::Change;
use entities::contact::{self, ContactPatch, NewContact};
use entities::error::Error as EntityError;
use entities::external_link;
use entities::id::{CustomerId, PartnerId};
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

const RESOURCE: Resource = Resource::Contact;

const fn split(employer: Employer) -> (Option<PartnerId>, Option<CustomerId>) {
    match employer {
        Employer::None => (None, None),
        Employer::Partner(id) => (Some(id), None),
        Employer::Customer(id) => (None, Some(id)),
    }
}

const fn of_row(row: &contact::Model) -> Employer {
    match (row.partner_id, row.customer_id) {
        (Some(id), _) => Employer::Partner(id),
        (None, Some(id)) => Employer::Customer(id),
        (None, None) => Employer::None,
    }
}

/// Applies people and answers the links to write.
pub(super) async fn apply(
    change: &mut Change,
    scope: &Scope<'_>,
    candidates: Vec<Candidate>,
    conflicts: &mut Conflicts,
    findings: &mut Findings,
) -> Result<Vec<external_link::Model>> {
    let known: Vec<&str> = candidates
        .iter()
        .filter_map(|candidate| {
            candidate
                .base()
                .map(|_| candidate.incoming.external_id.as_str())
        })
        .collect();
    let awaiting = Awaiting::load(change, scope, RESOURCE, &known).await?;
    let all_links = candidates
        .iter()
        .flat_map(|candidate| {
            std::iter::once(&candidate.incoming.links)
                .chain(candidate.base().map(|base| &base.links))
        })
        .collect::<Vec<_>>();
    let companies = Companies::load(change, scope, &all_links).await?;
    let ids: Vec<Uuid> = candidates
        .iter()
        .filter_map(|candidate| candidate.link.as_ref()?.subject_id)
        .collect();
    let mut rows: HashMap<Uuid, contact::Model> = HashMap::new();
    if !ids.is_empty() {
        rows.extend(
            visible::lock_all::<contact::Entity>(change, &Viewer::system("sync"), ids)
                .await?
                .into_iter()
                .map(|row| (row.id.0, row)),
        );
    }

    let mut links = Vec::with_capacity(candidates.len());
    let mut awaited = Vec::new();
    let mut new = Vec::new();
    for candidate in candidates {
        let (at, missing) = employer(&candidate.incoming.links, &companies, &HashSet::new());
        let row = candidate
            .link
            .as_ref()
            .and_then(|link| link.subject_id)
            .and_then(|id| rows.remove(&id));
        let ends: BTreeSet<(Resource, String)> = missing
            .into_iter()
            .map(|id| (Resource::Company, id))
            .collect();
        match row {
            None => new.push((candidate, at, ends)),
            Some(row) => {
                awaited.push((candidate.incoming.external_id.clone(), ends));
                let passed_over = awaiting.of(&candidate.incoming.external_id, Resource::Company);
                let base_at = candidate
                    .base()
                    .map(|base| employer(&base.links, &companies, &passed_over).0);
                links.extend(
                    update(
                        change,
                        scope,
                        (candidate, row),
                        (base_at, at),
                        (conflicts, findings),
                    )
                    .await?,
                );
            }
        }
    }
    create(change, scope, new, &mut links, &mut awaited, findings).await?;
    awaiting.settle(change, scope, RESOURCE, awaited).await?;
    Ok(links)
}

async fn update(
    change: &mut Change,
    scope: &Scope<'_>,
    (candidate, row): (Candidate, contact::Model),
    (base_at, at): (Option<Reading<Employer>>, Reading<Employer>),
    (conflicts, findings): (&mut Conflicts, &mut Findings),
) -> Result<Option<external_link::Model>> {
    let mapping = &scope.connection.mapping.contact;
    let external_id = candidate.incoming.external_id.clone();
    let theirs = map::contact(mapping, &candidate.incoming.fields);
    let before = &candidate.base_mapping(&scope.connection.mapping).contact;
    let base = candidate
        .base()
        .map(|shadow| map::contact(before, &shadow.fields));
    let base = base.as_ref();
    let (id, version, archiving) = (row.id, row.version, candidate.archiving());
    let seen = (row.id.0, row.updated_at);
    let mut merger = FieldMerger::new(scope, RESOURCE, conflicts, &candidate, seen);
    let moved = merger
        .field("company", base_at.as_ref(), &at, &of_row(&row))
        .map(split);
    let patch = ContactPatch {
        partner_id: moved.map(|(partner, _)| partner),
        customer_id: moved.map(|(_, customer)| customer),
        name: merger.field("name", base.map(|base| &base.name), &theirs.name, &row.name),
        email: merger.field(
            "email",
            base.map(|base| &base.email),
            &theirs.email,
            &row.email,
        ),
        phone: merger.field(
            "phone",
            base.map(|base| &base.phone),
            &theirs.phone,
            &row.phone,
        ),
        title: merger.field(
            "title",
            base.map(|base| &base.title),
            &theirs.title,
            &row.title,
        ),
        roles: None,
        archived: archiving,
    };
    let (notes, unmet) = merger.into_notes();
    let flags: Vec<Flag> = theirs.flags().chain(&unmet).cloned().collect();
    let after = match contact::update(change, row, patch).await {
        Ok(row) => row.version,
        Err(EntityError::Invalid(violations)) => {
            let outcome = Outcome::refused(id, &violations);
            let unchanged = Ending::Unchanged;
            count(findings, RESOURCE, &external_id, unchanged, &outcome.flags);
            return Ok(link::after(change, scope, RESOURCE, candidate, outcome));
        }
        Err(error) => return Err(error.into()),
    };
    let of = (scope, RESOURCE, &candidate);
    conflicts.settle(change, of, id, notes, findings);
    count(
        findings,
        RESOURCE,
        &external_id,
        ending_of(version, after, archiving),
        &flags,
    );
    Ok(link::after(
        change,
        scope,
        RESOURCE,
        candidate,
        Outcome::of(id, flags),
    ))
}

type New = (Candidate, Reading<Employer>, BTreeSet<(Resource, String)>);

async fn create(
    change: &mut Change,
    scope: &Scope<'_>,
    new: Vec<New>,
    links: &mut Vec<external_link::Model>,
    awaited: &mut Vec<(String, BTreeSet<(Resource, String)>)>,
    findings: &mut Findings,
) -> Result<()> {
    let mut kept = Vec::with_capacity(new.len());
    let mut inputs = Vec::with_capacity(new.len());
    for (candidate, at, ends) in new {
        let reading = map::contact(
            &scope.connection.mapping.contact,
            &candidate.incoming.fields,
        );
        let flags: Vec<Flag> = reading.flags().cloned().collect();
        let Some(name) = reading.name.value().cloned() else {
            count(
                findings,
                RESOURCE,
                &candidate.incoming.external_id,
                Ending::KeptOut,
                &flags,
            );
            links.extend(link::after(
                change,
                scope,
                RESOURCE,
                candidate,
                Outcome::held(flags),
            ));
            continue;
        };
        let (partner_id, customer_id) = split(at.or_default());
        inputs.push(NewContact {
            partner_id,
            customer_id,
            name,
            email: reading.email.or_default(),
            phone: reading.phone.or_default(),
            title: reading.title.or_default(),
            roles: Vec::new(),
            archived: candidate.incoming.archived,
        });
        kept.push((candidate, flags, ends));
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let made = create_all!(change, inputs, contact::create);
    for ((candidate, mut flags, ends), made) in kept.into_iter().zip(made) {
        let external_id = candidate.incoming.external_id.clone();
        match made {
            Ok(row) => {
                count(findings, RESOURCE, &external_id, Ending::Created, &flags);
                links.extend(link::after(
                    change,
                    scope,
                    RESOURCE,
                    candidate,
                    Outcome::of(row.id, flags),
                ));
                awaited.push((external_id, ends));
            }
            Err(violations) => {
                flags.insert(0, refusal(&violations));
                count(findings, RESOURCE, &external_id, Ending::KeptOut, &flags);
                links.extend(link::after(
                    change,
                    scope,
                    RESOURCE,
                    candidate,
                    Outcome::held(flags),
                ));
            }
        }
    }
    Ok(())
}
