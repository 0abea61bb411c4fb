//! Companies' applications to a programme in the API: staff reads and decides all of them, a partner hands in and sees its own.

mod decision;
mod filter;
mod mutation;

use super::assessment::Assessment;
use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::list::{self, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::partnership::{PartnerType, Partnership};
use super::program::Program;
use super::references::{self, Children, internal};
use super::scalar::{DateTime, Domain};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::id::PartnerApplicationId;
use entities::partner_application::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::{assessment, program};
use uuid::Uuid;

pub use decision::ApplicationDecisionMutation;
pub use filter::{PartnerApplicationFilter, PartnerApplicationOrder, PartnerApplicationOrderField};
pub use mutation::PartnerApplicationMutation;

/// What became of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partner_application::ApplicationStatus")]
pub enum PartnerApplicationStatus {
    /// It waits to be looked at.
    Submitted,
    /// Somebody looks at it.
    InReview,
    /// It waits for an answer of the company.
    InformationRequested,
    /// The company takes part.
    Approved,
    /// It does not.
    Refused,
    /// The company took it back.
    Withdrawn,
    /// No answer came.
    Expired,
}

/// How an application came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partner_application::ApplicationSource")]
pub enum PartnerApplicationSource {
    /// By the public form: nobody proved who they are.
    Form,
    /// From a partner, for itself.
    Partner,
    /// Staff or software of the programme wrote it down.
    Staff,
}

enum_filter! {
    /// What to look for.
    PartnerApplicationStatusFilter of PartnerApplicationStatus, partner_application::ApplicationStatus
}

enum_filter! {
    /// How applications to look for came.
    PartnerApplicationSourceFilter of PartnerApplicationSource, partner_application::ApplicationSource
}

/// A company's wish to take part in a programme.
#[derive(Clone)]
pub struct PartnerApplication(pub(crate) Member<Model>);

impl PartnerApplication {
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

/// A company's wish to take part in a programme.
#[Object]
impl PartnerApplication {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When it was handed in.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// What became of it.
    async fn status(&self) -> PartnerApplicationStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<PartnerApplicationStatus> {
        let next = self.0.row().status.transitions().iter();
        next.map(|status| PartnerApplicationStatus::from(*status))
            .collect()
    }
    /// How it came.
    async fn source(&self) -> PartnerApplicationSource {
        self.0.row().source.into()
    }
    /// What kind of partnership the company wants.
    async fn r#type(&self) -> PartnerType {
        self.0.row().kind.into()
    }
    /// The company, as it calls itself.
    async fn company_name(&self) -> &str {
        &self.0.row().company_name
    }
    /// The internet domain it gives; nobody proved that it is its own.
    async fn domain(&self) -> Option<Domain> {
        self.0.row().domain.clone().map(Domain)
    }
    /// The website it gives.
    async fn website(&self) -> Option<&str> {
        self.0.row().website.as_deref()
    }
    /// Its country: two letters of ISO 3166.
    async fn country(&self) -> Option<&str> {
        self.0.row().country.as_deref()
    }
    /// How many people it says it employs.
    async fn employees(&self) -> Option<i32> {
        self.0.row().employees
    }
    /// Who speaks for it.
    async fn contact_name(&self) -> &str {
        &self.0.row().contact_name
    }
    /// Where that person is reached.
    async fn contact_email(&self) -> Option<&str> {
        self.0.row().contact_email.as_deref()
    }
    /// What it wants, in its own words.
    async fn message(&self) -> &str {
        &self.0.row().message
    }
    /// Who handed it in. Internal: null for partners.
    async fn submitted_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().submitted_by.as_str()))
    }
    /// What was asked last.
    async fn question(&self) -> Option<&str> {
        self.0.row().question.as_deref()
    }
    /// Until when the answer is waited for.
    async fn answer_until(&self) -> Option<DateTime> {
        self.0.row().answer_until.map(DateTime)
    }
    /// What was answered to it.
    async fn answer(&self) -> Option<&str> {
        self.0.row().answer.as_deref()
    }
    /// Why it was decided so, or taken back.
    async fn reason(&self) -> Option<&str> {
        self.0.row().reason.as_deref()
    }
    /// What was noted besides. Internal: null for partners.
    async fn internal_note(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().internal_note.as_deref())
    }
    /// Who decided. Internal: null for partners.
    async fn decided_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().decided_by.as_deref())
    }
    /// When it was decided.
    async fn decided_at(&self) -> Option<DateTime> {
        self.0.row().decided_at.map(DateTime)
    }
    /// Why it was approved without an assessment that is good enough. Internal: null for partners.
    async fn override_reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().override_reason.as_deref())
    }
    /// How it was scored, the earliest first. Internal: empty for partners.
    async fn assessments(&self, ctx: &Context<'_>) -> Result<Option<Vec<Assessment>>> {
        let how = Children::<assessment::Entity, Model> {
            field: "assessments",
            parent: |row| row.id.0,
            column: assessment::Column::ApplicationId,
            of: |row| row.application_id.map(|id| id.0),
            order: assessment::Column::CreatedAt,
            id: assessment::Column::Id,
        };
        let found = references::children(ctx, &self.0, how, Assessment).await;
        found.map(Some)
    }
    /// To which programme; null where you do not take part in it.
    async fn program(&self, ctx: &Context<'_>) -> Result<Option<Program>> {
        let reference = |row: &Model| Some(row.program_id.0);
        let id = |row: &program::Model| row.id.0;
        let to = references::to::<program::Entity, _, _>;
        to(ctx, &self.0, "program", reference, id, Program).await
    }
    /// Which partner the company is; null for one that is none.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| row.partner_id.map(|id| id.0)).await
    }
    /// The partnership that came of it.
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        references::partnership(ctx, &self.0, |row| row.partnership_id.map(|id| id.0)).await
    }
}

list_type!(
    PartnerApplicationConnection,
    PartnerApplicationEdge,
    PartnerApplication,
    Entity,
    "applications"
);

/// Queries about applications.
#[derive(Default)]
pub struct PartnerApplicationQuery;

#[Object]
impl PartnerApplicationQuery {
    /// One application; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner_application(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<PartnerApplication>> {
        match id.parse() {
            Ok(PartnerApplicationId(id)) => PartnerApplication::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The applications; a partner sees its own.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn partner_applications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which applications.")] filter: Option<PartnerApplicationFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<
            Vec<PartnerApplicationOrder>,
        >,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PartnerApplicationConnection> {
        let request = request(ctx)?;
        let select = filter
            .unwrap_or_default()
            .on(Entity::visible_to(&request.viewer))?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        let order = PartnerApplicationOrder::ordering(order_by)?;
        Ok(PartnerApplicationConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}
