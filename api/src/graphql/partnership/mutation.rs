//! Changes of partnerships: what they take and what they answer.

use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, nullable, payload};
use crate::graphql::scalar::MoneyInput;
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use entities::id::PartnershipId;
use entities::partnership::{self, Entity, Model, NewPartnership, PartnershipPatch};
use entities::viewer::Scope;
use entities::visible::{self};

use super::{PartnerType, Partnership, PartnershipStatus, PipelineStage, Priority};

/// A new partnership; it begins at PROSPECT.
#[derive(Debug, InputObject)]
pub struct CreatePartnershipInput {
    /// With whom.
    pub partner_id: ID,
    /// What kind of relationship.
    pub r#type: PartnerType,
    /// The business models it works by.
    #[graphql(default)]
    pub models: Vec<String>,
    /// How much it matters; MEDIUM when nothing is said.
    pub priority: Option<Priority>,
    /// The directly responsible individual.
    pub dri: Option<String>,
    /// What we gain.
    pub value_for_us: Option<String>,
    /// What the partner gains.
    pub value_for_them: Option<String>,
    /// What customers gain.
    pub value_for_customers: Option<String>,
    /// The revenue it is meant to bring.
    pub revenue_target: Option<MoneyInput>,
    /// Within how many months.
    pub timeline_months: Option<i32>,
    /// Free tags.
    #[graphql(default)]
    pub tags: Vec<String>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreatePartnershipInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let new = NewPartnership {
            partner_id: id_input(&self.partner_id, "partnerId")?,
            kind: self.r#type.into(),
            models: self.models,
            stage: partnership::PipelineStage::Prospect,
            priority: self
                .priority
                .map_or(partnership::Priority::Medium, Into::into),
            dri: self.dri,
            value_for_us: self.value_for_us,
            value_for_them: self.value_for_them,
            value_for_customers: self.value_for_customers,
            revenue_target: self
                .revenue_target
                .map(|target| target.to_amount("revenueTarget"))
                .transpose()?,
            timeline_months: self.timeline_months,
            tags: self.tags,
        };
        partnership::create(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

/// Changes to a partnership: an absent field keeps its value, null clears it. The stage moves by `advancePartnership`.
#[derive(Debug, InputObject)]
pub struct UpdatePartnershipInput {
    /// Which partnership.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// The business models it works by.
    pub models: Option<Vec<String>>,
    /// Whether it goes on; see `availableTransitions`.
    pub status: Option<PartnershipStatus>,
    /// Why it is declined or ended; required then.
    pub reason: Option<String>,
    /// How much it matters.
    pub priority: Option<Priority>,
    /// The directly responsible individual.
    pub dri: MaybeUndefined<String>,
    /// What we gain.
    pub value_for_us: MaybeUndefined<String>,
    /// What the partner gains.
    pub value_for_them: MaybeUndefined<String>,
    /// What customers gain.
    pub value_for_customers: MaybeUndefined<String>,
    /// The revenue it is meant to bring.
    pub revenue_target: MaybeUndefined<MoneyInput>,
    /// Within how many months.
    pub timeline_months: MaybeUndefined<i32>,
    /// Free tags.
    pub tags: Option<Vec<String>>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdatePartnershipInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        let target = nullable(self.revenue_target);
        let patch = PartnershipPatch {
            models: self.models,
            status: self.status.map(Into::into),
            priority: self.priority.map(Into::into),
            dri: nullable(self.dri),
            value_for_us: nullable(self.value_for_us),
            value_for_them: nullable(self.value_for_them),
            value_for_customers: nullable(self.value_for_customers),
            revenue_target: target
                .map(|target| {
                    target
                        .map(|target| target.to_amount("revenueTarget"))
                        .transpose()
                })
                .transpose()?,
            timeline_months: nullable(self.timeline_months),
            tags: self.tags,
            ended_reason: self.reason.map(Some),
        };
        partnership::update(&mut edit.change, row, patch).await
    }
}

/// A step of a partnership through the pipeline.
#[derive(Debug, InputObject)]
pub struct AdvancePartnershipInput {
    /// Which partnership.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The next stage, or the one before.
    pub to: PipelineStage,
    /// Why; required for a step back.
    pub reason: Option<String>,
    /// Why it goes forward without what the stage asks for (`stageGuards`). The log keeps who and why.
    pub override_reason: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    CreatePartnershipPayload {
        partnership: Partnership
    },
    "createPartnership",
    Scope::PartnersRead
);
payload!(
    UpdatePartnershipPayload {
        partnership: Partnership
    },
    "updatePartnership",
    Scope::PartnersRead
);
payload!(
    AdvancePartnershipPayload {
        partnership: Partnership
    },
    "advancePartnership",
    Scope::PartnersRead
);

async fn lock(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: PartnershipId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// Changes of partnerships.
#[derive(Default)]
pub struct PartnershipMutation;

#[Object]
impl PartnershipMutation {
    /// Begins a partnership.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn create_partnership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new partnership.")] input: CreatePartnershipInput,
    ) -> Result<CreatePartnershipPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "createPartnership",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreatePartnershipPayload::found(
                    Partnership::find(request(ctx)?, PartnershipId(id)).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreatePartnershipPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreatePartnershipPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Partnership::one,
        ))
    }

    /// Changes a partnership.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_partnership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdatePartnershipInput,
    ) -> Result<UpdatePartnershipPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdatePartnershipPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Partnership::one,
        ))
    }

    /// Moves a partnership one stage forward, or one back with a reason. Forward it needs what `stageGuards` says, or a reason to go without.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn advance_partnership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partnership, and where to.")] input: AdvancePartnershipInput,
    ) -> Result<AdvancePartnershipPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let (to, reason, without) = (input.to.into(), input.reason, input.override_reason);
            partnership::advance(&mut edit.change, row, to, reason, without).await
        }
        .await;
        Ok(AdvancePartnershipPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Partnership::one,
        ))
    }
}
