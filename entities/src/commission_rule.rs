//! What a programme, or a type of partnership, earns by from a day on.
//!
//! Append-only: a rule is published with a day from which it holds and is never changed; what follows it is another rule. A rule never reaches back, so
//! that nothing that was earned changes. Which rule applies is decided in one place, [`applicable`]: the programme's for the partnership's type, then
//! the programme's for every type, then the preset of the type; among those, the latest that has begun.
//!
//! Rules are internal: a partner learns its own rate from its agreement and from the explanation of each entry.

mod terms;

pub use terms::{EarningTerms, ReferralTrigger, RevenueBase, Shortfall};

use crate::change::{Change, Origin};
use crate::clock::Timestamp;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{CommissionRuleId, ProgramId};
use crate::partnership::PartnerType;
use crate::program;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Visible, nothing};
use chrono::NaiveDate;
use sea_orm::QueryOrder as _;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "commission_rule")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CommissionRuleId,
    pub created_at: Timestamp,
    /// None for a preset.
    pub program_id: Option<ProgramId>,
    /// None for every type.
    pub kind: Option<PartnerType>,
    pub effective_on: NaiveDate,
    pub terms: EarningTerms,
    pub note: String,
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

/// What a rule is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewCommissionRule {
    pub program_id: Option<ProgramId>,
    pub kind: Option<PartnerType>,
    pub effective_on: NaiveDate,
    pub terms: EarningTerms,
    pub note: String,
}

/// Checks rules and says how their rows would look; nothing is written. A simulation computes with them before they are published.
///
/// # Errors
/// Refused fields, an unknown programme, a day in the past.
pub async fn propose(
    change: &Change,
    inputs: Vec<NewCommissionRule>,
    today: NaiveDate,
) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let origin = change.author().origin;
    let may_be_past = origin.is_external() || origin == Origin::Correction;
    let system = Viewer::system("commission_rule");
    for input in &inputs {
        input.terms.check(&mut violations);
        violations.optional_text("note", Some(&input.note), 2_000);
        if input.terms.rate_bp.is_none() {
            violations.add(ViolationCode::Blank, "terms.rateBp", "A rule has a rate.");
        }
        if input.program_id.is_none() && input.kind.is_none() {
            let message = "A rule is of a programme, of a type, or of both.";
            violations.add(ViolationCode::Blank, "kind", message);
        }
        if input.effective_on < today && !may_be_past {
            let message = "A rule holds from today on: what was earned stays.";
            violations.add(ViolationCode::Invalid, "effectiveOn", message);
        }
        if let Some(id) = input.program_id
            && visible::find_one::<program::Entity, _>(change.transaction(), &system, id.0)
                .await?
                .is_none()
        {
            violations.add(ViolationCode::NotFound, "programId", "No such programme.");
        }
    }
    violations.finish()?;
    let rows = inputs.into_iter().map(|input| Model {
        id: change.new_id(),
        created_at: change.now(),
        program_id: input.program_id,
        kind: input.kind,
        effective_on: input.effective_on,
        terms: input.terms,
        note: input.note,
        published_by: change.author().actor.clone(),
    });
    Ok(rows.collect())
}

/// Publishes rules.
///
/// # Errors
/// As [`propose`]; then none is published.
pub async fn publish(
    change: &mut Change,
    inputs: Vec<NewCommissionRule>,
    today: NaiveDate,
) -> Result<Vec<Model>> {
    let rows = propose(change, inputs, today).await?;
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        let data = json!({
            "program": row.program_id, "type": row.kind, "effectiveOn": row.effective_on, "terms": row.terms,
        });
        change.record(NewEvent::about(EventKind::CommissionRulePublished, row.id, data).internal());
    }
    Ok(rows)
}

/// Every rule, in the order in which they take effect; there are some dozens of them.
///
/// # Errors
/// When the database fails.
pub async fn list(connection: &impl ConnectionTrait, viewer: &Viewer) -> Result<Vec<Model>> {
    let select = Entity::visible_to(viewer)
        .order_by_asc(Column::EffectiveOn)
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}

/// The rule for a partnership of a type in a programme on a day. `rules` are in the order of [`list`].
#[must_use]
pub fn applicable(
    rules: &[Model],
    program: Option<ProgramId>,
    kind: PartnerType,
    on: NaiveDate,
) -> Option<&Model> {
    let latest = |program: Option<ProgramId>, kind: Option<PartnerType>| {
        let fits = |rule: &&Model| {
            rule.program_id == program && rule.kind == kind && rule.effective_on <= on
        };
        rules.iter().rfind(fits)
    };
    program
        .and_then(|program| {
            latest(Some(program), Some(kind)).or_else(|| latest(Some(program), None))
        })
        .or_else(|| latest(None, Some(kind)))
}
