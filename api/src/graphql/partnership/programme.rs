//! A partnership's part in a programme: its tier, its agreements, its contract years. Few rows each, one statement for a level.

use crate::graphql::agreement::Agreement;
use crate::graphql::assessment::Assessment;
use crate::graphql::commitment_year::CommitmentYear;
use crate::graphql::context::request;
use crate::graphql::onboarding::OnboardingTask;
use crate::graphql::program::ProgramEnrollment;
use crate::graphql::references::{self, Children};
use crate::graphql::siblings::Member;
use crate::graphql::tier::{Tier, TierAssignment};
use async_graphql::{Context, Result};
use entities::calendar::Zone;
use entities::partnership::Model;
use entities::{
    agreement, assessment, commitment_year, onboarding_task, program_enrollment, tier_assignment,
};

pub(super) async fn enrollment(
    ctx: &Context<'_>,
    row: &Member<Model>,
) -> Result<Option<ProgramEnrollment>> {
    let how = Children::<program_enrollment::Entity, Model> {
        field: "enrollment",
        parent: |row| row.id.0,
        column: program_enrollment::Column::PartnershipId,
        of: |row| Some(row.partnership_id.0),
        order: program_enrollment::Column::EnrolledOn,
        id: program_enrollment::Column::Id,
    };
    let found = references::children(ctx, row, how, ProgramEnrollment).await?;
    let mut present = found
        .into_iter()
        .filter(|one| one.0.row().left_on.is_none());
    Ok(present.next())
}

pub(super) async fn tier_assignments(
    ctx: &Context<'_>,
    row: &Member<Model>,
) -> Result<Vec<TierAssignment>> {
    let how = Children::<tier_assignment::Entity, Model> {
        field: "tierAssignments",
        parent: |row| row.id.0,
        column: tier_assignment::Column::PartnershipId,
        of: |row| Some(row.partnership_id.0),
        order: tier_assignment::Column::EffectiveOn,
        id: tier_assignment::Column::Id,
    };
    references::children(ctx, row, how, TierAssignment).await
}

/// The tier of today, in the zone of the programme.
pub(super) async fn tier(ctx: &Context<'_>, row: &Member<Model>) -> Result<Option<Tier>> {
    let assignments = tier_assignments(ctx, row).await?;
    if assignments.is_empty() {
        return Ok(None);
    }
    let program = match enrollment(ctx, row).await? {
        Some(enrollment) => enrollment.program(ctx).await?,
        None => None,
    };
    let zone = program.map_or(Zone::UTC, |program| program.0.row().zone);
    let Some(today) = zone.day_of(request(ctx)?.database.now()) else {
        return Ok(None);
    };
    let begun = |one: &&TierAssignment| one.0.row().effective_on <= today;
    match assignments.iter().rfind(begun) {
        Some(assignment) => assignment.tier(ctx).await,
        None => Ok(None),
    }
}

pub(super) async fn agreements(ctx: &Context<'_>, row: &Member<Model>) -> Result<Vec<Agreement>> {
    let how = Children::<agreement::Entity, Model> {
        field: "agreements",
        parent: |row| row.id.0,
        column: agreement::Column::PartnershipId,
        of: |row| Some(row.partnership_id.0),
        order: agreement::Column::EffectiveOn,
        id: agreement::Column::Id,
    };
    references::children(ctx, row, how, Agreement).await
}

pub(super) async fn assessments(ctx: &Context<'_>, row: &Member<Model>) -> Result<Vec<Assessment>> {
    let how = Children::<assessment::Entity, Model> {
        field: "assessments",
        parent: |row| row.id.0,
        column: assessment::Column::PartnershipId,
        of: |row| row.partnership_id.map(|id| id.0),
        order: assessment::Column::CreatedAt,
        id: assessment::Column::Id,
    };
    references::children(ctx, row, how, Assessment).await
}

pub(super) async fn onboarding_tasks(
    ctx: &Context<'_>,
    row: &Member<Model>,
) -> Result<Vec<OnboardingTask>> {
    let how = Children::<onboarding_task::Entity, Model> {
        field: "onboardingTasks",
        parent: |row| row.id.0,
        column: onboarding_task::Column::PartnershipId,
        of: |row| Some(row.partnership_id.0),
        order: onboarding_task::Column::Place,
        id: onboarding_task::Column::Id,
    };
    references::children(ctx, row, how, OnboardingTask).await
}

pub(super) async fn commitment_years(
    ctx: &Context<'_>,
    row: &Member<Model>,
) -> Result<Vec<CommitmentYear>> {
    let how = Children::<commitment_year::Entity, Model> {
        field: "commitmentYears",
        parent: |row| row.id.0,
        column: commitment_year::Column::PartnershipId,
        of: |row| Some(row.partnership_id.0),
        order: commitment_year::Column::StartsOn,
        id: commitment_year::Column::Id,
    };
    references::children(ctx, row, how, CommitmentYear).await
}
