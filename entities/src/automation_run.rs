//! What an automation did about one event, or why it did nothing: its work while it waits, its log afterwards.
//!
//! Owns the rows and their states. Invariants: of one event there is one run of an automation; what may have been posted is noted before it is
//! (`sent_at`), so that whoever comes next looks before it is posted again.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::{AutomationId, AutomationRunId, EventId};
pub use crate::queue::outbox::Claiming;
use crate::queue::outbox::{self, Errand, Outbox};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use uuid::Uuid;

text_enum! {
    /// How far a run is.
    RunState {
        /// It will be tried, or tried again.
        Pending,
        /// It did what it is for.
        Done,
        /// There was nothing to be done, and it says why.
        Skipped,
        /// It was given up.
        Failed,
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "automation_run")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AutomationRunId,
    pub created_at: Timestamp,
    pub automation_id: AutomationId,
    pub event_id: EventId,
    /// The event type.
    pub kind: String,
    pub state: RunState,
    /// When something left and its outcome was not known.
    pub sent_at: Option<Timestamp>,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub settled_at: Option<Timestamp>,
    /// Why it was skipped or failed, or what it has done.
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

impl Outbox for Entity {
    const TABLE: &'static str = "automation_run";
    const GIVEN_UP: &'static str = "FAILED";
}

impl Errand for Model {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn fence(&self) -> i64 {
        self.fence
    }
    fn attempts(&self) -> i32 {
        self.attempts
    }
}

/// A run to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Of which automation.
    pub automation_id: AutomationId,
    /// About which event.
    pub event_id: EventId,
    /// The event type.
    pub kind: String,
    /// Why nothing is done; none where something is.
    pub skipped: Option<&'static str>,
}

const WRITTEN: [write::Column; 11] = [
    write::Column::plain("id"),
    write::Column::plain("created_at"),
    write::Column::plain("automation_id"),
    write::Column::plain("event_id"),
    write::Column::plain("kind"),
    write::Column::plain("state"),
    write::Column::plain("attempts"),
    write::Column::plain("available_at"),
    write::Column::plain("fence"),
    write::Column::plain("settled_at"),
    write::Column::plain("error"),
];

/// Makes runs, due at once. What an automation has a run of already gets no other.
///
/// # Errors
/// When the database fails.
pub async fn raise(change: &Change, new: &[NewRun]) -> Result<()> {
    let now = change.now();
    let values = new.iter().map(|new| {
        let id: AutomationRunId = change.new_id();
        let state = match new.skipped {
            Some(_) => RunState::Skipped,
            None => RunState::Pending,
        };
        Ok([
            id.into(),
            now.into(),
            new.automation_id.into(),
            new.event_id.into(),
            new.kind.as_str().into(),
            state.into(),
            0_i32.into(),
            now.into(),
            0_i64.into(),
            new.skipped.map(|_| now).into(),
            new.skipped.into(),
        ])
    });
    let known = " ON CONFLICT DO NOTHING";
    write::insert_values(
        change.transaction(),
        "automation_run",
        &WRITTEN,
        values,
        known,
    )
    .await
}

/// How often an automation acted or will act since an instant.
///
/// # Errors
/// When the database fails.
pub async fn count_since(
    connection: &impl ConnectionTrait,
    automation: AutomationId,
    since: Timestamp,
) -> Result<u64> {
    let select = Entity::visible_to(&Viewer::system("automation_run"))
        .filter(Column::AutomationId.eq(automation))
        .filter(Column::CreatedAt.gt(since))
        .filter(Column::State.ne(RunState::Skipped));
    Ok(select.count(connection).await?)
}

/// Claims due runs, those that have waited longest first.
///
/// # Errors
/// When the database fails.
pub async fn claim(database: &Database, claiming: Claiming) -> Result<Vec<Model>> {
    outbox::claim::<Entity>(database, claiming).await
}

/// Ends a claimed run. The answer says whether it was still the claimer's; otherwise nothing is written.
///
/// # Errors
/// When the database fails.
pub async fn settle(
    change: &Change,
    row: &Model,
    state: RunState,
    why: Option<&str>,
) -> Result<bool> {
    let (connection, now) = (change.transaction(), change.now());
    outbox::settle::<Entity>(connection, row, state, why, now).await
}

/// Gives a claimed run back, due at an instant; `counted` says whether the attempt was one.
///
/// # Errors
/// When the database fails.
pub async fn release(
    connection: &impl ConnectionTrait,
    row: &Model,
    available_at: Timestamp,
    error: Option<&str>,
    counted: bool,
) -> Result<bool> {
    outbox::release::<Entity>(connection, row, available_at, error, counted).await
}

/// Notes that a message is about to leave, or that it certainly did not. The answer says whether the run is still the claimer's.
///
/// # Errors
/// When the database fails.
pub async fn note_sent(
    connection: &impl ConnectionTrait,
    row: &Model,
    at: Option<Timestamp>,
) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::SentAt, Expr::value(at))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Fence.eq(row.fence))
        .exec(connection)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Lets a run that failed be tried again with all its attempts. Whoever asks for it has looked whether an uncertain message is there: it is posted
/// without looking. The answer says whether there was such a run.
///
/// # Errors
/// When the database fails.
pub async fn retry(change: &Change, id: AutomationRunId) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(RunState::Pending))
        .col_expr(Column::Attempts, Expr::value(0_i32))
        .col_expr(Column::AvailableAt, Expr::value(change.now()))
        .col_expr(Column::SettledAt, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::SentAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(RunState::Failed))
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Throws away everything of an automation.
///
/// # Errors
/// When the database fails.
pub async fn forget(change: &Change, automation: AutomationId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::AutomationId.eq(automation))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Takes every lease away. Only for a caller that knows no other process works on this database.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    outbox::break_leases::<Entity>(database).await
}

/// Throws away what was settled before an instant, at most so many. The answer is how many there were.
///
/// # Errors
/// When the database fails.
pub async fn prune(database: &Database, before: Timestamp, limit: u64) -> Result<u64> {
    outbox::prune::<Entity>(database, before, limit).await
}
