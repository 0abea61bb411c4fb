//! What sources share: putting records, links and owners into a portal that nobody uses yet.

use super::inner::Inner;
use super::kind::Kind;
use super::links::{DEAL_TO_COMPANY, DEAL_TO_PARTNER, DEAL_TO_PRIMARY_COMPANY, Link, LinkType};
use super::record::{Properties, Record};

/// Adds a record as it stands; absent and empty values are left out.
pub(crate) fn add(
    inner: &mut Inner,
    kind: Kind,
    created_at: i64,
    updated_at: i64,
    properties: &[(&str, &str)],
) -> u64 {
    let id = inner.next_id(kind);
    let mut kept = Properties::with_capacity(properties.len());
    for (name, value) in properties {
        if !value.is_empty() {
            let name = inner.schema.intern(name);
            kept.set(name, value);
        }
    }
    inner.place(kind, Record::new(id, created_at, updated_at, kept));
    id
}

/// Links two records with the given types.
pub(crate) fn link(inner: &mut Inner, from: (Kind, u64), to: (Kind, u64), types: &[LinkType]) {
    for link_type in types {
        inner.link_quietly(Link {
            from_kind: from.0,
            from: from.1,
            to_kind: to.0,
            to: to.1,
            link_type: *link_type,
        });
    }
}

/// A deal's customer: its primary company.
pub(crate) fn link_customer(inner: &mut Inner, deal: u64, company: u64) {
    link(
        inner,
        (Kind::Deals, deal),
        (Kind::Companies, company),
        &[DEAL_TO_COMPANY, DEAL_TO_PRIMARY_COMPANY],
    );
}

/// A deal's partner: a labelled company. The unlabelled link stands beside the label, as at the vendor.
pub(crate) fn link_partner(inner: &mut Inner, deal: u64, company: u64) {
    link(
        inner,
        (Kind::Deals, deal),
        (Kind::Companies, company),
        &[DEAL_TO_COMPANY, DEAL_TO_PARTNER],
    );
}
