//! The keys that sign our access tokens; the private half is sealed by the vault before it comes here.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::ActiveValue::Set;
use sea_orm::QueryOrder;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    /// Sealed by the vault.
    pub sealed: String,
    pub created_at: Timestamp,
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

/// All keys, the newest first; the newest signs.
///
/// # Errors
/// When the database fails.
pub async fn list(database: &Database) -> Result<Vec<Model>> {
    Ok(Entity::visible_to(&Viewer::system("signing_key"))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Kid)
        .all(database.read())
        .await?)
}

/// Stores a key.
///
/// # Errors
/// When the database fails.
pub async fn insert(database: &Database, kid: String, sealed: String) -> Result<()> {
    let row = ActiveModel {
        kid: Set(kid),
        sealed: Set(sealed),
        created_at: Set(database.now()),
    };
    Entity::insert(row)
        .exec_without_returning(database.write())
        .await?;
    Ok(())
}
