//! `entente demo`: everything on one machine, from an empty folder to a first answer.
//!
//! The players: sandboxes that stand for HubSpot, Salesforce, Shopify and Slack, our own server, and a browser's stand-in that walks the real
//! consents between them. The demonstration is not another program: it wires the same parts as `serve`, with the one policy that lets the
//! sandboxes be called. Its data directory belongs to it alone and remembers what it was made from; another source is refused before anything
//! is touched.
//!
//! It ends in order whenever Ctrl-C comes, also in the middle of the first sync: the server drains, the worker finishes, the sandboxes write
//! their state. What was not finished is continued at the next start.

mod browser;
mod connecting;
mod progress;
mod sandboxes;
mod tour;
mod welcome;

use crate::cli::{Failure, Process, ProcessSettings, answer, bind, stop_signal};
use crate::config::public_url::PublicUrl;
use crate::config::{Config, LogFormat};
use crate::data_dir::demo_file::{DemoFile, DemoSource};
use crate::data_dir::{DataDir, Use};
use crate::logging::{self, Flush, LoggingError};
use crate::oauth::token::{Basis, TokenRequest};
use crate::state::{Core, State, chance, keys, open_database, prepare_schema};
use connecting::{Connected, connect_all};
use entities::viewer::{Scopes, StaffRole, ViewerKind};
use integrations::vault::Vault;
use sandboxes::Sandboxes;
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tour::Guide;
use welcome::Welcome;

/// How many deals a generated CRM has.
const GENERATED_DEALS: usize = 400;

/// Life of the demonstration's token.
const TOKEN_SECONDS: i64 = 30 * 24 * 3_600;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct DemoArgs {
    /// One line of JSON instead of prose.
    pub json: bool,
    /// Whether to show what the systems do together, and to measure it.
    pub tour: bool,
    /// A CSV export to fill the CRM's sandbox with.
    pub crm: Option<PathBuf>,
}

/// Sets up the log of a demonstration: for a person, and quiet unless something else is configured.
///
/// # Errors
/// When the log cannot be set up.
pub fn log(config: &Config) -> Result<Flush, LoggingError> {
    let format = if config.is_chosen("log.format") {
        config.log.format
    } else {
        LogFormat::Text
    };
    let filter = if config.is_chosen("log.filter") {
        config.log.filter.as_str()
    } else {
        "warn"
    };
    logging::install(format, filter)
}

/// Runs until a signal comes.
///
/// # Errors
/// One line: what is in the way, or what failed.
pub async fn demo(config: &Config, args: DemoArgs) -> Result<(), Failure> {
    let mut signal = stop_signal();
    let source = args.crm.as_deref().map_or(
        Ok(DemoSource::Generated {
            deals: GENERATED_DEALS,
        }),
        DemoSource::crm,
    )?;
    if let Some(known) = DemoFile::find(&config.data_dir)? {
        known.check(&config.data_dir, &source)?;
    }
    let directory = DataDir::open(&config.data_dir, Use::Alone)?;
    let (listener, bound) = bind(config.listen)?;
    let public_url = PublicUrl::of_loopback(bound).map_err(|_| {
        Failure::Usage(format!(
            "--listen {bound}: a demonstration listens on loopback only, such as 127.0.0.1:8080"
        ))
    })?;
    let kept = DemoFile::settle(&directory, source, public_url.as_str(), chance().as_ref())?;
    let sandboxes = Sandboxes::start(&directory, &kept, &public_url).await?;
    let stage = Stage {
        config,
        args: &args,
        kept: &kept,
        sandboxes: &sandboxes,
    };
    let outcome = stage.play(public_url, listener, &mut signal).await;
    let stopped = sandboxes.stop().await;
    outcome.and(stopped)
}

/// The part of a demonstration during which its sandboxes run.
struct Stage<'a> {
    config: &'a Config,
    args: &'a DemoArgs,
    kept: &'a DemoFile,
    sandboxes: &'a Sandboxes,
}

impl Stage<'_> {
    async fn play(
        &self,
        public_url: PublicUrl,
        listener: std::net::TcpListener,
        signal: &mut JoinHandle<()>,
    ) -> Result<(), Failure> {
        let Self {
            config,
            args,
            kept,
            sandboxes,
        } = *self;
        let database = open_database(config).await?;
        prepare_schema(&database, true).await?;
        let vault = Vault::new(kept.master_key.clone(), Vec::new(), chance());
        let outside = sandboxes.outside(kept)?;
        let core = Core::new(database, vault, outside, config)?;
        if config.uses_data_dir() {
            // The directory is ours alone, so whoever still holds a lease was killed; nobody needs to wait for it to run out.
            core.engine.break_leases().await.map_err(|error| {
                Failure::fault("work that was interrupted cannot be taken up", error)
            })?;
            core.outbound.break_leases().await.map_err(|error| {
                Failure::fault("webhooks that were interrupted cannot be taken up", error)
            })?;
            entities::automation_run::break_leases(&core.database)
                .await
                .map_err(|error| {
                    Failure::fault(
                        "automations that were interrupted cannot be taken up",
                        error,
                    )
                })?;
            entities::mail_message::break_leases(&core.database)
                .await
                .map_err(|error| {
                    Failure::fault("mail that was interrupted cannot be taken up", error)
                })?;
        }
        let state = State::new(core.clone(), public_url, kept.issuer.clone(), config).await?;
        let state = Arc::new(state);
        let mut settings = ProcessSettings::of(config);
        settings.server.graphiql = true;
        let mut process = Process::start(Arc::clone(&state), listener, &settings)?;
        let ready = tokio::select! {
            ready = connect_all(&state, sandboxes, !args.json) => Some(ready),
            _ = &mut *signal => None,
            error = process.failed() => Some(Err(Failure::Fault(error))),
        };
        let outcome = match ready {
            None => Ok(()),
            Some(Err(failure)) => Err(failure),
            Some(Ok(connected)) => {
                process.begin_work(&core, &settings);
                tokio::select! {
                    said = self.perform(&state, &connected) => match said {
                        Err(failure) => Err(failure),
                        Ok(()) => tokio::select! {
                            _ = signal => Ok(()),
                            error = process.failed() => Err(Failure::Fault(error)),
                        },
                    },
                    _ = &mut *signal => Ok(()),
                }
            }
        };
        if !args.json && outcome.is_ok() {
            eprintln!("Ending.");
        }
        process.stop().await;
        core.close().await;
        outcome
    }

    /// Shows what there is to show, and says where everything is.
    async fn perform(&self, state: &State, connected: &Connected) -> Result<(), Failure> {
        let token = token(state).await?;
        let welcome = Welcome {
            graphql: state.public_url.audience(),
            graphiql: state.public_url.at("/graphiql"),
            token: token.clone(),
            sandboxes: self.sandboxes.urls().into(),
            tour: None,
        };
        let client =
            browser::browser().map_err(|error| Failure::fault("the tour has no client", error))?;
        let sandboxes = welcome.sandboxes.clone();
        let guide = Guide::new(client, welcome.graphql.clone(), token, sandboxes);
        let tour = match self.args.tour {
            true => Some(guide.walk().await?),
            false => None,
        };
        let welcome = Welcome { tour, ..welcome };
        if self.args.json {
            return answer(&welcome.json());
        }
        let offers = guide.offers().await?;
        answer(&welcome.prose(&connected.run.findings, &offers))
    }
}

async fn token(state: &State) -> Result<SecretString, Failure> {
    let request = TokenRequest {
        subject: "demo".to_owned(),
        client_id: "entente-demo".to_owned(),
        kind: ViewerKind::Staff(StaffRole::Admin),
        scopes: Scopes::all(),
        lifetime_seconds: TOKEN_SECONDS,
        basis: Basis::default(),
    };
    let core = &state.core;
    let issued = keys::issue_long(
        &core.database,
        &state.tokens,
        &request,
        core.chance.as_ref(),
    );
    issued
        .await
        .map_err(|error| Failure::fault("the token cannot be made", error))
}
