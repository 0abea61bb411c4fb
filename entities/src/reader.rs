//! What is read with: a pool, or lanes.
//!
//! A pool of sqlx tests every connection when it comes back, which is a second round trip for every statement and cannot be switched off.
//! *Lanes* are a server worker's own few connections to PostgreSQL that are never given back: a statement takes one, runs, and leaves it for
//! the next. They run single SELECT statements only; everything else goes to the pool.
//!
//! Invariant: a connection is left for the next statement only after an answer that was read to its end. A statement that was given up or lost
//! its server takes its connection with it. One that finds that the server has closed the connection meanwhile runs once more on a new one,
//! which is safe, for it only reads.

use crate::error::{Error, Result};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

use crate::database::StatementObserver;

/// What is read with. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pool: DatabaseConnection,
    lanes: Option<Arc<Lanes>>,
}

struct Lanes {
    options: Arc<PgConnectOptions>,
    turns: Semaphore,
    // The one used last is taken first: it and its server process are the ones still warm.
    idle: Mutex<Vec<PgConnection>>,
    observer: Option<StatementObserver>,
}

impl Reader {
    /// Reads by way of a pool.
    pub(crate) const fn pool(pool: DatabaseConnection) -> Self {
        Self { pool, lanes: None }
    }

    /// Reads by way of lanes to the server that `pool` reaches, which must be PostgreSQL; what is no SELECT goes to the pool.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) async fn lanes(
        pool: DatabaseConnection,
        connections: u32,
        observer: Option<StatementObserver>,
    ) -> Result<Self> {
        let options = pool.get_postgres_connection_pool().connect_options();
        let turns = Semaphore::new(usize::try_from(connections).unwrap_or(1).max(1));
        let lanes = Lanes {
            options,
            turns,
            idle: Mutex::default(),
            observer,
        };
        let first = lanes.open().await.map_err(Error::from)?;
        lanes.leave(first);
        Ok(Self {
            pool,
            lanes: Some(Arc::new(lanes)),
        })
    }

    /// The pool, to be closed when the process ends.
    #[must_use]
    pub const fn connection(&self) -> &DatabaseConnection {
        &self.pool
    }
}

impl Lanes {
    async fn open(&self) -> std::result::Result<PgConnection, DbErr> {
        PgConnection::connect_with(&self.options)
            .await
            .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, connection: PgConnection) {
        self.idle().push(connection);
    }

    async fn run(&self, statement: Statement) -> std::result::Result<Vec<QueryResult>, DbErr> {
        if let Some(observer) = &self.observer {
            observer(&statement.sql);
        }
        let _turn =
            self.turns.acquire().await.map_err(|_| {
                DbErr::Conn(RuntimeErr::Internal("the lanes are closed".to_owned()))
            })?;
        let Statement { sql, values, .. } = statement;
        let values = values.unwrap_or_else(|| Values(Vec::new()));
        let waiting = self.idle().pop();
        if let Some(mut connection) = waiting {
            match ask(&mut connection, &sql, values.clone()).await {
                // The server was restarted, or somebody ended the connection; the other ones have most likely gone with it.
                Err(error) if has_gone(&error) => self.idle().clear(),
                answer => return self.settle(connection, answer),
            }
        }
        let mut connection = self.open().await?;
        let answer = ask(&mut connection, &sql, values).await;
        self.settle(connection, answer)
    }

    /// Leaves the connection for the next statement where it is whole.
    fn settle(
        &self,
        connection: PgConnection,
        answer: std::result::Result<Vec<PgRow>, sqlx::Error>,
    ) -> std::result::Result<Vec<QueryResult>, DbErr> {
        // What the server refuses leaves the connection in order; after every other error nobody knows.
        let whole = match &answer {
            Ok(_) => true,
            Err(error @ sqlx::Error::Database(_)) => !has_gone(error),
            Err(_) => false,
        };
        if whole {
            self.leave(connection);
        }
        match answer {
            Ok(rows) => Ok(rows.into_iter().map(QueryResult::from).collect()),
            Err(error) => Err(DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))),
        }
    }
}

/// Whether an error says that the connection is no more: it broke, or the server ended it (class 57P of its codes).
fn has_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(refusal) => {
            refusal.code().is_some_and(|code| code.starts_with("57P"))
        }
        _ => false,
    }
}

async fn ask(
    connection: &mut PgConnection,
    sql: &str,
    values: Values,
) -> std::result::Result<Vec<PgRow>, sqlx::Error> {
    // The text is the ORM's or a constant of ours; values are bound, never written into it.
    sqlx::query_with(AssertSqlSafe(sql), SqlxValues(values))
        .fetch_all(connection)
        .await
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> std::result::Result<ExecResult, DbErr> {
        self.pool.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> std::result::Result<ExecResult, DbErr> {
        self.pool.execute_unprepared(sql).await
    }

    async fn query_one_raw(
        &self,
        statement: Statement,
    ) -> std::result::Result<Option<QueryResult>, DbErr> {
        match &self.lanes {
            Some(lanes) => Ok(lanes.run(statement).await?.into_iter().next()),
            None => self.pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(
        &self,
        statement: Statement,
    ) -> std::result::Result<Vec<QueryResult>, DbErr> {
        match &self.lanes {
            Some(lanes) => lanes.run(statement).await,
            None => self.pool.query_all_raw(statement).await,
        }
    }
}
