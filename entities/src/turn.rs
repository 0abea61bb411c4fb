//! Taking turns: who holds a turn is the only one to do what it names, until its change ends.
//!
//! Some laws are about rows that do not exist yet (two claims of one account at the same moment, two computations of the same revenue), which no row
//! can be locked for. On SQLite a change is alone anyway; on PostgreSQL the turn's row is locked.

use crate::change::Change;
use crate::error::{Error, Result};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::QuerySelect as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;

/// A turn.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "turn")]
pub struct Model {
    /// What it is about.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
}

/// Turns refer to nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// What is done one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Computing what revenue earns.
    Accrual,
    /// Taking something from an administrator.
    Administrators,
    /// Putting an exclusive scope in force.
    Exclusivity,
    /// Submitting a registration.
    Registration,
}

/// Waits for a turn; it ends with the change.
pub(crate) async fn take(change: &Change, turn: Turn) -> Result<()> {
    let name = match turn {
        Turn::Accrual => "accrual",
        Turn::Administrators => "administrators",
        Turn::Exclusivity => "exclusivity",
        Turn::Registration => "registration",
    };
    Entity::visible_to(&Viewer::system("turn"))
        .filter(Column::Name.eq(name))
        .lock_exclusive()
        .one(change.transaction())
        .await?
        .map(|_| ())
        .ok_or_else(|| Error::Damaged(format!("the turn {name} is missing")))
}
