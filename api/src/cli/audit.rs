//! `entente audit verify`: whether the event log is what was sealed.
//!
//! It only reads, and may run while others work. Its answer ends with the last link, to be kept where who can write to the database cannot: given
//! to a later verification it proves that the chain was neither made anew nor cut off behind it.

use super::{Failure, answer};
use crate::config::Config;
use crate::state::{open_database, schema};
use clap::{Args, Subcommand};
use entities::audit_link::{self, Anchor, Report};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Walk the chain over the event log, and name the first link that does not hold.
    Verify(VerifyArgs),
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The last link that an earlier verification told: it must still be there.
    #[arg(long, value_name = "NUMBER:DIGEST")]
    link: Option<Anchor>,
    /// Folder of the SQLite file, when no other database is configured; also that of a demonstration.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

/// Links that are read at a time.
const PAGE: u64 = 1_000;

/// Verifies, and answers what was found.
pub(super) async fn verify(config: Config, args: VerifyArgs) -> Result<(), Failure> {
    let _directory = match config.uses_data_dir() {
        // A demonstration that is running holds its directory alone; its chain may be read beside it.
        true if config.data_dir.join("demo.json").is_file() => None,
        _ => super::data_dir(&config)?,
    };
    let database = open_database(&config).await?;
    let pending = schema::pending(&database)
        .await
        .map_err(|error| Failure::fault("the schema cannot be read", error))?;
    if pending > 0 {
        return Err(crate::state::StartError::Pending(pending).into());
    }
    let verdict = audit_link::verify(&database, args.link.as_ref(), PAGE)
        .await
        .map_err(|error| Failure::fault("the chain cannot be read", error))?;
    match verdict {
        Ok(report) => answer(&told(&report)),
        Err(broken) => Err(Failure::Fault(broken.to_string())),
    }
}

fn told(report: &Report) -> String {
    let head = report.head.as_ref().map_or_else(
        || "Nothing is sealed yet.".to_owned(),
        |head| format!("The last link is {head}"),
    );
    format!(
        "The chain holds. Events sealed: {}, of which redacted: {}, left since by retention: {}. Events that wait to be sealed: {}.\n{head}",
        report.sealed, report.redacted, report.pruned, report.waiting
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_last_link_that_is_told_can_be_given() {
        let head = Anchor {
            number: 12,
            digest: "ab".repeat(32),
        };
        let report = Report {
            sealed: 12,
            redacted: 1,
            pruned: 2,
            waiting: 3,
            head: Some(head.clone()),
        };
        let told = told(&report);
        let last = told.rsplit(' ').next().unwrap();
        assert_eq!(last.parse::<Anchor>().unwrap(), head);
        for bad in ["", "12", "12:", "0:aa", ":", "x:y"] {
            assert!(bad.parse::<Anchor>().is_err(), "{bad}");
        }
    }
}
