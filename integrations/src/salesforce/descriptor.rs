//! What Salesforce offers us.
//!
//! Owns: resources, scopes, budgets and the names of objects. Refuses: guesses: each line is from Salesforce's documentation. Invariant: the order of
//! resources is the order of a first sync, so that most links find their other end.
//!
//! Salesforce counts calls by the day and not by the second, and a customer's other software spends the same quota. Our own pace is therefore a
//! courtesy; what holds is the usage told with every answer.

use super::{API_VERSION, ID, limits};
use crate::{
    connector::{
        Category, Descriptor, Lane, LimitHeaders, RateLimit, ResourceDescriptor, SiteHint,
        TokenHeader,
    },
    record::Resource,
};
use std::time::Duration;

/// The most records of one page of a query.
pub(super) const PAGE: usize = 2_000;
/// The most records of one collection.
pub(super) const COLLECTION: usize = 200;
/// From this share of the customer's quota on, only what a person waits for is asked.
const STOP_AT_PERCENT: u32 = 80;

/// The scope that lets us call the API at all.
pub(super) const API_SCOPE: &str = "api";
/// The scope that brings a refresh token.
pub(super) const REFRESH_SCOPE: &str = "refresh_token";

pub(super) fn descriptor() -> Descriptor {
    let record = |resource, links| ResourceDescriptor {
        resource,
        delta: true,
        archived: true,
        fetch: true,
        links,
        page_size: 2_000,
        // Who may write what is a matter of the person's profile, not of scopes.
        push_scope: Some(API_SCOPE),
    };
    let metadata = |resource, delta, fetch| ResourceDescriptor {
        resource,
        delta,
        archived: false,
        fetch,
        links: &[],
        page_size: 2_000,
        push_scope: None,
    };
    Descriptor {
        id: ID,
        name: "Salesforce",
        category: Category::Crm,
        api_version: API_VERSION,
        resources: vec![
            // Users are never deleted, only switched off.
            metadata(Resource::Owner, true, true),
            metadata(Resource::Pipeline, false, true),
            metadata(Resource::AssociationLabel, false, false),
            record(Resource::Company, &[]),
            record(Resource::Contact, &[Resource::Company]),
            record(Resource::Deal, &[Resource::Company]),
        ],
        required_scopes: vec![API_SCOPE, REFRESH_SCOPE],
        optional_scopes: Vec::new(),
        limits: vec![RateLimit {
            lane: Lane::Standard,
            requests: 200,
            per: Duration::from_secs(10),
            burst: None,
        }],
        limit_headers: Some(LimitHeaders::Usage {
            header: limits::USAGE_HEADER,
            read: limits::usage,
            stop_at_percent: STOP_AT_PERCENT,
        }),
        site: Some(SiteHint {
            label: "My Domain address",
            example: "acme.my.salesforce.com",
        }),
        token_header: TokenHeader::Bearer,
    }
}

/// One of the objects whose records are read in walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) resource: Resource,
    /// Its name in queries and paths.
    pub(super) name: &'static str,
    /// What is asked for when nothing in particular is wanted.
    pub(super) usual: &'static [&'static str],
    /// What is asked for in any case, where the account has it, because the record is made of it.
    pub(super) always: &'static [&'static str],
    /// Whether its records can become one, and the loser then names the winner.
    pub(super) merges: bool,
}

const USER: Object = Object {
    resource: Resource::Owner,
    name: "User",
    usual: &["Name", "Email"],
    always: &["Name", "Email", "IsActive"],
    merges: false,
};

const ACCOUNT: Object = Object {
    resource: Resource::Company,
    name: "Account",
    usual: &[
        "Name",
        "Website",
        "BillingCountry",
        "Industry",
        "NumberOfEmployees",
        "Type",
        "Description",
        "Phone",
        "OwnerId",
        "CreatedDate",
    ],
    always: &[],
    merges: true,
};

const CONTACT: Object = Object {
    resource: Resource::Contact,
    name: "Contact",
    usual: &[
        "FirstName",
        "LastName",
        "Email",
        "Phone",
        "Title",
        "OwnerId",
        "CreatedDate",
    ],
    always: &["AccountId"],
    merges: true,
};

const OPPORTUNITY: Object = Object {
    resource: Resource::Deal,
    name: "Opportunity",
    usual: &[
        "Name",
        "StageName",
        "Amount",
        "CurrencyIsoCode",
        "CloseDate",
        "OwnerId",
        "Type",
        "LeadSource",
        "CreatedDate",
    ],
    always: &["AccountId", "PartnerAccountId"],
    merges: false,
};

/// The object of a resource; none for those that have no records of their own.
pub(super) const fn object(resource: Resource) -> Option<Object> {
    match resource {
        Resource::Owner => Some(USER),
        Resource::Company => Some(ACCOUNT),
        Resource::Contact => Some(CONTACT),
        Resource::Deal => Some(OPPORTUNITY),
        _ => None,
    }
}

/// The object of a name, as a message of Salesforce's names it.
pub(super) fn object_named(name: &str) -> Option<Object> {
    [USER, ACCOUNT, CONTACT, OPPORTUNITY]
        .into_iter()
        .find(|object| object.name == name)
}

/// The object that ties partners to a deal.
pub(super) const PARTNERS: &str = "OpportunityPartner";
