//! What is to be refused although it is signed and has not ended: one token, those of a grant, or those below an epoch of a person or a client.
//!
//! A signed token is believed without asking the database, so that what takes it back has to be known beforehand by whoever verifies it. Each taking
//! back is a row here, written in the transaction that is its reason, and a line of the process's memory ([`Revocations`]) from the moment that
//! transaction is committed; other processes read the rows again and again (`api::oauth::revocation` says how often). A row is needed until the last
//! token it refuses would have ended by itself, and is thrown away after that.
//!
//! Invariant: an entry is only ever added or raised, until its time is over; reading older rows again cannot let anything in.

mod remembered;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::{OAuthClientId, OAuthGrantId, UserId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, OnConflict};

pub use remembered::{Presented, Revocations};

/// How long an access token lives, in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 600;

/// How long a revocation of all tokens of a grant, a person or a client is needed, in milliseconds: as long as a token that was made just before, on a
/// machine whose clock is a minute ahead.
const NEEDED_MILLIS: i64 = (ACCESS_TOKEN_SECONDS + 60) * 1_000;

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum RevocationKind {
    /// A token, by its id.
    Token,
    /// What a person allowed a client.
    Grant,
    /// A person; tokens of an earlier epoch.
    Subject,
    /// A client; tokens of an earlier epoch.
    Client,
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "token_revocation")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: RevocationKind,
    /// The id of the token, the grant, the person or the client.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// Tokens below it are refused; 0 where all are.
    pub epoch: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// It has none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// Refuses the tokens of a person that were made below an epoch.
///
/// # Errors
/// When the database fails.
pub async fn revoke_subject(change: &mut Change, user: UserId, epoch: i64) -> Result<()> {
    write(change, RevocationKind::Subject, user.to_string(), epoch).await
}

/// Refuses the tokens of a client that were made below an epoch.
///
/// # Errors
/// When the database fails.
pub async fn revoke_client(change: &mut Change, client: OAuthClientId, epoch: i64) -> Result<()> {
    write(change, RevocationKind::Client, client.to_string(), epoch).await
}

/// Refuses the tokens that follow from a grant.
///
/// # Errors
/// When the database fails.
pub async fn revoke_grant(change: &mut Change, grant: OAuthGrantId) -> Result<()> {
    write(change, RevocationKind::Grant, grant.to_string(), 0).await
}

/// Refuses one token, which ends by itself at `ends`.
///
/// # Errors
/// When the database fails.
pub async fn revoke_token(change: &mut Change, token_id: &str, ends: Timestamp) -> Result<()> {
    insert(
        change,
        Model {
            kind: RevocationKind::Token,
            subject: token_id.to_owned(),
            epoch: 0,
            created_at: change.now(),
            expires_at: ends,
        },
    )
    .await
}

async fn write(
    change: &mut Change,
    kind: RevocationKind,
    subject: String,
    epoch: i64,
) -> Result<()> {
    let row = Model {
        kind,
        subject,
        epoch,
        created_at: change.now(),
        expires_at: change.now().plus_millis(NEEDED_MILLIS),
    };
    insert(change, row).await
}

async fn insert(change: &mut Change, row: Model) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ExpiresAt.lt(change.now()))
        .exec(change.transaction())
        .await?;
    // The epochs of one subject rise under the lock of its row, so that the last writer's is the highest.
    let again = OnConflict::columns([Column::Kind, Column::Subject])
        .update_columns([Column::Epoch, Column::CreatedAt, Column::ExpiresAt])
        .to_owned();
    Entity::insert(row.clone().into_active_model())
        .on_conflict(again)
        .exec_without_returning(change.transaction())
        .await?;
    change.revoke(row);
    Ok(())
}

/// The revocations written since an instant that are still needed; all that are needed when there is none.
///
/// # Errors
/// When the database fails.
pub async fn list_needed(database: &Database, since: Option<Timestamp>) -> Result<Vec<Model>> {
    let mut select = Entity::visible_to(&Viewer::system("token_revocation"))
        .filter(Column::ExpiresAt.gt(database.now()));
    if let Some(since) = since {
        select = select.filter(Column::CreatedAt.gt(since));
    }
    Ok(select.all(database.read()).await?)
}
