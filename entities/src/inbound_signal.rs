//! "Look at this record again": what webhooks boil down to. One row per connection and record, however many deliveries named
//! it; a connection that cannot be called keeps its signals until it can.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::ConnectionId;
use crate::queue::{self, Claiming, Place, Queue, Waiting};
pub use crate::queue::{release, settle, still_claimed};
use crate::visible::{Own, Visible, nothing};
use crate::write;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ArrayType, Condition, ExprTrait as _};
use sea_orm::{QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

/// A signal.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "inbound_signal")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub resource: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
    /// Rises with every delivery that names the record; a worker removes the row only if it has not risen meanwhile.
    pub generation: i64,
    /// What the vendor said happened: `changed`, `deleted`, `merged`, `association_changed`; the record itself is the truth.
    pub hint: Json,
    pub first_seen_at: Timestamp,
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

/// The kind of hint that says that a record became part of another. What came later cannot undo it, so no other hint replaces it.
pub const MERGED: &str = "merged";

// One that waits after a failure goes on waiting, and one that is worked on keeps its lease. A merge outlasts every other hint.
const AGAIN: &str = "\"available_at\" = CASE WHEN \"inbound_signal\".\"dead\" = true THEN excluded.\"available_at\" \
     ELSE \"inbound_signal\".\"available_at\" END, \
     \"hint\" = CASE WHEN \"inbound_signal\".\"hint\" ->> 'kind' = 'merged' AND COALESCE(excluded.\"hint\" ->> 'kind', '') <> 'merged' \
     THEN \"inbound_signal\".\"hint\" ELSE excluded.\"hint\" END";

/// What a delivery says of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSignal {
    /// Whose record.
    pub connection_id: ConnectionId,
    /// The neutral resource.
    pub resource: String,
    /// The vendor's id.
    pub external_id: String,
    /// What is said to have happened.
    pub hint: Json,
}

/// Raises signals: a new one per record, or the next generation of the one that waits. A dead one comes back to life: something
/// happened to its record since.
///
/// # Errors
/// When the database fails.
pub async fn raise(change: &Change, mut signals: Vec<NewSignal>) -> Result<()> {
    // Always in the order of the key, so that two changes over the same records cannot wait for each other; and each record once,
    // because one INSERT cannot touch a row twice.
    signals.sort_by(|one, other| {
        (one.connection_id, &one.resource, &one.external_id).cmp(&(
            other.connection_id,
            &other.resource,
            &other.external_id,
        ))
    });
    signals.dedup_by(|next, kept| {
        let same = (next.connection_id, &next.resource, &next.external_id)
            == (kept.connection_id, &kept.resource, &kept.external_id);
        let is_merge = |hint: &Json| hint.get("kind").is_some_and(|kind| kind == MERGED);
        if same && (is_merge(&next.hint) || !is_merge(&kept.hint)) {
            std::mem::swap(&mut next.hint, &mut kept.hint);
        }
        same
    });
    let rows = signals.iter().map(|signal| {
        Ok([
            signal.connection_id.into(),
            signal.resource.as_str().into(),
            signal.external_id.as_str().into(),
            write::json_text(&signal.hint)?,
        ])
    });
    let own = [
        write::Column::plain("connection_id"),
        write::Column::plain("resource"),
        write::Column::plain("external_id"),
        write::Column::json("hint"),
    ];
    queue::raise::<Entity, 4>(change, own, rows, AGAIN).await
}

/// Claims signals of one resource of one connection whose vendor may be called: those that have waited longest. The attempt is
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

/// Takes every lease away. Only for a caller that knows no other process works on this database: what a process that was killed
/// had claimed is then due at once.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    queue::break_leases::<Entity>(database).await
}

/// The dead signals of a connection in the order of resource and vendor's id, from behind one of them on.
///
/// # Errors
/// When the database fails.
pub async fn list_dead(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    after: Option<(&str, &str)>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = dead_of(connection_id);
    if let Some((resource, external_id)) = after {
        select = select.filter(
            Expr::tuple([Expr::col(Column::Resource), Expr::col(Column::ExternalId)]).gt(
                Expr::tuple([Expr::value(resource), Expr::value(external_id)]),
            ),
        );
    }
    let page = select
        .order_by_asc(Column::Resource)
        .order_by_asc(Column::ExternalId)
        .limit(limit);
    Ok(page.all(connection).await?)
}

/// A SELECT of the dead signals of a connection.
#[must_use]
pub fn dead_of(connection_id: ConnectionId) -> Select<Entity> {
    queue::dead_of(connection_id)
}

/// Lets these dead signals (resource, vendor's id) of a connection live again, due at once. The answer is how many of them were dead.
///
/// # Errors
/// When the database fails.
pub async fn replay(
    change: &Change,
    connection_id: ConnectionId,
    records: &[(&str, &str)],
) -> Result<u64> {
    let which = records
        .iter()
        .map(|(resource, external_id)| (Some(*resource), (*external_id).into()))
        .collect();
    let (connection, now) = (change.transaction(), change.now());
    queue::replay::<Entity>(connection, connection_id, Some(which), now).await
}

/// Lets every dead signal of a connection live again, due at once. The answer is how many there were.
///
/// # Errors
/// When the database fails.
pub async fn replay_all(change: &Change, connection_id: ConnectionId) -> Result<u64> {
    queue::replay::<Entity>(change.transaction(), connection_id, None, change.now()).await
}

impl Queue for Entity {
    const TABLE: &'static str = "inbound_signal";
    const KEY: &'static str = "external_id";
    const KEY_TYPE: (&'static str, ArrayType) = ("text", ArrayType::String);
    const KEYED_BY_RESOURCE: bool = true;
    const DUE_AGAIN: &'static str = "";
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
        self.external_id.as_str().into()
    }
}
