//! One event on its way to one subscriber.
//!
//! Owns: the rows, their claiming and settling, and which of them are tried again. A delivery's id is what the receiver knows the message by: it stays the
//! same over all attempts and replays. First attempts and later ones are two lanes (`retry`), claimed apart, so that what failed never stands before
//! what has not been tried. Invariants: one delivery per endpoint and event; an attempt is counted when it is claimed; who settles names the fence
//! under which it claimed, so that a late worker writes nothing.

mod lane;

pub use lane::{Claiming, claim, due_endpoints};

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible};
use crate::{webhook_endpoint, write};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, Condition, ExprTrait as _, Query};
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde::Serialize;
use std::collections::HashSet;
use uuid::Uuid;

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryState {
    /// It will be tried, or tried again.
    Pending,
    /// The receiver said that it has it.
    Delivered,
    /// It used up its attempts.
    Failed,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_delivery")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDeliveryId,
    pub created_at: Timestamp,
    pub endpoint_id: WebhookEndpointId,
    /// None of a test.
    pub event_id: Option<EventId>,
    /// The event type.
    pub kind: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    pub state: DeliveryState,
    /// The endpoint's `rendering` that made the body.
    pub rendering: Option<i64>,
    pub body: Option<Vec<u8>>,
    pub attempts: i32,
    /// Whether it was tried before, and waits behind what was not.
    pub retry: bool,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
    pub attempted_at: Option<Timestamp>,
    /// Where the last attempt went.
    pub address: Option<String>,
    pub answer_status: Option<i32>,
    pub answer_body: Option<String>,
    pub answer_millis: Option<i64>,
    pub error: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        let endpoints = Query::select()
            .column(webhook_endpoint::Column::Id)
            .from(webhook_endpoint::Entity)
            .cond_where(webhook_endpoint::Entity::visible_to_partner(own))
            .to_owned();
        Condition::all().add(Expr::col((Entity, Column::EndpointId)).in_subquery(endpoints))
    }
}

/// A delivery to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewDelivery {
    pub endpoint_id: WebhookEndpointId,
    /// None of a test.
    pub event_id: Option<EventId>,
    pub kind: String,
    pub occurred_at: Timestamp,
}

const WRITTEN: [write::Column; 11] = [
    write::Column::plain("id"),
    write::Column::plain("created_at"),
    write::Column::plain("endpoint_id"),
    write::Column::plain("event_id"),
    write::Column::plain("kind"),
    write::Column::plain("occurred_at"),
    write::Column::plain("state"),
    write::Column::plain("attempts"),
    write::Column::plain("retry"),
    write::Column::plain("available_at"),
    write::Column::plain("fence"),
];

/// Makes deliveries, due at once. What an endpoint has already is not made again.
///
/// # Errors
/// When the database fails.
pub async fn raise(change: &Change, new: &[NewDelivery]) -> Result<Vec<WebhookDeliveryId>> {
    let now = change.now();
    let ids: Vec<WebhookDeliveryId> = new.iter().map(|_| change.new_id()).collect();
    let values = ids.iter().zip(new).map(|(id, new)| {
        Ok([
            (*id).into(),
            now.into(),
            new.endpoint_id.into(),
            new.event_id.into(),
            new.kind.as_str().into(),
            new.occurred_at.into(),
            DeliveryState::Pending.into(),
            0_i32.into(),
            false.into(),
            now.into(),
            0_i64.into(),
        ])
    });
    let known = " ON CONFLICT DO NOTHING";
    let transaction = change.transaction();
    write::insert_values(transaction, "webhook_delivery", &WRITTEN, values, known).await?;
    Ok(ids)
}

/// Keeps what is to be said, before it is said for the first time. The answer says whether the delivery is still the claimer's.
///
/// # Errors
/// When the database fails.
pub async fn keep_body(
    change: &Change,
    claimed: &Model,
    rendering: i64,
    body: &[u8],
) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::Rendering, Expr::value(Some(rendering)))
        .col_expr(Column::Body, Expr::value(Some(body.to_vec())))
        .filter(held(claimed))
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Throws a claimed delivery away, because what it tells of may not be told any more.
///
/// # Errors
/// When the database fails.
pub async fn forget(change: &Change, claimed: &Model) -> Result<()> {
    Entity::delete_many()
        .filter(held(claimed))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Throws away what waits for an endpoint: it was raised for somebody who may not be told any more.
///
/// # Errors
/// When the database fails.
pub async fn forget_waiting(change: &Change, endpoint: WebhookEndpointId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::EndpointId.eq(endpoint))
        .filter(Expr::cust("\"webhook_delivery\".\"state\" = 'PENDING'"))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Throws away every delivery of an endpoint.
///
/// # Errors
/// When the database fails.
pub(crate) async fn forget_all(change: &Change, endpoint: WebhookEndpointId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::EndpointId.eq(endpoint))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has arrived.
    Delivered,
    /// Another attempt, then.
    Again(Timestamp),
    /// None.
    GivenUp,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct Ended {
    pub at: Timestamp,
    pub address: String,
    pub millis: i64,
    pub status: Option<u16>,
    pub answer: Option<String>,
    pub error: Option<String>,
    pub next: Next,
}

/// Ends an attempt. The answer says whether the delivery was still the claimer's; otherwise nothing is written.
///
/// # Errors
/// When the database fails.
pub async fn settle(change: &Change, claimed: &Model, ended: Ended) -> Result<bool> {
    let (state, available_at) = match ended.next {
        Next::Delivered => (DeliveryState::Delivered, ended.at),
        Next::Again(at) => (DeliveryState::Pending, at),
        Next::GivenUp => (DeliveryState::Failed, ended.at),
    };
    let settled = (state != DeliveryState::Pending).then_some(ended.at);
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::Retry, Expr::value(true))
        .col_expr(Column::AvailableAt, Expr::value(available_at))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::SettledAt, Expr::value(settled))
        .col_expr(Column::AttemptedAt, Expr::value(Some(ended.at)))
        .col_expr(Column::Address, Expr::value(Some(ended.address)))
        .col_expr(
            Column::AnswerStatus,
            Expr::value(ended.status.map(i32::from)),
        )
        .col_expr(Column::AnswerBody, Expr::value(ended.answer))
        .col_expr(Column::AnswerMillis, Expr::value(Some(ended.millis)))
        .col_expr(Column::Error, Expr::value(ended.error))
        .filter(held(claimed))
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected == 1)
}

/// The condition that a delivery is still the claimer's.
fn held(claimed: &Model) -> Condition {
    Condition::all()
        .add(Column::Id.eq(claimed.id))
        .add(Column::Fence.eq(claimed.fence))
}

/// Which deliveries of an endpoint are to be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// This one, whatever became of it.
    One(WebhookDeliveryId),
    /// Those of what happened in this time, whatever became of them. The beginning counts, the end does not.
    Between(Timestamp, Timestamp),
    /// All that were given up.
    Failed,
}

/// Lets deliveries be made again with all their attempts, behind what is made for the first time. The answer is how many there are.
///
/// # Errors
/// When the database fails.
pub async fn replay(change: &Change, endpoint: WebhookEndpointId, which: &Again) -> Result<u64> {
    let settled = Expr::cust("\"webhook_delivery\".\"state\" <> 'PENDING'");
    let failed = Expr::cust("\"webhook_delivery\".\"state\" = 'FAILED'");
    let which = match which {
        Again::One(id) => Condition::all().add(Column::Id.eq(*id)).add(settled),
        Again::Between(from, until) => Condition::all()
            .add(Column::OccurredAt.gte(*from))
            .add(Column::OccurredAt.lt(*until))
            .add(settled),
        Again::Failed => Condition::all().add(failed),
    };
    let done = Entity::update_many()
        .col_expr(Column::State, Expr::value(DeliveryState::Pending))
        .col_expr(Column::Retry, Expr::value(true))
        .col_expr(Column::Attempts, Expr::value(0_i32))
        .col_expr(Column::AvailableAt, Expr::value(change.now()))
        .col_expr(Column::SettledAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::EndpointId.eq(endpoint))
        .filter(which)
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected)
}

/// Finds a delivery that a viewer may see.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    id: WebhookDeliveryId,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(viewer).filter(Column::Id.eq(id));
    Ok(select.one(connection).await?)
}

/// Takes every lease away. Only for a caller that knows no other process works on this database.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Fence, Expr::col(Alias::new("fence")).add(1_i64))
        .col_expr(Column::LeaseOwner, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::AvailableAt, Expr::value(database.now()))
        .filter(Column::LeaseUntil.is_not_null())
        .exec(database.write())
        .await?;
    Ok(())
}

/// Throws away what was settled before an instant, at most so many. The answer is how many there were.
///
/// # Errors
/// When the database fails.
pub async fn prune(database: &Database, before: Timestamp, limit: u64) -> Result<u64> {
    let old: Vec<WebhookDeliveryId> = Entity::visible_to(&Viewer::system("webhook_delivery"))
        .filter(Expr::cust("\"webhook_delivery\".\"state\" <> 'PENDING'"))
        .filter(Column::SettledAt.lt(before))
        .order_by_asc(Column::SettledAt)
        .limit(limit)
        .select_only()
        .column(Column::Id)
        .into_tuple()
        .all(database.read())
        .await?;
    if old.is_empty() {
        return Ok(0);
    }
    let done = Entity::delete_many()
        .filter(Column::Id.is_in(old))
        .filter(Expr::cust("\"webhook_delivery\".\"state\" <> 'PENDING'"))
        .exec(database.write())
        .await?;
    Ok(done.rows_affected)
}

/// Which of these events an endpoint has a delivery of.
///
/// # Errors
/// When the database fails.
pub async fn events_of(
    change: &Change,
    endpoint: WebhookEndpointId,
    deliveries: &[NewDelivery],
) -> Result<HashSet<EventId>> {
    let mut known = HashSet::new();
    let ids: Vec<EventId> = deliveries.iter().filter_map(|new| new.event_id).collect();
    for chunk in ids.chunks(500) {
        let found: Vec<EventId> = Entity::visible_to(&Viewer::system("webhook_delivery"))
            .filter(Column::EndpointId.eq(endpoint))
            .filter(Column::EventId.is_in(chunk.iter().copied()))
            .select_only()
            .column(Column::EventId)
            .into_tuple()
            .all(change.transaction())
            .await?;
        known.extend(found);
    }
    Ok(known)
}
