//! The only way to begin a SELECT. `Deal::visible_to(&viewer)` already holds the rule of who may see which row; forgetting it
//! is not possible, because the ORM's own `find` is a lint error elsewhere.
//!
//! The rules in one place: staff, integrations and the system see every row (what they may do with it is their scopes'
//! matter); a partner sees its own rows only; nobody sees nothing. A row that is not visible answers like one that does
//! not exist.

use crate::change::Change;
use crate::error::{Error, Result};
use crate::id::PartnerId;
use crate::partner;
use crate::viewer::{Viewer, ViewerKind};
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Condition, Expr, Func, Query, SelectStatement, SimpleExpr,
    UnionType, WithClause,
};
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use uuid::Uuid;

/// The rows that are a partner's own: those of one company, or also of the companies directly and indirectly below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    partner: PartnerId,
    with_children: bool,
}

/// The ids of a company and of those directly and indirectly below it; `UNION` ends where a hierarchy should run in a circle.
fn family(partner: PartnerId) -> SelectStatement {
    let (family, below, id) = (Alias::new("family"), Alias::new("below"), Alias::new("id"));
    let next = Query::select()
        .column((below.clone(), partner::Column::Id))
        .from_as(partner::Entity, below.clone())
        .inner_join(
            family.clone(),
            Expr::col((below, partner::Column::ParentId)).equals((family.clone(), id.clone())),
        )
        .to_owned();
    let all = Query::select()
        .column((partner::Entity, partner::Column::Id))
        .from(partner::Entity)
        .and_where(Expr::col((partner::Entity, partner::Column::Id)).eq(partner.0))
        .union(UnionType::Distinct, next)
        .to_owned();
    let mut table = CommonTableExpression::new();
    table
        .table_name(family.clone())
        .column(id.clone())
        .query(all);
    Query::select()
        .column((family.clone(), id))
        .from(family)
        .with_cte(WithClause::new().recursive(true).cte(table).to_owned())
        .to_owned()
}

impl Own {
    /// The rows of a partner, and where wished of the companies below it.
    #[must_use]
    pub const fn of(partner: PartnerId, with_children: bool) -> Self {
        Self {
            partner,
            with_children,
        }
    }

    /// The rows of the company alone, whoever asks for it: for what belongs to an organisation and not to its business.
    #[must_use]
    pub const fn alone(self) -> Self {
        Self {
            with_children: false,
            ..self
        }
    }

    /// The condition that a column names one of these companies.
    #[must_use]
    pub fn holds(self, column: impl sea_orm::sea_query::IntoColumnRef) -> SimpleExpr {
        let column = Expr::col(column);
        if self.with_children {
            column.in_subquery(family(self.partner))
        } else {
            column.eq(self.partner.0)
        }
    }
}

/// A table whose rows have viewers.
pub trait Visible: EntityTrait {
    /// Which rows a partner's viewer may see, as a condition on this table under its own name. A table that no partner may see at
    /// all answers [`nothing`].
    fn visible_to_partner(own: Own) -> Condition;

    /// Which rows a viewer may see; none when every row is.
    #[must_use]
    fn visibility(viewer: &Viewer) -> Option<Condition> {
        match viewer.kind() {
            ViewerKind::Staff(_) | ViewerKind::Integration | ViewerKind::System => None,
            ViewerKind::Partner(..) => {
                Some(viewer.own().map_or_else(nothing, Self::visible_to_partner))
            }
            ViewerKind::Nobody => Some(nothing()),
        }
    }

    /// Begins a SELECT of the rows the viewer may see.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one home of find()")]
    fn visible_to(viewer: &Viewer) -> Select<Self> {
        let select = Self::find();
        match Self::visibility(viewer) {
            None => select,
            Some(condition) => select.filter(condition),
        }
    }
}

/// A condition no row meets.
#[must_use]
pub fn nothing() -> Condition {
    Condition::all().add(never())
}

fn never() -> SimpleExpr {
    Expr::val(1).eq(0)
}

/// Reads the visible rows among these ids, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn find_all<E: Visible, C: ConnectionTrait>(
    connection: &C,
    viewer: &Viewer,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<E::Model>> {
    match among::<E>(connection.get_database_backend(), ids) {
        Some(among) => Ok(E::visible_to(viewer).filter(among).all(connection).await?),
        None => Ok(Vec::new()),
    }
}

/// How many of these ids are those of visible rows, each counted once. Nothing of the rows is read.
///
/// # Errors
/// When the database fails.
pub async fn count_among<E: Visible, C: ConnectionTrait>(
    connection: &C,
    viewer: &Viewer,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<usize> {
    let Some(among) = among::<E>(connection.get_database_backend(), ids) else {
        return Ok(0);
    };
    let select = E::visible_to(viewer).filter(among).select_only();
    let count: Option<i64> = select
        .expr(Func::count(Expr::cust("*")))
        .into_tuple()
        .one(connection)
        .await?;
    Ok(usize::try_from(count.unwrap_or_default()).unwrap_or(usize::MAX))
}

/// Reads one visible row.
///
/// # Errors
/// When the database fails.
pub async fn find_one<E: Visible, C: ConnectionTrait>(
    connection: &C,
    viewer: &Viewer,
    id: Uuid,
) -> Result<Option<E::Model>> {
    Ok(by_id::<E>(viewer, id).all(connection).await?.pop())
}

/// The SELECT of one visible row. Without a LIMIT, which the key makes needless: a bound one would keep PostgreSQL from keeping the statement's
/// plan.
#[must_use]
pub fn by_id<E: Visible>(viewer: &Viewer, id: Uuid) -> Select<E> {
    E::visible_to(viewer).filter(id_column::<E>().eq(id))
}

/// Reads the visible rows among these ids and keeps others from changing them until the change ends.
///
/// # Errors
/// When the database fails.
pub async fn lock_all<E: Visible>(
    change: &Change,
    viewer: &Viewer,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<E::Model>> {
    // Always in the order of the ids, so that two changes over the same rows cannot wait for each other.
    let Some(among) = among::<E>(change.transaction().get_database_backend(), ids) else {
        return Ok(Vec::new());
    };
    let select = E::visible_to(viewer)
        .filter(among)
        .order_by_asc(id_column::<E>());
    Ok(select.lock_exclusive().all(change.transaction()).await?)
}

/// Reads one visible row for a change and checks the version its caller saw.
///
/// # Errors
/// Not found (or not visible), a version conflict, or a fault of the database.
pub async fn lock_one<E>(
    change: &Change,
    viewer: &Viewer,
    id: Uuid,
    expected_version: Option<i64>,
) -> Result<E::Model>
where
    E: Visible,
    E::Model: Versioned,
{
    let row = lock_all::<E>(change, viewer, [id])
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| Error::not_found("id"))?;
    match expected_version {
        Some(expected) if expected != row.version() => {
            Err(Error::version_conflict(expected, row.version()))
        }
        _ => Ok(row),
    }
}

/// A row that counts its changes.
pub trait Versioned {
    /// 1 when created, one more with every change.
    fn version(&self) -> i64;
}

fn id_column<E: EntityTrait>() -> SimpleExpr {
    Expr::col((E::default(), Alias::new("id")))
}

/// The condition that picks these ids; none when there are none, for then nothing need be asked. On PostgreSQL they are one array, so that
/// every number of ids is the same prepared statement.
fn among<E: EntityTrait>(
    backend: DbBackend,
    ids: impl IntoIterator<Item = Uuid>,
) -> Option<SimpleExpr> {
    let mut ids: Vec<Uuid> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [] => None,
        [id] => Some(id_column::<E>().eq(*id)),
        _ if backend == DbBackend::Postgres => Some(id_column::<E>().eq(PgFunc::any(ids))),
        _ => Some(id_column::<E>().is_in(ids)),
    }
}
