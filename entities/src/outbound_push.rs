//! "The vendor may not know what this row of ours says": what our changes boil down to on their way out. One row per connection and row of ours,
//! however many changes there were; a connection that cannot be called keeps its pushes until it can.
//!
//! A push names a row and no values: what is sent is what the row says when it is sent, compared with what the vendor is known to hold. Pushes of one
//! row are therefore in order, and several changes become one call.

use crate::clock::Timestamp;
use crate::id::{ConnectionId, PartnerId};
use crate::visible::{Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use uuid::Uuid;

/// A push.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbound_push")]
#[expect(missing_docs, reason = "each field is a word of the sync rules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub connection_id: ConnectionId,
    /// The kind of our row: an id prefix.
    pub subject_kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    /// The neutral resource it is at the vendor.
    pub resource: String,
    /// Rises with every change of the row; a worker removes the push only if it has not risen meanwhile.
    pub generation: i64,
    pub first_seen_at: Timestamp,
    /// When a creation left for the vendor whose outcome is not known yet.
    pub sent_at: Option<Timestamp>,
    pub attempts: i32,
    pub available_at: Timestamp,
    pub lease_owner: Option<Uuid>,
    pub lease_until: Option<Timestamp>,
    pub fence: i64,
    pub dead: bool,
    pub error: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: PartnerId) -> Condition {
        nothing()
    }
}
