//! Rows by a list of texts, each looked up on its own.
//!
//! PostgreSQL guesses how many rows a condition meets, and on tables it has not analyzed yet, as during a first synchronisation, it takes a
//! connection's whole resource for one row. A plain `IN` list then reads that whole resource and filters it, more for every page. Here each
//! text is a lookup of its own: the fence of an OFFSET keeps the planner from turning them into one scan.

use crate::error::Result;
use sea_orm::sea_query::{Alias, ArrayType, Expr, ExprTrait as _, Func, JoinType, Query, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, Iterable, QueryFilter,
    QuerySelect as _, QueryTrait as _, Select,
};

/// Texts of one statement.
const CHUNK: usize = 500;

/// Reads the rows of `select` whose `column` holds one of these texts, which should differ, in no particular order.
pub(crate) async fn read<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    select: &Select<E>,
    column: E::Column,
    texts: &[&str],
) -> Result<Vec<E::Model>> {
    let columns: Vec<E::Column> = E::Column::iter().collect();
    read_only(connection, select, column, &columns, texts).await
}

/// The same, of the rows only these columns.
pub(crate) async fn read_only<E: EntityTrait, M: FromQueryResult>(
    connection: &impl ConnectionTrait,
    select: &Select<E>,
    column: E::Column,
    columns: &[E::Column],
    texts: &[&str],
) -> Result<Vec<M>> {
    let mut found = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(CHUNK) {
        let select = select.clone();
        if connection.get_database_backend() != DbBackend::Postgres {
            let listed = select
                .filter(column.is_in(chunk.iter().copied()))
                .select_only()
                .columns(columns.iter().copied());
            for row in connection.query_all(&listed.into_query()).await? {
                found.push(M::from_query_result(&row, "")?);
            }
            continue;
        }
        let (key, row) = (Alias::new("key"), Alias::new("row"));
        let one = select
            .filter(Expr::col((E::default(), column)).equals((key.clone(), key.clone())))
            .offset(0)
            .into_query();
        let texts = chunk.iter().map(|text| Value::from(*text)).collect();
        let texts = Value::Array(ArrayType::String, Some(Box::new(texts)));
        let mut statement = Query::select();
        for column in columns {
            statement.column((row.clone(), *column));
        }
        statement
            .from_function(
                Func::cust("unnest").arg(Expr::value(texts).cast_as("text[]")),
                key,
            )
            .join_lateral(JoinType::InnerJoin, one, row, Expr::cust("TRUE"));
        for row in connection.query_all(&statement).await? {
            found.push(M::from_query_result(&row, "")?);
        }
    }
    Ok(found)
}
