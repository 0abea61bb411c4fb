//! The code that a person's browser carries from the authorization server to a client: good once, for a minute.
//!
//! It is kept as a digest, with everything it is bound to: the client, the address it was sent to, the challenge of whoever asked (PKCE), and the
//! person as they were then. A used code is kept for a day, so that its second use is known for what it is.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{OAuthClientId, OAuthGrantId, UserId};
use crate::secret;
use crate::viewer::{Scopes, Viewer};
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use secrecy::{ExposeSecret as _, SecretString};

/// How long a code is good, in milliseconds.
pub const VALID_MILLIS: i64 = 60 * 1_000;
/// How long a code is kept after that, in milliseconds.
const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// A code.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "authorization_code")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_hash: String,
    pub client_id: OAuthClientId,
    pub user_id: UserId,
    /// The person's epoch when they agreed: whoever has another role since then agrees anew.
    pub subject_epoch: i64,
    pub grant_id: OAuthGrantId,
    /// As it was presented, port included.
    pub redirect_uri: String,
    pub scope: String,
    /// Whom the tokens are for.
    pub resource: String,
    /// The SHA-256 of the verifier, in base64url.
    pub code_challenge: String,
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
    /// What was allowed.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_claim(&self.scope)
    }
}

/// What a code is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewCode {
    pub client_id: OAuthClientId,
    pub user_id: UserId,
    pub subject_epoch: i64,
    pub grant_id: OAuthGrantId,
    pub redirect_uri: String,
    pub scopes: Scopes,
    pub resource: String,
    pub code_challenge: String,
}

/// Makes a code. Old ones are thrown away with it.
///
/// # Errors
/// When the database fails.
pub async fn issue(change: &Change, new: NewCode) -> Result<SecretString> {
    let now = change.now();
    Entity::delete_many()
        .filter(Column::ExpiresAt.lt(now.plus_millis(-KEPT_MILLIS)))
        .exec(change.transaction())
        .await?;
    let code = secret::generate(change.database().ids());
    let row = Model {
        code_hash: secret::digest(code.expose_secret()),
        client_id: new.client_id,
        user_id: new.user_id,
        subject_epoch: new.subject_epoch,
        grant_id: new.grant_id,
        redirect_uri: new.redirect_uri,
        scope: new.scopes.to_claim(),
        resource: new.resource,
        code_challenge: new.code_challenge,
        created_at: now,
        expires_at: now.plus_millis(VALID_MILLIS),
        used_at: None,
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    Ok(code)
}

/// Finds a code, used or not.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, code: &str) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("authorization_code"))
        .filter(Column::CodeHash.eq(secret::digest(code)));
    Ok(select.one(connection).await?)
}

/// Uses up a code. Of any number of attempts one is told that it was the one.
///
/// # Errors
/// When the database fails.
pub async fn use_up(change: &Change, row: &Model) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(change.now()))
        .filter(Column::CodeHash.eq(row.code_hash.as_str()))
        .filter(Column::UsedAt.is_null())
        .exec(change.transaction())
        .await?;
    Ok(done.rows_affected == 1)
}
