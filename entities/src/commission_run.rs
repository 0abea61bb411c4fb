//! One computation of what revenue earns: how much it read, how much it wrote, and a hash of its result. The same inputs have the same hash.

use crate::clock::Timestamp;
use crate::id::CommissionRunId;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "commission_run")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommissionRunId,
    pub started_at: Timestamp,
    pub started_by: String,
    pub events: i64,
    pub entries: i64,
    pub result_hash: String,
    pub finished_at: Option<Timestamp>,
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
