//! A connection: one account of an outside system that the programme owner has linked, its credentials and its mapping.
//!
//! Credentials are sealed by the vault before they come here; this crate never sees them open. Their version rises with every
//! new token, so that of several processes exactly one redeems a rotating refresh token. Partners never see connections.

pub mod care;
pub mod mapping;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::Texts;
use crate::error::{Error, Result, ViolationCode};
use crate::event::{EventKind, NewEvent};
use crate::id::ConnectionId;
use crate::sync_cursor;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible, nothing};
use mapping::Mapping;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Whether a connection works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConnectionStatus {
    /// Consent has been asked for.
    Authorizing,
    /// It works.
    Active,
    /// It works in part, or with faults.
    Degraded,
    /// Its consent is gone: somebody must connect again. Its webhooks wait.
    ReauthRequired,
    /// Somebody stopped it.
    Paused,
    /// It has been disconnected: it has no credentials. A new consent for the same account revives it.
    Revoked,
}

impl ConnectionStatus {
    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Authorizing => &[Self::Active, Self::Revoked],
            Self::Active => &[
                Self::Degraded,
                Self::ReauthRequired,
                Self::Paused,
                Self::Revoked,
            ],
            Self::Degraded => &[
                Self::Active,
                Self::ReauthRequired,
                Self::Paused,
                Self::Revoked,
            ],
            Self::ReauthRequired | Self::Paused => &[Self::Active, Self::Revoked],
            // Only a new consent revives it; see [`connect`].
            Self::Revoked => &[],
        }
    }

    /// Whether the engine may call the vendor.
    #[must_use]
    pub const fn is_working(self) -> bool {
        matches!(self, Self::Active | Self::Degraded)
    }
}

/// What the vendor says of the connected account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(deny_unknown_fields)]
pub struct AccountFacts {
    /// The account's name, where the vendor tells it.
    pub name: Option<String>,
    /// The account's currency: that of amounts which name none.
    pub currency: Option<String>,
    /// The account's time zone: that of dates which name none.
    pub time_zone: Option<String>,
    /// The host of the vendor's own pages.
    pub ui_domain: Option<String>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connection")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConnectionId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Which connector: `hubspot`.
    pub connector: String,
    /// The vendor's name for the account (HubSpot: portal id); unique per connector.
    pub tenant_id: String,
    pub status: ConnectionStatus,
    pub status_reason: Option<String>,
    pub account: AccountFacts,
    /// The account's own address, with a vendor that has one for each.
    pub site: Option<String>,
    pub granted_scopes: Texts,
    pub mapping: Mapping,
    /// SHA-256, hex, of the unguessable part of its own address for webhooks, where the vendor does not sign.
    pub hook_hash: Option<String>,
    /// That part, sealed by the vault, to show to who sets the vendor up.
    pub hook: Option<String>,
    /// Sealed by the vault.
    pub credentials: Option<String>,
    /// Rises with every new set of tokens.
    pub credentials_version: i64,
    /// No call to the vendor before this instant: its Retry-After, for every process.
    pub paused_until: Option<Timestamp>,
    /// One process renews the credentials, until this instant at the latest.
    pub renewing_until: Option<Timestamp>,
    /// When the present consent was given: what the vendor says of one before concerns it no more.
    pub authorized_at: Option<Timestamp>,
    /// The vendor said that the consent covers more or less than before; `granted_scopes` are asked for at the next use.
    pub scopes_changed_at: Option<Timestamp>,
    /// When it was last seen to that the account sends its webhooks, or that was tried.
    pub tended_at: Option<Timestamp>,
    /// Why that did not work out.
    pub tending_error: Option<String>,
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
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// What a successful authorization brings.
#[derive(Clone, Debug)]
pub struct Authorized {
    /// Which connector.
    pub connector: String,
    /// Which account.
    pub tenant_id: String,
    /// What the vendor says of it.
    pub account: AccountFacts,
    /// The account's own address, with a vendor that has one for each.
    pub site: Option<String>,
    /// What was granted.
    pub granted_scopes: Vec<String>,
    /// How its records map to ours; used when the connection is new.
    pub mapping: Mapping,
}

/// Finds the connection of an account.
///
/// # Errors
/// When the database fails.
pub async fn find_by_tenant(
    connection: &impl ConnectionTrait,
    connector: &str,
    tenant_id: &str,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("connection"))
        .filter(Column::Connector.eq(connector))
        .filter(Column::TenantId.eq(tenant_id));
    Ok(select.one(connection).await?)
}

/// Finds the connection whose own door is this, unless it was disconnected.
///
/// # Errors
/// When the database fails.
pub async fn find_by_hook(
    connection: &impl ConnectionTrait,
    connector: &str,
    hook_hash: &str,
) -> Result<Option<Model>> {
    let select = Entity::visible_to(&Viewer::system("connection"))
        .filter(Column::Connector.eq(connector))
        .filter(Column::HookHash.eq(hook_hash))
        .filter(Column::Status.ne(ConnectionStatus::Revoked));
    Ok(select.one(connection).await?)
}

/// Gives a connection its own door.
///
/// # Errors
/// When the database fails.
pub async fn set_hook(
    change: &Change,
    id: ConnectionId,
    hook_hash: String,
    sealed: String,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::HookHash, Expr::value(hook_hash))
        .col_expr(Column::Hook, Expr::value(sealed))
        .filter(Column::Id.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Stores an authorized account: a new connection, or the same one connected again, with the links and the mapping it had, also after it was
/// disconnected. One that somebody paused has its consent renewed and stays paused. `seal` is called with the row's id and seals the credentials
/// bound to it.
///
/// # Errors
/// When the database fails.
pub async fn connect(
    change: &mut Change,
    authorized: Authorized,
    seal: impl FnOnce(ConnectionId) -> String,
) -> Result<Model> {
    let known = find_by_tenant(
        change.transaction(),
        &authorized.connector,
        &authorized.tenant_id,
    )
    .await?;
    let now = change.now();
    let row = match known {
        None => {
            let id: ConnectionId = change.new_id();
            let row = Model {
                id,
                version: 1,
                created_at: now,
                updated_at: now,
                connector: authorized.connector,
                tenant_id: authorized.tenant_id,
                status: ConnectionStatus::Active,
                status_reason: None,
                account: authorized.account,
                site: authorized.site,
                granted_scopes: Texts(authorized.granted_scopes),
                mapping: authorized.mapping,
                hook_hash: None,
                hook: None,
                credentials: Some(seal(id)),
                credentials_version: 1,
                paused_until: None,
                renewing_until: None,
                authorized_at: Some(now),
                scopes_changed_at: None,
                tended_at: None,
                tending_error: None,
            };
            crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
            row
        }
        Some(row) => {
            let version = row.version;
            let mut active: ActiveModel = row.clone().into();
            active.id = Unchanged(row.id);
            active.version = Set(version + 1);
            active.updated_at = Set(now);
            if row.status != ConnectionStatus::Paused {
                active.status = Set(ConnectionStatus::Active);
                active.status_reason = Set(None);
            }
            active.account = Set(authorized.account);
            active.site = Set(authorized.site);
            active.granted_scopes = Set(Texts(authorized.granted_scopes));
            active.credentials = Set(Some(seal(row.id)));
            active.credentials_version = Set(row.credentials_version + 1);
            active.paused_until = Set(None);
            active.renewing_until = Set(None);
            active.authorized_at = Set(Some(now));
            active.scopes_changed_at = Set(None);
            active.tended_at = Set(None);
            active.tending_error = Set(None);
            crate::write::update(change, active, version).await?
        }
    };
    let data = json!({ "connector": row.connector, "account": row.tenant_id, "scopes": row.granted_scopes });
    change.record(NewEvent::about(EventKind::ConnectionConnected, row.id, data).internal());
    Ok(row)
}

/// Moves a connection to another status, with the reason.
///
/// # Errors
/// A transition the status does not have, or a fault of the database.
pub async fn set_status(
    change: &mut Change,
    row: Model,
    status: ConnectionStatus,
    reason: Option<String>,
) -> Result<Model> {
    if row.status == status {
        return Ok(row);
    }
    if !row.status.transitions().contains(&status) {
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            format!(
                "A connection cannot go from {:?} to {status:?}.",
                row.status
            ),
        ));
    }
    let version = row.version;
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(status);
    active.status_reason = Set(reason.clone());
    let updated = crate::write::update(change, active, version).await?;
    let kind = match status {
        ConnectionStatus::Degraded => Some(EventKind::ConnectionDegraded),
        ConnectionStatus::ReauthRequired => Some(EventKind::ConnectionReauthRequired),
        ConnectionStatus::Active if row.status == ConnectionStatus::Paused => {
            Some(EventKind::ConnectionResumed)
        }
        ConnectionStatus::Active => Some(EventKind::ConnectionConnected),
        ConnectionStatus::Paused => Some(EventKind::ConnectionPaused),
        ConnectionStatus::Revoked => Some(EventKind::ConnectionDisconnected),
        ConnectionStatus::Authorizing => None,
    };
    if let Some(kind) = kind {
        change.record(
            NewEvent::about(
                kind,
                updated.id,
                json!({ "from": row.status, "reason": reason }),
            )
            .internal(),
        );
    }
    Ok(updated)
}

/// Stops a connection until somebody resumes it: nothing is read and nothing is sent; what comes in waits.
///
/// # Errors
/// When it does not work anyway, or the database fails.
pub async fn pause(change: &mut Change, row: Model) -> Result<Model> {
    let reason = format!("Paused by {}.", change.author().actor);
    set_status(change, row, ConnectionStatus::Paused, Some(reason)).await
}

/// Lets a paused connection go on: what waited is due at once.
///
/// # Errors
/// When it is not paused, or the database fails.
pub async fn resume(change: &mut Change, row: Model) -> Result<Model> {
    if row.status != ConnectionStatus::Paused {
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "id",
            format!("The connection is {:?}, not paused.", row.status),
        ));
    }
    let row = set_status(change, row, ConnectionStatus::Active, None).await?;
    sync_cursor::make_due(change.transaction(), row.id, change.now()).await?;
    Ok(row)
}

/// Disconnects an account: its credentials are destroyed and it is called no more. Its links and its mapping stay for the day it is connected
/// again, and so do our own rows. Doing it again changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn disconnect(change: &mut Change, row: Model) -> Result<Model> {
    if row.status == ConnectionStatus::Revoked {
        return Ok(row);
    }
    let version = row.version;
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(ConnectionStatus::Revoked);
    active.status_reason = Set(Some(format!("Disconnected by {}.", change.author().actor)));
    active.credentials = Set(None);
    // A renewal that is under way must not bring credentials back.
    active.credentials_version = Set(row.credentials_version + 1);
    active.paused_until = Set(None);
    active.renewing_until = Set(None);
    let gone = crate::write::update(change, active, version).await?;
    let data =
        json!({ "connector": gone.connector, "account": gone.tenant_id, "from": row.status });
    change.record(NewEvent::about(EventKind::ConnectionDisconnected, gone.id, data).internal());
    Ok(gone)
}

/// Gives a connection another mapping. The same one again changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn set_mapping(change: &mut Change, row: Model, mapping: Mapping) -> Result<Model> {
    let resources: Vec<&str> = [
        ("company", row.mapping.company != mapping.company),
        ("contact", row.mapping.contact != mapping.contact),
        ("deal", row.mapping.deal != mapping.deal),
        ("order", row.mapping.order != mapping.order),
        ("chat", row.mapping.chat != mapping.chat),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(resource, _)| resource)
    .collect();
    if resources.is_empty() {
        return Ok(row);
    }
    let version = row.version;
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.mapping = Set(mapping);
    let changed = crate::write::update(change, active, version).await?;
    let data = json!({ "resources": resources, "from": row.mapping, "to": changed.mapping });
    change
        .record(NewEvent::about(EventKind::ConnectionMappingChanged, changed.id, data).internal());
    Ok(changed)
}

/// Claims the renewal of the credentials of `seen_version` for some milliseconds: a refresh token may be good for one redemption only, so it is
/// offered by one process at a time. The answer says whether this call has it.
///
/// # Errors
/// When the database fails.
pub async fn claim_renewal(
    database: &crate::database::Database,
    id: ConnectionId,
    seen_version: i64,
    millis: i64,
) -> Result<bool> {
    let now = database.now();
    let done = Entity::update_many()
        .col_expr(Column::RenewingUntil, Expr::value(now.plus_millis(millis)))
        .filter(Column::Id.eq(id))
        .filter(Column::CredentialsVersion.eq(seen_version))
        .filter(
            Condition::any()
                .add(Column::RenewingUntil.is_null())
                .add(Column::RenewingUntil.lte(now)),
        )
        .exec(database.write())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Gives a claimed renewal back, because nothing came of it.
///
/// # Errors
/// When the database fails.
pub async fn release_renewal(
    database: &crate::database::Database,
    id: ConnectionId,
    seen_version: i64,
) -> Result<()> {
    Entity::update_many()
        .col_expr(
            Column::RenewingUntil,
            Expr::value(Option::<Timestamp>::None),
        )
        .filter(Column::Id.eq(id))
        .filter(Column::CredentialsVersion.eq(seen_version))
        .exec(database.write())
        .await?;
    Ok(())
}

/// Takes every claimed renewal away. Only for a caller that knows no other process works on this database.
///
/// # Errors
/// When the database fails.
pub async fn break_renewals(database: &crate::database::Database) -> Result<()> {
    Entity::update_many()
        .col_expr(
            Column::RenewingUntil,
            Expr::value(Option::<Timestamp>::None),
        )
        .filter(Column::RenewingUntil.is_not_null())
        .exec(database.write())
        .await?;
    Ok(())
}

/// Replaces the sealed credentials if nobody else has since `seen_version`; the answer says whether this call did.
///
/// # Errors
/// When the database fails.
pub async fn swap_credentials(
    database: &crate::database::Database,
    id: ConnectionId,
    seen_version: i64,
    sealed: String,
) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::Credentials, Expr::value(sealed))
        .col_expr(Column::CredentialsVersion, Expr::value(seen_version + 1))
        .col_expr(
            Column::RenewingUntil,
            Expr::value(Option::<Timestamp>::None),
        )
        .filter(Column::Id.eq(id))
        .filter(Column::CredentialsVersion.eq(seen_version))
        .exec(database.write())
        .await?;
    Ok(done.rows_affected == 1)
}

/// Forbids calls to the vendor until an instant; a later instant that is already set stays.
///
/// # Errors
/// When the database fails.
pub async fn pause_until(
    database: &crate::database::Database,
    id: ConnectionId,
    until: Timestamp,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PausedUntil, Expr::value(until))
        .filter(Column::Id.eq(id))
        .filter(
            Condition::any()
                .add(Column::PausedUntil.is_null())
                .add(Column::PausedUntil.lt(until)),
        )
        .exec(database.write())
        .await?;
    Ok(())
}

/// Asks for a synchronisation at once: the cursors of the connection become due. What the vendor asked us to wait for still holds.
///
/// # Errors
/// When the connection does not work, or the database fails.
pub async fn request_sync(change: &mut Change, row: Model) -> Result<Model> {
    if !row.status.is_working() {
        let message = format!(
            "The connection is {:?}: {}",
            row.status,
            row.status_reason
                .as_deref()
                .unwrap_or("connect it again first.")
        );
        return Err(Error::invalid(
            ViolationCode::Locked,
            "connectionId",
            message,
        ));
    }
    sync_cursor::make_due(change.transaction(), row.id, change.now()).await?;
    Ok(row)
}
