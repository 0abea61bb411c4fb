//! `entente demo`: everything on one machine, from an empty folder to a first answer.
//!
//! The players: a sandbox that stands for HubSpot, our own server, and a browser's stand-in that walks the real consent between the two. The
//! demonstration is not another program: it wires the same parts as `serve`, with the one policy that lets the sandbox be called. Its
//! data directory belongs to it alone and remembers what it was made from; another source is refused before anything is touched.
//!
//! It ends in order whenever Ctrl-C comes, also in the middle of the first sync: the server drains, the worker finishes, the sandbox writes
//! its state. What was not finished is continued at the next start.

mod browser;
mod progress;
mod welcome;

use crate::cli::{Failure, Process, ProcessSettings, answer, bind, stop_signal};
use crate::config::public_url::PublicUrl;
use crate::config::{Config, LogFormat};
use crate::data_dir::demo_file::{DemoFile, DemoSource};
use crate::data_dir::{DataDir, Use};
use crate::http::connect::callback_path;
use crate::logging::{self, Flush, LoggingError};
use crate::oauth::token::TokenRequest;
use crate::state::{Core, Outside, State, chance, open_database, prepare_schema};
use entities::connection;
use entities::id::ConnectionId;
use entities::sync_run::{self, SyncRunStatus};
use entities::viewer::{Scopes, StaffRole, ViewerKind};
use integrations::Endpoints;
use integrations::connector::webhook_path;
use integrations::http::HostPolicy;
use integrations::hubspot::{self, HubSpotEndpoints};
use integrations::sync::SyncKind;
use integrations::vault::Vault;
use sandbox::{App, Faults, HubSpot, HubSpotOptions, Limits, SandboxError, Source};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;
use welcome::Welcome;

/// How many deals a generated CRM has.
const GENERATED_DEALS: usize = 400;

/// The seed of generated records, so that everybody sees the same.
const SEED: u64 = 20_261_121;

/// Life of the demonstration's token.
const TOKEN_SECONDS: i64 = 30 * 24 * 3_600;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct DemoArgs {
    /// One line of JSON instead of prose.
    pub json: bool,
    /// A CSV export to fill the sandbox with.
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
    let sandbox = HubSpot::start(sandbox_options(&directory, &kept, &public_url))
        .await
        .map_err(sandbox_failure)?;
    let outcome = with_sandbox(
        config,
        &args,
        &kept,
        public_url,
        listener,
        &sandbox,
        &mut signal,
    )
    .await;
    let stopped = sandbox.stop().await.map_err(sandbox_failure);
    outcome.and(stopped)
}

/// The part of a demonstration during which its sandbox runs.
async fn with_sandbox(
    config: &Config,
    args: &DemoArgs,
    kept: &DemoFile,
    public_url: PublicUrl,
    listener: std::net::TcpListener,
    sandbox: &HubSpot,
    signal: &mut JoinHandle<()>,
) -> Result<(), Failure> {
    let database = open_database(config).await?;
    prepare_schema(&database, true).await?;
    let vault = Vault::new(kept.master_key.clone(), Vec::new(), chance());
    let core = Core::new(database, vault, outside(sandbox, kept)?, config)?;
    if config.uses_data_dir() {
        // The directory is ours alone, so whoever still holds a lease was killed; nobody needs to wait for it to run out.
        core.engine.break_leases().await.map_err(|error| {
            Failure::fault("work that was interrupted cannot be taken up", error)
        })?;
    }
    let state = Arc::new(State::new(core.clone(), public_url, kept.issuer.clone(), config).await?);
    let mut settings = ProcessSettings::of(config);
    settings.server.graphiql = true;
    let mut process = Process::start(Arc::clone(&state), listener, &settings)?;
    let ready = tokio::select! {
        ready = first_sync(&state, sandbox, args.json) => Some(ready),
        _ = &mut *signal => None,
        error = process.failed() => Some(Err(Failure::Fault(error))),
    };
    let outcome = match ready {
        None => Ok(()),
        Some(Err(failure)) => Err(failure),
        Some(Ok(run)) => {
            process.begin_work(&core, settings.worker);
            match announce(&state, sandbox, &run, args.json) {
                Err(failure) => Err(failure),
                Ok(()) => tokio::select! {
                    _ = signal => Ok(()),
                    error = process.failed() => Err(Failure::Fault(error)),
                },
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

fn sandbox_options(directory: &DataDir, kept: &DemoFile, public_url: &PublicUrl) -> HubSpotOptions {
    HubSpotOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        state: Some(directory.sandbox(hubspot::ID)),
        source: match &kept.source {
            DemoSource::Generated { deals } => Source::Generated { deals: *deals },
            DemoSource::Crm { folder, .. } => Source::Crm(folder.clone()),
        },
        app: App {
            app_id: kept.app_id,
            client_id: kept.app.client_id.clone(),
            client_secret: kept.app.client_secret.expose_secret().to_owned(),
            redirect_uris: vec![public_url.at(&callback_path(hubspot::ID))],
        },
        webhook_target: Some(public_url.url_at(&webhook_path(hubspot::ID))),
        limits: Limits::default(),
        faults: Faults::default(),
        seed: SEED,
    }
}

fn sandbox_failure(error: SandboxError) -> Failure {
    // Its sources say why (a file's permissions, a taken port) and belong into the one line.
    let mut text = format!("the HubSpot sandbox: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    match error {
        SandboxError::OtherSource { .. } | SandboxError::Csv { .. } => Failure::Usage(text),
        _ => Failure::Fault(text),
    }
}

fn outside(sandbox: &HubSpot, kept: &DemoFile) -> Result<Outside, Failure> {
    let addresses = sandbox
        .url()
        .socket_addrs(|| None)
        .map_err(|error| Failure::fault("the sandbox has no address", error))?;
    let endpoints = Endpoints {
        hubspot: HubSpotEndpoints::at(sandbox.url()),
    };
    let apps = BTreeMap::from([(hubspot::ID.to_owned(), kept.app.clone())]);
    Ok(Outside::sandbox(
        HostPolicy::sandbox(addresses),
        endpoints,
        apps,
    ))
}

/// Connects the sandbox's portal, unless it is connected, and reads what is new.
async fn first_sync(
    state: &State,
    sandbox: &HubSpot,
    json: bool,
) -> Result<sync_run::Model, Failure> {
    let connection = connected(state, sandbox).await?;
    let bars = progress::Bars::new(!json);
    let run = state
        .core
        .engine
        .sync_connection(connection, SyncKind::Changes, |progress| {
            bars.show(&progress);
        })
        .await;
    bars.finish();
    let run = run.map_err(|error| Failure::fault("the first sync failed", error))?;
    if run.status == SyncRunStatus::Failed {
        let reason = run.error.as_deref().unwrap_or("no reason is known");
        return Err(Failure::fault("the first sync failed", reason));
    }
    Ok(run)
}

async fn connected(state: &State, sandbox: &HubSpot) -> Result<ConnectionId, Failure> {
    let portal = sandbox.portal_id().to_string();
    let find = || connection::find_by_tenant(state.core.database.read(), hubspot::ID, &portal);
    let lookup = |error| Failure::fault("the connection cannot be looked up", error);
    if let Some(known) = find().await.map_err(lookup)?
        && known.status.is_working()
    {
        return Ok(known.id);
    }
    browser::consent(state, hubspot::ID)
        .await
        .map_err(|error| Failure::fault("the sandbox could not be connected", error))?;
    let made = find().await.map_err(lookup)?;
    made.map(|connection| connection.id).ok_or_else(|| {
        Failure::Fault("the sandbox could not be connected: no connection was stored".to_owned())
    })
}

fn token(state: &State) -> Result<SecretString, Failure> {
    let request = TokenRequest {
        subject: "demo".to_owned(),
        client_id: "entente-demo".to_owned(),
        kind: ViewerKind::Staff(StaffRole::Admin),
        scopes: Scopes::all(),
        lifetime_seconds: TOKEN_SECONDS,
    };
    state
        .tokens
        .issue(&request, state.core.chance.as_ref())
        .map_err(|error| Failure::fault("the token cannot be made", error))
}

fn announce(
    state: &State,
    sandbox: &HubSpot,
    run: &sync_run::Model,
    json: bool,
) -> Result<(), Failure> {
    let welcome = Welcome {
        graphql: state.public_url.audience(),
        graphiql: state.public_url.at("/graphiql"),
        token: token(state)?,
        hubspot: sandbox.url().as_str().trim_end_matches('/').to_owned(),
    };
    answer(&if json {
        welcome.json()
    } else {
        welcome.prose(&run.findings)
    })
}
