//! Access tokens: a valid one for each connection, whoever asks.
//!
//! Owns: opening the sealed credentials, refreshing ahead of their end, and deciding that a connection needs a person. Refuses: to redeem
//! a refresh token twice. Invariant: within a process one caller refreshes a connection at a time, and those who waited for it share what
//! came of it, also a failure; across processes it is the one that claimed the renewal in the connection's row, and the others look at the
//! row until it is done; and a new token is committed before anybody uses it.
//!
//! Only a refused grant, with credentials nobody has replaced meanwhile, makes a connection REAUTH_REQUIRED; a vendor that is down
//! never does.

use super::error::{Result, SyncError};
use crate::connector::{Account, Connector, Context, Registry};
use crate::error::ConnectorError;
use crate::http::{Client, Session, Work};
use crate::oauth::{AppCredentials, TokenSet};
use crate::vault::{Binding, Vault};
use entities::change::{Author, Change, Origin};
use entities::connection::{self, ConnectionStatus};
use entities::database::Database;
use entities::id::ConnectionId;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// What seals and opens a connection's credentials.
const PURPOSE: &str = "connection.credentials";

/// How long one process may take to renew credentials; one that died is followed by another after this time. In milliseconds. Longer than any
/// call may take, so that a refresh token is never offered twice.
const RENEWAL_MS: i64 = 75_000;

/// How long to look at the row while another process renews, and how often. A token endpoint answers well within that; one that does not
/// is waited for in the rows of the work.
const LOOK_FOR: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// When to ask again after that.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The waits between attempts to store new tokens: the vendor has already spent the old ones, so a database that stumbles is not given up at once.
const STORE_AGAIN: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// Our registrations with the vendors, by connector id.
pub type Apps = BTreeMap<String, AppCredentials>;

/// Gives out sessions.
pub struct TokenKeeper {
    database: Database,
    registry: Registry,
    vault: Vault,
    http: Client,
    apps: Apps,
    ahead: Duration,
    flights: Mutex<HashMap<ConnectionId, Arc<Flight>>>,
}

/// The renewals of one connection in this process: one at a time.
#[derive(Default)]
struct Flight {
    /// How many are over.
    over: AtomicU64,
    /// The last one, while it failed: its number and why.
    failed: tokio::sync::Mutex<Option<(u64, ConnectorError)>>,
}

/// A connection with a session that may call for it.
pub struct Opened {
    /// The row as it was read.
    pub connection: connection::Model,
    session: Session,
    account: Account,
    site: Option<Url>,
    api: Option<Url>,
    renew_at_ms: Option<i64>,
}

impl Opened {
    /// What a connector gets.
    #[must_use]
    pub fn context<'a>(&'a self, database: &'a Database) -> Context<'a> {
        Context {
            http: &self.session,
            tenant_id: &self.connection.tenant_id,
            account: Some(&self.account),
            site: self.site.as_ref(),
            api: self.api.as_ref(),
            clock: database.clock().as_ref(),
        }
    }

    /// The same, for a kind of work; what was not told what it is for comes last.
    #[must_use]
    pub fn doing(mut self, work: Work) -> Self {
        self.session = self.session.doing(work);
        self
    }

    /// Whether the token should be renewed before the next call.
    #[must_use]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.renew_at_ms.is_some_and(|at| at <= now_ms)
    }
}

/// Seals tokens for a connection.
pub(super) fn seal(vault: &Vault, id: ConnectionId, tokens: &TokenSet) -> Result<String> {
    Ok(vault.seal(
        Binding {
            purpose: PURPOSE,
            row: &id.to_string(),
        },
        &tokens.to_plain_bytes(),
    )?)
}

impl TokenKeeper {
    /// A keeper that renews tokens `ahead` of their end.
    #[must_use]
    pub fn new(
        database: Database,
        registry: Registry,
        vault: Vault,
        http: Client,
        apps: Apps,
        ahead: Duration,
    ) -> Self {
        Self {
            database,
            registry,
            vault,
            http,
            apps,
            ahead,
            flights: Mutex::default(),
        }
    }

    /// The connector of a connection.
    ///
    /// # Errors
    /// When this build has none of that id.
    pub fn connector(&self, id: &str) -> Result<&Arc<dyn Connector>> {
        self.registry
            .get(id)
            .ok_or_else(|| SyncError::UnknownConnector(id.to_owned()))
    }

    /// Our registration with a vendor.
    ///
    /// # Errors
    /// When none is configured.
    pub fn app(&self, connector: &str) -> Result<&AppCredentials> {
        self.apps
            .get(connector)
            .ok_or_else(|| SyncError::NoApp(connector.to_owned()))
    }

    /// The connectors of this build.
    pub(super) const fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) const fn http(&self) -> &Client {
        &self.http
    }

    pub(super) const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A session with a token that is good for a while.
    ///
    /// # Errors
    /// When the connection may not be used, or its token can neither be used nor renewed.
    pub async fn open(&self, id: ConnectionId) -> Result<Opened> {
        let row = self.load(id).await?;
        let tokens = self.tokens(&row)?;
        let margin = i64::try_from(self.ahead.as_millis()).unwrap_or(i64::MAX);
        if tokens.expires_within(self.database.now().millis(), margin) {
            return self.renew(id, row.credentials_version).await;
        }
        if row.scopes_changed_at.is_some() {
            return self.reread_scopes(row, &tokens).await;
        }
        self.opened(row, &tokens)
    }

    /// The vendor said that it grants more or less than before: with a new token it says what. A token that is not renewed covers what it covers.
    async fn reread_scopes(&self, row: connection::Model, tokens: &TokenSet) -> Result<Opened> {
        if tokens.refresh_token.is_some() {
            return self.renew(row.id, row.credentials_version).await;
        }
        connection::care::keep_scopes(&self.database, &row, None).await?;
        self.opened(row, tokens)
    }

    /// A session with a token newer than the credentials of `seen_version`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn renew(&self, id: ConnectionId, seen_version: i64) -> Result<Opened> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flights.entry(id).or_default())
        };
        let before = flight.over.load(Ordering::SeqCst);
        let mut failed = flight.failed.lock().await;
        if let Some((number, error)) = failed.as_ref()
            && *number > before
        {
            // It was tried while this caller waited for its turn; trying again at once would only ask the vendor as often as there are callers.
            return Err(error.clone().into());
        }
        // Seldom needed and large: on the heap, so that whoever opens a connection stays small.
        let outcome = Box::pin(self.renew_alone(id, seen_version)).await;
        let number = flight.over.fetch_add(1, Ordering::SeqCst) + 1;
        *failed = match &outcome {
            Err(SyncError::Connector(error)) => Some((number, error.clone())),
            _ => None,
        };
        outcome
    }

    /// Renews, as the only caller of this process.
    async fn renew_alone(&self, id: ConnectionId, seen_version: i64) -> Result<Opened> {
        let mut looked = Duration::ZERO;
        loop {
            let row = self.load(id).await?;
            let tokens = self.tokens(&row)?;
            // Somebody may have renewed it meanwhile: another caller, or another process.
            if row.credentials_version != seen_version
                && !tokens.expires_within(self.database.now().millis(), 0)
            {
                return self.opened(row, &tokens);
            }
            let version = row.credentials_version;
            if connection::claim_renewal(&self.database, id, version, RENEWAL_MS).await? {
                return self.redeem(row, &tokens).await;
            }
            if looked >= LOOK_FOR {
                let message = "another process is renewing the credentials".to_owned();
                return Err(ConnectorError::Transient {
                    message,
                    retry_after: Some(ASK_AGAIN),
                }
                .into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            looked += LOOK_EVERY;
        }
    }

    /// Redeems the refresh token, under the claim in the row.
    async fn redeem(&self, row: connection::Model, tokens: &TokenSet) -> Result<Opened> {
        let (id, version) = (row.id, row.credentials_version);
        let now_ms = self.database.now().millis();
        let connector = self.connector(&row.connector)?;
        let app = self.app(&row.connector)?;
        let fresh = match connector
            .auth()
            .refresh(&self.http, app, tokens, now_ms)
            .await
        {
            Ok(fresh) => fresh,
            Err(error) => {
                connection::release_renewal(&self.database, id, version).await?;
                return match error {
                    ConnectorError::Auth {
                        reconnect: true,
                        message,
                    } => self.refused(row, message).await,
                    error => Err(error.into()),
                };
            }
        };
        let sealed = seal(&self.vault, id, &fresh)?;
        // Committed before it is used: a token that only memory knows would be lost with the process, and the old one may be spent.
        let won = self.store(id, version, &sealed).await?;
        let scopes = (!fresh.scopes.is_empty()).then(|| fresh.scopes.clone());
        if won
            && (row.scopes_changed_at.is_some() || scopes.as_ref() != Some(&row.granted_scopes.0))
        {
            connection::care::keep_scopes(&self.database, &row, scopes).await?;
        }
        let row = self.load(id).await?;
        let tokens = if won { fresh } else { self.tokens(&row)? };
        self.opened(row, &tokens)
    }

    async fn store(&self, id: ConnectionId, version: i64, sealed: &str) -> Result<bool> {
        let mut waits = STORE_AGAIN.iter();
        loop {
            let stored =
                connection::swap_credentials(&self.database, id, version, sealed.to_owned()).await;
            match (stored, waits.next()) {
                (Err(error), Some(wait)) => {
                    tracing::warn!(connection = %id, %error, "new credentials could not be stored yet");
                    tokio::time::sleep(*wait).await;
                }
                (stored, _) => return Ok(stored?),
            }
        }
    }

    /// The vendor refused the grant. If somebody else has stored a newer one meanwhile, theirs counts.
    async fn refused(&self, seen: connection::Model, message: String) -> Result<Opened> {
        let row = self.load(seen.id).await?;
        if row.credentials_version != seen.credentials_version {
            let tokens = self.tokens(&row)?;
            return self.opened(row, &tokens);
        }
        self.require_reauthorization(row.id, row.credentials_version, &message)
            .await?;
        Err(ConnectorError::Auth {
            reconnect: true,
            message,
        }
        .into())
    }

    /// Marks a connection as in need of a person, unless its credentials have been replaced since `seen_version`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn require_reauthorization(
        &self,
        id: ConnectionId,
        seen_version: i64,
        reason: &str,
    ) -> Result<()> {
        let author = Author {
            actor: "sync".to_owned(),
            origin: Origin::Sync,
            connection: Some(id),
        };
        let mut change = Change::begin(&self.database, author).await?;
        let row =
            visible::lock_one::<connection::Entity>(&change, &Viewer::system("token"), id.0, None)
                .await?;
        let applies = row.credentials_version == seen_version
            && row
                .status
                .transitions()
                .contains(&ConnectionStatus::ReauthRequired);
        if applies {
            connection::set_status(
                &mut change,
                row,
                ConnectionStatus::ReauthRequired,
                Some(reason.to_owned()),
            )
            .await?;
            change.commit().await?;
            tracing::warn!(connection = %id, reason, "a connection must be authorized again");
        }
        Ok(())
    }

    async fn load(&self, id: ConnectionId) -> Result<connection::Model> {
        let row = visible::find_one::<connection::Entity, _>(
            self.database.read(),
            &Viewer::system("token"),
            id.0,
        )
        .await?;
        let row = row.ok_or(SyncError::UnknownConnection)?;
        if row.status.is_working() {
            Ok(row)
        } else {
            Err(SyncError::NotWorking {
                status: row.status,
                reason: row.status_reason,
            })
        }
    }

    pub(super) fn tokens(&self, row: &connection::Model) -> Result<TokenSet> {
        let Some(sealed) = row.credentials.as_deref() else {
            return Err(ConnectorError::Auth {
                reconnect: true,
                message: "the connection has no credentials".to_owned(),
            }
            .into());
        };
        let plain = self.vault.open(
            Binding {
                purpose: PURPOSE,
                row: &row.id.to_string(),
            },
            sealed,
        )?;
        Ok(TokenSet::from_plain_bytes(&plain)?)
    }

    fn opened(&self, row: connection::Model, tokens: &TokenSet) -> Result<Opened> {
        let now_ms = self.database.now().millis();
        let renew_at_ms = tokens
            .expires_at_ms
            .map(|at| soon_before(at, now_ms, self.ahead));
        let connector = self.connector(&row.connector)?;
        let session = self
            .http
            .session(connector.as_ref(), &row.tenant_id, tokens)?;
        let account = Account {
            tenant_id: row.tenant_id.clone(),
            name: row.account.name.clone(),
            currency: row.account.currency.clone(),
            time_zone: row.account.time_zone.clone(),
            ui_domain: row.account.ui_domain.clone(),
        };
        Ok(Opened {
            connection: row,
            session,
            account,
            site: tokens.site.clone(),
            api: tokens.api.clone(),
            renew_at_ms,
        })
    }
}

/// When to renew a token: `ahead` of its end, but not before nine tenths of what is left of its life are over, so that
/// a vendor with very short lives is not asked before every call.
fn soon_before(expires_at_ms: i64, now_ms: i64, ahead: Duration) -> i64 {
    let life = expires_at_ms.saturating_sub(now_ms).max(0);
    let margin = i64::try_from(ahead.as_millis())
        .unwrap_or(i64::MAX)
        .min(life / 10);
    expires_at_ms.saturating_sub(margin)
}
