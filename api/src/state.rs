//! What a process is made of: the database, the vault, the connectors, the engine, and what the doors share.
//!
//! Everything is built here once and handed on. The outside world is an argument ([`Outside`]): a server reaches public addresses only,
//! and only a demonstration can hand in the policy that lets its sandbox be called.

pub mod feed;
pub mod keys;
pub mod schema;

use crate::config::public_url::PublicUrl;
use crate::config::{Config, ConfigError};
use crate::graphql::schema as graphql_schema;
use crate::http::graphql::arrange::shapes::UnreadableSchema;
use crate::mail::{MailError, Mailer};
use crate::oauth::token::TokenAuthority;
use crate::oauth::{AuthorizationServer, revocation};
use crate::people::People;
use crate::webhook::Renderer;
use entities::chance::{Chance, SystemChance};
use entities::clock::SystemClock;
use entities::database::{Database, DatabaseOptions};
use entities::event;
use feed::Feed;
use integrations::automation::Runner;
use integrations::connector::Registry;
use integrations::http::{Client, ClientSettings, HostPolicy, HttpError, Receivers};
use integrations::outbound::{Courier, Outbound, OutboundSettings};
use integrations::sync::{Apps, Engine, EngineParts, Ingest, IngestHandle, Settings};
use integrations::vault::Vault;
use integrations::{Endpoints, connectors};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// Why a process cannot start; each is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration lacks something.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database does not open.
    #[error("the database cannot be opened: {0}")]
    Open(#[source] entities::error::Error),
    /// The database fails.
    #[error("the database failed: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// The schema is older than this build.
    #[error(
        "the database lacks {0} migration(s) of this version: run `entente migrate`, or set ENTENTE_MIGRATE_ON_START=true"
    )]
    Pending(usize),
    /// What was revoked cannot be read.
    #[error("the revoked tokens cannot be read: {0}")]
    Revocations(#[source] entities::error::Error),
    /// The event log cannot be begun.
    #[error("the event log cannot be begun: {0}")]
    Epoch(#[source] entities::error::Error),
    /// The signing keys cannot be used.
    #[error(transparent)]
    Keys(#[from] keys::KeysError),
    /// The outgoing client cannot be made.
    #[error(transparent)]
    Client(#[from] HttpError),
    /// The schema's own document cannot be read.
    #[error("the schema cannot be read: {0}")]
    Schema(#[from] UnreadableSchema),
    /// The configured mail server cannot be used.
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl StartError {
    /// Whether the caller can mend it by configuring or by another command.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Pending(_)
                | Self::Mail(_)
                | Self::Keys(keys::KeysError::Sealed { .. })
        )
    }
}

/// Where random bytes come from in a running process.
#[must_use]
pub fn chance() -> Arc<dyn Chance> {
    Arc::new(SystemChance)
}

/// Opens the configured database. It changes nothing in it.
///
/// # Errors
/// When it does not open.
pub async fn open_database(config: &Config) -> Result<Database, StartError> {
    let mut options = DatabaseOptions::new(config.database_url().expose_secret().to_owned());
    options.connections = config.pool.connections;
    Database::open(options, Arc::new(SystemClock), chance())
        .await
        .map_err(StartError::Open)
}

/// Makes sure of the schema, then begins the event log. A SQLite file is brought up to date, for it belongs to this process; a PostgreSQL
/// schema only where that is wished, for other processes may still be of the older version.
///
/// # Errors
/// [`StartError::Pending`], or when the database fails.
pub async fn prepare_schema(database: &Database, migrate_on_start: bool) -> Result<(), StartError> {
    let pending = schema::pending(database).await?;
    if pending > 0 {
        if database.is_postgres() && !migrate_on_start {
            return Err(StartError::Pending(pending));
        }
        let applied = schema::migrate(database).await?;
        tracing::info!(applied, "the schema was brought up to date");
    }
    event::settle_epoch(database)
        .await
        .map_err(StartError::Epoch)
}

/// The world outside: which addresses may be called, where the vendors are, and our registrations with them.
#[derive(Clone, Debug)]
pub struct Outside {
    policy: HostPolicy,
    endpoints: Endpoints,
    apps: Apps,
    receivers: Option<HostPolicy>,
}

impl Outside {
    /// The real one.
    #[must_use]
    pub fn public(apps: Apps) -> Self {
        Self {
            policy: HostPolicy::public(),
            endpoints: Endpoints::default(),
            apps,
            receivers: None,
        }
    }

    /// A demonstration's: its sandboxes and nothing else.
    #[must_use]
    pub const fn sandbox(policy: HostPolicy, endpoints: Endpoints, apps: Apps) -> Self {
        Self {
            policy,
            endpoints,
            apps,
            receivers: None,
        }
    }

    /// The same with another policy for the receivers of webhooks; only a test or a demonstration has one.
    #[must_use]
    pub fn with_receivers(mut self, receivers: HostPolicy) -> Self {
        self.receivers = Some(receivers);
        self
    }

    /// Where webhooks may go. A demonstration that reaches its sandboxes only sends none elsewhere either.
    fn receivers(&self, config: &Config) -> HostPolicy {
        match &self.receivers {
            Some(receivers) => receivers.clone(),
            None if self.policy.is_sandbox() => self.policy.clone(),
            None => HostPolicy::receivers(
                Receivers::on(config.webhook_ports().to_vec())
                    .with_plain_http(config.webhooks.plain_http),
            ),
        }
    }
}

/// What server and worker have in common.
#[derive(Clone)]
pub struct Core {
    /// The database.
    pub database: Database,
    /// What seals secrets.
    pub vault: Vault,
    /// Where random bytes come from.
    pub chance: Arc<dyn Chance>,
    /// The connectors.
    pub registry: Registry,
    /// Our registrations with the vendors.
    pub apps: Arc<Apps>,
    /// The engine.
    pub engine: Engine,
    /// Webhooks out.
    pub outbound: Outbound,
    /// What they say.
    pub renderer: Arc<Renderer>,
    /// Messages to people.
    pub mail: Mailer,
    /// What is done when something happens.
    pub runner: Runner,
    /// The outgoing client.
    pub http: Client,
}

impl Core {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the outgoing client cannot be made.
    pub fn new(
        database: Database,
        vault: Vault,
        outside: Outside,
        config: &Config,
    ) -> Result<Self, StartError> {
        let outbound = Outbound::new(
            database.clone(),
            vault.clone(),
            outside.receivers(config),
            OutboundSettings {
                lease: Duration::from_secs(config.webhooks.lease_seconds),
                ..OutboundSettings::default()
            },
        )?;
        let renderer = Renderer::new(
            graphql_schema::build(),
            database.clone(),
            config.limits.admission(),
        )?;
        // A configuration with `dev_mail` and a public address off loopback is refused when it is read.
        let server = config.mail.as_ref();
        let mail = Mailer::new(database.clone(), vault.clone(), server, config.dev_mail)?;
        let mut endpoints = outside.endpoints;
        if config.all_orders {
            endpoints.shopify = endpoints.shopify.with_all_orders();
        }
        let registry = connectors(endpoints);
        let settings = Settings {
            every: Duration::from_secs(config.sync.interval_seconds),
            lease: Duration::from_secs(config.sync.lease_seconds),
            ..Settings::default()
        };
        let http = Client::new(outside.policy, ClientSettings::default())?;
        let engine = Engine::new(EngineParts {
            database: database.clone(),
            registry: registry.clone(),
            vault: vault.clone(),
            http: http.clone(),
            apps: outside.apps.clone(),
            settings,
        });
        let renderer = Arc::new(renderer);
        let runner = Runner::new(engine.clone(), vault.clone(), renderer.clone());
        Ok(Self {
            database,
            vault,
            chance: chance(),
            registry,
            apps: Arc::new(outside.apps),
            engine,
            outbound,
            renderer,
            mail,
            runner,
            http,
        })
    }
}

impl Core {
    /// A courier for webhooks.
    #[must_use]
    pub fn courier(&self) -> Courier {
        Courier::new(self.outbound.clone(), self.renderer.clone())
    }

    /// Closes the database's connections; SQLite then moves its log into its file. Nothing may be asked of it afterwards.
    pub async fn close(&self) {
        for connection in [self.database.read().connection(), self.database.write()] {
            if let Err(error) = connection.clone().close().await {
                tracing::warn!(%error, "a database connection did not close in order");
            }
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// What the doors share.
#[derive(Debug)]
pub struct State {
    /// What the worker has too.
    pub core: Core,
    /// The address of this server in the world.
    pub public_url: PublicUrl,
    /// Issues and verifies tokens.
    pub tokens: Arc<TokenAuthority>,
    /// Gives tokens to clients.
    pub authorization: AuthorizationServer,
    /// Where verified deliveries are handed in.
    pub inbox: IngestHandle,
    /// The event log as it grows.
    pub feed: Feed,
    /// Signs people in.
    pub people: Arc<People>,
}

impl State {
    /// Reads or makes the signing keys, reads what was revoked, and opens the inbox. `issuer` is the public address, or, for a demonstration, that of its first start.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub async fn new(
        core: Core,
        public_url: PublicUrl,
        issuer: String,
        config: &Config,
    ) -> Result<Self, StartError> {
        let ring = keys::load(&core.database, &core.vault, core.chance.as_ref()).await?;
        revocation::load(&core.database)
            .await
            .map_err(StartError::Revocations)?;
        let audience = format!("{issuer}/graphql");
        let tokens = TokenAuthority::new(
            issuer,
            audience,
            ring,
            Arc::clone(core.database.clock()),
            Arc::clone(core.database.revocations()),
            config.token.remembered,
        );
        let tokens = Arc::new(tokens);
        let authorization = AuthorizationServer::new(
            core.database.clone(),
            Arc::clone(&tokens),
            Arc::clone(&core.chance),
            public_url.clone(),
        );
        core.engine.reached_at(public_url.url_at("/"));
        let inbox = Ingest::spawn(core.database.clone());
        let feed = Feed::spawn(core.database.clone());
        let mail = core.mail.clone().showing_only_if(public_url.is_loopback());
        let staff = config.staff_provider.as_ref();
        let people = Arc::new(People::new(&core, public_url.clone(), mail, staff));
        Ok(Self {
            core,
            public_url,
            tokens,
            authorization,
            inbox,
            feed,
            people,
        })
    }
}
