//! A queue with rows in it: pushes of two connections and three resources, turn by turn, all of them due.
//!
//! They are written by one statement and not through the product, which is not what is measured here. The ids of our rows rise with the time they
//! have waited, as they do after an import.

use entities::clock::SystemClock;
use entities::database::{Database, DatabaseOptions};
use entities::id::ConnectionId;
use entities::outbound_push;
use sea_orm::{ConnectionTrait, Statement};
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

const LEASE_MILLIS: i64 = 60_000;
const MAX_ATTEMPTS: i32 = 8;

/// How rows are taken.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    /// How many workers.
    pub workers: u64,
    /// How many rows a claim may have.
    pub batch: u64,
    /// After how many rows it is enough.
    pub rows: u64,
}

/// A database whose queue holds a number of rows.
pub struct Waiting {
    database: Database,
    connections: [ConnectionId; 2],
    /// The first is due since this instant, in microseconds; every other a microsecond later.
    since: i64,
    /// How many were ever written.
    written: u64,
    /// How many wait.
    rows: u64,
}

impl Waiting {
    /// Makes one in an empty database.
    pub async fn make(url: String, rows: u64) -> Self {
        let database = Database::open(
            DatabaseOptions::new(url),
            Arc::new(SystemClock),
            api::state::chance(),
        )
        .await
        .expect("the database opens");
        api::state::prepare_schema(&database, true)
            .await
            .expect("the schema is made");
        let connections = [database.new_id(), database.new_id()];
        for id in connections {
            connect(&database, id).await;
        }
        // Room for what is written later; nothing may be due in the future.
        let since = database.now().plus_millis(-3_600_000).micros();
        let mut waiting = Self {
            database,
            connections,
            since,
            written: 0,
            rows: 0,
        };
        waiting.fill(rows).await;
        waiting.settle_down().await;
        waiting
    }

    async fn fill(&mut self, rows: u64) {
        let (first, last) = (self.written + 1, self.written + rows);
        let uuid = |id: Uuid| match self.database.is_postgres() {
            true => format!("'{id}'::uuid"),
            false => format!("X'{}'", id.simple()),
        };
        let [one, other] = self.connections.map(|id| uuid(id.0));
        let (numbers, subject) = if self.database.is_postgres() {
            (
                format!("generate_series({first}, {last}) AS numbers(n)"),
                "('0192' || lpad(to_hex(n), 8, '0') || '7' || lpad('', 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid",
            )
        } else {
            (
                format!(
                    "(WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) SELECT n FROM numbers)"
                ),
                "unhex('0192' || printf('%08x', n) || '70008000' || hex(randomblob(6)))",
            )
        };
        let statement = format!(
            "INSERT INTO outbound_push (connection_id, subject_kind, subject_id, resource, generation, first_seen_at, attempts, available_at, fence, dead) \
             SELECT CASE WHEN n % 2 = 0 THEN {one} ELSE {other} END, 'deal', {subject}, \
             CASE n / 200 % 3 WHEN 0 THEN 'deal' WHEN 1 THEN 'contact' ELSE 'company' END, 1, {since} + n, 0, {since} + n, 0, false FROM {numbers}",
            since = self.since,
        );
        self.run(&statement).await;
        self.written = last;
        self.rows += rows;
    }

    /// Lets the database get over having been filled.
    async fn settle_down(&self) {
        if self.database.is_postgres() {
            self.run("VACUUM ANALYZE outbound_push").await;
            self.run("CHECKPOINT").await;
        } else {
            self.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
        }
    }

    async fn run(&self, statement: &str) {
        self.database
            .write()
            .execute_unprepared(statement)
            .await
            .expect("the statement succeeds");
    }

    async fn count(&self) -> u64 {
        let statement = Statement::from_string(
            self.database.backend(),
            "SELECT COUNT(*) FROM outbound_push",
        );
        let row = self
            .database
            .read()
            .query_one_raw(statement)
            .await
            .expect("the database answers")
            .expect("one row");
        u64::try_from(row.try_get_by_index::<i64>(0).expect("a number")).expect("a count")
    }

    /// Claims and acknowledges rows, and answers how many a second; then as many are written anew, outside the time.
    pub async fn take(&mut self, taking: Taking) -> f64 {
        let begin = Instant::now();
        let workers: Vec<_> = (0..taking.workers)
            .map(|number| {
                let database = self.database.clone();
                tokio::spawn(work(database, number, taking))
            })
            .collect();
        let mut done = 0;
        for worker in workers {
            done += worker.await.expect("a worker ends well");
        }
        let took = begin.elapsed();
        self.rows -= done;
        assert_eq!(self.count().await, self.rows, "each was taken once");
        self.fill(done).await;
        done as f64 / took.as_secs_f64()
    }
}

async fn work(database: Database, number: u64, taking: Taking) -> u64 {
    let (worker, mut done) = (Uuid::from_u128(u128::from(number)), 0);
    while done < taking.rows / taking.workers {
        let claimed =
            outbound_push::claim(&database, worker, LEASE_MILLIS, taking.batch, MAX_ATTEMPTS)
                .await
                .expect("rows are claimed");
        assert!(!claimed.is_empty(), "the queue is not empty");
        assert!(claimed.iter().all(|row| row.fence == 1), "nobody had them");
        outbound_push::settle(database.write(), &claimed, database.now())
            .await
            .expect("rows are acknowledged");
        done += claimed.len() as u64;
    }
    done
}

async fn connect(database: &Database, id: ConnectionId) {
    let (now, tenant) = (database.now(), id.to_string());
    let sql = "INSERT INTO connection (id, version, created_at, updated_at, connector, tenant_id, status, account, granted_scopes, mapping, \
               credentials_version) VALUES ($1, 1, $2, $3, 'hubspot', $4, 'ACTIVE', '{}', '[]', '{}', 0)";
    let values = [id.into(), now.into(), now.into(), tenant.into()];
    let statement = Statement::from_sql_and_values(database.backend(), sql, values);
    database
        .write()
        .execute_raw(statement)
        .await
        .expect("a connection is written");
}
