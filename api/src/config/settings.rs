//! The typed sections of the configuration. Every one refuses keys it does not know; the defaults are in [`super::keys`].

use crate::graphql::admission::Limits;
use crate::graphql::admission::budget::Budget;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;
use std::path::PathBuf;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

section! {
    /// How the log is written.
    LogSettings {
        /// As what.
        format: LogFormat,
        /// Which lines.
        filter: String,
    }
}

/// As what the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for a person.
    Text,
}

section! {
    /// The server.
    HttpSettings {
        /// Threads; 0 is one per core.
        workers: usize,
        /// How long running requests may go on after SIGTERM.
        drain_seconds: u64,
        /// How many proxies of ours stand before the server.
        forwarded_hops: usize,
    }
}

section! {
    /// Database connections.
    PoolSettings {
        /// Of the shared pool.
        connections: u32,
        /// Of each HTTP worker's pool.
        worker_connections: u32,
    }
}

section! {
    /// Access tokens.
    TokenSettings {
        /// How many verified tokens are remembered.
        remembered: usize,
        /// Life of a token made on the command line.
        lifetime_hours: u32,
    }
}

section! {
    /// What one GraphQL request may be.
    LimitSettings {
        /// Bytes of a body.
        body_bytes: usize,
        /// Bytes of a document.
        document_bytes: usize,
        /// Tokens of a document.
        tokens: usize,
        /// Nesting.
        nesting: usize,
        /// Fields with fragments expanded.
        expanded_fields: u64,
        /// Aliases.
        aliases: usize,
        /// Fields at the root.
        root_fields: u64,
        /// Cost of one operation.
        cost: u64,
        /// Seconds of one operation.
        seconds: u64,
        /// Cost that may be spent at once.
        budget: u64,
        /// Cost that comes back each second.
        restore_rate: u64,
        /// Requests a minute from one address where people sign in.
        sign_in_per_minute: u64,
        /// Applications an hour from one address by the public form.
        applications_per_hour: u64,
        /// Requests a minute from one address at the authorization server.
        token_per_minute: u64,
    }
}

impl LimitSettings {
    /// The limits of admission.
    #[must_use]
    pub fn admission(&self) -> Limits {
        Limits {
            body_bytes: self.body_bytes,
            document_bytes: self.document_bytes,
            tokens: self.tokens,
            nesting: self.nesting,
            expanded_fields: self.expanded_fields,
            aliases: self.aliases,
            root_fields: self.root_fields,
            cost: self.cost,
            ..Limits::default()
        }
    }

    /// Each token subject's bucket.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        Budget {
            capacity: self.budget,
            restore_rate: self.restore_rate,
        }
    }
}

section! {
    /// Synchronisation.
    SyncSettings {
        /// How often each connection is asked for changes.
        interval_seconds: u64,
        /// How long a silent worker keeps its work.
        lease_seconds: u64,
    }
}

section! {
    /// The worker loop.
    WorkerSettings {
        /// Units of work at a time.
        concurrency: usize,
        /// The longest wait.
        poll_millis: u64,
    }
}

section! {
    /// Webhooks out.
    WebhookSettings {
        /// The ports of receivers that are called.
        ports: String,
        /// Whether receivers over plain http are called.
        plain_http: bool,
        /// How long a silent courier keeps its deliveries.
        lease_seconds: u64,
    }
}

section! {
    /// How long what has happened is kept.
    RetentionSettings {
        /// Days of the event log; 0 keeps it for ever.
        events_days: u32,
        /// Days of settled webhook deliveries; 0 keeps them for ever.
        deliveries_days: u32,
        /// Days of messages by mail that were sent or given up; 0 keeps them for ever.
        mail_days: u32,
    }
}

/// One vendor's app registration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppSettings {
    /// Public id.
    pub client_id: Option<String>,
    /// Secret.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    /// The secret before.
    #[serde(deserialize_with = "secret")]
    pub client_secret_previous: Option<SecretString>,
}

/// The registration of a Shopify app, and what Shopify has allowed it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShopifySettings {
    /// Public id.
    pub client_id: Option<String>,
    /// Secret.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    /// The secret before.
    #[serde(deserialize_with = "secret")]
    pub client_secret_previous: Option<SecretString>,
    /// Whether the orders of all times may be asked for.
    pub all_orders: bool,
}

impl ShopifySettings {
    /// The registration alone.
    pub(super) fn app(&self) -> AppSettings {
        AppSettings {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            client_secret_previous: self.client_secret_previous.clone(),
        }
    }
}

/// The registration of a Slack app, which signs what it sends with a secret of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackSettings {
    /// Public id.
    pub client_id: Option<String>,
    /// Secret.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    /// The secret before.
    #[serde(deserialize_with = "secret")]
    pub client_secret_previous: Option<SecretString>,
    /// The secret that signs.
    #[serde(deserialize_with = "secret")]
    pub signing_secret: Option<SecretString>,
    /// The signing secret before.
    #[serde(deserialize_with = "secret")]
    pub signing_secret_previous: Option<SecretString>,
}

/// Where mail leaves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// The mail server.
    #[serde(deserialize_with = "secret")]
    pub smtp_url: Option<SecretString>,
    /// The sender.
    pub from: Option<String>,
}

/// The staff's identity provider.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcSettings {
    /// The issuer.
    pub issuer: Option<String>,
    /// Public id of our registration.
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(deserialize_with = "secret")]
    pub client_secret: Option<SecretString>,
    /// The domains of the addresses it may speak for, with commas between.
    pub domains: Option<String>,
    /// What people know it by.
    pub name: Option<String>,
}

/// Everything together, as the layers give it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    #[serde(default, deserialize_with = "secret")]
    pub(super) database_url: Option<SecretString>,
    pub(super) data_dir: PathBuf,
    pub(super) public_url: Option<String>,
    pub(super) listen: SocketAddr,
    #[serde(default, deserialize_with = "secret")]
    pub(super) vault_key: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    pub(super) vault_key_previous: Option<SecretString>,
    pub(super) migrate_on_start: bool,
    pub(super) graphiql: bool,
    pub(super) dev_mail: bool,
    pub(super) log: LogSettings,
    pub(super) http: HttpSettings,
    pub(super) pool: PoolSettings,
    pub(super) token: TokenSettings,
    pub(super) limits: LimitSettings,
    pub(super) sync: SyncSettings,
    pub(super) worker: WorkerSettings,
    pub(super) webhooks: WebhookSettings,
    pub(super) retention: RetentionSettings,
    #[serde(default)]
    pub(super) mail: MailSettings,
    #[serde(default)]
    pub(super) oidc: OidcSettings,
    #[serde(default)]
    pub(super) hubspot: AppSettings,
    #[serde(default)]
    pub(super) salesforce: AppSettings,
    #[serde(default)]
    pub(super) shopify: ShopifySettings,
    #[serde(default)]
    pub(super) slack: SlackSettings,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Into::into))
}
