//! The configuration: one typed value, from defaults, a file, the environment and the command line, in this order.
//!
//! This is the only place that reads the environment. It refuses what it does not know: an unknown key in the file and an unknown
//! `ENTENTE_` variable are errors, because a misspelt limit that is silently ignored is no limit. Secrets are kept as secrets and never
//! shown. Each command asks for what it needs ([`Config::public_url`], [`Config::master_keys`]) and gets one clear line when it is missing.

mod app;
pub mod keys;
mod people;
pub mod public_url;
mod settings;
pub mod show;

use crate::mail::MailServer;
use crate::people::provider::StaffProvider;
use figment::error::{Actual, Kind as FigmentKind};
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use integrations::oauth::AppCredentials;
use integrations::vault::MasterKey;
use keys::{KEYS, Key, Kind, PREFIX};
use public_url::PublicUrl;
use secrecy::SecretString;
use settings::Settings;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use settings::{
    AppSettings, HttpSettings, LimitSettings, LogFormat, LogSettings, MailSettings, OidcSettings,
    PoolSettings, RetentionSettings, ShopifySettings, SlackSettings, SyncSettings, TokenSettings,
    WebhookSettings, WorkerSettings,
};

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "entente.toml";

/// The source of what nobody has set.
const DEFAULT: &str = "default";

/// Why there is no usable configuration; each is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable with our prefix is no key's.
    #[error("{variable}: there is no such setting; `entente config` lists them all")]
    UnknownVariable {
        /// The variable.
        variable: String,
    },
    /// A variable's value cannot be read.
    #[error("{from}: {problem}")]
    Value {
        /// Where the value stands.
        from: String,
        /// What is wrong.
        problem: String,
    },
    /// A named file is not there.
    #[error("there is no configuration file {}", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// Something that the command needs is not set.
    #[error("{0}")]
    Missing(String),
}

impl ConfigError {
    fn value(from: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value {
            from: from.into(),
            problem: problem.into(),
        }
    }
}

/// What the configuration is made from, handed in by `main` and by tests.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named on the command line.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// What the command line sets: the flag, the key's path and the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// The process's environment and these values of the command line.
    #[must_use]
    pub fn of_process(
        file: Option<PathBuf>,
        flags: Vec<(&'static str, &'static str, String)>,
    ) -> Self {
        // Variables that are not text cannot be ours; `vars` would panic on them.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self {
            file,
            environment: environment.collect(),
            flags,
        }
    }
}

/// The configuration in use.
pub struct Config {
    figment: Figment,
    database_url: Option<SecretString>,
    /// Folder of the SQLite file.
    pub data_dir: PathBuf,
    public_url: Option<PublicUrl>,
    /// Where to listen.
    pub listen: SocketAddr,
    vault_key: Option<SecretString>,
    vault_key_previous: Option<SecretString>,
    /// Whether a PostgreSQL schema is brought up to date at start.
    pub migrate_on_start: bool,
    /// Whether there is a page to try queries on.
    pub graphiql: bool,
    /// Whether messages to people are shown at `/dev/mail`.
    pub dev_mail: bool,
    /// Where mail leaves.
    pub mail: Option<MailServer>,
    /// The staff's identity provider.
    pub staff_provider: Option<StaffProvider>,
    /// The log.
    pub log: LogSettings,
    /// The server.
    pub http: HttpSettings,
    /// Database connections.
    pub pool: PoolSettings,
    /// Access tokens.
    pub token: TokenSettings,
    /// What a request may be.
    pub limits: LimitSettings,
    /// Synchronisation.
    pub sync: SyncSettings,
    /// The worker loop.
    pub worker: WorkerSettings,
    /// Webhooks out.
    pub webhooks: WebhookSettings,
    /// How long what has happened is kept.
    pub retention: RetentionSettings,
    webhook_ports: Vec<u16>,
    /// Whether shops are asked for their orders of all times.
    pub all_orders: bool,
    apps: BTreeMap<String, AppCredentials>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`]: an unknown key or variable, a value that cannot be, or a named file that is not there.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let figment = layered(sources)?;
        let settings: Settings = figment.extract().map_err(|error| explained(&error))?;
        let public_url = settings
            .public_url
            .as_deref()
            .map(|text| {
                PublicUrl::parse(text)
                    .map_err(|error| bad(&figment, "public_url", &error.to_string()))
            })
            .transpose()?;
        check_bounds(&settings, &figment)?;
        let apps = app::registrations(&settings)?;
        let mail = people::mail(&settings.mail)?;
        let staff_provider = people::provider(&settings.oidc)?;
        let in_the_world = public_url.as_ref().is_some_and(|url| !url.is_loopback());
        if settings.dev_mail && in_the_world {
            let problem = "it shows everybody's mail, so public_url must be on loopback";
            return Err(bad(&figment, "dev_mail", problem));
        }
        Ok(Self {
            database_url: settings.database_url,
            data_dir: settings.data_dir,
            public_url,
            listen: settings.listen,
            vault_key: settings.vault_key,
            vault_key_previous: settings.vault_key_previous,
            migrate_on_start: settings.migrate_on_start,
            graphiql: settings.graphiql,
            dev_mail: settings.dev_mail,
            mail,
            staff_provider,
            log: settings.log,
            http: settings.http,
            pool: settings.pool,
            token: settings.token,
            limits: settings.limits,
            sync: settings.sync,
            worker: settings.worker,
            webhook_ports: ports(&settings.webhooks.ports).ok_or_else(|| {
                bad(
                    &figment,
                    "webhooks.ports",
                    "it takes ports with commas between them",
                )
            })?,
            webhooks: settings.webhooks,
            retention: settings.retention,
            all_orders: settings.shopify.all_orders,
            apps,
            figment,
        })
    }

    /// Whether somebody has set the key, as opposed to its default.
    #[must_use]
    pub fn is_chosen(&self, path: &str) -> bool {
        self.figment
            .find_metadata(path)
            .is_some_and(|metadata| metadata.name != DEFAULT)
    }

    /// The database's address: what is set, else the SQLite file in the data directory.
    #[must_use]
    pub fn database_url(&self) -> SecretString {
        self.database_url
            .clone()
            .unwrap_or_else(|| sqlite_url(&self.data_dir).into())
    }

    /// Whether the database is the SQLite file in the data directory, which then has to be there.
    #[must_use]
    pub const fn uses_data_dir(&self) -> bool {
        self.database_url.is_none()
    }

    /// The public address.
    ///
    /// # Errors
    /// When it is not set.
    pub fn public_url(&self) -> Result<&PublicUrl, ConfigError> {
        self.public_url.as_ref().ok_or_else(|| {
            ConfigError::Missing(
                "public_url is not set: it is the address under which clients and vendors reach this server, such as ENTENTE_PUBLIC_URL=https://entente.example.com"
                    .to_owned(),
            )
        })
    }

    /// The vault's current master key and the one before.
    ///
    /// # Errors
    /// When none is set, or one is no key. There is no default: a server without a key would keep secrets that anybody can open.
    pub fn master_keys(&self) -> Result<(MasterKey, Vec<MasterKey>), ConfigError> {
        let Some(current) = &self.vault_key else {
            return Err(ConfigError::Missing(
                "vault_key is not set: make a key with `openssl rand -base64 32`, keep a copy apart from the database, and set ENTENTE_VAULT_KEY to it"
                    .to_owned(),
            ));
        };
        let parse = |path: &str, text: &SecretString| {
            MasterKey::parse(text).map_err(|error| bad(&self.figment, path, &error.to_string()))
        };
        let previous = self
            .vault_key_previous
            .as_ref()
            .map(|text| parse("vault_key_previous", text))
            .transpose()?;
        Ok((parse("vault_key", current)?, previous.into_iter().collect()))
    }

    /// The app registrations, by connector.
    #[must_use]
    pub const fn apps(&self) -> &BTreeMap<String, AppCredentials> {
        &self.apps
    }

    /// The ports on which receivers of webhooks are called.
    #[must_use]
    pub fn webhook_ports(&self) -> &[u16] {
        &self.webhook_ports
    }

    /// The longest wait of an idle worker: at most a second, whatever is set, for polling is the backstop of waking.
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.worker.poll_millis.clamp(1, 1_000))
    }
}

/// Reads a list of ports; none when something in it is no port.
fn ports(text: &str) -> Option<Vec<u16>> {
    let port = |part: &str| part.trim().parse().ok().filter(|port| *port != 0);
    text.split(',').map(port).collect()
}

/// The address of the SQLite file in a folder.
#[must_use]
pub fn sqlite_url(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("entente.sqlite").display())
}

fn layered(sources: &Sources) -> Result<Figment, ConfigError> {
    let mut figment = Figment::new();
    for key in KEYS {
        if let Some(default) = key.default {
            figment = figment.merge(OneKey::read(key, default, DEFAULT.to_owned())?);
        }
    }
    match &sources.file {
        Some(path) if !path.is_file() => return Err(ConfigError::NoFile { path: path.clone() }),
        Some(path) => figment = figment.merge(Toml::file_exact(path)),
        None if Path::new(DEFAULT_FILE).is_file() => {
            figment = figment.merge(Toml::file_exact(DEFAULT_FILE));
        }
        None => {}
    }
    // The one variable that is not ours, by which most platforms hand over a database; our own goes before it.
    let foreign = sources
        .environment
        .iter()
        .filter(|(name, _)| name == "DATABASE_URL")
        .map(|(name, value)| (name, "database_url", value));
    let mut own = Vec::new();
    for (name, value) in sources
        .environment
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
    {
        let key = KEYS.iter().find(|key| key.variable() == *name);
        let key = key.ok_or_else(|| ConfigError::UnknownVariable {
            variable: name.clone(),
        })?;
        own.push((name, key.path, value));
    }
    for (name, path, value) in foreign.chain(own) {
        if let Some(key) = Key::find(path) {
            figment = figment.merge(OneKey::read(key, value, format!("variable {name}"))?);
        }
    }
    for (flag, path, value) in &sources.flags {
        if let Some(key) = Key::find(path) {
            figment = figment.merge(OneKey::read(key, value, format!("flag {flag}"))?);
        }
    }
    Ok(figment)
}

/// A provider of one key, so that figment remembers for each key where its value came from.
struct OneKey {
    path: &'static str,
    value: Value,
    from: String,
}

impl OneKey {
    fn read(key: &Key, text: &str, from: String) -> Result<Self, ConfigError> {
        let value = match key.kind {
            Kind::Text | Kind::Secret | Kind::Address => Value::from(text),
            Kind::Number => match text.trim().parse::<u64>() {
                Ok(number) => Value::from(number),
                Err(_) => {
                    return Err(ConfigError::value(
                        from,
                        format!("{} takes a whole number", key.path),
                    ));
                }
            },
            Kind::Switch => match text.trim() {
                "true" => Value::from(true),
                "false" => Value::from(false),
                _ => {
                    return Err(ConfigError::value(
                        from,
                        format!("{} takes true or false", key.path),
                    ));
                }
            },
        };
        Ok(Self {
            path: key.path,
            value,
            from,
        })
    }
}

impl Provider for OneKey {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.from.clone())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        let mut dict = Dict::new();
        match self.path.split_once('.') {
            None => dict.insert(self.path.to_owned(), self.value.clone()),
            Some((section, name)) => {
                let inner = Dict::from([(name.to_owned(), self.value.clone())]);
                dict.insert(section.to_owned(), Value::Dict(Tag::Default, inner))
            }
        };
        Ok(Profile::Default.collect(dict))
    }
}

/// Where a value came from, in words.
fn source_of(metadata: Option<&Metadata>) -> String {
    let Some(metadata) = metadata else {
        return DEFAULT.to_owned();
    };
    match &metadata.source {
        Some(Source::File(path)) => format!("file {}", path.display()),
        _ => metadata.name.to_string(),
    }
}

fn bad(figment: &Figment, path: &str, problem: &str) -> ConfigError {
    ConfigError::value(
        source_of(figment.find_metadata(path)),
        format!("{path}: {problem}"),
    )
}

/// One line for a value that does not fit. The value itself is not repeated: it may be a secret in the wrong place.
fn explained(error: &figment::Error) -> ConfigError {
    let path = error.path.join(".");
    let problem = match &error.kind {
        FigmentKind::UnknownField(name, _) => {
            let section = error
                .path
                .iter()
                .filter(|part| *part != name)
                .cloned()
                .collect::<Vec<_>>();
            let whole = section
                .iter()
                .chain([name])
                .cloned()
                .collect::<Vec<_>>()
                .join(".");
            format!("there is no setting {whole}; `entente config` lists them all")
        }
        FigmentKind::InvalidType(actual, expected) => {
            format!("{path} takes {expected}, not {}", kind_of(actual))
        }
        FigmentKind::MissingField(name) => format!("{name} is missing"),
        FigmentKind::UnknownVariant(_, known) => {
            format!("{path} takes one of {}", known.join(", "))
        }
        FigmentKind::Message(message)
            if !Key::find(&path)
                .is_some_and(|key| matches!(key.kind, Kind::Secret | Kind::Address)) =>
        {
            if path.is_empty() {
                first_line(message)
            } else {
                format!("{path}: {}", first_line(message))
            }
        }
        _ => format!("{path} has a value it cannot take"),
    };
    ConfigError::value(source_of(error.metadata.as_ref()), problem)
}

fn first_line(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

const fn kind_of(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a switch",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a section",
        _ => "this",
    }
}

fn check_bounds(settings: &Settings, figment: &Figment) -> Result<(), ConfigError> {
    let positive = [
        ("pool.connections", u64::from(settings.pool.connections)),
        (
            "pool.worker_connections",
            u64::from(settings.pool.worker_connections),
        ),
        (
            "token.lifetime_hours",
            u64::from(settings.token.lifetime_hours),
        ),
        ("limits.seconds", settings.limits.seconds),
        ("limits.nesting", settings.limits.nesting as u64),
        ("sync.interval_seconds", settings.sync.interval_seconds),
        ("sync.lease_seconds", settings.sync.lease_seconds),
        ("worker.concurrency", settings.worker.concurrency as u64),
    ];
    if let Some((path, _)) = positive.iter().find(|(_, value)| *value == 0) {
        return Err(bad(figment, path, "it must be at least 1"));
    }
    // An attempt takes 15 seconds at most; a lease that ends before it would have it made twice.
    if settings.webhooks.lease_seconds < 30 {
        return Err(bad(
            figment,
            "webhooks.lease_seconds",
            "it must be at least 30",
        ));
    }
    // The parser behind admission recurses; beyond this it could exhaust its stack.
    if settings.limits.nesting > 200 {
        return Err(bad(figment, "limits.nesting", "it must be at most 200"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
