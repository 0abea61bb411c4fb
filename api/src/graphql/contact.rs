//! Contacts in the API.

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::customer::Customer;
use super::edit::{Edit, Opened, created, id_input, nullable, payload};
use super::filter::{DateTimeFilter, IdFilter, TextFilter};
use super::list::{self, Parent, list_type, order_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::scalar::DateTime;
use super::siblings::{self, Member};
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result};
use entities::contact::{self, Column, ContactPatch, Entity, Model, NewContact};
use entities::id::{ContactId, CustomerId, PartnerId};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::{customer, partner};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{QueryFilter, Select};

/// Which contacts.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ContactFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By name.
    pub name: Option<TextFilter>,
    /// By e-mail address.
    pub email: Option<TextFilter>,
    /// By the partner they work for.
    pub partner_id: Option<IdFilter>,
    /// By the customer they work for.
    pub customer_id: Option<IdFilter>,
    /// By last change.
    pub updated_at: Option<DateTimeFilter>,
    /// True: archived ones too. They are left out otherwise.
    pub include_archived: Option<bool>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl ContactFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if !self.include_archived.unwrap_or(false) {
            select = select.filter(column(Column::ArchivedAt).is_null());
        }
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<ContactId>(column(Column::Id))?);
        }
        if let Some(filter) = self.name {
            select = select.filter(filter.on(column(Column::Name))?);
        }
        if let Some(filter) = self.email {
            select = select.filter(filter.on(column(Column::Email))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        if let Some(filter) = self.customer_id {
            select = select.filter(filter.on::<CustomerId>(column(Column::CustomerId))?);
        }
        if let Some(filter) = self.updated_at {
            select = select.filter(filter.on(column(Column::UpdatedAt)));
        }
        Ok(select)
    }
}

order_type!(ContactOrder, ContactOrderField, Entity, "contacts", {
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
    /// The person's name.
    Name => Column::Name, false;
});

/// The people of a partner.
#[derive(Clone, Copy)]
pub(crate) struct OfPartner;

impl super::page::OfParent for OfPartner {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::PartnerId).eq(parent))
    }
}

/// The people of a customer.
#[derive(Clone, Copy)]
pub(crate) struct OfCustomer;

impl super::page::OfParent for OfCustomer {
    type Child = Entity;

    fn narrow(&self, select: Select<Entity>, parent: SimpleExpr) -> Select<Entity> {
        select.filter(column(Column::CustomerId).eq(parent))
    }
}

/// A parent's people, read together with those of its siblings.
pub(crate) async fn list_of<M: Send + Sync + 'static>(
    ctx: &Context<'_>,
    parent: Parent<'_, M>,
    by: impl super::page::OfParent<Child = Entity> + Copy + 'static,
    field: &str,
    filter: Option<ContactFilter>,
    order_by: Option<Vec<ContactOrder>>,
    page: PageArguments,
) -> Result<Option<ContactConnection>> {
    let key = format!("{field}:{filter:?}:{order_by:?}:{page:?}");
    let list = |request: &RequestContext| {
        Ok((
            filter
                .unwrap_or_default()
                .on(Entity::visible_to(&request.viewer))?,
            ContactOrder::ordering(order_by)?,
        ))
    };
    Ok(list::nested(ctx, parent, by, key, page, list)
        .await?
        .map(ContactConnection::new))
}

/// A person at a partner or at a customer.
#[derive(Clone)]
pub struct Contact(pub(crate) Member<Model>);

impl Contact {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    pub(crate) async fn find(request: &RequestContext, id: ContactId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// A person at a partner or at a customer.
#[Object]
impl Contact {
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
    /// The person's name.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// The e-mail address.
    async fn email(&self) -> Option<&str> {
        self.0.row().email.as_deref()
    }
    /// The telephone number, as the source writes it.
    async fn phone(&self) -> Option<&str> {
        self.0.row().phone.as_deref()
    }
    /// The job title.
    async fn title(&self) -> Option<&str> {
        self.0.row().title.as_deref()
    }
    /// What the person does for the programme.
    async fn roles(&self) -> &[String] {
        &self.0.row().roles.0
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }

    /// The partner the person works for, if it is one.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let Some(target) = self.0.row().partner_id else {
            return Ok(None);
        };
        let reference = |row: &Model| row.partner_id.map(|id| id.0);
        Ok(siblings::follow::<partner::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "partner",
            target.0,
            reference,
            |row| row.id.0,
        )
        .await?
        .map(Partner))
    }

    /// The customer the person works for, if it is one.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>> {
        let Some(target) = self.0.row().customer_id else {
            return Ok(None);
        };
        let reference = |row: &Model| row.customer_id.map(|id| id.0);
        Ok(siblings::follow::<customer::Entity, _>(
            request(ctx)?,
            self.0.group(),
            "customer",
            target.0,
            reference,
            |row| row.id.0,
        )
        .await?
        .map(Customer))
    }
}

list_type!(ContactConnection, ContactEdge, Contact, Entity, "contacts");

/// Queries about contacts.
#[derive(Default)]
pub struct ContactQuery;

#[Object]
impl ContactQuery {
    /// One contact; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The contact's id.")] id: ID,
    ) -> Result<Option<Contact>> {
        match id.parse() {
            Ok(id) => Contact::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The contacts you may see; a partner sees its own people.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
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
    ) -> Result<ContactConnection> {
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
        Ok(ContactConnection::new(
            list::whole(request, select, ContactOrder::ordering(order_by)?, page).await?,
        ))
    }
}

/// A new contact, of a partner or of a customer.
#[derive(Debug, InputObject)]
pub struct CreateContactInput {
    /// The person's name.
    pub name: String,
    /// The partner the person works for.
    pub partner_id: Option<ID>,
    /// The customer the person works for.
    pub customer_id: Option<ID>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// The job title.
    pub title: Option<String>,
    /// What the person does for the programme.
    #[graphql(default)]
    pub roles: Vec<String>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateContactInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let new = NewContact {
            partner_id: self
                .partner_id
                .as_ref()
                .map(|id| id_input(id, "partnerId"))
                .transpose()?,
            customer_id: self
                .customer_id
                .as_ref()
                .map(|id| id_input(id, "customerId"))
                .transpose()?,
            name: self.name,
            email: self.email,
            phone: self.phone,
            title: self.title,
            roles: self.roles,
            archived: false,
        };
        contact::create(&mut edit.change, vec![new])
            .await
            .and_then(created)
    }
}

/// Changes to a contact: an absent field keeps its value, null clears it.
#[derive(Debug, InputObject)]
pub struct UpdateContactInput {
    /// Which contact.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// The person's name.
    pub name: Option<String>,
    /// The partner the person works for.
    pub partner_id: MaybeUndefined<ID>,
    /// The customer the person works for.
    pub customer_id: MaybeUndefined<ID>,
    /// The e-mail address.
    pub email: MaybeUndefined<String>,
    /// The telephone number.
    pub phone: MaybeUndefined<String>,
    /// The job title.
    pub title: MaybeUndefined<String>,
    /// What the person does for the programme.
    pub roles: Option<Vec<String>>,
    /// True puts it away, false brings it back.
    pub archived: Option<bool>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl UpdateContactInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: ContactId = id_input(&self.id, "id")?;
        let row = visible::lock_one::<Entity>(
            &edit.change,
            &edit.request.viewer,
            id.0,
            self.expected_version,
        )
        .await?;
        let patch = ContactPatch {
            partner_id: nullable(self.partner_id)
                .map(|id| id.map(|id| id_input(&id, "partnerId")).transpose())
                .transpose()?,
            customer_id: nullable(self.customer_id)
                .map(|id| id.map(|id| id_input(&id, "customerId")).transpose())
                .transpose()?,
            name: self.name,
            email: nullable(self.email),
            phone: nullable(self.phone),
            title: nullable(self.title),
            roles: self.roles,
            archived: self.archived,
        };
        contact::update(&mut edit.change, row, patch).await
    }
}

payload!(
    CreateContactPayload { contact: Contact },
    "createContact",
    Scope::PartnersRead
);
payload!(
    UpdateContactPayload { contact: Contact },
    "updateContact",
    Scope::PartnersRead
);

/// Changes of contacts.
#[derive(Default)]
pub struct ContactMutation;

#[Object]
impl ContactMutation {
    /// Creates a contact.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn create_contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new contact.")] input: CreateContactInput,
    ) -> Result<CreateContactPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "createContact",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateContactPayload::found(
                    Contact::find(request(ctx)?, ContactId(id)).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateContactPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateContactPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Contact::one,
        ))
    }

    /// Changes a contact.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn update_contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateContactInput,
    ) -> Result<UpdateContactPayload> {
        let mut edit = Edit::begin(ctx, Scope::PartnersWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(UpdateContactPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Contact::one,
        ))
    }
}
