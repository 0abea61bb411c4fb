//! Obligations in the API: what agreements ask for, and by which day.

mod filter;
mod mutation;

use super::agreement::Agreement;
use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::list::{self, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::partnership::Partnership;
use super::references::{self, internal};
use super::scalar::{Date, DateTime};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::agreement;
use entities::id::ObligationId;
use entities::obligation::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub use filter::{ObligationFilter, ObligationOrder, ObligationOrderField};
pub use mutation::ObligationMutation;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "obligation::ObligationKind")]
pub enum ObligationKind {
    /// Whether we let the agreement go on. Ours: partners do not see it.
    RenewalDecision,
    /// The last day on which notice ends it with its term.
    NoticeDeadline,
    /// Whether a contract year's commitment was met.
    CommitmentCheck,
    /// A review of the two sides.
    Review,
    /// A certificate or a statement of compliance.
    Attestation,
    /// Confidentiality ends.
    ConfidentialityEnd,
}

enum_filter! {
    /// What to look for.
    ObligationKindFilter of ObligationKind, obligation::ObligationKind
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "obligation::ObligationStatus")]
pub enum ObligationStatus {
    /// It is to be done.
    Open,
    /// It is.
    Done,
    /// It need not be.
    Waived,
}

enum_filter! {
    /// What to look for.
    ObligationStatusFilter of ObligationStatus, obligation::ObligationStatus
}

/// Something an agreement asks for by a day.
#[derive(Clone)]
pub struct Obligation(pub(crate) Member<Model>);

impl Obligation {
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

/// Something an agreement asks for by a day.
#[Object]
impl Obligation {
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
    /// What is asked for.
    async fn kind(&self) -> ObligationKind {
        self.0.row().kind.into()
    }
    /// What of its kind, where there are several: a requirement.
    async fn subject(&self) -> Option<&str> {
        Some(self.0.row().subject.as_str()).filter(|subject| !subject.is_empty())
    }
    /// By which day.
    async fn due_on(&self) -> Date {
        Date(self.0.row().due_on)
    }
    /// Who sees to it. Internal: null for partners.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().owner.as_deref())
    }
    /// Whether it is done.
    async fn status(&self) -> ObligationStatus {
        self.0.row().status.into()
    }
    /// When it was closed.
    async fn done_at(&self) -> Option<DateTime> {
        self.0.row().done_at.map(DateTime)
    }
    /// Who closed it. Internal: null for partners.
    async fn done_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().done_by.as_deref())
    }
    /// What was noted then. Internal: null for partners.
    async fn note(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().note.as_deref())
    }
    /// The agreement that asks for it.
    async fn agreement(&self, ctx: &Context<'_>) -> Result<Option<Agreement>> {
        let reference = |row: &Model| Some(row.agreement_id.0);
        let id = |row: &agreement::Model| row.id.0;
        let to = references::to::<agreement::Entity, _, _>;
        to(ctx, &self.0, "agreement", reference, id, Agreement).await
    }
    /// With whom.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
    /// Of which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        references::partnership(ctx, &self.0, |row| Some(row.partnership_id.0)).await
    }
}

list_type!(
    ObligationConnection,
    ObligationEdge,
    Obligation,
    Entity,
    "obligations"
);

/// Queries about obligations.
#[derive(Default)]
pub struct ObligationQuery;

#[Object]
impl ObligationQuery {
    /// One obligation; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn obligation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Obligation>> {
        match id.parse() {
            Ok(ObligationId(id)) => Obligation::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// What agreements ask for: filter by `dueOn` to learn what binds us this quarter.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn obligations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which obligations.")] filter: Option<ObligationFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<ObligationOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<ObligationConnection> {
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
        Ok(ObligationConnection::new(
            list::whole(request, select, ObligationOrder::ordering(order_by)?, page).await?,
        ))
    }
}
