//! `entente serve` and `entente worker`.
//!
//! What must be configured is asked for before anything is opened, so that a server that lacks its vault key leaves no trace.

use super::process::{Process, ProcessSettings, stop_signal};
use super::{Failure, answer, data_dir};
use crate::config::Config;
use crate::config::public_url::PublicUrl;
use crate::state::{Core, Outside, State, open_database, prepare_schema};
use integrations::vault::Vault;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Binds a listening socket.
///
/// # Errors
/// One line that names the address, and what to do when it is taken.
pub fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    bound.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Failure::Fault(format!("{address} is taken by another program; choose another address with --listen, or port 0 for any"))
        }
        _ => Failure::fault(&format!("cannot listen on {address}"), error),
    })
}

/// Serves until a signal comes.
pub(super) async fn serve(config: &Config, json: bool, with_worker: bool) -> Result<(), Failure> {
    let signal = stop_signal();
    let public_url = config.public_url()?.clone();
    let (current, previous) = config.master_keys()?;
    let _directory = data_dir(config)?;
    let (listener, bound) = bind(config.listen)?;
    let database = open_database(config).await?;
    prepare_schema(&database, config.migrate_on_start).await?;
    let vault = Vault::new(current, previous, crate::state::chance());
    let core = Core::new(
        database,
        vault,
        Outside::public(config.apps().clone()),
        config,
    )?;
    let state = State::new(
        core,
        public_url.clone(),
        public_url.as_str().to_owned(),
        config,
    )
    .await?;
    let (state, settings) = (Arc::new(state), ProcessSettings::of(config));
    let mut process = Process::start(Arc::clone(&state), listener, &settings)?;
    if with_worker {
        process.begin_work(&state.core, &settings);
    }
    tracing::info!(listen = %bound, public_url = public_url.as_str(), worker = with_worker, "serving");
    if json {
        answer(&serde_json::json!({ "graphql": local_address(bound) }).to_string())?;
    }
    let outcome = tokio::select! {
        _ = signal => Ok(()),
        error = process.failed() => Err(Failure::Fault(error)),
    };
    tracing::info!("ending: running requests may finish");
    process.stop().await;
    state.core.close().await;
    outcome
}

/// Where the server that listens on `bound` is reached from this machine.
fn local_address(bound: SocketAddr) -> String {
    PublicUrl::of_loopback(bound)
        .map_or_else(|_| format!("http://{bound}/graphql"), |url| url.audience())
}

/// Works until a signal comes.
pub(super) async fn work(config: &Config) -> Result<(), Failure> {
    let signal = stop_signal();
    let (current, previous) = config.master_keys()?;
    let _directory = data_dir(config)?;
    let database = open_database(config).await?;
    prepare_schema(&database, config.migrate_on_start).await?;
    let vault = Vault::new(current, previous, crate::state::chance());
    let core = Core::new(
        database,
        vault,
        Outside::public(config.apps().clone()),
        config,
    )?;
    // Where vendors are to send their webhooks; a worker that is not told does everything else.
    if let Ok(public_url) = config.public_url() {
        core.engine.reached_at(public_url.url_at("/"));
    }
    let process = Process::work(&core, &ProcessSettings::of(config));
    tracing::info!("working");
    if let Err(error) = signal.await {
        tracing::error!(%error, "signals cannot be heard");
    }
    tracing::info!("ending: the work in progress may finish");
    process.stop().await;
    core.close().await;
    Ok(())
}
