//! Partners in the API.

mod filter;
mod mutation;

use super::contact::{self, ContactConnection, ContactFilter, ContactOrder};
use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::deal::{self, DealConnection, DealFilter, DealOrder};
use super::filter::enum_filter;
use super::ledger_entry::{self, LedgerBalance};
use super::list::{self, Parent, list_type};
use super::page::{self, PageArguments};
use super::partnership::{self, PartnershipConnection, PartnershipFilter, PartnershipOrder};
use super::payout::{self, PayoutConnection, PayoutFilter, PayoutOrder};
use super::revenue_event::{self, RevenueEventConnection, RevenueEventFilter, RevenueEventOrder};
use super::rows::{self, One, Plain, Row};
use super::scalar::{DateTime, Money};
use super::siblings::Member;
use super::statement::{self, StatementConnection, StatementFilter, StatementOrder};
use async_graphql::resolver_utils::enum_value;
use async_graphql::{Context, Enum, ID, Object, Result, ScalarType, Value};
use entities::deal::revenue;
use entities::id::PartnerId;
use entities::partner::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use std::iter;

pub use filter::{PartnerFilter, PartnerOrder, PartnerOrderField};
pub use mutation::PartnerMutation;

/// Where a partner stands with the programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "partner::PartnerStatus")]
pub enum PartnerStatus {
    /// Under consideration.
    Candidate,
    /// Takes part.
    Active,
    /// Temporarily out.
    Suspended,
    /// Out for good.
    Terminated,
    /// Became part of another partner.
    Merged,
}

enum_filter! {
    /// A partner's status to look for.
    PartnerStatusFilter of PartnerStatus, partner::PartnerStatus
}

/// A company that takes part in the programme.
#[derive(Clone)]
pub struct Partner(pub(crate) Member<Model>);

impl Partner {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    fn as_parent(&self) -> Parent<'_, Model> {
        Parent {
            group: self.0.group(),
            ids: |rows| rows.iter().map(|row| row.id.0).collect(),
            id: self.0.row().id.0,
        }
    }

    pub(crate) async fn find(request: &RequestContext, id: PartnerId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// A company that takes part in the programme.
#[Object]
impl Partner {
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
    /// The company's name.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// Its internet domain, normalised; no two partners share one.
    async fn domain(&self) -> Option<&str> {
        self.0
            .row()
            .domain
            .as_ref()
            .map(entities::domain_name::DomainName::as_str)
    }
    /// Its web site.
    async fn website(&self) -> Option<&str> {
        self.0.row().website.as_deref()
    }
    /// Its country, as the source writes it.
    async fn country(&self) -> Option<&str> {
        self.0.row().country.as_deref()
    }
    /// Regions it works in.
    async fn regions(&self) -> &[String] {
        &self.0.row().regions.0
    }
    /// Industries it works in.
    async fn verticals(&self) -> &[String] {
        &self.0.row().verticals.0
    }
    /// How many people work there.
    async fn employees(&self) -> Option<i32> {
        self.0.row().employees
    }
    /// What it is.
    async fn description(&self) -> Option<&str> {
        self.0.row().description.as_deref()
    }
    /// Where it stands with the programme.
    async fn status(&self) -> PartnerStatus {
        self.0.row().status.into()
    }
    /// The states that may follow.
    async fn available_transitions(&self) -> Vec<PartnerStatus> {
        self.0
            .row()
            .status
            .transitions()
            .iter()
            .map(|status| PartnerStatus::from(*status))
            .collect()
    }
    /// Free tags. Internal: empty for partners.
    async fn tags(&self, ctx: &Context<'_>) -> Result<&[String]> {
        Ok(if request(ctx)?.viewer.sees_internal() {
            &self.0.row().tags.0
        } else {
            &[]
        })
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }

    /// The deals it shares in.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn deals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deals.")] filter: Option<DealFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<DealOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Option<DealConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(deal::list_of(
            ctx,
            self.as_parent(),
            deal::OfPartner,
            "deals",
            filter,
            order_by,
            page,
        ))
        .await
    }

    /// What its won deals are worth, by its weight in them: one amount for each currency. Influence does not count.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn won_revenue(&self, ctx: &Context<'_>) -> Result<Option<Vec<Money>>> {
        let request = request(ctx)?;
        let group = self.0.group();
        let load = async {
            Ok(revenue::won_by_partner(
                &request.database,
                &request.viewer,
                group.rows().iter().map(|row| row.id),
            )
            .await?)
        };
        let all = Box::pin(group.load("wonRevenue".to_owned(), load)).await?;
        Ok(Some(
            all.get(&self.0.row().id)
                .into_iter()
                .flatten()
                .copied()
                .map(Money::from)
                .collect(),
        ))
    }

    /// Its partnerships.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
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
    ) -> Result<Option<PartnershipConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(partnership::list_of(
            ctx,
            self.as_parent(),
            partnership::OfPartner,
            "partnerships",
            filter,
            order_by,
            page,
        ))
        .await
    }

    /// Its people.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which contacts.")] filter: Option<ContactFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<ContactOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Option<ContactConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Box::pin(contact::list_of(
            ctx,
            self.as_parent(),
            contact::OfPartner,
            "contacts",
            filter,
            order_by,
            page,
        ))
        .await
    }

    /// The money that came and went by its doing.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()), directive = cost::apply(1))]
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
    ) -> Result<Option<RevenueEventConnection>> {
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        let by = revenue_event::OfPartner;
        Box::pin(revenue_event::list_of(
            ctx,
            self.as_parent(),
            by,
            filter,
            order_by,
            page,
        ))
        .await
    }

    /// What its ledger holds, by state and currency; what is voided counts nothing.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn balances(&self, ctx: &Context<'_>) -> Result<Option<Vec<LedgerBalance>>> {
        ledger_entry::balances(ctx, &self.0).await.map(Some)
    }

    /// Its statements.
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
    ) -> Result<Option<StatementConnection>> {
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
        let by = statement::OfPartner;
        Box::pin(statement::list_of(ctx, parent, by, filter, order_by, page)).await
    }

    /// Its payouts; it sees those that are approved.
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
    ) -> Result<Option<PayoutConnection>> {
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
        let by = payout::OfPartner;
        Box::pin(payout::list_of(ctx, parent, by, filter, order_by, page)).await
    }
}

impl Row for Partner {
    fn plain(field: &str) -> Option<Plain<Self>> {
        Some(Plain::Leaf(match field {
            "id" => |partner| Value::String(partner.0.row().id.to_string()),
            "version" => |partner| partner.0.row().version.into(),
            "createdAt" => |partner| DateTime(partner.0.row().created_at).to_value(),
            "updatedAt" => |partner| DateTime(partner.0.row().updated_at).to_value(),
            "name" => |partner| rows::text(&partner.0.row().name),
            "domain" => |partner| {
                rows::optional_text(
                    partner
                        .0
                        .row()
                        .domain
                        .as_ref()
                        .map(entities::domain_name::DomainName::as_str),
                )
            },
            "website" => |partner| rows::optional_text(partner.0.row().website.as_deref()),
            "country" => |partner| rows::optional_text(partner.0.row().country.as_deref()),
            "employees" => |partner| partner.0.row().employees.map_or(Value::Null, Value::from),
            "description" => |partner| rows::optional_text(partner.0.row().description.as_deref()),
            "status" => |partner| enum_value(PartnerStatus::from(partner.0.row().status)),
            "archivedAt" => |partner| {
                partner
                    .0
                    .row()
                    .archived_at
                    .map_or(Value::Null, |at| DateTime(at).to_value())
            },
            _ => return None,
        }))
    }

    fn columns(field: &str) -> Option<&'static [&'static str]> {
        Some(match field {
            "id"
            | "status"
            | "availableTransitions"
            | "deals"
            | "wonRevenue"
            | "partnerships"
            | "revenueEvents"
            | "balances"
            | "statements"
            | "payouts"
            | "contacts" => &[],
            "version" => &["version"],
            "createdAt" => &["created_at"],
            "updatedAt" => &["updated_at"],
            "name" => &["name"],
            "domain" => &["domain"],
            "website" => &["website"],
            "country" => &["country"],
            "regions" => &["regions"],
            "verticals" => &["verticals"],
            "employees" => &["employees"],
            "description" => &["description"],
            "tags" => &["tags"],
            "archivedAt" => &["archived_at"],
            _ => return None,
        })
    }
}

list_type!(PartnerConnection, PartnerEdge, Partner, Entity, "partners");

/// Queries about partners.
#[derive(Default)]
pub struct PartnerQuery;

#[Object]
impl PartnerQuery {
    /// One partner; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner's id.")] id: ID,
    ) -> Result<Option<One<Partner>>> {
        match id.parse() {
            Ok(PartnerId(id)) => {
                let columns = rows::columns::<Partner, Model>(iter::once(ctx.field()));
                let row = page::one::<Entity>(request(ctx)?, id, columns).await?;
                Ok(row.map(Partner::one).map(One))
            }
            Err(_) => Ok(None),
        }
    }

    /// The partners you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn partners(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partners.")] filter: Option<PartnerFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<PartnerOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PartnerConnection> {
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
        Ok(PartnerConnection::new(
            list::whole_columns(
                request,
                select,
                PartnerOrder::ordering(order_by)?,
                page,
                rows::columns_of_list::<Partner, Model>(ctx.field()),
            )
            .await?,
        ))
    }
}
