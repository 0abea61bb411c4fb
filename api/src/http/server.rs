//! The server: what each worker has of its own, what all share, and how it ends.
//!
//! Every worker has its own pool of connections to PostgreSQL, for a pool that several single-threaded workers share wakes tasks across
//! threads; SQLite's readers live on threads of their own anyway. The server handles no signals: whoever started it stops it, and
//! running requests may finish.

use super::graphiql::SchemaText;
use super::graphql::arrange::shapes::Shapes;
use super::graphql::{Caller, Door, Execute, GraphqlEndpoint, TimeLimits};
use super::health::Readiness;
use super::limit::Limits;
use super::metrics::{ConnectionFigures, MetricsEndpoint};
use super::request_id::RequestLog;
use super::{Unknown, routes, unknown};
use crate::config::{HttpSettings, LimitSettings, PoolSettings};
use crate::graphql::admission::budget::Budgets;
use crate::graphql::context::RequestContext;
use crate::graphql::document_cache::DocumentCache;
use crate::graphql::schema::{self, ApiSchema};
use crate::http::bearer::Authenticate;
use crate::state::State;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::DefaultHeaders;
use actix_web::{App, HttpServer, web};
use async_graphql::{Request, Response};
use entities::database::Database;
use entities::id::Ids;
use futures::stream::BoxStream;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// Memory for parsed documents, in bytes of their texts.
const DOCUMENT_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// How many subjects' budgets are remembered.
const BUDGET_SUBJECTS: usize = 100_000;

/// Runs requests with one worker's pool.
struct Worker {
    schema: ApiSchema,
    database: Database,
    state: Arc<State>,
}

impl Worker {
    /// The request with what its resolvers are given.
    fn equipped(&self, request: Request, caller: &Caller) -> Request {
        let context = RequestContext {
            viewer: Arc::new(caller.viewer().clone()),
            database: self.database.clone(),
            request_id: caller
                .request_id()
                .map_or_else(String::new, |id| id.as_str().to_owned()),
        };
        request.data(context).data(Arc::clone(&self.state))
    }
}

impl Execute for Worker {
    async fn execute(&self, request: Request, caller: Caller) -> Response {
        self.schema.execute(self.equipped(request, &caller)).await
    }

    fn stream(&self, request: Request, caller: Caller) -> BoxStream<'static, Response> {
        self.schema.execute_stream(self.equipped(request, &caller))
    }
}

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Threads and draining.
    pub http: HttpSettings,
    /// Connections of each worker.
    pub pool: PoolSettings,
    /// What a request may be.
    pub limits: LimitSettings,
    /// Whether there is a page to try queries on.
    pub graphiql: bool,
}

/// Begins to serve on a bound socket. The server runs once it is awaited or spawned.
///
/// # Errors
/// When the socket cannot be used.
pub fn server(
    state: web::Data<State>,
    figures: PrometheusHandle,
    listener: TcpListener,
    settings: &ServerSettings,
) -> std::io::Result<Server> {
    let authenticate: Arc<dyn Authenticate> = state.tokens.clone();
    let schema = schema::build();
    let door = Arc::new(Door {
        documents: DocumentCache::new(settings.limits.admission(), DOCUMENT_CACHE_BYTES),
        budgets: Budgets::new(settings.limits.budget(), BUDGET_SUBJECTS),
        authenticate: Arc::clone(&authenticate),
        shapes: Shapes::of(&schema.sdl()).map_err(std::io::Error::other)?,
        clock: Arc::clone(state.core.database.clock()),
        time: TimeLimits {
            execution: Duration::from_secs(settings.limits.seconds),
            ..TimeLimits::default()
        },
    });
    let limits = Limits::new(
        &settings.limits,
        &settings.http,
        Arc::clone(state.core.database.clock()),
    );
    let limits = web::Data::new(limits);
    let readiness = web::Data::new(readiness(state.core.database.clone()));
    let unknown_data = web::Data::new(Unknown(Arc::clone(&authenticate)));
    let schema_text = web::Data::new(SchemaText::new(&schema, Arc::clone(&authenticate)));
    let metrics = web::Data::new(MetricsEndpoint {
        figures,
        authenticate,
        connections: ConnectionFigures::new(state.core.database.clone()),
    });
    let request_ids = Arc::new(Ids::new(Arc::clone(&state.core.chance)));
    let clock = Arc::clone(state.core.database.clock());
    let graphiql = settings.graphiql;
    let connections = settings.pool.worker_connections;
    let app = move || {
        let (state, schema, door) = (state.clone(), schema.clone(), Arc::clone(&door));
        let pool = state.core.database.clone();
        let core = state.clone().into_inner();
        let endpoint = move || {
            let (pool, schema, door) = (pool.clone(), schema.clone(), Arc::clone(&door));
            let state = Arc::clone(&core);
            async move {
                let database = if pool.is_postgres() {
                    pool.with_own_pool(connections).await?
                } else {
                    pool
                };
                Ok::<_, entities::error::Error>(GraphqlEndpoint::new(
                    door,
                    Worker {
                        schema,
                        database,
                        state,
                    },
                ))
            }
        };
        App::new()
            .app_data(state)
            .app_data(readiness.clone())
            .app_data(unknown_data.clone())
            .app_data(schema_text.clone())
            .app_data(metrics.clone())
            .app_data(limits.clone())
            .data_factory(endpoint)
            .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .wrap(RequestLog::new(
                Arc::clone(&clock),
                Arc::clone(&request_ids),
            ))
            .configure(|config| super::graphql::configure::<Worker>(config, "/graphql"))
            .configure(|config| routes(config, graphiql))
            .configure(super::oauth::configure)
            .default_service(web::route().to(unknown))
    };
    let workers = match settings.http.workers {
        0 => std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
        workers => workers,
    };
    let server = HttpServer::new(app)
        .workers(workers)
        .shutdown_timeout(settings.http.drain_seconds)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(server)
}

fn readiness(database: Database) -> Readiness {
    Readiness::new(move || {
        let database = database.clone();
        async move {
            match crate::state::schema::pending(&database).await {
                Ok(0) => Ok(()),
                Ok(_) => Err("migrations"),
                Err(error) => {
                    tracing::warn!(%error, "the database does not answer");
                    Err("database")
                }
            }
        }
    })
}

/// A running server.
pub struct Running {
    handle: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Starts a server on this runtime.
    #[must_use]
    pub fn spawn(server: Server) -> Self {
        Self {
            handle: server.handle(),
            task: tokio::spawn(server),
        }
    }

    /// Ends when the server ends by itself, which it does only when it fails.
    pub async fn failed(&mut self) -> String {
        match (&mut self.task).await {
            Ok(Ok(())) => "the server stopped".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Lets running requests finish, within the time set, and ends.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        if let Ok(Err(error)) = self.task.await {
            tracing::warn!(%error, "the server ended with an error");
        }
    }
}
