//! Who a person is at an identity provider: the provider's own name for them, which never changes, tied to one of our people.
//!
//! The tie is made once, by an address the provider vouches for, and from then on it decides: an address may be given to somebody else one
//! day, a subject may not. Invariants: a subject of an issuer is one person, and a person has one subject with an issuer.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::EventKind;
use crate::id::UserId;
use crate::user;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::TryInsertResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

/// A tie.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_identity")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub user_id: UserId,
    pub created_at: Timestamp,
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
    Entity::visible_to(&Viewer::system("user_identity"))
}

/// Who a subject of an issuer is here.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<Model>> {
    let select = all()
        .filter(Column::Issuer.eq(issuer))
        .filter(Column::Subject.eq(subject));
    Ok(select.one(connection).await?)
}

/// Whether a person has any identity.
///
/// # Errors
/// When the database fails.
pub async fn exists_for(connection: &impl ConnectionTrait, user: UserId) -> Result<bool> {
    let found = all().filter(Column::UserId.eq(user)).one(connection);
    Ok(found.await?.is_some())
}

/// The identities of a person.
///
/// # Errors
/// When the database fails.
pub async fn list_of(connection: &impl ConnectionTrait, user: UserId) -> Result<Vec<Model>> {
    Ok(all()
        .filter(Column::UserId.eq(user))
        .all(connection)
        .await?)
}

/// Ties a subject to a person. The answer is false, and nothing is written, when the person has another subject with this issuer or the subject
/// is somebody else's. The person's row must be locked.
///
/// # Errors
/// When the database fails.
pub async fn link(
    change: &mut Change,
    user: &user::Model,
    issuer: &str,
    subject: &str,
) -> Result<bool> {
    let other = all()
        .filter(Column::UserId.eq(user.id))
        .filter(Column::Issuer.eq(issuer))
        .one(change.transaction());
    if other.await?.is_some() {
        return Ok(false);
    }
    let row = Model {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        user_id: user.id,
        created_at: change.now(),
    };
    let done = Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([Column::Issuer, Column::Subject])
        .exec_without_returning(change.transaction())
        .await?;
    if !matches!(done, TryInsertResult::Inserted(1)) {
        return Ok(false);
    }
    let data = json!({ "issuer": issuer });
    change.record(user::about(EventKind::UserIdentityLinked, user, data));
    Ok(true)
}

/// Cuts all ties of a person.
///
/// # Errors
/// When the database fails.
pub async fn forget(change: &Change, user: UserId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .exec(change.transaction())
        .await?;
    Ok(())
}
