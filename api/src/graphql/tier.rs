//! Tiers in the API, and who was given which.

mod mutation;

use super::context::RequestContext;
use super::program::Program;
use super::references;
use super::scalar::{Date, DateTime};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entities::tier::{self, Entity, Model};
use entities::visible;
use entities::{program, tier_assignment};
use uuid::Uuid;

pub use mutation::TierMutation;

/// What a criterion of a tier measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "tier::TierMetric")]
pub enum TierMetric {
    /// Shares and bonuses earned, in minor units of the programme's currency.
    Earned,
    /// Deals won in an earning role.
    WonDeals,
    /// Deal registrations that were approved.
    ApprovedRegistrations,
}

/// Something a tier asks for.
#[derive(Clone, Copy, SimpleObject)]
pub struct TierCriterion {
    /// What is measured.
    pub metric: TierMetric,
    /// How much is enough.
    pub at_least: i64,
    /// Over how many months back.
    pub months: i32,
}

/// A step of a programme.
#[derive(Clone)]
pub struct Tier(pub(crate) Member<Model>);

impl Tier {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    pub(crate) async fn find(request: &RequestContext, id: Uuid) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id)
                .await?
                .map(Self::one),
        )
    }
}

/// A step of a programme.
#[Object]
impl Tier {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When the row was made here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// Its place; 1 is the lowest.
    async fn rank(&self) -> i32 {
        self.0.row().rank
    }
    /// What it asks for.
    async fn criteria(&self) -> Vec<TierCriterion> {
        let criteria = self.0.row().criteria.0.iter();
        criteria
            .map(|criterion| TierCriterion {
                metric: criterion.metric.into(),
                at_least: criterion.at_least,
                months: criterion.months,
            })
            .collect()
    }
    /// What it gives.
    async fn benefits(&self) -> &[String] {
        &self.0.row().benefits.0
    }
    /// What it adds to the rate, in basis points.
    async fn uplift_bp(&self) -> i32 {
        self.0.row().uplift_bp.points()
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }
    /// The programme it is of.
    async fn program(&self, ctx: &Context<'_>) -> Result<Option<Program>> {
        let reference = |row: &Model| Some(row.program_id.0);
        let id = |row: &program::Model| row.id.0;
        references::to::<program::Entity, _, _>(ctx, &self.0, "program", reference, id, Program)
            .await
    }
}

/// That a partnership was given a tier, or none, from a day on.
#[derive(Clone)]
pub struct TierAssignment(pub(crate) Member<tier_assignment::Model>);

/// That a partnership was given a tier, or none, from a day on.
#[Object]
impl TierAssignment {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was decided.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// The first day on which it holds.
    async fn effective_on(&self) -> Date {
        Date(self.0.row().effective_on)
    }
    /// Why. Internal: null for partners.
    async fn reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        references::internal(ctx, Some(self.0.row().reason.as_str()))
    }
    /// Who decided. Internal: null for partners.
    async fn assigned_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        references::internal(ctx, Some(self.0.row().assigned_by.as_str()))
    }
    /// The tier; null where one was taken away.
    pub(crate) async fn tier(&self, ctx: &Context<'_>) -> Result<Option<Tier>> {
        let reference = |row: &tier_assignment::Model| row.tier_id.map(|id| id.0);
        let id = |row: &tier::Model| row.id.0;
        references::to::<tier::Entity, _, _>(ctx, &self.0, "tier", reference, id, Tier).await
    }
}
