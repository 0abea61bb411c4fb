//! What Shopify offers us.
//!
//! Owns: resources, scopes, budgets, and the documents of each kind of record. Refuses: guesses: each line is from Shopify's schema or
//! documentation. Invariant: the order of resources is the order of a first sync, so that most links find their other end.

use super::{API_VERSION, ID, documents, scopes};
use crate::{
    connector::{Category, Descriptor, Lane, RateLimit, ResourceDescriptor, SiteHint, TokenHeader},
    record::Resource,
};
use std::time::Duration;

/// The most records in one page. Shopify allows more, but a page may ask for at most a thousand points.
pub(super) const PAGE: u32 = 50;

pub(super) fn descriptor() -> Descriptor {
    let record = |object: &Object| ResourceDescriptor {
        resource: object.resource,
        delta: true,
        // Shopify lists nothing of what was deleted: that shows in webhooks and when a shop is reconciled.
        archived: false,
        fetch: true,
        links: object.links,
        page_size: PAGE,
        push_scope: object.write_scope,
    };
    Descriptor {
        id: ID,
        name: "Shopify",
        category: Category::Commerce,
        api_version: API_VERSION,
        resources: OBJECTS.iter().map(record).collect(),
        required_scopes: scopes::REQUIRED.to_vec(),
        optional_scopes: scopes::OPTIONAL.to_vec(),
        // In points: the bucket of the smallest plan, which fills again by a hundred a second.
        limits: vec![RateLimit {
            lane: Lane::Standard,
            requests: 2_000,
            per: Duration::from_secs(10),
            burst: Some(1_000),
        }],
        limit_headers: None,
        site: Some(SiteHint {
            label: "shop",
            example: "your-shop.myshopify.com",
        }),
        token_header: TokenHeader::Named("x-shopify-access-token"),
    }
}

/// One of the three kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) resource: Resource,
    /// Its type, which is also the kind in its global ids.
    pub(super) kind: &'static str,
    /// The list of all.
    pub(super) connection: &'static str,
    /// What is read of one.
    pub(super) fields: &'static str,
    /// Asks for a page.
    pub(super) page: &'static str,
    /// Asks for some by id.
    pub(super) by_id: &'static str,
    /// Asks how many there are.
    pub(super) count: &'static str,
    pub(super) links: &'static [Resource],
    /// The owner type of its metafields' definitions.
    pub(super) owner: &'static str,
    /// Its page in the admin.
    pub(super) admin: &'static str,
    /// The scope that writing it takes; none when it is only read.
    pub(super) write_scope: Option<&'static str>,
    /// About how many points one of them costs by itself.
    pub(super) points: u32,
}

const COMPANY: Object = Object {
    resource: Resource::Company,
    kind: "Company",
    connection: "companies",
    fields: documents::COMPANY_FIELDS,
    page: documents::COMPANIES_PAGE,
    by_id: documents::COMPANIES_BY_ID,
    count: documents::COMPANIES_COUNT,
    links: &[],
    owner: "COMPANY",
    admin: "companies",
    write_scope: Some(scopes::WRITE_COMPANIES),
    points: 1,
};

const CUSTOMER: Object = Object {
    resource: Resource::Contact,
    kind: "Customer",
    connection: "customers",
    fields: documents::CUSTOMER_FIELDS,
    page: documents::CUSTOMERS_PAGE,
    by_id: documents::CUSTOMERS_BY_ID,
    count: documents::CUSTOMERS_COUNT,
    links: &[Resource::Company],
    owner: "CUSTOMER",
    admin: "customers",
    write_scope: Some(scopes::WRITE_CUSTOMERS),
    points: 6,
};

const ORDER: Object = Object {
    resource: Resource::Order,
    kind: "Order",
    connection: "orders",
    fields: documents::ORDER_FIELDS,
    page: documents::ORDERS_PAGE,
    by_id: documents::ORDERS_BY_ID,
    count: documents::ORDERS_COUNT,
    links: &[Resource::Company, Resource::Contact],
    owner: "ORDER",
    admin: "orders",
    write_scope: None,
    points: 15,
};

const OBJECTS: [Object; 3] = [COMPANY, CUSTOMER, ORDER];

/// The kind of record of a resource; none for those Shopify does not have.
pub(super) fn object(resource: Resource) -> Option<&'static Object> {
    const ALL: &[Object] = &OBJECTS;
    ALL.iter().find(|object| object.resource == resource)
}

#[cfg(test)]
pub(super) const EACH: &[Object] = &OBJECTS;
