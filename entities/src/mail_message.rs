//! A message by mail, from the change that wants it said until the mail server has it.
//!
//! Owns the rows and their states. Refuses: to know what a message says or to whom it goes: both are sealed before they come here, for a text may hold
//! a ticket. Invariants: a message is written by the change that causes it, so that neither is there without the other; what a message says leaves the
//! row when it was sent, and when nobody will try any more; and what has come too late to be of use is not sent.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result, ViolationCode};
pub use crate::queue::outbox::Claiming;
use crate::queue::outbox::{self, Errand, Outbox};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{IntoActiveModel as _, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use crate::id::{MailMessageId, TypedId};

text_enum! {
    /// What a message is for.
    MailPurpose {
        /// Asking a person to come.
        Invitation,
        /// The way to a new password.
        PasswordReset,
        /// Telling a person that a partner wanted to invite them elsewhere.
        InvitedElsewhere,
        /// What an automation says.
        Automation,
    }
}

text_enum! {
    /// How far a message is.
    MailState {
        /// It will be tried, or tried again.
        Pending,
        /// The mail server took it.
        Sent,
        /// It was given up.
        Dead,
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_message")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MailMessageId,
    pub created_at: Timestamp,
    pub purpose: MailPurpose,
    /// Whom it goes to: the prefix of their id, and the id.
    pub subject_kind: String,
    pub subject_id: Uuid,
    /// To whom and what, sealed; none once nobody needs it any more.
    pub sealed: Option<String>,
    /// From then on it is of no use.
    pub expires_at: Timestamp,
    pub state: MailState,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub settled_at: Option<Timestamp>,
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
    const TABLE: &'static str = "mail_message";
    const GIVEN_UP: &'static str = "DEAD";
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

/// A message to be written.
#[derive(Clone, Debug)]
pub struct NewMail<S> {
    /// Its id, to which it is sealed.
    pub id: MailMessageId,
    /// What it is for.
    pub purpose: MailPurpose,
    /// What it concerns.
    pub subject: S,
    /// To whom and what, sealed.
    pub sealed: String,
    /// From then on it is of no use.
    pub expires_at: Timestamp,
}

/// Writes a message, due at once.
///
/// # Errors
/// When the database fails.
pub async fn write<S: TypedId>(change: &Change, new: NewMail<S>) -> Result<()> {
    let row = Model {
        id: new.id,
        created_at: change.now(),
        purpose: new.purpose,
        subject_kind: S::PREFIX.to_owned(),
        subject_id: new.subject.uuid(),
        sealed: Some(new.sealed),
        expires_at: new.expires_at,
        state: MailState::Pending,
        attempts: 0,
        available_at: change.now(),
        lease_owner: None,
        lease_until: None,
        fence: 0,
        settled_at: None,
        error: None,
    };
    Entity::insert_many([row.into_active_model()])
        .exec_without_returning(change.transaction())
        .await?;
    Ok(())
}

/// Claims due messages, those that have waited longest first.
///
/// # Errors
/// When the database fails.
pub async fn claim(database: &Database, claiming: Claiming) -> Result<Vec<Model>> {
    outbox::claim::<Entity>(database, claiming).await
}

/// Notes that the mail server took a message. What it says stays where `kept`; otherwise it leaves the row. The answer says whether the message was
/// still the claimer's.
///
/// # Errors
/// When the database fails.
pub async fn sent(change: &Change, row: &Model, kept: bool) -> Result<bool> {
    settle(change, row, MailState::Sent, None, kept).await
}

/// Gives a message up. What it says leaves the row unless it may be tried again by hand (`kept`).
///
/// # Errors
/// When the database fails.
pub async fn give_up(change: &Change, row: &Model, error: &str, kept: bool) -> Result<bool> {
    settle(change, row, MailState::Dead, Some(error), kept).await
}

async fn settle(
    change: &Change,
    row: &Model,
    state: MailState,
    error: Option<&str>,
    kept: bool,
) -> Result<bool> {
    let (connection, now) = (change.transaction(), change.now());
    let held = outbox::settle::<Entity>(connection, row, state, error, now).await?;
    if held && !kept {
        forget_text(change, Condition::all().add(Column::Id.eq(row.id))).await?;
    }
    Ok(held)
}

async fn forget_text(change: &Change, which: Condition) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(Option::<String>::None))
        .filter(which)
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Gives a message back, to be tried again.
///
/// # Errors
/// When the database fails.
pub async fn release(
    connection: &impl ConnectionTrait,
    row: &Model,
    available_at: Timestamp,
    error: &str,
) -> Result<bool> {
    outbox::release::<Entity>(connection, row, available_at, Some(error), true).await
}

/// Lets a message that was given up be tried again, with all its attempts.
///
/// # Errors
/// Not found; one that was sent, still waits, or is of no use any more; or a fault of the database.
pub async fn retry(change: &Change, viewer: &Viewer, id: MailMessageId) -> Result<Model> {
    let row = visible::lock_all::<Entity>(change, viewer, [id.0])
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| Error::not_found("id"))?;
    if row.state != MailState::Dead {
        let message = "Only a message that was given up is tried again.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "id",
            message,
        ));
    }
    if row.sealed.is_none() || row.expires_at <= change.now() {
        let message = "What it said is of no use any more: have another one written.";
        return Err(Error::invalid(ViolationCode::Locked, "id", message));
    }
    Entity::update_many()
        .col_expr(Column::State, Expr::value(MailState::Pending))
        .col_expr(Column::Attempts, Expr::value(0_i32))
        .col_expr(Column::AvailableAt, Expr::value(change.now()))
        .col_expr(Column::SettledAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::Id.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(Model {
        state: MailState::Pending,
        attempts: 0,
        available_at: change.now(),
        settled_at: None,
        ..row
    })
}

/// The messages whose text is still there, the newest first: for a development's box.
///
/// # Errors
/// When the database fails.
pub async fn list_latest(connection: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("mail_message"))
        .filter(Column::Sealed.is_not_null())
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(limit);
    Ok(select.all(connection).await?)
}

/// Throws away what concerns a row, sent or not.
///
/// # Errors
/// When the database fails.
pub async fn forget(change: &Change, subject: Uuid) -> Result<()> {
    Entity::delete_many()
        .filter(Column::SubjectId.eq(subject))
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

/// Gives up what has become worthless while nobody could send it, and throws away what was kept of messages that are of no use any more. The answer is how
/// many there were.
///
/// # Errors
/// When the database fails.
pub async fn expire(database: &Database) -> Result<u64> {
    let now = database.now();
    let over = Entity::update_many()
        .col_expr(Column::State, Expr::value(MailState::Dead))
        .col_expr(Column::SettledAt, Expr::value(Some(now)))
        .col_expr(
            Column::Error,
            Expr::value(Some("it came too late to be of use")),
        )
        .filter(Expr::cust("\"mail_message\".\"state\" = 'PENDING'"))
        .filter(Column::ExpiresAt.lte(now))
        .filter(Column::AvailableAt.lte(now))
        .exec(database.write())
        .await?;
    Entity::update_many()
        .col_expr(Column::Sealed, Expr::value(Option::<String>::None))
        .filter(Column::State.eq(MailState::Dead))
        .filter(Column::ExpiresAt.lte(now))
        .filter(Column::Sealed.is_not_null())
        .exec(database.write())
        .await?;
    Ok(over.rows_affected)
}

/// Throws away what was settled before an instant, at most so many. The answer is how many there were.
///
/// # Errors
/// When the database fails.
pub async fn prune(database: &Database, before: Timestamp, limit: u64) -> Result<u64> {
    outbox::prune::<Entity>(database, before, limit).await
}
