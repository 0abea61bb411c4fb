//! `entente preset`: what a programme may begin with: rules for days to come, criteria, checklists and goals.

use super::{DataArgs, Failure, answer, data_dir};
use crate::config::Config;
use crate::state::{open_database, prepare_schema};
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use entities::change::{Author, Change, Origin};
use entities::error::Error;
use entities::preset::{self, INCLUDED, Loaded, Preset};

#[derive(Args)]
pub(super) struct PresetArgs {
    #[command(subcommand)]
    command: PresetCommand,
}

#[derive(Subcommand)]
enum PresetCommand {
    /// Print the presets that come with the product.
    List,
    /// Publish what a preset holds; what is in force already is left as it is.
    Load(LoadArgs),
}

#[derive(Args)]
struct LoadArgs {
    #[command(flatten)]
    data: DataArgs,
    /// What the preset is called.
    name: String,
    /// The first day on which its rules hold, from which on its goals count their months; today when nothing is said, and never earlier.
    #[arg(long, value_name = "DAY")]
    from: Option<NaiveDate>,
}

impl PresetArgs {
    /// The data directory the command names.
    pub(super) const fn data(&self) -> Option<&DataArgs> {
        match &self.command {
            PresetCommand::List => None,
            PresetCommand::Load(args) => Some(&args.data),
        }
    }
}

/// What the caller can mend is told in its own words.
fn failure(attempt: &str, error: Error) -> Failure {
    match error {
        Error::Invalid(violations) => {
            let messages: Vec<String> = violations.into_iter().map(|one| one.message).collect();
            Failure::Usage(format!("{attempt}: {}", messages.join(" ")))
        }
        fault => Failure::fault(attempt, fault),
    }
}

/// Lists presets or loads one.
pub(super) async fn run(config: Config, args: PresetArgs) -> Result<(), Failure> {
    let args = match args.command {
        PresetCommand::List => {
            let mut lines = Vec::with_capacity(INCLUDED.len());
            for (name, json) in INCLUDED {
                let preset = Preset::parse(json);
                let preset = preset.map_err(|error| failure("a preset cannot be read", error))?;
                lines.push(format!("{name}: {}", preset.description));
            }
            return answer(&lines.join("\n"));
        }
        PresetCommand::Load(args) => args,
    };
    let unknown = |_| {
        let known: Vec<&str> = INCLUDED.iter().map(|(name, _)| *name).collect();
        let names = known.join(", ");
        Failure::Usage(format!(
            "there is no preset {:?}; the presets are {names}",
            args.name
        ))
    };
    let preset = Preset::included(&args.name).map_err(unknown)?;
    let _directory = data_dir(&config)?;
    let database = open_database(&config).await?;
    prepare_schema(&database, false).await?;
    let attempt = "the preset cannot be loaded";
    let author = Author {
        actor: "entente preset".to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    let change = Change::begin(&database, author).await;
    let mut change = change.map_err(|error| failure(attempt, error))?;
    let today = change.now().date();
    let today = today.ok_or_else(|| Failure::fault(attempt, "the clock shows no day"))?;
    let loaded = preset::load(&mut change, &preset, args.from.unwrap_or(today), today).await;
    let loaded = loaded.map_err(|error| failure(attempt, error))?;
    change
        .commit()
        .await
        .map_err(|error| failure(attempt, error))?;
    answer(&told(loaded))
}

/// What was published, in a sentence.
fn told(loaded: Loaded) -> String {
    let parts = [
        (loaded.rules, "rule", "rules"),
        (loaded.schemes, "scheme of criteria", "schemes of criteria"),
        (loaded.checklists, "checklist", "checklists"),
        (loaded.goals, "goal", "goals"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    if parts.is_empty() {
        "Everything it holds is in force already.".to_owned()
    } else {
        format!("Published: {}.", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_was_published() {
        let loaded = Loaded {
            rules: 5,
            schemes: 1,
            ..Loaded::default()
        };
        assert_eq!(told(loaded), "Published: 5 rules, 1 scheme of criteria.");
        let nothing = "Everything it holds is in force already.";
        assert_eq!(told(Loaded::default()), nothing);
    }
}
