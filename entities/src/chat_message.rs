//! "People who talk there should hear of this": what an event boils down to on its way to a chat. One row per connection and event.
//!
//! A row names an event and a channel and no words: what is said is what is true when it is said. Rows of one channel are a line of their own
//! (the channel is the queue's resource), so that one that has to wait holds up nobody elsewhere. A message that has been posted has a
//! [`crate::chat_post`]; a row of such an event asks to put the message right.
//!
//! Invariant: that a message is about to leave is noted in its row first (`sent_at`). Whoever finds the note and no post must look for the message
//! before it is sent again.

pub mod channel;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::id::{ConnectionId, DealId, EventId};
use crate::queue::{self, Claiming, Place, Queue, Waiting};
pub use crate::queue::{release, settle, still_claimed};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ArrayType, Condition, ExprTrait as _, OnConflict, Query};
use sea_orm::{QueryOrder as _, QuerySelect as _, Select};
use uuid::Uuid;

/// What the error of a dead message begins with of which nobody can tell whether it is there.
pub const UNCERTAIN: &str = "UNCERTAIN";

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_message")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: EventId,
    /// The vendor's id of the channel.
    pub resource: String,
    pub deal_id: DealId,
    /// Rises with every wish to say it (again); a worker removes the row only if it has not risen meanwhile.
    pub generation: i64,
    pub first_seen_at: Timestamp,
    /// When it left for the vendor and its outcome is not known.
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

const DUE_UNLESS_LEASED: &str = "CASE WHEN \"chat_message\".\"lease_until\" IS NULL THEN excluded.\"available_at\" \
     ELSE \"chat_message\".\"available_at\" END";

/// A message that should be said, or said anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChatMessage {
    /// Where.
    pub connection_id: ConnectionId,
    /// What happened.
    pub event_id: EventId,
    /// The deal it happened to.
    pub deal_id: DealId,
    /// The vendor's id of the channel.
    pub channel: String,
}

/// Raises messages: a new one per connection and event, each in its turn in its channel, or the next generation of the one that waits.
///
/// # Errors
/// When the database fails.
pub async fn raise(change: &Change, mut messages: Vec<NewChatMessage>) -> Result<()> {
    // Always in the order of the key, so that two changes over the same messages cannot wait for each other.
    messages.sort_by_key(|message| (message.connection_id, message.event_id));
    messages.dedup_by_key(|message| (message.connection_id, message.event_id));
    for message in messages {
        let now = change.now();
        let turn = channel::next_turn(change, message.connection_id, &message.channel).await?;
        let mut statement = Query::insert();
        statement.into_table(Entity).columns([
            Column::ConnectionId,
            Column::EventId,
            Column::Resource,
            Column::DealId,
            Column::Generation,
            Column::FirstSeenAt,
            Column::Attempts,
            Column::AvailableAt,
            Column::Fence,
            Column::Dead,
        ]);
        statement.values_panic([
            Expr::value(message.connection_id),
            Expr::value(message.event_id),
            Expr::value(message.channel),
            Expr::value(message.deal_id),
            Expr::value(1_i64),
            Expr::value(now),
            Expr::value(0_i32),
            Expr::value(turn),
            Expr::value(0_i64),
            Expr::value(false),
        ]);
        statement.on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::EventId])
                .value(
                    Column::Generation,
                    Expr::col((Entity, Column::Generation)).add(1_i64),
                )
                .value(Column::Attempts, Expr::value(0_i32))
                .value(Column::AvailableAt, Expr::cust(DUE_UNLESS_LEASED))
                .value(Column::Dead, Expr::value(false))
                .to_owned(),
        );
        change.transaction().execute(&statement).await?;
    }
    Ok(())
}

/// Claims the messages of one channel of one connection that may be called: those that have waited longest. The attempt is counted here.
/// Those that have used up their attempts become dead.
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

/// Notes durably that a message is about to leave. Only after this may it be sent.
///
/// # Errors
/// [`Error::LeaseLost`] when it is another worker's by now, or a fault of the database.
pub async fn mark_sent(database: &Database, claimed: &Model) -> Result<()> {
    let at = Some(database.now());
    let claimed = std::slice::from_ref(claimed);
    match queue::note::<Entity>(database.write(), claimed, Column::SentAt, at).await? {
        1 => Ok(()),
        _ => Err(Error::LeaseLost),
    }
}

/// Takes the note back from a message that is still ours, because it is known not to be there.
///
/// # Errors
/// When the database fails.
pub async fn clear_sent(connection: &impl ConnectionTrait, claimed: &Model) -> Result<()> {
    let nothing = Option::<Timestamp>::None;
    let claimed = std::slice::from_ref(claimed);
    queue::note::<Entity>(connection, claimed, Column::SentAt, nothing).await?;
    Ok(())
}

/// Takes every lease away. Only for a caller that knows no other process works on this database.
///
/// # Errors
/// When the database fails.
pub async fn break_leases(database: &Database) -> Result<()> {
    queue::break_leases::<Entity>(database).await
}

/// The messages about a deal that wait or are dead.
///
/// # Errors
/// When the database fails.
pub async fn list_of_deal(connection: &impl ConnectionTrait, deal: Uuid) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("chat_message"))
        .filter(Column::DealId.eq(deal))
        .order_by_asc(Column::EventId);
    Ok(select.all(connection).await?)
}

/// A SELECT of the dead messages of a connection.
#[must_use]
pub fn dead_of(connection_id: ConnectionId) -> Select<Entity> {
    queue::dead_of(connection_id)
}

/// The dead messages of a connection in the order of their events' ids, from behind one of them on.
///
/// # Errors
/// When the database fails.
pub async fn list_dead(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    after: Option<EventId>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut select = dead_of(connection_id);
    if let Some(after) = after {
        select = select.filter(Column::EventId.gt(after));
    }
    let page = select.order_by_asc(Column::EventId).limit(limit);
    Ok(page.all(connection).await?)
}

/// Lets the dead messages about these events live again, due at once. Whoever asks for this has looked whether an uncertain one is there:
/// it is sent without looking. One that has only used up its attempts is looked for first, like any other. The answer is how many of them were dead.
///
/// # Errors
/// When the database fails.
pub async fn replay(
    change: &Change,
    connection_id: ConnectionId,
    events: &[EventId],
) -> Result<u64> {
    let these = Column::EventId.is_in(events.iter().copied());
    forget_sent(change, connection_id, Condition::all().add(these)).await?;
    let which = events.iter().map(|id| (None, (*id).into())).collect();
    let (connection, now) = (change.transaction(), change.now());
    queue::replay::<Entity>(connection, connection_id, Some(which), now).await
}

/// As [`replay`], for every dead message of a connection.
///
/// # Errors
/// When the database fails.
pub async fn replay_all(change: &Change, connection_id: ConnectionId) -> Result<u64> {
    forget_sent(change, connection_id, Condition::all()).await?;
    queue::replay::<Entity>(change.transaction(), connection_id, None, change.now()).await
}

async fn forget_sent(change: &Change, connection_id: ConnectionId, which: Condition) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::SentAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Expr::cust("\"chat_message\".\"dead\" = true"))
        .filter(Column::Error.starts_with(UNCERTAIN))
        .filter(which)
        .exec(change.transaction())
        .await?;
    Ok(())
}

impl Queue for Entity {
    const TABLE: &'static str = "chat_message";
    const KEY: &'static str = "event_id";
    const KEY_TYPE: (&'static str, ArrayType) = ("uuid", ArrayType::Uuid);
    const KEYED_BY_RESOURCE: bool = false;
    // What was worked on is there, or known not to be.
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
        self.event_id.into()
    }
}
