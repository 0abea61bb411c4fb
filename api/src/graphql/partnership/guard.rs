//! What a partnership's next stage asks for, in the API.

use crate::graphql::context::{RequireScope, requires_scope};
use crate::graphql::partnership::PipelineStage;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entities::id::PartnershipId;
use entities::partnership::{Entity, guard};
use entities::viewer::Scope;
use entities::visible;

/// What a stage asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "guard::Requirement")]
pub enum StageRequirement {
    /// The partner responded well to something that was done.
    PositiveResponse,
    /// It accepted a proposal in principle.
    ProposalAccepted,
    /// An agreement is in force.
    AgreementInForce,
    /// Its onboarding was begun, and each task is done or skipped.
    OnboardingCompleted,
}

/// Something that the next stage of a partnership asks for.
#[derive(Clone, Debug, SimpleObject)]
pub struct StageGuard {
    /// The stage that asks for it.
    pub to: PipelineStage,
    /// What it asks for.
    pub requirement: StageRequirement,
    /// Whether it is there.
    pub met: bool,
    /// What is missing, in a sentence; null where it is there.
    pub message: Option<String>,
}

/// Queries about stages.
#[derive(Default)]
pub struct StageGuardQuery;

#[Object]
impl StageGuardQuery {
    /// What the next stage of a partnership asks for; empty where nothing is asked for, or there is no such partnership. For staff.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn stage_guards(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partnership.")] partnership_id: ID,
    ) -> Result<Vec<StageGuard>> {
        let request = crate::graphql::edit::staff(ctx, Scope::PartnersRead)?;
        let Ok(PartnershipId(id)) = partnership_id.parse() else {
            return Ok(Vec::new());
        };
        let (connection, viewer) = (request.database.read(), &request.viewer);
        let found = visible::find_one::<Entity, _>(connection, viewer, id).await?;
        let Some((row, to)) = found.and_then(|row| row.stage.next().map(|to| (row, to))) else {
            return Ok(Vec::new());
        };
        let asked = guard::next_stage(connection, &row).await?;
        let shown = asked.into_iter().map(|(requirement, met)| StageGuard {
            to: to.into(),
            requirement: requirement.into(),
            met,
            message: (!met).then(|| requirement.sentence().to_owned()),
        });
        Ok(shown.collect())
    }
}
