//! REST hooks, for Zapier, Make and whoever else subscribes by plain HTTP: subscribe, unsubscribe, and samples of what will come.
//!
//! Owns: the form of these requests. A subscription is a webhook endpoint like any other, made under the same checks, owned by the token's holder,
//! listed and changed through GraphQL; what arrives is what the endpoint's selection answers its owner. Refuses: a token without `webhooks:manage` and
//! `events:read`. Invariant: a partner's token subscribes for its own organisation and removes its own subscriptions only; another's looks like none.

use super::Shared;
use super::bearer::authenticated;
use super::problem::{problem, unauthenticated};
use crate::graphql::error::ErrorCode;
use crate::state::State;
use crate::webhook::DEFAULT;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use entities::change::{Author, Change};
use entities::error::Error;
use entities::event::{self, EventKind};
use entities::id::WebhookEndpointId;
use entities::viewer::{Scope, Viewer};
use entities::webhook_endpoint::{self, NewEndpoint};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Bytes of a subscription.
const LONGEST_BODY: usize = 16 * 1024;
/// How long one may take to arrive.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(10);
/// Events of a sample.
const SAMPLES: u64 = 3;

/// A subscription to be made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Subscribe {
    target_url: String,
    event: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    selection: Option<String>,
}

/// What a sample is shaped by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shaped {
    #[serde(default)]
    selection: Option<String>,
}

/// The addresses.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/rest-hooks", web::post().to(subscribe))
        .route("/rest-hooks/events", web::get().to(kinds))
        .route("/rest-hooks/samples/{event}", web::get().to(samples))
        .route("/rest-hooks/{id}", web::delete().to(unsubscribe));
}

/// Why a request is turned away.
enum Refusal {
    Unauthenticated,
    Problem(ErrorCode, &'static str),
}

impl Refusal {
    fn answer(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Unauthenticated => unauthenticated(request),
            Self::Problem(code, message) => problem(request, code, message),
        }
    }
}

/// Whoever may subscribe; otherwise the refusal.
fn allowed(request: &HttpRequest, state: &State) -> Result<Viewer, Refusal> {
    let Some(claims) = authenticated(request, state.tokens.as_ref()) else {
        return Err(Refusal::Unauthenticated);
    };
    let viewer = claims.viewer.clone();
    if viewer.may(Scope::WebhooksManage) && viewer.may(Scope::EventsRead) {
        Ok(viewer)
    } else {
        let message = "This needs the scopes webhooks:manage and events:read.";
        Err(Refusal::Problem(ErrorCode::Forbidden, message))
    }
}

/// What became of a change that was refused or failed.
fn refused(request: &HttpRequest, error: Error) -> HttpResponse {
    match error {
        Error::Invalid(violations) => {
            let each = violations.into_iter().map(|one| {
                // The words of the API where this address has others.
                let field = match one.field.as_str() {
                    "url" => "targetUrl",
                    "types" => "event",
                    other => other,
                };
                if field.is_empty() {
                    one.message
                } else {
                    format!("{field}: {}", one.message)
                }
            });
            let detail = each.collect::<Vec<_>>().join(" ");
            problem(request, ErrorCode::BadUserInput, &detail)
        }
        fault => {
            tracing::error!(error = %fault, "a subscription failed");
            let message = "This cannot be done just now.";
            problem(request, ErrorCode::Unavailable, message)
        }
    }
}

async fn body(request: &HttpRequest, mut payload: web::Payload) -> Result<Subscribe, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let message = "A subscription is application/json.";
        let code = ErrorCode::UnsupportedMediaType;
        return Err(Refusal::Problem(code, message));
    }
    let read = async {
        let mut body = web::BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| ErrorCode::BadRequest)?;
            if body.len() + piece.len() > LONGEST_BODY {
                return Err(ErrorCode::BodyTooLarge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    let refuse = |code| Err(Refusal::Problem(code, "The body cannot be read."));
    match tokio::time::timeout(LONGEST_ARRIVAL, read).await {
        Ok(Ok(body)) => serde_json::from_slice(&body).map_err(|_| {
            let message = "Wanted is {\"targetUrl\": …, \"event\": …}, with a name and a selection if you like.";
            Refusal::Problem(ErrorCode::BadRequest, message)
        }),
        Ok(Err(code)) => refuse(code),
        Err(_) => refuse(ErrorCode::BodyTimeout),
    }
}

/// Makes a subscription.
pub async fn subscribe(request: HttpRequest, payload: web::Payload, state: Shared) -> HttpResponse {
    let viewer = match allowed(&request, &state) {
        Ok(viewer) => viewer,
        Err(refusal) => return refusal.answer(&request),
    };
    let wish = match body(&request, payload).await {
        Ok(wish) => wish,
        Err(refusal) => return refusal.answer(&request),
    };
    let core = &state.core;
    if let Err(error) = core.outbound.check_address(&wish.target_url) {
        let message = format!("targetUrl: The address is refused: {error}.");
        return problem(&request, ErrorCode::BadUserInput, &message);
    }
    let selection = wish.selection.unwrap_or_else(|| DEFAULT.to_owned());
    if let Err(error) = core.renderer.check(&viewer, &selection).await {
        let message = format!("selection: {error}");
        return problem(&request, ErrorCode::BadUserInput, &message);
    }
    let made = async {
        let mut change = Change::begin(&core.database, Author::of(&viewer)).await?;
        let id: WebhookEndpointId = change.new_id();
        let (_, secret) = core
            .outbound
            .new_secret(id)
            .map_err(|error| Error::Damaged(error.to_string()))?;
        let new = NewEndpoint {
            id,
            name: wish
                .name
                .unwrap_or_else(|| format!("Hook for {}", wish.event)),
            url: wish.target_url,
            kinds: vec![wish.event],
            partners: Vec::new(),
            with_history: false,
            only_called: false,
            selection,
            secret,
        };
        let row = webhook_endpoint::create(&mut change, &viewer, new).await?;
        change.commit().await?;
        Ok(row)
    };
    match made.await {
        Ok(row) => HttpResponse::Created()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(json!({ "id": row.id, "event": row.kinds.0.first(), "targetUrl": row.url })),
        Err(error) => refused(&request, error),
    }
}

/// Ends a subscription.
pub async fn unsubscribe(
    request: HttpRequest,
    path: web::Path<String>,
    state: Shared,
) -> HttpResponse {
    let viewer = match allowed(&request, &state) {
        Ok(viewer) => viewer,
        Err(refusal) => return refusal.answer(&request),
    };
    let none = || {
        problem(
            &request,
            ErrorCode::NotFound,
            "There is no such subscription.",
        )
    };
    let Ok(id) = path.parse::<WebhookEndpointId>() else {
        return none();
    };
    let done = async {
        let mut change = Change::begin(&state.core.database, Author::of(&viewer)).await?;
        let found =
            entities::visible::lock_all::<webhook_endpoint::Entity>(&change, &viewer, [id.0])
                .await?;
        // Staff removes a partner's through GraphQL; here everybody has their own.
        let own = found
            .into_iter()
            .find(|row| row.partner_id == viewer.partner());
        let Some(row) = own else { return Ok(false) };
        webhook_endpoint::delete(&mut change, row).await?;
        change.commit().await?;
        Ok(true)
    };
    match done.await {
        Ok(true) => HttpResponse::NoContent().finish(),
        Ok(false) => none(),
        Err(error) => refused(&request, error),
    }
}

/// The event types there are, for a list to choose from.
pub async fn kinds(request: HttpRequest, state: Shared) -> HttpResponse {
    let viewer = match allowed(&request, &state) {
        Ok(viewer) => viewer,
        Err(refusal) => return refusal.answer(&request),
    };
    let kinds = EventKind::ALL
        .iter()
        .filter(|kind| !kind.is_audit() || viewer.sees_audit());
    let shown: Vec<Json> = kinds
        .map(|kind| json!({ "id": kind.as_str(), "name": kind.as_str() }))
        .collect();
    HttpResponse::Ok().json(shown)
}

/// What the latest events of a type would have been told as, the newest first.
pub async fn samples(request: HttpRequest, path: web::Path<String>, state: Shared) -> HttpResponse {
    let viewer = match allowed(&request, &state) {
        Ok(viewer) => viewer,
        Err(refusal) => return refusal.answer(&request),
    };
    let kind = EventKind::ALL.iter().find(|kind| kind.as_str() == *path);
    let Some(kind) = kind else {
        let message = "There is no such event type.";
        return problem(&request, ErrorCode::NotFound, message);
    };
    let Ok(shaped) = web::Query::<Shaped>::from_query(request.query_string()) else {
        let message = "A sample takes a selection and nothing else.";
        return problem(&request, ErrorCode::BadRequest, message);
    };
    let selection = shaped.into_inner().selection;
    let selection = selection.unwrap_or_else(|| DEFAULT.to_owned());
    let core = &state.core;
    if let Err(error) = core.renderer.check(&viewer, &selection).await {
        let message = format!("selection: {error}");
        return problem(&request, ErrorCode::BadUserInput, &message);
    }
    let latest = event::list_latest(&core.database, &viewer, *kind, SAMPLES).await;
    let rows = match latest {
        Ok(rows) => rows,
        Err(error) => return refused(&request, error),
    };
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        match core.renderer.payload(&viewer, &selection, &row).await {
            Ok(bytes) => shown.push(bytes),
            Err(error) => {
                tracing::warn!(%error, "a sample could not be rendered");
                let message = "A sample cannot be made just now.";
                return problem(&request, ErrorCode::Unavailable, message);
            }
        }
    }
    let mut list = b"[".to_vec();
    list.extend(shown.join(&b","[..]));
    list.push(b']');
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(list)
}
