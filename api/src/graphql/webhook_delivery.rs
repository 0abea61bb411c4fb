//! The delivery log in the API: what went to a webhook endpoint, what it answered, and telling it again.
//!
//! What was sent is shown to those only who may read everything that the endpoint's owner may.

use super::context::{RequireScope, cost, request, requires_scope, state};
use super::edit::{Edit, UserError, id_input};
use super::filter::{DateTimeFilter, IdFilter, TextFilter, enum_filter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::{Member, follow};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::error::{Error, ViolationCode};
use entities::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use entities::webhook_delivery::{self, Again, Column, Entity, Model, NewDelivery};
use entities::webhook_endpoint;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// The event type of a test.
pub const TEST: &str = "webhook_endpoint.test";

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "webhook_delivery::DeliveryState")]
pub enum WebhookDeliveryState {
    /// It will be tried, or tried again.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// It used up its attempts.
    Failed,
}

enum_filter! {
    /// A state of a delivery to look for.
    WebhookDeliveryStateFilter of WebhookDeliveryState, webhook_delivery::DeliveryState
}

/// Which deliveries.
#[derive(Clone, Debug, Default, InputObject)]
pub struct WebhookDeliveryFilter {
    /// By endpoint.
    pub endpoint_id: Option<IdFilter>,
    /// By event.
    pub event_id: Option<IdFilter>,
    /// By event type.
    pub r#type: Option<TextFilter>,
    /// By how far they are.
    pub state: Option<WebhookDeliveryStateFilter>,
    /// By when they were made.
    pub created_at: Option<DateTimeFilter>,
}

impl WebhookDeliveryFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        let column = |column: Column| Expr::col((Entity, column));
        if let Some(filter) = self.endpoint_id {
            select = select.filter(filter.on::<WebhookEndpointId>(column(Column::EndpointId))?);
        }
        if let Some(filter) = self.event_id {
            select = select.filter(filter.on::<EventId>(column(Column::EventId))?);
        }
        if let Some(filter) = self.r#type {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.state {
            select = select.filter(filter.on(column(Column::State))?);
        }
        if let Some(filter) = self.created_at {
            select = select.filter(filter.on(column(Column::CreatedAt)));
        }
        Ok(select)
    }
}

order_type!(WebhookDeliveryOrder, WebhookDeliveryOrderField, Entity, "webhook deliveries", {
    /// When it was made.
    CreatedAt => Column::CreatedAt, false;
});

/// What was sent.
#[derive(SimpleObject)]
pub struct WebhookDeliveryRequest {
    /// Where the last attempt went.
    pub url: String,
    /// When.
    pub at: DateTime,
    /// The body, the same in every attempt. Null for who may not read everything that the endpoint's owner may.
    pub body: Option<String>,
}

/// What came back, the last time.
#[derive(SimpleObject)]
pub struct WebhookDeliveryAnswer {
    /// The HTTP status; null when there was no answer.
    pub status: Option<i32>,
    /// The beginning of the answer's body.
    pub body: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// Why it does not count as delivered.
    pub error: Option<String>,
}

/// One event on its way to one endpoint. Its id is the message's `webhook-id`, the same over all attempts and replays.
#[derive(Clone)]
pub struct WebhookDelivery(pub(crate) Member<Model>);

/// One event on its way to one endpoint. Its id is the message's `webhook-id`, the same over all attempts and replays.
#[Object]
impl WebhookDelivery {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// The endpoint it goes to.
    async fn endpoint_id(&self) -> ID {
        self.0.row().endpoint_id.to_string().into()
    }
    /// The event it tells of; null for a test.
    async fn event_id(&self) -> Option<ID> {
        self.0.row().event_id.map(|id| id.to_string().into())
    }
    /// The event type.
    async fn r#type(&self) -> &str {
        &self.0.row().kind
    }
    /// How far it is.
    async fn state(&self) -> WebhookDeliveryState {
        self.0.row().state.into()
    }
    /// How often it was tried since it was made or replayed; eight times at most.
    async fn attempts(&self) -> i32 {
        self.0.row().attempts
    }
    /// When it is tried next; null when it is not.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        let row = self.0.row();
        let waits = row.state == webhook_delivery::DeliveryState::Pending;
        waits.then_some(DateTime(row.available_at))
    }
    /// When it was delivered or given up.
    async fn settled_at(&self) -> Option<DateTime> {
        self.0.row().settled_at.map(DateTime)
    }
    /// What was sent; null before the first attempt.
    async fn request(&self, ctx: &Context<'_>) -> Result<Option<WebhookDeliveryRequest>> {
        let row = self.0.row();
        let (Some(url), Some(at)) = (row.address.clone(), row.attempted_at) else {
            return Ok(None);
        };
        let request = request(ctx)?;
        let endpoint = follow::<webhook_endpoint::Entity, _>(
            request,
            self.0.group(),
            "endpoint",
            row.endpoint_id.0,
            |row| Some(row.endpoint_id.0),
            |row| row.id.0,
        )
        .await?;
        let readable =
            endpoint.is_some_and(|endpoint| endpoint.row().tells_nothing_new_to(&request.viewer));
        let body = row.body.as_deref().filter(|_| readable);
        Ok(Some(WebhookDeliveryRequest {
            url,
            at: DateTime(at),
            body: body.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }))
    }
    /// What came back the last time; null before the first attempt.
    async fn answer(&self) -> Option<WebhookDeliveryAnswer> {
        let row = self.0.row();
        Some(WebhookDeliveryAnswer {
            status: row.answer_status,
            body: row.answer_body.clone(),
            duration_ms: row.answer_millis?,
            error: row.error.clone(),
        })
    }
}

list_type!(
    WebhookDeliveryConnection,
    WebhookDeliveryEdge,
    WebhookDelivery,
    Entity,
    "webhook deliveries"
);

/// Queries about webhook deliveries.
#[derive(Default)]
pub struct WebhookDeliveryQuery;

#[Object]
impl WebhookDeliveryQuery {
    /// The delivery log: what went to webhook endpoints, what they answered, and how long it took.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn webhook_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which deliveries.")] filter: Option<WebhookDeliveryFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<WebhookDeliveryOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<WebhookDeliveryConnection> {
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
        let order = WebhookDeliveryOrder::ordering(order_by)?;
        Ok(WebhookDeliveryConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}

/// A test of a webhook endpoint.
#[derive(Debug, InputObject)]
pub struct TestWebhookInput {
    /// Which endpoint.
    pub id: ID,
}

/// The answer of testWebhook.
#[derive(SimpleObject)]
pub struct TestWebhookPayload {
    /// The id of the delivery, which is tried once; the delivery log tells what came of it. Null when the input was refused.
    pub delivery_id: Option<ID>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

/// What is to be told again. Name exactly one of `deliveryId`, `failed`, and `from` with `until`.
#[derive(Debug, InputObject)]
pub struct ReplayWebhookInput {
    /// Which endpoint.
    pub id: ID,
    /// One delivery.
    pub delivery_id: Option<ID>,
    /// True: all that were given up.
    pub failed: Option<bool>,
    /// What happened from this instant on, told before or not.
    pub from: Option<DateTime>,
    /// What happened before this instant; with `from` only.
    pub until: Option<DateTime>,
}

/// The answer of replayWebhook.
#[derive(SimpleObject)]
pub struct ReplayWebhookPayload {
    /// How many deliveries are due again. Null when the input was refused.
    pub replayed: Option<u64>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

fn which(input: &ReplayWebhookInput) -> entities::error::Result<Again> {
    let failed = input.failed.unwrap_or(false);
    match (
        &input.delivery_id,
        failed,
        input.from.as_ref(),
        input.until.as_ref(),
    ) {
        (Some(id), false, None, None) => Ok(Again::One(id_input(id, "deliveryId")?)),
        (None, true, None, None) => Ok(Again::Failed),
        (None, false, Some(from), Some(until)) if from.0 < until.0 => {
            Ok(Again::Between(from.0, until.0))
        }
        _ => Err(Error::invalid(
            ViolationCode::Invalid,
            "",
            "Name exactly one of deliveryId, failed, and from with a later until.",
        )),
    }
}

/// Telling endpoints something on request.
#[derive(Default)]
pub struct WebhookDeliveryMutation;

#[Object]
impl WebhookDeliveryMutation {
    /// Sends a message of the type webhook_endpoint.test to an endpoint, once.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn test_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: TestWebhookInput,
    ) -> Result<TestWebhookPayload> {
        let edit = Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, None).await?;
        let request = edit.request;
        let raised = async {
            let id: WebhookEndpointId = id_input(&input.id, "id")?;
            let (change, viewer) = (&edit.change, &request.viewer);
            let row = webhook_endpoint::lock(change, viewer, id, None).await?;
            if row.status != webhook_endpoint::EndpointStatus::Active {
                let message = "The endpoint hears nothing: resume it.";
                return Err(Error::invalid(ViolationCode::Locked, "id", message));
            }
            let test = NewDelivery {
                endpoint_id: id,
                event_id: None,
                kind: TEST.to_owned(),
                occurred_at: change.now(),
            };
            let made = webhook_delivery::raise(change, &[test]).await?;
            made.into_iter()
                .next()
                .ok_or_else(|| Error::Damaged("a test without a delivery".to_owned()))
        }
        .await;
        let done: std::result::Result<WebhookDeliveryId, _> = edit.finish(raised, |_| None).await?;
        request.database.wake().wake();
        Ok(match done {
            Ok(id) => TestWebhookPayload {
                delivery_id: Some(id.to_string().into()),
                user_errors: Vec::new(),
            },
            Err(user_errors) => TestWebhookPayload {
                delivery_id: None,
                user_errors,
            },
        })
    }

    /// Tells an endpoint again: one delivery, all that were given up, or what happened in a stretch of time, of which at most 10,000 events that it
    /// has not been told of are raised. The messages keep their ids.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn replay_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be told again.")] input: ReplayWebhookInput,
    ) -> Result<ReplayWebhookPayload> {
        let edit = Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, None).await?;
        let request = edit.request;
        let outbound = &state(ctx)?.core.outbound;
        let replayed = async {
            let id: WebhookEndpointId = id_input(&input.id, "id")?;
            let (change, viewer) = (&edit.change, &request.viewer);
            let which = which(&input)?;
            let found =
                visible::lock_one::<webhook_endpoint::Entity>(change, viewer, id.0, None).await?;
            let mut count = webhook_delivery::replay(change, id, &which).await?;
            if count == 0 && matches!(which, Again::One(_)) {
                return Err(Error::not_found("deliveryId"));
            }
            if let Again::Between(from, until) = which {
                count += outbound
                    .raise_between(change, &found, (from, until))
                    .await
                    .map_err(|error| match error {
                        integrations::outbound::OutboundError::Entity(error) => error,
                        other => Error::Damaged(other.to_string()),
                    })?;
            }
            Ok(count)
        }
        .await;
        let done = edit.finish(replayed, |_| None).await?;
        request.database.wake().wake();
        Ok(match done {
            Ok(replayed) => ReplayWebhookPayload {
                replayed: Some(replayed),
                user_errors: Vec::new(),
            },
            Err(user_errors) => ReplayWebhookPayload {
                replayed: None,
                user_errors,
            },
        })
    }
}
