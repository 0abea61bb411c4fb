//! Inserting many rows and updating one row under its version.
//!
//! A page of a synchronisation writes some thousand values. They are moved into a statement whose text is put together here; through the
//! query builder each of them would become an expression of its own and be copied twice on its way. PostgreSQL gets them as arrays ([`arrays`]).

mod arrays;

use crate::change::Change;
use crate::error::{Error, Result};
use crate::visible::Versioned;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait as _};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, IntoActiveModel, Iterable, QueryFilter,
    Statement, Value, Values,
};
use std::fmt::Write as _;
use std::pin::Pin;

/// Bound values of one INSERT, below SQLite's limit of 32,766.
const VALUES_PER_INSERT: usize = 30_000;
/// Rows of one INSERT.
const ROWS_PER_INSERT: usize = 500;
/// Rows of one INSERT on PostgreSQL, where a column is bound as one array.
const ROWS_PER_ARRAY: usize = 2_000;

/// A column that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    /// What follows the placeholder on PostgreSQL.
    cast: &'static str,
}

impl Column {
    /// A column whose value is bound as it is.
    pub(crate) const fn plain(name: &'static str) -> Self {
        Self { name, cast: "" }
    }

    /// A column of JSON, whose value is bound as text.
    pub(crate) const fn json(name: &'static str) -> Self {
        Self {
            name,
            cast: "::jsonb",
        }
    }

    /// A column whose value on PostgreSQL is an expression that begins with the bound one.
    pub(crate) const fn computed(name: &'static str, cast: &'static str) -> Self {
        Self { name, cast }
    }
}

/// A value as JSON text, for a [`Column::json`].
pub(crate) fn json_text<T: serde::Serialize>(value: &T) -> Result<Value> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::Damaged(format!("a value has no JSON form: {error}")))?;
    Ok(text.into())
}

/// Inserts rows, given as their values in the order of the columns, in as few statements as the database's limit on bound values allows.
/// `ending` follows the rows of each.
///
/// The statements are put together before the first is sent, so that whoever awaits holds no borrowed iterator meanwhile.
pub(crate) fn insert_values<'t, R>(
    transaction: &'t DatabaseTransaction,
    table: &str,
    columns: &[Column],
    rows: impl ExactSizeIterator<Item = Result<R>>,
    ending: &str,
) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 't>>
where
    R: IntoIterator<Item = Value>,
{
    let backend = transaction.get_database_backend();
    let statements = statements(backend, table, columns, rows, ending);
    Box::pin(async move {
        for statement in statements? {
            transaction.execute_raw(statement).await?;
        }
        Ok(())
    })
}

fn statements<R>(
    backend: DbBackend,
    table: &str,
    columns: &[Column],
    rows: impl ExactSizeIterator<Item = Result<R>>,
    ending: &str,
) -> Result<Vec<Statement>>
where
    R: IntoIterator<Item = Value>,
{
    let most = match backend {
        DbBackend::Postgres => ROWS_PER_ARRAY,
        _ => (VALUES_PER_INSERT / columns.len().max(1)).clamp(1, ROWS_PER_INSERT),
    };
    let mut left = rows.len();
    let mut statements = Vec::with_capacity(left.div_ceil(most));
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let count = left.min(most);
        left -= count;
        let mut values = Vec::with_capacity(count * columns.len());
        for row in rows.by_ref().take(count) {
            values.extend(row?);
        }
        if values.len() != count * columns.len() {
            let wrong = format!("rows of {table} that do not fit its columns");
            return Err(Error::Damaged(wrong));
        }
        spell(&mut statements, backend, (table, columns), values, ending);
    }
    Ok(statements)
}

/// Adds the statements that insert these rows. On PostgreSQL one with an array for each column, where that can be; else those with placeholders.
fn spell(
    statements: &mut Vec<Statement>,
    backend: DbBackend,
    (table, columns): (&str, &[Column]),
    mut values: Vec<Value>,
    ending: &str,
) {
    let statement = |sql, values| Statement {
        sql,
        values: Some(Values(values)),
        db_backend: backend,
    };
    if backend == DbBackend::Postgres {
        match arrays::insert(table, columns, values, ending) {
            Ok((sql, bound)) => return statements.push(statement(sql, bound)),
            Err(given_back) => values = given_back,
        }
    }
    let width = columns.len().max(1);
    while !values.is_empty() {
        let rest = values.split_off(values.len().min(ROWS_PER_INSERT * width));
        let sql = text(backend, table, columns, values.len() / width, ending);
        statements.push(statement(sql, std::mem::replace(&mut values, rest)));
    }
}

/// The text of an INSERT of some rows.
fn text(backend: DbBackend, table: &str, columns: &[Column], rows: usize, ending: &str) -> String {
    let names: Vec<String> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let mut sql = format!("INSERT INTO \"{table}\" ({}) VALUES ", names.join(", "));
    sql.reserve(rows * columns.len() * 8 + ending.len());
    let mut place = 0_usize;
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                sql.push_str(", ");
            }
            if backend == DbBackend::Postgres {
                place += 1;
                // Writing into a text cannot fail.
                let _ = write!(sql, "${place}{}", column.cast);
            } else {
                sql.push('?');
            }
        }
        sql.push(')');
    }
    sql.push_str(ending);
    sql
}

/// Inserts the rows as they are.
pub(crate) async fn insert<E>(change: &Change, rows: &[E::Model]) -> Result<()>
where
    E: EntityTrait,
    E::Model: Clone + IntoActiveModel<E::ActiveModel>,
{
    let entity = E::default();
    let all: Vec<E::Column> = E::Column::iter().collect();
    let columns: Vec<Column> = all
        .iter()
        .map(|column| Column::plain(column.as_str()))
        .collect();
    let values = rows.iter().map(|row| {
        let mut active = row.clone().into_active_model();
        let value = |column: &E::Column| {
            let missing = || Error::Damaged(format!("a row without its {}", column.as_str()));
            active.take(*column).into_value().ok_or_else(missing)
        };
        all.iter().map(value).collect::<Result<Vec<Value>>>()
    });
    insert_values(
        change.transaction(),
        entity.table_name(),
        &columns,
        values,
        "",
    )
    .await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_own_placeholders() {
        let columns = [Column::plain("id"), Column::json("data")];
        assert_eq!(
            text(
                DbBackend::Sqlite,
                "t",
                &columns,
                2,
                " ON CONFLICT DO NOTHING"
            ),
            r#"INSERT INTO "t" ("id", "data") VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"#
        );
        assert_eq!(
            text(DbBackend::Postgres, "t", &columns, 2, ""),
            r#"INSERT INTO "t" ("id", "data") VALUES ($1, $2::jsonb), ($3, $4::jsonb)"#
        );
    }
}
