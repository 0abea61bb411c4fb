//! Objections to entries of the ledger in the API: a partner objects to its own, and we answer.

mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::ledger_entry::LedgerEntry;
use super::list::{self, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::references::{self, internal};
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::id::LedgerDisputeId;
use entities::ledger_dispute::{self, Entity, Model};
use entities::ledger_entry;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub use filter::{LedgerDisputeFilter, LedgerDisputeOrder, LedgerDisputeOrderField};
pub use mutation::LedgerDisputeMutation;

/// What became of an objection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ledger_dispute::DisputeStatus")]
pub enum LedgerDisputeStatus {
    /// It waits for an answer.
    Open,
    /// The partner was right.
    Upheld,
    /// The entry stands.
    Rejected,
    /// The partner took it back.
    Withdrawn,
}

enum_filter! {
    /// What to look for.
    LedgerDisputeStatusFilter of LedgerDisputeStatus, ledger_dispute::DisputeStatus
}

/// A partner's objection to an entry of the ledger. It stops what is not payable yet until it is answered.
#[derive(Clone)]
pub struct LedgerDispute(pub(crate) Member<Model>);

impl LedgerDispute {
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

/// A partner's objection to an entry of the ledger. It stops what is not payable yet until it is answered.
#[Object]
impl LedgerDispute {
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
    /// What became of it.
    async fn status(&self) -> LedgerDisputeStatus {
        self.0.row().status.into()
    }
    /// What the partner says.
    async fn claim(&self) -> &str {
        &self.0.row().claim
    }
    /// Who raised it. Internal: null for partners.
    async fn raised_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().raised_by.as_str()))
    }
    /// What was answered.
    async fn answer(&self) -> Option<&str> {
        self.0.row().answer.as_deref()
    }
    /// What was noted besides. Internal: null for partners.
    async fn internal_note(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().internal_note.as_deref())
    }
    /// Who answered. Internal: null for partners.
    async fn resolved_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, self.0.row().resolved_by.as_deref())
    }
    /// When it was answered.
    async fn resolved_at(&self) -> Option<DateTime> {
        self.0.row().resolved_at.map(DateTime)
    }
    /// To what it objects.
    async fn ledger_entry(&self, ctx: &Context<'_>) -> Result<Option<LedgerEntry>> {
        let reference = |row: &Model| Some(row.ledger_entry_id.0);
        let id = |row: &ledger_entry::Model| row.id.0;
        let to = references::to::<ledger_entry::Entity, _, _>;
        to(ctx, &self.0, "ledgerEntry", reference, id, LedgerEntry).await
    }
    /// Whose it is.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
}

list_type!(
    LedgerDisputeConnection,
    LedgerDisputeEdge,
    LedgerDispute,
    Entity,
    "objections"
);

/// Queries about objections.
#[derive(Default)]
pub struct LedgerDisputeQuery;

#[Object]
impl LedgerDisputeQuery {
    /// One objection; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn ledger_dispute(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<LedgerDispute>> {
        match id.parse() {
            Ok(LedgerDisputeId(id)) => LedgerDispute::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The objections you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn ledger_disputes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which objections.")] filter: Option<LedgerDisputeFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<LedgerDisputeOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<LedgerDisputeConnection> {
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
        Ok(LedgerDisputeConnection::new(
            list::whole(
                request,
                select,
                LedgerDisputeOrder::ordering(order_by)?,
                page,
            )
            .await?,
        ))
    }
}
