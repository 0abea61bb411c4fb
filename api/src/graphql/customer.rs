//! Customers in the API.

use super::contact::{self, ContactConnection, ContactFilter, ContactOrder};
use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::deal::{self, DealConnection, DealFilter, DealOrder};
use super::edit::{Edit, Opened, created, id_input, nullable, payload};
use super::filter::{DateTimeFilter, IdFilter, TextFilter};
use super::list::{self, Parent, list_type, order_type};
use super::page::PageArguments;
use super::scalar::{DateTime, Domain};
use super::siblings::Member;
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use entities::customer::{self, Column, CustomerPatch, Entity, Model, NewCustomer};
use entities::id::CustomerId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{QueryFilter, Select};

/// Which customers.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CustomerFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By name.
    pub name: Option<TextFilter>,
    /// By domain, normalised.
    pub domain: Option<TextFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
    /// True: archived ones too. They are left out otherwise.
    pub include_archived: Option<bool>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl CustomerFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if !self.include_archived.unwrap_or(false) {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<CustomerId>(column(Column::Id))?);
        }
        if let Some(filter) = self.name {
            select = select.filter(filter.on(column(Column::Name))?);
        }
        if let Some(filter) = self.domain {
            select = select.filter(filter.on(column(Column::Domain))?);
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(CustomerOrder, CustomerOrderField, Entity, "customers", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// Its name.
    Name => Column::Name, false;
});

/// The end customer of deals.
#[derive(Clone)]
pub struct Customer(pub(crate) Member<Model>);

impl Customer {
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

    pub(crate) async fn find(request: &RequestContext, id: CustomerId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// The end customer of deals.
#[Object]
impl Customer {
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
    /// Its internet domain, normalised. Several customers may share one.
    async fn domain(&self) -> Option<&str> {
        self.0
            .row()
            .domain
            .as_ref()
            .map(entities::domain_name::DomainName::as_str)
    }
    /// Its country, as the source writes it.
    async fn country(&self) -> Option<&str> {
        self.0.row().country.as_deref()
    }
    /// Its industry or size class, as the source writes it.
    async fn segment(&self) -> Option<&str> {
        self.0.row().segment.as_deref()
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }

    /// The deals with it that you may see.
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
        deal::list_of(
            ctx,
            self.as_parent(),
            deal::OfCustomer,
            "deals",
            filter,
            order_by,
            page,
        )
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
        contact::list_of(
            ctx,
            self.as_parent(),
            contact::OfCustomer,
            "contacts",
            filter,
            order_by,
            page,
        )
        .await
    }
}

list_type!(
    CustomerConnection,
    CustomerEdge,
    Customer,
    Entity,
    "customers"
);

/// Queries about customers.
#[derive(Default)]
pub struct CustomerQuery;

#[Object]
impl CustomerQuery {
    /// One customer; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer's id.")] id: ID,
    ) -> Result<Option<Customer>> {
        match id.parse() {
            Ok(id) => Customer::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The customers you may see; a partner sees those of its own deals.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn customers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which customers.")] filter: Option<CustomerFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<CustomerOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<CustomerConnection> {
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
        Ok(CustomerConnection::new(
            list::whole(request, select, CustomerOrder::ordering(order_by)?, page).await?,
        ))
    }
}

/// A new customer.
#[derive(Debug, InputObject)]
pub struct CreateCustomerInput {
    /// The company's name.
    pub name: String,
    /// Its internet domain.
    pub domain: Option<Domain>,
    /// Its country.
    pub country: Option<String>,
    /// Its industry or size class.
    pub segment: Option<String>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Changes to a customer: an absent field keeps its value, null clears it.
#[derive(Debug, InputObject)]
pub struct UpdateCustomerInput {
    /// Which customer.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// The company's name.
    pub name: Option<String>,
    /// Its internet domain.
    pub domain: MaybeUndefined<Domain>,
    /// Its country.
    pub country: MaybeUndefined<String>,
    /// Its industry or size class.
    pub segment: MaybeUndefined<String>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateCustomerInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: CustomerId = id_input(&self.id, "id")?;
        let row = visible::lock_one::<Entity>(
            &edit.change,
            &edit.request.viewer,
            id.0,
            self.expected_version,
        )
        .await?;
        let patch = CustomerPatch {
            name: self.name,
            domain: nullable(self.domain).map(|domain| domain.map(|domain| domain.0)),
            country: nullable(self.country),
            segment: nullable(self.segment),
            archived: self.archived,
        };
        customer::update(&mut edit.change, row, patch).await
    }
}

payload!(
    CreateCustomerPayload { customer: Customer },
    "createCustomer",
    Scope::PartnersRead
);
payload!(
    UpdateCustomerPayload { customer: Customer },
    "updateCustomer",
    Scope::PartnersRead
);

/// Changes of customers.
#[derive(Default)]
pub struct CustomerMutation;

#[Object]
impl CustomerMutation {
    /// Creates a customer.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn create_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new customer.")] input: CreateCustomerInput,
    ) -> Result<CreateCustomerPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "createCustomer",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateCustomerPayload::found(
                    Customer::find(request(ctx)?, CustomerId(id)).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateCustomerPayload::refused(refused)),
        };
        let new = NewCustomer {
            name: input.name,
            domain: input.domain.map(|domain| domain.0),
            country: input.country,
            segment: input.segment,
            archived: false,
        };
        let result = customer::create(&mut edit.change, vec![new])
            .await
            .and_then(created);
        Ok(CreateCustomerPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Customer::one,
        ))
    }

    /// Changes a customer.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateCustomerInput,
    ) -> Result<UpdateCustomerPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateCustomerPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Customer::one,
        ))
    }
}
