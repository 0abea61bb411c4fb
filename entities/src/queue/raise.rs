//! Raising rows: a new one, or the next generation of the one that waits.
//!
//! Owns the statement and what every queue's row begins with. Refuses nothing; its callers bring the rows in the order of the key, so that two changes
//! over the same rows cannot wait for each other, and each row once, for one INSERT cannot touch a row twice.

use super::Queue;
use crate::change::Change;
use crate::error::Result;
use crate::write;
use sea_orm::sea_query::Value;

/// What every row begins with, behind its table's own columns.
const BEGINNING: [write::Column; 6] = [
    write::Column::plain("generation"),
    write::Column::plain("first_seen_at"),
    write::Column::plain("attempts"),
    write::Column::plain("available_at"),
    write::Column::plain("fence"),
    write::Column::plain("dead"),
];

/// Raises rows, given as the values of their table's `own` columns, key included. A dead row comes back to life: something has happened since.
/// `again` is what else is set on a row that waits already.
pub(crate) async fn raise<E: Queue, const N: usize>(
    change: &Change,
    own: [write::Column; N],
    rows: impl ExactSizeIterator<Item = Result<[Value; N]>>,
    again: &str,
) -> Result<()> {
    let now = change.now();
    let beginning: [Value; 6] = [
        1_i64.into(),
        now.into(),
        0_i32.into(),
        now.into(),
        0_i64.into(),
        false.into(),
    ];
    let columns: Vec<write::Column> = own.into_iter().chain(BEGINNING).collect();
    let (table, key) = (E::TABLE, E::KEY);
    let resource = if E::KEYED_BY_RESOURCE {
        ", \"resource\""
    } else {
        ""
    };
    let ending = format!(
        " ON CONFLICT (\"connection_id\"{resource}, \"{key}\") DO UPDATE SET \
         \"generation\" = \"{table}\".\"generation\" + 1, \"attempts\" = 0, \"dead\" = false, {again}"
    );
    let rows = rows.map(|row| Ok(row?.into_iter().chain(beginning.clone())));
    write::insert_values(change.transaction(), table, &columns, rows, &ending).await
}
