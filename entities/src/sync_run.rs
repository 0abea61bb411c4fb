//! One run of a synchronisation: what it read, what it changed, what it kept out and why, and what had no field.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::event::{EventKind, NewEvent};
use crate::id::{ConnectionId, SyncRunId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{FromJsonQueryResult, IntoActiveModel as _, QueryOrder as _, QuerySelect as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SyncRunStatus {
    /// Still going.
    Running,
    /// Everything was read.
    Completed,
    /// It stopped; the cursor stands where it stopped.
    Failed,
}

/// Numbers of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Records read from the vendor.
    pub read: u64,
    /// Rows created here.
    pub created: u64,
    /// Rows changed here.
    pub updated: u64,
    /// Records that brought nothing new.
    pub unchanged: u64,
    /// Rows archived here.
    pub archived: u64,
    /// Records kept out.
    pub kept_out: u64,
    /// Records kept with a flagged field.
    pub flagged: u64,
}

impl Counts {
    fn add(&mut self, more: &Self) {
        let Self {
            read,
            created,
            updated,
            unchanged,
            archived,
            kept_out,
            flagged,
        } = more;
        self.read += read;
        self.created += created;
        self.updated += updated;
        self.unchanged += unchanged;
        self.archived += archived;
        self.kept_out += kept_out;
        self.flagged += flagged;
    }
}

/// What a complete walk found that deltas and webhooks should have brought, for one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// Records that had no row here.
    pub missing_here: u64,
    /// Rows that said something else.
    pub different: u64,
    /// Rows whose record was no longer there.
    pub missing_there: u64,
}

impl Drift {
    /// Records that were out of step, in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.missing_here + self.different + self.missing_there
    }

    fn add(&mut self, more: &Self) {
        let Self {
            missing_here,
            different,
            missing_there,
        } = more;
        self.missing_here += missing_here;
        self.different += different;
        self.missing_there += missing_there;
    }
}

/// A record that was kept out, or kept with a field flagged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// The neutral resource.
    pub resource: String,
    /// The vendor's id, where it could be read.
    pub external_id: Option<String>,
    /// The property; absent when the record as a whole is meant.
    pub field: Option<String>,
    /// A stable code: `UNKNOWN_STAGE`, `INVALID_AMOUNT`, `INVALID_CURRENCY`, …
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// What a run found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(default)]
pub struct Findings {
    /// By resource.
    pub counts: BTreeMap<String, Counts>,
    /// The first [`Findings::MAX_ISSUES`] issues.
    pub issues: Vec<Issue>,
    /// How many issues there were in all.
    pub issue_count: u64,
    /// Properties with values that the mapping has no field for: `resource.property` and how many records had one.
    pub unmapped: BTreeMap<String, u64>,
    /// Of a reconciliation: what was out of step, by resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub drift: BTreeMap<String, Drift>,
}

impl Findings {
    /// How many issues a run keeps in full.
    pub const MAX_ISSUES: usize = 200;

    /// Adds what was found besides.
    pub fn add(&mut self, more: &Self) {
        for (resource, counts) in &more.counts {
            self.counts.entry(resource.clone()).or_default().add(counts);
        }
        let room = Self::MAX_ISSUES.saturating_sub(self.issues.len());
        self.issues.extend(more.issues.iter().take(room).cloned());
        self.issue_count += more.issue_count;
        for (part, records) in &more.unmapped {
            *self.unmapped.entry(part.clone()).or_default() += records;
        }
        for (resource, drift) in &more.drift {
            self.drift.entry(resource.clone()).or_default().add(drift);
        }
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_run")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SyncRunId,
    pub connection_id: ConnectionId,
    /// `backfill`, `delta`, `webhook`, [`RECONCILE`].
    pub kind: String,
    pub status: SyncRunStatus,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub findings: Findings,
    pub error: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// The kind of a run that compares everything.
pub const RECONCILE: &str = "reconcile";

/// Finds the reconciliation of a connection that is still going.
///
/// # Errors
/// When the database fails.
pub async fn find_reconciling(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("sync_run"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Status.eq(SyncRunStatus::Running))
        .filter(Column::Kind.eq(RECONCILE))
        .order_by_desc(Column::Id);
    Ok(select.one(connection).await?)
}

/// Finds the run of a connection that is still going; runs of webhooks are never left open, and reconciliations are apart.
///
/// # Errors
/// When the database fails.
pub async fn find_running(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("sync_run"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Status.eq(SyncRunStatus::Running))
        .filter(Column::Kind.ne(RECONCILE))
        .order_by_desc(Column::Id);
    Ok(select.one(connection).await?)
}

/// The run of a connection that began last, if a viewer may see it; none when there is none.
///
/// # Errors
/// When the database fails.
pub async fn latest(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    connection_id: ConnectionId,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(viewer)
        .filter(Column::ConnectionId.eq(connection_id))
        .order_by_desc(Column::Id)
        .limit(1);
    Ok(select.one(connection).await?)
}

/// Begins a run.
///
/// # Errors
/// When the database fails.
pub async fn begin(change: &Change, connection_id: ConnectionId, kind: &str) -> Result<Model> {
    let row = Model {
        id: change.new_id(),
        connection_id,
        kind: kind.to_owned(),
        status: SyncRunStatus::Running,
        started_at: change.now(),
        finished_at: None,
        findings: Findings::default(),
        error: None,
    };
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    Ok(row)
}

/// Finds the run of a connection before another; runs of webhooks, of pushes and reconciliations do not count.
///
/// # Errors
/// When the database fails.
pub async fn find_before(connection: &impl ConnectionTrait, run: &Model) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("sync_run"))
        .filter(Column::ConnectionId.eq(run.connection_id))
        .filter(Column::Kind.is_not_in(["webhook", "push", RECONCILE]))
        .filter(Column::Id.lt(run.id))
        .order_by_desc(Column::Id);
    Ok(select.one(connection).await?)
}

/// Adds to what a run has found, and answers all it has found so far. The change holds the connection's row locked: whoever adds reads what
/// was added before.
///
/// # Errors
/// When the run is not there, or the database fails.
pub async fn note(change: &Change, id: SyncRunId, more: &Findings) -> Result<Findings> {
    let run = Entity::visible_to(&Viewer::system("sync_run"))
        .filter(Column::Id.eq(id))
        .one(change.transaction())
        .await?;
    let mut findings = run
        .ok_or_else(|| Error::Damaged("a run vanished".to_owned()))?
        .findings;
    findings.add(more);
    Entity::update_many()
        .col_expr(Column::Findings, Expr::value(findings.clone()))
        .filter(Column::Id.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(findings)
}

/// Ends a run that is still going; with an error it has failed. The event is written where `tells` is set.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    change: &mut Change,
    run: Model,
    error: Option<String>,
    tells: bool,
) -> Result<Model> {
    let status = if error.is_some() {
        SyncRunStatus::Failed
    } else {
        SyncRunStatus::Completed
    };
    let done = Entity::update_many()
        .col_expr(Column::Status, Expr::value(status))
        .col_expr(Column::FinishedAt, Expr::value(Some(change.now())))
        .col_expr(Column::Error, Expr::value(error.clone()))
        .filter(Column::Id.eq(run.id))
        .filter(Column::Status.eq(SyncRunStatus::Running))
        .exec(change.transaction())
        .await?;
    if done.rows_affected == 1 && tells {
        let kind = if error.is_some() {
            EventKind::SyncFailed
        } else {
            EventKind::SyncCompleted
        };
        let data = json!({ "kind": run.kind, "counts": run.findings.counts, "issues": run.findings.issue_count, "error": error });
        change.record(NewEvent::about(kind, run.id, data).internal());
    }
    Ok(Model {
        status,
        finished_at: Some(change.now()),
        error,
        ..run
    })
}
