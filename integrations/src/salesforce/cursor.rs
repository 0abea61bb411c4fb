//! Where a walk stands.
//!
//! Owns: the JSON the engine stores for us between pages. Refuses: a position of another kind of walk: it is answered with `CursorExpired`, so that
//! the caller begins again instead of skipping what lies between. Invariant: a position holds all a walk needs to go on after a restart, in another
//! process.
//!
//! Salesforce's own marks of a next page live for a short while and in one session; none is ever stored. A bulk job's mark is: its result stays for
//! days.

use super::soql::Place;
use crate::{
    connector::Mode,
    error::{ConnectorError, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A position. Times are Salesforce's, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "walk", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Position {
    /// Inside a reading of everything in the order of ids, by queries.
    All { last_id: String, started_ms: i64 },
    /// Inside a reading of everything by a bulk job: it runs, or its result is read from a mark on.
    Bulk {
        job: String,
        locator: Option<String>,
        started_ms: i64,
    },
    /// Inside what changed.
    Changes {
        at_ms: i64,
        last_id: String,
        /// Where the walk began: what changed to the ties of its records is looked for from there on.
        from_ms: i64,
        started_ms: i64,
        deleted_ms: i64,
    },
    /// Inside what changed to the ties of records, which touches no record.
    Ties {
        at_ms: i64,
        last_id: String,
        started_ms: i64,
        deleted_ms: i64,
    },
    /// The changes are read; what was deleted is next.
    Gone { started_ms: i64, deleted_ms: i64 },
    /// Inside what is in the bin.
    Bin { at_ms: i64, last_id: String },
    /// Between two deltas: every change Salesforce can have shown up to `mark_ms` has been read, and every deletion up to `deleted_ms`.
    Rest { mark_ms: i64, deleted_ms: i64 },
    /// A walk is done that leaves nothing to continue from.
    Done {},
}

impl Position {
    /// Reads what was stored.
    pub(super) fn read(cursor: Option<&Value>) -> Result<Option<Self>> {
        cursor
            .map(|value| {
                Self::deserialize(value).map_err(|_| ConnectorError::CursorExpired {
                    message: "the stored position is not one of this connector".to_owned(),
                })
            })
            .transpose()
    }

    /// What is stored.
    pub(super) fn write(&self) -> Result<Value> {
        serde_json::to_value(self)
            .map_err(|_| ConnectorError::permanent("cursor", "the position cannot be written"))
    }

    /// The answer to a position of another kind of walk.
    pub(super) fn foreign(mode: Mode) -> ConnectorError {
        ConnectorError::CursorExpired {
            message: format!("the stored position belongs to another walk than {mode:?}"),
        }
    }
}

/// A place in the order of change.
pub(super) const fn place(at_ms: i64, last_id: String) -> Place {
    Place { at_ms, id: last_id }
}
