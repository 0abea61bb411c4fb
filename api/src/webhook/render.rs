//! Executing a selection, and the bytes it becomes.
//!
//! Owns: the payload's form, `{"type", "timestamp", "data"}` as Standard Webhooks suggest, with `errors` where a part may not be read. Refuses: to say
//! anything of a fault: it is tried again. Invariant: the viewer is handed in: the endpoint's owner as it is today.

use super::selection::{BadSelection, Selection};
use super::shape::{Shape, Types};
use crate::graphql::admission::Limits;
use crate::graphql::context::RequestContext;
use crate::graphql::error::ErrorCode;
use crate::graphql::schema::ApiSchema;
use crate::http::graphql::arrange::shapes::{Shapes, UnreadableSchema};
use crate::http::graphql::arrange::{Flags, arrange};
use async_graphql::{Request, Response, ServerError, Value};
use async_trait::async_trait;
use entities::clock::Timestamp;
use entities::database::Database;
use entities::event;
use entities::id::{EventId, TypedId};
use entities::viewer::Viewer;
use entities::webhook_endpoint::Model as Endpoint;
use integrations::automation::Evaluate;
use integrations::outbound::{NotRendered, Render};
use quick_cache::sync::Cache;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The most bytes of a payload.
const LARGEST: usize = 1 << 20;
/// How long one payload may take.
const WITHIN: Duration = Duration::from_secs(15);
/// Selections that are remembered as documents.
const REMEMBERED: usize = 1_000;

/// Renders payloads.
pub struct Renderer {
    schema: ApiSchema,
    shapes: Shapes,
    types: Types,
    database: Database,
    limits: Limits,
    selections: Cache<Box<str>, Arc<Selection>>,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: &'a Value,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

impl Renderer {
    /// A renderer over a schema.
    ///
    /// # Errors
    /// When the schema's own document cannot be read.
    pub fn new(
        schema: ApiSchema,
        database: Database,
        limits: Limits,
    ) -> Result<Self, UnreadableSchema> {
        let sdl = schema.sdl();
        Ok(Self {
            shapes: Shapes::of(&sdl)?,
            types: Types::of(&sdl)?,
            schema,
            database,
            limits,
            selections: Cache::new(REMEMBERED),
        })
    }

    /// Holds a selection against the schema, for whoever wants to be told by it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, viewer: &Viewer, text: &str) -> Result<(), BadSelection> {
        let selection = Selection::read(text, &self.limits)?;
        // There is no such event, so that everything is checked and nothing is read.
        let nothing = EventId::from_uuid(Uuid::nil());
        let response = self.execute(viewer, &selection, nothing).await;
        let error = response.errors.into_iter().next();
        error.map_or(Ok(()), |error| Err(BadSelection(error.message)))
    }

    /// What a selection can answer of an event of a type.
    ///
    /// # Errors
    /// When it is none.
    pub fn shape(&self, text: &str, kind: &str) -> Result<Shape, BadSelection> {
        let selection = self.selection(text)?;
        Ok(self.types.shape(&selection, kind))
    }

    async fn execute(&self, viewer: &Viewer, selection: &Selection, event: EventId) -> Response {
        let context = RequestContext {
            viewer: Arc::new(viewer.clone()),
            database: self.database.clone(),
            request_id: String::new(),
        };
        let document = &selection.document().document;
        let variables = Selection::variables(event);
        let flags = Flags::of(&variables);
        let mut request = Request::new(String::new())
            .variables(variables)
            .data(context);
        request.set_parsed_query(document.clone());
        let mut response = self.schema.execute(request).await;
        arrange(&self.shapes, document, &flags, &mut response);
        response
    }

    fn selection(&self, text: &str) -> Result<Arc<Selection>, BadSelection> {
        if let Some(known) = self.selections.get(text) {
            return Ok(known);
        }
        let selection = Arc::new(Selection::read(text, &self.limits)?);
        self.selections.insert(text.into(), Arc::clone(&selection));
        Ok(selection)
    }
}

/// Whether an error is a fault of ours and says nothing to a subscriber.
fn is_fault(error: &ServerError) -> bool {
    let code = error
        .extensions
        .as_ref()
        .and_then(|extensions| match extensions.get("code") {
            Some(Value::String(code)) => ErrorCode::from_name(code),
            _ => None,
        });
    code.is_none_or(ErrorCode::retryable)
}

impl Renderer {
    /// What a selection on an event answers a viewer, with the errors of what may not be read.
    async fn answer(
        &self,
        viewer: &Viewer,
        selection: &str,
        event: EventId,
        whose: &str,
    ) -> Result<(Value, Vec<ServerError>), NotRendered> {
        let never = |error: BadSelection| {
            NotRendered::Never(format!("the selection is not one any more: {error}"))
        };
        let selection = self.selection(selection).map_err(never)?;
        let executing = self.execute(viewer, &selection, event);
        let response = match tokio::time::timeout(WITHIN, executing).await {
            Ok(response) => response,
            Err(_) => return Err(NotRendered::NotNow),
        };
        if response.data == Value::Null && response.errors.iter().all(|error| error.path.is_empty())
        {
            // Nothing ran: an update has taken a field away.
            let said = response.errors.first();
            let said = said.map_or_else(String::new, |error| error.message.clone());
            return Err(never(BadSelection(said)));
        }
        if let Some(fault) = response.errors.iter().find(|error| is_fault(error)) {
            tracing::error!(
                whose,
                message = fault.message,
                "an event could not be rendered"
            );
            return Err(NotRendered::NotNow);
        }
        let data = match response.data {
            Value::Object(mut members) => members.swap_remove("event").unwrap_or_default(),
            _ => Value::Null,
        };
        Ok((data, response.errors))
    }
}

impl Renderer {
    /// The bytes that tell a viewer of an event.
    ///
    /// # Errors
    /// [`NotRendered`].
    pub async fn payload(
        &self,
        viewer: &Viewer,
        selection: &str,
        event: &event::Model,
    ) -> Result<Vec<u8>, NotRendered> {
        self.bytes(viewer, selection, event, "sample").await
    }

    async fn bytes(
        &self,
        viewer: &Viewer,
        selection: &str,
        event: &event::Model,
        whose: &str,
    ) -> Result<Vec<u8>, NotRendered> {
        let (data, errors) = self.answer(viewer, selection, event.id, whose).await?;
        let payload = Payload {
            r#type: &event.kind,
            timestamp: event.occurred_at,
            data: &data,
            errors: &errors,
        };
        let bytes = serde_json::to_vec(&payload)
            .map_err(|error| NotRendered::Never(format!("the payload has no form: {error}")))?;
        if bytes.len() > LARGEST {
            let message = format!("the payload has more than {LARGEST} bytes");
            return Err(NotRendered::Never(message));
        }
        Ok(bytes)
    }
}

#[async_trait]
impl Evaluate for Renderer {
    async fn evaluate(
        &self,
        owner: &Viewer,
        selection: &str,
        event: EventId,
    ) -> Result<serde_json::Value, NotRendered> {
        let (data, _) = self.answer(owner, selection, event, "automation").await?;
        data.into_json()
            .map_err(|error| NotRendered::Never(format!("the answer has no form: {error}")))
    }
}

#[async_trait]
impl Render for Renderer {
    async fn render(
        &self,
        endpoint: &Endpoint,
        owner: &Viewer,
        event: &event::Model,
    ) -> Result<Vec<u8>, NotRendered> {
        let whose = endpoint.id.to_string();
        self.bytes(owner, &endpoint.selection, event, &whose).await
    }
}
