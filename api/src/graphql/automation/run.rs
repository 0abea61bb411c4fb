//! What automations did: the log of their runs.

use crate::graphql::context::{RequireScope, cost, request, requires_scope};
use crate::graphql::filter::{DateTimeFilter, IdFilter, enum_filter};
use crate::graphql::list::{self, list_type, order_type};
use crate::graphql::page::PageArguments;
use crate::graphql::scalar::DateTime;
use crate::graphql::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::automation_run::{self, Column, Entity, Model};
use entities::id::{AutomationId, EventId};
use entities::viewer::Scope;
use entities::visible::Visible;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "automation_run::RunState")]
pub enum AutomationRunState {
    /// It will be tried, or tried again.
    Pending,
    /// It did what it is for: the chat has the message, or mail and call are on their way.
    Done,
    /// There was nothing to be done, and it says why.
    Skipped,
    /// It was given up.
    Failed,
}

enum_filter! {
    /// A state of a run to look for.
    AutomationRunStateFilter of AutomationRunState, automation_run::RunState
}

/// Which runs.
#[derive(Clone, Debug, Default, InputObject)]
pub struct AutomationRunFilter {
    /// By automation.
    pub automation_id: Option<IdFilter>,
    /// By event.
    pub event_id: Option<IdFilter>,
    /// By how far they are.
    pub state: Option<AutomationRunStateFilter>,
    /// By when they were made.
    pub created_at: Option<DateTimeFilter>,
}

impl AutomationRunFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        let column = |column: Column| Expr::col((Entity, column));
        if let Some(filter) = self.automation_id {
            select = select.filter(filter.on::<AutomationId>(column(Column::AutomationId))?);
        }
        if let Some(filter) = self.event_id {
            select = select.filter(filter.on::<EventId>(column(Column::EventId))?);
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

order_type!(AutomationRunOrder, AutomationRunOrderField, Entity, "runs of automations", {
    /// When it was made.
    CreatedAt => Column::CreatedAt, false;
});

/// What an automation did about one event, or why it did nothing.
#[derive(Clone)]
pub struct AutomationRun(pub(crate) Member<Model>);

/// What an automation did about one event, or why it did nothing.
#[Object]
impl AutomationRun {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When the automation heard of the event.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// The automation.
    async fn automation_id(&self) -> ID {
        self.0.row().automation_id.to_string().into()
    }
    /// The event.
    async fn event_id(&self) -> ID {
        self.0.row().event_id.to_string().into()
    }
    /// The event type.
    async fn r#type(&self) -> &str {
        &self.0.row().kind
    }
    /// How far it is.
    async fn state(&self) -> AutomationRunState {
        self.0.row().state.into()
    }
    /// How often it was tried.
    async fn attempts(&self) -> i32 {
        self.0.row().attempts
    }
    /// When it is tried next; null when it is not.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        let row = self.0.row();
        let waits = row.state == automation_run::RunState::Pending;
        waits.then_some(DateTime(row.available_at))
    }
    /// When it ended.
    async fn settled_at(&self) -> Option<DateTime> {
        self.0.row().settled_at.map(DateTime)
    }
    /// Why it was skipped, failed, or waits.
    async fn reason(&self) -> Option<&str> {
        self.0.row().error.as_deref()
    }
}

list_type!(
    AutomationRunConnection,
    AutomationRunEdge,
    AutomationRun,
    Entity,
    "runs of automations"
);

/// Queries about runs of automations.
#[derive(Default)]
pub struct AutomationRunQuery;

#[Object]
impl AutomationRunQuery {
    /// What automations did, and why they did nothing. Internal: none for partners.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn automation_runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which runs.")] filter: Option<AutomationRunFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<AutomationRunOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<AutomationRunConnection> {
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
        let order = AutomationRunOrder::ordering(order_by)?;
        Ok(AutomationRunConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}
