//! A step of a programme: its rank, what it asks for, what it gives, and by how much it lifts a rate.
//!
//! Invariants: a rank is of one tier; criteria can be measured. Who is in which tier is [`crate::tier_assignment`]'s; a changed uplift holds for
//! what is earned afterwards and changes nothing that was.

mod evaluation;

pub use evaluation::evaluate;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::{Diff, Texts, archived};
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{ProgramId, TierId};
use crate::money::BasisPoints;
use crate::program::{self, own_programs};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde::{Deserialize, Serialize};
use serde_json::json;

text_enum! {
    /// What a criterion measures over its months.
    TierMetric {
        /// Shares and bonuses earned, in minor units of the programme's currency.
        Earned,
        /// Deals won in an earning role.
        WonDeals,
        /// Registrations approved.
        ApprovedRegistrations,
    }
}

/// Something a tier asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Criterion {
    /// What is measured.
    pub metric: TierMetric,
    /// How much is enough.
    pub at_least: i64,
    /// Over how many months back.
    pub months: i32,
}

/// Criteria as a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Criteria(pub Vec<Criterion>);

/// A tier.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub program_id: ProgramId,
    pub name: String,
    /// 1 is the lowest.
    pub rank: i32,
    pub criteria: Criteria,
    pub benefits: Texts,
    /// What is added to the rate.
    pub uplift_bp: BasisPoints,
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
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(Column::ProgramId.in_subquery(own_programs(own)))
    }
}

/// What a tier is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewTier {
    pub program_id: ProgramId,
    pub name: String,
    pub rank: i32,
    pub criteria: Vec<Criterion>,
    pub benefits: Vec<String>,
    pub uplift_bp: BasisPoints,
}

/// What an update sets; `None` keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct TierPatch {
    pub name: Option<String>,
    pub criteria: Option<Vec<Criterion>>,
    pub benefits: Option<Vec<String>>,
    pub uplift_bp: Option<BasisPoints>,
    pub archived: Option<bool>,
}

/// Creates tiers.
///
/// # Errors
/// An unknown programme, a rank that is taken, refused fields; then none is created.
pub async fn create(change: &mut Change, inputs: Vec<NewTier>) -> Result<Vec<Model>> {
    let system = Viewer::system("tier");
    let mut violations = Violations::default();
    let mut taken: Vec<(ProgramId, i32)> = Vec::new();
    for input in &inputs {
        check(
            &mut violations,
            Some(&input.name),
            Some(&input.criteria),
            Some(&input.benefits),
        );
        if !(1..=1_000).contains(&input.rank) {
            violations.add(ViolationCode::Invalid, "rank", "Between 1 and 1,000.");
        }
        let id = input.program_id.0;
        if visible::lock_all::<program::Entity>(change, &system, [id])
            .await?
            .is_empty()
        {
            violations.add(ViolationCode::NotFound, "programId", "No such programme.");
        }
        let others = Entity::visible_to(&system)
            .filter(Column::ProgramId.eq(input.program_id))
            .filter(Column::Rank.eq(input.rank));
        let place = (input.program_id, input.rank);
        if taken.contains(&place) || others.one(change.transaction()).await?.is_some() {
            violations.add(ViolationCode::Taken, "rank", "Another tier has this rank.");
        }
        taken.push(place);
    }
    violations.finish()?;
    let now = change.now();
    let rows: Vec<Model> = inputs
        .into_iter()
        .map(|input| Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            program_id: input.program_id,
            name: input.name,
            rank: input.rank,
            criteria: Criteria(input.criteria),
            benefits: Texts(input.benefits),
            uplift_bp: input.uplift_bp,
            archived_at: None,
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        let data = json!({ "name": row.name, "rank": row.rank, "upliftBp": row.uplift_bp });
        change.record(NewEvent::about(EventKind::TierCreated, row.id, data).internal());
    }
    Ok(rows)
}

/// Changes a tier that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: TierPatch) -> Result<Model> {
    let mut violations = Violations::default();
    check(
        &mut violations,
        patch.name.as_deref(),
        patch.criteria.as_deref(),
        patch.benefits.as_deref(),
    );
    violations.finish()?;
    let (now, version) = (change.now(), row.version);
    let mut diff = Diff::new();
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    if let Some(archived) = archiving {
        diff.note("archived", &!archived, &archived);
    }
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        program_id: Unchanged(row.program_id),
        name: diff.field("name", row.name.clone(), patch.name),
        rank: Unchanged(row.rank),
        criteria: diff.field(
            "criteria",
            row.criteria.clone(),
            patch.criteria.map(Criteria),
        ),
        benefits: diff.field("benefits", row.benefits.clone(), patch.benefits.map(Texts)),
        uplift_bp: diff.field("upliftBp", row.uplift_bp, patch.uplift_bp),
        archived_at,
    };
    if diff.is_empty() {
        return Ok(row);
    }
    let updated = crate::write::update(change, active, version).await?;
    change.record(
        diff.into_event(EventKind::TierUpdated, updated.id)
            .internal(),
    );
    Ok(updated)
}

fn check(
    violations: &mut Violations,
    name: Option<&str>,
    criteria: Option<&[Criterion]>,
    benefits: Option<&[String]>,
) {
    if let Some(name) = name {
        violations.text("name", name, 200);
    }
    violations.tags("benefits", benefits.unwrap_or_default());
    for criterion in criteria.unwrap_or_default() {
        if criterion.at_least < 1 || !(1..=120).contains(&criterion.months) {
            let message = "A criterion asks for at least 1, over 1 to 120 months.";
            violations.add(ViolationCode::Invalid, "criteria", message);
        }
    }
}
