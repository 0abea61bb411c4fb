//! What candidates are scored by: criteria in groups, each with its weight, and the mean from which a candidate is good enough.
//!
//! Owns the schemes; the last one that was published is in force. Refuses: criteria that cannot be told apart, weights that are none, a threshold that
//! cannot be met. Invariant: a scheme never changes, so that what was scored by it means what it meant. Internal: partners see none.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::AssessmentSchemeId;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{FromJsonQueryResult, QueryOrder as _, QuerySelect as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// The best score of a criterion; the worst is 0.
pub const BEST: i32 = 10;

text_enum! {
    /// What a criterion is about.
    CriterionGroup {
        /// Whether the two want the same.
        StrategicFit,
        /// Whether they can work together.
        OperationalFit,
        /// Whether it pays.
        FinancialFit,
    }
}

/// A criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Criterion {
    /// What it is called in scores: `market_overlap`.
    pub key: String,
    /// What it is about.
    pub group: CriterionGroup,
    /// What is asked.
    pub question: String,
    /// How much it counts, 1 to 1,000, in relation to the others.
    pub weight: i32,
}

/// Criteria as a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Criteria(pub Vec<Criterion>);

/// A scheme.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assessment_scheme")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssessmentSchemeId,
    pub created_at: Timestamp,
    pub name: String,
    pub description: String,
    pub criteria: Criteria,
    /// The mean from which a candidate is good enough, in hundredths of a score.
    pub threshold_centi: i32,
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

/// What a scheme is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewScheme {
    pub name: String,
    pub description: String,
    pub criteria: Vec<Criterion>,
    pub threshold_centi: i32,
}

/// The scheme in force; none before the first is published.
///
/// # Errors
/// When the database fails.
pub async fn in_force(connection: &impl ConnectionTrait, viewer: &Viewer) -> Result<Option<Model>> {
    let select = Entity::visible_to(viewer)
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(1);
    Ok(select.one(connection).await?)
}

/// Publishes a scheme; from then on it is the one in force. The one that is in force already is not published again.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn publish(change: &mut Change, input: NewScheme) -> Result<Model> {
    check(&input)?;
    let system = Viewer::system("assessment_scheme");
    let present = in_force(change.transaction(), &system).await?;
    if let Some(present) = present
        && present.name == input.name
        && present.description == input.description
        && present.criteria.0 == input.criteria
        && present.threshold_centi == input.threshold_centi
    {
        return Ok(present);
    }
    let row = Model {
        id: change.new_id(),
        created_at: change.now(),
        name: input.name,
        description: input.description,
        criteria: Criteria(input.criteria),
        threshold_centi: input.threshold_centi,
        published_by: change.author().actor.clone(),
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "name": row.name, "criteria": row.criteria.0.len(), "thresholdCenti": row.threshold_centi });
    change.record(NewEvent::about(EventKind::AssessmentSchemePublished, row.id, data).internal());
    Ok(row)
}

fn check(input: &NewScheme) -> Result<()> {
    let mut violations = Violations::default();
    violations.line("name", &input.name, 200);
    violations.optional_text("description", Some(&input.description), 5_000);
    if input.criteria.is_empty() || input.criteria.len() > 100 {
        let message = "Between 1 and 100 criteria.";
        violations.add(ViolationCode::Invalid, "criteria", message);
    }
    if !(1..=BEST * 100).contains(&input.threshold_centi) {
        let message = "A threshold lies above 0 and is at most 10.";
        violations.add(ViolationCode::Invalid, "threshold", message);
    }
    let mut keys = BTreeSet::new();
    for criterion in &input.criteria {
        violations.line("criteria.question", &criterion.question, 500);
        let is_plain =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if criterion.key.is_empty()
            || criterion.key.len() > 60
            || !criterion.key.chars().all(is_plain)
        {
            let message = "A key is 1 to 60 small letters, digits and underscores.";
            violations.add(ViolationCode::Invalid, "criteria.key", message);
        }
        if !keys.insert(&criterion.key) {
            let message = format!("{} is named twice.", criterion.key);
            violations.add(ViolationCode::Taken, "criteria.key", message);
        }
        if !(1..=1_000).contains(&criterion.weight) {
            let message = "A weight lies between 1 and 1,000.";
            violations.add(ViolationCode::Invalid, "criteria.weight", message);
        }
    }
    violations.finish()
}
