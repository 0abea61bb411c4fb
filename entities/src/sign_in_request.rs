//! A way to an identity provider and back: where it began, in which browser, with which proof, and where it is to end.
//!
//! Invariant: the state is kept hashed, bound to the browser's cookie, and good for one return within ten minutes. The provider is remembered
//! here and not believed from what comes back.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::IdentityProviderId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// How long the way may take, in milliseconds.
pub const VALID_MILLIS: i64 = 10 * 60 * 1_000;

/// How long a request is kept, in milliseconds: an hour.
const KEPT_MILLIS: i64 = 60 * 60 * 1_000;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_in_request")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    /// SHA-256 of the state, hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub state_hash: String,
    /// SHA-256 of the browser's cookie, hex.
    pub cookie_hash: String,
    /// A partner's provider; none for that of the staff.
    pub provider_id: Option<IdentityProviderId>,
    /// The PKCE verifier, sealed by the vault.
    pub sealed_verifier: String,
    pub nonce: String,
    /// A path of ours.
    pub continue_to: String,
    pub created_at: Timestamp,
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

/// Stores a request. Old ones are thrown away with it.
///
/// # Errors
/// When the database fails.
pub async fn insert(database: &Database, row: Model) -> Result<()> {
    Entity::delete_many()
        .filter(Column::CreatedAt.lt(row.created_at.plus_millis(-KEPT_MILLIS)))
        .exec(database.write())
        .await?;
    Entity::insert(row.into_active_model())
        .exec_without_returning(database.write())
        .await?;
    Ok(())
}

/// Uses up a request: it is found once, in time, in its own browser, and never again.
///
/// # Errors
/// When the database fails.
pub async fn redeem(
    database: &Database,
    state_hash: &str,
    cookie_hash: &str,
) -> Result<Option<Model>> {
    let now = database.now();
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::StateHash.eq(state_hash))
        .filter(Column::CookieHash.eq(cookie_hash))
        .filter(Column::UsedAt.is_null())
        .filter(Column::CreatedAt.gt(now.plus_millis(-VALID_MILLIS)))
        .exec(database.write())
        .await?;
    if done.rows_affected != 1 {
        return Ok(None);
    }
    let select = Entity::visible_to(&Viewer::system("sign_in_request"))
        .filter(Column::StateHash.eq(state_hash));
    Ok(select.one(database.write()).await?)
}
