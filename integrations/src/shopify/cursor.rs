//! Where a walk stands.
//!
//! Owns: the JSON the engine stores for us between pages. Refuses: a position of another kind of walk (it is answered with `CursorExpired`, so that
//! the caller begins again instead of skipping what lies between), and addresses of files: those open without a token. Invariant: a position
//! holds all a walk needs to go on after a restart, in another process.

use crate::{
    connector::Mode,
    error::{ConnectorError, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// A position. Times are Shopify's, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "walk", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Position {
    /// Inside a list of everything in the order of ids.
    Pages {
        /// Shopify's own mark of the next page; none at the beginning.
        after: Option<String>,
        frame: Walk,
    },
    /// A bulk operation for everything is to be started.
    Wanted { frame: Walk },
    /// A bulk operation runs.
    Running { job: String, frame: Walk },
    /// Inside the file of a bulk operation: so many bytes are read.
    File {
        job: String,
        offset: u64,
        frame: Walk,
    },
    /// Inside a list of what has changed since `from_ms`.
    Changes {
        from_ms: i64,
        after: String,
        frame: Walk,
    },
    /// Between two deltas: everything Shopify can have shown up to `mark_ms` has been read.
    Rest { mark_ms: i64 },
}

/// What holds for a whole walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Walk {
    /// When it began.
    pub(super) started_ms: i64,
    /// How many records a page may ask for.
    pub(super) size: u32,
    /// The fields the shop does not grant.
    pub(super) omitted: BTreeSet<String>,
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
