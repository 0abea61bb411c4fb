//! Companies become partners or customers.
//!
//! Invariant: a company has one row. When a customer becomes a partner, a partner is created and the link points at it; the customer stays
//! with its deals, and the run says so. What its labels on those deals say of the partner is then read anew. A partner that no longer matches the rule stays a partner: a person ends partnerships.

use super::conflict::Conflicts;
use super::field::{Ending, FieldMerger, count, create_all, ending_of, refusal};
use super::link::{self, Outcome};
use super::{Candidate, Scope};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::findings;
use crate::sync::map::{self, CustomerReading, PartnerReading};
use crate::sync::merge::{Flag, Reading};
use entities::change::Change;
use entities::customer::{self, CustomerPatch, NewCustomer};
use entities::domain_name::DomainName;
use entities::error::Error as EntityError;
use entities::external_link;
use entities::id::{CustomerId, PartnerId, TypedId};
use entities::partner::{self, NewPartner, PartnerPatch};
use entities::partnership::{self, NewPartnership};
use entities::pending_link;
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::HashMap;
use uuid::Uuid;

const RESOURCE: Resource = Resource::Company;

/// Which partner has a domain; none stands for one that this batch creates.
type Domains = HashMap<DomainName, Option<PartnerId>>;

/// Applies companies and answers the links to write.
pub(super) async fn apply(
    change: &mut Change,
    scope: &Scope<'_>,
    candidates: Vec<Candidate>,
    conflicts: &mut Conflicts,
    findings: &mut Findings,
) -> Result<Vec<external_link::Model>> {
    let mapping = &scope.connection.mapping.company;
    let system = Viewer::system("sync");
    let ids_of = |kind: &str| -> Vec<Uuid> {
        let links = candidates
            .iter()
            .filter_map(|candidate| candidate.link.as_ref());
        links
            .filter(|link| link.subject_kind.as_deref() == Some(kind))
            .filter_map(|link| link.subject_id)
            .collect()
    };
    let partner_ids = ids_of(PartnerId::PREFIX);
    let customer_ids = ids_of(CustomerId::PREFIX);
    let mut partners: HashMap<Uuid, partner::Model> = HashMap::new();
    if !partner_ids.is_empty() {
        let rows = visible::lock_all::<partner::Entity>(change, &system, partner_ids).await?;
        partners.extend(rows.into_iter().map(|row| (row.id.0, row)));
    }
    let mut customers: HashMap<Uuid, customer::Model> = HashMap::new();
    if !customer_ids.is_empty() {
        let rows = visible::lock_all::<customer::Entity>(change, &system, customer_ids).await?;
        customers.extend(rows.into_iter().map(|row| (row.id.0, row)));
    }

    let mut domains = taken_domains(change, scope, &candidates, &partners).await?;
    let mut links = Vec::with_capacity(candidates.len());
    let mut new_partners = Vec::new();
    let mut new_customers = Vec::new();
    for candidate in candidates {
        let subject = candidate.link.as_ref().and_then(|link| link.subject_id);
        let is_partner = map::is_partner(mapping, &candidate.incoming.fields);
        if let Some(row) = subject.and_then(|id| partners.remove(&id)) {
            links.extend(
                update_partner(
                    change,
                    scope,
                    (candidate, row, is_partner),
                    &mut domains,
                    (conflicts, findings),
                )
                .await?,
            );
        } else if let (Some(row), false) =
            (subject.and_then(|id| customers.remove(&id)), is_partner)
        {
            links.extend(
                update_customer(change, scope, (candidate, row), (conflicts, findings)).await?,
            );
        } else if is_partner {
            if subject.is_some() {
                let message = "The customer has become a partner; the customer and its deals stay as they are.";
                findings::issue(
                    findings,
                    RESOURCE,
                    Some(&candidate.incoming.external_id),
                    None,
                    "RECLASSIFIED",
                    message,
                );
            }
            let mut reading = map::partner(mapping, &candidate.incoming.fields);
            claim_domain(
                &mut domains,
                &mut reading,
                mapping
                    .partner_fields
                    .get(&entities::connection::mapping::PartnerField::Domain),
                None,
            );
            new_partners.push((candidate, reading));
        } else {
            let reading = map::customer(mapping, &candidate.incoming.fields);
            new_customers.push((candidate, reading));
        }
    }
    create_partners(change, scope, new_partners, &mut links, findings).await?;
    create_customers(change, scope, new_customers, &mut links, findings).await?;
    Ok(links)
}

async fn taken_domains(
    change: &Change,
    scope: &Scope<'_>,
    candidates: &[Candidate],
    partners: &HashMap<Uuid, partner::Model>,
) -> Result<Domains> {
    let mapping = &scope.connection.mapping.company;
    let mut asked = Vec::new();
    for candidate in candidates {
        let subject = candidate.link.as_ref().and_then(|link| link.subject_id);
        let known = subject.is_some_and(|id| partners.contains_key(&id));
        if known || map::is_partner(mapping, &candidate.incoming.fields) {
            asked.extend(
                map::partner(mapping, &candidate.incoming.fields)
                    .domain
                    .or_default(),
            );
        }
    }
    asked.sort_unstable();
    asked.dedup();
    let rows = partner::find_domains(change, &asked).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.domain?, Some(row.id))))
        .collect())
}

/// Takes a domain for a partner, or flags it when another has it.
fn claim_domain(
    domains: &mut Domains,
    reading: &mut PartnerReading,
    property: Option<&String>,
    own: Option<PartnerId>,
) {
    let Some(Some(domain)) = reading.domain.value() else {
        return;
    };
    match domains.get(domain) {
        Some(holder) if own.is_none() || *holder != own => {
            let property = property.map_or("domain", String::as_str);
            reading.domain =
                Reading::flagged(property, "DOMAIN_TAKEN", "Another partner has this domain.");
        }
        Some(_) => {}
        None => {
            domains.insert(domain.clone(), own);
        }
    }
}

fn owned<'a>(flags: impl Iterator<Item = &'a Flag>) -> Vec<Flag> {
    flags.cloned().collect()
}

async fn update_partner(
    change: &mut Change,
    scope: &Scope<'_>,
    (candidate, row, is_partner): (Candidate, partner::Model, bool),
    domains: &mut Domains,
    (conflicts, findings): (&mut Conflicts, &mut Findings),
) -> Result<Option<external_link::Model>> {
    let mapping = &scope.connection.mapping.company;
    let external_id = candidate.incoming.external_id.clone();
    let mut theirs = map::partner(mapping, &candidate.incoming.fields);
    claim_domain(
        domains,
        &mut theirs,
        mapping
            .partner_fields
            .get(&entities::connection::mapping::PartnerField::Domain),
        Some(row.id),
    );
    let before = &candidate.base_mapping(&scope.connection.mapping).company;
    let mut base = candidate
        .base()
        .map(|shadow| map::partner(before, &shadow.fields));
    if let Some(base) = base
        .as_mut()
        .filter(|_| candidate.was_flagged("DOMAIN_TAKEN"))
    {
        base.domain = Reading::Unread;
    }
    let base = base.as_ref();
    let (id, version, archiving) = (row.id, row.version, candidate.archiving());
    let seen = (row.id.0, row.updated_at);
    let mut merger = FieldMerger::new(scope, RESOURCE, conflicts, &candidate, seen);
    let patch = PartnerPatch {
        name: merger.field("name", base.map(|base| &base.name), &theirs.name, &row.name),
        domain: merger.field(
            "domain",
            base.map(|base| &base.domain),
            &theirs.domain,
            &row.domain,
        ),
        website: merger.field(
            "website",
            base.map(|base| &base.website),
            &theirs.website,
            &row.website,
        ),
        country: merger.field(
            "country",
            base.map(|base| &base.country),
            &theirs.country,
            &row.country,
        ),
        employees: merger.field(
            "employees",
            base.map(|base| &base.employees),
            &theirs.employees,
            &row.employees,
        ),
        description: merger.field(
            "description",
            base.map(|base| &base.description),
            &theirs.description,
            &row.description,
        ),
        archived: archiving,
        ..PartnerPatch::default()
    };
    let (notes, unmet) = merger.into_notes();
    let mut flags = owned(theirs.flags().chain(&unmet));
    if !is_partner {
        flags.push(Flag {
            property: mapping.partner_when.property.clone(),
            code: "RECLASSIFIED",
            message: "The company no longer counts as a partner there; here it stays one until a person ends it.".to_owned(),
        });
    }
    let after = match partner::update(change, row, patch).await {
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

async fn update_customer(
    change: &mut Change,
    scope: &Scope<'_>,
    (candidate, row): (Candidate, customer::Model),
    (conflicts, findings): (&mut Conflicts, &mut Findings),
) -> Result<Option<external_link::Model>> {
    let mapping = &scope.connection.mapping.company;
    let external_id = candidate.incoming.external_id.clone();
    let theirs = map::customer(mapping, &candidate.incoming.fields);
    let before = &candidate.base_mapping(&scope.connection.mapping).company;
    let base = candidate
        .base()
        .map(|shadow| map::customer(before, &shadow.fields));
    let base = base.as_ref();
    let (id, version, archiving) = (row.id, row.version, candidate.archiving());
    let seen = (row.id.0, row.updated_at);
    let mut merger = FieldMerger::new(scope, RESOURCE, conflicts, &candidate, seen);
    let patch = CustomerPatch {
        name: merger.field("name", base.map(|base| &base.name), &theirs.name, &row.name),
        domain: merger.field(
            "domain",
            base.map(|base| &base.domain),
            &theirs.domain,
            &row.domain,
        ),
        country: merger.field(
            "country",
            base.map(|base| &base.country),
            &theirs.country,
            &row.country,
        ),
        segment: merger.field(
            "segment",
            base.map(|base| &base.segment),
            &theirs.segment,
            &row.segment,
        ),
        archived: archiving,
    };
    let (notes, unmet) = merger.into_notes();
    let flags = owned(theirs.flags().chain(&unmet));
    let after = match customer::update(change, row, patch).await {
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

async fn create_partners(
    change: &mut Change,
    scope: &Scope<'_>,
    new: Vec<(Candidate, PartnerReading)>,
    links: &mut Vec<external_link::Model>,
    findings: &mut Findings,
) -> Result<()> {
    let mut kept = Vec::with_capacity(new.len());
    let mut inputs = Vec::with_capacity(new.len());
    for (candidate, reading) in new {
        let flags = owned(reading.flags());
        let Some(name) = reading.name.value().cloned() else {
            keep_out(change, scope, candidate, flags, links, findings);
            continue;
        };
        inputs.push(NewPartner {
            domain: reading.domain.or_default(),
            website: reading.website.or_default(),
            country: reading.country.or_default(),
            employees: reading.employees.or_default(),
            description: reading.description.or_default(),
            archived: candidate.incoming.archived,
            ..NewPartner::named(name)
        });
        kept.push((candidate, flags));
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let made = create_all!(change, inputs, partner::create);
    let mut turned = Vec::new();
    let imported = scope.connection.mapping.company.partnership;
    let mut partnerships = Vec::with_capacity(made.len());
    for ((candidate, mut flags), made) in kept.into_iter().zip(made) {
        match made {
            Ok(row) => {
                if candidate.base().is_some() {
                    turned.push(candidate.incoming.external_id.clone());
                }
                partnerships.push(NewPartnership {
                    stage: imported.stage,
                    ..NewPartnership::of(row.id, imported.kind)
                });
                count(
                    findings,
                    RESOURCE,
                    &candidate.incoming.external_id,
                    Ending::Created,
                    &flags,
                );
                links.extend(link::after(
                    change,
                    scope,
                    RESOURCE,
                    candidate,
                    Outcome::of(row.id, flags),
                ));
            }
            Err(violations) => {
                flags.insert(0, refusal(&violations));
                keep_out(change, scope, candidate, flags, links, findings);
            }
        }
    }
    partnership::create(change, partnerships).await?;
    for company in turned {
        await_anew(change, scope, company).await?;
    }
    Ok(())
}

/// Lets the deals that name a company wait for it as if it had just arrived: a label that meant nothing while it was a customer gives its
/// share now.
async fn await_anew(change: &Change, scope: &Scope<'_>, company: String) -> Result<()> {
    let (connection_id, deal) = (scope.connection.id, Resource::Deal.as_str());
    let naming = external_link::list_naming(
        change.transaction(),
        connection_id,
        deal,
        &format!("{RESOURCE}:{company}"),
    )
    .await?;
    let wait = |link: external_link::Model| pending_link::Model {
        connection_id,
        from_resource: deal.to_owned(),
        from_external_id: link.external_id,
        to_resource: RESOURCE.as_str().to_owned(),
        to_external_id: company.clone(),
        created_at: change.now(),
    };
    pending_link::insert(change, naming.into_iter().map(wait).collect()).await?;
    Ok(())
}

async fn create_customers(
    change: &mut Change,
    scope: &Scope<'_>,
    new: Vec<(Candidate, CustomerReading)>,
    links: &mut Vec<external_link::Model>,
    findings: &mut Findings,
) -> Result<()> {
    let mut kept = Vec::with_capacity(new.len());
    let mut inputs = Vec::with_capacity(new.len());
    for (candidate, reading) in new {
        let flags = owned(reading.flags());
        let Some(name) = reading.name.value().cloned() else {
            keep_out(change, scope, candidate, flags, links, findings);
            continue;
        };
        inputs.push(NewCustomer {
            name,
            domain: reading.domain.or_default(),
            country: reading.country.or_default(),
            segment: reading.segment.or_default(),
            archived: candidate.incoming.archived,
        });
        kept.push((candidate, flags));
    }
    if inputs.is_empty() {
        return Ok(());
    }
    let made = create_all!(change, inputs, customer::create);
    for ((candidate, mut flags), made) in kept.into_iter().zip(made) {
        match made {
            Ok(row) => {
                count(
                    findings,
                    RESOURCE,
                    &candidate.incoming.external_id,
                    Ending::Created,
                    &flags,
                );
                links.extend(link::after(
                    change,
                    scope,
                    RESOURCE,
                    candidate,
                    Outcome::of(row.id, flags),
                ));
            }
            Err(violations) => {
                flags.insert(0, refusal(&violations));
                keep_out(change, scope, candidate, flags, links, findings);
            }
        }
    }
    Ok(())
}

fn keep_out(
    change: &Change,
    scope: &Scope<'_>,
    candidate: Candidate,
    flags: Vec<Flag>,
    links: &mut Vec<external_link::Model>,
    findings: &mut Findings,
) {
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
}
