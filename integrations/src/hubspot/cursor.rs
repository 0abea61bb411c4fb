//! Where a walk stands.
//!
//! Owns: the JSON the engine stores for us between pages. Refuses: a position of another kind of walk: it is answered with
//! `CursorExpired`, so that the caller begins again instead of skipping what lies between. Invariant: a position holds all a walk needs
//! to go on after a restart, in another process.

use crate::{
    connector::Mode,
    error::{ConnectorError, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A position. Times are HubSpot's, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "walk", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Position {
    /// Inside a list of everything, which began at `started_ms`.
    List {
        /// HubSpot's own mark of the next page.
        after: String,
        started_ms: i64,
    },
    /// Inside a list of what is archived.
    Archived { after: String },
    /// Inside a search for changes: everything before `from_ms` has been read.
    Changes { from_ms: i64, started_ms: i64 },
    /// Inside a crowd of records with one time: those up to `last_id` have been read.
    Tie {
        at_ms: i64,
        last_id: String,
        started_ms: i64,
    },
    /// Between two deltas: everything HubSpot can have shown up to `mark_ms` has been read.
    Rest { mark_ms: i64 },
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
