//! A partnership's onboarding in the API: its tasks, and the checklists they are made from.

mod mutation;

use super::context::{RequireScope, request, requires_scope};
use super::references::internal;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entities::checklist;
use entities::onboarding_task::{self, Model};
use entities::viewer::Scope;

pub use mutation::OnboardingMutation;

/// To which part of an onboarding a task belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "checklist::OnboardingStep")]
pub enum OnboardingStep {
    /// Getting to know each other.
    InitialContact,
    /// Agreeing.
    PartnershipAgreement,
    /// Making things work together.
    TechnicalIntegration,
    /// Going to market.
    GoToMarket,
}

/// Where a task of an onboarding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "onboarding_task::TaskStatus")]
pub enum OnboardingTaskStatus {
    /// Nobody has begun.
    Todo,
    /// Somebody is at it.
    InProgress,
    /// It is done.
    Done,
    /// It need not be.
    Skipped,
}

/// A task of a partnership's onboarding.
#[derive(Clone)]
pub struct OnboardingTask(pub(crate) Member<Model>);

impl OnboardingTask {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }
}

/// A task of a partnership's onboarding.
#[Object]
impl OnboardingTask {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When the onboarding began.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// Its place in the list; 1 is the first.
    async fn place(&self) -> i32 {
        self.0.row().place
    }
    /// To which part it belongs.
    async fn step(&self) -> OnboardingStep {
        self.0.row().step.into()
    }
    /// What is to be done.
    async fn title(&self) -> &str {
        &self.0.row().title
    }
    /// The first week it is meant for; 1 is the week of the beginning.
    async fn from_week(&self) -> i32 {
        self.0.row().from_week
    }
    /// The last.
    async fn to_week(&self) -> i32 {
        self.0.row().to_week
    }
    /// Where it stands.
    async fn status(&self) -> OnboardingTaskStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<OnboardingTaskStatus> {
        let next = self.0.row().status.transitions().iter();
        next.map(|status| OnboardingTaskStatus::from(*status))
            .collect()
    }
    /// Why it was skipped, or what is worth knowing. Internal: null for partners.
    async fn note(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().note.as_deref())
    }
    /// Who settled it. Internal: null for partners.
    async fn done_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().done_by.as_deref())
    }
    /// When it was done or skipped.
    async fn done_at(&self) -> Option<DateTime> {
        self.0.row().done_at.map(DateTime)
    }
}

/// A task of a checklist.
#[derive(Clone, Debug, SimpleObject)]
pub struct ChecklistItem {
    /// To which part of an onboarding it belongs.
    pub step: OnboardingStep,
    /// What is to be done.
    pub title: String,
    /// The first week it is meant for; 1 is the week of the beginning.
    pub from_week: i32,
    /// The last.
    pub to_week: i32,
}

/// The tasks that an onboarding begins with. A checklist never changes; the last of its name is used.
#[derive(Clone)]
pub struct Checklist(pub(crate) Member<checklist::Model>);

impl Checklist {
    pub(crate) fn one(row: checklist::Model) -> Self {
        Self(Member::single(row))
    }
}

/// The tasks that an onboarding begins with. A checklist never changes; the last of its name is used.
#[Object]
impl Checklist {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was published.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// What it is about.
    async fn description(&self) -> &str {
        &self.0.row().description
    }
    /// Its tasks, in order.
    async fn items(&self) -> Vec<ChecklistItem> {
        let items = self.0.row().items.0.iter();
        items
            .map(|item| ChecklistItem {
                step: item.step.into(),
                title: item.title.clone(),
                from_week: item.from_week,
                to_week: item.to_week,
            })
            .collect()
    }
    /// Who published it.
    async fn published_by(&self) -> &str {
        &self.0.row().published_by
    }
}

/// Queries about onboarding.
#[derive(Default)]
pub struct OnboardingQuery;

#[Object]
impl OnboardingQuery {
    /// The present checklist of a name, or the last that was published; null when there is none. Internal: partners see none.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn checklist(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its name.")] name: Option<String>,
    ) -> Result<Option<Checklist>> {
        let request = request(ctx)?;
        // PostgreSQL would not even read a text with NUL; no checklist is called so.
        if name.as_deref().is_some_and(|name| name.contains('\0')) {
            return Ok(None);
        }
        let (connection, viewer) = (request.database.read(), &request.viewer);
        let found = checklist::find(connection, viewer, name.as_deref()).await?;
        Ok(found.map(Checklist::one))
    }
}
