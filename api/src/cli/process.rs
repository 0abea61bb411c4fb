//! What runs in a process, and how it ends in order: the server drains, then the worker finishes its step, then the watchers stop.

use super::Failure;
use crate::config::Config;
use crate::http::metrics;
use crate::http::server::{Running, ServerSettings, server};
use crate::oauth::revocation;
use crate::state::{Core, State, keys};
use crate::worker::chain::Chain;
use crate::worker::notify::{self, NodeMark};
use crate::worker::programme::{self, Clockwork};
use crate::worker::retention::{self, Retention};
use crate::worker::{self, Wakers, WorkerSettings};
use actix_web::web;
use entities::database::Wake;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How a process is set up.
#[derive(Clone, Debug)]
pub struct ProcessSettings {
    /// Its server.
    pub server: ServerSettings,
    /// Its worker.
    pub worker: WorkerSettings,
    /// What it throws away.
    pub retention: Retention,
}

impl ProcessSettings {
    /// As configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            server: ServerSettings {
                http: config.http.clone(),
                pool: config.pool.clone(),
                limits: config.limits.clone(),
                graphiql: config.graphiql,
            },
            worker: WorkerSettings {
                concurrency: config.worker.concurrency,
                poll: config.poll(),
            },
            retention: Retention {
                events_days: config.retention.events_days,
                deliveries_days: config.retention.deliveries_days,
                mail_days: config.retention.mail_days,
            },
        }
    }
}

/// A running process.
pub struct Process {
    server: Option<Running>,
    worker: Option<JoinHandle<()>>,
    watchers: JoinSet<()>,
    stop: CancellationToken,
    mark: NodeMark,
}

impl Process {
    /// Starts the server and what watches beside it; the worker begins with [`Process::begin_work`].
    ///
    /// # Errors
    /// When the socket or the recorder of figures cannot be used.
    pub fn start(
        state: Arc<State>,
        listener: TcpListener,
        settings: &ProcessSettings,
    ) -> Result<Self, Failure> {
        let figures = metrics::install()
            .map_err(|error| Failure::fault("figures cannot be recorded", error))?;
        let mut process = Self::idle(&state.core);
        let (database, vault) = (state.core.database.clone(), state.core.vault.clone());
        process.watchers.spawn(keys::watch(
            database,
            vault,
            Arc::clone(&state.tokens),
            Arc::clone(&state.core.chance),
        ));
        process
            .watchers
            .spawn(revocation::watch(state.core.database.clone()));
        process.watchers.spawn(notify::listen(
            state.core.database.clone(),
            state.feed.remote().clone(),
            process.mark.clone(),
        ));
        let server = server(
            web::Data::from(Arc::clone(&state)),
            figures,
            listener,
            &settings.server,
        )
        .map_err(|error| Failure::fault("the server cannot be started", error))?;
        process.server = Some(Running::spawn(server));
        Ok(process)
    }

    /// Starts a worker without a server.
    #[must_use]
    pub fn work(core: &Core, settings: &ProcessSettings) -> Self {
        let mut process = Self::idle(core);
        process.begin_work(core, settings);
        process
    }

    fn idle(core: &Core) -> Self {
        let mark = NodeMark::new(core.database.ids());
        let mut watchers = JoinSet::new();
        watchers.spawn(notify::send(core.database.clone(), mark.clone()));
        Self {
            server: None,
            worker: None,
            watchers,
            stop: CancellationToken::new(),
            mark,
        }
    }

    /// Starts the worker.
    pub fn begin_work(&mut self, core: &Core, settings: &ProcessSettings) {
        let (retention, settings) = (settings.retention, settings.worker);
        self.watchers.spawn(retention::run(
            core.database.clone(),
            retention,
            self.stop.clone(),
        ));
        let remote = Wake::default();
        let wakers = Wakers {
            local: core.database.wake().subscribe(),
            remote: remote.subscribe(),
        };
        self.watchers.spawn(notify::listen(
            core.database.clone(),
            remote,
            self.mark.clone(),
        ));
        let one = WorkerSettings {
            concurrency: 1,
            ..settings
        };
        let chain = Chain(core.database.clone());
        let sealing = worker::run(chain, Wakers::none(), one, self.stop.clone());
        let slow = WorkerSettings {
            poll: programme::POLL,
            ..one
        };
        let clockwork = Clockwork(core.database.clone());
        let programme = worker::run(clockwork, Wakers::none(), slow, self.stop.clone());
        let runner = core.runner.clone();
        let automate = worker::run(runner, wakers.clone(), one, self.stop.clone());
        let mail = worker::run(core.mail.clone(), wakers.clone(), one, self.stop.clone());
        let work = worker::run(
            core.engine.clone(),
            wakers.clone(),
            settings,
            self.stop.clone(),
        );
        let deliver =
            worker::webhooks::run(core.courier(), wakers, settings.poll, self.stop.clone());
        self.worker = Some(tokio::spawn(async {
            tokio::join!(work, sealing, programme, deliver, mail, automate);
        }));
    }

    /// Ends when the server ends by itself, with the reason. Without a server it waits for ever.
    pub async fn failed(&mut self) -> String {
        match &mut self.server {
            Some(server) => server.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Ends everything in order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server {
            server.stop().await;
        }
        if let Some(worker) = self.worker
            && let Err(error) = worker.await
        {
            tracing::error!(%error, "the worker did not end in order");
        }
        self.watchers.shutdown().await;
    }
}

/// Listens for SIGTERM and SIGINT from now on; it ends when one came. A second one ends the process at once: whoever sends it does not
/// want to wait.
#[must_use]
pub fn stop_signal() -> JoinHandle<()> {
    tokio::spawn(async {
        signal().await;
        tokio::spawn(async {
            signal().await;
            std::process::exit(130);
        });
    })
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) {
            (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            },
            _ => std::future::pending().await,
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
