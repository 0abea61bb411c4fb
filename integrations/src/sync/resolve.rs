//! A person decides a conflict.
//!
//! Owns: what a decision means. Ours wins: the row stays and is sent. Theirs wins: the row takes what the vendor is known to hold. Refuses: a
//! decision that our own rules do not let stand; then the conflict stays open. Invariant: the decision, what it changes and what it sends are
//! one transaction.

use super::apply::{self, NOT_TAKEN, REFUSED_HERE, Scope, Source, Wanted};
use super::error::Result;
use super::map::References;
use super::run::Engine;
use crate::record::Resource;
use entities::change::{Author, Change, Origin};
use entities::connection::{self, mapping::PushMode};
use entities::error::{Error as EntityError, ViolationCode};
use entities::external_link;
use entities::id::{ContactId, CustomerId, DealId, PartnerId, SyncConflictId, TypedId as _};
use entities::outbound_push::{self, NewPush};
use entities::sync_conflict::{self, Model, Side};
use entities::sync_run::Findings;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::BTreeSet;

impl Engine {
    /// Decides an open conflict in the name of a person.
    ///
    /// # Errors
    /// Violations when there is no such conflict, it has changed since the caller saw it, is decided already, or our own rules refuse the vendor's
    /// value; or a fault of the database.
    pub async fn resolve_conflict(
        &self,
        id: SyncConflictId,
        winner: Side,
        expected_version: Option<i64>,
        author: Author,
    ) -> Result<Model> {
        let system = Viewer::system("sync");
        let found =
            visible::find_one::<sync_conflict::Entity, _>(self.database().read(), &system, id.0)
                .await?;
        let connection_id = found
            .ok_or_else(|| EntityError::not_found("id"))?
            .connection_id;
        // What is taken from the vendor is its change, by whomever it was chosen: it comes under the rules that an outside system has, and is
        // not sent back to where it came from.
        let author = match winner {
            Side::Ours => author,
            Side::Theirs => Author {
                origin: Origin::Sync,
                connection: Some(connection_id),
                ..author
            },
        };
        let mut change = Change::begin(self.database(), author).await?;
        // In the order in which applying locks: the connection first, then the rest.
        let connection =
            visible::lock_one::<connection::Entity>(&change, &system, connection_id.0, None)
                .await?;
        let row =
            visible::lock_one::<sync_conflict::Entity>(&change, &system, id.0, expected_version)
                .await?;
        let resource = Resource::parse(&row.resource)
            .ok_or_else(|| EntityError::Damaged(format!("a resource named {:?}", row.resource)))?;
        if row.status == sync_conflict::ConflictStatus::Open {
            match winner {
                Side::Ours => send(&change, &connection, resource, &row).await?,
                Side::Theirs => take(&mut change, &connection, resource, &row).await?,
            }
        }
        let resolved = sync_conflict::resolve(&mut change, row, winner).await?;
        change.commit().await?;
        self.database().wake().wake();
        Ok(resolved)
    }
}

/// Asks for our value to be sent.
async fn send(
    change: &Change,
    connection: &connection::Model,
    resource: Resource,
    row: &Model,
) -> Result<()> {
    let policy = apply::policy_of(&connection.mapping, resource);
    let kinds = [
        PartnerId::PREFIX,
        CustomerId::PREFIX,
        ContactId::PREFIX,
        DealId::PREFIX,
    ];
    let kind = kinds.into_iter().find(|kind| *kind == row.subject_kind);
    if let Some(subject_kind) = kind.filter(|_| policy.push != PushMode::Off) {
        let push = NewPush {
            connection_id: connection.id,
            subject_kind,
            subject_id: row.subject_id,
            resource: resource.as_str(),
        };
        outbound_push::raise(change, vec![push]).await?;
    }
    Ok(())
}

/// Takes the vendor's value, as the shadow keeps it.
async fn take(
    change: &mut Change,
    connection: &connection::Model,
    resource: Resource,
    row: &Model,
) -> Result<()> {
    // By the row, not by the record: it may have gone into another one since.
    let links = external_link::find_subjects(
        change.transaction(),
        connection.id,
        resource.as_str(),
        &[row.subject_id],
    )
    .await?;
    let link = links.into_iter().max_by_key(|link| {
        let named = link.external_id == row.external_id;
        (!link.archived, named)
    });
    let link = link.ok_or_else(|| {
        EntityError::invalid(
            ViolationCode::NotFound,
            "winner",
            "The vendor's record is no longer tied to the row, so there is nothing to take.",
        )
    })?;
    let references = References::load(change.transaction(), connection).await?;
    let scope = Scope {
        connection,
        references: &references,
        wanted: &Wanted::default(),
        source: Source::Direct,
        read_at: None,
    };
    let mut found = Findings::default();
    let fields = chosen(&row.field);
    apply::take(change, &scope, resource, (link, fields), &mut found).await?;
    let refusal = found
        .issues
        .into_iter()
        .find(|issue| [NOT_TAKEN, REFUSED_HERE].contains(&issue.code.as_str()));
    match refusal {
        Some(issue) => {
            Err(EntityError::invalid(ViolationCode::Invalid, "winner", issue.message).into())
        }
        None => Ok(()),
    }
}

/// The fields that a choice is about: with a stage comes the date that belongs to it.
fn chosen(field: &str) -> BTreeSet<String> {
    let fields: &[&str] = match field {
        "stage" => &["stage", "expectedCloseOn", "closedAt"],
        other => &[other],
    };
    fields.iter().map(|field| (*field).to_owned()).collect()
}
