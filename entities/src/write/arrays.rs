//! Many rows in one INSERT on PostgreSQL: an array for each column instead of a placeholder for each value.
//!
//! Thousands of placeholders are read, planned and made ready one by one, and the text of every number of rows is another statement; a dozen
//! arrays are one short statement for any number of rows. A column that says the same in every row is bound once.
//!
//! Owns that form of the statement. Refuses, by answering nothing, rows it has no arrays for; they take the usual way. Invariant: what is written is what
//! placeholders would have written. Arrays are bound without nulls, which the binder below does not know: a row's nulls are the bits of a number
//! beside it.

use super::Column;
use chrono::NaiveDate;
use sea_orm::sea_query::{ArrayType, Value};
use uuid::Uuid;

/// With fewer rows nothing is gained.
const FEW: usize = 8;

/// As many as the number that tells the nulls of a row has bits for.
const MOST_COLUMNS: usize = 62;

/// The name of a value's type; nothing for what is not written in arrays.
const fn type_name(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Bool(_) => "boolean",
        Value::Int(_) => "integer",
        Value::BigInt(_) => "bigint",
        Value::String(_) => "text",
        Value::Uuid(_) => "uuid",
        Value::ChronoDate(_) => "date",
        Value::Json(_) => "jsonb",
        _ => return None,
    })
}

/// What stands in an array where this value is, if it is null.
fn blank(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(None) => false.into(),
        Value::Int(None) => 0_i32.into(),
        Value::BigInt(None) => 0_i64.into(),
        Value::String(None) => String::new().into(),
        Value::Uuid(None) => Uuid::nil().into(),
        Value::ChronoDate(None) => NaiveDate::default().into(),
        Value::Json(None) => serde_json::Value::Null.into(),
        _ => return None,
    })
}

/// The columns of rows that are given one after the other; nothing where placeholders are the better way.
fn columns_of(count: usize, values: &[Value]) -> Option<Vec<Shape>> {
    let rows = values.chunks(count.max(1));
    if rows.len() < FEW || count > MOST_COLUMNS {
        return None;
    }
    let first = rows.clone().next()?;
    let mut shapes = Vec::with_capacity(count);
    for value in first {
        let name = type_name(value)?;
        shapes.push(Shape {
            name,
            array: value.array_type(),
            is_single: true,
        });
    }
    for row in rows {
        for ((shape, value), first) in shapes.iter_mut().zip(row).zip(first) {
            if std::mem::discriminant(value) != std::mem::discriminant(first) {
                return None;
            }
            shape.is_single = shape.is_single && value == first;
        }
    }
    let differs = shapes.iter().any(|shape| !shape.is_single);
    differs.then_some(shapes)
}

/// What a column holds.
struct Shape {
    /// The name of its type.
    name: &'static str,
    array: ArrayType,
    /// One value for all rows.
    is_single: bool,
}

/// The text of an INSERT of these rows, and what is bound to it; the values themselves where placeholders are the better way.
pub(super) fn insert(
    table: &str,
    columns: &[Column],
    values: Vec<Value>,
    ending: &str,
) -> Result<(String, Vec<Value>), Vec<Value>> {
    let Some(shapes) = columns_of(columns.len(), &values) else {
        return Err(values);
    };
    let rows = values.len() / columns.len().max(1);
    let mut apart: Vec<Vec<Value>> = shapes
        .iter()
        .map(|shape| Vec::with_capacity(if shape.is_single { 1 } else { rows }))
        .collect();
    let mut nulls = vec![0_i64; rows];
    let mut has_nulls = 0_i64;
    let mut left = values.into_iter();
    for (row, nulls) in nulls.iter_mut().enumerate() {
        let own = left.by_ref().take(columns.len());
        for (place, ((shape, apart), mut value)) in
            shapes.iter().zip(&mut apart).zip(own).enumerate()
        {
            if shape.is_single && row > 0 {
                continue;
            }
            if !shape.is_single
                && let Some(blank) = blank(&value)
            {
                *nulls |= 1 << place;
                value = blank;
            }
            apart.push(value);
        }
        has_nulls |= *nulls;
    }

    let (mut selected, mut arrays, mut named) = (Vec::new(), Vec::new(), Vec::new());
    let mut bound = Vec::with_capacity(columns.len() + 1);
    for (index, ((column, shape), mut own)) in columns.iter().zip(shapes).zip(apart).enumerate() {
        let (name, cast, place) = (shape.name, column.cast, bound.len() + 1);
        if shape.is_single {
            bound.extend(own.pop());
            selected.push(format!("${place}::{name}{cast}"));
            continue;
        }
        bound.push(Value::Array(shape.array, Some(Box::new(own))));
        arrays.push(format!("${place}::{name}[]"));
        named.push(format!("c{index}"));
        let bit = 1_i64 << index;
        selected.push(if has_nulls & bit == 0 {
            format!("page.c{index}{cast}")
        } else {
            format!("(CASE WHEN page.nulls & {bit} = 0 THEN page.c{index} END){cast}")
        });
    }
    if has_nulls != 0 {
        let nulls = nulls.into_iter().map(Value::from).collect();
        bound.push(Value::Array(ArrayType::BigInt, Some(Box::new(nulls))));
        arrays.push(format!("${}::bigint[]", bound.len()));
        named.push("nulls".to_owned());
    }
    let names: Vec<String> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let sql = format!(
        "INSERT INTO \"{table}\" ({}) SELECT {} FROM unnest({}) AS page({}){ending}",
        names.join(", "),
        selected.join(", "),
        arrays.join(", "),
        named.join(", ")
    );
    Ok((sql, bound))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::plain("id"),
        Column::computed("position", " + 1"),
        Column::plain("email"),
        Column::json("data"),
    ];

    fn rows(count: i64) -> Vec<Value> {
        let row = |n: i64| -> [Value; 4] {
            let email = (n % 2 == 0).then(|| format!("{n}@example.com"));
            [
                n.into(),
                7_i64.into(),
                email.into(),
                format!("[{n}]").into(),
            ]
        };
        (0..count).flat_map(row).collect()
    }

    #[test]
    fn each_column_is_an_array_and_what_is_the_same_is_bound_once() {
        let (sql, bound) = insert("t", &COLUMNS, rows(10), " ON CONFLICT DO NOTHING").unwrap();
        assert_eq!(
            sql,
            "INSERT INTO \"t\" (\"id\", \"position\", \"email\", \"data\") SELECT page.c0, $2::bigint + 1, \
             (CASE WHEN page.nulls & 4 = 0 THEN page.c2 END), page.c3::jsonb \
             FROM unnest($1::bigint[], $3::text[], $4::text[], $5::bigint[]) AS page(c0, c2, c3, nulls) ON CONFLICT DO NOTHING"
        );
        assert_eq!(bound.len(), 5);
        assert_eq!(bound.get(1), Some(&Value::from(7_i64)));
        let nulls = (0..10).map(|n: i64| Value::from(n % 2 * 4)).collect();
        let nulls = Value::Array(ArrayType::BigInt, Some(Box::new(nulls)));
        assert_eq!(bound.last(), Some(&nulls), "every other address is none");
    }

    #[test]
    fn few_rows_and_strange_values_take_the_usual_way() {
        assert_eq!(insert("t", &COLUMNS, rows(7), ""), Err(rows(7)));
        let mut mixed = rows(10);
        *mixed.get_mut(4).unwrap() = "a text among numbers".into();
        assert_eq!(insert("t", &COLUMNS, mixed.clone(), ""), Err(mixed));
        let same: Vec<Value> = (0..10).map(|_| 1_i64.into()).collect();
        assert!(insert("t", &[Column::plain("a")], same, "").is_err());
    }

    /// One bit for each column that has nulls, and no column takes another's.
    #[test]
    fn nulls_of_several_columns_stay_apart() {
        let columns = [Column::plain("a"), Column::plain("b")];
        let values: Vec<Value> = (0..9_i64)
            .flat_map(|n| {
                [
                    (n > 3).then_some(n).into(),
                    (n % 3 == 0).then_some(n).into(),
                ]
            })
            .collect();
        let (sql, bound) = insert("t", &columns, values, "").unwrap();
        assert!(
            sql.contains("nulls & 1 = 0 THEN page.c0")
                && sql.contains("nulls & 2 = 0 THEN page.c1")
        );
        let nulls = [1_i64, 3, 3, 1, 2, 2, 0, 2, 2].map(Value::from);
        let nulls = Value::Array(ArrayType::BigInt, Some(Box::new(nulls.to_vec())));
        assert_eq!(bound.last(), Some(&nulls));
    }
}
