//! A message that was posted: where it is, so that it can be put right when somebody answers it.
//!
//! Invariant: of one event there is one message in one connection; whoever comes second finds the first.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{ConnectionId, EventId};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, OnConflict};

/// A posted message.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_post")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: EventId,
    pub subject_kind: String,
    pub subject_id: Uuid,
    /// The vendor's id of the channel.
    pub channel: String,
    /// The vendor's id of the message.
    pub external_id: String,
    pub posted_at: Timestamp,
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

/// Keeps where a message is. One that is known stays as it is.
///
/// # Errors
/// When the database fails.
pub async fn keep(connection: &impl ConnectionTrait, row: Model) -> Result<()> {
    Entity::insert_many([row.into_active_model()])
        .on_conflict(
            OnConflict::columns([Column::ConnectionId, Column::EventId])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

/// The message about an event, where it was posted.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    event: EventId,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("chat_post"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::EventId.eq(event));
    Ok(select.one(connection).await?)
}

/// The messages about a row, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list_about(connection: &impl ConnectionTrait, subject: Uuid) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("chat_post"))
        .filter(Column::SubjectId.eq(subject))
        .order_by_asc(Column::EventId);
    Ok(select.all(connection).await?)
}
