//! Inserting many rows and updating one row under its version.

use crate::change::Change;
use crate::error::{Error, Result};
use crate::visible::Versioned;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait, IntoActiveModel, Iterable, QueryFilter};

/// Bound values of one INSERT, below SQLite's limit of 32,766.
const VALUES_PER_INSERT: usize = 30_000;

/// Inserts the rows as they are, in as few statements as the database's limit on bound values allows.
pub(crate) async fn insert<E>(change: &Change, rows: &[E::Model]) -> Result<()>
where
    E: EntityTrait,
    E::Model: Clone + IntoActiveModel<E::ActiveModel>,
{
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let per_statement = (VALUES_PER_INSERT / columns.len().max(1)).clamp(1, 500);
    for chunk in rows.chunks(per_statement) {
        let mut statement = Query::insert();
        statement
            .into_table(E::default())
            .columns(columns.iter().copied());
        for row in chunk {
            let active = row.clone().into_active_model();
            let values = columns.iter().map(|column| {
                active
                    .get(*column)
                    .into_value()
                    .map(Expr::value)
                    .unwrap_or_else(|| Expr::cust("NULL"))
            });
            statement.values_panic(values);
        }
        change.transaction().execute(&statement).await?;
    }
    Ok(())
}

/// Updates one row if it still is at `version`.
pub(crate) async fn update<A>(
    change: &Change,
    active: A,
    version: i64,
) -> Result<<A::Entity as EntityTrait>::Model>
where
    A: ActiveModelTrait + Clone + Send + sea_orm::TryIntoModel<<A::Entity as EntityTrait>::Model>,
    <A::Entity as EntityTrait>::Model: Versioned + IntoActiveModel<A>,
{
    let row = active.clone().try_into_model()?;
    let statement = <A::Entity as EntityTrait>::update_many()
        .set(active.clone())
        .filter(Expr::col(Alias::new("id")).eq(id_of(&active)?))
        .filter(Expr::col(Alias::new("version")).eq(version));
    let done = statement.exec(change.transaction()).await?;
    if done.rows_affected == 1 {
        Ok(row)
    } else {
        Err(Error::version_conflict(version, row.version()))
    }
}

fn id_of<A: ActiveModelTrait>(active: &A) -> Result<sea_orm::Value> {
    use std::str::FromStr;
    let column = <A::Entity as EntityTrait>::Column::from_str("id")
        .map_err(|_| Error::Damaged("a table without an id".to_owned()))?;
    active
        .get(column)
        .into_value()
        .ok_or_else(|| Error::Damaged("a row without an id".to_owned()))
}
