//! Changes of webhook endpoints: what they take and what they answer.
//!
//! Addresses and selections are judged before anything is written. A secret is answered once, by the mutation that made it.

use super::WebhookEndpoint;
use crate::graphql::context::{self, RequestContext, request, requires_scope, state};
use crate::graphql::edit::{Edit, Opened, UserError, id_input, payload};
use crate::graphql::siblings::Member;
use crate::webhook::DEFAULT;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use entities::error::{Error, Violation, ViolationCode};
use entities::id::{PartnerId, WebhookEndpointId};
use entities::viewer::Scope;
use entities::visible;
use entities::webhook_endpoint::{self, EndpointPatch, Entity, Model, NewEndpoint};
use secrecy::{ExposeSecret as _, SecretString};

/// How long the secret before still signs when nothing is said, in hours.
const OVERLAP_HOURS: i32 = 24;

/// A new webhook endpoint.
#[derive(Debug, InputObject)]
pub struct CreateWebhookEndpointInput {
    /// What it is called.
    pub name: String,
    /// Where messages are posted: https, and a public address.
    pub url: String,
    /// The event types it hears; all when there are none.
    #[graphql(default)]
    pub types: Vec<String>,
    /// The partners whose events it hears; everybody's when there are none.
    #[graphql(default)]
    pub partner_ids: Vec<ID>,
    /// Whether it also hears of history: of records that are read for the first time.
    #[graphql(default)]
    pub include_history: bool,
    /// Whether it hears nothing by itself: automations tell it.
    #[graphql(default)]
    pub only_called: bool,
    /// What it is told of an event: a selection on the type Event, such as `{ id type subject { ... on Deal { name } } }`.
    pub selection: Option<String>,
    /// Makes a repeated request harmless for 24 hours. The secret is answered the first time only.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Changes to a webhook endpoint: an absent field keeps its value. Whoever changes it becomes its owner, whose token decides what it may be told.
#[derive(Debug, InputObject)]
pub struct UpdateWebhookEndpointInput {
    /// Which endpoint.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
    /// Where messages are posted: https, and a public address.
    pub url: Option<String>,
    /// The event types it hears; all when there are none.
    pub types: Option<Vec<String>>,
    /// The partners whose events it hears; everybody's when there are none.
    pub partner_ids: Option<Vec<ID>>,
    /// Whether it also hears of history.
    pub include_history: Option<bool>,
    /// Whether it hears nothing by itself: automations tell it.
    pub only_called: Option<bool>,
    /// What it is told of an event: a selection on the type Event.
    pub selection: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Another secret for a webhook endpoint.
#[derive(Debug, InputObject)]
pub struct RotateWebhookSecretInput {
    /// Which endpoint.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// For so many hours messages are signed with both secrets; 24 when nothing is said, 168 at most. 0 when the old one is in wrong hands.
    pub overlap_hours: Option<i32>,
}

/// Which endpoint is to be paused.
#[derive(Debug, InputObject)]
pub struct PauseWebhookEndpointInput {
    /// Which endpoint.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
}

/// Which endpoint is to hear again.
#[derive(Debug, InputObject)]
pub struct ResumeWebhookEndpointInput {
    /// Which endpoint.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
}

/// The answer of a mutation that makes a secret.
#[derive(SimpleObject)]
pub struct WebhookSecretPayload {
    /// The endpoint as it now is; null when the input was refused.
    pub webhook_endpoint: Option<WebhookEndpoint>,
    /// The secret that signs, `whsec_…`. It is answered here and never again.
    pub secret: Option<String>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

impl WebhookSecretPayload {
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            webhook_endpoint: None,
            secret: None,
            user_errors,
        }
    }

    fn made(row: Model, secret: Option<&SecretString>) -> Self {
        Self {
            webhook_endpoint: Some(WebhookEndpoint(Member::single(row))),
            secret: secret.map(|secret| secret.expose_secret().to_owned()),
            user_errors: Vec::new(),
        }
    }
}

/// Which endpoint is to be removed.
#[derive(Debug, InputObject)]
pub struct DeleteWebhookEndpointInput {
    /// Which endpoint.
    pub id: ID,
    /// The version you saw; another one refuses the removal.
    pub expected_version: Option<i64>,
}

/// The answer of deleteWebhookEndpoint.
#[derive(SimpleObject)]
pub struct DeleteWebhookEndpointPayload {
    /// The id of what was removed. Null when the input was refused.
    pub deleted_id: Option<ID>,
    /// Why the input was refused; empty on success.
    pub user_errors: Vec<UserError>,
}

payload!(
    UpdateWebhookEndpointPayload {
        webhook_endpoint: WebhookEndpoint
    },
    "updateWebhookEndpoint",
    Scope::WebhooksManage
);
payload!(
    PauseWebhookEndpointPayload {
        webhook_endpoint: WebhookEndpoint
    },
    "pauseWebhookEndpoint",
    Scope::WebhooksManage
);
payload!(
    ResumeWebhookEndpointPayload {
        webhook_endpoint: WebhookEndpoint
    },
    "resumeWebhookEndpoint",
    Scope::WebhooksManage
);

/// The request, of a token that may manage webhooks.
fn allowed<'a>(ctx: &Context<'a>) -> Result<&'a RequestContext> {
    let request = request(ctx)?;
    context::require(request, Scope::WebhooksManage)?;
    Ok(request)
}

/// What is wrong with an address or a selection.
async fn judge(
    ctx: &Context<'_>,
    url: Option<&str>,
    selection: Option<&str>,
) -> Result<Vec<UserError>> {
    let (request, core) = (request(ctx)?, &state(ctx)?.core);
    let mut wrong = Vec::new();
    let mut refuse = |field: &str, message: String| {
        let violation = Violation::new(ViolationCode::Invalid, field, message);
        wrong.push(UserError::from(violation));
    };
    if let Some(url) = url
        && let Err(error) = core.outbound.check_address(url)
    {
        refuse("url", format!("The address is refused: {error}."));
    }
    if let Some(selection) = selection
        && let Err(error) = core.renderer.check(&request.viewer, selection).await
    {
        refuse("selection", error.to_string());
    }
    Ok(wrong)
}

fn partners(ids: &[ID]) -> entities::error::Result<Vec<PartnerId>> {
    ids.iter().map(|id| id_input(id, "partnerIds")).collect()
}

async fn found(request: &RequestContext, id: &ID) -> Result<Option<Model>> {
    let Ok(id) = id.parse::<WebhookEndpointId>() else {
        return Ok(None);
    };
    let connection = request.database.read();
    Ok(visible::find_one::<Entity, _>(connection, &request.viewer, id.0).await?)
}

async fn locked(edit: &Edit<'_>, id: &ID, version: Option<i64>) -> entities::error::Result<Model> {
    let id = id_input(id, "id")?;
    webhook_endpoint::lock(&edit.change, &edit.request.viewer, id, version).await
}

/// Changes of webhook endpoints.
#[derive(Default)]
pub struct WebhookEndpointMutation;

#[Object]
impl WebhookEndpointMutation {
    /// Makes a webhook endpoint, which hears of what happens from now on. The answer holds its secret, once.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn create_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: CreateWebhookEndpointInput,
    ) -> Result<WebhookSecretPayload> {
        let request = allowed(ctx)?;
        let selection = input
            .selection
            .clone()
            .unwrap_or_else(|| DEFAULT.to_owned());
        let wrong = judge(ctx, Some(&input.url), Some(&selection)).await?;
        if !wrong.is_empty() {
            return Ok(WebhookSecretPayload::refused(wrong));
        }
        let edit =
            Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, input.validate_only)
                .await?;
        let key = input.idempotency_key.as_ref();
        let mut edit = match edit.under_key("createWebhookEndpoint", &input, key).await? {
            Opened::Fresh(edit) => edit,
            Opened::Repeated(id) => {
                let id = ID(WebhookEndpointId(id).to_string());
                return Ok(match found(request, &id).await? {
                    Some(row) => WebhookSecretPayload::made(row, None),
                    None => WebhookSecretPayload::refused(Vec::new()),
                });
            }
            Opened::Refused(errors) => return Ok(WebhookSecretPayload::refused(errors)),
        };
        let id: WebhookEndpointId = edit.change.new_id();
        let (secret, sealed) = state(ctx)?.core.outbound.new_secret(id)?;
        let made = match partners(&input.partner_ids) {
            Err(error) => Err(error),
            Ok(partners) => {
                let new = NewEndpoint {
                    id,
                    name: input.name,
                    url: input.url,
                    kinds: input.types,
                    partners,
                    with_history: input.include_history,
                    only_called: input.only_called,
                    selection,
                    secret: sealed,
                };
                webhook_endpoint::create(&mut edit.change, &request.viewer, new).await
            }
        };
        let kept = !edit.only_validates();
        Ok(match edit.finish(made, |row| Some(row.id.0)).await? {
            Ok(row) => WebhookSecretPayload::made(row, kept.then_some(&secret)),
            Err(errors) => WebhookSecretPayload::refused(errors),
        })
    }

    /// Changes a webhook endpoint. A partner's endpoint is changed by the partner alone.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn update_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateWebhookEndpointInput,
    ) -> Result<UpdateWebhookEndpointPayload> {
        let request = allowed(ctx)?;
        // Whoever changes an endpoint becomes its owner, so that what it is told must be the new owner's to read as well.
        let selection = match &input.selection {
            Some(selection) => Some(selection.clone()),
            None => found(request, &input.id).await?.map(|row| row.selection),
        };
        let wrong = judge(ctx, input.url.as_deref(), selection.as_deref()).await?;
        if !wrong.is_empty() {
            return Ok(UpdateWebhookEndpointPayload::refused(wrong));
        }
        let mut edit =
            Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, input.validate_only)
                .await?;
        let changed = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            let patch = EndpointPatch {
                name: input.name,
                url: input.url,
                kinds: input.types,
                partners: input.partner_ids.as_deref().map(partners).transpose()?,
                with_history: input.include_history,
                only_called: input.only_called,
                selection: input.selection,
            };
            webhook_endpoint::update(&mut edit.change, &request.viewer, row, patch).await
        }
        .await;
        Ok(UpdateWebhookEndpointPayload::from_outcome(
            edit.finish(changed, |_| None).await?,
            |row| WebhookEndpoint(Member::single(row)),
        ))
    }

    /// Gives a webhook endpoint another secret, and answers it once. For a while messages are signed with both.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint, and for how long both are good.")]
        input: RotateWebhookSecretInput,
    ) -> Result<WebhookSecretPayload> {
        let mut edit =
            Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, None).await?;
        let hours = input.overlap_hours.unwrap_or(OVERLAP_HOURS);
        let outbound = &state(ctx)?.core.outbound;
        let mut made = None;
        let rotated = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            if row.partner_id != edit.request.viewer.partner() {
                let message = "This endpoint is a partner's: only the partner has its secret.";
                return Err(Error::invalid(ViolationCode::Locked, "id", message));
            }
            let (secret, sealed) = outbound
                .new_secret(row.id)
                .map_err(|error| Error::Damaged(error.to_string()))?;
            made = Some(secret);
            let overlap = i64::from(hours).saturating_mul(3_600_000);
            webhook_endpoint::rotate_secret(&mut edit.change, row, sealed, overlap).await
        }
        .await;
        Ok(match edit.finish(rotated, |_| None).await? {
            Ok(row) => WebhookSecretPayload::made(row, made.as_ref()),
            Err(errors) => WebhookSecretPayload::refused(errors),
        })
    }

    /// Pauses a webhook endpoint: what happens waits until it is resumed.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn pause_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: PauseWebhookEndpointInput,
    ) -> Result<PauseWebhookEndpointPayload> {
        let mut edit =
            Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, None).await?;
        let paused = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            webhook_endpoint::pause(&mut edit.change, row).await
        }
        .await;
        Ok(PauseWebhookEndpointPayload::from_outcome(
            edit.finish(paused, |_| None).await?,
            |row| WebhookEndpoint(Member::single(row)),
        ))
    }

    /// Removes a webhook endpoint with its secret and the log of its deliveries. What was on its way to it is not sent any more; an attempt in the air may
    /// still arrive.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn delete_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: DeleteWebhookEndpointInput,
    ) -> Result<DeleteWebhookEndpointPayload> {
        let mut edit =
            Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, None).await?;
        let deleted = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            let id = row.id;
            webhook_endpoint::delete(&mut edit.change, row).await?;
            Ok(id)
        }
        .await;
        Ok(match edit.finish(deleted, |_| None).await? {
            Ok(id) => DeleteWebhookEndpointPayload {
                deleted_id: Some(id.to_string().into()),
                user_errors: Vec::new(),
            },
            Err(user_errors) => DeleteWebhookEndpointPayload {
                deleted_id: None,
                user_errors,
            },
        })
    }

    /// Lets a webhook endpoint hear again, paused or disabled. What happened while it was disabled is heard by `replayWebhook`.
    #[graphql(directive = requires_scope::apply("webhooks:manage".to_owned()))]
    async fn resume_webhook_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which endpoint.")] input: ResumeWebhookEndpointInput,
    ) -> Result<ResumeWebhookEndpointPayload> {
        let mut edit =
            Edit::begin_managing_own_organisation(ctx, Scope::WebhooksManage, None).await?;
        let resumed = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            webhook_endpoint::resume(&mut edit.change, row).await
        }
        .await;
        Ok(ResumeWebhookEndpointPayload::from_outcome(
            edit.finish(resumed, |_| None).await?,
            |row| WebhookEndpoint(Member::single(row)),
        ))
    }
}
