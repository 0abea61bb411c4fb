//! Pages: of a whole list, and of every parent's list in one statement.
//!
//! A page is read with one row more than asked for, which answers "is there more?" without counting. Per-parent pages cost one
//! statement for any number of parents: `unnest … JOIN LATERAL` on PostgreSQL, a compound SELECT (of up to 400 parents) on SQLite;
//! both stop at each parent's limit instead of reading all its children.

use super::context::RequestContext;
use super::error::ErrorCode;
use super::order::Ordering;
use super::siblings::Group;
use async_graphql::Result;
use entities::database::Database;
use entities::positional::{Columns, Positional};
use entities::visible::{self, Visible};
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait as _, Func, JoinType, Query, SelectStatement, SimpleExpr,
    SqliteQueryBuilder, UnionType,
};
use sea_orm::{ConnectionTrait, EntityTrait, Iterable, QuerySelect, QueryTrait, Select, Value};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// The arguments of every list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageArguments {
    /// This many from the beginning, or after `after`.
    pub first: Option<i32>,
    /// Only what follows this cursor.
    pub after: Option<String>,
    /// This many from the end, or before `before`.
    pub last: Option<i32>,
    /// Only what precedes this cursor.
    pub before: Option<String>,
}

/// Entries of a page when nothing is said.
pub const DEFAULT_SIZE: u64 = 20;
/// Entries of a page at most.
pub const MAX_SIZE: u64 = 100;

/// Arguments that fit together.
#[derive(Clone, Debug)]
pub struct Paging {
    pub(crate) size: u64,
    pub(crate) backward: bool,
    after: Option<String>,
    before: Option<String>,
}

impl PageArguments {
    /// Checks the arguments.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a size outside 0 to 100, or `first` together with `last`.
    pub fn check(self) -> Result<Paging> {
        let size = |name: &str, wish: i32| {
            u64::try_from(wish)
                .ok()
                .filter(|size| *size <= MAX_SIZE)
                .ok_or_else(|| {
                    ErrorCode::BadUserInput.error(format!("`{name}` is between 0 and {MAX_SIZE}."))
                })
        };
        let (size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => {
                return Err(ErrorCode::BadUserInput.error("`first` and `last` exclude each other."));
            }
            (Some(first), None) => (size("first", first)?, false),
            (None, Some(last)) => (size("last", last)?, true),
            (None, None) => (DEFAULT_SIZE, false),
        };
        Ok(Paging {
            size,
            backward,
            after: self.after,
            before: self.before,
        })
    }
}

/// A page: a stretch of the rows that one statement read.
pub struct Page<E: EntityTrait> {
    /// The rows, with those of other parents where several pages were read at once.
    pub group: Arc<Group<E::Model>>,
    /// Which of them are this page.
    pub range: Range<usize>,
    /// Whether rows come before.
    pub has_previous: bool,
    /// Whether rows follow.
    pub has_next: bool,
    /// The order, to make cursors with.
    pub order: Arc<Ordering<E>>,
}

impl<E: EntityTrait> Clone for Page<E> {
    fn clone(&self) -> Self {
        Self {
            group: Arc::clone(&self.group),
            range: self.range.clone(),
            has_previous: self.has_previous,
            has_next: self.has_next,
            order: Arc::clone(&self.order),
        }
    }
}

fn bound<E: EntityTrait>(
    statement: &mut SelectStatement,
    table: &str,
    order: &Ordering<E>,
    paging: &Paging,
) -> Result<()> {
    if let Some(after) = &paging.after {
        statement.cond_where(order.after(table, after, false)?);
    }
    if let Some(before) = &paging.before {
        statement.cond_where(order.after(table, before, true)?);
    }
    for (term, direction, nulls) in order.terms(table, paging.backward) {
        match nulls {
            Some(nulls) => statement.order_by_expr_with_nulls(term, direction, nulls),
            None => statement.order_by_expr(term, direction),
        };
    }
    Ok(())
}

/// How many rows to ask for: one more than the page holds.
const fn limit(paging: &Paging) -> u64 {
    paging.size + 1
}

/// Which of the read rows are the page, in the list's own direction, and whether there is more on either side.
fn trim<M>(rows: &mut Vec<M>, paging: &Paging) -> (bool, bool) {
    let size = usize::try_from(paging.size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    if paging.backward {
        rows.reverse();
        (more, paging.before.is_some())
    } else {
        (paging.after.is_some(), more)
    }
}

/// The columns of an entity that are read, in its order.
pub(crate) fn chosen<E: EntityTrait>(columns: Columns) -> impl Iterator<Item = E::Column> {
    let all = E::Column::iter().enumerate();
    all.filter(move |(place, _)| columns.contains(*place))
        .map(|(_, column)| column)
}

/// A SELECT of these columns and no others.
fn only<E: EntityTrait>(select: Select<E>, columns: Columns) -> Select<E>
where
    E::Model: Positional,
{
    if columns == Columns::all::<E::Model>() {
        return select;
    }
    select.select_only().columns(chosen::<E>(columns))
}

/// Reads one row that the viewer may see, by its id. Only these columns are read.
///
/// # Errors
/// A fault of the database.
pub(crate) async fn one<E>(
    request: &RequestContext,
    id: Uuid,
    columns: Columns,
) -> Result<Option<E::Model>>
where
    E: Visible,
    E::Model: Positional,
{
    let select = only(visible::by_id::<E>(&request.viewer, id), columns);
    let database = &request.database;
    let statement = database.backend().build(&select.into_query());
    let row = database.read().query_one_raw(statement).await?;
    Ok(row
        .map(|row| E::Model::read_at(&row, 0, columns))
        .transpose()?)
}

/// Reads a page of a list. Only these columns are read, and those of the order.
///
/// # Errors
/// A cursor of another list, or a fault of the database.
pub async fn read<E>(
    database: &Database,
    select: Select<E>,
    order: Ordering<E>,
    paging: &Paging,
    columns: Columns,
) -> Result<Page<E>>
where
    E: EntityTrait,
    E::Model: Positional + Send + Sync,
{
    let columns = columns.with::<E::Model>(order.columns());
    let mut statement = only(select, columns).into_query();
    bound(&mut statement, E::default().table_name(), &order, paging)?;
    let mut statement = database.backend().build(&statement);
    // Spelled out and not bound: PostgreSQL plans a prepared statement once for all values only where it knows how few rows are asked for;
    // without that number it plans anew each time, which costs more than reading the page.
    let _infallible = write!(statement.sql, " LIMIT {}", limit(paging));
    let rows = database.read().query_all_raw(statement).await?;
    let mut rows = rows
        .iter()
        .map(|row| E::Model::read_at(row, 0, columns))
        .collect::<Result<Vec<_>, _>>()?;
    let (has_previous, has_next) = trim(&mut rows, paging);
    let range = 0..rows.len();
    Ok(Page {
        group: Group::new(rows),
        range,
        has_previous,
        has_next,
        order: Arc::new(order),
    })
}

/// How children are found from a parent: a SELECT that is narrowed to the children of the given parent.
pub trait OfParent: Send + Sync {
    /// The children's table.
    type Child: EntityTrait;
    /// Narrows a SELECT of children to those of `parent`.
    fn narrow(&self, select: Select<Self::Child>, parent: SimpleExpr) -> Select<Self::Child>;
}

const PARENT: &str = "parent_key";

/// Reads a page of children for every parent, in one statement. Only these columns are read, and those of the order.
///
/// # Errors
/// A cursor of another list, or a fault of the database.
pub async fn read_by_parent<E, P>(
    database: &Database,
    parents: &[Uuid],
    select: &Select<E>,
    by: &P,
    order: Ordering<E>,
    paging: &Paging,
    columns: Columns,
) -> Result<HashMap<Uuid, Page<E>>>
where
    E: EntityTrait,
    E::Model: Positional + Send + Sync,
    P: OfParent<Child = E>,
{
    let table = E::default();
    let table = table.table_name();
    let columns = columns.with::<E::Model>(order.columns());
    let select = only(select.clone(), columns);
    let one = |parent: SimpleExpr| -> Result<SelectStatement> {
        let narrowed = by
            .narrow(select.clone(), parent.clone())
            .expr_as(parent, PARENT);
        let mut statement = narrowed.into_query();
        bound(&mut statement, table, &order, paging)?;
        statement.limit(limit(paging));
        Ok(statement)
    };
    let parents = distinct(parents);
    let mut by_parent: HashMap<Uuid, Vec<E::Model>> = HashMap::with_capacity(parents.len());
    // The parent stands behind the row's own columns.
    let place = columns.count();
    let mut collect = |rows: Vec<sea_orm::QueryResult>| -> Result<()> {
        for row in rows {
            by_parent
                .entry(row.try_get_by_index(place)?)
                .or_default()
                .push(E::Model::read_at(&row, 0, columns)?);
        }
        Ok(())
    };
    if database.is_postgres() {
        let inner = one(Expr::col((Alias::new("parent"), Alias::new("parent"))))?;
        let mut outer = Query::select();
        for column in chosen::<E>(columns) {
            outer.column((Alias::new("child"), column));
        }
        outer.column((Alias::new("child"), Alias::new(PARENT)));
        // A lateral join runs its inner side once for each parent and keeps that side's order.
        lateral(&mut outer, &parents, inner, "child");
        collect(database.read().query_all(&outer).await?)?;
    } else {
        let binds = one(Expr::value(Uuid::nil()))?
            .build(SqliteQueryBuilder)
            .1
            .iter()
            .count();
        for parents in parents.chunks(per_statement(binds)) {
            let selects = parents.iter().map(|parent| {
                let mut wrapped = Query::select();
                wrapped
                    .expr(Expr::cust("*"))
                    .from_subquery(one(Expr::value(*parent))?, "child");
                Ok(wrapped)
            });
            if let Some(statement) = compound(selects.collect::<Result<Vec<_>>>()?) {
                collect(database.read().query_all(&statement).await?)?;
            }
        }
    }
    let mut all = Vec::new();
    let mut spans = Vec::with_capacity(parents.len());
    for parent in parents {
        let mut rows = by_parent.remove(&parent).unwrap_or_default();
        let (has_previous, has_next) = trim(&mut rows, paging);
        spans.push((
            parent,
            all.len()..all.len() + rows.len(),
            has_previous,
            has_next,
        ));
        all.append(&mut rows);
    }
    let group = Group::new(all);
    let order = Arc::new(order);
    let page = |(parent, range, has_previous, has_next)| {
        (
            parent,
            Page {
                group: Arc::clone(&group),
                range,
                has_previous,
                has_next,
                order: Arc::clone(&order),
            },
        )
    };
    Ok(spans.into_iter().map(page).collect())
}

/// Counts a list.
///
/// # Errors
/// A fault of the database.
pub async fn count<E: EntityTrait>(database: &Database, select: Select<E>) -> Result<i64> {
    let mut statement = Query::select();
    statement
        .expr_as(Expr::cust("COUNT(*)"), "rows")
        .from_subquery(
            select.select_only().expr(Expr::val(1)).into_query(),
            "counted",
        );
    let row = database.read().query_one(&statement).await?;
    Ok(row
        .map(|row| row.try_get("", "rows"))
        .transpose()?
        .unwrap_or(0))
}

/// Counts every parent's list, in one statement. A parent without children is absent.
///
/// # Errors
/// A fault of the database.
pub async fn count_by_parent<E, P>(
    database: &Database,
    parents: &[Uuid],
    select: &Select<E>,
    by: &P,
) -> Result<HashMap<Uuid, i64>>
where
    E: EntityTrait,
    P: OfParent<Child = E>,
{
    let parents = distinct(parents);
    let one = |parent: SimpleExpr| {
        by.narrow(select.clone(), parent.clone())
            .select_only()
            .expr_as(parent, PARENT)
            .expr_as(Expr::cust("COUNT(*)"), "rows")
    };
    let mut rows = Vec::new();
    if database.is_postgres() {
        let inner = by
            .narrow(
                select.clone(),
                Expr::col((Alias::new("parent"), Alias::new("parent"))),
            )
            .select_only()
            .expr_as(Expr::cust("COUNT(*)"), "rows")
            .into_query();
        let mut outer = Query::select();
        outer
            .expr_as(
                Expr::col((Alias::new("parent"), Alias::new("parent"))),
                PARENT,
            )
            .column((Alias::new("counted"), Alias::new("rows")));
        lateral(&mut outer, &parents, inner, "counted");
        rows.extend(database.read().query_all(&outer).await?);
    } else {
        let binds = one(Expr::value(Uuid::nil()))
            .into_query()
            .build(SqliteQueryBuilder)
            .1
            .iter()
            .count();
        for parents in parents.chunks(per_statement(binds)) {
            let selects = parents
                .iter()
                .map(|parent| one(Expr::value(*parent)).into_query())
                .collect();
            if let Some(statement) = compound(selects) {
                rows.extend(database.read().query_all(&statement).await?);
            }
        }
    }
    rows.iter()
        .map(|row| Ok((row.try_get("", PARENT)?, row.try_get("", "rows")?)))
        .collect()
}

fn distinct(parents: &[Uuid]) -> Vec<Uuid> {
    let mut parents = parents.to_vec();
    parents.sort_unstable();
    parents.dedup();
    parents
}

/// `FROM unnest(parents) AS parent JOIN LATERAL (inner)`.
fn lateral(
    outer: &mut SelectStatement,
    parents: &[Uuid],
    inner: SelectStatement,
    alias: &'static str,
) {
    let ids = Value::Array(
        sea_orm::sea_query::ArrayType::Uuid,
        Some(Box::new(
            parents.iter().map(|id| Value::from(*id)).collect(),
        )),
    );
    outer
        .from_function(
            Func::cust("unnest").arg(Expr::value(ids).cast_as("uuid[]")),
            "parent",
        )
        .join_lateral(JoinType::InnerJoin, inner, alias, Expr::cust("TRUE"));
}

/// SQLite takes 500 terms and 32,766 bound values in a compound SELECT.
fn per_statement(binds: usize) -> usize {
    (30_000 / binds.max(1)).clamp(1, 400)
}

fn compound(selects: Vec<SelectStatement>) -> Option<SelectStatement> {
    selects.into_iter().reduce(|mut all, next| {
        all.union(UnionType::All, next);
        all
    })
}
