//! Refresh tokens: each is good once and is exchanged for the next, so that of two who have the same one is noticed.
//!
//! Kept as digests, in families: all that follow from one grant. A used token stays until it would have ended, for its second use ends the family.
//! What a token may ask for is fixed when its family begins and never grows.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::OAuthGrantId;
use crate::secret;
use crate::viewer::{Scopes, Viewer};
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use secrecy::{ExposeSecret as _, SecretString};

/// How long a refresh token is good when it is not used, in milliseconds: 30 days.
pub const VALID_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_token")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: String,
    pub grant_id: OAuthGrantId,
    /// What may be asked for with it.
    pub scope: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
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

impl Model {
    /// What may be asked for with it.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_claim(&self.scope)
    }
}

/// Makes a token of a family. Those that have ended are thrown away with it.
///
/// # Errors
/// When the database fails.
pub async fn issue(change: &Change, grant: OAuthGrantId, scopes: Scopes) -> Result<SecretString> {
    let now = change.now();
    Entity::delete_many()
        .filter(Column::ExpiresAt.lt(now))
        .exec(change.transaction())
        .await?;
    let token = secret::generate(change.database().ids());
    let row = Model {
        token_hash: secret::digest(token.expose_secret()),
        grant_id: grant,
        scope: scopes.to_claim(),
        created_at: now,
        expires_at: now.plus_millis(VALID_MILLIS),
        used_at: None,
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    Ok(token)
}

/// Finds a token, used or not.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, token: &str) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("refresh_token"))
        .filter(Column::TokenHash.eq(secret::digest(token)));
    Ok(select.one(connection).await?)
}

/// Uses up a token. Of any number of attempts one is told that it was the one.
///
/// # Errors
/// When the database fails.
pub async fn use_up(change: &Change, row: &Model) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(change.now()))
        .filter(Column::TokenHash.eq(row.token_hash.as_str()))
        .filter(Column::UsedAt.is_null())
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected == 1)
}
