//! The order of a list and the cursors that belong to it.
//!
//! A list is ordered by the caller's keys and, always last, by the id, in the direction of the last key: so every row has one
//! place, and a cursor is the values of its keys. An unknown value sorts as if it were the greatest, on both databases. A
//! cursor names the order it was made for; another list refuses it.

use super::error::ErrorCode;
use async_graphql::{Enum, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sea_orm::sea_query::{
    Alias, Condition, Expr, ExprTrait, NullOrdering, Order as Direction, SimpleExpr,
};
use sea_orm::{EntityTrait, IdenStatic, ModelTrait, Value};

/// Which way a list runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// Smallest, oldest or first in the alphabet at the beginning; unknown values at the end.
    #[default]
    Asc,
    /// The other way round.
    Desc,
}

/// One key of an order.
#[derive(Clone, Copy, Debug)]
pub struct Key<C> {
    /// The column.
    pub column: C,
    /// Whether it may be absent.
    pub nullable: bool,
    /// Which way it runs.
    pub direction: OrderDirection,
}

/// The order of a list, the id included.
#[derive(Clone, Debug)]
pub struct Ordering<E: EntityTrait> {
    keys: Vec<Key<E::Column>>,
    signature: String,
}

/// The most keys an order may have.
const MAX_KEYS: usize = 4;

impl<E: EntityTrait> Ordering<E> {
    /// The order by these keys and then by `id`.
    ///
    /// # Errors
    /// When a key is named twice or there are too many.
    pub fn new(mut keys: Vec<Key<E::Column>>, id: E::Column) -> Result<Self> {
        let direction = keys.last().map_or(OrderDirection::Asc, |key| key.direction);
        if keys.len() > MAX_KEYS {
            return Err(ErrorCode::BadUserInput.error(format!("At most {MAX_KEYS} keys of order.")));
        }
        keys.push(Key {
            column: id,
            nullable: false,
            direction,
        });
        let mut names: Vec<&str> = keys.iter().map(|key| key.column.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < keys.len() {
            return Err(ErrorCode::BadUserInput.error("A key of order is named twice."));
        }
        let signature = keys
            .iter()
            .map(|key| {
                format!(
                    "{}{}",
                    if key.direction == OrderDirection::Asc {
                        '+'
                    } else {
                        '-'
                    },
                    key.column.as_str()
                )
            })
            .collect();
        Ok(Self { keys, signature })
    }

    /// The columns of the keys: a cursor is made of them.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.keys.iter().map(|key| key.column.as_str())
    }

    /// The keys as ORDER BY terms over a table, turned round for a page that is read backward.
    pub fn terms<'a>(
        &'a self,
        table: &'a str,
        backward: bool,
    ) -> impl Iterator<Item = (SimpleExpr, Direction, Option<NullOrdering>)> + 'a {
        self.keys.iter().map(move |key| {
            let ascending = (key.direction == OrderDirection::Asc) != backward;
            let direction = if ascending {
                Direction::Asc
            } else {
                Direction::Desc
            };
            let nulls = key.nullable.then_some(if ascending {
                NullOrdering::Last
            } else {
                NullOrdering::First
            });
            (column(table, &key.column), direction, nulls)
        })
    }

    /// The cursor of a row.
    pub fn cursor<M: ModelTrait<Entity = E>>(&self, row: &M) -> String {
        let mut parts = vec![serde_json::Value::String(self.signature.clone())];
        parts.extend(self.keys.iter().map(|key| to_json(row.get(key.column))));
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::Value::Array(parts).to_string())
    }

    /// The condition "after this cursor" (before it, when backward), as terms over a table.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` when the text is no cursor, or one of another order.
    pub fn after(&self, table: &str, cursor: &str, backward: bool) -> Result<Condition> {
        let values = self.read(cursor).ok_or_else(|| {
            ErrorCode::BadUserInput.error("This cursor was not made for this list and order.")
        })?;
        let ascending = |key: &Key<E::Column>| (key.direction == OrderDirection::Asc) != backward;
        let uniform = self
            .keys
            .iter()
            .all(|key| !key.nullable && ascending(key) == self.keys.first().is_some_and(ascending));
        if uniform {
            // A row comparison is one range over the index.
            let columns = Expr::tuple(self.keys.iter().map(|key| column(table, &key.column)));
            let bounds = Expr::tuple(values.into_iter().map(Expr::value));
            let up = self.keys.first().is_some_and(ascending);
            return Ok(Condition::all().add(if up {
                columns.gt(bounds)
            } else {
                columns.lt(bounds)
            }));
        }
        let mut any = Condition::any();
        for (index, (key, bound)) in self.keys.iter().zip(&values).enumerate() {
            let mut all = Condition::all();
            for (earlier, value) in self.keys.iter().zip(&values).take(index) {
                all = all.add(equal(column(table, &earlier.column), value));
            }
            any = any.add(all.add(beyond(
                column(table, &key.column),
                bound,
                ascending(key),
                key.nullable,
            )));
        }
        Ok(any)
    }

    fn read(&self, cursor: &str) -> Option<Vec<Value>> {
        if cursor.len() > 4_000 {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let parts: Vec<serde_json::Value> = serde_json::from_slice(&bytes).ok()?;
        let (signature, values) = parts.split_first()?;
        if signature.as_str()? != self.signature || values.len() != self.keys.len() {
            return None;
        }
        values
            .iter()
            .zip(&self.keys)
            .map(|(value, key)| from_json::<E>(value, key))
            .collect()
    }
}

fn column<C: IdenStatic>(table: &str, column: &C) -> SimpleExpr {
    Expr::col((Alias::new(table), Alias::new(column.as_str())))
}

fn is_null(value: &Value) -> bool {
    matches!(to_json(value.clone()), serde_json::Value::Null)
}

fn equal(column: SimpleExpr, value: &Value) -> SimpleExpr {
    if is_null(value) {
        column.is_null()
    } else {
        column.eq(Expr::value(value.clone()))
    }
}

/// `column` lies beyond `bound`, unknown values being the greatest.
fn beyond(column: SimpleExpr, bound: &Value, ascending: bool, nullable: bool) -> SimpleExpr {
    match (ascending, is_null(bound)) {
        (true, true) => Expr::val(1).eq(0),
        (false, true) => column.is_not_null(),
        (true, false) if nullable => column
            .clone()
            .gt(Expr::value(bound.clone()))
            .or(column.is_null()),
        (true, false) => column.gt(Expr::value(bound.clone())),
        (false, false) => column.lt(Expr::value(bound.clone())),
    }
}

fn to_json(value: Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::BigInt(Some(number)) => number.into(),
        Value::Int(Some(number)) => number.into(),
        Value::String(Some(text)) => Json::String(text),
        Value::Uuid(Some(uuid)) => Json::String(uuid.to_string()),
        Value::ChronoDate(Some(day)) => Json::String(day.to_string()),
        _ => Json::Null,
    }
}

/// A cursor's value in its column's type. The text comes from outside: what does not fit is no cursor.
fn from_json<E: EntityTrait>(value: &serde_json::Value, key: &Key<E::Column>) -> Option<Value> {
    use sea_orm::{ColumnTrait, ColumnType};
    if matches!(value, serde_json::Value::Null) {
        return key.nullable.then_some(Value::BigInt(None));
    }
    match key.column.def().get_column_type() {
        ColumnType::BigInteger => value.as_i64().map(Value::from),
        ColumnType::Integer => value
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .map(Value::from),
        ColumnType::Uuid => value
            .as_str()
            .and_then(|text| text.parse::<uuid::Uuid>().ok())
            .map(Value::from),
        ColumnType::Date => value
            .as_str()
            .and_then(|text| text.parse::<chrono::NaiveDate>().ok())
            .map(Value::from),
        _ => value
            .as_str()
            .filter(|text| !text.contains('\0'))
            .map(Value::from),
    }
}
