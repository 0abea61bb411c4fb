//! Failures in a row of somebody who proves who they are: a person by a password, a client by a secret.
//!
//! A person is counted twice: by account and address they come from, as [`STRICT`] as can be, and by account alone, whose [`LENIENT`] ceiling is
//! for guesses from everywhere. Else whoever knows an account's name could keep its owner out for as long as they like.
//!
//! **An attempt counts as failed until it has succeeded.** It is claimed before anything is verified, in a transaction that locks the row; a
//! thousand attempts at once are therefore a thousand failures, of which all but the first few find the door locked. From the fifth on each
//! failure locks longer, twice the time before, up to a quarter of an hour: long enough to make guessing pointless and short enough that
//! nobody can be kept out for long by somebody else. A success forgets the failures, and so does a day without one.
//!
//! The subject is the caller's: a keyed hash where it is personal. Whether there is such an account plays no part, so that the answer cannot
//! tell.

use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::IntoActiveModel as _;
use sea_orm::QuerySelect as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, OnConflict};

/// When a door is locked, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From this failure on it is locked for a while.
    pub locks_from: i32,
    /// For how long at most, in milliseconds.
    pub longest_millis: i64,
}

/// For somebody who comes from one place.
pub const STRICT: Patience = Patience {
    locks_from: 5,
    longest_millis: 15 * 60 * 1_000,
};

/// For an account, wherever the guesses come from: a minute at a time, so that its owner gets a turn too.
pub const LENIENT: Patience = Patience {
    locks_from: 100,
    longest_millis: 60 * 1_000,
};

/// For how long a door is locked first, in milliseconds.
const FIRST_LOCK_MILLIS: i64 = 15 * 1_000;
/// After how long without a failure they are forgotten, in milliseconds.
const FORGOTTEN_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// Somebody's failures.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "failed_attempt")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub failures: i32,
    pub last_failed_at: Timestamp,
    pub locked_until: Option<Timestamp>,
}

/// It has none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// What came of wanting to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Go on and verify; call [`succeeded`] if it was right. Should it be wrong, it was this failure in a row, and where `locks_until` is set
    /// the door is locked from now on.
    Open {
        /// How many failures in a row there are with this one.
        failures: i32,
        /// Until when the next attempt is refused.
        locks_until: Option<Timestamp>,
    },
    /// The door is locked: verify nothing.
    Locked {
        /// Until when.
        until: Timestamp,
    },
}

/// For how long this failure in a row locks the door, in milliseconds; none for the first few.
#[must_use]
pub fn lock_millis(failures: i32, patience: Patience) -> Option<i64> {
    let over = u32::try_from(failures.checked_sub(patience.locks_from)?).ok()?;
    let longest = patience.longest_millis;
    let millis = FIRST_LOCK_MILLIS.checked_shl(over.min(20));
    Some(millis.map_or(longest, |millis| millis.min(longest)))
}

/// Claims an attempt: it is counted as failed, unless the door is locked.
///
/// # Errors
/// When the database fails.
pub async fn claim(database: &Database, subject: &str, patience: Patience) -> Result<Attempt> {
    let now = database.now();
    let transaction = database.begin().await?;
    let known = || {
        Entity::visible_to(&Viewer::system("failed_attempt")).filter(Column::Subject.eq(subject))
    };
    let lock_of = |row: &Model| row.locked_until.filter(|until| *until > now);
    // Whoever finds the door locked waits for nobody: a flood of guesses does not queue for the row.
    if let Some(until) = known().one(&transaction).await?.as_ref().and_then(lock_of) {
        transaction.rollback().await?;
        return Ok(Attempt::Locked { until });
    }
    let fresh = Model {
        subject: subject.to_owned(),
        failures: 0,
        last_failed_at: now,
        locked_until: None,
    };
    // A row that is there is written as it is: that locks it, and nobody can take it away before it is read.
    let as_it_is = Expr::col((Entity, Column::Failures));
    let on_conflict = OnConflict::column(Column::Subject)
        .value(Column::Failures, as_it_is)
        .to_owned();
    Entity::insert(fresh.into_active_model())
        .on_conflict(on_conflict)
        .exec_without_returning(&transaction)
        .await?;
    let row = known()
        .lock_exclusive()
        .one(&transaction)
        .await?
        .ok_or_else(|| Error::Damaged("a failure that was just noted".to_owned()))?;
    if let Some(until) = lock_of(&row) {
        transaction.rollback().await?;
        return Ok(Attempt::Locked { until });
    }
    let forgotten = row.last_failed_at.plus_millis(FORGOTTEN_MILLIS) <= now;
    let failures = if forgotten {
        1
    } else {
        row.failures.saturating_add(1)
    };
    let locks_until = lock_millis(failures, patience).map(|millis| now.plus_millis(millis));
    Entity::update_many()
        .col_expr(Column::Failures, Expr::value(failures))
        .col_expr(Column::LastFailedAt, Expr::value(now))
        .col_expr(Column::LockedUntil, Expr::value(locks_until))
        .filter(Column::Subject.eq(subject))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(Attempt::Open {
        failures,
        locks_until,
    })
}

/// The attempt was right: the failures are forgotten. What others left long ago goes with them.
///
/// # Errors
/// When the database fails.
pub async fn succeeded(database: &Database, subject: &str) -> Result<()> {
    let old = database.now().plus_millis(-FORGOTTEN_MILLIS);
    Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::Subject.eq(subject))
                .add(Column::LastFailedAt.lt(old)),
        )
        .exec(database.write())
        .await?;
    Ok(())
}

/// Forgets the failures of a subject and of all that are its parts: whose names go on with `@`.
///
/// # Errors
/// When the database fails.
pub async fn forgotten(database: &Database, subject: &str) -> Result<()> {
    Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::Subject.eq(subject))
                .add(Column::Subject.starts_with(format!("{subject}@"))),
        )
        .exec(database.write())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_locks_twice_as_long_up_to_a_quarter_of_an_hour() {
        let seconds = |failures| lock_millis(failures, STRICT).map(|millis| millis / 1_000);
        assert_eq!(seconds(0), None);
        assert_eq!(seconds(4), None);
        assert_eq!(seconds(5), Some(15));
        assert_eq!(seconds(6), Some(30));
        assert_eq!(seconds(9), Some(240));
        for failures in [11, 12, 30, 68, 1_000, i32::MAX] {
            assert_eq!(seconds(failures), Some(900), "{failures}");
        }
        assert_eq!(seconds(i32::MIN), None);
        let seconds = |failures| lock_millis(failures, LENIENT).map(|millis| millis / 1_000);
        assert_eq!((seconds(99), seconds(100)), (None, Some(15)));
        assert_eq!((seconds(102), seconds(i32::MAX)), (Some(60), Some(60)));
    }
}
