//! A database for each test, empty but for the schema.
//!
//! SQLite is a file in a folder that goes with the test. PostgreSQL is one throw-away cluster for the whole run, made by `tests/run` with a
//! migrated template; each test clones it, and nothing is dropped singly, for the cluster goes as a whole.

use entities::chance::{Chance, SystemChance};
use entities::clock::Clock;
use entities::database::{Database, DatabaseOptions};
use sea_orm::{ConnectOptions, ConnectionTrait};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

use crate::StatementLog;

/// The migrated database that tests clone.
const TEMPLATE: &str = "entente_template";

/// Which kind of database a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A clone of the template.
    Postgres,
}

impl Backend {
    /// What `ENTENTE_TEST_DATABASE` says; SQLite when it says nothing.
    #[must_use]
    pub fn of_run() -> Self {
        match std::env::var("ENTENTE_TEST_DATABASE").as_deref() {
            Err(_) | Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres,
            Ok(other) => {
                panic!("ENTENTE_TEST_DATABASE is {other:?}, and should be sqlite or postgres")
            }
        }
    }
}

/// A test's database. Its folder, which also serves for other files of the test, goes when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    folder: TempDir,
}

impl TestDatabase {
    /// A database of the run's kind.
    pub async fn make() -> Self {
        Self::of(Backend::of_run()).await
    }

    /// A database of this kind.
    pub async fn of(backend: Backend) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let url = match backend {
            Backend::Sqlite => format!(
                "sqlite://{}",
                folder.path().join("entente.sqlite").display()
            ),
            Backend::Postgres => clone_template().await,
        };
        Self { url, folder }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The test's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens it and makes sure of its schema. It can be opened several times, as several processes would.
    pub async fn open(
        &self,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        statements: &StatementLog,
    ) -> Database {
        let mut options = DatabaseOptions::new(self.url.clone());
        options.connections = 8;
        options.observer = Some(statements.observer());
        let database = Database::open(options, clock, chance)
            .await
            .expect("the test's database opens");
        api::state::prepare_schema(&database, true)
            .await
            .expect("the test's database takes the schema");
        database
    }
}

async fn clone_template() -> String {
    let cluster = std::env::var("ENTENTE_TEST_POSTGRES")
        .expect("ENTENTE_TEST_POSTGRES is not set: `tests/run` starts a PostgreSQL for the tests and sets it to postgres://user@host:port");
    let cluster = cluster.trim_end_matches('/');
    // Numbers of processes come again in a long run; this does not.
    let mut bytes = [0_u8; 16];
    SystemChance.fill(&mut bytes);
    let name = format!("test_{:032x}", u128::from_be_bytes(bytes));
    let mut options = ConnectOptions::new(format!("{cluster}/postgres"));
    options.max_connections(1).sqlx_logging(false);
    let maintenance = sea_orm::Database::connect(options)
        .await
        .expect("the PostgreSQL of the tests answers");
    let statement = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY wal_log");
    maintenance
        .execute_unprepared(&statement)
        .await
        .expect("the template can be cloned");
    maintenance.close().await.expect("the connection closes");
    format!("{cluster}/{name}")
}
