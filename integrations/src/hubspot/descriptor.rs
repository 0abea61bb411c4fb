//! What HubSpot offers us.
//!
//! Owns: resources, scopes, budgets and the names of objects in paths. Refuses: guesses: each line is from HubSpot's documentation.
//! Invariant: the order of resources is the order of a first sync, so that most links find their other end.

use super::{API_DATE, ID};
use crate::{
    connector::{
        Category, Descriptor, Lane, LimitHeaders, RateLimit, ResourceDescriptor, TokenHeader,
    },
    record::Resource,
};
use std::time::Duration;

/// Lists and batches hold at most this many.
pub(super) const BATCH: usize = 100;
/// A search page holds at most this many.
pub(super) const SEARCH_PAGE: u32 = 200;

pub(super) const REQUIRED_SCOPES: [&str; 5] = [
    "oauth",
    "crm.objects.companies.read",
    "crm.objects.contacts.read",
    "crm.objects.deals.read",
    "crm.objects.owners.read",
];

/// Without the write scopes nothing is written and everything is read; without `crm.schemas.*.write` records are changed and none is
/// created, because the property that holds our reference cannot be made.
pub(super) const OPTIONAL_SCOPES: [&str; 10] = [
    "crm.objects.companies.write",
    "crm.objects.contacts.write",
    "crm.objects.deals.write",
    "crm.schemas.companies.read",
    "crm.schemas.contacts.read",
    "crm.schemas.deals.read",
    "crm.schemas.companies.write",
    "crm.schemas.contacts.write",
    "crm.schemas.deals.write",
    "settings.currencies.read",
];

pub(super) fn descriptor() -> Descriptor {
    let record = |resource| ResourceDescriptor {
        resource,
        delta: true,
        archived: true,
        fetch: true,
        links: links_of(resource),
        page_size: 100,
        push_scope: object(resource).map(|object| object.write_scope),
    };
    let metadata = |resource, archived, fetch| ResourceDescriptor {
        resource,
        delta: false,
        archived,
        fetch,
        links: &[],
        page_size: 100,
        push_scope: None,
    };
    Descriptor {
        id: ID,
        name: "HubSpot",
        category: Category::Crm,
        api_version: API_DATE,
        resources: vec![
            metadata(Resource::Owner, true, true),
            metadata(Resource::Pipeline, false, true),
            metadata(Resource::AssociationLabel, false, false),
            record(Resource::Company),
            record(Resource::Contact),
            record(Resource::Deal),
        ],
        required_scopes: REQUIRED_SCOPES.to_vec(),
        optional_scopes: OPTIONAL_SCOPES.to_vec(),
        limits: vec![
            RateLimit {
                lane: Lane::Standard,
                requests: 110,
                per: Duration::from_secs(10),
                burst: None,
            },
            RateLimit {
                lane: Lane::Search,
                requests: 5,
                per: Duration::from_secs(1),
                burst: None,
            },
        ],
        // A search answers without them.
        limit_headers: Some(LimitHeaders::Window {
            lane: Lane::Standard,
            limit: "x-hubspot-ratelimit-max",
            remaining: "x-hubspot-ratelimit-remaining",
            interval_ms: "x-hubspot-ratelimit-interval-milliseconds",
        }),
        site: None,
        token_header: TokenHeader::Bearer,
    }
}

/// Which links a record of a resource carries. A link is kept by one end only: the one that has fewer of them.
pub(super) const fn links_of(resource: Resource) -> &'static [Resource] {
    match resource {
        Resource::Deal => &[Resource::Company, Resource::Contact],
        Resource::Contact => &[Resource::Company],
        _ => &[],
    }
}

/// One of the three objects with properties, search and associations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) resource: Resource,
    /// Its name in paths.
    pub(super) path: &'static str,
    /// Its type id in the addresses of the web application.
    pub(super) type_id: &'static str,
    /// The property that holds the time of its last change: what a search filters and sorts by.
    pub(super) modified: &'static str,
    /// The scope that writing it takes.
    pub(super) write_scope: &'static str,
    /// The scope that adding a property to it takes.
    pub(super) schema_scope: &'static str,
    /// The group of properties it has in every portal.
    pub(super) property_group: &'static str,
    /// What is asked for when nothing in particular is wanted.
    pub(super) usual: &'static [&'static str],
}

const COMPANY: Object = Object {
    resource: Resource::Company,
    path: "companies",
    type_id: "0-2",
    modified: "hs_lastmodifieddate",
    write_scope: "crm.objects.companies.write",
    schema_scope: "crm.schemas.companies.write",
    property_group: "companyinformation",
    usual: &[
        "name",
        "domain",
        "website",
        "country",
        "industry",
        "numberofemployees",
        "type",
        "description",
        "phone",
        "hubspot_owner_id",
        "createdate",
    ],
};

const CONTACT: Object = Object {
    resource: Resource::Contact,
    path: "contacts",
    type_id: "0-1",
    modified: "lastmodifieddate",
    write_scope: "crm.objects.contacts.write",
    schema_scope: "crm.schemas.contacts.write",
    property_group: "contactinformation",
    usual: &[
        "email",
        "firstname",
        "lastname",
        "phone",
        "jobtitle",
        "company",
        "hubspot_owner_id",
        "createdate",
    ],
};

const DEAL: Object = Object {
    resource: Resource::Deal,
    path: "deals",
    type_id: "0-3",
    modified: "hs_lastmodifieddate",
    write_scope: "crm.objects.deals.write",
    schema_scope: "crm.schemas.deals.write",
    property_group: "dealinformation",
    usual: &[
        "dealname",
        "dealstage",
        "pipeline",
        "amount",
        "deal_currency_code",
        "closedate",
        "createdate",
        "hubspot_owner_id",
        "closed_lost_reason",
        "dealtype",
    ],
};

/// The object of a resource; none for those that are not objects.
pub(super) const fn object(resource: Resource) -> Option<Object> {
    match resource {
        Resource::Company => Some(COMPANY),
        Resource::Contact => Some(CONTACT),
        Resource::Deal => Some(DEAL),
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel | Resource::Order => None,
    }
}

impl Object {
    /// The properties to ask for: those wanted, or the usual ones, and always the time of change.
    pub(super) fn properties<'a>(&self, wanted: &'a [String]) -> Vec<&'a str> {
        let mut names: Vec<&str> = if wanted.is_empty() {
            self.usual.to_vec()
        } else {
            wanted.iter().map(String::as_str).collect()
        };
        names.push(self.modified);
        names.sort_unstable();
        names.dedup();
        names
    }
}
