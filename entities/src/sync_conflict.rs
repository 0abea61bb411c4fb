//! Both sides changed the same field to different values: what each of them says, and who won.
//!
//! Invariant: of one field of one row there is at most one open conflict with a connection. Which side wins is the connection's policy; a policy of
//! asking leaves it open until a person decides. Of contacts the values are never kept, for they are personal.

use crate::clock::Timestamp;
use crate::id::{ConnectionId, PartnerId, SyncConflictId};
use crate::visible::{Versioned, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
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
    /// Who decided: a token's subject, or `policy`.
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
    fn visible_to_partner(_: PartnerId) -> Condition {
        nothing()
    }
}
