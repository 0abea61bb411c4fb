//! "Look at this record again": what webhooks boil down to. One row per connection and record, however many deliveries named
//! it; a connection that cannot be called keeps its signals until it can.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::{ConnectionId, PartnerId};
use crate::queue::{self, Claiming, GivenBack, Queue, Waiting};
use crate::viewer::Viewer;
use crate::visible::{Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ArrayType, Condition, ExprTrait as _, OnConflict, Query};
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
    fn visible_to_partner(_: PartnerId) -> Condition {
        nothing()
    }
}

/// The kind of hint that says that a record became part of another. What came later cannot undo it, so no other hint replaces it.
pub const MERGED: &str = "merged";

const LASTING_HINT: &str = "CASE WHEN \"inbound_signal\".\"hint\" ->> 'kind' = 'merged' AND COALESCE(excluded.\"hint\" ->> 'kind', '') <> 'merged' \
     THEN \"inbound_signal\".\"hint\" ELSE excluded.\"hint\" END";

// One that waits after a failure goes on waiting, and one that is worked on keeps its lease.
const DEAD_IS_DUE: &str = "CASE WHEN \"inbound_signal\".\"dead\" = true THEN excluded.\"available_at\" ELSE \"inbound_signal\".\"available_at\" END";

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
    let now = change.now();
    for chunk in signals.chunks(500) {
        let mut statement = Query::insert();
        statement.into_table(Entity).columns([
            Column::ConnectionId,
            Column::Resource,
            Column::ExternalId,
            Column::Generation,
            Column::Hint,
            Column::FirstSeenAt,
            Column::Attempts,
            Column::AvailableAt,
            Column::Fence,
            Column::Dead,
        ]);
        for signal in chunk {
            statement.values_panic([
                Expr::value(signal.connection_id),
                Expr::value(signal.resource.as_str()),
                Expr::value(signal.external_id.as_str()),
                Expr::value(1_i64),
                Expr::value(signal.hint.clone()),
                Expr::value(now),
                Expr::value(0_i32),
                Expr::value(now),
                Expr::value(0_i64),
                Expr::value(false),
            ]);
        }
        statement.on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::Resource, Column::ExternalId])
                .value(
                    Column::Generation,
                    Expr::col((Entity, Column::Generation)).add(1_i64),
                )
                .value(Column::Attempts, Expr::value(0_i32))
                .value(Column::AvailableAt, Expr::cust(DEAD_IS_DUE))
                .value(Column::Dead, Expr::value(false))
                .value(Column::Hint, Expr::cust(LASTING_HINT))
                .to_owned(),
        );
        change.transaction().execute(&statement).await?;
    }
    Ok(())
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

/// Of these claimed signals, those whose lease still holds, locked until the change ends.
///
/// # Errors
/// When the database fails.
pub async fn still_claimed(change: &Change, claimed: &[Model]) -> Result<Vec<Model>> {
    queue::still_claimed::<Entity>(change.transaction(), claimed).await
}

/// Ends the work on claimed signals: those that nothing was added to since are gone, the others are due again.
///
/// # Errors
/// When the database fails.
pub async fn settle(
    connection: &impl ConnectionTrait,
    claimed: &[Model],
    now: Timestamp,
) -> Result<()> {
    queue::settle::<Entity>(connection, claimed, now, "").await
}

/// Gives a claimed signal back: due at an instant, with so many attempts counted and the reason. One that something was added to meanwhile
/// is not dead: it is due again instead.
///
/// # Errors
/// When the database fails.
pub async fn release(
    connection: &impl ConnectionTrait,
    row: &Model,
    available_at: Timestamp,
    attempts: i32,
    error: Option<String>,
    dead: bool,
) -> Result<()> {
    let back = GivenBack {
        available_at,
        attempts,
        error,
        dead,
    };
    queue::release::<Entity>(connection, row, back).await
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
    // Written out, for a bound value would keep both databases from the index over the dead.
    Entity::visible_to(&Viewer::system("inbound_signal"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Expr::cust("\"inbound_signal\".\"dead\" = true"))
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
}

impl Waiting for Model {
    fn connection_id(&self) -> ConnectionId {
        self.connection_id
    }
    fn resource(&self) -> &str {
        &self.resource
    }
    fn key(&self) -> Value {
        self.external_id.as_str().into()
    }
    fn fence(&self) -> i64 {
        self.fence
    }
    fn generation(&self) -> i64 {
        self.generation
    }
    fn is_dead(&self) -> bool {
        self.dead
    }
    fn first_seen_at(&self) -> Timestamp {
        self.first_seen_at
    }
}
