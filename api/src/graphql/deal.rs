//! Deals in the API.

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::customer::Customer;
use super::deal_confirmation::DealOutcomeConfirmation;
use super::deal_partner::{AttributionInput, DealPartner};
use super::edit::{Edit, Opened, created, id_input, nullable, payload};
use super::filter::{DateFilter, DateTimeFilter, IdFilter, MoneyFilter, enum_filter};
use super::list::{self, Parent, list_type, order_type};
use super::page::{self, PageArguments};
use super::partner::Partner;
use super::revenue_event::{self, RevenueEventConnection, RevenueEventFilter, RevenueEventOrder};
use super::rows::{self, One, Plain, Row, Rows};
use super::scalar::{Date, DateTime, Money, MoneyInput};
use super::siblings::{self, Member};
use async_graphql::resolver_utils::enum_value;
use async_graphql::{
    Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, ScalarType, SimpleObject, Value,
};
use entities::deal::{self, Column, DealPatch, Entity, Model, NewDeal, revenue};
use entities::id::{CustomerId, DealId, PartnerId};
use entities::viewer::{Scope, Viewer};
use entities::visible::{self, Visible};
use entities::{customer, deal_partner, partner};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{QueryFilter, QuerySelect, QueryTrait, Select};
use std::collections::HashMap;
use std::iter;

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

/// Which deals.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DealFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By stage.
    pub stage: Option<DealStageFilter>,
    /// By customer.
    pub customer_id: Option<IdFilter>,
    /// True: only deals with a customer; false: only deals without one.
    pub has_customer: Option<bool>,
    /// By a partner that shares in it.
    pub partner_id: Option<IdFilter>,
    /// By amount, within one currency.
    pub amount: Option<MoneyFilter>,
    /// By the day it is expected to close.
    pub expected_close_on: Option<DateFilter>,
    /// By the instant it closed.
    pub closed_at: Option<DateTimeFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
    /// True: archived ones too. They are left out otherwise.
    pub include_archived: Option<bool>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl DealFilter {
    /// The deals that the viewer may see, narrowed. A partner that the viewer may not see shares in no deal, as far as it can tell.
    fn on(self, viewer: &Viewer) -> Result<Select<Entity>> {
        let mut select = Entity::visible_to(viewer);
        if !self.include_archived.unwrap_or(false) {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<DealId>(column(Column::Id))?);
        }
        if let Some(filter) = self.stage {
            select = select.filter(filter.on(column(Column::Stage))?);
        }
        if let Some(filter) = self.customer_id {
            select = select.filter(filter.on::<CustomerId>(column(Column::CustomerId))?);
        }
        if let Some(has) = self.has_customer {
            let customer = column(Column::CustomerId);
            select = select.filter(if has {
                customer.is_not_null()
            } else {
                customer.is_null()
            });
        }
        if let Some(filter) = self.partner_id {
            let shares = deal_partner::Entity::visible_to(viewer)
                .select_only()
                .column(deal_partner::Column::DealId)
                .filter(filter.on::<PartnerId>(Expr::col((
                    deal_partner::Entity,
                    deal_partner::Column::PartnerId,
                )))?);
            select = select.filter(column(Column::Id).in_subquery(shares.into_query()));
        }
        if let Some(filter) = self.amount {
            select = select
                .filter(filter.on(column(Column::AmountMinor), column(Column::AmountCurrency))?);
        }
        if let Some(filter) = self.expected_close_on {
            select = select.filter(filter.on(column(Column::ExpectedCloseOn)));
        }
        if let Some(filter) = self.closed_at {
            select = select.filter(filter.on(column(Column::ClosedAt)));
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(DealOrder, DealOrderField, Entity, "deals", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// Its stage, by name.
    Stage => Column::Stage, false;
    /// Its amount in minor units; filter by currency to compare like with like.
    Amount => Column::AmountMinor, true;
    /// The day it is expected to close.
    ExpectedCloseOn => Column::ExpectedCloseOn, true;
    /// The instant it closed.
    ClosedAt => Column::ClosedAt, true;
});

/// The deals a partner shares in, each once, however many roles it has in it.
#[derive(Clone, Copy)]
pub(crate) struct OfPartner;

impl super::page::OfParent for OfPartner {
    type Child = Entity;

    fn narrow(&self, mut select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        use deal_partner::Column as Share;
        // The index on partner and deal gives the distinct deals in the order of their ids, and a page stops reading where it is full.
        let shared = Query::select()
            .distinct()
            .column(Share::DealId)
            .from(deal_partner::Entity)
            .and_where(Expr::col(Share::PartnerId).eq(parent))
            .to_owned();
        let joined = Expr::col(("share", Share::DealId)).eq(column(Column::Id));
        QueryTrait::query(&mut select).join_subquery(
            sea_orm::JoinType::InnerJoin,
            shared,
            "share",
            joined,
        );
        select
    }
}

/// The deals of a customer.
#[derive(Clone, Copy)]
pub(crate) struct OfCustomer;

impl super::page::OfParent for OfCustomer {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::CustomerId).eq(parent))
    }
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

/// Who owns a deal.
#[derive(Debug, InputObject)]
pub struct DealOwnerInput {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// A new deal; it is open.
#[derive(Debug, InputObject)]
pub struct CreateDealInput {
    /// What it is called.
    pub name: String,
    /// Whom it is made with.
    pub customer_id: Option<ID>,
    /// An open stage; PROSPECT when nothing is said.
    pub stage: Option<DealStage>,
    /// What it is worth, where that is known.
    pub amount: Option<MoneyInput>,
    /// The day it is expected to close.
    pub expected_close_on: Option<Date>,
    /// Who owns it.
    pub owner: Option<DealOwnerInput>,
    /// What is sold.
    #[graphql(default)]
    pub products: Vec<String>,
    /// Who shares in it.
    #[graphql(default)]
    pub partners: Vec<AttributionInput>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateDealInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let owner = self.owner.unwrap_or(DealOwnerInput {
            name: None,
            email: None,
        });
        let shares = AttributionInput::shares(&self.partners)?;
        let new = NewDeal {
            name: self.name,
            customer_id: self
                .customer_id
                .as_ref()
                .map(|id| id_input(id, "customerId"))
                .transpose()?,
            stage: self.stage.map_or(deal::DealStage::Prospect, Into::into),
            source_stage: None,
            amount: self
                .amount
                .map(|amount| amount.to_amount("amount"))
                .transpose()?,
            expected_close_on: self.expected_close_on.map(|day| day.0),
            closed_at: None,
            lost_reason: None,
            owner_name: owner.name,
            owner_email: owner.email,
            products: self.products,
            archived: false,
        };
        let row = created(deal::create(&mut edit.change, vec![new]).await?)?;
        if !shares.is_empty() {
            deal_partner::attribute(&mut edit.change, &[(row.clone(), shares)]).await?;
        }
        Ok(row)
    }
}

/// Changes to a deal: an absent field keeps its value, null clears it. Closing it is `winDeal` and `loseDeal`.
#[derive(Debug, InputObject)]
pub struct UpdateDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// Whom it is made with.
    pub customer_id: MaybeUndefined<ID>,
    /// Another open stage.
    pub stage: Option<DealStage>,
    /// What it is worth.
    pub amount: MaybeUndefined<MoneyInput>,
    /// The day it is expected to close.
    pub expected_close_on: MaybeUndefined<Date>,
    /// Who owns it.
    pub owner: MaybeUndefined<DealOwnerInput>,
    /// What is sold.
    pub products: Option<Vec<String>>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateDealInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        if self
            .stage
            .is_some_and(|stage| deal::DealStage::from(stage).is_closed())
        {
            let message = "Close a deal with winDeal or loseDeal.";
            return Err(entities::error::Error::invalid(
                entities::error::ViolationCode::TransitionNotAllowed,
                "stage",
                message,
            ));
        }
        let owner = nullable(self.owner);
        let patch = DealPatch {
            name: self.name,
            customer_id: nullable(self.customer_id)
                .map(|id| id.map(|id| id_input(&id, "customerId")).transpose())
                .transpose()?,
            stage: self.stage.map(Into::into),
            amount: nullable(self.amount)
                .map(|amount| amount.map(|amount| amount.to_amount("amount")).transpose())
                .transpose()?,
            expected_close_on: nullable(self.expected_close_on).map(|day| day.map(|day| day.0)),
            owner_name: owner
                .as_ref()
                .map(|owner| owner.as_ref().and_then(|owner| owner.name.clone())),
            owner_email: owner.map(|owner| owner.and_then(|owner| owner.email)),
            products: self.products,
            archived: self.archived,
            ..DealPatch::default()
        };
        deal::update(&mut edit.change, row, patch).await
    }
}

/// A deal that was won.
#[derive(Debug, InputObject)]
pub struct WinDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What it came to be worth; it cannot be changed afterwards.
    pub amount: Option<MoneyInput>,
    /// When; now when nothing is said.
    pub closed_at: Option<DateTime>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A deal that was lost.
#[derive(Debug, InputObject)]
pub struct LoseDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why.
    pub reason: String,
    /// When; now when nothing is said.
    pub closed_at: Option<DateTime>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Who shares in a deal, all of them: who is not named shares no longer.
#[derive(Debug, InputObject)]
pub struct AttributeDealInput {
    /// Which deal.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// The shares; the weights of the earning roles sum to at most 10,000 basis points.
    pub partners: Vec<AttributionInput>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    CreateDealPayload { deal: Deal },
    "createDeal",
    Scope::DealsRead
);
payload!(
    UpdateDealPayload { deal: Deal },
    "updateDeal",
    Scope::DealsRead
);
payload!(WinDealPayload { deal: Deal }, "winDeal", Scope::DealsRead);
payload!(LoseDealPayload { deal: Deal }, "loseDeal", Scope::DealsRead);
payload!(
    AttributeDealPayload { deal: Deal },
    "attributeDeal",
    Scope::DealsRead
);

async fn lock(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: DealId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// Changes of deals.
#[derive(Default)]
pub struct DealMutation;

#[Object]
impl DealMutation {
    /// Creates an open deal.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn create_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new deal.")] input: CreateDealInput,
    ) -> Result<CreateDealPayload> {
        let opened = Edit::create(
            ctx,
            Scope::DealsWrite,
            "createDeal",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateDealPayload::found(
                    Deal::find(request(ctx)?, DealId(id)).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateDealPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateDealPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Deal::one,
        ))
    }

    /// Changes a deal that is open, or the open fields of a closed one.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn update_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateDealInput,
    ) -> Result<UpdateDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }

    /// Wins an open deal.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn win_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal, and how.")] input: WinDealInput,
    ) -> Result<WinDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let amount = input
                .amount
                .map(|amount| amount.to_amount("amount"))
                .transpose()?;
            deal::win(
                &mut edit.change,
                row,
                amount,
                input.closed_at.map(|at| at.0),
            )
            .await
        }
        .await;
        Ok(WinDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }

    /// Loses an open deal.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn lose_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal, and why.")] input: LoseDealInput,
    ) -> Result<LoseDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            deal::lose(
                &mut edit.change,
                row,
                input.reason,
                input.closed_at.map(|at| at.0),
            )
            .await
        }
        .await;
        Ok(LoseDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }

    /// Says who shares in a deal. A won deal's shares are locked.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn attribute_deal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deal, and who shares in it.")] input: AttributeDealInput,
    ) -> Result<AttributeDealPayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = async {
            let row = lock(&edit, &input.id, input.expected_version).await?;
            let shares = AttributionInput::shares(&input.partners)?;
            deal_partner::attribute(&mut edit.change, &[(row, shares)]).await?;
            lock(&edit, &input.id, None).await
        }
        .await;
        Ok(AttributeDealPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Deal::one,
        ))
    }
}
