//! Changes of tiers: what they take and what they answer.

use super::{Tier, TierMetric};
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, created, id_input, payload};
use crate::graphql::partnership::Partnership;
use crate::graphql::program;
use crate::graphql::references::basis_points;
use crate::graphql::scalar::Date;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::id::{PartnershipId, TierId};
use entities::money::BasisPoints;
use entities::tier::{self, Criterion, Entity, Model, NewTier, TierPatch};
use entities::viewer::Scope;
use entities::visible;
use entities::{partnership, tier_assignment};

/// Something a tier asks for.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct TierCriterionInput {
    /// What is measured.
    pub metric: TierMetric,
    /// How much is enough, at least 1.
    pub at_least: i64,
    /// Over how many months back, 1 to 120.
    pub months: i32,
}

fn criteria(inputs: Vec<TierCriterionInput>) -> Vec<Criterion> {
    let criterion = |input: TierCriterionInput| Criterion {
        metric: input.metric.into(),
        at_least: input.at_least,
        months: input.months,
    };
    inputs.into_iter().map(criterion).collect()
}

/// A new tier.
#[derive(Debug, InputObject)]
pub struct CreateTierInput {
    /// Of which programme.
    pub program_id: ID,
    /// What it is called.
    pub name: String,
    /// Its place, 1 to 1,000; each is of one tier.
    pub rank: i32,
    /// What it asks for.
    #[graphql(default)]
    pub criteria: Vec<TierCriterionInput>,
    /// What it gives.
    #[graphql(default)]
    pub benefits: Vec<String>,
    /// What it adds to the rate, in basis points; nothing when nothing is said.
    pub uplift_bp: Option<i32>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateTierInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let uplift = self
            .uplift_bp
            .map(|points| basis_points(points, "upliftBp"));
        let new = NewTier {
            program_id: id_input(&self.program_id, "programId")?,
            name: self.name,
            rank: self.rank,
            criteria: criteria(self.criteria),
            benefits: self.benefits,
            uplift_bp: uplift.transpose()?.unwrap_or(BasisPoints::NONE),
        };
        tier::create(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

/// Changes to a tier: an absent field keeps its value.
#[derive(Debug, InputObject)]
pub struct UpdateTierInput {
    /// Which tier.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// What it asks for.
    pub criteria: Option<Vec<TierCriterionInput>>,
    /// What it gives.
    pub benefits: Option<Vec<String>>,
    /// What it adds to the rate, in basis points, of what is earned from now on.
    pub uplift_bp: Option<i32>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateTierInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: TierId = id_input(&self.id, "id")?;
        let (viewer, expected) = (&edit.request.viewer, self.expected_version);
        let row = visible::lock_one::<Entity>(&edit.change, viewer, id.0, expected).await?;
        let uplift = self
            .uplift_bp
            .map(|points| basis_points(points, "upliftBp"));
        let patch = TierPatch {
            name: self.name,
            criteria: self.criteria.map(criteria),
            benefits: self.benefits,
            uplift_bp: uplift.transpose()?,
            archived: self.archived,
        };
        tier::update(&mut edit.change, row, patch).await
    }
}

/// The tier that a partnership is to have from a day on.
#[derive(Debug, InputObject)]
pub struct AssignTierInput {
    /// Which partnership.
    pub partnership_id: ID,
    /// A tier of its programme; null takes the tier away.
    pub tier_id: Option<ID>,
    /// From which day on; today when nothing is said, and never earlier.
    pub effective_on: Option<Date>,
    /// Why.
    pub reason: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl AssignTierInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<partnership::Model> {
        let id: PartnershipId = id_input(&self.partnership_id, "partnershipId")?;
        let tier: Option<TierId> = self.tier_id.map(|id| id_input(&id, "tierId")).transpose()?;
        let viewer = &edit.request.viewer;
        let found = visible::lock_all::<partnership::Entity>(&edit.change, viewer, [id.0]).await?;
        let Some(row) = found.into_iter().next() else {
            return Err(entities::error::Error::not_found("partnershipId"));
        };
        let zone = program::zone_of(&edit.change, id).await?;
        let today = program::today(&edit.change, zone)?;
        let from = self.effective_on.map_or(today, |day| day.0);
        let change = &mut edit.change;
        tier_assignment::assign(change, &row, tier, from, today, self.reason).await?;
        Ok(row)
    }
}

payload!(
    CreateTierPayload { tier: Tier },
    "createTier",
    Scope::PartnersRead
);
payload!(
    UpdateTierPayload { tier: Tier },
    "updateTier",
    Scope::PartnersRead
);
payload!(
    AssignTierPayload {
        partnership: Partnership
    },
    "assignTier",
    Scope::PartnersRead
);

/// Changes of tiers.
#[derive(Default)]
pub struct TierMutation;

#[Object]
impl TierMutation {
    /// Adds a tier to a programme.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn create_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new tier.")] input: CreateTierInput,
    ) -> Result<CreateTierPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "createTier",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateTierPayload::found(
                    Tier::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateTierPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateTierPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Tier::one,
        ))
    }

    /// Changes a tier. What was earned under it stays.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateTierInput,
    ) -> Result<UpdateTierPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateTierPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Tier::one,
        ))
    }

    /// Gives a partnership a tier of its programme, or takes it away. What was earned before the day stays.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn assign_tier(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partnership, which tier, and why.")] input: AssignTierInput,
    ) -> Result<AssignTierPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(AssignTierPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Partnership::one,
        ))
    }
}
