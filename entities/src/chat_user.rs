//! Who the people of a chat are here: an account there, tied to one of our people by an administrator.
//!
//! Secure by absence: whose account is tied to nobody decides nothing by a button. What a press may do is what its person may do at that moment, so a
//! person that is disabled or gets another role decides no longer. Invariant: an account of a chat is one person.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{ConnectionId, UserId};
use crate::user;
use crate::viewer::{Viewer, ViewerKind};
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, OnConflict};
use sea_orm::{IntoActiveModel as _, QueryOrder as _};
use serde_json::json;

/// A tie.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_user")]
#[expect(missing_docs, reason = "named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The account's id there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
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

/// Ties an account of a chat to a person. The same tie again writes nothing.
///
/// # Errors
/// Somebody who is not of staff, or an account that is somebody else's; then nothing is written.
pub async fn link(
    change: &mut Change,
    connection_id: ConnectionId,
    external_id: &str,
    person: &user::Model,
) -> Result<()> {
    let mut violations = Violations::default();
    violations.text("chatUserId", external_id, 200);
    if person.partner_id.is_some() || !person.is_active() {
        let message = "Only an active person of staff decides in a chat.";
        violations.add(ViolationCode::Invalid, "userId", message);
    }
    violations.finish()?;
    let row = Model {
        connection_id,
        external_id: external_id.to_owned(),
        user_id: person.id,
        created_at: change.now(),
    };
    let key = OnConflict::columns([Column::ConnectionId, Column::ExternalId])
        .do_nothing()
        .to_owned();
    let inserted = Entity::insert_many([row.into_active_model()])
        .on_conflict(key)
        .exec_without_returning(change.transaction())
        .await?;
    if inserted == 0 {
        let known = find(change.transaction(), connection_id, external_id).await?;
        if known.is_some_and(|known| known.user_id == person.id) {
            return Ok(());
        }
        let message = "This account is somebody else's: unlink it first.";
        return Err(Error::invalid(ViolationCode::Taken, "chatUserId", message));
    }
    let data = json!({ "connection": connection_id, "account": external_id });
    change.record(NewEvent::about(EventKind::UserChatLinked, person.id, data).internal());
    Ok(())
}

/// Unties an account. The answer is whose it was.
///
/// # Errors
/// An account that is nobody's.
pub async fn unlink(
    change: &mut Change,
    connection_id: ConnectionId,
    external_id: &str,
) -> Result<UserId> {
    let Some(row) = find(change.transaction(), connection_id, external_id).await? else {
        return Err(Error::not_found("chatUserId"));
    };
    Entity::delete_many()
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::ExternalId.eq(external_id))
        .exec(change.transaction())
        .await?;
    let data = json!({ "connection": connection_id, "account": external_id });
    change.record(NewEvent::about(EventKind::UserChatUnlinked, row.user_id, data).internal());
    Ok(row.user_id)
}

async fn find(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    external_id: &str,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("chat_user"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::ExternalId.eq(external_id));
    Ok(select.one(connection).await?)
}

/// The accounts of a person, by connection.
///
/// # Errors
/// When the database fails.
pub async fn list_of(connection: &impl ConnectionTrait, user: UserId) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("chat_user"))
        .filter(Column::UserId.eq(user))
        .order_by_asc(Column::ConnectionId)
        .order_by_asc(Column::ExternalId);
    Ok(select.all(connection).await?)
}

/// Unties all accounts of a person.
///
/// # Errors
/// When the database fails.
pub(crate) async fn forget(change: &Change, user: UserId) -> Result<()> {
    Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Whom an account acts for, with what that person may do now; none where it is tied to nobody, or to somebody who is not active.
///
/// # Errors
/// When the database fails.
pub async fn viewer_of(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    external_id: &str,
) -> Result<Option<(UserId, Viewer)>> {
    let Some(tie) = find(connection, connection_id, external_id).await? else {
        return Ok(None);
    };
    let Some(person) = user::find(connection, tie.user_id).await? else {
        return Ok(None);
    };
    if !person.is_active() {
        return Ok(None);
    }
    let role = person.user_role()?;
    let kind = role.viewer_kind();
    let is_staff = matches!(kind, ViewerKind::Staff(_));
    let viewer = Viewer::new(kind, role.bounds(), person.id.to_string());
    Ok(is_staff.then_some((person.id, viewer)))
}
