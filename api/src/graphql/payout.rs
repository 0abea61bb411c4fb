//! Payouts in the API: what is payable, gathered, approved, paid.

mod export;
mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::ledger_entry::{self, LedgerEntryConnection, LedgerEntryFilter, LedgerEntryOrder};
use super::list::{self, Parent, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::references::{self, internal};
use super::scalar::{DateTime, Money};
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::id::PayoutId;
use entities::payout::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub use export::PayoutExportQuery;
pub(crate) use filter::OfPartner;
pub use filter::{PayoutFilter, PayoutOrder, PayoutOrderField};
pub use mutation::PayoutMutation;

/// How far a payout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "payout::PayoutStatus")]
pub enum PayoutStatus {
    /// Gathered; the partner does not see it.
    Draft,
    /// Approved.
    Approved,
    /// With the bank.
    Processing,
    /// Paid.
    Paid,
    /// The bank refused.
    Failed,
    /// Given up; its entries are free again.
    Cancelled,
}

enum_filter! {
    /// What to look for.
    PayoutStatusFilter of PayoutStatus, payout::PayoutStatus
}

/// A partner's payouts, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    filter: Option<PayoutFilter>,
    order_by: Option<Vec<PayoutOrder>>,
    page: PageArguments,
) -> Result<Option<PayoutConnection>> {
    let key = format!("payouts:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            PayoutOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(PayoutConnection::new))
}

/// A payment to a partner, in one currency; its amount is the sum of its entries. A partner sees it once it is approved.
#[derive(Clone)]
pub struct Payout(pub(crate) Member<Model>);

impl Payout {
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

/// A payment to a partner, in one currency; its amount is the sum of its entries. A partner sees it once it is approved.
#[Object]
impl Payout {
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
    /// What the payouts that were made together are called.
    async fn batch(&self) -> &str {
        &self.0.row().batch
    }
    /// How far it is.
    async fn status(&self) -> PayoutStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<PayoutStatus> {
        let next = self.0.row().status.transitions().iter();
        next.map(|status| PayoutStatus::from(*status)).collect()
    }
    /// How much.
    async fn amount(&self) -> Money {
        self.0.row().amount().into()
    }
    /// Of how many entries.
    async fn entry_count(&self) -> i64 {
        self.0.row().entries
    }
    /// Whether its approver must not be who made it. Internal: null for partners.
    async fn needs_second_person(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        internal(ctx, Some(self.0.row().four_eyes))
    }
    /// Who made it. Internal: null for partners.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().created_by.as_str()))
    }
    /// Who approved it. Internal: null for partners.
    async fn approved_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().approved_by.as_deref())
    }
    /// When it was approved.
    async fn approved_at(&self) -> Option<DateTime> {
        self.0.row().approved_at.map(DateTime)
    }
    /// What the bank calls it.
    async fn reference(&self) -> Option<&str> {
        self.0.row().reference.as_deref()
    }
    /// Why the bank refused.
    async fn failure(&self) -> Option<&str> {
        self.0.row().failure.as_deref()
    }
    /// When it was paid.
    async fn paid_at(&self) -> Option<DateTime> {
        self.0.row().paid_at.map(DateTime)
    }
    /// How often it was sent to the bank. Internal: null for partners.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        internal(ctx, Some(self.0.row().attempts))
    }
    /// To whom.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
    /// The entries it pays, and once it is paid the entries that say so.
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
        let by = ledger_entry::OfPayout;
        Box::pin(ledger_entry::list_of(
            ctx, parent, by, filter, order_by, page,
        ))
        .await
    }
}

list_type!(PayoutConnection, PayoutEdge, Payout, Entity, "payouts");

/// Queries about payouts.
#[derive(Default)]
pub struct PayoutQuery;

#[Object]
impl PayoutQuery {
    /// One payout; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn payout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Payout>> {
        match id.parse() {
            Ok(PayoutId(id)) => Payout::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The payouts you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn payouts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which payouts.")] filter: Option<PayoutFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<PayoutOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PayoutConnection> {
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
        Ok(PayoutConnection::new(
            list::whole(request, select, PayoutOrder::ordering(order_by)?, page).await?,
        ))
    }
}
