//! A browser in which a person is signed in.
//!
//! Owns the row behind the cookie. The cookie's secret is kept as a hash, and exchanged while the session goes on. Refuses: a session that
//! has been idle for eight hours or is a week old, one that was ended, and one whose person is no longer active.
//!
//! **Exchanging the secret.** An answer that carries the new secret may be lost, and requests may be under way with the old one. The old secret
//! therefore goes on being accepted until the new one has been seen a minute or more after the exchange: then the browser has it, and the
//! old one is worth nothing. Until then it may be exchanged again. So no loss on the way signs anybody out, and a secret that was copied
//! earlier dies as soon as the person goes on.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::id::{SessionId, UserId};
use crate::user;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{IntoActiveModel as _, QueryOrder as _, QuerySelect as _};
use serde_json::json;

const MINUTE: i64 = 60 * 1_000;
/// How long a session may be idle, in milliseconds.
pub const IDLE_MILLIS: i64 = 8 * 60 * MINUTE;
/// How long a session may be, in milliseconds.
pub const LONGEST_MILLIS: i64 = 7 * 24 * 60 * MINUTE;
/// How often its secret is exchanged, in milliseconds.
pub const ROTATION_MILLIS: i64 = 15 * MINUTE;
/// How long after an exchange requests with the old secret may be under way, in milliseconds.
const GRACE_MILLIS: i64 = MINUTE;
/// How exactly the last use is known, in milliseconds: not every request is worth a write.
const NOTED_MILLIS: i64 = MINUTE;
/// How long an ended session is kept, in milliseconds: a month.
const KEPT_MILLIS: i64 = 30 * 24 * 60 * MINUTE;

/// How a person proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum SignInMethod {
    /// By a password.
    Password,
    /// By a ticket that came by mail, with which a password was chosen.
    Ticket,
    /// At an identity provider.
    IdentityProvider,
}

impl SignInMethod {
    /// As the event log writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Ticket => "ticket",
            Self::IdentityProvider => "identity_provider",
        }
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub user_id: UserId,
    /// SHA-256 of the cookie's secret, hex.
    pub secret_hash: String,
    /// That of the secret before.
    pub previous_hash: Option<String>,
    pub rotated_at: Timestamp,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub method: SignInMethod,
    /// What the browser calls itself. Personal.
    pub user_agent: Option<String>,
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

impl Model {
    /// Whether the session goes on at an instant, its person apart.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none()
            && self.expires_at > now
            && self.last_used_at.plus_millis(IDLE_MILLIS) > now
    }
}

/// What a new session is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewSession {
    pub secret_hash: String,
    pub method: SignInMethod,
    pub user_agent: Option<String>,
}

fn all() -> Select<Entity> {
    Entity::visible_to(&Viewer::system("session"))
}

/// Begins a session of an active person. Sessions that ended long ago are thrown away with it.
///
/// # Errors
/// When the database fails.
pub async fn start(change: &mut Change, user: &user::Model, new: NewSession) -> Result<Model> {
    let now = change.now();
    let old = now.plus_millis(-KEPT_MILLIS);
    Entity::delete_many()
        .filter(Column::UserId.eq(user.id))
        .filter(
            Condition::any()
                .add(Column::ExpiresAt.lt(old))
                .add(Column::EndedAt.lt(old)),
        )
        .exec(change.transaction())
        .await?;
    let row = Model {
        id: change.new_id(),
        user_id: user.id,
        secret_hash: new.secret_hash,
        previous_hash: None,
        rotated_at: now,
        created_at: now,
        last_used_at: now,
        expires_at: now.plus_millis(LONGEST_MILLIS),
        ended_at: None,
        method: new.method,
        // What a browser calls itself is for its person to recognise it by; the beginning does.
        user_agent: new.user_agent.map(|text| text.chars().take(300).collect()),
    };
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    user::signed_in(change, user.id).await?;
    let data = json!({ "user": user.id, "method": row.method.as_str() });
    change.record(about(EventKind::SessionStarted, row.id, user, data));
    Ok(row)
}

/// The session of a secret, current or before; none when there is none or it no longer goes on. The person is the caller's to look at.
///
/// # Errors
/// When the database fails.
pub async fn find_live(
    connection: &impl ConnectionTrait,
    secret_hash: &str,
    now: Timestamp,
) -> Result<Option<Model>> {
    let select = all().filter(
        Condition::any()
            .add(Column::SecretHash.eq(secret_hash))
            .add(Column::PreviousHash.eq(secret_hash)),
    );
    let row = select.one(connection).await?;
    Ok(row.filter(|row| row.is_live(now)))
}

/// What a use of a session asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing is written.
    Unnoted,
    /// The use is noted.
    Noted,
    /// The secret is to be exchanged: it is older than a quarter of an hour, or the browser still comes with the one before.
    Rotation,
}

/// What has become due for a session that was found by this hash.
#[must_use]
pub fn due(row: &Model, secret_hash: &str, now: Timestamp) -> Use {
    let settled = row.rotated_at.plus_millis(GRACE_MILLIS) <= now;
    let by_previous = row.secret_hash != secret_hash;
    if row.rotated_at.plus_millis(ROTATION_MILLIS) <= now || (by_previous && settled) {
        Use::Rotation
    } else if (row.previous_hash.is_some() && !by_previous && settled)
        || row.last_used_at.plus_millis(NOTED_MILLIS) <= now
    {
        Use::Noted
    } else {
        Use::Unnoted
    }
}

/// Notes a use. With a new secret's hash the secret is exchanged, if nobody else has just done so; the answer says whether.
///
/// # Errors
/// When the database fails.
pub async fn used(
    database: &Database,
    row: &Model,
    secret_hash: &str,
    new_hash: Option<String>,
) -> Result<bool> {
    let now = database.now();
    let mut update = Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.eq(row.id))
        .filter(Column::EndedAt.is_null())
        .filter(Column::RotatedAt.eq(row.rotated_at));
    let exchanges = new_hash.is_some();
    if let Some(new_hash) = new_hash {
        update = update
            .col_expr(Column::SecretHash, Expr::value(new_hash))
            .col_expr(Column::PreviousHash, Expr::value(secret_hash))
            .col_expr(Column::RotatedAt, Expr::value(now));
    } else if row.secret_hash == secret_hash && row.rotated_at.plus_millis(GRACE_MILLIS) <= now {
        update = update.col_expr(Column::PreviousHash, Expr::value(None::<String>));
    }
    let done = update.exec(database.write()).await?;
    Ok(exchanges && done.rows_affected == 1)
}

/// The sessions of a person that go on, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list_live(
    connection: &impl ConnectionTrait,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Model>> {
    let select = all()
        .filter(Column::UserId.eq(user))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .filter(Column::LastUsedAt.gt(now.plus_millis(-IDLE_MILLIS)))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(100);
    Ok(select.all(connection).await?)
}

/// Ends one session of a person. The answer is false when the person has no such session.
///
/// # Errors
/// When the database fails.
pub async fn end(
    change: &mut Change,
    user: &user::Model,
    id: SessionId,
    because: &'static str,
) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(change.now()))
        .filter(Column::Id.eq(id))
        .filter(Column::UserId.eq(user.id))
        .filter(Column::EndedAt.is_null())
        .exec(change.transaction())
        .await?;
    if done.rows_affected != 1 {
        return Ok(false);
    }
    let data = json!({ "user": user.id, "because": because });
    change.record(about(EventKind::SessionEnded, id, user, data));
    Ok(true)
}

/// Ends the sessions of a person, but for one that may stay.
///
/// # Errors
/// When the database fails.
pub async fn end_all(
    change: &mut Change,
    user: &user::Model,
    keep: Option<SessionId>,
    because: &'static str,
) -> Result<()> {
    for row in list_live(change.transaction(), user.id, change.now()).await? {
        if Some(row.id) != keep {
            end(change, user, row.id, because).await?;
        }
    }
    // More than are listed, or idle for too long: they end without an event each.
    let mut rest = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(change.now()))
        .filter(Column::UserId.eq(user.id))
        .filter(Column::EndedAt.is_null());
    if let Some(keep) = keep {
        rest = rest.filter(Column::Id.ne(keep));
    }
    rest.exec(change.transaction()).await?;
    Ok(())
}

/// Forgets what a person's browsers called themselves.
///
/// # Errors
/// When the database fails.
pub async fn forget_browsers(change: &Change, user: UserId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::UserAgent, Expr::value(None::<String>))
        .filter(Column::UserId.eq(user))
        .exec(change.transaction())
        .await?;
    Ok(())
}

fn about(kind: EventKind, id: SessionId, user: &user::Model, data: serde_json::Value) -> NewEvent {
    let event = NewEvent::about(kind, id, data).internal();
    match user.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event,
    }
}
