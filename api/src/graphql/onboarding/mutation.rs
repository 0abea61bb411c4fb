//! Publishing a checklist, beginning an onboarding with it, and moving its tasks on.

use super::{Checklist, OnboardingStep, OnboardingTask, OnboardingTaskStatus};
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use crate::graphql::partnership::Partnership;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::checklist::{self, NewChecklist};
use entities::id::OnboardingTaskId;
use entities::onboarding_task;
use entities::viewer::Scope;
use entities::visible;

/// A task of a checklist.
#[derive(Debug, InputObject)]
pub struct ChecklistItemInput {
    /// To which part of an onboarding it belongs.
    pub step: OnboardingStep,
    /// What is to be done.
    pub title: String,
    /// The first week it is meant for; 1 is the week of the beginning.
    pub from_week: i32,
    /// The last.
    pub to_week: i32,
}

/// A checklist that takes the place of the present one of its name.
#[derive(Debug, InputObject)]
pub struct PublishChecklistInput {
    /// What it is called.
    pub name: String,
    /// What it is about.
    #[graphql(default)]
    pub description: String,
    /// Its tasks in order, 1 to 100.
    pub items: Vec<ChecklistItemInput>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl PublishChecklistInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<checklist::Model> {
        let item = |input: ChecklistItemInput| checklist::ChecklistItem {
            step: input.step.into(),
            title: input.title,
            from_week: input.from_week,
            to_week: input.to_week,
        };
        let new = NewChecklist {
            name: self.name,
            description: self.description,
            items: self.items.into_iter().map(item).collect(),
        };
        checklist::publish(&mut edit.change, new).await
    }
}

/// An onboarding that is to begin.
#[derive(Debug, InputObject)]
pub struct BeginOnboardingInput {
    /// Of which partnership.
    pub partnership_id: ID,
    /// With which checklist, by its name; with the last that was published when nothing is said.
    pub checklist: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// How a task of an onboarding goes on.
#[derive(Debug, InputObject)]
pub struct UpdateOnboardingTaskInput {
    /// Which task.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Where it stands now; see `availableTransitions`.
    pub status: OnboardingTaskStatus,
    /// Why it is skipped, required then; or what is worth knowing.
    pub note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateOnboardingTaskInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<onboarding_task::Model> {
        let id: OnboardingTaskId = id_input(&self.id, "id")?;
        let (viewer, expected) = (&edit.request.viewer, self.expected_version);
        let lock = visible::lock_one::<onboarding_task::Entity>;
        let row = lock(&edit.change, viewer, id.0, expected).await?;
        onboarding_task::step(&mut edit.change, row, self.status.into(), self.note).await
    }
}

payload!(
    PublishChecklistPayload {
        checklist: Checklist
    },
    "publishChecklist",
    Scope::PartnersRead
);
payload!(
    BeginOnboardingPayload {
        partnership: Partnership
    },
    "beginOnboarding",
    Scope::PartnersRead
);
payload!(
    UpdateOnboardingTaskPayload {
        onboarding_task: OnboardingTask
    },
    "updateOnboardingTask",
    Scope::PartnersRead
);

/// Changes of onboardings.
#[derive(Default)]
pub struct OnboardingMutation;

#[Object]
impl OnboardingMutation {
    /// Publishes a checklist. Onboardings that have begun go on as they were begun.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn publish_checklist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The checklist.")] input: PublishChecklistInput,
    ) -> Result<PublishChecklistPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(PublishChecklistPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Checklist::one,
        ))
    }

    /// Begins a partnership's onboarding, once.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn begin_onboarding(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which partnership, and with which checklist.")]
        input: BeginOnboardingInput,
    ) -> Result<BeginOnboardingPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = async {
            let id = id_input(&input.partnership_id, "partnershipId")?;
            let (viewer, list) = (&edit.request.viewer, input.checklist.as_deref());
            onboarding_task::begin(&mut edit.change, viewer, id, list).await
        }
        .await;
        Ok(BeginOnboardingPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Partnership::one,
        ))
    }

    /// Moves a task of an onboarding on.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_onboarding_task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task, and where it stands.")] input: UpdateOnboardingTaskInput,
    ) -> Result<UpdateOnboardingTaskPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateOnboardingTaskPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            OnboardingTask::one,
        ))
    }
}
