//! Both sides changed the same field to different values: what each of them says, and who won.
//!
//! Invariant: of one field of one row there is at most one open conflict with a connection. Which side wins is the connection's policy; a policy of
//! asking leaves it open until a person decides, or until both sides say the same again. Of contacts the values are never kept, for they are
//! personal.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::connection::mapping::ConflictPolicy;
use crate::error::{Error, Result, ViolationCode};
use crate::event::{EventKind, NewEvent};
use crate::id::{
    ConnectionId, ContactId, CustomerId, DealId, PartnerId, SyncConflictId, TypedId as _,
};
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible, nothing};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::DbBackend;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Condition, ExprTrait as _};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Whether somebody has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConflictStatus {
    /// A person has to decide.
    Open,
    /// It is decided.
    Resolved,
}

/// A side of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Side {
    /// Ours.
    Ours,
    /// The vendor's.
    Theirs,
}

/// A conflict.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_conflict")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncConflictId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub connection_id: ConnectionId,
    /// The neutral resource of the vendor's record.
    pub resource: String,
    pub external_id: String,
    /// The kind of our row: an id prefix.
    pub subject_kind: String,
    pub subject_id: Uuid,
    /// Our field.
    pub field: String,
    /// Our value when the conflict was seen; `{"redacted": true}` for a contact's.
    pub ours: Json,
    /// The vendor's value then; likewise.
    pub theirs: Json,
    /// The policy that was applied: `OURS`, `THEIRS`, `NEWEST`, `ASK`.
    pub policy: String,
    pub status: ConflictStatus,
    pub winner: Option<Side>,
    /// Who decided: a token's subject, [`BY_POLICY`], or [`BY_AGREEMENT`].
    pub resolved_by: Option<String>,
    pub resolved_at: Option<Timestamp>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// `resolved_by` of a conflict that the connection's policy decided.
pub const BY_POLICY: &str = "policy";
/// `resolved_by` of an open conflict that ended because both sides say the same again.
pub const BY_AGREEMENT: &str = "agreement";

/// The text of a policy as rows keep it.
#[must_use]
pub const fn policy_name(policy: ConflictPolicy) -> &'static str {
    match policy {
        ConflictPolicy::Ours => "OURS",
        ConflictPolicy::Theirs => "THEIRS",
        ConflictPolicy::Newest => "NEWEST",
        ConflictPolicy::Ask => "ASK",
    }
}

impl Model {
    /// The conflict, decided.
    #[must_use]
    pub fn decided(self, winner: Side, by: &str, now: Timestamp) -> Self {
        Self {
            status: ConflictStatus::Resolved,
            winner: Some(winner),
            resolved_by: Some(by.to_owned()),
            resolved_at: Some(now),
            ..self
        }
    }

    /// The event that says that it was decided, about the row it concerns.
    #[must_use]
    pub fn decision(&self) -> NewEvent {
        let kind = EventKind::SyncConflictResolved;
        let data = json!({
            "conflict": self.id, "field": self.field, "winner": self.winner, "by": self.resolved_by,
        });
        let event = match self.subject_kind.as_str() {
            PartnerId::PREFIX => NewEvent::about(kind, PartnerId(self.subject_id), data),
            CustomerId::PREFIX => NewEvent::about(kind, CustomerId(self.subject_id), data),
            ContactId::PREFIX => NewEvent::about(kind, ContactId(self.subject_id), data),
            DealId::PREFIX => NewEvent::about(kind, DealId(self.subject_id), data),
            _ => NewEvent::about(kind, self.id, data),
        };
        event.internal()
    }
}

/// The open conflicts of a connection on these rows of ours.
///
/// # Errors
/// When the database fails.
pub async fn find_open(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    subjects: &[Uuid],
) -> Result<Vec<Model>> {
    let mut found = Vec::new();
    for chunk in subjects.chunks(500) {
        let subject = Expr::col((Entity, Column::SubjectId));
        // One array, so that every number of rows is the same prepared statement.
        let among = if connection.get_database_backend() == DbBackend::Postgres {
            subject.eq(PgFunc::any(chunk.to_vec()))
        } else {
            subject.is_in(chunk.iter().copied())
        };
        let select = Entity::visible_to(&Viewer::system("sync_conflict"))
            .filter(Column::ConnectionId.eq(connection_id))
            .filter(Column::Status.eq(ConflictStatus::Open))
            .filter(among);
        found.extend(select.all(connection).await?);
    }
    Ok(found)
}

/// Which fields of these rows of ours have an open conflict with a connection: nothing is sent of those.
///
/// # Errors
/// When the database fails.
pub async fn open_fields(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    subjects: &[Uuid],
) -> Result<HashMap<Uuid, BTreeSet<String>>> {
    let mut fields: HashMap<Uuid, BTreeSet<String>> = HashMap::new();
    for row in find_open(connection, connection_id, subjects).await? {
        fields.entry(row.subject_id).or_default().insert(row.field);
    }
    Ok(fields)
}

/// Writes new conflicts.
///
/// # Errors
/// When the database fails, as when a field has an open one already.
pub async fn insert(change: &Change, rows: &[Model]) -> Result<()> {
    crate::write::insert::<Entity>(change, rows).await
}

/// Writes a known conflict back under the version that was read, and answers it as it stands now.
///
/// # Errors
/// When it has changed meanwhile, or the database fails.
pub async fn update(change: &Change, row: Model) -> Result<Model> {
    let seen = row.version;
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(seen + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(change.now()),
        connection_id: Unchanged(row.connection_id),
        resource: Unchanged(row.resource),
        external_id: Set(row.external_id),
        subject_kind: Unchanged(row.subject_kind),
        subject_id: Unchanged(row.subject_id),
        field: Unchanged(row.field),
        ours: Set(row.ours),
        theirs: Set(row.theirs),
        policy: Set(row.policy),
        status: Set(row.status),
        winner: Set(row.winner),
        resolved_by: Set(row.resolved_by),
        resolved_at: Set(row.resolved_at),
    };
    crate::write::update(change, active, seen).await
}

/// Decides an open conflict in the name of the change's author. What the decision means for the row and for the vendor is the caller's to
/// bring about in the same change.
///
/// # Errors
/// When it is decided already, has changed since it was read, or the database fails.
pub async fn resolve(change: &mut Change, row: Model, winner: Side) -> Result<Model> {
    if row.status != ConflictStatus::Open {
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "id",
            "The conflict is resolved already.",
        ));
    }
    let by = change.author().actor.clone();
    let resolved = update(change, row.decided(winner, &by, change.now())).await?;
    change.record(resolved.decision());
    Ok(resolved)
}
