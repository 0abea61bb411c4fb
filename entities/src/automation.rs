//! Automations: when something happens that meets conditions, something is said or called.
//!
//! Owns the rows, their states, and in whose name each reads what it speaks of: whoever changed it last, as with webhook endpoints. Refuses: partners, who
//! have webhook endpoints of their own; a chat to whoever may not manage connections; and more than so many an hour. Invariants: an automation hears of
//! what happens after it was enabled; and what the programme's automations bring about is heard by none of them, for its events are by [`ACTOR`].

mod action;
pub mod condition;
pub mod preset;

pub use action::Action;
pub use condition::{Condition, Conditions};

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::Diff;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, Head, NewEvent};
use crate::id::{AutomationId, PartnerId, WebhookEndpointId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible, nothing};
use crate::webhook_endpoint::{Owner, Partners};
use crate::{automation_run, partner, write};
use sea_orm::ActiveValue::Set;
use sea_orm::IntoActiveModel as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition as SqlCondition;
use serde_json::{Value as Json, json};

/// The author of whatever automations write.
pub const ACTOR: &str = "automation";
/// The most conditions of one.
pub const MOST_CONDITIONS: usize = 20;
/// How often one acts in an hour when nothing is said.
pub const PER_HOUR: i32 = 100;
/// How often it may at most.
pub const MOST_PER_HOUR: i32 = 1_000;
/// The most partners of a filter.
const MOST_PARTNERS: usize = 100;
/// The most automations.
const MOST: u64 = 200;
/// The most bytes of a selection.
const LONGEST_SELECTION: usize = 8_192;

text_enum! {
    /// Whether an automation acts.
    AutomationStatus {
        /// It does.
        Enabled,
        /// It does not, and misses what happens.
        Disabled,
    }
}

/// An automation.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "automation")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AutomationId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub name: String,
    /// The event type it hears.
    pub kind: String,
    /// The partners whose events it hears; everybody's where there are none.
    pub partners: Partners,
    /// What it knows of an event: a GraphQL selection on it.
    pub selection: String,
    pub conditions: Conditions,
    pub action: Action,
    pub owner: Owner,
    pub per_hour: i32,
    pub status: AutomationStatus,
    pub disabled_reason: Option<String>,
    /// What happened before is not its matter.
    pub enabled_at: Timestamp,
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
    fn visible_to_partner(_: Own) -> SqlCondition {
        nothing()
    }
}

impl Model {
    /// In whose name it reads today; nobody's where its owner may not any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn viewer(&self, connection: &impl ConnectionTrait) -> Result<Viewer> {
        self.owner.viewer(connection, None).await
    }

    /// Whether a viewer may itself read everything that its owner might.
    #[must_use]
    pub fn tells_nothing_new_to(&self, viewer: &Viewer) -> bool {
        self.owner.sees_no_more_than(None, viewer)
    }

    /// Whether it hears of an event, as far as the event's head says. History does not act, and neither does what an automation brought about.
    #[must_use]
    pub fn hears(&self, event: &Head) -> bool {
        self.status == AutomationStatus::Enabled
            && self.kind == event.kind
            && !event.origin.is_history()
            && event.actor != ACTOR
            && event.occurred_at >= self.enabled_at
    }
}

/// What an automation is made of.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewAutomation {
    pub name: String,
    pub kind: String,
    pub partners: Vec<PartnerId>,
    pub selection: String,
    pub conditions: Conditions,
    pub action: Action,
    pub per_hour: i32,
}

/// What changes of an automation; what is absent stays.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct AutomationPatch {
    pub name: Option<String>,
    pub kind: Option<String>,
    pub partners: Option<Vec<PartnerId>>,
    pub selection: Option<String>,
    pub conditions: Option<Conditions>,
    pub action: Option<Action>,
    pub per_hour: Option<i32>,
}

/// Makes an automation, enabled, that reads in the viewer's name from now on. Its selection and templates were held against the schema by the caller.
///
/// # Errors
/// Refused input, or a fault of the database.
pub async fn create(change: &mut Change, viewer: &Viewer, new: NewAutomation) -> Result<Model> {
    let now = change.now();
    let row = Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        name: new.name.trim().to_owned(),
        kind: new.kind,
        partners: Partners(new.partners.into_iter().map(|id| id.0).collect()),
        selection: new.selection,
        conditions: new.conditions,
        action: new.action,
        owner: Owner::of(viewer),
        per_hour: new.per_hour,
        status: AutomationStatus::Enabled,
        disabled_reason: None,
        enabled_at: now,
    };
    let mut violations = Violations::default();
    check(change, viewer, &row, &mut violations).await?;
    let others = Entity::visible_to(&Viewer::system("automation"))
        .count(change.transaction())
        .await?;
    if others >= MOST {
        let message = format!("At most {MOST} automations.");
        violations.add(ViolationCode::TooLong, "", message);
    }
    violations.finish()?;
    write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "name": row.name, "type": row.kind });
    change.record(about(EventKind::AutomationCreated, &row, data));
    Ok(row)
}

/// Reads an automation for a change.
///
/// # Errors
/// Not found, a version conflict, or a fault of the database.
pub async fn lock(
    change: &Change,
    viewer: &Viewer,
    id: AutomationId,
    expected_version: Option<i64>,
) -> Result<Model> {
    visible::lock_one::<Entity>(change, viewer, id.0, expected_version).await
}

/// An automation as it would be after a patch by this viewer.
#[must_use]
pub fn patched(row: &Model, viewer: &Viewer, patch: AutomationPatch) -> Model {
    let mut new = row.clone();
    new.name = patch.name.map_or(new.name, |name| name.trim().to_owned());
    new.kind = patch.kind.unwrap_or(new.kind);
    new.partners = patch.partners.map_or(new.partners, |ids| {
        Partners(ids.into_iter().map(|id| id.0).collect())
    });
    new.selection = patch.selection.unwrap_or(new.selection);
    new.conditions = patch.conditions.unwrap_or(new.conditions);
    new.action = patch.action.unwrap_or(new.action);
    new.per_hour = patch.per_hour.unwrap_or(new.per_hour);
    new.owner = Owner::of(viewer);
    new
}

/// Puts [`patched`] in the place of a row; from then on it reads in the viewer's name.
///
/// # Errors
/// Refused input, a version conflict, or a fault of the database.
pub async fn update(change: &mut Change, viewer: &Viewer, row: Model, new: Model) -> Result<Model> {
    let mut violations = Violations::default();
    check(change, viewer, &new, &mut violations).await?;
    violations.finish()?;
    let mut diff = Diff::new();
    let mut note = |name: &str, from: Json, to: Json| {
        if from != to {
            diff.note(name, &from, &to);
        }
    };
    note("name", json!(row.name), json!(new.name));
    note("type", json!(row.kind), json!(new.kind));
    let partners = |row: &Model| json!(row.partners.ids());
    note("partnerIds", partners(&row), partners(&new));
    note("selection", json!(row.selection), json!(new.selection));
    note("conditions", json!(row.conditions), json!(new.conditions));
    note("action", json!(row.action), json!(new.action));
    note("perHour", json!(row.per_hour), json!(new.per_hour));
    if diff.is_empty() && row.owner == new.owner {
        return Ok(row);
    }
    let changed = diff.into_data();
    let new = store(change, new, row.version).await?;
    change.record(about(EventKind::AutomationUpdated, &new, changed));
    Ok(new)
}

/// Lets an automation act again, on what happens from now on.
///
/// # Errors
/// A version conflict, or a fault of the database.
pub async fn enable(change: &mut Change, row: Model) -> Result<Model> {
    if row.status == AutomationStatus::Enabled {
        return Ok(row);
    }
    let version = row.version;
    let new = Model {
        status: AutomationStatus::Enabled,
        disabled_reason: None,
        enabled_at: change.now(),
        ..row
    };
    let new = store(change, new, version).await?;
    change.record(about(EventKind::AutomationEnabled, &new, json!({})));
    Ok(new)
}

/// Ends an automation's acting, with a reason where it is not somebody's wish. What it has not done yet it does not do.
///
/// # Errors
/// A version conflict, or a fault of the database.
pub async fn disable(change: &mut Change, row: Model, reason: Option<&str>) -> Result<Model> {
    if row.status == AutomationStatus::Disabled {
        return Ok(row);
    }
    let version = row.version;
    let new = Model {
        status: AutomationStatus::Disabled,
        disabled_reason: reason.map(str::to_owned),
        ..row
    };
    let new = store(change, new, version).await?;
    let data = json!({ "reason": reason });
    change.record(about(EventKind::AutomationDisabled, &new, data));
    Ok(new)
}

/// Removes an automation and the log of what it did.
///
/// # Errors
/// When the database fails.
pub async fn delete(change: &mut Change, row: Model) -> Result<()> {
    automation_run::forget(change, row.id).await?;
    Entity::delete_many()
        .filter(Column::Id.eq(row.id))
        .exec(change.transaction())
        .await?;
    let data = json!({ "name": row.name, "type": row.kind });
    change.record(about(EventKind::AutomationDeleted, &row, data));
    Ok(())
}

/// The automations that act.
///
/// # Errors
/// When the database fails.
pub async fn list_enabled(connection: &impl ConnectionTrait) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("automation"))
        .filter(Column::Status.eq(AutomationStatus::Enabled));
    Ok(select.all(connection).await?)
}

/// An automation that calls an endpoint; none when nothing does.
///
/// # Errors
/// When the database fails.
pub async fn find_calling(
    connection: &impl ConnectionTrait,
    endpoint: WebhookEndpointId,
) -> Result<Option<Model>> {
    // There are few, and no index could say what stands within them.
    let rows = Entity::visible_to(&Viewer::system("automation"))
        .all(connection)
        .await?;
    let calls = |row: &Model| row.action.endpoint() == Some(endpoint);
    Ok(rows.into_iter().find(calls))
}

async fn store(change: &Change, mut new: Model, version: i64) -> Result<Model> {
    new.version = version + 1;
    new.updated_at = change.now();
    let mut active = new.clone().into_active_model();
    active.version = Set(new.version);
    active.updated_at = Set(new.updated_at);
    active.name = Set(new.name);
    active.kind = Set(new.kind);
    active.partners = Set(new.partners);
    active.selection = Set(new.selection);
    active.conditions = Set(new.conditions);
    active.action = Set(new.action);
    active.owner = Set(new.owner);
    active.per_hour = Set(new.per_hour);
    active.status = Set(new.status);
    active.disabled_reason = Set(new.disabled_reason);
    active.enabled_at = Set(new.enabled_at);
    write::update(change, active, version).await
}

async fn check(
    change: &Change,
    viewer: &Viewer,
    row: &Model,
    violations: &mut Violations,
) -> Result<()> {
    violations.line("name", &row.name, 200);
    if !EventKind::ALL.iter().any(|kind| kind.as_str() == row.kind) {
        let message = format!("There is no event type {:?}.", row.kind);
        violations.add(ViolationCode::Invalid, "type", message);
    }
    violations.text("selection", &row.selection, LONGEST_SELECTION);
    if !(1..=MOST_PER_HOUR).contains(&row.per_hour) {
        let message = format!("Between 1 and {MOST_PER_HOUR}.");
        violations.add(ViolationCode::Invalid, "perHour", message);
    }
    let mut partners = row.partners.0.clone();
    partners.sort_unstable();
    partners.dedup();
    if partners.len() > MOST_PARTNERS {
        let message = format!("At most {MOST_PARTNERS} partners.");
        violations.add(ViolationCode::TooLong, "partnerIds", message);
    } else if !partners.is_empty() {
        let (read, count) = (change.transaction(), partners.len());
        let seen = visible::count_among::<partner::Entity, _>(read, viewer, partners).await?;
        if seen < count {
            violations.add(ViolationCode::NotFound, "partnerIds", "No such partner.");
        }
    }
    row.conditions.check(violations, "conditions");
    row.action.check(change, viewer, violations).await
}

fn about(kind: EventKind, row: &Model, data: Json) -> NewEvent {
    NewEvent::about(kind, row.id, data).internal()
}
