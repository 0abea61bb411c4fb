//! Connecting an account: from the question to the person, to a row with sealed credentials.
//!
//! Owns: the two halves of the consent. Refuses: an answer whose state or browser is not the one that asked; a state is good once and
//! for ten minutes. Invariant: neither the state nor the verifier is ever stored open, and a connection exists only with credentials whose
//! account the vendor has named.

use super::default_mapping;
use super::error::{Result, SyncError};
use super::pull::lanes;
use super::token::{TokenKeeper, seal};
use crate::connector::{Account, Context};
use crate::oauth::{AuthorizeRequest, Exchange};
use crate::vault::Binding;
use entities::authorization_request;
use entities::chance::Chance;
use entities::change::{Author, Change, Origin};
use entities::connection::{self, AccountFacts, Authorized};
use entities::database::Database;
use entities::sync_cursor;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

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
    /// The secret of the browser that asks; the answer must come with it.
    pub cookie: &'a SecretString,
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
    let request = AuthorizeRequest::new(
        asking.redirect_uri.clone(),
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
    let exchange = Exchange {
        code: returned.code,
        redirect_uri: Url::parse(&request.redirect_uri).map_err(|_| SyncError::UnknownConsent)?,
        pkce_verifier: verifier.to_owned().into(),
    };
    let tokens = connector
        .auth()
        .exchange(keeper.http(), app, &exchange, database.now().millis())
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
        .session(descriptor, &named, &tokens.access_token)?;
    let context = Context {
        http: &session,
        tenant_id: &named,
        account: None,
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
        mapping: default_mapping::mapping(descriptor.id),
    };
    let author = Author {
        actor: request.subject,
        origin: Origin::Human,
        connection: None,
    };
    let mut change = Change::begin(database, author).await?;
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
    sync_cursor::ensure(&change, row.id, &lanes(descriptor, change.now())).await?;
    // What gave up while the connection could not be used begins anew.
    sync_cursor::make_due(change.transaction(), row.id, change.now()).await?;
    change.commit().await?;
    Ok(row)
}
