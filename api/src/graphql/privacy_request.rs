//! Wishes under the law on personal data, in the API: what was asked, what was done, and what is to be handed over. For administrators only,
//! because an export holds a person's data.

use super::context::{RequireScope, cost, request, requires_scope};
use super::filter::{IdFilter, enum_filter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use entities::id::{ConnectionId, PrivacyRequestId};
use entities::privacy_request::{self, Column, Entity, Model};
use entities::viewer::Scope;
use entities::visible::Visible;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "privacy_request::PrivacyKind")]
pub enum PrivacyRequestKind {
    /// Everything held of a person, for the account's owner to hand over.
    DataRequest,
    /// The person is erased.
    RedactPerson,
    /// Everything that came from the account is erased.
    RedactAccount,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "privacy_request::PrivacyStatus")]
pub enum PrivacyRequestStatus {
    /// It is being done.
    Pending,
    /// It is done.
    Completed,
}

enum_filter! {
    /// A kind of wish to look for.
    PrivacyRequestKindFilter of PrivacyRequestKind, privacy_request::PrivacyKind
}
enum_filter! {
    /// A state of a wish to look for.
    PrivacyRequestStatusFilter of PrivacyRequestStatus, privacy_request::PrivacyStatus
}

/// Which wishes.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PrivacyRequestFilter {
    /// By id.
    pub id: Option<IdFilter>,
    /// By the connection they came by.
    pub connection_id: Option<IdFilter>,
    /// By what is wanted.
    pub kind: Option<PrivacyRequestKindFilter>,
    /// By how far they are.
    pub status: Option<PrivacyRequestStatusFilter>,
}

impl PrivacyRequestFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        let column = |column: Column| Expr::col((Entity, column));
        if let Some(filter) = self.id {
            select = select.filter(filter.on::<PrivacyRequestId>(column(Column::Id))?);
        }
        if let Some(filter) = self.connection_id {
            select = select.filter(filter.on::<ConnectionId>(column(Column::ConnectionId))?);
        }
        if let Some(filter) = self.kind {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(PrivacyRequestOrder, PrivacyRequestOrderField, Entity, "privacy requests", {
    /// When it was passed on.
    CreatedAt => Column::CreatedAt, false;
});

/// What was done, in numbers.
#[derive(SimpleObject)]
pub struct PrivacyRequestOutcome {
    /// People whose rows were exported or erased.
    pub contacts: u64,
    /// What was known of vendors' records, exported or erased.
    pub records: u64,
    /// Stored deliveries whose content was erased.
    pub deliveries: u64,
}

/// A wish under the law on personal data that a vendor passed on.
#[derive(Clone)]
pub struct PrivacyRequest(pub(crate) Member<Model>);

/// A wish under the law on personal data that a vendor passed on.
#[Object]
impl PrivacyRequest {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was passed on.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What is wanted.
    async fn kind(&self) -> PrivacyRequestKind {
        self.0.row().kind.into()
    }
    /// How far it is.
    async fn status(&self) -> PrivacyRequestStatus {
        self.0.row().status.into()
    }
    /// The connection it came by.
    async fn connection_id(&self) -> ID {
        self.0.row().connection_id.to_string().into()
    }
    /// What the vendor calls it.
    async fn request_id(&self) -> &str {
        &self.0.row().request_id
    }
    /// When it was done.
    async fn completed_at(&self) -> Option<DateTime> {
        self.0.row().completed_at.map(DateTime)
    }
    /// What was done, so far.
    async fn outcome(&self) -> PrivacyRequestOutcome {
        let done = self.0.row().done;
        PrivacyRequestOutcome {
            contacts: done.contacts,
            records: done.records,
            deliveries: done.deliveries,
        }
    }
    /// Why it failed the last time it was tried.
    async fn error(&self) -> Option<&str> {
        self.0.row().error.as_deref()
    }
    /// Everything that is held of the person, to hand over. Only of a DATA_REQUEST that is done; forgotten when the person is erased.
    async fn export(&self) -> Option<Json<&serde_json::Value>> {
        self.0.row().export.as_ref().map(Json)
    }
}

list_type!(
    PrivacyRequestConnection,
    PrivacyRequestEdge,
    PrivacyRequest,
    Entity,
    "privacy requests"
);

/// Queries about wishes under the law on personal data.
#[derive(Default)]
pub struct PrivacyRequestQuery;

#[Object]
impl PrivacyRequestQuery {
    /// The wishes that vendors passed on: to hand over what is held of a person, or to erase it.
    #[graphql(guard = "RequireScope(Scope::Admin)", directive = requires_scope::apply("admin".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn privacy_requests(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which wishes.")] filter: Option<PrivacyRequestFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<PrivacyRequestOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PrivacyRequestConnection> {
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
        Ok(PrivacyRequestConnection::new(
            list::whole(
                request,
                select,
                PrivacyRequestOrder::ordering(order_by)?,
                page,
            )
            .await?,
        ))
    }
}
