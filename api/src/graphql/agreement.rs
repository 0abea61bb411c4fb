//! Agreements in the API: their way from a draft to their end, what they say, and who signed that.

mod exclusivity;
mod filter;
mod mutation;
mod sla;
mod terms;
mod version;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::list::{self, list_type};
use super::obligation::Obligation;
use super::page::PageArguments;
use super::partner::Partner;
use super::partnership::Partnership;
use super::references::{self, Children, internal};
use super::scalar::{Date, DateTime};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::agreement::{self, Entity, Model};
use entities::id::AgreementId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::{agreement_version, obligation, sla_measurement};
use uuid::Uuid;

pub use exclusivity::{ExclusivityMeeting, ExclusivityOverlap, ExclusivityQuery};
pub use filter::{AgreementFilter, AgreementOrder, AgreementOrderField};
pub use mutation::AgreementMutation;
pub use sla::SlaMeasurement;
pub use terms::{AgreementTerms, AgreementTermsInput};
pub use version::{AgreementSignature, AgreementVersion};

/// Where an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement::AgreementStatus")]
pub enum AgreementStatus {
    /// Being written; the partner does not see it.
    Draft,
    /// Being talked about.
    InNegotiation,
    /// With the lawyers.
    LegalReview,
    /// Waiting for signatures.
    PendingSignature,
    /// Signed by both, not begun.
    Signed,
    /// In force.
    Active,
    /// In force until its notice ends.
    NoticeGiven,
    /// Over, after notice.
    Terminated,
    /// Over, at the end of its term.
    Expired,
    /// Over, because another took its place.
    Superseded,
    /// Given up before it was signed.
    Withdrawn,
}

enum_filter! {
    /// What to look for.
    AgreementStatusFilter of AgreementStatus, agreement::AgreementStatus
}

/// What was agreed with a partner in one partnership. A partner sees it from the negotiation on.
#[derive(Clone)]
pub struct Agreement(pub(crate) Member<Model>);

impl Agreement {
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

/// What was agreed with a partner in one partnership. A partner sees it from the negotiation on.
#[Object]
impl Agreement {
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
    async fn number(&self) -> &str {
        &self.0.row().number
    }
    /// Where it stands.
    async fn status(&self) -> AgreementStatus {
        self.0.row().status.into()
    }
    /// The states `advanceAgreement` may move it to; signing, beginning and ending have ways of their own.
    async fn available_transitions(&self) -> Vec<AgreementStatus> {
        let next = self.0.row().status.transitions().iter();
        next.map(|status| AgreementStatus::from(*status)).collect()
    }
    /// Its first day.
    async fn effective_on(&self) -> Date {
        Date(self.0.row().effective_on)
    }
    /// The time zone in which its days begin, as the IANA database names it.
    async fn time_zone(&self) -> String {
        self.0.row().zone.to_string()
    }
    /// How many months a term has.
    async fn term_months(&self) -> i32 {
        self.0.row().term_months
    }
    /// Whether it is renewed by itself at the end of a term.
    async fn auto_renew(&self) -> bool {
        self.0.row().auto_renew
    }
    /// How many days of notice it asks for.
    async fn notice_days(&self) -> i32 {
        self.0.row().notice_days
    }
    /// For how many months after its end it stays confidential.
    async fn confidentiality_months(&self) -> i32 {
        self.0.row().confidentiality_months
    }
    /// Which term it is in, or begins with: 1 is the first.
    async fn term(&self) -> i32 {
        self.0.row().term
    }
    /// The first day that is no longer of this term.
    async fn term_ends_on(&self) -> Date {
        Date(self.0.row().term_ends_on)
    }
    /// When notice was given.
    async fn notice_given_on(&self) -> Option<Date> {
        self.0.row().notice_given_on.map(Date)
    }
    /// Why notice was given. Internal: null for partners.
    async fn notice_reason(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().notice_reason.as_deref())
    }
    /// The first day on which, after notice, it is no longer in force.
    async fn terminates_on(&self) -> Option<Date> {
        self.0.row().terminates_on.map(Date)
    }
    /// The first day on which it was no longer in force.
    async fn ended_on(&self) -> Option<Date> {
        self.0.row().ended_on.map(Date)
    }
    /// What took its place.
    async fn superseded_by(&self, ctx: &Context<'_>) -> Result<Option<Agreement>> {
        let reference = |row: &Model| row.superseded_by.map(|id| id.0);
        let id = |row: &Model| row.id.0;
        references::to::<Entity, _, _>(ctx, &self.0, "supersededBy", reference, id, Agreement).await
    }
    /// What it says, oldest version first.
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<AgreementVersion>> {
        let how = Children::<agreement_version::Entity, Model> {
            field: "versions",
            parent: |row| row.id.0,
            column: agreement_version::Column::AgreementId,
            of: |row| Some(row.agreement_id.0),
            order: agreement_version::Column::Number,
            id: agreement_version::Column::Id,
        };
        references::children(ctx, &self.0, how, AgreementVersion).await
    }
    /// What it asks for by which day, the earliest first. A partner does not see our own decisions.
    async fn obligations(&self, ctx: &Context<'_>) -> Result<Vec<Obligation>> {
        let how = Children::<obligation::Entity, Model> {
            field: "obligations",
            parent: |row| row.id.0,
            column: obligation::Column::AgreementId,
            of: |row| Some(row.agreement_id.0),
            order: obligation::Column::DueOn,
            id: obligation::Column::Id,
        };
        references::children(ctx, &self.0, how, Obligation).await
    }
    /// What was measured of the service levels it promises, the earliest first.
    async fn sla_measurements(&self, ctx: &Context<'_>) -> Result<Vec<SlaMeasurement>> {
        let how = Children::<sla_measurement::Entity, Model> {
            field: "slaMeasurements",
            parent: |row| row.id.0,
            column: sla_measurement::Column::AgreementId,
            of: |row| Some(row.agreement_id.0),
            order: sla_measurement::Column::StartsOn,
            id: sla_measurement::Column::Id,
        };
        references::children(ctx, &self.0, how, SlaMeasurement).await
    }
    /// With whom.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
    /// For which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        references::partnership(ctx, &self.0, |row| Some(row.partnership_id.0)).await
    }
}

list_type!(
    AgreementConnection,
    AgreementEdge,
    Agreement,
    Entity,
    "agreements"
);

/// Queries about agreements.
#[derive(Default)]
pub struct AgreementQuery;

#[Object]
impl AgreementQuery {
    /// One agreement; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Agreement>> {
        match id.parse() {
            Ok(AgreementId(id)) => Agreement::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The agreements you may see.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn agreements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agreements.")] filter: Option<AgreementFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<AgreementOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<AgreementConnection> {
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
        Ok(AgreementConnection::new(
            list::whole(request, select, AgreementOrder::ordering(order_by)?, page).await?,
        ))
    }
}
