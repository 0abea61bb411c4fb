//! Files of revenue: read row by row, recorded row by row, and told of row by row.
//!
//! A row that cannot stand is refused with its reasons, and the others are recorded all the same; the same file again records nothing, because a row's
//! key is told once. What a file brings is history and earns nothing by itself (`accrueHistory` computes it). A file that is none (other columns, no
//! text, too many rows) is refused whole.

mod row;

use crate::graphql::edit::UserErrorCode;
use async_graphql::resolver_utils::enum_value;
use entities::change::{Author, Change, Origin};
use entities::database::Database;
use entities::error::{Error, Violation, ViolationCode};
use entities::revenue_event::{self, NewRevenue};
use entities::viewer::Viewer;
use serde::Serialize;
use std::collections::HashSet;

/// The largest file.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most rows of a file.
pub const MAX_ROWS: usize = 50_000;

/// The most refused rows that are told of; the others are counted.
const MAX_TOLD: usize = 1_000;

/// Rows of one transaction.
const BATCH: usize = 500;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a line of names.
    Csv,
    /// An object of JSON a line.
    Jsonl,
}

/// A file that is refused whole; its text is for the caller.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What was sent is no such file.
    #[error("{0}")]
    NoFile(String),
    /// A fault; what was recorded before it stays, and the file can be sent again.
    #[error("the import failed: {0}")]
    Fault(#[from] Error),
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many rows it has.
    pub rows: usize,
    /// How many are new.
    pub recorded: usize,
    /// How many were known already.
    pub known: usize,
    /// How many were refused.
    pub refused: usize,
    /// The first thousand of those.
    pub refusals: Vec<Refusal>,
}

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Which: 1 is the first after the names.
    pub row: usize,
    /// Why.
    pub errors: Vec<RowError>,
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowError {
    /// The code, as a `userError` has it.
    pub code: String,
    /// Which column; empty for the row as a whole.
    pub field: String,
    /// One sentence for a person.
    pub message: String,
}

impl From<Violation> for RowError {
    fn from(violation: Violation) -> Self {
        // The entity knows the API's spelling; a file has its columns'.
        let field = match violation.field.as_str() {
            "externalKey" => "external_key".to_owned(),
            _ => violation.field,
        };
        Self {
            code: enum_value(UserErrorCode::from(violation.code)).to_string(),
            field,
            message: violation.message,
        }
    }
}

impl Report {
    fn refuse(&mut self, row: usize, violations: Vec<Violation>) {
        self.refused += 1;
        if self.refusals.len() < MAX_TOLD {
            let errors = violations.into_iter().map(RowError::from).collect();
            self.refusals.push(Refusal { row, errors });
        }
    }
}

/// Reads a file of revenue and records what stands. With `validate_only` nothing is written, and the report is the same.
///
/// # Errors
/// [`ImportError`].
pub async fn revenue(
    database: &Database,
    viewer: &Viewer,
    format: Format,
    bytes: &[u8],
    validate_only: bool,
) -> Result<Report, ImportError> {
    let rows = row::read(format, bytes)?;
    let mut report = Report {
        rows: rows.len(),
        ..Report::default()
    };
    let mut good: Vec<(usize, row::Row)> = Vec::with_capacity(rows.len());
    let mut keys = HashSet::with_capacity(rows.len());
    for (number, row) in (1..).zip(rows) {
        match row {
            Ok(row) if keys.insert(row.external_key.clone()) => good.push((number, row)),
            Ok(_) => {
                let message = "The file has this key before.";
                let twice = Violation::new(ViolationCode::Taken, "external_key", message);
                report.refuse(number, vec![twice]);
            }
            Err(violations) => report.refuse(number, violations),
        }
    }
    let author = Author {
        actor: viewer.subject().to_owned(),
        origin: Origin::Import,
        connection: None,
    };
    for batch in good.chunks(BATCH) {
        let change = Change::begin(database, author.clone()).await?;
        let resolved = row::resolve(&change, viewer, batch).await;
        change.rollback().await?;
        let mut ready = Vec::with_capacity(batch.len());
        for (number, row) in resolved? {
            match row {
                Ok(new) => ready.push((number, new)),
                Err(violations) => report.refuse(number, violations),
            }
        }
        record(database, &author, ready, validate_only, &mut report).await?;
    }
    report.refusals.sort_by_key(|refusal| refusal.row);
    Ok(report)
}

/// Records rows together, or, where one of them does not stand, each by itself.
async fn record(
    database: &Database,
    author: &Author,
    rows: Vec<(usize, NewRevenue)>,
    validate_only: bool,
    report: &mut Report,
) -> Result<(), ImportError> {
    match attempt(database, author, &rows, validate_only, report).await? {
        None => Ok(()),
        Some(violations) => {
            if let [(number, _)] = rows.as_slice() {
                report.refuse(*number, violations);
                return Ok(());
            }
            for row in rows {
                let (number, one) = (row.0, [row]);
                if let Some(why) = attempt(database, author, &one, validate_only, report).await? {
                    report.refuse(number, why);
                }
            }
            Ok(())
        }
    }
}

/// Records rows in one transaction; the answer says why that was refused.
async fn attempt(
    database: &Database,
    author: &Author,
    rows: &[(usize, NewRevenue)],
    validate_only: bool,
    report: &mut Report,
) -> Result<Option<Vec<Violation>>, ImportError> {
    let mut change = Change::begin(database, author.clone()).await?;
    let events = rows.iter().map(|(_, new)| new.clone()).collect();
    let recorded = match revenue_event::record(&mut change, None, events).await {
        Ok(recorded) => recorded,
        Err(Error::Invalid(violations)) => {
            change.rollback().await?;
            return Ok(Some(violations));
        }
        Err(fault) => return Err(fault.into()),
    };
    if validate_only {
        change.rollback().await?;
    } else {
        change.commit().await?;
    }
    report.recorded += recorded.created.len();
    report.known += rows.len() - recorded.created.len() - recorded.differing.len();
    for (number, new) in rows {
        if recorded.differing.contains(&new.external_key) {
            let message = "Something else is known by this key.";
            let taken = Violation::new(ViolationCode::Taken, "external_key", message);
            report.refuse(*number, vec![taken]);
        }
    }
    Ok(None)
}
