//! Software that asks for tokens: what it is called, how it proves itself, where it sends people back to, and what it may have at most.
//!
//! Owns the rows of clients and the rules of their registration. Refuses: a scope beyond what the owner may have ([`rules`]), an address that could be
//! mistaken for another ([`redirect_uri`]), a private key ([`key_set`]), and ways to prove oneself that do not fit what is asked for (software that
//! keeps no secret gets no tokens of its own).
//!
//! A client belongs to a partner or, without one, to the programme's owner. A secret is made here, shown once, and kept as a digest; the one before
//! goes on for as long as its rotation says. **Whatever takes something from a client** raises its epoch and has the older tokens refused in the
//! same transaction, as with people.

mod key_set;
mod redirect_uri;
mod rules;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::{Diff, Texts};
use crate::error::{Error, Result, ViolationCode};
use crate::event::{EventKind, NewEvent};
use crate::id::{OAuthClientId, PartnerId};
use crate::viewer::{Scopes, Viewer};
use crate::visible::{self, Own, Versioned, Visible};
use crate::{secret, token_revocation, write};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub use rules::most_scopes;

/// How a client proves that it is the one (RFC 7591's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// By a secret in the `Authorization` header.
    ClientSecretBasic,
    /// By a secret in the body.
    ClientSecretPost,
    /// By a signature of a key whose public half we have (RFC 7523).
    PrivateKeyJwt,
    /// Not at all: it runs where nothing can be kept secret.
    None,
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::None,
    ];

    /// As metadata and the database write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Whether it is proved by a secret of ours.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// How a client may come by tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// In the name of a person, who agrees in a browser.
    AuthorizationCode,
    /// Further tokens after that, without the person.
    RefreshToken,
    /// In its own name.
    ClientCredentials,
}

impl GrantType {
    /// Every type.
    pub const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
    ];

    /// As requests and metadata write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Reads a request's `grant_type`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

/// A client's grant types, each once, in the order of [`GrantType::ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct GrantTypes(Vec<GrantType>);

impl GrantTypes {
    /// These types.
    #[must_use]
    pub fn of(given: &[GrantType]) -> Self {
        let ordered = GrantType::ALL.into_iter();
        Self(ordered.filter(|grant| given.contains(grant)).collect())
    }

    /// Whether the type is one of them.
    #[must_use]
    pub fn has(&self, grant: GrantType) -> bool {
        self.0.contains(&grant)
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[GrantType] {
        &self.0
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oauth_client")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OAuthClientId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Whose it is; the programme owner's where there is none.
    pub partner_id: Option<PartnerId>,
    pub name: String,
    pub auth_method: AuthMethod,
    /// The digest of the secret.
    pub secret_hash: Option<String>,
    /// The digest of the secret before, which is good until its time is over.
    pub previous_secret_hash: Option<String>,
    pub previous_secret_until: Option<Timestamp>,
    pub jwks: Option<Json>,
    pub redirect_uris: Texts,
    pub grant_types: GrantTypes,
    /// What it may have at most, as a `scope` claim; see [`Model::scopes`].
    pub scope: String,
    /// Rises when what its tokens say is no longer so.
    pub token_epoch: i64,
    /// The subject who registered it.
    pub created_by: String,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

impl Model {
    /// What it may have at most.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_claim(&self.scope)
    }

    /// Whether it may get tokens now.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    /// Whether a presented secret is its secret, or the one before while that is still good.
    #[must_use]
    pub fn accepts_secret(&self, presented: &str, now: Timestamp) -> bool {
        if !self.auth_method.has_secret() {
            return false;
        }
        let is_current = self
            .secret_hash
            .as_deref()
            .is_some_and(|kept| secret::matches(presented, kept));
        let is_previous = self.previous_secret_until.is_some_and(|until| now < until)
            && self
                .previous_secret_hash
                .as_deref()
                .is_some_and(|kept| secret::matches(presented, kept));
        is_current || is_previous
    }

    /// Whether people may be sent back there: an address that was registered, letter for letter but for a loopback port.
    #[must_use]
    pub fn redirects_to(&self, uri: &str) -> bool {
        let mut registered = self.redirect_uris.0.iter();
        registered.any(|one| redirect_uri::is_same(one, uri))
    }
}

/// What a new client is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewOAuthClient {
    pub name: String,
    pub partner_id: Option<PartnerId>,
    pub auth_method: AuthMethod,
    pub redirect_uris: Vec<String>,
    pub grant_types: Vec<GrantType>,
    pub scopes: Scopes,
    pub jwks: Option<Json>,
}

/// What an update sets; `None` keeps. The owner and the way it proves itself stay: another of those is another client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct OAuthClientPatch {
    pub name: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub grant_types: Option<Vec<GrantType>>,
    pub scopes: Option<Scopes>,
    pub jwks: Option<Json>,
}

/// Registers a client in the name of `viewer`. The secret, where its way of proving itself has one, is answered here and never again.
///
/// # Errors
/// Refused fields; an owner that the viewer does not see is no such partner.
pub async fn create(
    change: &mut Change,
    viewer: &Viewer,
    input: NewOAuthClient,
) -> Result<(Model, Option<SecretString>)> {
    rules::check_new(change, viewer, &input).await?;
    let secret = input.auth_method.has_secret().then(|| new_secret(change));
    let now = change.now();
    let row = Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        partner_id: input.partner_id,
        name: input.name.trim().to_owned(),
        auth_method: input.auth_method,
        secret_hash: secret.as_ref().map(|(_, digest)| digest.clone()),
        previous_secret_hash: None,
        previous_secret_until: None,
        jwks: input.jwks,
        redirect_uris: Texts(input.redirect_uris),
        grant_types: GrantTypes::of(&input.grant_types),
        scope: input.scopes.to_claim(),
        token_epoch: 1,
        created_by: viewer.subject().to_owned(),
        last_used_at: None,
        disabled_at: None,
    };
    write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({
        "name": row.name, "authMethod": row.auth_method, "grantTypes": row.grant_types, "scope": row.scope, "redirectUris": row.redirect_uris,
    });
    change.record(about(EventKind::OAuthClientCreated, &row, data));
    Ok((row, secret.map(|(secret, _)| secret)))
}

/// Changes a client that was read in this change. A patch that changes nothing writes nothing; one that takes something away ends the tokens that
/// were got before.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(
    change: &mut Change,
    viewer: &Viewer,
    row: Model,
    patch: OAuthClientPatch,
) -> Result<Model> {
    rules::check_patch(viewer, &row, &patch)?;
    let had = (row.scopes(), row.grant_types.clone());
    let (version, epoch) = (row.version, row.token_epoch);
    let mut diff = Diff::new();
    let name = patch.name.map(|name| name.trim().to_owned());
    let name = diff.field("name", row.name.clone(), name);
    let uris = patch.redirect_uris.map(Texts);
    let redirect_uris = diff.field("redirectUris", row.redirect_uris.clone(), uris);
    let grants = patch.grant_types.map(|grants| GrantTypes::of(&grants));
    let grant_types = diff.field("grantTypes", row.grant_types.clone(), grants);
    let scope = patch.scopes.map(Scopes::to_claim);
    let scope = diff.field("scope", row.scope.clone(), scope);
    let jwks = diff.field("jwks", row.jwks.clone(), patch.jwks.map(Some));
    if diff.is_empty() {
        return Ok(row);
    }
    let keys_changed = matches!(jwks, Set(_));
    let mut active = ActiveModel {
        name,
        redirect_uris,
        grant_types,
        scope,
        jwks,
        ..touched(change, row)
    };
    let keeps_grants = |now: &GrantTypes| had.1.list().iter().all(|grant| now.has(*grant));
    let has_less = keys_changed
        || matches!(&active.scope, Set(scope) if had.0.within(Scopes::from_claim(scope)) != had.0)
        || matches!(&active.grant_types, Set(now) if !keeps_grants(now));
    if has_less {
        active.token_epoch = Set(epoch + 1);
    }
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::OAuthClientUpdated, &row, diff.into_data()));
    if has_less {
        token_revocation::revoke_client(change, row.id, row.token_epoch).await?;
    }
    Ok(row)
}

/// The longest overlap of two secrets, in milliseconds: 30 days.
pub const LONGEST_OVERLAP_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Gives a client another secret, which is answered here and never again. The one before is good for `overlap_millis` more; with none of that it
/// has leaked, and the tokens that were got with it end too.
///
/// # Errors
/// For a client without a secret or one that may more than the viewer, or an overlap beyond [`LONGEST_OVERLAP_MILLIS`].
pub async fn rotate_secret(
    change: &mut Change,
    viewer: &Viewer,
    row: Model,
    overlap_millis: i64,
) -> Result<(Model, SecretString)> {
    rules::refuse_greater(viewer, &row, "id")?;
    if !row.auth_method.has_secret() {
        let message = "This client proves itself without a secret.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "",
            message,
        ));
    }
    if !(0..=LONGEST_OVERLAP_MILLIS).contains(&overlap_millis) {
        let message = "The secret before goes on for 30 days at most.";
        return Err(Error::invalid(ViolationCode::Invalid, "overlap", message));
    }
    let (secret, digest) = new_secret(change);
    let goes_on = overlap_millis > 0;
    let until = change.now().plus_millis(overlap_millis);
    let (version, epoch) = (row.version, row.token_epoch);
    let active = ActiveModel {
        secret_hash: Set(Some(digest)),
        previous_secret_hash: Set(row.secret_hash.clone().filter(|_| goes_on)),
        previous_secret_until: Set(goes_on.then_some(until)),
        token_epoch: Set(if goes_on { epoch } else { epoch + 1 }),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    let data = json!({ "previousUntil": row.previous_secret_until });
    change.record(about(EventKind::OAuthClientSecretRotated, &row, data));
    if !goes_on {
        token_revocation::revoke_client(change, row.id, row.token_epoch).await?;
    }
    Ok((row, secret))
}

/// Keeps a client from getting tokens, and ends those it has. Its refresh tokens rest: they are good again once it is enabled. Disabling again
/// changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn disable(change: &mut Change, row: Model) -> Result<Model> {
    if row.disabled_at.is_some() {
        return Ok(row);
    }
    let (version, epoch, now) = (row.version, row.token_epoch, change.now());
    let active = ActiveModel {
        disabled_at: Set(Some(now)),
        token_epoch: Set(epoch + 1),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::OAuthClientDisabled, &row, json!({})));
    token_revocation::revoke_client(change, row.id, row.token_epoch).await?;
    Ok(row)
}

/// Lets a disabled client get tokens again.
///
/// # Errors
/// A client that may more than the viewer, or a fault of the database.
pub async fn enable(change: &mut Change, viewer: &Viewer, row: Model) -> Result<Model> {
    rules::refuse_greater(viewer, &row, "id")?;
    if row.disabled_at.is_none() {
        return Ok(row);
    }
    let version = row.version;
    let active = ActiveModel {
        disabled_at: Set(None),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::OAuthClientEnabled, &row, json!({})));
    Ok(row)
}

/// Notes that somebody tried to pass for a client. `why` is one of our own words, never what was presented.
pub fn refused(change: &mut Change, row: &Model, why: &'static str) {
    let data = json!({ "because": why });
    change.record(about(EventKind::OAuthClientRefused, row, data));
}

/// How exact the last use is kept, in milliseconds: a row that were written with each token would be one that all wait for.
const USE_MILLIS: i64 = 60 * 1_000;

/// Notes that a client got a token. The row's version stays: nobody who edits the client need read it again for that.
///
/// # Errors
/// When the database fails.
pub async fn used(change: &Change, row: &Model) -> Result<()> {
    let now = change.now();
    let is_recent = |at: Timestamp| at > now.plus_millis(-USE_MILLIS);
    if row.last_used_at.is_some_and(is_recent) {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::Id.eq(row.id))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Finds a client.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, id: OAuthClientId) -> Result<Option<Model>> {
    visible::find_one::<Entity, _>(connection, &Viewer::system("oauth_client"), id.0).await
}

/// An event about a client: the audit trail's, and never a partner's.
#[must_use]
pub fn about(kind: EventKind, row: &Model, data: Json) -> NewEvent {
    let event = NewEvent::about(kind, row.id, data).internal();
    match row.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event,
    }
}

fn new_secret(change: &Change) -> (SecretString, String) {
    let secret = secret::generate(change.database().ids());
    let digest = secret::digest(secret.expose_secret());
    (secret, digest)
}

/// The row as it is, a version further; what changes is set over it.
fn touched(change: &Change, row: Model) -> ActiveModel {
    ActiveModel {
        id: Unchanged(row.id),
        version: Set(row.version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(change.now()),
        partner_id: Unchanged(row.partner_id),
        name: Unchanged(row.name),
        auth_method: Unchanged(row.auth_method),
        secret_hash: Unchanged(row.secret_hash),
        previous_secret_hash: Unchanged(row.previous_secret_hash),
        previous_secret_until: Unchanged(row.previous_secret_until),
        jwks: Unchanged(row.jwks),
        redirect_uris: Unchanged(row.redirect_uris),
        grant_types: Unchanged(row.grant_types),
        scope: Unchanged(row.scope),
        token_epoch: Unchanged(row.token_epoch),
        created_by: Unchanged(row.created_by),
        last_used_at: Unchanged(row.last_used_at),
        disabled_at: Unchanged(row.disabled_at),
    }
}
