//! Where a subscriber wants to hear of events, and of which.
//!
//! Owns: the rows, their states, and in whose name an endpoint hears. Refuses: to let anybody hear more by an endpoint than they may read: whoever
//! changes where or what is sent becomes the owner, and a partner's endpoint stays the partner's. Invariant: secrets are sealed before they come here,
//! and no event says one.

mod owner;

pub use owner::{Owner, Standing};

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::Diff;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, Head, NewEvent};
use crate::id::{PartnerId, WebhookEndpointId};
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{partner, webhook_delivery, write};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{FromJsonQueryResult, IntoActiveModel as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Failing for so long, an endpoint is disabled: five days, in milliseconds.
pub const PATIENCE_MS: i64 = 5 * 24 * 3_600 * 1_000;
/// The longest time in which the secret before still signs, in milliseconds: seven days.
pub const LONGEST_OVERLAP_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// The most event types and partners of a filter.
const MOST_VALUES: usize = 100;
/// The most endpoints of one organisation.
const MOST_ENDPOINTS: u64 = 200;

/// Whether an endpoint hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndpointStatus {
    /// It hears.
    Active,
    /// What happens waits for it.
    Paused,
    /// It hears nothing, and nothing waits for it.
    Disabled,
}

/// Event types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Kinds(pub Vec<String>);

/// Partners by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Partners(pub Vec<Uuid>);

impl Partners {
    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<PartnerId> {
        self.0.iter().copied().map(PartnerId).collect()
    }
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_endpoint")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookEndpointId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Whose it is; the programme's where there is none.
    pub partner_id: Option<PartnerId>,
    pub name: String,
    pub url: String,
    /// The event types it hears; all where there are none.
    pub kinds: Kinds,
    /// The partners whose events it hears; everybody's where there are none.
    pub partners: Partners,
    pub with_history: bool,
    /// What is said of an event: a GraphQL selection on it.
    pub selection: String,
    /// Rises when something changes that decides what is said or to whom, so that nothing rendered before is sent after.
    pub rendering: i64,
    pub owner: Owner,
    /// Sealed.
    pub secret: String,
    /// Sealed.
    pub previous_secret: Option<String>,
    pub previous_secret_until: Option<Timestamp>,
    pub status: EndpointStatus,
    pub disabled_reason: Option<String>,
    /// Since when no delivery has arrived.
    pub failing_since: Option<Timestamp>,
    /// It hears nothing by itself: automations tell it.
    pub only_called: bool,
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
    /// A partner's own organisation alone: its software is nobody else's, not even that of the company above it.
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.alone().holds((Entity, Column::PartnerId)))
    }
}

impl Model {
    /// In whose name it hears today; nobody's where its owner may not hear any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn viewer(&self, connection: &impl ConnectionTrait) -> Result<Viewer> {
        self.owner.viewer(connection, self.partner_id).await
    }

    /// Whether its owner may hear today, and why not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, connection: &impl ConnectionTrait) -> Result<Standing> {
        self.owner.standing(connection, self.partner_id).await
    }

    /// What a body is kept under: another number as soon as the endpoint or what its owner may see is another, so that nothing rendered before is sent after.
    #[must_use]
    pub fn rendering_for(&self, viewer: &Viewer) -> i64 {
        let (kind, scopes) = (viewer.kind(), viewer.scopes().to_claim());
        let text = format!("{} {kind:?} {scopes}", self.rendering);
        let digest = Sha256::digest(text.as_bytes());
        let first = digest.first_chunk::<8>().copied().unwrap_or_default();
        i64::from_be_bytes(first)
    }

    /// Whether a viewer may itself read everything that was rendered for this endpoint.
    #[must_use]
    pub fn tells_nothing_new_to(&self, viewer: &Viewer) -> bool {
        self.owner.sees_no_more_than(self.partner_id, viewer)
    }

    /// Whether it wants an event of this kind; whom the event concerns and who may see it, the database says.
    #[must_use]
    pub fn wants(&self, event: &Head) -> bool {
        !self.only_called
            && (self.kinds.0.is_empty() || self.kinds.0.contains(&event.kind))
            && (self.with_history || !event.origin.is_history())
    }
}

/// An endpoint to be made.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewEndpoint {
    pub id: WebhookEndpointId,
    pub name: String,
    pub url: String,
    pub kinds: Vec<String>,
    pub partners: Vec<PartnerId>,
    pub with_history: bool,
    pub selection: String,
    pub only_called: bool,
    /// Sealed.
    pub secret: String,
}

/// What changes of an endpoint; what is absent stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct EndpointPatch {
    pub name: Option<String>,
    pub url: Option<String>,
    pub kinds: Option<Vec<String>>,
    pub partners: Option<Vec<PartnerId>>,
    pub with_history: Option<bool>,
    pub only_called: Option<bool>,
    pub selection: Option<String>,
}

/// Makes an endpoint that hears in the viewer's name from now on.
///
/// # Errors
/// Refused input, or a fault of the database.
pub async fn create(change: &mut Change, viewer: &Viewer, new: NewEndpoint) -> Result<Model> {
    let mut violations = Violations::default();
    violations.text("name", &new.name, 200);
    violations.text("url", &new.url, 2_000);
    check_filter(
        change,
        viewer,
        &mut violations,
        Some(&new.kinds),
        Some(&new.partners),
    )
    .await?;
    let others = Entity::visible_to(&Viewer::system("webhook_endpoint"))
        .filter(match viewer.partner() {
            Some(partner) => Column::PartnerId.eq(partner),
            None => Column::PartnerId.is_null(),
        })
        .count(change.transaction())
        .await?;
    if others >= MOST_ENDPOINTS {
        violations.add(
            ViolationCode::TooLong,
            "",
            format!("At most {MOST_ENDPOINTS} endpoints."),
        );
    }
    violations.finish()?;
    let now = change.now();
    let row = Model {
        id: new.id,
        version: 1,
        created_at: now,
        updated_at: now,
        partner_id: viewer.partner(),
        name: new.name,
        url: new.url,
        kinds: Kinds(new.kinds),
        partners: Partners(new.partners.into_iter().map(|id| id.0).collect()),
        with_history: new.with_history,
        selection: new.selection,
        rendering: 1,
        owner: Owner::of(viewer),
        secret: new.secret,
        previous_secret: None,
        previous_secret_until: None,
        status: EndpointStatus::Active,
        disabled_reason: None,
        failing_since: None,
        only_called: new.only_called,
    };
    write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "name": row.name, "host": host(&row.url) });
    change.record(about(EventKind::WebhookEndpointCreated, &row, data));
    Ok(row)
}

/// Reads an endpoint that a viewer may change.
///
/// # Errors
/// Not found, a version conflict, or a fault of the database.
pub async fn lock(
    change: &Change,
    viewer: &Viewer,
    id: WebhookEndpointId,
    expected_version: Option<i64>,
) -> Result<Model> {
    visible::lock_one::<Entity>(change, viewer, id.0, expected_version).await
}

/// Changes an endpoint, which from then on hears in the viewer's name.
///
/// # Errors
/// Refused input, a version conflict, or a fault of the database.
pub async fn update(
    change: &mut Change,
    viewer: &Viewer,
    row: Model,
    patch: EndpointPatch,
) -> Result<Model> {
    let mut violations = Violations::default();
    // What the programme's staff may read is not for the partner's address.
    if row.partner_id != viewer.partner() {
        violations.add(
            ViolationCode::Locked,
            "id",
            "This endpoint is a partner's: only the partner changes it.",
        );
    }
    if let Some(name) = &patch.name {
        violations.text("name", name, 200);
    }
    if let Some(url) = &patch.url {
        violations.text("url", url, 2_000);
    }
    check_filter(
        change,
        viewer,
        &mut violations,
        patch.kinds.as_deref(),
        patch.partners.as_deref(),
    )
    .await?;
    violations.finish()?;
    let version = row.version;
    let mut new = row.clone();
    new.name = patch.name.unwrap_or(new.name);
    new.url = patch.url.unwrap_or(new.url);
    new.kinds = patch.kinds.map_or(new.kinds, Kinds);
    new.partners = patch.partners.map_or(new.partners, |ids| {
        Partners(ids.into_iter().map(|id| id.0).collect())
    });
    new.with_history = patch.with_history.unwrap_or(new.with_history);
    new.only_called = patch.only_called.unwrap_or(new.only_called);
    new.selection = patch.selection.unwrap_or(new.selection);
    new.owner = Owner::of(viewer);
    let mut diff = Diff::new();
    let mut note = |name: &str, from: serde_json::Value, to: serde_json::Value| {
        if from != to {
            diff.note(name, &from, &to);
        }
    };
    note("name", json!(row.name), json!(new.name));
    note("types", json!(row.kinds), json!(new.kinds));
    let partners = |row: &Model| json!(row.partners.ids());
    note("partnerIds", partners(&row), partners(&new));
    note(
        "includeHistory",
        json!(row.with_history),
        json!(new.with_history),
    );
    note("onlyCalled", json!(row.only_called), json!(new.only_called));
    note("selection", json!(row.selection), json!(new.selection));
    if row.url != new.url {
        // An address may hold a secret of the receiver's; the log says where it leads and no more.
        diff.note("host", &host(&row.url), &host(&new.url));
    }
    if diff.is_empty() && row.owner == new.owner {
        return Ok(row);
    }
    let said = (&row.url, &row.selection, &row.owner);
    if said != (&new.url, &new.selection, &new.owner) {
        new.rendering += 1;
    }
    new.version += 1;
    new.updated_at = change.now();
    let changed = diff.into_data();
    let new = store(change, new, version).await?;
    change.record(about(EventKind::WebhookEndpointUpdated, &new, changed));
    Ok(new)
}

/// Gives an endpoint another secret. The one before signs as well for a while.
///
/// # Errors
/// Refused input, a version conflict, or a fault of the database.
pub async fn rotate_secret(
    change: &mut Change,
    row: Model,
    secret: String,
    overlap_ms: i64,
) -> Result<Model> {
    if !(0..=LONGEST_OVERLAP_MS).contains(&overlap_ms) {
        let most = LONGEST_OVERLAP_MS / 3_600_000;
        let message = format!("The overlap is between 0 and {most} hours.");
        return Err(Error::invalid(
            ViolationCode::Invalid,
            "overlapHours",
            message,
        ));
    }
    let version = row.version;
    let mut new = row;
    let overlaps = overlap_ms > 0;
    let before = std::mem::replace(&mut new.secret, secret);
    new.previous_secret = overlaps.then_some(before);
    new.previous_secret_until = overlaps.then(|| change.now().plus_millis(overlap_ms));
    new.version += 1;
    new.updated_at = change.now();
    let new = store(change, new, version).await?;
    let data = json!({ "previousUntil": new.previous_secret_until });
    change.record(about(EventKind::WebhookEndpointSecretRotated, &new, data));
    Ok(new)
}

/// Lets what happens wait.
///
/// # Errors
/// A transition that is not allowed, a version conflict, or a fault of the database.
pub async fn pause(change: &mut Change, row: Model) -> Result<Model> {
    match row.status {
        EndpointStatus::Paused => Ok(row),
        EndpointStatus::Active => {
            let new = set_status(change, row, EndpointStatus::Paused, None).await?;
            change.record(about(EventKind::WebhookEndpointPaused, &new, json!({})));
            Ok(new)
        }
        EndpointStatus::Disabled => Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "id",
            "A disabled endpoint cannot be paused; resume it.",
        )),
    }
}

/// Lets an endpoint hear again, paused or disabled. It gets all its patience anew.
///
/// # Errors
/// A version conflict, or a fault of the database.
pub async fn resume(change: &mut Change, row: Model) -> Result<Model> {
    if row.status == EndpointStatus::Active {
        return Ok(row);
    }
    let new = set_status(change, row, EndpointStatus::Active, None).await?;
    change.record(about(EventKind::WebhookEndpointResumed, &new, json!({})));
    Ok(new)
}

/// Ends an endpoint's hearing, with the reason that people are told.
///
/// # Errors
/// A version conflict, or a fault of the database.
pub async fn disable(change: &mut Change, row: Model, reason: &str) -> Result<Model> {
    if row.status == EndpointStatus::Disabled {
        return Ok(row);
    }
    let data = json!({ "reason": reason, "failingSince": row.failing_since });
    let reason = Some(reason.to_owned());
    let new = set_status(change, row, EndpointStatus::Disabled, reason).await?;
    change.record(about(EventKind::WebhookEndpointDisabled, &new, data));
    Ok(new)
}

/// Removes an endpoint, its secrets and the log of its deliveries; what was on its way is not sent any more.
///
/// # Errors
/// One that an automation calls, or a fault of the database.
pub async fn delete(change: &mut Change, row: Model) -> Result<()> {
    let calling = crate::automation::find_calling(change.transaction(), row.id).await?;
    if let Some(calling) = calling {
        let message = format!("The automation {} calls it: change that first.", calling.id);
        return Err(Error::invalid(ViolationCode::Locked, "id", message));
    }
    webhook_delivery::forget_all(change, row.id).await?;
    Entity::delete_many()
        .filter(Column::Id.eq(row.id))
        .exec(change.transaction())
        .await?;
    let data = json!({ "name": row.name, "host": host(&row.url) });
    change.record(about(EventKind::WebhookEndpointDeleted, &row, data));
    Ok(())
}

/// Notes whether deliveries arrive. It is no change of the endpoint, so its version stays.
///
/// # Errors
/// When the database fails.
pub async fn note_failing(
    change: &Change,
    id: WebhookEndpointId,
    since: Option<Timestamp>,
) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::FailingSince, Expr::value(since))
        .filter(Column::Id.eq(id));
    // The first failure counts, not the last.
    let update = match since {
        Some(_) => update.filter(Column::FailingSince.is_null()),
        None => update.filter(Column::FailingSince.is_not_null()),
    };
    update.exec(change.transaction()).await?;
    Ok(())
}

/// The endpoints in one of these states.
///
/// # Errors
/// When the database fails.
pub async fn list_in(
    connection: &impl ConnectionTrait,
    states: &[EndpointStatus],
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("webhook_endpoint"))
        .filter(Column::Status.is_in(states.iter().copied()));
    Ok(select.all(connection).await?)
}

async fn set_status(
    change: &Change,
    row: Model,
    status: EndpointStatus,
    reason: Option<String>,
) -> Result<Model> {
    let version = row.version;
    let mut new = row;
    new.status = status;
    new.disabled_reason = reason;
    if status == EndpointStatus::Active {
        new.failing_since = None;
    }
    new.version += 1;
    new.updated_at = change.now();
    store(change, new, version).await
}

/// Writes what can change of a row.
async fn store(change: &Change, new: Model, version: i64) -> Result<Model> {
    let mut active = new.clone().into_active_model();
    active.version = Set(new.version);
    active.updated_at = Set(new.updated_at);
    active.name = Set(new.name);
    active.url = Set(new.url);
    active.kinds = Set(new.kinds);
    active.partners = Set(new.partners);
    active.with_history = Set(new.with_history);
    active.selection = Set(new.selection);
    active.rendering = Set(new.rendering);
    active.owner = Set(new.owner);
    active.secret = Set(new.secret);
    active.previous_secret = Set(new.previous_secret);
    active.previous_secret_until = Set(new.previous_secret_until);
    active.status = Set(new.status);
    active.disabled_reason = Set(new.disabled_reason);
    active.failing_since = Set(new.failing_since);
    active.only_called = Set(new.only_called);
    write::update(change, active, version).await
}

async fn check_filter(
    change: &Change,
    viewer: &Viewer,
    violations: &mut Violations,
    kinds: Option<&[String]>,
    partners: Option<&[PartnerId]>,
) -> Result<()> {
    let kinds = kinds.unwrap_or_default();
    let unknown = kinds
        .iter()
        .find(|kind| !EventKind::ALL.iter().any(|known| known.as_str() == *kind));
    if kinds.len() > MOST_VALUES {
        let message = format!("At most {MOST_VALUES} event types.");
        violations.add(ViolationCode::TooLong, "types", message);
    } else if let Some(unknown) = unknown {
        let message = format!("There is no event type {unknown:?}.");
        violations.add(ViolationCode::Invalid, "types", message);
    }
    let mut partners = partners.unwrap_or_default().to_vec();
    partners.sort_unstable();
    partners.dedup();
    if partners.len() > MOST_VALUES {
        let message = format!("At most {MOST_VALUES} partners.");
        violations.add(ViolationCode::TooLong, "partnerIds", message);
    } else if !partners.is_empty() {
        let ids = partners.iter().map(|id| id.0);
        let seen =
            visible::count_among::<partner::Entity, _>(change.transaction(), viewer, ids).await?;
        if seen < partners.len() {
            violations.add(ViolationCode::NotFound, "partnerIds", "No such partner.");
        }
    }
    Ok(())
}

/// The host of an address, which is no secret.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn about(kind: EventKind, row: &Model, data: serde_json::Value) -> NewEvent {
    let event = NewEvent::about(kind, row.id, data);
    match row.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event.internal(),
    }
}
