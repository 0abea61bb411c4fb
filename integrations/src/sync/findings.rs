//! What a run finds, counted while records are applied.
//!
//! Owns: adding to [`Findings`]. Refuses: to grow without bound: the first issues are kept in full, the rest are counted. Invariant: every
//! record that was read is counted under exactly one of created, updated, unchanged, archived and kept out.

use crate::record::{MalformedRecord, Resource};
use crate::sync::merge::Flag;
use entities::sync_run::{Counts, Findings, Issue};

/// The code of a record that could not be read.
pub(super) const MALFORMED: &str = "MALFORMED_RECORD";
/// Longest text an issue keeps.
const MAX_MESSAGE: usize = 300;

/// A vendor's text as a report can hold it: short, and without what a database may refuse.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_MESSAGE)
        .collect()
}

/// The numbers of a resource.
pub(super) fn counts(findings: &mut Findings, resource: Resource) -> &mut Counts {
    findings
        .counts
        .entry(resource.as_str().to_owned())
        .or_default()
}

/// Notes an issue.
pub(super) fn issue(
    findings: &mut Findings,
    resource: Resource,
    external_id: Option<&str>,
    field: Option<&str>,
    code: &str,
    message: &str,
) {
    findings.issue_count += 1;
    if findings.issues.len() >= Findings::MAX_ISSUES {
        return;
    }
    findings.issues.push(Issue {
        resource: resource.as_str().to_owned(),
        external_id: external_id.map(plain),
        field: field.map(plain),
        code: code.to_owned(),
        message: plain(message),
    });
}

/// Counts records that could not be read.
pub(super) fn malformed(findings: &mut Findings, resource: Resource, records: &[MalformedRecord]) {
    for bad in records {
        issue(
            findings,
            resource,
            bad.external_id.as_deref(),
            None,
            MALFORMED,
            &bad.reason,
        );
    }
    let read = records.len() as u64;
    let counts = counts(findings, resource);
    counts.read += read;
    counts.kept_out += read;
}

/// Notes a flagged value.
pub(super) fn flagged(findings: &mut Findings, resource: Resource, external_id: &str, flag: &Flag) {
    issue(
        findings,
        resource,
        Some(external_id),
        Some(&flag.property),
        flag.code,
        &flag.message,
    );
}

/// Counts a property, or another part of a record, that the mapping has no field for.
pub(super) fn unmapped(findings: &mut Findings, resource: Resource, part: &str) {
    *findings
        .unmapped
        .entry(format!("{}.{}", resource.as_str(), plain(part)))
        .or_default() += 1;
}
