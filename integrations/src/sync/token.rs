//! Access tokens: a valid one for each connection, whoever asks.
//!
//! Owns: opening the sealed credentials, refreshing ahead of their end, and deciding that a connection needs a person. Refuses: to redeem
//! a refresh token twice. Invariant: within a process one caller refreshes a connection at a time; across processes the one that claimed
//! it in the connection's row, the others ask again a moment later; and a new token is committed before anybody uses it.
//!
//! Only a refused grant, with credentials nobody has replaced meanwhile, makes a connection REAUTH_REQUIRED; a vendor that is down
//! never does.

use super::error::{Result, SyncError};
use crate::connector::{Account, Connector, Context, Registry};
use crate::error::ConnectorError;
use crate::http::{Client, Session};
use crate::oauth::{AppCredentials, TokenSet};
use crate::vault::{Binding, Vault};
use entities::change::{Author, Change, Origin};
use entities::connection::{self, ConnectionStatus};
use entities::database::Database;
use entities::id::ConnectionId;
use entities::viewer::Viewer;
use entities::visible;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What seals and opens a connection's credentials.
const PURPOSE: &str = "connection.credentials";

/// How long one process may take to renew credentials; one that died is followed by another after this time. In milliseconds. Longer than any
/// call may take, so that a refresh token is never offered twice.
const RENEWAL_MS: i64 = 75_000;

/// When to ask again while another process renews.
const ASK_AGAIN: Duration = Duration::from_secs(2);

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
    flights: Mutex<HashMap<ConnectionId, Arc<tokio::sync::Mutex<()>>>>,
}

/// A connection with a session that may call for it.
pub struct Opened {
    /// The row as it was read.
    pub connection: connection::Model,
    session: Session,
    account: Account,
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
            clock: database.clock().as_ref(),
        }
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
        let renew_at_ms = tokens.expires_at_ms.map(|at| at.saturating_sub(margin));
        self.opened(row, &tokens, renew_at_ms)
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
        let _alone = flight.lock().await;
        let row = self.load(id).await?;
        let tokens = self.tokens(&row)?;
        let now_ms = self.database.now().millis();
        // Somebody may have renewed it while this caller waited for its turn.
        if row.credentials_version != seen_version && !tokens.expires_within(now_ms, 0) {
            return self.opened(row, &tokens, None);
        }
        let connector = self.connector(&row.connector)?;
        let app = self.app(&row.connector)?;
        if !connection::claim_renewal(&self.database, id, row.credentials_version, RENEWAL_MS)
            .await?
        {
            return self.renewed_elsewhere(row).await;
        }
        let fresh = match connector
            .auth()
            .refresh(&self.http, app, &tokens, now_ms)
            .await
        {
            Ok(fresh) => fresh,
            Err(error) => {
                connection::release_renewal(&self.database, id, row.credentials_version).await?;
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
        let won = connection::swap_credentials(&self.database, id, row.credentials_version, sealed)
            .await?;
        let row = self.load(id).await?;
        let tokens = if won { fresh } else { self.tokens(&row)? };
        let renew_at_ms = tokens
            .expires_at_ms
            .map(|at| soon_before(at, now_ms, self.ahead));
        self.opened(row, &tokens, renew_at_ms)
    }

    /// Another process has renewed the credentials, or is about to.
    async fn renewed_elsewhere(&self, seen: connection::Model) -> Result<Opened> {
        let row = self.load(seen.id).await?;
        if row.credentials_version != seen.credentials_version {
            let tokens = self.tokens(&row)?;
            return self.opened(row, &tokens, None);
        }
        let message = "another process is renewing the credentials".to_owned();
        Err(ConnectorError::Transient {
            message,
            retry_after: Some(ASK_AGAIN),
        }
        .into())
    }

    /// The vendor refused the grant. If somebody else has stored a newer one meanwhile, theirs counts.
    async fn refused(&self, seen: connection::Model, message: String) -> Result<Opened> {
        let row = self.load(seen.id).await?;
        if row.credentials_version != seen.credentials_version {
            let tokens = self.tokens(&row)?;
            return self.opened(row, &tokens, None);
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

    fn tokens(&self, row: &connection::Model) -> Result<TokenSet> {
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

    fn opened(
        &self,
        row: connection::Model,
        tokens: &TokenSet,
        renew_at_ms: Option<i64>,
    ) -> Result<Opened> {
        let descriptor = self.connector(&row.connector)?.descriptor();
        let session = self
            .http
            .session(descriptor, &row.tenant_id, &tokens.access_token)?;
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
            renew_at_ms,
        })
    }
}

/// When to renew a token that was just obtained: `ahead` of its end, but not before nine tenths of its life are over, so that
/// a vendor with very short lives is not asked before every call.
fn soon_before(expires_at_ms: i64, now_ms: i64, ahead: Duration) -> i64 {
    let life = expires_at_ms.saturating_sub(now_ms).max(0);
    let margin = i64::try_from(ahead.as_millis())
        .unwrap_or(i64::MAX)
        .min(life / 10);
    expires_at_ms.saturating_sub(margin)
}
