//! `entente keys rotate` and `entente keys list`: the keys that sign access tokens.
//!
//! Rotating needs no downtime and no restart: the new key is published first, signs a minute later, and the old one verifies until the last token it
//! signed has ended. Running processes learn of it within a quarter of a minute. Where a key is in wrong hands, `--compromised` makes every other key
//! worthless instead, and with them every token.

use super::{Failure, answer, data_dir};
use crate::config::Config;
use crate::data_dir::demo_file::DemoFile;
use crate::state::{StartError, chance, keys, open_database, prepare_schema};
use clap::{Args, Subcommand};
use entities::signing_key::{self, Stage};
use integrations::vault::Vault;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make a new key, which signs tokens from a minute on; the old one verifies until its last token has ended.
    Rotate(RotateArgs),
    /// List the keys and what each is for now.
    List(ListArgs),
}

#[derive(Args)]
pub(super) struct RotateArgs {
    /// A key is in wrong hands: believe nothing of the others from now on. Every token ends, those of `entente token` too.
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// Folder of the SQLite file, when no other database is configured.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl KeysCommand {
    pub(super) const fn data(&self) -> Option<&PathBuf> {
        match self {
            Self::Rotate(args) => args.list.data.as_ref(),
            Self::List(args) => args.data.as_ref(),
        }
    }
}

/// Runs one of the commands.
pub(super) async fn keys(config: Config, command: KeysCommand) -> Result<(), Failure> {
    if config.uses_data_dir() && DemoFile::find(&config.data_dir)?.is_some() {
        return Err(Failure::Usage(
            "the keys of a demonstration are not rotated: make another one".to_owned(),
        ));
    }
    let (current, previous) = config.master_keys()?;
    let _directory = data_dir(&config)?;
    let database = open_database(&config).await?;
    prepare_schema(&database, false).await?;
    let text = match command {
        KeysCommand::List(_) => {
            let rows = signing_key::list(&database)
                .await
                .map_err(|error| Failure::fault("the keys cannot be read", error))?;
            listed(&rows, database.now())
        }
        KeysCommand::Rotate(args) => {
            let vault = Vault::new(current, previous, chance());
            let chance = chance();
            let rotated = keys::rotate(&database, &vault, chance.as_ref(), args.compromised);
            let (kid, rotated) = rotated.await.map_err(StartError::from)?;
            let mut text = format!("{kid} signs from {}\n", rotated.signs_from.to_rfc3339());
            for kid in rotated.retired {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{kid} was thrown away");
            }
            text
        }
    };
    answer(&text)
}

fn listed(rows: &[signing_key::Model], now: entities::clock::Timestamp) -> String {
    let mut text = String::new();
    for (row, stage) in rows.iter().zip(signing_key::stages(rows, now)) {
        let stage = match stage {
            Stage::Published => format!("published, signs from {}", row.signs_from.to_rfc3339()),
            Stage::Signing => "signs".to_owned(),
            Stage::Verifying { until } => format!("verifies until {}", until.to_rfc3339()),
            Stage::Retired => "retired".to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {stage}", row.kid);
    }
    if text.is_empty() {
        "There is no key yet: the first start makes one.".clone_into(&mut text);
    }
    text
}
