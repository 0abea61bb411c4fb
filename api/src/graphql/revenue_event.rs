//! Money that came from customers or went back, in the API. It is told by the systems that take it, or by hand, and never changed.

mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::customer::Customer;
use super::deal::Deal;
use super::filter::{DateTimeFilter, IdFilter, MoneyFilter, enum_filter};
use super::list::{self, Parent, list_type, order_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::scalar::{DateTime, Money};
use super::siblings::{self, Member};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::id::{ConnectionId, CustomerId, DealId, PartnerId, RevenueEventId};
use entities::revenue_event::{self, Column, Entity, Model};
use entities::viewer::{Scope, Viewer};
use entities::visible::Visible;
use entities::{connection, customer, deal, partner};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{QueryFilter, QuerySelect, QueryTrait, Select};

pub use mutation::RevenueEventMutation;

/// What kind of money it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "revenue_event::RevenueKind")]
pub enum RevenueKind {
    /// Asked for.
    Invoice,
    /// Paid.
    Payment,
    /// Paid back.
    Refund,
    /// Asked for no more.
    CreditNote,
    /// A correction; it may be negative.
    Adjustment,
}

enum_filter! {
    /// A kind of money to look for.
    RevenueKindFilter of RevenueKind, revenue_event::RevenueKind
}

/// Which revenue events.
#[derive(Clone, Debug, Default, InputObject)]
pub struct RevenueEventFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By kind.
    pub kind: Option<RevenueKindFilter>,
    /// By who paid.
    pub customer_id: Option<IdFilter>,
    /// By the deal it was paid for.
    pub deal_id: Option<IdFilter>,
    /// By whose doing it was.
    pub partner_id: Option<IdFilter>,
    /// By the connection that told of it.
    pub connection_id: Option<IdFilter>,
    /// By amount, within one currency.
    pub amount: Option<MoneyFilter>,
    /// By when the money moved.
    pub occurred_at: Option<DateTimeFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

/// That what a column names is visible to the viewer; none to whom everything is. Who could look for what it cannot see would learn by a row of its
/// own that it is there.
fn names_visible<T: Visible>(viewer: &Viewer, names: Column, id: T::Column) -> Option<SimpleExpr> {
    T::visibility(viewer)?;
    let visible = T::visible_to(viewer).select_only().column(id);
    Some(column(names).in_subquery(visible.into_query()))
}

impl RevenueEventFilter {
    /// The revenue events that the viewer may see, narrowed.
    fn on(self, viewer: &Viewer) -> Result<Select<Entity>> {
        let mut select = Entity::visible_to(viewer);
        let named = [
            self.customer_id.as_ref().and_then(|_| {
                names_visible::<customer::Entity>(viewer, Column::CustomerId, customer::Column::Id)
            }),
            self.deal_id.as_ref().and_then(|_| {
                names_visible::<deal::Entity>(viewer, Column::DealId, deal::Column::Id)
            }),
            self.connection_id.as_ref().and_then(|_| {
                let id = connection::Column::Id;
                names_visible::<connection::Entity>(viewer, Column::ConnectionId, id)
            }),
        ];
        for condition in named.into_iter().flatten() {
            select = select.filter(condition);
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<RevenueEventId>(column(Column::Id))?);
        }
        if let Some(filter) = self.kind {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.customer_id {
            select = select.filter(filter.on::<CustomerId>(column(Column::CustomerId))?);
        }
        if let Some(filter) = self.deal_id {
            select = select.filter(filter.on::<DealId>(column(Column::DealId))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.connection_id {
            select = select.filter(filter.on::<ConnectionId>(column(Column::ConnectionId))?);
        }
        if let Some(filter) = self.amount {
            select = select
                .filter(filter.on(column(Column::AmountMinor), column(Column::AmountCurrency))?);
        }
        if let Some(filter) = self.occurred_at {
            select = select.filter(filter.on(column(Column::OccurredAt)));
        }
        Ok(select)
    }
}

order_type!(RevenueEventOrder, RevenueEventOrderField, Entity, "revenue events", {
    /// When the money moved.
    OccurredAt => Column::OccurredAt, false;
});

macro_rules! of_parent {
    ($(#[$doc:meta])* $name:ident by $column:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl super::page::OfParent for $name {
            type Child = Entity;

            fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
                select.filter(column(Column::$column).eq(parent))
            }
        }
    };
}

of_parent! {
    /// The revenue events of a deal.
    OfDeal by DealId
}
of_parent! {
    /// The revenue events of a partner.
    OfPartner by PartnerId
}

/// A parent's revenue events, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    filter: Option<RevenueEventFilter>,
    order_by: Option<Vec<RevenueEventOrder>>,
    page: PageArguments,
) -> Result<Option<RevenueEventConnection>> {
    let key = format!("revenueEvents:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter.unwrap_or_default().on(&request.viewer)?,
            RevenueEventOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(RevenueEventConnection::new))
}

/// Money that came from a customer or went back. It is never changed; what was told wrongly is put right by a further event.
#[derive(Clone)]
pub struct RevenueEvent(pub(crate) Member<Model>);

impl RevenueEvent {
    fn internal<T>(ctx: &Context<'_>, value: Option<T>) -> Result<Option<T>> {
        let sees = request(ctx)?.viewer.sees_internal();
        Ok(value.filter(|_| sees))
    }
}

/// Money that came from a customer or went back. It is never changed; what was told wrongly is put right by a further event.
#[Object]
impl RevenueEvent {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was recorded here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What kind of money it is.
    async fn kind(&self) -> RevenueKind {
        self.0.row().kind.into()
    }
    /// How much, without the sign of its kind: a refund's amount is positive too.
    async fn amount(&self) -> Money {
        self.0.row().amount().into()
    }
    /// What it adds to a sum: refunds and credit notes are taken off.
    async fn net(&self) -> Money {
        self.0.row().net().into()
    }
    /// When the money moved.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.0.row().occurred_at)
    }
    /// The connection that told of it; null when a person did. Internal: null for partners.
    async fn connection_id(&self, ctx: &Context<'_>) -> Result<Option<ID>> {
        let id = self.0.row().connection_id;
        Self::internal(ctx, id.map(|id| id.to_string().into()))
    }
    /// What it is called where it was told of; the same one again changes nothing. Internal: null for partners.
    async fn external_key(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        Self::internal(ctx, Some(self.0.row().external_key.as_str()))
    }

    /// The deal it was paid for, where that is known.
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Deal>> {
        let Some(target) = self.0.row().deal_id else {
            return Ok(None);
        };
        let reference = |row: &Model| row.deal_id.map(|id| id.0);
        let found = Box::pin(siblings::follow::<deal::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "deal",
            target.0,
            reference,
            |row| row.id.0,
        ));
        Ok(found.await?.map(Deal))
    }

    /// Who paid, where that is known.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>> {
        let Some(target) = self.0.row().customer_id else {
            return Ok(None);
        };
        let reference = |row: &Model| row.customer_id.map(|id| id.0);
        let found = Box::pin(siblings::follow::<customer::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "customer",
            target.0,
            reference,
            |row| row.id.0,
        ));
        Ok(found.await?.map(Customer))
    }

    /// The partner whose doing it was, where that is known.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let Some(target) = self.0.row().partner_id else {
            return Ok(None);
        };
        let reference = |row: &Model| row.partner_id.map(|id| id.0);
        let found = Box::pin(siblings::follow::<partner::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "partner",
            target.0,
            reference,
            |row| row.id.0,
        ));
        Ok(found.await?.map(Partner))
    }
}

list_type!(
    RevenueEventConnection,
    RevenueEventEdge,
    RevenueEvent,
    Entity,
    "revenue events"
);

/// Queries about revenue.
#[derive(Default)]
pub struct RevenueEventQuery;

#[Object]
impl RevenueEventQuery {
    /// The money that came and went; a partner sees what was its own doing.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn revenue_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which revenue events.")] filter: Option<RevenueEventFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<RevenueEventOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<RevenueEventConnection> {
        let request = request(ctx)?;
        let select = filter.unwrap_or_default().on(&request.viewer)?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Ok(RevenueEventConnection::new(
            list::whole(
                request,
                select,
                RevenueEventOrder::ordering(order_by)?,
                page,
            )
            .await?,
        ))
    }
}
