//! Webhook endpoints in the API: where a subscriber wants to hear, of what, and how it fares.

pub mod mutation;

use super::context::{RequireScope, cost, request, requires_scope};
use super::filter::enum_filter;
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::id::WebhookEndpointId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::webhook_endpoint::{self, Column, Entity, Model};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Whether an endpoint hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "webhook_endpoint::EndpointStatus")]
pub enum WebhookEndpointStatus {
    /// It hears.
    Active,
    /// What happens waits for it.
    Paused,
    /// It hears nothing, and nothing waits for it: its deliveries failed for five days, or it answered 410.
    Disabled,
}

enum_filter! {
    /// A status of an endpoint to look for.
    WebhookEndpointStatusFilter of WebhookEndpointStatus, webhook_endpoint::EndpointStatus
}

/// Which endpoints.
#[derive(Clone, Debug, Default, InputObject)]
pub struct WebhookEndpointFilter {
    /// By status.
    pub status: Option<WebhookEndpointStatusFilter>,
}

impl WebhookEndpointFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        if let Some(filter) = self.status {
            select = select.filter(filter.on(Expr::col((Entity, Column::Status)))?);
        }
        Ok(select)
    }
}

order_type!(WebhookEndpointOrder, WebhookEndpointOrderField, Entity, "webhook endpoints", {
    /// When it was made.
    CreatedAt => Column::CreatedAt, false;
    /// When it was last changed.
    UpdatedAt => Column::UpdatedAt, false;
});

/// Where a subscriber wants to hear of events. What it is told are messages of Standard Webhooks, signed with its secret.
#[derive(Clone)]
pub struct WebhookEndpoint(pub(crate) Member<Model>);

/// Where a subscriber wants to hear of events. What it is told are messages of Standard Webhooks, signed with its secret.
#[Object]
impl WebhookEndpoint {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// The partner whose endpoint it is; null for one of the programme's own.
    async fn partner_id(&self) -> Option<ID> {
        self.0.row().partner_id.map(|id| id.to_string().into())
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// Where messages are posted.
    async fn url(&self) -> &str {
        &self.0.row().url
    }
    /// The event types it hears; all when there are none.
    async fn types(&self) -> &[String] {
        &self.0.row().kinds.0
    }
    /// The partners whose events it hears; everybody's when there are none.
    async fn partner_ids(&self) -> Vec<ID> {
        let ids = self.0.row().partners.ids();
        ids.into_iter().map(|id| id.to_string().into()).collect()
    }
    /// Whether it also hears of history: of records that are read for the first time.
    async fn include_history(&self) -> bool {
        self.0.row().with_history
    }
    /// Whether it hears nothing by itself: automations tell it.
    async fn only_called(&self) -> bool {
        self.0.row().only_called
    }
    /// What it is told of an event: a selection on the type Event.
    async fn selection(&self) -> &str {
        &self.0.row().selection
    }
    /// Whose token decides what it may be told: that of the last who changed it.
    async fn owner(&self) -> &str {
        self.0.row().owner.subject()
    }
    /// Whether it hears.
    async fn status(&self) -> WebhookEndpointStatus {
        self.0.row().status.into()
    }
    /// Why it was disabled.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.row().disabled_reason.as_deref()
    }
    /// Since when no delivery has arrived. After five days the endpoint is disabled.
    async fn failing_since(&self) -> Option<DateTime> {
        self.0.row().failing_since.map(DateTime)
    }
    /// Until when messages are also signed with the secret before.
    async fn previous_secret_until(&self) -> Option<DateTime> {
        self.0.row().previous_secret_until.map(DateTime)
    }
}

list_type!(
    WebhookEndpointConnection,
    WebhookEndpointEdge,
    WebhookEndpoint,
    Entity,
    "webhook endpoints"
);

/// Queries about webhook endpoints.
#[derive(Default)]
pub struct WebhookEndpointQuery;

#[Object]
impl WebhookEndpointQuery {
    /// A webhook endpoint; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    async fn webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id.")] id: ID,
    ) -> Result<Option<WebhookEndpoint>> {
        let request = request(ctx)?;
        let Ok(id) = id.parse::<WebhookEndpointId>() else {
            return Ok(None);
        };
        let connection = request.database.read();
        let found = visible::find_one::<Entity, _>(connection, &request.viewer, id.0).await?;
        Ok(found.map(|row| WebhookEndpoint(Member::single(row))))
    }

    /// The webhook endpoints. A partner sees those of its own organisation.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn webhook_endpoints(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoints.")] filter: Option<WebhookEndpointFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<WebhookEndpointOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<WebhookEndpointConnection> {
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
        let order = WebhookEndpointOrder::ordering(order_by)?;
        Ok(WebhookEndpointConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}
