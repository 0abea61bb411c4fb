//! The inbox: vendor webhooks exactly as they came, committed before they are acknowledged.
//!
//! A delivery is verified before it comes here. It is split by account into [`crate::inbound_signal`] rows; an account nobody
//! has connected is noted and the delivery kept. What cannot be worked on stops at the maximum of attempts and is visible as
//! DEAD; nothing is dropped.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::id::InboundWebhookId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, ExprTrait as _, LockBehavior, LockType, OnConflict, Query};
use sea_orm::{QueryOrder as _, QuerySelect as _, Select};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use uuid::Uuid;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboxState {
    /// Waits to be split.
    Pending,
    /// Split into signals.
    Done,
    /// Holds nothing but accounts we do not know.
    UnknownTenant,
    /// Failed too often.
    Dead,
}

/// After so many attempts that never came to an end a delivery is claimed alone.
const SUSPECT: i32 = 2;

/// Headers that were kept, by name in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Headers(pub Vec<(String, String)>);

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inbound_webhook")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InboundWebhookId,
    pub connector: String,
    /// The same delivery twice has the same key; unique per connector.
    pub dedupe_key: String,
    /// The headers that say what the body is.
    pub headers: Headers,
    /// The account whose own door it came to; none where all accounts share one.
    pub tenant_id: Option<String>,
    pub body: Vec<u8>,
    pub received_at: Timestamp,
    pub state: InboxState,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
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

/// A verified delivery, about to be stored.
#[derive(Clone, Debug, Default)]
pub struct NewDelivery {
    /// Which connector verified it.
    pub connector: String,
    /// The same delivery twice has the same key.
    pub dedupe_key: String,
    /// The headers that say what the body is, by name in lower case.
    pub headers: Headers,
    /// The account whose own door it came to; none where all accounts share one.
    pub tenant_id: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl NewDelivery {
    /// A delivery that is all body, at a door that all accounts share.
    #[must_use]
    pub fn new(connector: &str, dedupe_key: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            connector: connector.to_owned(),
            dedupe_key: dedupe_key.into(),
            body,
            ..Self::default()
        }
    }
}

/// Stores deliveries in one transaction; on return they are durable. The answer tells for each whether it is new here.
///
/// # Errors
/// When the database fails; then none is stored.
pub async fn store(database: &Database, deliveries: Vec<NewDelivery>) -> Result<Vec<bool>> {
    let now = database.now();
    let mut ids = Vec::with_capacity(deliveries.len());
    let mut statement = Query::insert();
    statement.into_table(Entity).columns([
        Column::Id,
        Column::Connector,
        Column::DedupeKey,
        Column::Headers,
        Column::TenantId,
        Column::Body,
        Column::ReceivedAt,
        Column::State,
        Column::Attempts,
        Column::AvailableAt,
        Column::Fence,
    ]);
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<(InboundWebhookId, NewDelivery)> = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let id: InboundWebhookId = database.new_id();
        ids.push(id);
        rows.push((id, delivery));
    }
    // Always in the order of the unique key, so that two nodes with the same deliveries cannot wait for each other.
    rows.sort_by(|(_, one), (_, other)| {
        (&one.connector, &one.dedupe_key).cmp(&(&other.connector, &other.dedupe_key))
    });
    for (id, delivery) in rows {
        statement.values_panic([
            Expr::value(id),
            Expr::value(delivery.connector),
            Expr::value(delivery.dedupe_key),
            Expr::value(delivery.headers),
            Expr::value(delivery.tenant_id),
            Expr::value(delivery.body),
            Expr::value(now),
            Expr::value(InboxState::Pending),
            Expr::value(0_i32),
            Expr::value(now),
            Expr::value(0_i64),
        ]);
    }
    statement
        .on_conflict(
            OnConflict::columns([Column::Connector, Column::DedupeKey])
                .do_nothing()
                .to_owned(),
        )
        .returning(Query::returning().column(Column::Id));
    let transaction = database.begin().await?;
    let mut stored: HashSet<InboundWebhookId> = HashSet::new();
    for row in transaction.query_all(&statement).await? {
        stored.insert(row.try_get_by_index(0)?);
    }
    transaction.commit().await?;
    Ok(ids.iter().map(|id| stored.contains(id)).collect())
}

/// Of due deliveries those to be claimed together: the first alone when its last attempts never came to an end, for it may be what kills its workers,
/// and those claimed with it would use up their attempts with it; else all that are under no suspicion.
fn apart(mut rows: Vec<Model>) -> Vec<Model> {
    let is_suspect = |row: &Model| row.attempts >= SUSPECT && row.error.is_none();
    if rows.first().is_some_and(is_suspect) {
        rows.truncate(1);
    } else {
        rows.retain(|row| !is_suspect(row));
    }
    rows
}

/// Claims deliveries that wait to be split; the attempt is counted here. Those that have used up their attempts become DEAD. What may be killing its
/// workers is claimed alone.
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
    let now = database.now();
    let due = || {
        let lease = Condition::any()
            .add(Column::LeaseUntil.is_null())
            .add(Column::LeaseUntil.lte(now));
        Entity::visible_to(&Viewer::system("inbound_webhook"))
            .filter(Column::State.eq(InboxState::Pending))
            .filter(Column::AvailableAt.lte(now))
            .filter(lease)
            .order_by_asc(Column::AvailableAt)
            .order_by_asc(Column::Id)
            .limit(limit)
    };
    // An idle worker only reads: beginning to write would take the one writer's turn for nothing.
    if due().limit(1).one(database.read()).await?.is_none() {
        return Ok(Vec::new());
    }
    let transaction = database.begin().await?;
    let rows = due()
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(&transaction)
        .await?;
    let (spent, rows): (Vec<Model>, Vec<Model>) = rows
        .into_iter()
        .partition(|row| row.attempts >= max_attempts);
    let mut claimed = Vec::with_capacity(rows.len());
    for mut row in spent.into_iter().chain(apart(rows)) {
        if row.attempts >= max_attempts {
            row.state = InboxState::Dead;
            row.error = row
                .error
                .or_else(|| Some("it never came to an end".to_owned()));
        } else {
            row.attempts += 1;
            // What is said of it from now on is said of this attempt.
            row.error = None;
            row.lease_owner = Some(worker);
            row.lease_until = Some(now.plus_millis(lease_millis));
        }
        row.fence += 1;
        Entity::update_many()
            .col_expr(Column::Fence, Expr::value(row.fence))
            .col_expr(Column::Attempts, Expr::value(row.attempts))
            .col_expr(Column::State, Expr::value(row.state))
            .col_expr(Column::Error, Expr::value(row.error.clone()))
            .col_expr(Column::LeaseOwner, Expr::value(row.lease_owner))
            .col_expr(Column::LeaseUntil, Expr::value(row.lease_until))
            .filter(Column::Id.eq(row.id))
            .exec(&transaction)
            .await?;
        if row.state == InboxState::Pending {
            claimed.push(row);
        }
    }
    transaction.commit().await?;
    Ok(claimed)
}

/// Ends the work on a claimed delivery.
///
/// # Errors
/// [`Error::LeaseLost`], or a fault of the database.
pub async fn settle(
    connection: &impl ConnectionTrait,
    row: &Model,
    state: InboxState,
    error: Option<String>,
    available_at: Timestamp,
) -> Result<()> {
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Error, Expr::value(error))
        .col_expr(Column::AvailableAt, Expr::value(available_at))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::Id.eq(row.id))
        .filter(Column::Fence.eq(row.fence))
        .exec(connection)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(Error::LeaseLost)
    }
}

/// Takes every lease away. Only for a caller that knows no other process works on this database: what a process that was killed
/// had claimed is then due at once.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Fence, Expr::col(Column::Fence).add(1_i64))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::LeaseUntil.is_not_null())
        .exec(database.write())
        .await?;
    Ok(())
}

/// A SELECT of the deliveries of a connector that failed too often.
#[must_use]
pub fn dead_of(connector: &str) -> Select<Entity> {
    // Written out, for a bound value would keep both databases from the index over the dead.
    Entity::visible_to(&Viewer::system("inbound_webhook"))
        .filter(Column::Connector.eq(connector))
        .filter(Expr::cust("\"inbound_webhook\".\"state\" = 'DEAD'"))
}

/// The dead deliveries of a connector, oldest first, from behind one of them on.
///
/// # Errors
/// When the database fails.
pub async fn list_dead(
    connection: &impl ConnectionTrait,
    connector: &str,
    after: Option<InboundWebhookId>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = dead_of(connector);
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    let page = select.order_by_asc(Column::Id).limit(limit);
    Ok(page.all(connection).await?)
}

/// Whether deliveries of a connector that came until an instant wait to be split.
///
/// # Errors
/// When the database fails.
pub async fn any_pending(
    connection: &impl ConnectionTrait,
    connector: &str,
    until: Timestamp,
) -> Result<bool> {
    let select = Entity::visible_to(&Viewer::system("inbound_webhook"))
        .filter(Column::State.eq(InboxState::Pending))
        .filter(Column::Connector.eq(connector))
        .filter(Column::ReceivedAt.lte(until))
        .limit(1);
    Ok(select.one(connection).await?.is_some())
}

/// A page of a connector's deliveries, whatever became of them, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn list_page(
    connection: &impl ConnectionTrait,
    connector: &str,
    after: Option<InboundWebhookId>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = Entity::visible_to(&Viewer::system("inbound_webhook"))
        .filter(Column::Connector.eq(connector));
    if let Some(after) = after {
        select = select.filter(Column::Id.gt(after));
    }
    let page = select.order_by_asc(Column::Id).limit(limit);
    Ok(page.all(connection).await?)
}

/// Erases what deliveries say. That they came, and when, stays; they cannot be split again.
///
/// # Errors
/// When the database fails.
pub async fn erase(change: &Change, ids: &[InboundWebhookId]) -> Result<()> {
    for chunk in ids.chunks(500) {
        Entity::update_many()
            .col_expr(Column::Body, Expr::value(Vec::<u8>::new()))
            .col_expr(Column::State, Expr::value(InboxState::Done))
            .col_expr(
                Column::Error,
                Expr::value(Some("what it said was erased".to_owned())),
            )
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .filter(Column::State.ne(InboxState::Pending))
            .exec(change.transaction())
            .await?;
    }
    Ok(())
}

/// Lets these dead deliveries wait to be split again, due at once. The answer is how many of them were dead.
///
/// # Errors
/// When the database fails.
pub async fn replay(change: &Change, ids: &[InboundWebhookId]) -> Result<u64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut replayed = 0;
    for chunk in ids.chunks(500) {
        let these = Column::Id.is_in(chunk.iter().copied());
        replayed += revive(change, Condition::all().add(these)).await?;
    }
    Ok(replayed)
}

/// Lets every dead delivery of a connector wait to be split again, due at once. The answer is how many there were.
///
/// # Errors
/// When the database fails.
pub async fn replay_all(change: &Change, connector: &str) -> Result<u64> {
    revive(
        change,
        Condition::all().add(Column::Connector.eq(connector)),
    )
    .await
}

async fn revive(change: &Change, which: Condition) -> Result<u64> {
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(InboxState::Pending))
        .col_expr(Column::Attempts, Expr::value(0_i32))
        .col_expr(Column::AvailableAt, Expr::value(change.now()))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(which)
        .filter(Expr::cust("\"inbound_webhook\".\"state\" = 'DEAD'"))
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected)
}
