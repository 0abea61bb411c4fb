//! Whether the database has the schema of this build, and bringing it there.
//!
//! On PostgreSQL several processes may start at once, so migrating holds an advisory lock on a connection of its own. Asking never
//! writes: a server may run as a user that cannot change the schema.

use entities::database::Database;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};

/// The advisory lock of migrations; any number would do, as long as every version has the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4966027164)";

/// How many migrations the database lacks.
///
/// # Errors
/// When the database fails.
pub async fn pending(database: &Database) -> Result<usize, DbErr> {
    Ok(Migrator::get_pending_migrations_read_only(database.read())
        .await?
        .len())
}

/// Applies what is pending and says how many migrations that were.
///
/// # Errors
/// When the database fails, or lacks the right to change the schema.
pub async fn migrate(database: &Database) -> Result<usize, DbErr> {
    if !database.is_postgres() {
        return apply(database).await;
    }
    let lock = database.write().begin().await?;
    lock.execute_unprepared(LOCK).await?;
    let applied = apply(database).await;
    lock.rollback().await?;
    applied
}

async fn apply(database: &Database) -> Result<usize, DbErr> {
    let missing = pending(database).await?;
    if missing > 0 {
        Migrator::up(database.write(), None).await?;
    }
    Ok(missing)
}
