//! The people who sign in, in the API: the programme's staff, and partners' people, whom a partner's administrator manages too.
//!
//! An invitation is mailed after it was committed. What a token may do follows from the person's role, so what changes here ends older tokens.

mod chat_account;
mod edit;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::filter::{IdFilter, TextFilter, enum_filter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::partner::Partner;
use super::scalar::DateTime;
use super::siblings::{self, Member};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::id::{PartnerId, UserId};
use entities::partner;
use entities::user::{self, Column, Entity, Model};
use entities::viewer::{PartnerRole, Scope, StaffRole};
use entities::visible::{self, Visible};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{QueryFilter, Select};

pub use chat_account::ChatAccountMutation;
pub use edit::UserMutation;

/// How far a person has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "user::UserStatus")]
pub enum UserStatus {
    /// Asked to come; has not signed in yet.
    Invited,
    /// May sign in.
    Active,
    /// May not, for now or for good.
    Disabled,
}

/// What a person is: of the programme's staff, or of a partner. PARTNER_MANAGER is a role of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserRole {
    /// Of the staff: administers everything.
    Admin,
    /// Of the staff: looks after partners. Of a partner: leads its sellers, and those of the companies below it.
    PartnerManager,
    /// Of the staff: looks after money.
    Finance,
    /// Of the staff: looks after marketing.
    Marketing,
    /// Of the staff: looks after support.
    Support,
    /// Of the staff: reads everything, changes nothing.
    Auditor,
    /// Of a partner: manages its own users and clients, and does everything else a partner may.
    PartnerAdmin,
    /// Of a partner: registers deals and follows them.
    PartnerRep,
    /// Of a partner: looks after its money.
    PartnerFinance,
    /// Of a partner: looks, and changes nothing.
    PartnerViewer,
}

impl UserRole {
    const ALL: [Self; 10] = [
        Self::Admin,
        Self::PartnerManager,
        Self::Finance,
        Self::Marketing,
        Self::Support,
        Self::Auditor,
        Self::PartnerAdmin,
        Self::PartnerRep,
        Self::PartnerFinance,
        Self::PartnerViewer,
    ];

    /// The role as the database writes it, whichever side it is of.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => StaffRole::Admin.as_str(),
            Self::PartnerManager => StaffRole::PartnerManager.as_str(),
            Self::Finance => StaffRole::Finance.as_str(),
            Self::Marketing => StaffRole::Marketing.as_str(),
            Self::Support => StaffRole::Support.as_str(),
            Self::Auditor => StaffRole::Auditor.as_str(),
            Self::PartnerAdmin => PartnerRole::Admin.as_str(),
            Self::PartnerRep => PartnerRole::Rep.as_str(),
            Self::PartnerFinance => PartnerRole::Finance.as_str(),
            Self::PartnerViewer => PartnerRole::Viewer.as_str(),
        }
    }

    fn of(row: &Model) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == row.role)
    }
}

enum_filter! {
    /// A state of people to look for.
    UserStatusFilter of UserStatus, user::UserStatus
}

/// Roles to look for.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UserRoleFilter {
    /// Exactly this one.
    pub eq: Option<UserRole>,
    /// One of these.
    pub r#in: Option<Vec<UserRole>>,
}

/// Which people.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UserFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By e-mail address, in lower case.
    pub email: Option<TextFilter>,
    /// By the partner they are of.
    pub partner_id: Option<IdFilter>,
    /// True: the programme's staff only. False: partners' people only.
    pub staff: Option<bool>,
    /// By role.
    pub role: Option<UserRoleFilter>,
    /// By how far they have come.
    pub status: Option<UserStatusFilter>,
}

fn column(column: Column) -> Expr {
    Expr::col((Entity, column))
}

impl UserFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<UserId>(column(Column::Id))?);
        }
        if let Some(filter) = self.email {
            select = select.filter(filter.on(column(Column::Email))?);
        }
        if let Some(filter) = self.partner_id {
            select = select.filter(filter.on::<PartnerId>(column(Column::PartnerId))?);
        }
        match self.staff {
            Some(true) => select = select.filter(column(Column::PartnerId).is_null()),
            Some(false) => select = select.filter(column(Column::PartnerId).is_not_null()),
            None => {}
        }
        if let Some(filter) = self.role {
            let text = |role: UserRole| role.as_str().to_owned();
            let r#in = filter
                .r#in
                .map(|roles| roles.into_iter().map(text).collect());
            select = select.filter(super::filter::among(
                column(Column::Role),
                filter.eq.map(text),
                r#in,
            )?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(UserOrder, UserOrderField, Entity, "users", {
    /// The e-mail address.
    Email => Column::Email, false;
});

/// A person who signs in.
#[derive(Clone)]
pub struct User(pub(crate) Member<Model>);

impl User {
    fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    async fn find(request: &RequestContext, id: UserId) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id.0)
                .await?
                .map(Self::one),
        )
    }
}

/// A person who signs in.
#[Object]
impl User {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When the person was invited.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When the row was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// The person's name.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// The e-mail address, by which the person signs in.
    async fn email(&self) -> &str {
        &self.0.row().email
    }
    /// What the person may do at most; null for a role that this version does not know, which may do nothing.
    async fn role(&self) -> Option<UserRole> {
        UserRole::of(self.0.row())
    }
    /// How far the person has come.
    async fn status(&self) -> UserStatus {
        self.0.row().status.into()
    }
    /// When the person last signed in.
    async fn last_signed_in_at(&self) -> Option<DateTime> {
        self.0.row().last_signed_in_at.map(DateTime)
    }
    /// When the person was erased: name and address are no longer known.
    async fn erased_at(&self) -> Option<DateTime> {
        self.0.row().erased_at.map(DateTime)
    }

    /// The partner the person is of; null for the programme's staff.
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
}

list_type!(UserConnection, UserEdge, User, Entity, "users");

/// Queries about the people who sign in.
#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// One person who signs in; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::UsersManage)", directive = requires_scope::apply("users:manage".to_owned()))]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person's id.")] id: ID,
    ) -> Result<Option<User>> {
        match id.parse() {
            Ok(id) => User::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The people who sign in; a partner's administrator sees its own.
    #[graphql(guard = "RequireScope(Scope::UsersManage)", directive = requires_scope::apply("users:manage".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which people.")] filter: Option<UserFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<UserOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<UserConnection> {
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
        Ok(UserConnection::new(
            list::whole(request, select, UserOrder::ordering(order_by)?, page).await?,
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_role_of_a_person_has_its_word() {
        let staff = StaffRole::ALL.iter().map(|role| role.as_str());
        let partners = PartnerRole::ALL
            .iter()
            .filter(|role| role.is_a_persons())
            .map(|role| role.as_str());
        for text in staff.chain(partners) {
            assert!(
                UserRole::ALL.iter().any(|role| role.as_str() == text),
                "{text}"
            );
        }
    }
}
