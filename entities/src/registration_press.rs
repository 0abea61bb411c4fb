//! What people wanted to become of a registration by a button below the message that told of it, and what became of that.
//!
//! Kept so that the message can tell it back. Invariants: the same press twice is one; a press that decided is in the transaction of its decision.
//! Partners never see who pressed.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{ConnectionId, DealRegistrationId, EventId, RegistrationPressId, UserId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

text_enum! {
    /// What somebody wanted.
    Wish {
        /// That it be approved.
        Approve,
        /// That it be refused.
        Reject,
    }
}

text_enum! {
    /// What became of it.
    PressOutcome {
        /// It was done.
        Done,
        /// Something stands against it.
        Refused,
        /// This person may not, or the account is nobody's.
        Forbidden,
        /// It was decided already.
        TooLate,
    }
}

/// A press.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "registration_press")]
#[expect(missing_docs, reason = "named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RegistrationPressId,
    pub created_at: Timestamp,
    pub registration_id: DealRegistrationId,
    /// The submission that was told of.
    pub event_id: EventId,
    pub connection_id: ConnectionId,
    /// The person's id there.
    pub external_user_id: String,
    /// Who that is here.
    pub user_id: Option<UserId>,
    pub wish: Wish,
    pub outcome: PressOutcome,
    /// By the vendor's clock.
    pub occurred_at: Timestamp,
    /// Two presses with one key are one; unique per connection.
    pub dedupe_key: String,
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

/// Whether a press has been taken in.
///
/// # Errors
/// When the database fails.
pub async fn is_known(
    connection: &impl ConnectionTrait,
    connection_id: ConnectionId,
    dedupe_key: &str,
) -> Result<bool> {
    let select = Entity::visible_to(&Viewer::system("registration_press"))
        .filter(Column::ConnectionId.eq(connection_id))
        .filter(Column::DedupeKey.eq(dedupe_key));
    Ok(select.one(connection).await?.is_some())
}

/// Keeps a press. The caller holds the registration's row.
///
/// # Errors
/// When the database fails.
pub async fn keep(change: &Change, row: Model) -> Result<()> {
    crate::write::insert::<Entity>(change, &[row]).await
}

/// What was pressed below the message of one submission, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_event(connection: &impl ConnectionTrait, event: EventId) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("registration_press"))
        .filter(Column::EventId.eq(event))
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}
