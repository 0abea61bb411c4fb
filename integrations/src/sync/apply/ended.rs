//! Records that end whoever applies them: the mark on their links, and what it keeps from happening again.
//!
//! Owns: the mark. Refuses: to change anything else of a link, so that what was known of the record before stays the base of later merges.
//! Invariant: a marked record is applied by nobody until the vendor shows a later version of it.

use super::Scope;
use crate::record::{Record, Resource};
use crate::sync::error::Result;
use crate::sync::findings;
use entities::change::Change;
use entities::clock::Timestamp;
use entities::external_link::{self, Model, Shadow};
use entities::id::ExternalLinkId;
use entities::sync_run::Findings;

/// The code of the mark.
const NEVER_ENDED: &str = "NEVER_ENDED";

/// What is flagged: the record, and none of its properties. No property has brackets of this kind.
const RECORD: &str = "⟨record⟩";

/// Whether a link is marked.
pub(in crate::sync) fn is_marked(link: &Model) -> bool {
    link.shadow
        .flags
        .get(RECORD)
        .is_some_and(|code| code == NEVER_ENDED)
}

/// The vendor's time of a record's last change.
fn changed_at(record: &Record) -> Option<Timestamp> {
    (record.updated_at_ms > 0).then(|| Timestamp::from_millis(record.updated_at_ms))
}

/// Whether a record is the very version that was marked, or one before it.
pub(super) fn is_kept_from(link: Option<&Model>, record: &Record) -> bool {
    link.is_some_and(|link| is_marked(link) && changed_at(record) <= link.external_updated_at)
}

/// Marks a record, and says so in the run.
pub(in crate::sync) async fn keep_out(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    record: &Record,
    found: &mut Findings,
) -> Result<()> {
    let (id, now) = (record.external_id.as_str(), change.now());
    let of = scope.connection.id;
    let known = external_link::find_all(change.transaction(), of, resource.as_str(), &[id]).await?;
    let before = known.into_iter().next().unwrap_or_else(|| Model {
        id: change.new_id::<ExternalLinkId>(),
        version: 0,
        created_at: now,
        updated_at: now,
        connection_id: of,
        resource: resource.as_str().to_owned(),
        external_id: id.to_owned(),
        subject_kind: None,
        subject_id: None,
        shadow: Shadow::default(),
        external_updated_at: None,
        archived: false,
        held_reason: None,
    });
    let mut marked = Model {
        version: before.version + 1,
        updated_at: now,
        external_updated_at: changed_at(record).max(before.external_updated_at),
        ..before
    };
    let flags = &mut marked.shadow.flags;
    flags.insert(RECORD.to_owned(), NEVER_ENDED.to_owned());
    if marked.subject_id.is_none() {
        marked.held_reason = Some(NEVER_ENDED.to_owned());
    }
    external_link::upsert(change, &[marked]).await?;
    let counts = findings::counts(found, resource);
    counts.read += 1;
    counts.kept_out += 1;
    let message = "Applying this record ended its worker each time, also when it was applied alone. It is kept out until it changes.";
    findings::issue(found, resource, Some(id), None, NEVER_ENDED, message);
    tracing::error!(connection = %of, resource = resource.as_str(), external_id = id, "a record ends its workers and is kept out");
    Ok(())
}
