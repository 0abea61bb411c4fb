//! What createAutomation and updateAutomation take, and holding it against the schema before anything is written.
//!
//! A condition's values are of the type that the schema gives the field at its path; a template names nothing that the selection does not answer.

use super::AutomationOperator;
use crate::graphql::context::{request, state};
use crate::graphql::edit::{UserError, id_input};
use async_graphql::{Context, ID, InputObject, Result};
use entities::automation::condition::ValueType;
use entities::automation::{Action, Condition, Conditions, Model, preset};
use entities::error::{Error, Violation, ViolationCode};
use entities::id::{ConnectionId, PartnerId, TypedId as _, UserId, WebhookEndpointId};
use integrations::automation::template;

/// One condition of an automation.
#[derive(Clone, Debug, InputObject)]
pub struct AutomationConditionInput {
    /// The response keys of the selection, from the event on, with dots between them: `subject.amount.amount`. Of a list, one member is enough.
    pub path: String,
    /// How the value there is compared.
    pub operator: AutomationOperator,
    /// With what; numbers, instants and days are written as text.
    #[graphql(default)]
    pub values: Vec<String>,
}

/// What is posted in a chat. The templates are Jinja's, cut down to values, `if` and `for`; everything in them is plain text there, and pings nobody.
#[derive(Clone, Debug, InputObject)]
pub struct AutomationChatInput {
    /// The chat's connection. It takes the scope integrations:manage to post there.
    pub connection_id: ID,
    /// The vendor's id of the channel.
    pub channel: String,
    /// The template of the heading: `Deal won: {{ subject.name }}`; the preset's when nothing is said.
    pub title: Option<String>,
    /// The template of the text; the preset's when nothing is said.
    pub text: Option<String>,
}

/// What is mailed, in plain text.
#[derive(Clone, Debug, InputObject)]
pub struct AutomationMailInput {
    /// To whom: people who sign in here.
    pub user_ids: Vec<ID>,
    /// The template of the subject line; the preset's when nothing is said.
    pub subject: Option<String>,
    /// The template of the text; the preset's when nothing is said.
    pub text: Option<String>,
}

/// Who is called.
#[derive(Clone, Debug, InputObject)]
pub struct AutomationWebhookInput {
    /// An endpoint of the programme's own, which is told of the event by its own selection. One with `onlyCalled` hears nothing else.
    pub endpoint_id: ID,
}

/// What an automation does. Name exactly one.
#[derive(Clone, Debug, InputObject)]
pub struct AutomationActionInput {
    /// A message in a chat.
    pub chat: Option<AutomationChatInput>,
    /// A message by mail.
    pub mail: Option<AutomationMailInput>,
    /// A call of a webhook endpoint.
    pub webhook: Option<AutomationWebhookInput>,
}

fn invalid(field: &str, message: impl Into<String>) -> Error {
    Error::invalid(ViolationCode::Invalid, field, message)
}

impl AutomationActionInput {
    /// The action, its words from a preset where nothing is said.
    pub(super) fn read(self, words: Option<&preset::Preset>) -> entities::error::Result<Action> {
        let title = |said: Option<String>| {
            said.or_else(|| words.map(|preset| preset.title.clone()))
                .unwrap_or_default()
        };
        let text = |said: Option<String>| {
            said.or_else(|| words.map(|preset| preset.text.clone()))
                .unwrap_or_default()
        };
        match (self.chat, self.mail, self.webhook) {
            (Some(chat), None, None) => {
                let field = "action.chat.connectionId";
                let connection: ConnectionId = id_input(&chat.connection_id, field)?;
                Ok(Action::Chat {
                    connection: connection.uuid(),
                    channel: chat.channel,
                    title: title(chat.title),
                    text: text(chat.text),
                })
            }
            (None, Some(mail), None) => {
                let mut users = Vec::with_capacity(mail.user_ids.len());
                for (index, id) in mail.user_ids.iter().enumerate() {
                    let field = format!("action.mail.userIds.{index}");
                    let user: UserId = id_input(id, &field)?;
                    users.push(user.uuid());
                }
                Ok(Action::Mail {
                    users,
                    subject: title(mail.subject),
                    text: text(mail.text),
                })
            }
            (None, None, Some(webhook)) => {
                let field = "action.webhook.endpointId";
                let endpoint: WebhookEndpointId = id_input(&webhook.endpoint_id, field)?;
                Ok(Action::Webhook {
                    endpoint: endpoint.uuid(),
                })
            }
            _ => Err(invalid(
                "action",
                "Name exactly one of chat, mail and webhook.",
            )),
        }
    }
}

/// The conditions, of no type yet: [`judge`] gives them the schema's.
pub(super) fn conditions(input: Vec<AutomationConditionInput>) -> Conditions {
    let read = |it: AutomationConditionInput| Condition {
        path: it.path,
        operator: it.operator.into(),
        operands: it.values,
        of: ValueType::Any,
    };
    Conditions(input.into_iter().map(read).collect())
}

/// The partners that are named.
pub(super) fn partners(ids: &[ID]) -> entities::error::Result<Vec<PartnerId>> {
    let read = |(index, id)| id_input(id, &format!("partnerIds.{index}"));
    ids.iter().enumerate().map(read).collect()
}

/// A preset by its name.
pub(super) fn named(name: Option<&String>) -> entities::error::Result<Option<preset::Preset>> {
    let Some(name) = name else { return Ok(None) };
    let mut presets = preset::included()?.into_iter();
    let found = presets.find(|preset| preset.name == *name);
    found.map(Some).ok_or_else(|| Error::not_found("preset"))
}

/// Holds an automation against the schema as this viewer may read it, and gives its conditions the schema's types. The answer is what is wrong.
pub(super) async fn judge(ctx: &Context<'_>, row: &mut Model) -> Result<Vec<UserError>> {
    let (request, renderer) = (request(ctx)?, &state(ctx)?.core.renderer);
    let mut wrong = Vec::new();
    let mut refuse = |field: &str, message: String| {
        let violation = Violation::new(ViolationCode::Invalid, field, message);
        wrong.push(UserError::from(violation));
    };
    if let Err(error) = renderer.check(&request.viewer, &row.selection).await {
        refuse("selection", error.to_string());
        return Ok(wrong);
    }
    let shape = match renderer.shape(&row.selection, &row.kind) {
        Ok(shape) => shape,
        Err(error) => {
            refuse("selection", error.to_string());
            return Ok(wrong);
        }
    };
    for (index, condition) in row.conditions.0.iter_mut().enumerate() {
        match shape.value_at(&condition.path) {
            Some(of) => condition.of = of,
            None => refuse(
                &format!("conditions.{index}.path"),
                format!(
                    "The selection answers no single value at {:?} of this event type.",
                    condition.path
                ),
            ),
        }
    }
    let sample = shape.sample();
    for (field, text) in row.action.templates() {
        if let Err(error) = template::check(text, &sample) {
            refuse(field, format!("The template is refused: {error}."));
        }
    }
    Ok(wrong)
}
