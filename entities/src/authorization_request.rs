//! A consent that has been asked for at a vendor: who asked, with which state and verifier, and until when it may come back.
//!
//! The state is stored hashed, is good for one use within ten minutes, and is bound to the one who asked.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::ConnectionId;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// How long a consent may take, in milliseconds.
pub const VALID_MILLIS: i64 = 10 * 60 * 1_000;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "authorization_request")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    /// SHA-256 of the state, hex.
    #[sea_orm(primary_key, auto_increment = false)]
    pub state_hash: String,
    pub connector: String,
    /// The PKCE verifier, sealed by the vault.
    pub sealed_verifier: String,
    /// SHA-256 of the browser's cookie, hex.
    pub cookie_hash: String,
    pub subject: String,
    pub redirect_uri: String,
    /// The account's own address, with a vendor that has one for each.
    pub site: Option<String>,
    /// The connection whose consent is renewed: no other account may come back. None for an account that is to be connected.
    pub connection_id: Option<ConnectionId>,
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

/// Stores a request.
///
/// # Errors
/// When the database fails.
pub async fn insert(database: &Database, row: Model) -> Result<()> {
    Entity::insert(row.into_active_model())
        .exec_without_returning(database.write())
        .await?;
    Ok(())
}

/// Uses up a request: it is found once, in time, and never again.
///
/// # Errors
/// When the database fails.
pub async fn redeem(
    database: &Database,
    connector: &str,
    state_hash: &str,
    cookie_hash: &str,
) -> Result<Option<Model>> {
    let now = database.now();
    let done = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::StateHash.eq(state_hash))
        .filter(Column::CookieHash.eq(cookie_hash))
        .filter(Column::Connector.eq(connector))
        .filter(Column::UsedAt.is_null())
        .filter(Column::CreatedAt.gt(now.plus_millis(-VALID_MILLIS)))
        .exec(database.write())
        .await?;
    if done.rows_affected != 1 {
        return Ok(None);
    }
    let select = Entity::visible_to(&Viewer::system("authorization_request"))
        .filter(Column::StateHash.eq(state_hash));
    Ok(select.one(database.write()).await?)
}
