//! The SQL statements a test causes, so that it can count them.

use entities::database::StatementObserver;
use std::sync::{Arc, Mutex, PoisonError};

/// Every statement of an app's database, in order.
#[derive(Clone, Debug, Default)]
pub struct StatementLog(Arc<Mutex<Vec<String>>>);

impl StatementLog {
    /// What a database is opened with, so that its statements arrive here.
    #[must_use]
    pub fn observer(&self) -> StatementObserver {
        let log = self.clone();
        Arc::new(move |statement| {
            log.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(statement.to_owned());
        })
    }

    /// Takes what has arrived so far.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
