//! The ledger in the API: what partners earned, owe and were paid, and from what that was computed.

mod balance;
mod explanation;
mod filter;
mod mutation;

use super::agreement::Agreement;
use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::deal::Deal;
use super::filter::enum_filter;
use super::list::{self, Parent, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::partnership::Partnership;
use super::payout::Payout;
use super::references;
use super::revenue_event::RevenueEvent;
use super::scalar::{Date, DateTime, Money};
use super::siblings::Member;
use super::statement::Statement;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::id::LedgerEntryId;
use entities::ledger_entry::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::{agreement, deal, payout, revenue_event, statement};
use uuid::Uuid;

pub use balance::LedgerBalance;
pub(crate) use balance::balances;
pub use explanation::{ExplanationQuery, LedgerExplanation};
pub use filter::{LedgerEntryFilter, LedgerEntryOrder, LedgerEntryOrderField};
pub(crate) use filter::{OfPartnership, OfPayout, OfStatement};
pub use mutation::LedgerEntryMutation;

/// What an entry of the ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ledger_entry::LedgerKind")]
pub enum LedgerKind {
    /// A share of revenue.
    Commission,
    /// For a commitment that was met.
    Bonus,
    /// For a customer that was referred.
    ReferralFee,
    /// Taken back.
    Clawback,
    /// A person's correction.
    Adjustment,
    /// Owed for a commitment that was missed.
    ShortfallFee,
    /// Paid out.
    Payout,
}

enum_filter! {
    /// What to look for.
    LedgerKindFilter of LedgerKind, ledger_entry::LedgerKind
}

/// Where an entry of the ledger stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ledger_entry::LedgerStatus")]
pub enum LedgerStatus {
    /// Computed.
    Pending,
    /// Approved by a person.
    Approved,
    /// Due.
    Payable,
    /// Paid.
    Paid,
    /// Stopped.
    Held,
    /// Worth nothing.
    Voided,
}

enum_filter! {
    /// What to look for.
    LedgerStatusFilter of LedgerStatus, ledger_entry::LedgerStatus
}

/// A parent's entries, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    filter: Option<LedgerEntryFilter>,
    order_by: Option<Vec<LedgerEntryOrder>>,
    page: PageArguments,
) -> Result<Option<LedgerEntryConnection>> {
    let key = format!("ledgerEntries:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            LedgerEntryOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(LedgerEntryConnection::new))
}

/// An entry of the ledger. Its amount never changes: a correction is another entry that points at it, and a balance is a sum of entries.
#[derive(Clone)]
pub struct LedgerEntry(pub(crate) Member<Model>);

impl LedgerEntry {
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

/// An entry of the ledger. Its amount never changes: a correction is another entry that points at it, and a balance is a sum of entries.
#[Object]
impl LedgerEntry {
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
    /// What it is.
    async fn kind(&self) -> LedgerKind {
        self.0.row().kind.into()
    }
    /// Where it stands.
    async fn status(&self) -> LedgerStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<LedgerStatus> {
        let next = self.0.row().status.transitions().iter();
        next.map(|status| LedgerStatus::from(*status)).collect()
    }
    /// How much, with the partner's sign: what it earns is positive; what is taken back, owed or paid out is negative.
    async fn amount(&self) -> Money {
        self.0.row().amount().into()
    }
    /// The first day on which it can be paid.
    async fn available_on(&self) -> Date {
        Date(self.0.row().available_on)
    }
    /// Why it was stopped.
    async fn held_reason(&self) -> Option<&str> {
        self.0.row().held_reason.as_deref()
    }
    /// The entry of which it takes something back.
    async fn reverses(&self, ctx: &Context<'_>) -> Result<Option<LedgerEntry>> {
        let reference = |row: &Model| row.reverses_id.map(|id| id.0);
        let id = |row: &Model| row.id.0;
        references::to::<Entity, _, _>(ctx, &self.0, "reverses", reference, id, LedgerEntry).await
    }
    /// The statement that told of it.
    async fn statement(&self, ctx: &Context<'_>) -> Result<Option<Statement>> {
        let reference = |row: &Model| row.statement_id.map(|id| id.0);
        let id = |row: &statement::Model| row.id.0;
        let to = references::to::<statement::Entity, _, _>;
        to(ctx, &self.0, "statement", reference, id, Statement).await
    }
    /// The payout it is in; a partner sees it once it is approved.
    async fn payout(&self, ctx: &Context<'_>) -> Result<Option<Payout>> {
        let reference = |row: &Model| row.payout_id.map(|id| id.0);
        let id = |row: &payout::Model| row.id.0;
        references::to::<payout::Entity, _, _>(ctx, &self.0, "payout", reference, id, Payout).await
    }
    /// The revenue it was earned from; null where it is the whole year's.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn revenue_event(&self, ctx: &Context<'_>) -> Result<Option<RevenueEvent>> {
        let reference = |row: &Model| row.revenue_event_id.map(|id| id.0);
        let id = |row: &revenue_event::Model| row.id.0;
        let to = references::to::<revenue_event::Entity, _, _>;
        to(ctx, &self.0, "revenueEvent", reference, id, RevenueEvent).await
    }
    /// The deal it was earned from.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Deal>> {
        let reference = |row: &Model| row.deal_id.map(|id| id.0);
        let id = |row: &deal::Model| row.id.0;
        references::to::<deal::Entity, _, _>(ctx, &self.0, "deal", reference, id, Deal).await
    }
    /// The agreement it was computed by.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreement(&self, ctx: &Context<'_>) -> Result<Option<Agreement>> {
        let reference = |row: &Model| row.agreement_id.map(|id| id.0);
        let id = |row: &agreement::Model| row.id.0;
        let to = references::to::<agreement::Entity, _, _>;
        to(ctx, &self.0, "agreement", reference, id, Agreement).await
    }
    /// Whose it is.
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
    LedgerEntryConnection,
    LedgerEntryEdge,
    LedgerEntry,
    Entity,
    "ledger entries"
);

/// Queries about the ledger.
#[derive(Default)]
pub struct LedgerEntryQuery;

#[Object]
impl LedgerEntryQuery {
    /// One entry of the ledger; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn ledger_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<LedgerEntry>> {
        match id.parse() {
            Ok(LedgerEntryId(id)) => LedgerEntry::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The entries of the ledger that you may see, oldest first when nothing is said.
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
    ) -> Result<LedgerEntryConnection> {
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
        Ok(LedgerEntryConnection::new(
            list::whole(request, select, LedgerEntryOrder::ordering(order_by)?, page).await?,
        ))
    }
}
