//! A list of tasks that an onboarding begins with, as data: each with its step and the weeks it is meant for.
//!
//! Owns the lists; the last of a name is the one that is used. Invariant: a list never changes, another one of its name takes its place, and what was begun
//! with it goes on as it was begun. Internal: partners see their tasks, not what these were made from.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::ChecklistId;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{FromJsonQueryResult, QueryOrder as _, QuerySelect as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

text_enum! {
    /// To which part of an onboarding a task belongs.
    OnboardingStep {
        /// Getting to know each other.
        InitialContact,
        /// Agreeing.
        PartnershipAgreement,
        /// Making things work together.
        TechnicalIntegration,
        /// Going to market.
        GoToMarket,
    }
}

/// A task of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChecklistItem {
    /// To which part it belongs.
    pub step: OnboardingStep,
    /// What is to be done.
    pub title: String,
    /// The first week it is meant for; 1 is the week of the beginning.
    pub from_week: i32,
    /// The last.
    pub to_week: i32,
}

/// Tasks as a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Items(pub Vec<ChecklistItem>);

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checklist")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ChecklistId,
    pub created_at: Timestamp,
    pub name: String,
    pub description: String,
    pub items: Items,
    pub published_by: String,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// What a list is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewChecklist {
    pub name: String,
    pub description: String,
    pub items: Vec<ChecklistItem>,
}

/// The present list of a name; of any name, the last one that was published.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    name: Option<&str>,
) -> Result<Option<Model>> {
    let mut select = Entity::visible_to(viewer)
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(1);
    if let Some(name) = name {
        select = select.filter(Column::Name.eq(name));
    }
    Ok(select.one(connection).await?)
}

/// Publishes a list; the one that is present already is not published again.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn publish(change: &mut Change, input: NewChecklist) -> Result<Model> {
    check(&input)?;
    let system = Viewer::system("checklist");
    let present = find(change.transaction(), &system, Some(&input.name)).await?;
    if let Some(present) = present
        && present.items.0 == input.items
        && present.description == input.description
    {
        return Ok(present);
    }
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        name: input.name,
        description: input.description,
        items: Items(input.items),
        published_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "name": row.name, "items": row.items.0.len() });
    change.record(NewEvent::about(EventKind::ChecklistPublished, row.id, data).internal());
    Ok(row)
}

fn check(input: &NewChecklist) -> Result<()> {
    let mut violations = Violations::default();
    violations.line("name", &input.name, 200);
    violations.optional_text("description", Some(&input.description), 5_000);
    if input.items.is_empty() || input.items.len() > 100 {
        violations.add(ViolationCode::Invalid, "items", "Between 1 and 100 tasks.");
    }
    for item in &input.items {
        violations.line("items.title", &item.title, 300);
        if item.from_week < 1 || item.to_week < item.from_week || item.to_week > 520 {
            let message = "Weeks count from 1, and the last is not before the first.";
            violations.add(ViolationCode::Invalid, "items.fromWeek", message);
        }
    }
    violations.finish()
}
