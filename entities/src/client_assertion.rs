//! The ids of the assertions that clients signed to prove themselves: each counts once, until it would have ended by itself.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::id::OAuthClientId;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::TryInsertResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// An assertion that was used.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "client_assertion")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: OAuthClientId,
    /// Its `jti`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_id: String,
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

/// Uses up an assertion; the answer is false when it was used before. It stays used, whatever becomes of the request. Those that have ended are
/// thrown away with it.
///
/// # Errors
/// When the database fails.
pub async fn use_up(
    database: &Database,
    client: OAuthClientId,
    token_id: &str,
    ends: Timestamp,
) -> Result<bool> {
    // A minute later than it ends: clocks differ, and none may take for new what another has thrown away.
    let gone = database.now().plus_millis(-60 * 1_000);
    Entity::delete_many()
        .filter(Column::ExpiresAt.lt(gone))
        .exec(database.write())
        .await?;
    let row = Model {
        client_id: client,
        token_id: token_id.to_owned(),
        expires_at: ends,
    };
    let done = Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([Column::ClientId, Column::TokenId])
        .exec_without_returning(database.write())
        .await?;
    Ok(matches!(done, TryInsertResult::Inserted(1)))
}
