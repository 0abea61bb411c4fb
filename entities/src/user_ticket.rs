//! A ticket that a person gets by mail, or from whoever runs the deployment: an invitation, or a way to a new password.
//!
//! Invariants: a ticket is kept as its hash only, is good once and for a while, and a newer one of the same purpose takes its place. Looking at
//! one does not use it up, because mail programs open links before people do; what it does, it does when it is redeemed.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::UserId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// How long a used or ended ticket is kept, in milliseconds: a week.
const KEPT_MILLIS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum TicketPurpose {
    /// To come for the first time.
    Invitation,
    /// To come for the first time with a password, whatever else there is: made on the command line only.
    FirstAdministrator,
    /// To choose a new password.
    PasswordReset,
}

impl TicketPurpose {
    /// How long such a ticket is good, in milliseconds: 72 hours for an invitation, one hour for a password.
    #[must_use]
    pub const fn valid_millis(self) -> i64 {
        const HOUR: i64 = 60 * 60 * 1_000;
        match self {
            Self::Invitation | Self::FirstAdministrator => 72 * HOUR,
            Self::PasswordReset => HOUR,
        }
    }
}

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_ticket")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    /// SHA-256 of the ticket, hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ticket_hash: String,
    pub purpose: TicketPurpose,
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
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

fn all() -> Select<Entity> {
    Entity::visible_to(&Viewer::system("user_ticket"))
}

/// Stores a ticket by its hash. Earlier ones of the same purpose are worth nothing from then on, and old ones are thrown away.
///
/// # Errors
/// When the database fails.
pub async fn issue(
    change: &Change,
    user: UserId,
    purpose: TicketPurpose,
    ticket_hash: String,
) -> Result<()> {
    let now = change.now();
    Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::ExpiresAt.lt(now.plus_millis(-KEPT_MILLIS)))
                .add(
                    Condition::all()
                        .add(Column::UserId.eq(user))
                        .add(Column::Purpose.eq(purpose))
                        .add(Column::UsedAt.is_null()),
                ),
        )
        .exec(change.transaction())
        .await?;
    let row = Model {
        ticket_hash,
        purpose,
        user_id: user,
        created_at: now,
        expires_at: now.plus_millis(purpose.valid_millis()),
        used_at: None,
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    Ok(())
}

/// The ticket with this hash, if it is still good at `now`. It stays good.
///
/// # Errors
/// When the database fails.
pub async fn find_good(
    connection: &impl ConnectionTrait,
    ticket_hash: &str,
    now: Timestamp,
) -> Result<Option<Model>> {
    let select = all()
        .filter(Column::TicketHash.eq(ticket_hash))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now));
    Ok(select.one(connection).await?)
}

/// Uses up a ticket: it is found once, in time, and never again.
///
/// # Errors
/// When the database fails.
pub async fn redeem(change: &Change, ticket_hash: &str) -> Result<Option<Model>> {
    let now = change.now();
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::TicketHash.eq(ticket_hash))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(change.transaction())
        .await?;
    if done.rows_affected != 1 {
        return Ok(None);
    }
    let select = all().filter(Column::TicketHash.eq(ticket_hash));
    Ok(select.one(change.transaction()).await?)
}

/// Whether a person was given a ticket of this purpose since an instant; so that nobody's mailbox is filled on another's wish.
///
/// # Errors
/// When the database fails.
pub async fn was_issued_since(
    connection: &impl ConnectionTrait,
    user: UserId,
    purpose: TicketPurpose,
    since: Timestamp,
) -> Result<bool> {
    let select = all()
        .filter(Column::UserId.eq(user))
        .filter(Column::Purpose.eq(purpose))
        .filter(Column::CreatedAt.gt(since));
    Ok(select.one(connection).await?.is_some())
}

/// Makes every open ticket of a person worthless.
///
/// # Errors
/// When the database fails.
pub async fn void(change: &Change, user: UserId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .filter(Column::UsedAt.is_null())
        .exec(change.transaction())
        .await?;
    Ok(())
}
