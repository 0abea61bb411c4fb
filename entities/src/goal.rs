//! What the programme wants to reach: a measure, for whom it counts, a target, and by when.
//!
//! Owns the goals, each known by its key, so that a preset that is loaded again finds its own. Refuses: money without a currency, and a currency where
//! there is no money. Invariant: a goal is what somebody wants and never what was measured; numbers that do not add up stay as they were set. Internal:
//! partners see none.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::{Diff, archived};
use crate::error::{Result, ViolationCode, Violations};
use crate::event::EventKind;
use crate::event::NewEvent;
use crate::id::GoalId;
use crate::money::Currency;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible, nothing};
use chrono::NaiveDate;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;
use std::collections::BTreeSet;

text_enum! {
    /// What a goal's numbers are.
    GoalUnit {
        /// A number of something.
        Count,
        /// Of a hundred.
        Percent,
        /// Major units of the goal's currency.
        Money,
        /// Of ten.
        Score,
        /// Hours.
        Hours,
        /// Days.
        Days,
        /// Months.
        Months,
    }
}

/// A goal.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "goal")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GoalId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub key: String,
    pub name: String,
    /// What is measured, in the words of the one who set it.
    pub metric: String,
    /// For whom it counts: the programme, a type of partnership, a stage.
    pub scope: String,
    pub unit: GoalUnit,
    pub currency: Option<Currency>,
    pub baseline_micros: Option<i64>,
    pub target_micros: i64,
    pub due_on: Option<NaiveDate>,
    pub owner: Option<String>,
    pub benchmark: Option<String>,
    pub archived_at: Option<Timestamp>,
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

/// What a goal is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewGoal {
    pub key: String,
    pub name: String,
    pub metric: String,
    pub scope: String,
    pub unit: GoalUnit,
    pub currency: Option<Currency>,
    pub baseline_micros: Option<i64>,
    pub target_micros: i64,
    pub due_on: Option<NaiveDate>,
    pub owner: Option<String>,
    pub benchmark: Option<String>,
}

/// What an update sets; `None` keeps, `Some(None)` clears. What is measured stays: another measure is another goal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct GoalPatch {
    pub name: Option<String>,
    pub baseline_micros: Option<Option<i64>>,
    pub target_micros: Option<i64>,
    pub due_on: Option<Option<NaiveDate>>,
    pub owner: Option<Option<String>>,
    pub benchmark: Option<Option<String>>,
    pub archived: Option<bool>,
}

/// A number in millionths, where it has no more digits than that and is not too large.
#[must_use]
pub fn micros(number: rust_decimal::Decimal) -> Option<i64> {
    use rust_decimal::prelude::ToPrimitive as _;
    let micros = number.checked_mul(1_000_000.into())?;
    micros.is_integer().then(|| micros.to_i64())?
}

/// The goals with these keys, whichever there are.
///
/// # Errors
/// When the database fails.
pub async fn find_keys(connection: &impl ConnectionTrait, keys: &[String]) -> Result<Vec<Model>> {
    let select = Entity::visible_to(&Viewer::system("goal"))
        .filter(Column::Key.is_in(keys.iter().map(String::as_str)));
    Ok(select.all(connection).await?)
}

/// Sets goals.
///
/// # Errors
/// Refused fields, or a key that another goal has; then none is set.
pub async fn create(change: &mut Change, inputs: Vec<NewGoal>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let mut keys = BTreeSet::new();
    for input in &inputs {
        check(&mut violations, input);
        if !keys.insert(input.key.clone()) {
            violations.add(ViolationCode::Taken, "key", "A key is named twice.");
        }
    }
    let keys: Vec<String> = keys.into_iter().collect();
    if !find_keys(change.transaction(), &keys).await?.is_empty() {
        violations.add(ViolationCode::Taken, "key", "Another goal has this key.");
    }
    violations.finish()?;
    let now = change.now();
    let mut rows = Vec::with_capacity(inputs.len());
    for input in inputs {
        rows.push(Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            key: input.key,
            name: input.name,
            metric: input.metric,
            scope: input.scope,
            unit: input.unit,
            currency: input.currency,
            baseline_micros: input.baseline_micros,
            target_micros: input.target_micros,
            due_on: input.due_on,
            owner: input.owner,
            benchmark: input.benchmark,
            archived_at: None,
        });
    }
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        let data = json!({ "key": row.key, "metric": row.metric, "dueOn": row.due_on });
        change.record(NewEvent::about(EventKind::GoalSet, row.id, data).internal());
    }
    Ok(rows)
}

/// Changes a goal that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: GoalPatch) -> Result<Model> {
    let mut violations = Violations::default();
    if let Some(name) = &patch.name {
        violations.line("name", name, 300);
    }
    let text = |text: &Option<Option<String>>| text.clone().flatten();
    violations.optional_text("owner", text(&patch.owner).as_deref(), 200);
    violations.optional_text("benchmark", text(&patch.benchmark).as_deref(), 500);
    violations.finish()?;
    let (now, version) = (change.now(), row.version);
    let mut diff = Diff::new();
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    if let Some(archived) = archiving {
        diff.note("archived", &!archived, &archived);
    }
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(version + 1);
    active.updated_at = Set(now);
    active.name = diff.field("name", row.name.clone(), patch.name);
    active.baseline_micros = diff.field("baseline", row.baseline_micros, patch.baseline_micros);
    active.target_micros = diff.field("target", row.target_micros, patch.target_micros);
    active.due_on = diff.field("dueOn", row.due_on, patch.due_on);
    active.owner = diff.field("owner", row.owner.clone(), patch.owner);
    active.benchmark = diff.field("benchmark", row.benchmark.clone(), patch.benchmark);
    active.archived_at = archived_at;
    if diff.is_empty() {
        return Ok(row);
    }
    let updated = crate::write::update(change, active, version).await?;
    change.record(
        diff.into_event(EventKind::GoalUpdated, updated.id)
            .internal(),
    );
    Ok(updated)
}

fn check(violations: &mut Violations, input: &NewGoal) {
    for (field, text) in [
        ("key", &input.key),
        ("name", &input.name),
        ("metric", &input.metric),
        ("scope", &input.scope),
    ] {
        violations.line(field, text, 300);
    }
    violations.optional_text("owner", input.owner.as_deref(), 200);
    violations.optional_text("benchmark", input.benchmark.as_deref(), 500);
    if (input.unit == GoalUnit::Money) != input.currency.is_some() {
        let message = "Money has a currency, and nothing else has one.";
        violations.add(ViolationCode::Invalid, "currency", message);
    }
}
