//! Statements in the API: what a partner's ledger said at the end of a period.

mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::ledger_entry::{self, LedgerEntryConnection, LedgerEntryFilter, LedgerEntryOrder};
use super::list::{self, Parent, list_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::references::{self, internal};
use super::scalar::{Currency, Date, DateTime, Money};
use super::siblings::Member;
use async_graphql::{Context, ID, Object, Result};
use entities::id::StatementId;
use entities::money;
use entities::statement::{Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use uuid::Uuid;

pub(crate) use filter::OfPartner;
pub use filter::{StatementFilter, StatementOrder, StatementOrderField};
pub use mutation::StatementMutation;

/// A partner's statements, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    filter: Option<StatementFilter>,
    order_by: Option<Vec<StatementOrder>>,
    page: PageArguments,
) -> Result<Option<StatementConnection>> {
    let key = format!("statements:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            StatementOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(StatementConnection::new))
}

/// What a partner's ledger said at the end of a period: opening + earned − clawed back − paid = closing. It never changes; each entry is told of once.
#[derive(Clone)]
pub struct Statement(pub(crate) Member<Model>);

impl Statement {
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

/// What a partner's ledger said at the end of a period: opening + earned − clawed back − paid = closing. It never changes; each entry is told of once.
impl Statement {
    fn money(&self, minor: i64) -> Money {
        let currency = self.0.row().currency;
        money::Money { minor, currency }.into()
    }
}

/// What a partner's ledger said at the end of a period: opening + earned − clawed back − paid = closing. It never changes; each entry is told of once.
#[Object]
impl Statement {
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
    /// 1 for the partner's first in this currency.
    async fn number(&self) -> i32 {
        self.0.row().number
    }
    /// The currency it is in.
    async fn currency(&self) -> Currency {
        Currency(self.0.row().currency)
    }
    /// The first day it tells of.
    async fn starts_on(&self) -> Date {
        Date(self.0.row().starts_on)
    }
    /// The day after the last it tells of.
    async fn ends_on(&self) -> Date {
        Date(self.0.row().ends_on)
    }
    /// What was due at the beginning: the closing of the statement before.
    async fn opening(&self) -> Money {
        self.money(self.0.row().opening_minor)
    }
    /// What was earned, fees owed taken off.
    async fn earned(&self) -> Money {
        self.money(self.0.row().earned_minor)
    }
    /// What was taken back.
    async fn clawed_back(&self) -> Money {
        self.money(self.0.row().clawed_back_minor)
    }
    /// What was paid.
    async fn paid(&self) -> Money {
        self.money(self.0.row().paid_minor)
    }
    /// What is due at the end.
    async fn closing(&self) -> Money {
        self.money(self.0.row().closing_minor)
    }
    /// How many entries it tells of.
    async fn entry_count(&self) -> i64 {
        self.0.row().entries
    }
    /// Who finalised it. Internal: null for partners.
    async fn finalized_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().finalized_by.as_str()))
    }
    /// Whose it is.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        references::partner(ctx, &self.0, |row| Some(row.partner_id.0)).await
    }
    /// The entries it tells of.
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
        let by = ledger_entry::OfStatement;
        Box::pin(ledger_entry::list_of(
            ctx, parent, by, filter, order_by, page,
        ))
        .await
    }
}

list_type!(
    StatementConnection,
    StatementEdge,
    Statement,
    Entity,
    "statements"
);

/// Queries about statements.
#[derive(Default)]
pub struct StatementQuery;

#[Object]
impl StatementQuery {
    /// One statement; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Statement>> {
        match id.parse() {
            Ok(StatementId(id)) => Statement::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The statements you may see.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn statements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which statements.")] filter: Option<StatementFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<StatementOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<StatementConnection> {
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
        Ok(StatementConnection::new(
            list::whole(request, select, StatementOrder::ordering(order_by)?, page).await?,
        ))
    }
}
