//! The command line: what each command needs, and how a failure is told.
//!
//! A failure is one line on standard error; the exit code is 2 when the caller can mend it (arguments, configuration, a data directory
//! made for something else) and 1 when something failed. Standard output holds answers only: a token, a schema, the one line of `--json`.

mod admin;
mod audit;
mod import;
mod keys;
mod preset;
mod process;
mod serve;
mod token;

use crate::config::{Config, ConfigError, Sources, show};
use crate::data_dir::{DataDir, DataDirError, Use};
use crate::demo::{self, DemoArgs};
use crate::state::StartError;
use crate::{graphql, logging};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

pub use process::{Process, ProcessSettings, stop_signal};
pub use serve::bind;

/// A command that did not do what was asked. Either way it is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The caller can mend it.
    #[error("{0}")]
    Usage(String),
    /// Something failed.
    #[error("{0}")]
    Fault(String),
}

impl Failure {
    /// Something failed while `attempt`.
    pub fn fault(attempt: &str, error: impl std::fmt::Display) -> Self {
        Self::Fault(format!("{attempt}: {error}"))
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Fault(_) => 1,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        if error.is_usage() {
            Self::Usage(error.to_string())
        } else {
            Self::Fault(error.to_string())
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        if error.is_usage() {
            Self::Usage(error.to_string())
        } else {
            Self::Fault(error.to_string())
        }
    }
}

#[derive(Parser)]
#[command(
    name = "entente",
    version,
    about = "A partner ecosystem API: partners, deals and money over GraphQL, in step with your CRM."
)]
struct Cli {
    /// Read this configuration file instead of ./entente.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API, and work in the background.
    Serve(ServeArgs),
    /// Work in the background only, beside `serve --no-worker`.
    Worker(DataArgs),
    /// Try everything out on this machine: a SQLite database, four sandboxed systems, the API and a token.
    Demo(DemoFlags),
    /// Bring the database's schema up to date.
    Migrate(DataArgs),
    /// Print the GraphQL schema.
    Schema,
    /// Make an access token.
    Token(token::TokenArgs),
    /// Make the first administrator, or let one in again.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Rotate or list the keys that sign access tokens.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Verify the audit trail.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Import a file of revenue and print what became of its rows.
    Import(import::ImportArgs),
    /// The numbers a programme may begin with.
    Preset(preset::PresetArgs),
    /// Print every setting with its value, its source and its meaning.
    Config(ConfigArgs),
}

#[derive(Args)]
struct DataArgs {
    /// Folder of the SQLite file, when no other database is configured.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Print one line of JSON with the GraphQL address once the server listens.
    #[arg(long)]
    json: bool,
    /// Serve only; `entente worker` does the rest in another process.
    #[arg(long)]
    no_worker: bool,
}

#[derive(Args)]
struct DemoFlags {
    #[command(flatten)]
    data: DataArgs,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Instead of the prose, print one line of JSON when the first sync is done.
    #[arg(long)]
    json: bool,
    /// Show what the four systems do together, and how long it takes: a deal that is won, a button that is pressed, an order that is paid.
    #[arg(long)]
    tour: bool,
    /// Fill the sandbox of HubSpot with the CSV export in this folder instead of generated data.
    #[arg(long, value_name = "DIR")]
    crm: Option<PathBuf>,
}

#[derive(Args)]
struct ConfigArgs {
    /// Print a documented configuration file instead.
    #[arg(long)]
    sample: bool,
}

type Flags = Vec<(&'static str, &'static str, String)>;

fn flags(data: Option<&PathBuf>, listen: Option<SocketAddr>) -> Flags {
    let data = data.map(|folder| ("--data", "data_dir", folder.display().to_string()));
    let listen = listen.map(|address| ("--listen", "listen", address.to_string()));
    data.into_iter().chain(listen).collect()
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("entente: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let load = |flags: Flags| Config::load(&Sources::of_process(cli.config.clone(), flags));
    match cli.command {
        Command::Schema => answer(&graphql::schema::sdl(&graphql::schema::build())),
        Command::Config(args) if args.sample => answer(&show::sample()),
        Command::Config(_) => answer(&show::effective(&load(Vec::new())?)),
        Command::Serve(args) => {
            let config = load(flags(args.data.data.as_ref(), args.listen))?;
            let _log = log(&config)?;
            on_runtime(serve::serve(&config, args.json, !args.no_worker))
        }
        Command::Worker(args) => {
            let config = load(flags(args.data.as_ref(), None))?;
            let _log = log(&config)?;
            on_runtime(serve::work(&config))
        }
        Command::Migrate(args) => on_runtime(migrate(load(flags(args.data.as_ref(), None))?)),
        Command::Token(args) => {
            on_runtime(token::token(load(flags(args.data.as_ref(), None))?, args))
        }
        Command::Admin(command) => {
            let config = load(flags(command.data(), None))?;
            on_runtime(admin::admin(config, command))
        }
        Command::Keys(command) => {
            let config = load(flags(command.data(), None))?;
            on_runtime(keys::keys(config, command))
        }
        Command::Audit(audit::AuditCommand::Verify(args)) => {
            let config = load(flags(args.data.as_ref(), None))?;
            on_runtime(audit::verify(config, args))
        }
        Command::Import(args) => {
            let data = args.data.data.as_ref();
            on_runtime(import::run(load(flags(data, None))?, args))
        }
        Command::Preset(args) => {
            let data = args.data().and_then(|data| data.data.as_ref());
            on_runtime(preset::run(load(flags(data, None))?, args))
        }
        Command::Demo(args) => {
            let mut sources =
                Sources::of_process(cli.config, flags(args.data.data.as_ref(), args.listen));
            // What a shell happens to hold for another program is not what a demonstration should fill.
            sources
                .environment
                .retain(|(name, _)| name != "DATABASE_URL");
            let config = Config::load(&sources)?;
            let _log = demo::log(&config).map_err(|error| Failure::Usage(error.to_string()))?;
            on_runtime(demo::demo(
                &config,
                DemoArgs {
                    json: args.json,
                    tour: args.tour,
                    crm: args.crm,
                },
            ))
        }
    }
}

fn log(config: &Config) -> Result<logging::Flush, Failure> {
    logging::install(config.log.format, &config.log.filter)
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::fault("the runtime cannot be started", error))?;
    let outcome = runtime.block_on(work);
    // Everything that must end in order has ended; what is left (an idle connection, a sleeping watcher) is not waited for.
    runtime.shutdown_background();
    outcome
}

/// Writes an answer to standard output. A reader that has gone is no fault of ours.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{end}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::fault("the answer cannot be written", error))
        }
        _ => Ok(()),
    }
}

async fn migrate(config: Config) -> Result<(), Failure> {
    let _directory = data_dir(&config)?;
    let database = crate::state::open_database(&config).await?;
    let applied = crate::state::schema::migrate(&database)
        .await
        .map_err(|error| Failure::fault("the schema cannot be migrated", error))?;
    answer(&match applied {
        0 => "The schema is up to date.".to_owned(),
        1 => "1 migration was applied.".to_owned(),
        _ => format!("{applied} migrations were applied."),
    })
}

/// The data directory, held for as long as the process needs it; none when another database is configured.
fn data_dir(config: &Config) -> Result<Option<DataDir>, DataDirError> {
    config
        .uses_data_dir()
        .then(|| DataDir::open(&config.data_dir, Use::Shared))
        .transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_name_keys_of_the_configuration() {
        let folder = PathBuf::from("data");
        for (_, path, _) in flags(Some(&folder), Some("127.0.0.1:1".parse().unwrap())) {
            assert!(crate::config::keys::Key::find(path).is_some(), "{path}");
        }
    }

    #[test]
    fn what_the_caller_can_mend_has_its_own_code() {
        assert_eq!(
            Failure::from(ConfigError::Missing(String::new())).exit_code(),
            2
        );
        assert_eq!(
            Failure::from(DataDirError::InUse {
                path: PathBuf::new()
            })
            .exit_code(),
            2
        );
        assert_eq!(Failure::fault("x", "y").exit_code(), 1);
    }
}
