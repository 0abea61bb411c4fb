//! Everything is read again and nothing has changed: no event, no row, no link; only the runs and the lanes keep their own books.

use crate::linked::{Linked, snapshot};
use futures::future::{join_all, try_join_all};
use integrations::sync::SyncKind;
use sandbox::{SalesforceSource, ShopSource};
use sea_orm::{ConnectionTrait, Statement};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::{HubSpotSetup, Options, SalesforceSetup, Setups, ShopifySetup, TestApp};

/// Where lanes and runs keep their books; everything else must not be touched.
const BOOKS: [&str; 3] = ["connection", "sync_cursor", "sync_run"];

/// Rows written so far, by table; on SQLite, which counts for the whole connection, under one name.
async fn row_writes(app: &TestApp) -> BTreeMap<String, i64> {
    let database = app.database();
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
    let rows = app.rows(counts).await;
    let value = |row: &sea_orm::QueryResult| {
        (
            row.try_get_by_index(0).unwrap(),
            row.try_get_by_index(1).unwrap(),
        )
    };
    rows.iter().map(value).collect()
}

async fn hold(linked: Linked, at_least: u32) {
    linked.settle().await;
    // What the first reading left to be tidied up is done by a second one, and the archived lists are read.
    for _ in 0..3 {
        linked.app.advance(Duration::from_secs(61));
        linked.settle().await;
    }
    let failed = "SELECT COUNT(*) FROM sync_run WHERE error IS NOT NULL";
    assert_eq!(linked.app.number(failed).await, 0);
    let before = snapshot(&linked.app).await;
    let written = row_writes(&linked.app).await;

    // The engine alone: what readers of the log do of its one event is another matter.
    let engine = &linked.app.state.core.engine;
    let run = engine
        .sync_connection(linked.connection, SyncKind::Everything, |_| {})
        .await
        .unwrap();
    assert!(run.error.is_none(), "{:?}", run.error);
    assert_eq!(
        snapshot(&linked.app).await,
        before,
        "no row, no link, no event"
    );
    let counts = run.findings.counts.values();
    let (read, same) = counts.fold((0, 0), |(read, same), counts| {
        (read + counts.read, same + counts.unchanged)
    });
    assert!(read >= u64::from(at_least), "{read} were read");
    assert_eq!(read, same, "and every one was found unchanged");

    let mut writes = row_writes(&linked.app).await;
    for (table, count) in &mut writes {
        *count -= written.get(table).copied().unwrap_or_default();
    }
    writes.retain(|_, count| *count != 0);
    let rows: i64 = writes.values().sum();
    let share = 100.0 * rows as f64 / read as f64;
    eprintln!(
        "{read} unchanged records read again: {rows} rows written ({share:.2} %): {writes:?}"
    );
    if linked.app.database().is_postgres() {
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
    if read >= 100_000 {
        assert!(share < 1.0, "{share:.2} % of {read} records");
    }
    linked.app.finish().await;
}

#[tokio::test]
async fn unchanged_records_of_hubspot_that_are_read_again_write_next_to_nothing() {
    let deals = tests::rounds(2_500, 100_000);
    let options = Options::hubspot(HubSpotSetup::generated(deals as usize));
    let linked = Linked::to(integrations::hubspot::ID, options).await;
    hold(linked, deals).await;
}

#[tokio::test]
async fn unchanged_records_of_salesforce_that_are_read_again_write_next_to_nothing() {
    let opportunities = tests::rounds(2_500, 60_000);
    let salesforce = SalesforceSetup {
        source: SalesforceSource::Generated {
            opportunities: opportunities as usize,
        },
        ..SalesforceSetup::default()
    };
    let others = Setups {
        salesforce: Some(salesforce),
        ..Setups::default()
    };
    let options = Options {
        others,
        ..Options::default()
    };
    let linked = Linked::to(integrations::salesforce::ID, options).await;
    hold(linked, opportunities).await;
}

#[tokio::test]
async fn unchanged_records_of_shopify_that_are_read_again_write_next_to_nothing() {
    let orders = tests::rounds(2_500, 60_000);
    let shopify = ShopifySetup {
        source: ShopSource::Generated {
            orders: orders as usize,
        },
        ..ShopifySetup::default()
    };
    let others = Setups {
        shopify: Some(shopify),
        ..Setups::default()
    };
    let options = Options {
        others,
        ..Options::default()
    };
    let linked = Linked::to(integrations::shopify::ID, options).await;
    hold(linked, orders).await;
}
