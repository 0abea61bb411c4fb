//! The text of the queues' statements, and what is bound to them. The one home of their SQL that is not the ORM's.
//!
//! The rows of a batch are picked by their place in the table (`ctid`, `rowid`) within one statement, for then the database has nothing to plan: a
//! join by key turns into a scan of the table as soon as the statistics are stale, which in a queue they are.

use super::{Queue, Waiting};
use sea_orm::sea_query::{ArrayType, Value};
use sea_orm::{DbBackend, EntityTrait, IdenStatic, Iterable, Statement};

/// Rows of one statement: SQLite binds each value singly, and takes 32,766 of them.
pub(super) const CHUNK: usize = 500;

/// The text of a statement and what is bound to it.
pub(super) struct Text {
    backend: DbBackend,
    values: Vec<Value>,
}

impl Text {
    /// An empty one.
    pub(super) const fn new(backend: DbBackend) -> Self {
        Self {
            backend,
            values: Vec::new(),
        }
    }

    /// Whether it is for PostgreSQL.
    pub(super) fn is_postgres(&self) -> bool {
        self.backend == DbBackend::Postgres
    }

    /// Binds a value and answers how the statement names it; both databases number theirs alike.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Binds an array, which only PostgreSQL has.
    pub(super) fn bind_all(&mut self, kind: ArrayType, values: Vec<Value>) -> String {
        self.bind(Value::Array(kind, Some(Box::new(values))))
    }

    /// The statement.
    #[expect(
        clippy::disallowed_methods,
        reason = "the home of the queues' static SQL; every value is bound"
    )]
    pub(super) fn statement(self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }

    /// The condition that a row is one of those whose places a SELECT answers. On PostgreSQL an array, which is computed once and before the rest.
    pub(super) fn places(&self, select: &str) -> String {
        if self.is_postgres() {
            format!("ctid = ANY (ARRAY({select}))")
        } else {
            format!("rowid IN ({select})")
        }
    }

    /// The claimed rows as a table `mine(connection_id, resource, key, fence, generation)`, in the order of the key, so that two workers over the
    /// same rows cannot wait for each other.
    fn mine<E: Queue>(&mut self, rows: &[&E::Model]) -> String {
        let column = |value: fn(&E::Model) -> Value| -> Vec<Value> {
            rows.iter().map(|row| value(row)).collect()
        };
        let columns = [
            (
                "uuid",
                ArrayType::Uuid,
                column(|row| row.place().connection_id.into()),
            ),
            (
                "text",
                ArrayType::String,
                column(|row| row.place().resource.into()),
            ),
            (E::KEY_TYPE.0, E::KEY_TYPE.1, column(Waiting::key)),
            (
                "bigint",
                ArrayType::BigInt,
                column(|row| row.place().fence.into()),
            ),
            (
                "bigint",
                ArrayType::BigInt,
                column(|row| row.place().generation.into()),
            ),
        ];
        let names = "(connection_id, resource, key, fence, generation)";
        if self.is_postgres() {
            let columns = columns
                .map(|(name, kind, values)| format!("{}::{name}[]", self.bind_all(kind, values)));
            return format!("unnest({}) AS mine{names}", columns.join(", "));
        }
        let mut columns = columns.map(|(_, _, values)| values.into_iter());
        let mut lines = Vec::with_capacity(rows.len());
        for _ in rows {
            let line: Vec<String> = columns
                .iter_mut()
                .filter_map(Iterator::next)
                .map(|value| self.bind(value))
                .collect();
            lines.push(format!("({})", line.join(", ")));
        }
        let named = "SELECT column1 AS connection_id, column2 AS resource, column3 AS key, column4 AS fence, column5 AS generation";
        format!("({named} FROM (VALUES {})) AS mine", lines.join(", "))
    }

    /// A SELECT of those of the claimed rows that are still ours: of each what `wanted` names. They stay locked until the transaction ends, and
    /// are read as they are once they are locked, so that what a concurrent change added is not overlooked.
    pub(super) fn held<E: Queue>(
        &mut self,
        wanted: &str,
        rows: &[&E::Model],
        unchanged: bool,
    ) -> String {
        let mine = self.mine::<E>(rows);
        let mut ours = vec!["it.connection_id = mine.connection_id".to_owned()];
        if E::KEYED_BY_RESOURCE {
            ours.push("it.resource = mine.resource".to_owned());
        }
        ours.push(format!("it.{} = mine.key", E::KEY));
        ours.push("it.fence = mine.fence".to_owned());
        if unchanged {
            ours.push("it.generation = mine.generation".to_owned());
        }
        let (table, ours) = (E::TABLE, ours.join(" AND "));
        if self.is_postgres() {
            // The OFFSET keeps the planner from turning the lookups into one scan.
            format!(
                "SELECT held.* FROM {mine} CROSS JOIN LATERAL (SELECT {wanted} FROM {table} AS it WHERE {ours} OFFSET 0 FOR UPDATE) AS held"
            )
        } else {
            // To SQLite, CROSS JOIN is an order: the lookups are made for each of ours.
            format!("SELECT {wanted} FROM {mine} CROSS JOIN {table} AS it ON {ours}")
        }
    }

    /// A row's place in its table.
    pub(super) fn place_of(&self, alias: &str) -> String {
        let column = if self.is_postgres() { "ctid" } else { "rowid" };
        format!("{alias}.{column}")
    }
}

/// The columns of a table, each behind `of`.
pub(super) fn columns<E: EntityTrait>(of: &str) -> String {
    let names = E::Column::iter().map(|column| format!("{of}\"{}\"", column.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

/// The rows in the order of their key, as many at a time as one statement takes.
pub(super) fn chunks<M: Waiting>(rows: &[M]) -> Vec<Vec<&M>> {
    let mut sorted: Vec<&M> = rows.iter().collect();
    sorted.sort_by_cached_key(|row| {
        let (place, key) = (row.place(), format!("{}", row.key()));
        (place.connection_id, place.resource.to_owned(), key)
    });
    sorted.chunks(CHUNK).map(<[_]>::to_vec).collect()
}
