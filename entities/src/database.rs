//! The handle on the database: a pool to read with, a way to write, and what every change needs (clock, ids, waking).
//!
//! SQLite has exactly one writer, so writes go through a pool of one connection and begin `IMMEDIATE`: a writer waits for its
//! turn instead of failing half-way. On PostgreSQL reads and writes share a pool. [`Database::with_own_pool`] gives a server
//! worker connections of its own to read with; one pool shared by several single-threaded workers wakes tasks across threads.

use crate::chance::Chance;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::id::{Ids, TypedId};
use crate::reader::Reader;
use crate::token_revocation::Revocations;
use sea_orm::{
    ConnectOptions, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Called with the text of each statement; tests count with it.
pub type StatementObserver = Arc<dyn Fn(&str) + Send + Sync>;

/// How to open a database.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// `sqlite:///path/file.sqlite` or `postgres://…`.
    pub url: String,
    /// Connections of one pool.
    pub connections: u32,
    /// Sees every statement, where set.
    pub observer: Option<StatementObserver>,
}

impl DatabaseOptions {
    /// Ordinary options for an address.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self {
            url,
            connections: 8,
            observer: None,
        }
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    async fn connect(&self, connections: u32) -> Result<DatabaseConnection> {
        let mut options = ConnectOptions::new(self.url.clone());
        options
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            // One ping before each query would be one more round trip for every request.
            .test_before_acquire(false)
            .sqlx_logging(false);
        if self.is_sqlite() {
            options.map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10))
                    .statement_cache_capacity(200)
                    .pragma("cache_size", "-16000")
                    // 32 MB of log between checkpoints instead of 4: a page that many transactions change is then copied into the file once and not by
                    // every other of them. A first synchronisation takes half the time.
                    .pragma("wal_autocheckpoint", "8000")
            });
        }
        let mut connection = sea_orm::Database::connect(options).await?;
        if let Some(observer) = self.observer.clone() {
            connection.set_metric_callback(move |info| observer(&info.statement.sql));
        }
        Ok(connection)
    }
}

/// Tells waiting workers that something was committed. Waking too often is harmless; the number only has to change.
#[derive(Clone, Debug)]
pub struct Wake(Arc<watch::Sender<u64>>);

impl Default for Wake {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Wake {
    /// Wakes everybody who waits.
    pub fn wake(&self) {
        self.0.send_modify(|turn| *turn = turn.wrapping_add(1));
    }

    /// A receiver that sees every later wake.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

struct Shared {
    options: DatabaseOptions,
    write: DatabaseConnection,
    backend: DbBackend,
    clock: Arc<dyn Clock>,
    ids: Ids,
    wake: Wake,
    revocations: Arc<Revocations>,
    epoch: std::sync::atomic::AtomicI64,
}

/// A cheap handle on the database.
#[derive(Clone)]
pub struct Database {
    read: Reader,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("backend", &self.shared.backend)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database. It does not migrate.
    ///
    /// # Errors
    /// When the address is no database's or the database does not answer.
    pub async fn open(
        options: DatabaseOptions,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Result<Self> {
        let (read, write) = if options.is_sqlite() {
            // The writer comes first: it creates the file and sets WAL, which readers then find.
            let write = options.connect(1).await?;
            (options.connect(options.connections).await?, write)
        } else {
            let pool = options.connect(options.connections).await?;
            (pool.clone(), pool)
        };
        let backend = write.get_database_backend();
        let read = Reader::pool(read);
        let shared = Shared {
            options,
            write,
            backend,
            clock,
            ids: Ids::new(chance),
            wake: Wake::default(),
            revocations: Arc::default(),
            epoch: 0.into(),
        };
        Ok(Self {
            read,
            shared: Arc::new(shared),
        })
    }

    /// The same database with connections of its own to read with, for one server worker. On SQLite it is the same.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn with_own_pool(&self, connections: u32) -> Result<Self> {
        let read = if self.is_postgres() {
            Reader::lanes(
                self.shared.write.clone(),
                connections,
                self.shared.options.observer.clone(),
            )
            .await?
        } else {
            self.read.clone()
        };
        Ok(Self {
            read,
            shared: Arc::clone(&self.shared),
        })
    }

    /// What to read with.
    #[must_use]
    pub const fn read(&self) -> &Reader {
        &self.read
    }

    /// What a migration, and nothing else outside a [`crate::change::Change`], writes with.
    #[must_use]
    pub fn write(&self) -> &DatabaseConnection {
        &self.shared.write
    }

    /// Which kind of database this is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.shared.backend
    }

    /// Whether this is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.shared.backend == DbBackend::Postgres
    }

    /// The address it was opened with; it may hold a password and is never logged.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.options.url
    }

    /// The clock of everything that happens in this database.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The maker of ids and of random bytes.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.shared.ids
    }

    /// A new id of the present instant.
    #[must_use]
    pub fn new_id<T: TypedId>(&self) -> T {
        self.shared.ids.next(self.now())
    }

    /// What commits wake.
    #[must_use]
    pub fn wake(&self) -> &Wake {
        &self.shared.wake
    }

    /// The tokens that this process refuses before their end; see [`crate::token_revocation`].
    #[must_use]
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.shared.revocations
    }

    /// The epoch of the event log's positions; see [`crate::event`].
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.shared.epoch.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn set_epoch(&self, epoch: i64) {
        self.shared
            .epoch
            .store(epoch, std::sync::atomic::Ordering::Relaxed);
    }

    /// Begins a write transaction; on SQLite it waits here for its turn.
    ///
    /// # Errors
    /// When the database fails or stays busy.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.shared
            .write
            .begin_with_options(options)
            .await
            .map_err(Error::from)
    }
}
