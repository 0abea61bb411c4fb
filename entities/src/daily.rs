//! What is done once a day, and for which day it was done last.
//!
//! Invariant: of several processes that find the day not done, one does it, in the transaction in which it says so; a process that is killed on the way
//! has not done it.

use crate::change::Change;
use crate::error::Result;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, OnConflict, Query};

text_enum! {
    /// What is done.
    Task {
        /// Looking who meets the criteria of a programme's tiers.
        Tiers,
        /// Looking which commitments are at risk.
        Commitments,
    }
}

/// When something was done last.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily")]
#[expect(missing_docs, reason = "named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task: Task,
    /// For what it is done; nil for everything.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    pub done_on: NaiveDate,
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

/// Whether it is this change's to do something for a day. It is done when the change is committed.
pub(crate) async fn take(
    change: &Change,
    task: Task,
    subject_id: Uuid,
    today: NaiveDate,
) -> Result<bool> {
    let known = Entity::visible_to(&Viewer::system("daily"))
        .filter(Column::Task.eq(task))
        .filter(Column::SubjectId.eq(subject_id))
        .filter(Column::DoneOn.gte(today));
    if known.one(change.transaction()).await?.is_some() {
        return Ok(false);
    }
    let mut statement = Query::insert();
    statement
        .into_table(Entity)
        .columns([Column::Task, Column::SubjectId, Column::DoneOn])
        .values_panic([
            Expr::value(task),
            Expr::value(subject_id),
            Expr::value(today),
        ])
        .on_conflict(
            OnConflict::columns([Column::Task, Column::SubjectId])
                .update_column(Column::DoneOn)
                .action_and_where(Expr::cust("\"daily\".\"done_on\" < excluded.\"done_on\""))
                .to_owned(),
        );
    let written = change.transaction().execute(&statement).await?;
    Ok(written.rows_affected() > 0)
}
