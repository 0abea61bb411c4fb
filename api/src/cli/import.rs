//! `entente import`: a file of revenue, read from the disk into the database.

use super::{DataArgs, Failure, answer, data_dir};
use crate::config::Config;
use crate::import::{self, Format, ImportError, MAX_BYTES};
use crate::state::{open_database, prepare_schema};
use clap::{Args, ValueEnum};
use entities::viewer::Viewer;
use std::path::PathBuf;

/// What the rows are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Money that came or went back.
    Revenue,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    /// What the rows are.
    kind: Kind,
    /// The file: CSV with a line of names, or, where its name ends in .jsonl, an object of JSON a line.
    file: PathBuf,
    /// Check every row and write nothing.
    #[arg(long)]
    validate_only: bool,
}

/// Imports a file and prints what became of its rows.
pub(super) async fn run(config: Config, args: ImportArgs) -> Result<(), Failure> {
    let Kind::Revenue = args.kind;
    let name = args.file.display();
    let size = std::fs::metadata(&args.file).map(|known| known.len());
    let size = size.map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    if size > MAX_BYTES as u64 {
        return Err(Failure::Usage(format!("{name}: at most 16 MiB")));
    }
    let bytes = std::fs::read(&args.file);
    let bytes = bytes.map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    let ending = args.file.extension().and_then(|ending| ending.to_str());
    let format = if ending == Some("jsonl") {
        Format::Jsonl
    } else {
        Format::Csv
    };
    let _directory = data_dir(&config)?;
    let database = open_database(&config).await?;
    prepare_schema(&database, false).await?;
    let viewer = Viewer::system("entente import");
    let report = import::revenue(&database, &viewer, format, &bytes, args.validate_only).await;
    let report = report.map_err(|error| match error {
        ImportError::NoFile(why) => Failure::Usage(format!("{name}: {why}")),
        ImportError::Fault(fault) => Failure::fault("the file cannot be imported", fault),
    })?;
    let report = serde_json::to_string_pretty(&report);
    answer(&report.map_err(|error| Failure::fault("the report cannot be written", error))?)
}
