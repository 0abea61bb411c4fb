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

/// Fields whose guard says more than a scope: the roles that may call them, among those that have the scope.
pub const NARROWER: [(&str, &[&str]); 2] = [
    ("Mutation.disputeLedgerEntry", OBJECTORS),
    ("Mutation.withdrawLedgerDispute", OBJECTORS),
];

/// Rows that the world of this suite does not make yet, each for A and for B with a mark in every text: the matrix does not ask for them. Their scopes,
/// their guards, the filters of their tables and every mutation are held all the same, and so is what the older suites (`scopes`, `visibility`) see of them.
pub const NOT_MADE: [&str; 28] = [
    "Accrual",
    "AccrualSum",
    "Agreement",
    "AgreementSignature",
    "AgreementVersion",
    "CommissionDifference",
    "CommissionRule",
    "CommitmentYear",
    "DealRegistration",
    "ExclusivityOverlap",
    "IdentityProvider",
    "LedgerBalance",
    "LedgerDispute",
    "LedgerEntry",
    "LedgerExplanation",
    "OAuthClient",
    "Obligation",
    "OwnerMapping",
    "Payout",
    "Program",
    "ProgramEnrollment",
    "RegistrationConflict",
    "RegistrationNote",
    "SlaMeasurement",
    "Statement",
    "Tier",
    "TierAssignment",
    "User",
];

/// Fields of the root that answer such rows as plain text, and the audit trail, which two roles of staff read and `tests/security/audit.rs` holds.
pub const NOT_ASKED: [&str; 2] = ["auditTrail", "payoutBatchCsv"];

/// The schema as far as the world has rows for it.
pub fn known() -> Contract {
    Contract::published().without(&NOT_MADE, &NOT_ASKED)
}

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

/// Fields that a partner reads, and that are empty in all its rows here.
pub const EMPTY: [&str; 2] = ["Customer.archivedAt", "Partner.archivedAt"];

/// Arguments whose bare sample a field refuses outright, before it looks at any row: the code of the refusal.
pub const REFUSED_SAMPLES: [(&str, &str); 0] = [];

/// How many exceptions there are. Raising this needs a better reason than a red test.
const AT_MOST: usize = 45;

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
        names.len() + NOT_MADE.len() + NOT_ASKED.len(),
        AT_MOST,
        "an exception more needs a reason; one less, a lower number"
    );
    let contract = Contract::published();
    for ty in NOT_MADE {
        let is_there = !contract.fields(ty).is_empty();
        assert!(is_there, "{ty} is no type any more: take it from the list");
    }
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
