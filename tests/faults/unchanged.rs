//! Everything is read again and nothing has changed: no event, no row, no link; only the runs and the lanes keep their own books.

use crate::portal::Portal;
use futures::future::{join_all, try_join_all};
use sea_orm::{ConnectionTrait, Statement};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::HubSpotSetup;

/// Where lanes and runs keep their books; everything else must not be touched.
const BOOKS: [&str; 3] = ["connection", "sync_cursor", "sync_run"];

/// Rows written so far, by table; on SQLite, which counts for the whole connection, under one name.
async fn row_writes(portal: &Portal) -> BTreeMap<String, i64> {
    let database = portal.app.database();
    if !database.is_postgres() {
        let statement = "SELECT total_changes()".to_owned();
        let statement = Statement::from_string(database.backend(), statement);
        // All writing goes through one connection.
        let row = database.write().query_one_raw(statement).await.unwrap();
        let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
        return BTreeMap::from([("all".to_owned(), count)]);
    }
    // Each connection of the pool tells what it has counted when it is asked to; holding as many as there are asks every one of them.
    let all = try_join_all((0..8).map(|_| database.begin()))
        .await
        .unwrap();
    let tell = all.into_iter().map(async |transaction| {
        let tell = "SELECT pg_stat_force_next_flush()";
        transaction.execute_unprepared(tell).await.unwrap();
        transaction.commit().await.unwrap();
    });
    join_all(tell).await;
    let counts = "SELECT relname::text, (n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables";
    let rows = portal.app.rows(counts).await;
    let value = |row: &sea_orm::QueryResult| {
        (
            row.try_get_by_index(0).unwrap(),
            row.try_get_by_index(1).unwrap(),
        )
    };
    rows.iter().map(value).collect()
}

#[tokio::test]
async fn unchanged_records_that_are_read_again_write_next_to_nothing() {
    let deals = tests::rounds(2_500, 100_000);
    let portal = Portal::of(HubSpotSetup::generated(deals as usize)).await;
    let first = portal.settle().await;
    assert!(first.error.is_none(), "{:?}", first.error);
    // What the first reading left to be tidied up is done by a second one, and the archived lists are read.
    portal.app.advance(Duration::from_secs(61));
    portal.settle().await;
    let (before, written) = (portal.snapshot().await, row_writes(&portal).await);

    let run = portal.sync_everything().await;
    assert!(run.error.is_none(), "{:?}", run.error);
    assert_eq!(portal.snapshot().await, before, "no row, no link, no event");
    let counts = run.findings.counts.values();
    let (read, same) = counts.fold((0, 0), |(read, same), counts| {
        (read + counts.read, same + counts.unchanged)
    });
    assert!(read >= u64::from(deals), "{read} were read");
    assert_eq!(read, same, "and every one was found unchanged");

    let mut writes = row_writes(&portal).await;
    for (table, count) in &mut writes {
        *count -= written.get(table).copied().unwrap_or_default();
    }
    writes.retain(|_, count| *count != 0);
    let rows: i64 = writes.values().sum();
    let share = 100.0 * rows as f64 / read as f64;
    eprintln!(
        "{read} unchanged records read again: {rows} rows written ({share:.2} %): {writes:?}"
    );
    if portal.app.database().is_postgres() {
        assert_eq!(
            writes.remove("event"),
            Some(1),
            "it tells that the run has ended"
        );
        writes.retain(|table, _| !BOOKS.contains(&table.as_str()));
        assert_eq!(writes, BTreeMap::new(), "only the books are written");
    }
    assert!(rows > 0, "a run leaves at least its own row");
    // To begin and to end a run costs the same for few records as for many; what counts is what each record adds to it.
    let fixed = 50;
    assert!(
        (rows - fixed) * 100 < i64::try_from(read).unwrap(),
        "{rows} rows for {read} records: {writes:?}"
    );
    if deals >= 100_000 {
        assert!(share < 1.0, "{share:.2} % of {read} records");
    }
    portal.app.finish().await;
}
