//! Partnerships in the API.

mod filter;
mod guard;
mod mutation;
mod programme;

use super::agreement::Agreement;
use super::assessment::Assessment;
use super::commitment_year::CommitmentYear;
use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::deal_registration::{
    self, DealRegistrationConnection, DealRegistrationFilter, DealRegistrationOrder,
};
use super::filter::enum_filter;
use super::ledger_entry::{self, LedgerEntryConnection, LedgerEntryFilter, LedgerEntryOrder};
use super::list::{self, Parent, list_type};
use super::onboarding::OnboardingTask;
use super::page::PageArguments;
use super::partner::Partner;
use super::program::ProgramEnrollment;
use super::scalar::{DateTime, Money};
use super::siblings::{self, Member};
use super::tier::{Tier, TierAssignment};
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::id::PartnershipId;
use entities::partner;
use entities::partnership::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};

pub(crate) use filter::OfPartner;
pub use filter::{PartnershipFilter, PartnershipOrder, PartnershipOrderField};
pub use guard::StageGuardQuery;
pub use mutation::PartnershipMutation;

/// What kind of relationship it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partnership::PartnerType")]
pub enum PartnerType {
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

/// How far the relationship has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partnership::PipelineStage")]
pub enum PipelineStage {
    /// Identified.
    Prospect,
    /// In conversation.
    Engage,
    /// Working out terms.
    Negotiate,
    /// In force.
    Active,
}

/// Whether the relationship goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partnership::PartnershipStatus")]
pub enum PartnershipStatus {
    /// It does.
    Open,
    /// It rests.
    OnHold,
    /// It did not come about.
    Declined,
    /// It is over.
    Ended,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partnership::Priority")]
pub enum Priority {
    /// First.
    Critical,
    /// Soon.
    High,
    /// In its turn.
    Medium,
    /// When there is time.
    Low,
}

enum_filter! {
    /// A partnership's type to look for.
    PartnerTypeFilter of PartnerType, partnership::PartnerType
}

enum_filter! {
    /// A partnership's stage to look for.
    PipelineStageFilter of PipelineStage, partnership::PipelineStage
}

enum_filter! {
    /// A partnership's status to look for.
    PartnershipStatusFilter of PartnershipStatus, partnership::PartnershipStatus
}

/// A parent's partnerships, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    field: &str,
    filter: Option<PartnershipFilter>,
    order_by: Option<Vec<PartnershipOrder>>,
    page: PageArguments,
) -> Result<Option<PartnershipConnection>> {
    let key = format!("{field}:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            PartnershipOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(PartnershipConnection::new))
}

/// One relationship of one type with a partner.
#[derive(Clone)]
pub struct Partnership(pub(crate) Member<Model>);

impl Partnership {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    pub(crate) async fn find(request: &RequestContext, id: PartnershipId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }

    /// A value that partners do not see.
    fn internal<T>(ctx: &Context<'_>, value: Option<T>) -> Result<Option<T>> {
        Ok(value.filter(|_| request(ctx).is_ok_and(|request| request.viewer.sees_internal())))
    }
}

/// One relationship of one type with a partner.
#[Object]
impl Partnership {
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
    /// What kind of relationship it is.
    async fn r#type(&self) -> PartnerType {
        self.0.row().kind.into()
    }
    /// The business models it works by.
    async fn models(&self) -> &[String] {
        &self.0.row().models.0
    }
    /// How far it has come.
    async fn stage(&self) -> PipelineStage {
        self.0.row().stage.into()
    }
    /// Whether it goes on.
    async fn status(&self) -> PartnershipStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<PartnershipStatus> {
        let row = self.0.row();
        row.status
            .transitions(row.stage)
            .iter()
            .map(|status| PartnershipStatus::from(*status))
            .collect()
    }
    /// How much it matters. Internal: null for partners.
    async fn priority(&self, ctx: &Context<'_>) -> Result<Option<Priority>> {
        Self::internal(ctx, Some(self.0.row().priority.into()))
    }
    /// The directly responsible individual. Internal: null for partners.
    async fn dri(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Self::internal(ctx, self.0.row().dri.as_deref())
    }
    /// What we gain. Internal: null for partners.
    async fn value_for_us(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Self::internal(ctx, self.0.row().value_for_us.as_deref())
    }
    /// What the partner gains.
    async fn value_for_them(&self) -> Option<&str> {
        self.0.row().value_for_them.as_deref()
    }
    /// What customers gain.
    async fn value_for_customers(&self) -> Option<&str> {
        self.0.row().value_for_customers.as_deref()
    }
    /// The revenue it is meant to bring. Internal: null for partners.
    async fn revenue_target(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        Self::internal(ctx, self.0.row().revenue_target().map(Money::from))
    }
    /// Within how many months. Internal: null for partners.
    async fn timeline_months(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        Self::internal(ctx, self.0.row().timeline_months)
    }
    /// Free tags. Internal: empty for partners.
    async fn tags(&self, ctx: &Context<'_>) -> Result<&[String]> {
        Ok(if request(ctx)?.viewer.sees_internal() {
            &self.0.row().tags.0
        } else {
            &[]
        })
    }
    /// When it was begun here.
    async fn started_at(&self) -> Option<DateTime> {
        self.0.row().started_at.map(DateTime)
    }
    /// When it came into force, where that is known.
    async fn live_at(&self) -> Option<DateTime> {
        self.0.row().live_at.map(DateTime)
    }
    /// When it was declined or ended.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.row().ended_at.map(DateTime)
    }
    /// Why it was declined or ended. Internal: null for partners.
    async fn ended_reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Self::internal(ctx, self.0.row().ended_reason.as_deref())
    }

    /// With whom.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let (target, reference) = (self.0.row().partner_id.0, |row: &Model| {
            Some(row.partner_id.0)
        });
        Ok(siblings::follow::<partner::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "partner",
            target,
            reference,
            |row| row.id.0,
        )
        .await?
        .map(Partner))
    }

    /// Its part in a programme.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn enrollment(&self, ctx: &Context<'_>) -> Result<Option<ProgramEnrollment>> {
        programme::enrollment(ctx, &self.0).await
    }

    /// Its tier today.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn tier(&self, ctx: &Context<'_>) -> Result<Option<Tier>> {
        Box::pin(programme::tier(ctx, &self.0)).await
    }

    /// The tiers it was given, the earliest first, and those of days to come.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn tier_assignments(&self, ctx: &Context<'_>) -> Result<Option<Vec<TierAssignment>>> {
        programme::tier_assignments(ctx, &self.0).await.map(Some)
    }

    /// What was agreed, the earliest first; a partner sees it from the negotiation on.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreements(&self, ctx: &Context<'_>) -> Result<Option<Vec<Agreement>>> {
        programme::agreements(ctx, &self.0).await.map(Some)
    }

    /// How it was scored, the earliest first. Internal: empty for partners.
    async fn assessments(&self, ctx: &Context<'_>) -> Result<Option<Vec<Assessment>>> {
        programme::assessments(ctx, &self.0).await.map(Some)
    }

    /// The tasks of its onboarding, in order; empty before it has begun.
    async fn onboarding_tasks(&self, ctx: &Context<'_>) -> Result<Option<Vec<OnboardingTask>>> {
        programme::onboarding_tasks(ctx, &self.0).await.map(Some)
    }

    /// Its contract years, the earliest first: what was counted, and whether their commitments were met.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn commitment_years(&self, ctx: &Context<'_>) -> Result<Option<Vec<CommitmentYear>>> {
        programme::commitment_years(ctx, &self.0).await.map(Some)
    }

    /// Its entries of the ledger.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries.")] filter: Option<LedgerEntryFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<LedgerEntryOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Option<LedgerEntryConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        let parent = Parent {
            group: self.0.group(),
            ids: |rows: &[Model]| rows.iter().map(|row| row.id.0).collect(),
            id: self.0.row().id.0,
        };
        let by = ledger_entry::OfPartnership;
        Box::pin(ledger_entry::list_of(
            ctx, parent, by, filter, order_by, page,
        ))
        .await
    }

    /// The accounts it claims, or claimed.
    #[graphql(guard = "RequireScope(Scope::RegistrationsRead)", directive = requires_scope::apply("registrations:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn registrations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registrations.")] filter: Option<DealRegistrationFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<
            Vec<DealRegistrationOrder>,
        >,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Option<DealRegistrationConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        let parent = Parent {
            group: self.0.group(),
            ids: |rows: &[Model]| rows.iter().map(|row| row.id.0).collect(),
            id: self.0.row().id.0,
        };
        let by = deal_registration::OfPartnership;
        Box::pin(deal_registration::list_of(
            ctx, parent, by, filter, order_by, page,
        ))
        .await
    }
}

list_type!(
    PartnershipConnection,
    PartnershipEdge,
    Partnership,
    Entity,
    "partnerships"
);

/// Queries about partnerships.
#[derive(Default)]
pub struct PartnershipQuery;

#[Object]
impl PartnershipQuery {
    /// One partnership; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partnership's id.")] id: ID,
    ) -> Result<Option<Partnership>> {
        match id.parse() {
            Ok(id) => Partnership::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The partnerships you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn partnerships(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partnerships.")] filter: Option<PartnershipFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<PartnershipOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PartnershipConnection> {
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
        Ok(PartnershipConnection::new(
            list::whole(request, select, PartnershipOrder::ordering(order_by)?, page).await?,
        ))
    }
}
