//! A partnership: one relationship of one type with a partner. Its pipeline stage, status, targets and owner live here.
//!
//! State machines: PROSPECT → ENGAGE → NEGOTIATE → ACTIVE without skipping, one step back with a reason; an import may set any
//! stage, recorded as such. OPEN ⇄ ON_HOLD; before ACTIVE it may be DECLINED, from ACTIVE it may be ENDED; both are final.

pub mod guard;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::{Diff, Texts};
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerId, PartnershipId};
use crate::money::{Currency, Money};
use crate::partner;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;
use std::collections::HashSet;

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize, serde::Deserialize)]
        #[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }
    };
}

text_enum! {
    /// What kind of relationship it is.
    PartnerType {
        /// Products that work together.
        Technology,
        /// Sells for us.
        Channel,
        /// Advises customers.
        Consulting,
        /// Builds integrations.
        Integration,
        /// Makes content.
        Content,
        /// Refers customers.
        Referral,
        /// Shapes direction together.
        Strategic,
        /// An association or institution of the industry.
        Industry,
        /// Distributes to resellers.
        Distribution,
    }
}

text_enum! {
    /// How far the relationship has come.
    PipelineStage {
        /// Identified.
        Prospect,
        /// In conversation.
        Engage,
        /// Working out terms.
        Negotiate,
        /// In force.
        Active,
    }
}

text_enum! {
    /// Whether the relationship goes on.
    PartnershipStatus {
        /// It does.
        Open,
        /// It rests.
        OnHold,
        /// It did not come about.
        Declined,
        /// It is over.
        Ended,
    }
}

text_enum! {
    /// How much it matters.
    Priority {
        /// First.
        Critical,
        /// Soon.
        High,
        /// In its turn.
        Medium,
        /// When there is time.
        Low,
    }
}

impl PipelineStage {
    const ORDER: [Self; 4] = [Self::Prospect, Self::Engage, Self::Negotiate, Self::Active];

    fn index(self) -> usize {
        Self::ORDER
            .iter()
            .position(|stage| *stage == self)
            .unwrap_or(0)
    }

    /// The stage after this one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ORDER.get(self.index() + 1).copied()
    }

    /// The stage before this one.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        self.index()
            .checked_sub(1)
            .and_then(|index| Self::ORDER.get(index))
            .copied()
    }
}

impl PartnershipStatus {
    /// The states that may follow at a stage.
    #[must_use]
    pub const fn transitions(self, stage: PipelineStage) -> &'static [Self] {
        match (self, stage) {
            (Self::Open, PipelineStage::Active) => &[Self::OnHold, Self::Ended],
            (Self::OnHold, PipelineStage::Active) => &[Self::Open, Self::Ended],
            (Self::Open, _) => &[Self::OnHold, Self::Declined],
            (Self::OnHold, _) => &[Self::Open, Self::Declined],
            (Self::Declined | Self::Ended, _) => &[],
        }
    }
}

/// A partnership.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partnership")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PartnershipId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partner_id: PartnerId,
    pub kind: PartnerType,
    pub models: Texts,
    pub stage: PipelineStage,
    pub status: PartnershipStatus,
    pub priority: Priority,
    /// The directly responsible individual.
    pub dri: Option<String>,
    pub value_for_us: Option<String>,
    pub value_for_them: Option<String>,
    pub value_for_customers: Option<String>,
    pub revenue_target_minor: Option<i64>,
    pub revenue_target_currency: Option<Currency>,
    pub timeline_months: Option<i32>,
    pub tags: Texts,
    pub started_at: Option<Timestamp>,
    pub live_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub ended_reason: Option<String>,
}

impl Model {
    /// The revenue target, where there is one.
    #[must_use]
    pub fn revenue_target(&self) -> Option<Money> {
        Some(Money {
            minor: self.revenue_target_minor?,
            currency: self.revenue_target_currency?,
        })
    }
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

/// What a new partnership is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewPartnership {
    pub partner_id: PartnerId,
    pub kind: PartnerType,
    pub models: Vec<String>,
    pub stage: PipelineStage,
    pub priority: Priority,
    pub dri: Option<String>,
    pub value_for_us: Option<String>,
    pub value_for_them: Option<String>,
    pub value_for_customers: Option<String>,
    pub revenue_target: Option<Money>,
    pub timeline_months: Option<i32>,
    pub tags: Vec<String>,
}

impl NewPartnership {
    /// A partnership at the beginning of the pipeline.
    #[must_use]
    pub const fn of(partner_id: PartnerId, kind: PartnerType) -> Self {
        Self {
            partner_id,
            kind,
            models: Vec::new(),
            stage: PipelineStage::Prospect,
            priority: Priority::Medium,
            dri: None,
            value_for_us: None,
            value_for_them: None,
            value_for_customers: None,
            revenue_target: None,
            timeline_months: None,
            tags: Vec::new(),
        }
    }
}

/// What an update sets; `None` keeps, `Some(None)` clears. The stage moves by [`advance`] only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct PartnershipPatch {
    pub models: Option<Vec<String>>,
    pub status: Option<PartnershipStatus>,
    pub priority: Option<Priority>,
    pub dri: Option<Option<String>>,
    pub value_for_us: Option<Option<String>>,
    pub value_for_them: Option<Option<String>>,
    pub value_for_customers: Option<Option<String>>,
    pub revenue_target: Option<Option<Money>>,
    pub timeline_months: Option<Option<i32>>,
    pub tags: Option<Vec<String>>,
    pub ended_reason: Option<Option<String>>,
}

/// Creates partnerships. Only an outside system or a file may begin beyond PROSPECT.
///
/// # Errors
/// Refused fields; then none is created.
pub async fn create(change: &mut Change, inputs: Vec<NewPartnership>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let external = change.author().origin.is_external();
    for input in &inputs {
        check(
            &mut violations,
            [
                ("dri", input.dri.as_deref()),
                ("valueForUs", input.value_for_us.as_deref()),
                ("valueForThem", input.value_for_them.as_deref()),
                ("valueForCustomers", input.value_for_customers.as_deref()),
            ],
            &input.models,
            &input.tags,
            input.revenue_target,
            input.timeline_months,
        );
        if input.stage != PipelineStage::Prospect && !external {
            violations.add(
                ViolationCode::TransitionNotAllowed,
                "stage",
                "A new partnership begins at PROSPECT.",
            );
        }
    }
    let asked: HashSet<PartnerId> = inputs.iter().map(|input| input.partner_id).collect();
    let known = visible::find_all::<partner::Entity, _>(
        change.transaction(),
        &Viewer::system("partnership"),
        asked.iter().map(|id| id.0),
    )
    .await?;
    if known.len() < asked.len() {
        violations.add(ViolationCode::NotFound, "partnerId", "No such partner.");
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
            partner_id: input.partner_id,
            kind: input.kind,
            models: Texts(input.models),
            stage: input.stage,
            status: PartnershipStatus::Open,
            priority: input.priority,
            dri: input.dri,
            value_for_us: input.value_for_us,
            value_for_them: input.value_for_them,
            value_for_customers: input.value_for_customers,
            revenue_target_minor: input.revenue_target.map(|money| money.minor),
            revenue_target_currency: input.revenue_target.map(|money| money.currency),
            timeline_months: input.timeline_months,
            tags: Texts(input.tags),
            started_at: Some(now),
            // When an imported partnership went live is not known; now would be a guess.
            live_at: None,
            ended_at: None,
            ended_reason: None,
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        let data = json!({ "type": row.kind, "stage": row.stage, "imported": external });
        change.record(
            NewEvent::about(EventKind::PartnershipCreated, row.id, data)
                .for_partner(row.partner_id),
        );
    }
    Ok(rows)
}

/// Changes a partnership that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields or a transition the status does not have; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: PartnershipPatch) -> Result<Model> {
    let mut violations = Violations::default();
    let text =
        |field: &'static str, value: &'_ Option<Option<String>>| (field, value.clone().flatten());
    let texts = [
        text("dri", &patch.dri),
        text("valueForUs", &patch.value_for_us),
        text("valueForThem", &patch.value_for_them),
        text("valueForCustomers", &patch.value_for_customers),
    ];
    check(
        &mut violations,
        texts
            .each_ref()
            .map(|(field, value)| (*field, value.as_deref())),
        patch.models.as_deref().unwrap_or_default(),
        patch.tags.as_deref().unwrap_or_default(),
        patch.revenue_target.flatten(),
        patch.timeline_months.flatten(),
    );
    violations.optional_text(
        "reason",
        patch.ended_reason.as_ref().and_then(Option::as_deref),
        2_000,
    );
    let status = row.status;
    if let Some(next) = patch.status
        && next != status
    {
        if !status.transitions(row.stage).contains(&next) {
            violations.add(
                ViolationCode::TransitionNotAllowed,
                "status",
                format!(
                    "A partnership at {:?} cannot go from {status:?} to {next:?}.",
                    row.stage
                ),
            );
        }
        let reason = patch.ended_reason.clone().flatten();
        if matches!(next, PartnershipStatus::Declined | PartnershipStatus::Ended)
            && reason.is_none_or(|text| text.trim().is_empty())
        {
            violations.add(
                ViolationCode::Blank,
                "reason",
                "Declining or ending needs a reason.",
            );
        }
    }
    violations.finish()?;
    let next_status = patch.status.unwrap_or(status);
    let ends = next_status != status
        && matches!(
            next_status,
            PartnershipStatus::Declined | PartnershipStatus::Ended
        );
    let target = row.revenue_target();
    let next_target = patch.revenue_target.unwrap_or(target);
    let mut diff = Diff::new();
    if next_target != target {
        diff.note("revenueTarget", &target, &next_target);
    }
    let now = change.now();
    let active = ActiveModel {
        models: diff.field("models", row.models.clone(), patch.models.map(Texts)),
        status: diff.field("status", status, patch.status),
        priority: diff.field("priority", row.priority, patch.priority),
        dri: diff.field("dri", row.dri.clone(), patch.dri),
        value_for_us: diff.field("valueForUs", row.value_for_us.clone(), patch.value_for_us),
        value_for_them: diff.field(
            "valueForThem",
            row.value_for_them.clone(),
            patch.value_for_them,
        ),
        value_for_customers: diff.field(
            "valueForCustomers",
            row.value_for_customers.clone(),
            patch.value_for_customers,
        ),
        revenue_target_minor: Set(next_target.map(|money| money.minor)),
        revenue_target_currency: Set(next_target.map(|money| money.currency)),
        timeline_months: diff.field("timelineMonths", row.timeline_months, patch.timeline_months),
        tags: diff.field("tags", row.tags.clone(), patch.tags.map(Texts)),
        ended_at: diff.field("endedAt", row.ended_at, ends.then_some(Some(now))),
        ended_reason: diff.field("endedReason", row.ended_reason.clone(), patch.ended_reason),
        ..unchanged(&row, now)
    };
    if diff.is_empty() {
        return Ok(row);
    }
    let updated = crate::write::update(change, active, row.version).await?;
    if updated.status != status {
        let data = json!({ "from": status, "to": updated.status });
        change.record(
            NewEvent::about(EventKind::PartnershipStatusChanged, updated.id, data)
                .for_partner(updated.partner_id),
        );
    }
    change.record(
        diff.into_event(EventKind::PartnershipUpdated, updated.id)
            .for_partner(updated.partner_id)
            .internal(),
    );
    Ok(updated)
}

/// Moves a partnership one stage forward, or one back with a reason. Forward it needs what [`guard`] asks for, or a reason to go without.
///
/// # Errors
/// A stage that is not a neighbour, a missing reason, something that the stage asks for, or a partnership that is not open.
pub async fn advance(
    change: &mut Change,
    row: Model,
    to: PipelineStage,
    reason: Option<String>,
    override_reason: Option<String>,
) -> Result<Model> {
    if row.status != PartnershipStatus::Open {
        return Err(Error::invalid(
            ViolationCode::Locked,
            "stage",
            format!("The partnership is {:?}, not open.", row.status),
        ));
    }
    let mut violations = Violations::default();
    violations.optional_text("reason", reason.as_deref(), 2_000);
    let forward = row.stage.next() == Some(to);
    let back = row.stage.previous() == Some(to);
    if !forward && !back {
        violations.add(
            ViolationCode::TransitionNotAllowed,
            "stage",
            format!(
                "From {:?} the neighbours are {:?} and {:?}.",
                row.stage,
                row.stage.previous(),
                row.stage.next()
            ),
        );
    }
    if back && reason.as_deref().is_none_or(|text| text.trim().is_empty()) {
        violations.add(
            ViolationCode::Blank,
            "reason",
            "A step back needs a reason.",
        );
    }
    violations.finish()?;
    if forward {
        guard::pass(change, &row, override_reason).await?;
    } else {
        guard::refuse_needless(override_reason.as_ref())?;
    }
    let now = change.now();
    let from = row.stage;
    let live_at = if to == PipelineStage::Active {
        row.live_at.or(Some(now))
    } else {
        row.live_at
    };
    let active = ActiveModel {
        stage: Set(to),
        live_at: Set(live_at),
        ..unchanged(&row, now)
    };
    let updated = crate::write::update(change, active, row.version).await?;
    let data = json!({ "from": from, "to": to });
    change.record(
        NewEvent::about(EventKind::PartnershipStageChanged, updated.id, data)
            .for_partner(updated.partner_id),
    );
    if let Some(reason) = reason {
        let data = json!({ "stage": { "from": from, "to": to, "reason": reason } });
        change.record(
            NewEvent::about(EventKind::PartnershipUpdated, updated.id, data)
                .for_partner(updated.partner_id)
                .internal(),
        );
    }
    Ok(updated)
}

/// The row as it is, at the next version.
fn unchanged(row: &Model, now: Timestamp) -> ActiveModel {
    let mut active: ActiveModel = row.clone().into();
    active.id = Unchanged(row.id);
    active.version = Set(row.version + 1);
    active.updated_at = Set(now);
    active
}

fn check(
    violations: &mut Violations,
    texts: [(&'static str, Option<&str>); 4],
    models: &[String],
    tags: &[String],
    revenue_target: Option<Money>,
    timeline_months: Option<i32>,
) {
    for (field, text) in texts {
        violations.optional_text(field, text, 2_000);
    }
    violations.tags("models", models);
    violations.tags("tags", tags);
    if revenue_target.is_some_and(|target| target.minor < 0) {
        violations.add(
            ViolationCode::Invalid,
            "revenueTarget",
            "A target is not negative.",
        );
    }
    if timeline_months.is_some_and(|months| !(0..=1_200).contains(&months)) {
        violations.add(
            ViolationCode::Invalid,
            "timelineMonths",
            "Between 0 and 1,200 months.",
        );
    }
}
