//! A database of its own for each run of a test, with a clock that moves when it is told to.

use entities::chance::{Chance, SeededChance, SystemChance};
use entities::change::{Author, Change, Origin};
use entities::clock::{ManualClock, Timestamp};
use entities::database::{Database, DatabaseOptions};
use entities::id::ConnectionId;
use entities::inbound_signal::{self, NewSignal};
use entities::outbound_push::{self, NewPush};
use migration::MigratorTrait;
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde_json::json;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// Resources.
pub const DEAL: &str = "deal";
pub const COMPANY: &str = "company";
/// How long a lease lasts, in milliseconds.
pub const LEASE: i64 = 60_000;
/// After so many attempts a row is dead.
pub const MOST: i32 = 3;

/// The bed of one test.
pub struct Bed {
    pub database: Database,
    pub clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

/// Runs a test on SQLite, and on PostgreSQL where the run has one.
pub async fn each(test: impl AsyncFn(Bed)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.sqlite");
    test(Bed::open(format!("sqlite://{}", file.display()), folder).await).await;
    match std::env::var("ENTENTE_TEST_POSTGRES") {
        Ok(server) => {
            let url = fresh(server.trim_end_matches('/')).await;
            test(Bed::open(url, tempfile::tempdir().unwrap()).await).await;
        }
        Err(_) => eprintln!("SKIPPED on PostgreSQL: ENTENTE_TEST_POSTGRES is not set"),
    }
}

async fn fresh(server: &str) -> String {
    let mut bytes = [0_u8; 16];
    SystemChance.fill(&mut bytes);
    let name = format!("queue_{}", Uuid::from_bytes(bytes).simple());
    let admin = sea_orm::Database::connect(format!("{server}/postgres"))
        .await
        .unwrap();
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    admin.close().await.unwrap();
    format!("{server}/{name}")
}

/// A row of ours.
pub const fn subject(number: u64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number as u128)
}

impl Bed {
    async fn open(url: String, folder: tempfile::TempDir) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_790_000_000)));
        let database = Database::open(
            DatabaseOptions::new(url),
            clock.clone(),
            Arc::new(SeededChance::new(1)),
        )
        .await
        .unwrap();
        migration::Migrator::up(database.write(), None)
            .await
            .unwrap();
        Self {
            database,
            clock,
            _folder: folder,
        }
    }

    /// A connection in a state.
    pub async fn connection(&self, status: &str, paused_until: Option<Timestamp>) -> ConnectionId {
        let id: ConnectionId = self.database.new_id();
        let (now, tenant) = (self.database.now(), id.to_string());
        let sql = "INSERT INTO connection (id, version, created_at, updated_at, connector, tenant_id, status, account, granted_scopes, mapping, \
                   credentials_version, paused_until) VALUES ($1, 1, $2, $3, 'hubspot', $4, $5, '{}', '[]', '{}', 0, $6)";
        let values = [
            id.into(),
            now.into(),
            now.into(),
            tenant.into(),
            status.into(),
            paused_until.into(),
        ];
        let statement = Statement::from_sql_and_values(self.database.backend(), sql, values);
        self.database.write().execute_raw(statement).await.unwrap();
        id
    }

    /// A change of nobody in particular.
    pub async fn begin(&self) -> Change {
        let author = Author {
            actor: "test".to_owned(),
            origin: Origin::Sync,
            connection: None,
        };
        Change::begin(&self.database, author).await.unwrap()
    }

    /// Pushes of rows of ours.
    pub fn pushes(
        &self,
        connection_id: ConnectionId,
        resource: &'static str,
        subjects: Range<u64>,
    ) -> Vec<NewPush> {
        let push = |number| NewPush {
            connection_id,
            subject_kind: resource,
            subject_id: subject(number),
            resource,
        };
        subjects.map(push).collect()
    }

    /// Raises pushes.
    pub async fn raise(
        &self,
        connection: ConnectionId,
        resource: &'static str,
        subjects: Range<u64>,
    ) {
        let change = self.begin().await;
        outbound_push::raise(&change, self.pushes(connection, resource, subjects))
            .await
            .unwrap();
        change.commit().await.unwrap();
    }

    /// Raises signals of deals: (id, kind of hint).
    pub async fn signal(&self, connection_id: ConnectionId, records: &[(&str, &str)]) {
        let signal = |(id, kind): &(&str, &str)| NewSignal {
            connection_id,
            resource: DEAL.to_owned(),
            external_id: (*id).to_owned(),
            hint: json!({ "kind": kind }),
        };
        let change = self.begin().await;
        inbound_signal::raise(&change, records.iter().map(signal).collect())
            .await
            .unwrap();
        change.commit().await.unwrap();
    }

    /// Claims pushes.
    pub async fn claim(&self, limit: u64) -> Vec<outbound_push::Model> {
        outbound_push::claim(&self.database, Uuid::nil(), LEASE, limit, MOST)
            .await
            .unwrap()
    }

    /// Claims signals.
    pub async fn signals(&self, limit: u64) -> Vec<inbound_signal::Model> {
        inbound_signal::claim(&self.database, Uuid::nil(), LEASE, limit, MOST)
            .await
            .unwrap()
    }

    /// Ends the work on pushes.
    pub async fn settle(&self, claimed: &[outbound_push::Model]) {
        outbound_push::settle(self.database.write(), claimed, self.database.now())
            .await
            .unwrap();
    }

    /// Which pushes are still theirs.
    pub async fn still_claimed(
        &self,
        claimed: &[outbound_push::Model],
    ) -> Vec<outbound_push::Model> {
        let change = self.begin().await;
        let held = outbound_push::still_claimed(&change, claimed)
            .await
            .unwrap();
        change.rollback().await.unwrap();
        held
    }

    /// Waits until a statement waits for a lock. SQLite has one writer, and whoever comes second waits for the connection already.
    pub async fn somebody_waits(&self) {
        if !self.database.is_postgres() {
            return;
        }
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = async || {
            let statement = Statement::from_string(self.database.backend(), sql);
            let row = self.database.read().query_one_raw(statement).await;
            row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
        };
        let bound = std::time::Duration::from_secs(20);
        let until = async || while waiting().await == 0 {};
        tokio::time::timeout(bound, until())
            .await
            .expect("it comes to wait");
    }

    /// Every push.
    pub async fn all(&self) -> Vec<outbound_push::Model> {
        outbound_push::Entity::find()
            .all(self.database.read())
            .await
            .unwrap()
    }

    /// The push of a row of ours.
    pub async fn of(&self, number: u64) -> outbound_push::Model {
        let found = outbound_push::list_of_subject(self.database.read(), subject(number)).await;
        found.unwrap().remove(0)
    }
}
