//! Automations in the API: when something happens that meets conditions, something is said or called.

mod input;
pub mod mutation;
pub mod run;

use super::context::{RequireScope, cost, request, requires_scope};
use super::filter::{TextFilter, enum_filter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::automation::{self, Action, Column, Entity, Model, condition, preset};
use entities::id::AutomationId;
use entities::viewer::Scope;
use entities::visible::{self, Visible};
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// Whether an automation acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "automation::AutomationStatus")]
pub enum AutomationStatus {
    /// It does.
    Enabled,
    /// It does not, and misses what happens.
    Disabled,
}

enum_filter! {
    /// A status of an automation to look for.
    AutomationStatusFilter of AutomationStatus, automation::AutomationStatus
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "condition::Operator")]
pub enum AutomationOperator {
    /// It is the one value.
    Eq,
    /// It is not.
    Ne,
    /// It is one of the values.
    In,
    /// It is greater than the one value.
    Gt,
    /// It is the one value or greater.
    Gte,
    /// It is less.
    Lt,
    /// It is the one value or less.
    Lte,
    /// It holds the one value, whatever the case of its letters.
    Contains,
    /// It is there.
    Exists,
    /// It is not there.
    Missing,
}

/// Which automations.
#[derive(Clone, Debug, Default, InputObject)]
pub struct AutomationFilter {
    /// By event type.
    pub r#type: Option<TextFilter>,
    /// By status.
    pub status: Option<AutomationStatusFilter>,
}

impl AutomationFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        let column = |column: Column| Expr::col((Entity, column));
        if let Some(filter) = self.r#type {
            select = select.filter(filter.on(column(Column::Kind))?);
        }
        if let Some(filter) = self.status {
            select = select.filter(filter.on(column(Column::Status))?);
        }
        Ok(select)
    }
}

order_type!(AutomationOrder, AutomationOrderField, Entity, "automations", {
    /// When it was made.
    CreatedAt => Column::CreatedAt, false;
});

/// One condition of an automation.
#[derive(Clone, Debug, SimpleObject)]
pub struct AutomationCondition {
    /// The response keys of the selection, from the event on, with dots between them: `subject.amount.amount`.
    pub path: String,
    /// How the value there is compared.
    pub operator: AutomationOperator,
    /// With what.
    pub values: Vec<String>,
}

/// What is posted in a chat.
#[derive(Clone, Debug, SimpleObject)]
pub struct AutomationChat {
    /// The chat's connection.
    pub connection_id: ID,
    /// The vendor's id of the channel.
    pub channel: String,
    /// The template of the heading.
    pub title: String,
    /// The template of the text.
    pub text: String,
}

/// What is mailed.
#[derive(Clone, Debug, SimpleObject)]
pub struct AutomationMail {
    /// To whom.
    pub user_ids: Vec<ID>,
    /// The template of the subject line.
    pub subject: String,
    /// The template of the text.
    pub text: String,
}

/// Who is called.
#[derive(Clone, Debug, SimpleObject)]
pub struct AutomationWebhook {
    /// The endpoint, which is told of the event by its own selection.
    pub endpoint_id: ID,
}

/// What an automation does: one of these, the others are null.
#[derive(Clone, Debug, Default, SimpleObject)]
pub struct AutomationAction {
    /// A message in a chat.
    pub chat: Option<AutomationChat>,
    /// A message by mail.
    pub mail: Option<AutomationMail>,
    /// A call of a webhook endpoint.
    pub webhook: Option<AutomationWebhook>,
}

impl From<&Action> for AutomationAction {
    fn from(action: &Action) -> Self {
        let mut shown = Self::default();
        match action {
            Action::Chat {
                channel,
                title,
                text,
                ..
            } => {
                let connection = action.chat().map(|id| id.to_string());
                shown.chat = Some(AutomationChat {
                    connection_id: connection.unwrap_or_default().into(),
                    channel: channel.clone(),
                    title: title.clone(),
                    text: text.clone(),
                });
            }
            Action::Mail { subject, text, .. } => {
                let users = action.users().into_iter();
                shown.mail = Some(AutomationMail {
                    user_ids: users.map(|id| id.to_string().into()).collect(),
                    subject: subject.clone(),
                    text: text.clone(),
                });
            }
            Action::Webhook { .. } => {
                let endpoint = action.endpoint().map(|id| id.to_string());
                shown.webhook = Some(AutomationWebhook {
                    endpoint_id: endpoint.unwrap_or_default().into(),
                });
            }
        }
        shown
    }
}

/// What is said or called when something happens. It acts on what happens now, never on history, and never on what an automation brought about.
#[derive(Clone)]
pub struct Automation(pub(crate) Member<Model>);

/// What is said or called when something happens. It acts on what happens now, never on history, and never on what an automation brought about.
#[Object]
impl Automation {
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
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// The event type it hears.
    async fn r#type(&self) -> &str {
        &self.0.row().kind
    }
    /// The partners whose events it hears; everybody's when there are none.
    async fn partner_ids(&self) -> Vec<ID> {
        let ids = self.0.row().partners.ids();
        ids.into_iter().map(|id| id.to_string().into()).collect()
    }
    /// What it reads of an event: a selection on the type Event, answered as its owner may read it.
    async fn selection(&self) -> &str {
        &self.0.row().selection
    }
    /// When it acts: all of these are met.
    async fn conditions(&self) -> Vec<AutomationCondition> {
        let shown = |it: &condition::Condition| AutomationCondition {
            path: it.path.clone(),
            operator: it.operator.into(),
            values: it.operands.clone(),
        };
        self.0.row().conditions.0.iter().map(shown).collect()
    }
    /// What it does.
    async fn action(&self) -> AutomationAction {
        (&self.0.row().action).into()
    }
    /// How often it acts in an hour at most.
    async fn per_hour(&self) -> i32 {
        self.0.row().per_hour
    }
    /// Whose token decides what it may read: that of the last who changed it.
    async fn owner(&self) -> &str {
        self.0.row().owner.subject()
    }
    /// Whether it acts.
    async fn status(&self) -> AutomationStatus {
        self.0.row().status.into()
    }
    /// Why it was disabled, where it was not somebody's wish.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.row().disabled_reason.as_deref()
    }
}

list_type!(
    AutomationConnection,
    AutomationEdge,
    Automation,
    Entity,
    "automations"
);

/// An automation that comes with the product: name it in createAutomation.
#[derive(Clone, Debug, SimpleObject)]
pub struct AutomationPreset {
    /// What it is called.
    pub name: String,
    /// What it tells.
    pub description: String,
    /// The event type it hears.
    pub r#type: String,
    /// What it reads of an event.
    pub selection: String,
    /// When it acts.
    pub conditions: Vec<AutomationCondition>,
    /// The template of a heading or a subject line.
    pub title: String,
    /// The template of a text.
    pub text: String,
}

/// Queries about automations.
#[derive(Default)]
pub struct AutomationQuery;

#[Object]
impl AutomationQuery {
    /// An automation; null when there is none that you may see. Internal: null for partners.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    async fn automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id.")] id: ID,
    ) -> Result<Option<Automation>> {
        let request = request(ctx)?;
        let Ok(id) = id.parse::<AutomationId>() else {
            return Ok(None);
        };
        let read = request.database.read();
        let found = visible::find_one::<Entity, _>(read, &request.viewer, id.0).await?;
        Ok(found.map(|row| Automation(Member::single(row))))
    }

    /// The automations. Internal: none for partners.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn automations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which automations.")] filter: Option<AutomationFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<AutomationOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<AutomationConnection> {
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
        let order = AutomationOrder::ordering(order_by)?;
        Ok(AutomationConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }

    /// The automations that come with the product, as createAutomation takes them.
    #[graphql(guard = "RequireScope(Scope::WebhooksManage)", directive = requires_scope::apply("webhooks:manage".to_owned()), directive = cost::apply(1))]
    async fn automation_presets(&self) -> Result<Vec<AutomationPreset>> {
        let shown = |it: preset::Preset| AutomationPreset {
            name: it.name,
            description: it.description,
            r#type: it.kind,
            selection: it.selection,
            conditions: it
                .conditions
                .0
                .into_iter()
                .map(|it| AutomationCondition {
                    path: it.path,
                    operator: it.operator.into(),
                    values: it.operands,
                })
                .collect(),
            title: it.title,
            text: it.text,
        };
        Ok(preset::included()?.into_iter().map(shown).collect())
    }
}
