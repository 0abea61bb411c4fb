//! "The vendor may not know what this row of ours says": what our changes boil down to on their way out. One row per connection and row of ours,
//! however many changes there were; a connection that cannot be called keeps its pushes until it can.
//!
//! A push names a row and no values: what is sent is what the row says when it is sent, compared with what the vendor is known to hold. Pushes of one
//! row are therefore in order, and several changes become one call.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::id::ConnectionId;
use crate::queue::{self, Claiming, Place, Queue, Waiting};
pub use crate::queue::{release, settle, still_claimed};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ArrayType, Condition};
use sea_orm::{QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

/// A push.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbound_push")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The kind of our row: an id prefix.
    pub subject_kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    /// The neutral resource it is at the vendor.
    pub resource: String,
    /// Rises with every change of the row; a worker removes the push only if it has not risen meanwhile.
    pub generation: i64,
    pub first_seen_at: Timestamp,
    /// When a creation left for the vendor whose outcome is not known yet.
    pub sent_at: Option<Timestamp>,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub dead: bool,
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

// A new change need not wait for what an older one ran into: a wait that the vendor set is the connection's. One that is worked on keeps its lease.
const AGAIN: &str = "\"resource\" = excluded.\"resource\", \"available_at\" = CASE WHEN \"outbound_push\".\"lease_until\" IS NULL \
     THEN excluded.\"available_at\" ELSE \"outbound_push\".\"available_at\" END";

/// A row of ours that a vendor may not know as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPush {
    /// Whose vendor.
    pub connection_id: ConnectionId,
    /// The kind of our row: an id prefix.
    pub subject_kind: &'static str,
    /// Our row.
    pub subject_id: Uuid,
    /// The neutral resource it is at the vendor.
    pub resource: &'static str,
}

/// Raises pushes: a new one per connection and row of ours, or the next generation of the one that waits. A dead one comes back to life:
/// the row has changed since. When a creation of it left for the vendor stays known.
///
/// # Errors
/// When the database fails.
pub async fn raise(change: &Change, mut pushes: Vec<NewPush>) -> Result<()> {
    // In the order of the key, so that two changes over the same rows cannot wait for each other, and each row once, because one
    // INSERT cannot touch a row twice.
    pushes.sort_by_key(|push| (push.connection_id, push.subject_id));
    pushes.dedup_by_key(|push| (push.connection_id, push.subject_id));
    let rows = pushes.iter().map(|push| {
        Ok([
            push.connection_id.into(),
            push.subject_kind.into(),
            push.subject_id.into(),
            push.resource.into(),
        ])
    });
    let own = ["connection_id", "subject_kind", "subject_id", "resource"];
    let own = own.map(write::Column::plain);
    queue::raise::<Entity, 4>(change, own, rows, AGAIN).await
}

/// Claims pushes of one resource of one connection whose vendor may be called: those that have waited longest. The attempt is
/// counted here. Those that have used up their attempts become dead.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    database: &Database,
    worker: Uuid,
    lease_millis: i64,
    limit: u64,
    max_attempts: i32,
) -> Result<Vec<Model>> {
    let claiming = Claiming {
        worker,
        lease_millis,
        limit,
        max_attempts,
    };
    queue::claim::<Entity>(database, claiming).await
}

/// Makes the pushes to a connection due that were given back with this reason and wait for their time. For a reason that has passed.
///
/// # Errors
/// When the database fails.
pub async fn make_due(change: &Change, connection_id: ConnectionId, reason: &str) -> Result<()> {
    let now = change.now();
    Entity::update_many()
        .col_expr(Column::AvailableAt, Expr::value(now))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::Error.eq(reason))
        .filter(Column::AvailableAt.gt(now))
        .filter(Column::LeaseUntil.is_null())
        .filter(Column::Dead.eq(false))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Notes durably that the creations these pushes ask for are about to leave for the vendor. Only after this may they be sent: whoever
/// finds the note and no link must look for the record before creating it.
///
/// # Errors
/// [`Error::LeaseLost`] when one of them is another worker's by now; then none is noted, and none may be sent. Or a fault of the database.
pub async fn mark_sent(database: &Database, claimed: &[Model]) -> Result<()> {
    let transaction = database.begin().await?;
    let noted =
        queue::note::<Entity>(&transaction, claimed, Column::SentAt, Some(database.now())).await?;
    if noted != claimed.len() {
        transaction.rollback().await?;
        return Err(Error::LeaseLost);
    }
    transaction.commit().await?;
    Ok(())
}

/// Takes the note back from the claimed pushes that are still ours, because the vendor is known not to have created anything for them.
///
/// # Errors
/// When the database fails.
pub async fn clear_sent(connection: &impl ConnectionTrait, claimed: &[Model]) -> Result<()> {
    let nothing = Option::<Timestamp>::None;
    queue::note::<Entity>(connection, claimed, Column::SentAt, nothing).await?;
    Ok(())
}

/// Takes every lease away. Only for a caller that knows no other process works on this database: what a process that was killed
/// had claimed is then due at once.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    queue::break_leases::<Entity>(database).await
}

/// The push of a row of ours to a connection, where one waits or is dead.
///
/// # Errors
/// When the database fails.
pub async fn list_of_subject(
    connection: &impl ConnectionTrait,
    subject_id: Uuid,
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("outbound_push"))
        .filter(Column::SubjectId.eq(subject_id))
        .order_by_asc(Column::ConnectionId);
    Ok(select.all(connection).await?)
}

/// A SELECT of the dead pushes of a connection.
#[must_use]
pub fn dead_of(connection_id: ConnectionId) -> Select<Entity> {
    queue::dead_of(connection_id)
}

/// The dead pushes of a connection in the order of our rows' ids, from behind one of them on.
///
/// # Errors
/// When the database fails.
pub async fn list_dead(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = dead_of(connection_id);
    if let Some(after) = after {
        select = select.filter(Column::SubjectId.gt(after));
    }
    let page = select.order_by_asc(Column::SubjectId).limit(limit);
    Ok(page.all(connection).await?)
}

/// Lets the dead pushes of these rows of ours to a connection live again, due at once. The answer is how many of them were dead.
///
/// # Errors
/// When the database fails.
pub async fn replay(
    change: &Change,
    connection_id: ConnectionId,
    subjects: &[Uuid],
) -> Result<u64> {
    let which = subjects.iter().map(|id| (None, (*id).into())).collect();
    let (connection, now) = (change.transaction(), change.now());
    queue::replay::<Entity>(connection, connection_id, Some(which), now).await
}

/// Lets every dead push to a connection live again, due at once. The answer is how many there were.
///
/// # Errors
/// When the database fails.
pub async fn replay_all(change: &Change, connection_id: ConnectionId) -> Result<u64> {
    queue::replay::<Entity>(change.transaction(), connection_id, None, change.now()).await
}

impl Queue for Entity {
    const TABLE: &'static str = "outbound_push";
    const KEY: &'static str = "subject_id";
    const KEY_TYPE: (&'static str, ArrayType) = ("uuid", ArrayType::Uuid);
    const KEYED_BY_RESOURCE: bool = false;
    // Of neither is the outcome of a creation unknown any more.
    const DUE_AGAIN: &'static str = ", sent_at = NULL";
}

impl Waiting for Model {
    fn place(&self) -> Place<'_> {
        Place {
            connection_id: self.connection_id,
            resource: &self.resource,
            fence: self.fence,
            generation: self.generation,
            is_dead: self.dead,
            first_seen_at: self.first_seen_at,
        }
    }

    fn key(&self) -> Value {
        self.subject_id.into()
    }
}
