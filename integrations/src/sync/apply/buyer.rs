//! Who bought: the customer of an order, as far as it can be told.
//!
//! Owns: reading an order's links to companies and people, and its e-mail address, with what is known here. Refuses: to guess: a domain that
//! several customers have, or that is a mail provider's, tells nothing. Invariant: an end that the order names and that has not come is awaited;
//! nobody else is taken for it meanwhile.

use super::{Candidate, Incoming, Scope, is_primary, ties};
use crate::record::Resource;
use crate::sync::error::Result;
use crate::sync::map::order::{company_domain, email};
use crate::sync::merge::Reading;
use entities::change::Change;
use entities::contact;
use entities::customer;
use entities::domain_name::DomainName;
use entities::error::Error as EntityError;
use entities::external_link::{self, Tie};
use entities::id::{CustomerId, TypedId};
use entities::viewer::Viewer;
use entities::visible::{self, Visible};
use sea_orm::{ColumnTrait, QueryFilter};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// What a record is tied to here: a row of ours, or none although the record is known.
type Ends = HashMap<String, Option<Uuid>>;

/// What is known of those whom orders name.
#[derive(Debug, Default)]
pub(super) struct Buyers {
    /// Companies that are customers; those that are something else have none.
    companies: Ends,
    people: Ends,
    employers: HashMap<Uuid, CustomerId>,
    by_email: HashMap<String, CustomerId>,
    by_domain: HashMap<DomainName, Option<CustomerId>>,
}

impl Buyers {
    /// Looks up everybody whom these orders name.
    pub(super) async fn load(
        change: &Change,
        scope: &Scope<'_>,
        candidates: &[Candidate],
    ) -> Result<Self> {
        let mut buyers = Self {
            companies: ends(change, scope, candidates, Resource::Company).await?,
            people: ends(change, scope, candidates, Resource::Contact).await?,
            ..Self::default()
        };
        let system = Viewer::system("sync");
        let people = buyers.people.values().flatten().copied();
        for row in
            visible::find_all::<contact::Entity, _>(change.transaction(), &system, people).await?
        {
            if let Some(customer) = row.customer_id {
                buyers.employers.insert(row.id.0, customer);
            }
        }
        let emails: BTreeSet<String> = candidates
            .iter()
            .filter_map(|candidate| email(&candidate.incoming.fields))
            .map(str::to_owned)
            .collect();
        let domains: BTreeSet<DomainName> = emails
            .iter()
            .filter_map(|email| company_domain(email))
            .collect();
        let emails: Vec<String> = emails.into_iter().collect();
        for row in contact::find_by_email(change.transaction(), &system, &emails).await? {
            if let (Some(email), Some(customer), None) =
                (row.email, row.customer_id, row.archived_at)
            {
                let entry = buyers.by_email.entry(email.to_lowercase());
                entry.or_insert(customer);
            }
        }
        if !domains.is_empty() {
            let rows = customer::Entity::visible_to(&system)
                .filter(customer::Column::Domain.is_in(domains))
                .filter(customer::Column::ArchivedAt.is_null())
                .all(change.transaction())
                .await
                .map_err(EntityError::from)?;
            for row in rows {
                if let Some(domain) = row.domain {
                    // A second one makes it a guess.
                    let entry = buyers.by_domain.entry(domain);
                    entry.and_modify(|one| *one = None).or_insert(Some(row.id));
                }
            }
        }
        Ok(buyers)
    }

    /// The customer of an order, and the ends that have not come.
    pub(super) fn customer(
        &self,
        incoming: &Incoming,
    ) -> (Reading<Option<CustomerId>>, BTreeSet<(Resource, String)>) {
        let mut missing = BTreeSet::new();
        let mut found: Option<(bool, CustomerId)> = None;
        for (id, labels) in ties(&incoming.links, Resource::Company) {
            match self.companies.get(id) {
                None => {
                    missing.insert((Resource::Company, id.to_owned()));
                }
                Some(Some(customer)) => {
                    let primary = is_primary(labels);
                    if found.is_none_or(|(before, _)| primary && !before) {
                        found = Some((primary, CustomerId(*customer)));
                    }
                }
                Some(None) => {}
            }
        }
        let mut employer = None;
        for (id, _) in ties(&incoming.links, Resource::Contact) {
            match self.people.get(id) {
                None => {
                    missing.insert((Resource::Contact, id.to_owned()));
                }
                Some(person) => {
                    employer = employer
                        .or_else(|| person.and_then(|row| self.employers.get(&row).copied()));
                }
            }
        }
        let customer = found
            .map(|(_, customer)| customer)
            .or(employer)
            .or_else(|| self.by_address(email(&incoming.fields)?));
        let reading = match customer {
            Some(customer) => Reading::Value(Some(customer)),
            // Until the end has come the order says nothing yet.
            None if !missing.is_empty() => Reading::Unread,
            None => Reading::Value(None),
        };
        (reading, missing)
    }

    fn by_address(&self, email: &str) -> Option<CustomerId> {
        let person = self.by_email.get(&email.to_lowercase()).copied();
        person.or_else(|| *self.by_domain.get(&company_domain(email)?)?)
    }
}

/// What the records of one resource that these orders name are here.
async fn ends(
    change: &Change,
    scope: &Scope<'_>,
    candidates: &[Candidate],
    resource: Resource,
) -> Result<Ends> {
    let ids: BTreeSet<&str> = candidates
        .iter()
        .flat_map(|candidate| ties(&candidate.incoming.links, resource))
        .map(|(id, _)| id)
        .collect();
    if ids.is_empty() {
        return Ok(Ends::new());
    }
    let ids: Vec<&str> = ids.into_iter().collect();
    let (of, name) = (scope.connection.id, resource.as_str());
    let found = external_link::find_ties(change.transaction(), of, name, &ids).await?;
    let wanted = match resource {
        Resource::Company => CustomerId::PREFIX,
        _ => entities::id::ContactId::PREFIX,
    };
    let end = |tie: Tie| {
        let is_wanted = tie.subject_kind.as_deref() == Some(wanted);
        (tie.external_id, tie.subject_id.filter(|_| is_wanted))
    };
    Ok(found.into_iter().map(end).collect())
}
