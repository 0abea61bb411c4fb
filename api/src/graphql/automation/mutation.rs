//! Changes of automations: what they take and what they answer.

use super::Automation;
use super::input::{self, AutomationActionInput, AutomationConditionInput, judge};
use super::run::AutomationRun;
use crate::graphql::context::{requires_scope, state};
use crate::graphql::edit::{Edit, Opened, Outcome, UserError, id_input, outcome, payload, staff};
use crate::graphql::siblings::Member;
use crate::webhook::DEFAULT;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use entities::automation::{self, AutomationPatch, Entity, Model, NewAutomation, PER_HOUR};
use entities::automation_run;
use entities::error::{Error, ViolationCode};
use entities::id::{AutomationId, AutomationRunId, EventId};
use entities::viewer::Scope;
use entities::visible;
use integrations::automation::{Message, NotRun};

/// A new automation. It acts on what happens from now on.
#[derive(Debug, InputObject)]
pub struct CreateAutomationInput {
    /// What it is called.
    pub name: String,
    /// A preset whose event type, selection, conditions and words stand where this input says nothing.
    pub preset: Option<String>,
    /// The event type it hears; the preset's when nothing is said.
    pub r#type: Option<String>,
    /// The partners whose events it hears; everybody's when there are none.
    #[graphql(default)]
    pub partner_ids: Vec<ID>,
    /// What it reads of an event: a selection on the type Event, such as `{ type subject { ... on Deal { name } } }`.
    pub selection: Option<String>,
    /// When it acts: all of these are met. Always when there are none.
    pub conditions: Option<Vec<AutomationConditionInput>>,
    /// What it does.
    pub action: AutomationActionInput,
    /// How often it acts in an hour at most; 100 when nothing is said, 1,000 at most.
    pub per_hour: Option<i32>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Changes to an automation: an absent field keeps its value. Whoever changes it becomes its owner, whose token decides what it may read.
#[derive(Debug, InputObject)]
pub struct UpdateAutomationInput {
    /// Which automation.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// The event type it hears.
    pub r#type: Option<String>,
    /// The partners whose events it hears; everybody's when there are none.
    pub partner_ids: Option<Vec<ID>>,
    /// What it reads of an event: a selection on the type Event.
    pub selection: Option<String>,
    /// When it acts: all of these are met.
    pub conditions: Option<Vec<AutomationConditionInput>>,
    /// What it does.
    pub action: Option<AutomationActionInput>,
    /// How often it acts in an hour at most.
    pub per_hour: Option<i32>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Which automation is to act.
#[derive(Debug, InputObject)]
pub struct EnableAutomationInput {
    /// Which automation.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
}

/// Which automation is not to act.
#[derive(Debug, InputObject)]
pub struct DisableAutomationInput {
    /// Which automation.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
}

/// Which automation is to be removed.
#[derive(Debug, InputObject)]
pub struct DeleteAutomationInput {
    /// Which automation.
    pub id: ID,
    /// The version you saw; another one refuses the removal.
    pub expected_version: Option<i64>,
}

/// The answer of deleteAutomation.
#[derive(SimpleObject)]
pub struct DeleteAutomationPayload {
    /// The id of what was removed. Null when the input was refused.
    pub deleted_id: Option<ID>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

/// What an automation is to be tried with.
#[derive(Debug, InputObject)]
pub struct TestAutomationInput {
    /// Which automation, enabled or not.
    pub id: ID,
    /// An event of the log.
    pub event_id: ID,
}

/// What an automation would say of an event.
#[derive(SimpleObject)]
pub struct AutomationTest {
    /// Whether it would act.
    pub acts: bool,
    /// Why it would not.
    pub reason: Option<String>,
    /// The heading or the subject line; null of a call.
    pub title: Option<String>,
    /// The text; null of a call.
    pub text: Option<String>,
}

/// The answer of testAutomation. Nothing is sent.
#[derive(SimpleObject)]
pub struct TestAutomationPayload {
    /// What it would say. Null when the input was refused.
    pub test: Option<AutomationTest>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

/// Which run is to be tried again.
#[derive(Debug, InputObject)]
pub struct RetryAutomationRunInput {
    /// Which run.
    pub id: ID,
}

payload!(
    CreateAutomationPayload {
        automation: Automation
    },
    "createAutomation",
    Scope::WebhooksManage
);
payload!(
    UpdateAutomationPayload {
        automation: Automation
    },
    "updateAutomation",
    Scope::WebhooksManage
);
payload!(
    EnableAutomationPayload {
        automation: Automation
    },
    "enableAutomation",
    Scope::WebhooksManage
);
payload!(
    DisableAutomationPayload {
        automation: Automation
    },
    "disableAutomation",
    Scope::WebhooksManage
);
payload!(
    RetryAutomationRunPayload {
        automation_run: AutomationRun
    },
    "retryAutomationRun",
    Scope::WebhooksManage
);

fn one(row: Model) -> Automation {
    Automation(Member::single(row))
}

impl CreateAutomationInput {
    fn read(self) -> entities::error::Result<NewAutomation> {
        let preset = input::named(self.preset.as_ref())?;
        let words = preset.as_ref();
        let kind = self.r#type.or_else(|| words.map(|it| it.kind.clone()));
        let selection = self
            .selection
            .or_else(|| words.map(|it| it.selection.clone()));
        let conditions = match self.conditions {
            Some(conditions) => input::conditions(conditions),
            None => words.map(|it| it.conditions.clone()).unwrap_or_default(),
        };
        Ok(NewAutomation {
            name: self.name,
            kind: kind.unwrap_or_default(),
            partners: input::partners(&self.partner_ids)?,
            selection: selection.unwrap_or_else(|| DEFAULT.to_owned()),
            conditions,
            action: self.action.read(words)?,
            per_hour: self.per_hour.unwrap_or(PER_HOUR),
        })
    }
}

impl UpdateAutomationInput {
    fn read(self) -> entities::error::Result<AutomationPatch> {
        let partners = self.partner_ids.as_deref().map(input::partners);
        Ok(AutomationPatch {
            name: self.name,
            kind: self.r#type,
            partners: partners.transpose()?,
            selection: self.selection,
            conditions: self.conditions.map(input::conditions),
            action: self.action.map(|it| it.read(None)).transpose()?,
            per_hour: self.per_hour,
        })
    }
}

async fn locked(edit: &Edit<'_>, id: &ID, version: Option<i64>) -> entities::error::Result<Model> {
    let id: AutomationId = id_input(id, "id")?;
    automation::lock(&edit.change, &edit.request.viewer, id, version).await
}

/// What is judged before anything is written: as a row that is not there yet.
fn draft(edit: &Edit<'_>, new: &NewAutomation) -> Model {
    let (change, viewer) = (&edit.change, &edit.request.viewer);
    Model {
        id: change.new_id(),
        version: 0,
        created_at: change.now(),
        updated_at: change.now(),
        name: new.name.clone(),
        kind: new.kind.clone(),
        partners: entities::webhook_endpoint::Partners::default(),
        selection: new.selection.clone(),
        conditions: new.conditions.clone(),
        action: new.action.clone(),
        owner: entities::webhook_endpoint::Owner::of(viewer),
        per_hour: new.per_hour,
        status: automation::AutomationStatus::Enabled,
        disabled_reason: None,
        enabled_at: change.now(),
    }
}

/// Ends an edit that was refused by [`judge`].
async fn refused(edit: Edit<'_>, wrong: Vec<UserError>) -> Result<Outcome<Model>> {
    edit.change.rollback().await?;
    Ok(Err(wrong))
}

/// Changes of automations.
#[derive(Default)]
pub struct AutomationMutation;

#[Object]
impl AutomationMutation {
    /// Makes an automation, which acts on what happens from now on. For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn create_automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The automation.")] input: CreateAutomationInput,
    ) -> Result<CreateAutomationPayload> {
        let opened = Edit::create(
            ctx,
            Scope::WebhooksManage,
            "createAutomation",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                let request = staff(ctx, Scope::WebhooksManage)?;
                let read = request.database.read();
                let found = visible::find_one::<Entity, _>(read, &request.viewer, id).await?;
                return Ok(CreateAutomationPayload::found(found.map(one)));
            }
            Opened::Refused(errors) => return Ok(CreateAutomationPayload::refused(errors)),
        };
        let new = match outcome(input.read())? {
            Ok(new) => new,
            Err(errors) => {
                let done = refused(edit, errors).await?;
                return Ok(CreateAutomationPayload::from_outcome(done, one));
            }
        };
        let mut row = draft(&edit, &new);
        let wrong = judge(ctx, &mut row).await?;
        if !wrong.is_empty() {
            let done = refused(edit, wrong).await?;
            return Ok(CreateAutomationPayload::from_outcome(done, one));
        }
        let new = NewAutomation {
            conditions: row.conditions,
            ..new
        };
        let made = automation::create(&mut edit.change, &edit.request.viewer, new).await;
        let done = edit.finish(made, |row| Some(row.id.0)).await?;
        Ok(CreateAutomationPayload::from_outcome(done, one))
    }

    /// Changes an automation, which from then on reads in your name. For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn update_automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateAutomationInput,
    ) -> Result<UpdateAutomationPayload> {
        let mut edit = Edit::begin(ctx, Scope::WebhooksManage, input.validate_only).await?;
        let viewer = &edit.request.viewer;
        let patched = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            let new = automation::patched(&row, viewer, input.read()?);
            Ok((row, new))
        }
        .await;
        let (row, mut new) = match outcome(patched)? {
            Ok(both) => both,
            Err(errors) => {
                let done = refused(edit, errors).await?;
                return Ok(UpdateAutomationPayload::from_outcome(done, one));
            }
        };
        // Whoever changes it becomes its owner, so that all of it must be the new owner's to read.
        let wrong = judge(ctx, &mut new).await?;
        if !wrong.is_empty() {
            let done = refused(edit, wrong).await?;
            return Ok(UpdateAutomationPayload::from_outcome(done, one));
        }
        let changed = automation::update(&mut edit.change, viewer, row, new).await;
        let done = edit.finish(changed, |_| None).await?;
        Ok(UpdateAutomationPayload::from_outcome(done, one))
    }

    /// Lets an automation act again, on what happens from now on. For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn enable_automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which automation.")] input: EnableAutomationInput,
    ) -> Result<EnableAutomationPayload> {
        let mut edit = Edit::begin(ctx, Scope::WebhooksManage, None).await?;
        let enabled = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            automation::enable(&mut edit.change, row).await
        }
        .await;
        let done = edit.finish(enabled, |_| None).await?;
        Ok(EnableAutomationPayload::from_outcome(done, one))
    }

    /// Lets an automation rest: it misses what happens, and does not do what it has not done yet. For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn disable_automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which automation.")] input: DisableAutomationInput,
    ) -> Result<DisableAutomationPayload> {
        let mut edit = Edit::begin(ctx, Scope::WebhooksManage, None).await?;
        let disabled = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            automation::disable(&mut edit.change, row, None).await
        }
        .await;
        let done = edit.finish(disabled, |_| None).await?;
        Ok(DisableAutomationPayload::from_outcome(done, one))
    }

    /// Removes an automation and the log of what it did. For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn delete_automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which automation.")] input: DeleteAutomationInput,
    ) -> Result<DeleteAutomationPayload> {
        let mut edit = Edit::begin(ctx, Scope::WebhooksManage, None).await?;
        let deleted = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            let id = row.id;
            automation::delete(&mut edit.change, row).await?;
            Ok(id)
        }
        .await;
        Ok(match edit.finish(deleted, |_| None).await? {
            Ok(id) => DeleteAutomationPayload {
                deleted_id: Some(id.to_string().into()),
                user_errors: Vec::new(),
            },
            Err(user_errors) => DeleteAutomationPayload {
                deleted_id: None,
                user_errors,
            },
        })
    }

    /// Tells what an automation would say of an event of the log, word for word. Nothing is sent and nothing is noted. For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn test_automation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which automation, and which event.")] input: TestAutomationInput,
    ) -> Result<TestAutomationPayload> {
        let request = staff(ctx, Scope::WebhooksManage)?;
        let (viewer, read) = (&request.viewer, request.database.read());
        let found = async {
            let id: AutomationId = id_input(&input.id, "id")?;
            let event: EventId = id_input(&input.event_id, "eventId")?;
            let row = visible::find_one::<Entity, _>(read, viewer, id.0).await?;
            let row = row.ok_or_else(|| Error::not_found("id"))?;
            if !row.tells_nothing_new_to(viewer) {
                let message = "Its owner may read more than you: change it first.";
                return Err(Error::invalid(ViolationCode::Locked, "id", message));
            }
            let seen = entities::event::find_seen(read, viewer, event).await?;
            let event = seen.ok_or_else(|| Error::not_found("eventId"))?;
            if event.kind != row.kind {
                let message = "The automation does not hear events of this type.";
                return Err(Error::invalid(ViolationCode::Invalid, "eventId", message));
            }
            Ok((row, event))
        }
        .await;
        let (row, event) = match outcome(found)? {
            Ok(both) => both,
            Err(user_errors) => {
                return Ok(TestAutomationPayload {
                    test: None,
                    user_errors,
                });
            }
        };
        let owner = row.viewer(read).await?;
        let runner = &state(ctx)?.core.runner;
        let composed = runner.compose(&row, &owner, event.id).await?;
        let acts = composed.is_ok();
        let (title, text, reason) = match composed {
            Ok(Message::Chat { title, text, .. }) => (Some(title), Some(text), None),
            Ok(Message::Mail { subject, text, .. }) => (Some(subject), Some(text), None),
            Ok(Message::Webhook { .. }) => (None, None, None),
            Err(
                why @ (NotRun::Skipped(_)
                | NotRun::OwnerIsOut
                | NotRun::NotNow(_)
                | NotRun::Never(_)),
            ) => (None, None, Some(why.to_string())),
        };
        Ok(TestAutomationPayload {
            test: Some(AutomationTest {
                acts,
                reason,
                title,
                text,
            }),
            user_errors: Vec::new(),
        })
    }

    /// Lets a run that failed be tried again with all its attempts. A message that may be there is posted without looking: look in the channel first.
    /// For staff.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn retry_automation_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run.")] input: RetryAutomationRunInput,
    ) -> Result<RetryAutomationRunPayload> {
        let edit = Edit::begin(ctx, Scope::WebhooksManage, None).await?;
        let request = edit.request;
        let retried = async {
            let id: AutomationRunId = id_input(&input.id, "id")?;
            let (change, viewer) = (&edit.change, &request.viewer);
            let known = visible::lock_all::<automation_run::Entity>(change, viewer, [id.0]).await?;
            if known.is_empty() {
                return Err(Error::not_found("id"));
            }
            if !automation_run::retry(change, id).await? {
                let message = "Only a run that failed is tried again.";
                return Err(Error::invalid(
                    ViolationCode::TransitionNotAllowed,
                    "id",
                    message,
                ));
            }
            let read = change.transaction();
            let row = visible::find_one::<automation_run::Entity, _>(read, viewer, id.0).await?;
            row.ok_or_else(|| Error::not_found("id"))
        }
        .await;
        let done = edit.finish(retried, |_| None).await?;
        request.database.wake().wake();
        Ok(RetryAutomationRunPayload::from_outcome(done, |row| {
            AutomationRun(Member::single(row))
        }))
    }
}
