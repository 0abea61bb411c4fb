//! Deals in the API.

mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::customer::Customer;
use super::deal_confirmation::DealOutcomeConfirmation;
use super::deal_partner::DealPartner;
use super::filter::enum_filter;
use super::list::{self, Parent, list_type};
use super::page::{self, PageArguments};
use super::partner::Partner;
use super::revenue_event::{self, RevenueEventConnection, RevenueEventFilter, RevenueEventOrder};
use super::rows::{self, One, Plain, Row, Rows};
use super::scalar::{Date, DateTime, Money};
use super::siblings::{self, Member};
use async_graphql::resolver_utils::enum_value;
use async_graphql::{Context, Enum, ID, Object, Result, ScalarType, SimpleObject, Value};
use entities::deal::{self, Entity, Model, revenue};
use entities::id::DealId;
use entities::viewer::Scope;
use entities::visible::{self};
use entities::{customer, partner};
use std::collections::HashMap;
use std::iter;

pub use filter::{DealFilter, DealOrder, DealOrderField};
pub(crate) use filter::{OfCustomer, OfPartner};
pub use mutation::DealMutation;

/// How far a deal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enum)]
#[graphql(remote = "deal::DealStage")]
pub enum DealStage {
    /// First contact.
    Prospect,
    /// Worth pursuing.
    Qualified,
    /// The product is being proved.
    TechnicalValidation,
    /// The case is being made.
    BusinessValidation,
    /// Promised.
    Committed,
    /// Closed with a sale.
    Won,
    /// Closed without one.
    Lost,
}

enum_filter! {
    /// A deal's stage to look for.
    DealStageFilter of DealStage, deal::DealStage
}

/// A parent's deals, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    field: &str,
    filter: Option<DealFilter>,
    order_by: Option<Vec<DealOrder>>,
    page: PageArguments,
) -> Result<Option<DealConnection>> {
    let key = format!("{field}:{filter:?}:{order_by:?}:{page:?}");
    let columns = rows::columns_of_list::<Deal, Model>(ctx.field());
    let list = |request: &RequestContext| {
        Ok((
            filter.unwrap_or_default().on(&request.viewer)?,
            DealOrder::ordering(order_by)?,
        ))
    };
    Ok(
        list::nested_columns(ctx, parent, by, key, page, columns, list)
            .await?
            .map(DealConnection::new),
    )
}

/// Who owns a deal in the CRM.
#[derive(SimpleObject)]
pub struct DealOwner {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A sale to a customer, in which partners may share.
#[derive(Clone)]
pub struct Deal(pub(crate) Member<Model>);

impl Deal {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    pub(crate) async fn find(request: &RequestContext, id: DealId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// A sale to a customer, in which partners may share.
#[Object]
impl Deal {
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
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// How far it is.
    async fn stage(&self) -> DealStage {
        self.0.row().stage.into()
    }
    /// The stage as its source names it.
    async fn source_stage(&self) -> Option<&str> {
        self.0.row().source_stage.as_deref()
    }
    /// The stages it may move to; none for a closed deal.
    async fn available_transitions(&self) -> Vec<DealStage> {
        self.0
            .row()
            .stage
            .transitions()
            .into_iter()
            .map(DealStage::from)
            .collect()
    }
    /// What it is worth; null when that is not known.
    async fn amount(&self) -> Option<Money> {
        self.0.row().amount().map(Money::from)
    }
    /// The day an open deal is expected to close.
    async fn expected_close_on(&self) -> Option<Date> {
        self.0.row().expected_close_on.map(Date)
    }
    /// The instant a closed deal was closed.
    async fn closed_at(&self) -> Option<DateTime> {
        self.0.row().closed_at.map(DateTime)
    }
    /// Why it was lost, where that is known.
    async fn lost_reason(&self) -> Option<&str> {
        self.0.row().lost_reason.as_deref()
    }
    /// Who owns it, as its source says.
    async fn owner(&self) -> Option<DealOwner> {
        let row = self.0.row();
        (row.owner_name.is_some() || row.owner_email.is_some()).then(|| DealOwner {
            name: row.owner_name.clone(),
            email: row.owner_email.clone(),
        })
    }
    /// What is sold.
    async fn products(&self) -> &[String] {
        &self.0.row().products.0
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }

    /// Whom it is made with, where that is known.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>> {
        let Some(customer_id) = self.0.row().customer_id else {
            return Ok(None);
        };
        let request = request(ctx)?;
        let reference = |deal: &Model| deal.customer_id.map(|id| id.0);
        // In a box, or the future of every other field of the deal would be as large.
        let found = Box::pin(siblings::follow::<customer::Entity, _>(
            request,
            self.0.group(),
            "customer",
            customer_id.0,
            reference,
            |row| row.id.0,
        ))
        .await?;
        Ok(found.map(Customer))
    }

    /// Who shares in it. A partner sees its own shares only.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()), directive = cost::apply(1))]
    async fn partners(&self, ctx: &Context<'_>) -> Result<Option<Rows<DealPartner>>> {
        let request = request(ctx)?;
        let deals = self.0.group();
        let partner = ctx.look_ahead().field("partner");
        // Read along only where the token may read partners; where it may not, the field is refused.
        let with_partner =
            (request.viewer.may(Scope::PartnersRead) && partner.exists()).then(|| {
                rows::columns::<Partner, partner::Model>(partner.selection_fields().into_iter())
            });
        let load = async {
            let ids = deals.rows().iter().map(|deal| deal.id);
            let group = super::deal_partner::read(request, ids, with_partner).await?;
            let mut of: HashMap<DealId, Vec<usize>> = HashMap::new();
            for (index, row) in group.rows().iter().enumerate() {
                of.entry(row.deal_id).or_default().push(index);
            }
            Ok((group, of))
        };
        let shares = Box::pin(deals.load(format!("partners:{with_partner:?}"), load)).await?;
        let (group, of) = &*shares;
        let indices = of.get(&self.0.row().id).into_iter().flatten();
        Ok(Some(Rows(
            indices
                .flat_map(|index| siblings::members(group, *index..index + 1))
                .map(DealPartner)
                .collect(),
        )))
    }

    /// What a person said last, by a button in the chat, of how it ended. What is said no longer holds when the deal is reopened. Internal: null for
    /// partners.
    async fn outcome_confirmation(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<DealOutcomeConfirmation>> {
        Box::pin(self.read_confirmation(ctx)).await
    }

    /// The money that came and went for it; a partner sees what was its own doing.
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
        let parent = Parent {
            group: self.0.group(),
            ids: |rows: &[Model]| rows.iter().map(|row| row.id.0).collect(),
            id: self.0.row().id.0,
        };
        let by = revenue_event::OfDeal;
        Box::pin(revenue_event::list_of(
            ctx, parent, by, filter, order_by, page,
        ))
        .await
    }
}

impl Row for Deal {
    fn plain(field: &str) -> Option<Plain<Self>> {
        Some(Plain::Leaf(match field {
            "amount" => return Some(Plain::Money(|deal| deal.0.row().amount())),
            "id" => |deal| Value::String(deal.0.row().id.to_string()),
            "version" => |deal| deal.0.row().version.into(),
            "createdAt" => |deal| DateTime(deal.0.row().created_at).to_value(),
            "updatedAt" => |deal| DateTime(deal.0.row().updated_at).to_value(),
            "name" => |deal| rows::text(&deal.0.row().name),
            "stage" => |deal| enum_value(DealStage::from(deal.0.row().stage)),
            "sourceStage" => |deal| rows::optional_text(deal.0.row().source_stage.as_deref()),
            "expectedCloseOn" => |deal| {
                deal.0
                    .row()
                    .expected_close_on
                    .map_or(Value::Null, |day| Date(day).to_value())
            },
            "closedAt" => |deal| {
                deal.0
                    .row()
                    .closed_at
                    .map_or(Value::Null, |at| DateTime(at).to_value())
            },
            "lostReason" => |deal| rows::optional_text(deal.0.row().lost_reason.as_deref()),
            "products" => |deal| {
                Value::List(
                    deal.0
                        .row()
                        .products
                        .0
                        .iter()
                        .map(|product| rows::text(product))
                        .collect(),
                )
            },
            "archivedAt" => |deal| {
                deal.0
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
            | "stage"
            | "availableTransitions"
            | "partners"
            | "outcomeConfirmation"
            | "revenueEvents" => &[],
            "version" => &["version"],
            "createdAt" => &["created_at"],
            "updatedAt" => &["updated_at"],
            "name" => &["name"],
            "sourceStage" => &["source_stage"],
            "amount" => &["amount_minor", "amount_currency"],
            "expectedCloseOn" => &["expected_close_on"],
            "closedAt" => &["closed_at"],
            "lostReason" => &["lost_reason"],
            "owner" => &["owner_name", "owner_email"],
            "products" => &["products"],
            "archivedAt" => &["archived_at"],
            "customer" => &["customer_id"],
            _ => return None,
        })
    }
}

list_type!(DealConnection, DealEdge, Deal, Entity, "deals");

/// Deals of one stage and currency.
#[derive(SimpleObject)]
pub struct DealSummary {
    /// The stage.
    pub stage: DealStage,
    /// How many deals.
    pub count: i64,
    /// The sum of their amounts; null for the deals whose amount is not known.
    pub amount: Option<Money>,
}

/// Queries about deals.
#[derive(Default)]
pub struct DealQuery;

#[Object]
impl DealQuery {
    /// One deal; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The deal's id.")] id: ID,
    ) -> Result<Option<One<Deal>>> {
        match id.parse() {
            Ok(DealId(id)) => {
                let columns = rows::columns::<Deal, Model>(iter::once(ctx.field()));
                let row = page::one::<Entity>(request(ctx)?, id, columns).await?;
                Ok(row.map(Deal::one).map(One))
            }
            Err(_) => Ok(None),
        }
    }

    /// The deals you may see.
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
    ) -> Result<DealConnection> {
        let request = request(ctx)?;
        let select = filter.unwrap_or_default().on(&request.viewer)?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Ok(DealConnection::new(
            list::whole_columns(
                request,
                select,
                DealOrder::ordering(order_by)?,
                page,
                rows::columns_of_list::<Deal, Model>(ctx.field()),
            )
            .await?,
        ))
    }

    /// How many deals there are and what they are worth, by stage and currency.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn deal_summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deals.")] filter: Option<DealFilter>,
    ) -> Result<Vec<DealSummary>> {
        let request = request(ctx)?;
        let select = filter.unwrap_or_default().on(&request.viewer)?;
        let mut totals = revenue::by_stage(&request.database, select).await?;
        totals.sort_by_key(|total| (total.stage, total.currency));
        let shown = |total: revenue::StageTotal| DealSummary {
            stage: total.stage.into(),
            count: total.count,
            amount: total.amount().map(Money::from),
        };
        Ok(totals.into_iter().map(shown).collect())
    }
}
