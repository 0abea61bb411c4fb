//! Connecting an account: from the question to the person, to a row with sealed credentials.
//!
//! Owns: the ticket that carries a wish from the API into a browser, the two halves of the consent, and the end of a connection. Refuses: an
//! answer whose state or browser is not the one that asked (a state is good once and for ten minutes), and an answer that belongs to another
//! account than the one whose consent was to be renewed. Invariant: neither ticket, state nor verifier is ever stored open, and a connection
//! works only with credentials whose account the vendor has named.

use super::default_mapping;
use super::error::{Result, SyncError};
use super::pull::{BACKFILL, lanes};
use super::run::Engine;
use super::token::{TokenKeeper, seal};
use crate::connector::{Account, Context, Door, Webhooks};
use crate::http::Work;
use crate::oauth::{AuthorizeRequest, Callback, Exchange};
use crate::vault::Binding;
use entities::authorization_request;
use entities::chance::Chance;
use entities::change::{Author, Change, Origin};
use entities::connect_ticket;
use entities::connection::{self, AccountFacts, Authorized, ConnectionStatus};
use entities::database::Database;
use entities::id::ConnectionId;
use entities::sync_cursor;
use entities::viewer::Viewer;
use entities::visible;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::{Url, form_urlencoded};

const PURPOSE: &str = "authorization_request.verifier";

/// Who asks for a consent, and from where.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// The connector's id.
    pub connector: &'a str,
    /// Who asks: a token's subject, or the part of the system that acts.
    pub subject: &'a str,
    /// Where the vendor sends the person back to.
    pub redirect_uri: Url,
    /// The account's own address, as the person named it, with a vendor that has one for each.
    pub site: Option<&'a str>,
    /// The secret of the browser that asks; the answer must come with it.
    pub cookie: &'a SecretString,
    /// The connection whose consent is renewed: no other account may come back. None connects whichever account comes.
    pub renews: Option<ConnectionId>,
}

/// What the vendor's redirect brought.
#[derive(Clone, Debug)]
pub struct Returned<'a> {
    /// The connector's id.
    pub connector: &'a str,
    /// The state of the request.
    pub state: &'a SecretString,
    /// The code to redeem.
    pub code: SecretString,
    /// The whole query it came in, for a vendor that signs it.
    pub query: &'a str,
    /// The secret of the browser that came back.
    pub cookie: &'a SecretString,
}

/// The system's chance, by way of the database's id maker.
struct DatabaseChance(Database);

impl Chance for DatabaseChance {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.ids().fill(bytes);
    }
}

fn digest(secret: &SecretString) -> String {
    hex::encode(Sha256::digest(secret.expose_secret().as_bytes()))
}

/// Begins a consent. The answer is the address to send the person to.
///
/// # Errors
/// When no app is configured for the connector, or the database fails.
pub async fn begin(database: &Database, keeper: &TokenKeeper, asking: Asking<'_>) -> Result<Url> {
    let connector = keeper.connector(asking.connector)?;
    let app = keeper.app(asking.connector)?;
    let site = connector.auth().site(asking.site)?;
    let request = AuthorizeRequest::new(
        asking.redirect_uri.clone(),
        site.clone(),
        &DatabaseChance(database.clone()),
    );
    let url = connector.auth().authorize_url(app, &request)?;
    let state_hash = digest(&request.state);
    let binding = Binding {
        purpose: PURPOSE,
        row: &state_hash,
    };
    let sealed_verifier = keeper
        .vault()
        .seal(binding, request.pkce_verifier.expose_secret().as_bytes())?;
    let row = authorization_request::Model {
        state_hash,
        connector: asking.connector.to_owned(),
        sealed_verifier,
        cookie_hash: digest(asking.cookie),
        subject: asking.subject.to_owned(),
        redirect_uri: asking.redirect_uri.to_string(),
        site: site.map(|site| site.to_string()),
        connection_id: asking.renews,
        created_at: database.now(),
        used_at: None,
    };
    authorization_request::insert(database, row).await?;
    Ok(url)
}

/// Completes a consent: redeems the code, asks whose account it is, and stores the connection with the connector's usual mapping.
///
/// # Errors
/// An answer nobody asked for, a refusal of the vendor, missing scopes, or a fault of the database; then nothing is stored.
pub async fn complete(
    database: &Database,
    keeper: &TokenKeeper,
    returned: Returned<'_>,
) -> Result<connection::Model> {
    let connector = keeper.connector(returned.connector)?;
    let app = keeper.app(returned.connector)?;
    let redeemed = authorization_request::redeem(
        database,
        returned.connector,
        &digest(returned.state),
        &digest(returned.cookie),
    )
    .await?;
    let request = redeemed.ok_or(SyncError::UnknownConsent)?;
    let binding = Binding {
        purpose: PURPOSE,
        row: &request.state_hash,
    };
    let verifier = keeper.vault().open(binding, &request.sealed_verifier)?;
    let verifier = std::str::from_utf8(&verifier).map_err(|_| SyncError::UnknownConsent)?;
    let address = |text: &str| Url::parse(text).map_err(|_| SyncError::UnknownConsent);
    let exchange = Exchange {
        code: returned.code,
        redirect_uri: address(&request.redirect_uri)?,
        site: request.site.as_deref().map(address).transpose()?,
        pkce_verifier: verifier.to_owned().into(),
    };
    let now_ms = database.now().millis();
    let query: Vec<(String, String)> = form_urlencoded::parse(returned.query.as_bytes())
        .into_owned()
        .collect();
    let callback = Callback {
        raw_query: returned.query,
        query: &query,
        site: exchange.site.as_ref(),
    };
    if let Err(error) = connector.auth().check_callback(app, &callback, now_ms) {
        tracing::warn!(connector = returned.connector, %error, "a consent came back unsigned or signed by somebody else");
        return Err(SyncError::UnknownConsent);
    }
    let tokens = connector
        .auth()
        .exchange(keeper.http(), app, &exchange, now_ms)
        .await?;
    let descriptor = connector.descriptor();
    let missing = tokens.missing_scopes(&descriptor.required_scopes);
    if !missing.is_empty() {
        return Err(SyncError::MissingScopes(
            missing.into_iter().map(str::to_owned).collect(),
        ));
    }
    let named = tokens.tenant_id.clone().unwrap_or_default();
    let session = keeper
        .http()
        .session(connector.as_ref(), &named, &tokens)?
        .doing(Work::Interactive);
    let context = Context {
        http: &session,
        tenant_id: &named,
        account: None,
        site: tokens.site.as_ref(),
        api: tokens.api.as_ref(),
        clock: database.clock().as_ref(),
    };
    let account = connector.auth().account(&context).await?;
    if tokens
        .tenant_id
        .as_deref()
        .is_some_and(|tenant| tenant != account.tenant_id)
    {
        return Err(SyncError::AmbiguousAccount);
    }
    let Account {
        tenant_id,
        name,
        currency,
        time_zone,
        ui_domain,
    } = account;
    let authorized = Authorized {
        connector: descriptor.id.to_owned(),
        tenant_id,
        account: AccountFacts {
            name,
            currency,
            time_zone,
            ui_domain,
        },
        granted_scopes: tokens.scopes.clone(),
        site: tokens.site.as_ref().map(ToString::to_string),
        mapping: default_mapping::mapping(descriptor.id),
    };
    let author = Author {
        actor: request.subject,
        origin: Origin::Human,
        connection: None,
    };
    let mut change = Change::begin(database, author).await?;
    let known = connection::find_by_tenant(
        change.transaction(),
        &authorized.connector,
        &authorized.tenant_id,
    )
    .await?;
    if let Some(renewed) = request.connection_id
        && known.as_ref().map(|row| row.id) != Some(renewed)
    {
        change.rollback().await?;
        return Err(SyncError::AnotherAccount);
    }
    let revived = known.is_some_and(|row| row.status == ConnectionStatus::Revoked);
    let mut unsealed = None;
    let row = connection::connect(&mut change, authorized, |id| {
        seal(keeper.vault(), id, &tokens).unwrap_or_else(|error| {
            unsealed = Some(error);
            String::new()
        })
    })
    .await?;
    if let Some(error) = unsealed {
        change.rollback().await?;
        return Err(error);
    }
    if connector.webhooks().map(Webhooks::door) == Some(Door::Connection) && row.hook.is_none() {
        let hook = secret(database);
        let sealed = keeper.vault().seal(
            hook_binding(&row.id.to_string()),
            hook.expose_secret().as_bytes(),
        )?;
        connection::set_hook(&change, row.id, digest(&hook), sealed).await?;
    }
    sync_cursor::ensure(&change, row.id, &lanes(descriptor, change.now())).await?;
    if revived {
        // Nothing was heard from the vendor meanwhile, so everything is read again; only what differs is written.
        for described in &descriptor.resources {
            let lane = (described.resource.as_str(), BACKFILL);
            sync_cursor::place(change.transaction(), row.id, lane, None, change.now()).await?;
        }
    }
    // What gave up while the connection could not be used begins anew.
    sync_cursor::make_due(change.transaction(), row.id, change.now()).await?;
    change.commit().await?;
    Ok(row)
}

const HOOK: &str = "connection.hook";

/// What seals the unguessable part of a connection's own address for webhooks.
const fn hook_binding(row: &str) -> Binding<'_> {
    Binding { purpose: HOOK, row }
}

/// A wish for a ticket.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The connector's id.
    pub connector: &'a str,
    /// In whose name the consent will be begun.
    pub subject: &'a str,
    /// The account's own address, as the person named it. None with `renews` is the address that connection has.
    pub site: Option<&'a str>,
    /// The connection whose consent is to be given again.
    pub renews: Option<ConnectionId>,
}

/// Gives out a ticket: whoever opens it in a browser begins a consent in the name of the one who wished for it.
///
/// # Errors
/// When this build has no such connector, no app is configured for it, the site is none of its vendor's, the connection to renew is none of
/// that connector's, or the database fails.
async fn ticket(engine: &Engine, wish: Wish<'_>) -> Result<SecretString> {
    let (database, keeper) = (engine.database(), engine.keeper());
    let Wish {
        connector: id,
        subject,
        site,
        renews,
    } = wish;
    let connector = keeper.connector(id)?;
    keeper.app(id)?;
    let mut known_site = None;
    if let Some(renewed) = renews {
        let system = Viewer::system("connect");
        let row =
            visible::find_one::<connection::Entity, _>(database.read(), &system, renewed.0).await?;
        let row = row
            .filter(|row| row.connector == id)
            .ok_or(SyncError::UnknownConnection)?;
        known_site = row.site;
    }
    let site = connector.auth().site(site.or(known_site.as_deref()))?;
    let ticket = secret(database);
    let row = connect_ticket::Model {
        ticket_hash: digest(&ticket),
        connector: id.to_owned(),
        site: site.map(|site| site.to_string()),
        connection_id: renews,
        subject: subject.to_owned(),
        created_at: database.now(),
        used_at: None,
    };
    connect_ticket::insert(database, row).await?;
    Ok(ticket)
}

/// 256 random bits as text.
fn secret(database: &Database) -> SecretString {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    database.ids().fill(bytes.as_mut_slice());
    hex::encode(bytes.as_slice()).into()
}

/// A consent that was begun from a ticket.
#[derive(Debug)]
pub struct Begun {
    /// Where to send the browser.
    pub authorize: Url,
    /// The secret the browser must come back with.
    pub cookie: SecretString,
}

/// What became of a connection that was ended.
#[derive(Debug)]
pub struct Disconnected {
    /// The connection as it now is.
    pub connection: connection::Model,
    /// Whether the vendor has confirmed that the tokens are worthless.
    pub revoked_at_vendor: bool,
}

impl Engine {
    /// Gives out a ticket for a consent. With `renews` only the account of that connection may come back.
    ///
    /// # Errors
    /// When this build has no such connector, no app is configured for it, the site is none of its vendor's, there is no such connection of it, or
    /// the database fails.
    pub async fn connect_ticket(&self, wish: Wish<'_>) -> Result<SecretString> {
        ticket(self, wish).await
    }

    /// The unguessable part of a connection's own address for webhooks; none when its vendor signs.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn hook(&self, row: &connection::Model) -> Result<Option<SecretString>> {
        let Some(sealed) = row.hook.as_deref() else {
            return Ok(None);
        };
        let opened = self
            .keeper()
            .vault()
            .open(hook_binding(&row.id.to_string()), sealed)?;
        let text = std::str::from_utf8(&opened)
            .map_err(|_| entities::error::Error::Damaged("a hook is not text".to_owned()))?;
        Ok(Some(text.to_owned().into()))
    }

    /// The connection whose own door this is, unless it was disconnected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn behind_hook(
        &self,
        connector: &str,
        hook: &SecretString,
    ) -> Result<Option<connection::Model>> {
        Ok(connection::find_by_hook(self.database().read(), connector, &digest(hook)).await?)
    }

    /// Begins the consent of a ticket, for the browser that brought it.
    ///
    /// # Errors
    /// [`SyncError::UnknownConsent`] for a ticket that was never given out, was used or is too old; else as [`begin`].
    pub async fn redeem_ticket(
        &self,
        connector: &str,
        ticket: &SecretString,
        redirect_uri: Url,
    ) -> Result<Begun> {
        let found = connect_ticket::redeem(self.database(), connector, &digest(ticket)).await?;
        let found = found.ok_or(SyncError::UnknownConsent)?;
        let cookie = secret(self.database());
        let asking = Asking {
            connector,
            subject: &found.subject,
            redirect_uri,
            site: found.site.as_deref(),
            cookie: &cookie,
            renews: found.connection_id,
        };
        let authorize = begin(self.database(), self.keeper(), asking).await?;
        Ok(Begun { authorize, cookie })
    }

    /// Ends a connection. The credentials are destroyed first and the vendor is told afterwards, for at most `within`: a vendor that does not
    /// answer must not keep us connected.
    ///
    /// # Errors
    /// When there is no such connection, it has moved on from the version its caller saw, or the database fails; then nothing has changed.
    pub async fn disconnect(
        &self,
        id: ConnectionId,
        expected_version: Option<i64>,
        author: Author,
        within: Duration,
    ) -> Result<Disconnected> {
        let mut change = Change::begin(self.database(), author).await?;
        let system = Viewer::system("connect");
        let row = visible::lock_one::<connection::Entity>(&change, &system, id.0, expected_version)
            .await?;
        let (before, connector) = (row.clone(), row.connector.clone());
        let connection = connection::disconnect(&mut change, row).await?;
        change.commit().await?;
        let revoked_at_vendor = match tokio::time::timeout(within, self.revoke(&before)).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => {
                tracing::warn!(connection = %id, connector, %error, "a vendor did not take its tokens back");
                false
            }
            Err(_) => {
                tracing::warn!(connection = %id, connector, "a vendor took too long to take its tokens back");
                false
            }
        };
        Ok(Disconnected {
            connection,
            revoked_at_vendor,
        })
    }

    /// Tells the vendor that the tokens of a connection are no longer wanted; false when there are none.
    async fn revoke(&self, row: &connection::Model) -> Result<bool> {
        if row.credentials.is_none() {
            return Ok(false);
        }
        let keeper = self.keeper();
        let tokens = keeper.tokens(row)?;
        let (connector, app) = (
            keeper.connector(&row.connector)?,
            keeper.app(&row.connector)?,
        );
        connector.auth().revoke(keeper.http(), app, &tokens).await?;
        Ok(true)
    }
}
