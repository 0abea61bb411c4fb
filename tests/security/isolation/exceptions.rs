//! What the matrix does not hold, by name. The list may only shrink: [`AT_MOST`] is its length, and is lowered with it; a field that is added to the
//! schema has a row in the world of this suite, or fails.

use crate::contract::Contract;
use std::collections::BTreeSet;

/// Fields of the root that need no scope, because they answer nothing the token may not read anyway.
pub const FREE: [&str; 3] = ["Query.node", "Query.nodes", "Query.viewer"];

/// Fields below the root that answer null, instead of being refused, without a scope.
pub const NULL_WITHOUT: [(&str, &str); 1] = [("Viewer.partner", "partners:read")];

/// Who objects to what a ledger says: everybody who reads it and changes anything at all.
const OBJECTORS: &[&str] = &[
    "integration",
    "partner PARTNER_ADMIN",
    "partner PARTNER_FINANCE",
    "partner PARTNER_MANAGER",
    "partner PARTNER_SOFTWARE",
    "staff ADMIN",
    "staff FINANCE",
    "staff PARTNER_MANAGER",
];

/// Who reads the audit trail.
const AUDITORS: &[&str] = &["staff ADMIN", "staff AUDITOR"];

/// Fields whose guard says more than a scope: the roles that may call them, among those that have the scope.
pub const NARROWER: [(&str, &[&str]); 3] = [
    ("Query.auditTrail", AUDITORS),
    ("Mutation.disputeLedgerEntry", OBJECTORS),
    ("Mutation.withdrawLedgerDispute", OBJECTORS),
];

/// Fields of whose type no value is made in the world of this suite. All are the programme's own business, behind a scope that no partner's
/// role has.
pub const UNSEEN: [&str; 7] = [
    "MappingExample.after",
    "MappingExample.before",
    "MappingExample.externalId",
    "MappingExample.field",
    "MappingKeptOut.code",
    "MappingKeptOut.message",
    "MappingKeptOut.records",
];

/// Fields that a partner reads, and that are empty in all its rows here: the rate of what was agreed stands in its revenue share, so that only rules, which
/// are internal, have one there.
pub const EMPTY: [&str; 1] = ["EarningTerms.rateBp"];

/// Arguments whose bare sample a field refuses outright, before it looks at any row: the code of the refusal.
pub const REFUSED_SAMPLES: [(&str, &str); 0] = [];

/// How many exceptions there are. Raising this needs a better reason than a red test.
const AT_MOST: usize = 15;

#[test]
fn the_exceptions_only_shrink() {
    let names: Vec<&str> = FREE
        .into_iter()
        .chain(NULL_WITHOUT.map(|(field, _)| field))
        .chain(NARROWER.map(|(field, _)| field))
        .chain(UNSEEN)
        .chain(EMPTY)
        .chain(REFUSED_SAMPLES.map(|(field, _)| field))
        .collect();
    assert_eq!(
        names.len(),
        AT_MOST,
        "an exception more needs a reason; one less, a lower number"
    );
    let contract = Contract::published();
    for name in &names {
        let (of, field) = name.split_once('.').unwrap();
        assert!(
            contract.field(of, field).is_some(),
            "{name} is no field any more: take it from the list"
        );
    }
    for list in [&UNSEEN[..], &EMPTY[..]] {
        let once: BTreeSet<&&str> = list.iter().collect();
        assert_eq!(once.len(), list.len(), "named twice");
    }
}
