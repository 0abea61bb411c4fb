//! What was done with partners, in the API.

mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::list::{self, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::partnership::Partnership;
use super::references::{self, internal};
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::activity::{self, Entity, Model};
use entities::id::ActivityId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub use filter::{ActivityFilter, ActivityOrder, ActivityOrderField};
pub use mutation::ActivityMutation;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "activity::ActivityKind")]
pub enum ActivityKind {
    /// A regular look at how it goes.
    CheckIn,
    /// A review of the two sides' business.
    BusinessReview,
    /// A first call.
    IntroCall,
    /// A call to find out whether it fits.
    QualificationCall,
    /// A meeting.
    Meeting,
    /// A message.
    Email,
    /// A call.
    Call,
    /// Something worth knowing.
    Note,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "activity::ActivityOutcome")]
pub enum ActivityOutcome {
    /// The partner responded well.
    Positive,
    /// Neither way.
    Neutral,
    /// It did not.
    Negative,
    /// It accepted a proposal in principle.
    ProposalAccepted,
    /// It declined one.
    ProposalDeclined,
}

enum_filter! {
    /// Kinds of activities to look for.
    ActivityKindFilter of ActivityKind, activity::ActivityKind
}

/// Something that was done with a partner. An activity never changes.
#[derive(Clone)]
pub struct Activity(pub(crate) Member<Model>);

impl Activity {
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

/// Something that was done with a partner. An activity never changes.
#[Object]
impl Activity {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was recorded.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What was done.
    async fn kind(&self) -> ActivityKind {
        self.0.row().kind.into()
    }
    /// When.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.0.row().occurred_at)
    }
    /// How it went. Internal: null for partners.
    async fn outcome(&self, ctx: &Context<'_>) -> Result<Option<ActivityOutcome>> {
        internal(ctx, self.0.row().outcome.map(Into::into))
    }
    /// What happened, in words that the partner reads as well.
    async fn summary(&self) -> Option<&str> {
        self.0.row().summary.as_deref()
    }
    /// What was noted among ourselves. Internal: null for partners.
    async fn internal_note(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().internal_note.as_deref())
    }
    /// Who recorded it. Internal: null for partners.
    async fn recorded_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().recorded_by.as_str()))
    }
    /// In which partnership.
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        references::partnership(ctx, &self.0, |row| Some(row.partnership_id.0)).await
    }
    /// With which partner.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
}

list_type!(
    ActivityConnection,
    ActivityEdge,
    Activity,
    Entity,
    "activities"
);

/// Queries about activities.
#[derive(Default)]
pub struct ActivityQuery;

#[Object]
impl ActivityQuery {
    /// One activity; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Activity>> {
        match id.parse() {
            Ok(ActivityId(id)) => Activity::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// What was done with partners; a partner sees what was written for it to read.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn activities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which activities.")] filter: Option<ActivityFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<ActivityOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<ActivityConnection> {
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
        let order = ActivityOrder::ordering(order_by)?;
        Ok(ActivityConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}
