//! Deal registrations in the API: a partner claims an account, we decide, and who was first is protected for a while.
//!
//! A partner sees its own registrations and learns of others only the one word of `checkAccount`; what stands against a claim is told to who decides.

mod account_check;
mod conflict;
mod decision;
mod filter;
mod mutation;
mod note;
mod receipt;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::deal::Deal;
use super::filter::enum_filter;
use super::list::{self, Parent, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::partnership::Partnership;
use super::program::Program;
use super::references::{self, Children, internal};
use super::scalar::{Date, DateTime, Domain, Money};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use entities::deal_registration::{self, Entity, Model};
use entities::id::DealRegistrationId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::{deal, program, registration_note};
use uuid::Uuid;

pub use account_check::AccountCheckMutation;
pub use conflict::RegistrationConflictQuery;
pub use decision::RegistrationDecisionMutation;
pub(crate) use filter::OfPartnership;
pub use filter::{DealRegistrationFilter, DealRegistrationOrder, DealRegistrationOrderField};
pub use mutation::DealRegistrationMutation;
pub use note::RegistrationNote;

/// How far a deal registration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "deal_registration::RegistrationStatus")]
pub enum RegistrationStatus {
    /// Being written.
    Draft,
    /// Handed in.
    Submitted,
    /// Being looked at.
    UnderReview,
    /// Waiting for what the partner was asked.
    InfoRequested,
    /// Something stands against it.
    Conflicted,
    /// Protected.
    Approved,
    /// Refused.
    Rejected,
    /// Refused, for somebody was first.
    Duplicate,
    /// Its protection is over.
    Expired,
    /// Taken back.
    Withdrawn,
    /// A deal has come of it.
    Converted,
}

enum_filter! {
    /// What to look for.
    RegistrationStatusFilter of RegistrationStatus, deal_registration::RegistrationStatus
}

/// A partnership's registrations, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    filter: Option<DealRegistrationFilter>,
    order_by: Option<Vec<DealRegistrationOrder>>,
    page: PageArguments,
) -> Result<Option<DealRegistrationConnection>> {
    let key = format!("registrations:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            DealRegistrationOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(DealRegistrationConnection::new))
}

/// The account that is claimed.
#[derive(Clone, SimpleObject)]
pub struct RegisteredAccount {
    /// Its name.
    pub name: String,
    /// Its internet domain.
    pub domain: Option<Domain>,
    /// Its country: two letters of ISO 3166.
    pub country: Option<String>,
    /// Its D-U-N-S number.
    pub duns: Option<String>,
}

/// Whom the partner speaks with there.
#[derive(Clone, SimpleObject)]
pub struct RegisteredContact {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A partner's claim on an account: who registers a deal first is protected for a while.
#[derive(Clone)]
pub struct DealRegistration(pub(crate) Member<Model>);

impl DealRegistration {
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

/// A partner's claim on an account: who registers a deal first is protected for a while.
#[Object]
impl DealRegistration {
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
    /// How far it is.
    async fn status(&self) -> RegistrationStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<RegistrationStatus> {
        let next = self.0.row().status.transitions().iter();
        next.map(|status| RegistrationStatus::from(*status))
            .collect()
    }
    /// The account that is claimed.
    async fn account(&self) -> RegisteredAccount {
        let account = self.0.row().account();
        RegisteredAccount {
            name: account.name,
            domain: account.domain.map(Domain),
            country: account.country,
            duns: account.duns,
        }
    }
    /// Whom the partner speaks with there.
    async fn contact(&self) -> RegisteredContact {
        let row = self.0.row();
        RegisteredContact {
            name: row.contact_name.clone(),
            email: row.contact_email.clone(),
        }
    }
    /// Which products are claimed; empty for all.
    async fn products(&self) -> &[String] {
        &self.0.row().products.0
    }
    /// Where; empty for everywhere.
    async fn territories(&self) -> &[String] {
        &self.0.row().territories.0
    }
    /// What the deal may be worth.
    async fn value(&self) -> Option<Money> {
        self.0.row().value().map(Money::from)
    }
    /// The day on which it may close.
    async fn expected_close_on(&self) -> Option<Date> {
        self.0.row().expected_close_on.map(Date)
    }
    /// What the account wants it for.
    async fn use_case(&self) -> &str {
        &self.0.row().use_case
    }
    /// When it was handed in, by the server's clock: who came first is told by it.
    async fn submitted_at(&self) -> Option<DateTime> {
        self.0.row().submitted_at.map(DateTime)
    }
    /// Until when it is protected.
    async fn protected_until(&self) -> Option<DateTime> {
        self.0.row().protected_until.map(DateTime)
    }
    /// How often its protection was extended.
    async fn extensions(&self) -> i32 {
        self.0.row().extensions
    }
    /// When it was decided.
    async fn decided_at(&self) -> Option<DateTime> {
        self.0.row().decided_at.map(DateTime)
    }
    /// Who decided. Internal: null for partners.
    async fn decided_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().decided_by.as_deref())
    }
    /// What the partner is told of the decision.
    async fn decision(&self) -> Option<&str> {
        self.0.row().decision.as_deref()
    }
    /// What confirms that it was handed in, and when: a JSON Web Signature by this deployment's key, for the partner to show.
    async fn receipt(&self) -> Option<String> {
        receipt::shown(self.0.row())
    }
    /// What was said of it, oldest first. A partner does not see what we say among ourselves.
    async fn notes(&self, ctx: &Context<'_>) -> Result<Vec<RegistrationNote>> {
        let how = Children::<registration_note::Entity, Model> {
            field: "notes",
            parent: |row| row.id.0,
            column: registration_note::Column::RegistrationId,
            of: |row| Some(row.registration_id.0),
            order: registration_note::Column::CreatedAt,
            id: registration_note::Column::Id,
        };
        references::children(ctx, &self.0, how, RegistrationNote).await
    }
    /// The deal that has come of it.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Deal>> {
        let reference = |row: &Model| row.deal_id.map(|id| id.0);
        let id = |row: &deal::Model| row.id.0;
        references::to::<deal::Entity, _, _>(ctx, &self.0, "deal", reference, id, Deal).await
    }
    /// The programme it was registered in.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn program(&self, ctx: &Context<'_>) -> Result<Option<Program>> {
        let reference = |row: &Model| row.program_id.map(|id| id.0);
        let id = |row: &program::Model| row.id.0;
        references::to::<program::Entity, _, _>(ctx, &self.0, "program", reference, id, Program)
            .await
    }
    /// Who claims.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
    /// Through which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        references::partnership(ctx, &self.0, |row| Some(row.partnership_id.0)).await
    }
}

list_type!(
    DealRegistrationConnection,
    DealRegistrationEdge,
    DealRegistration,
    Entity,
    "deal registrations"
);

/// Queries about deal registrations.
#[derive(Default)]
pub struct DealRegistrationQuery;

#[Object]
impl DealRegistrationQuery {
    /// One deal registration; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::RegistrationsRead)", directive = requires_scope::apply("registrations:read".to_owned()))]
    async fn deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<DealRegistration>> {
        match id.parse() {
            Ok(DealRegistrationId(id)) => DealRegistration::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The deal registrations you may see.
    #[graphql(guard = "RequireScope(Scope::RegistrationsRead)", directive = requires_scope::apply("registrations:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn deal_registrations(
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
    ) -> Result<DealRegistrationConnection> {
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
        Ok(DealRegistrationConnection::new(
            list::whole(
                request,
                select,
                DealRegistrationOrder::ordering(order_by)?,
                page,
            )
            .await?,
        ))
    }
}
