//! What vendors send: `POST /hooks/{connector}`, and `POST /hooks/{connector}/{hook}` for a vendor that signs nothing, where each connection has
//! a door of its own whose address nobody can guess.
//!
//! The order is the rule: the body within its bound, then the vendor's signature over the exact bytes and the public address (never the
//! Host header), then the inbox, then the answer. Accepted means committed. What is not verified leaves no trace but a count; the sender is
//! not told why. A full inbox answers 429 and a fault 503, so that the vendor sends again.

use super::problem::problem;
use super::{Shared, Unknown, unknown};
use crate::graphql::error::ErrorCode;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use entities::inbound_webhook::{Headers, NewDelivery};
use futures::StreamExt;
use integrations::connector::{
    Connector, Door, InboundRequest, Verdict, WebhookResponse, Webhooks, webhook_path,
};
use integrations::sync::{IngestError, Stored};
use secrecy::SecretString;
use std::time::Duration;

/// Bytes of one delivery.
const LONGEST_BODY: usize = 1024 * 1024;

/// How long a delivery may take to arrive; vendors give up on us after about as long.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(10);

/// Seconds after which a vendor may try again when the inbox is full.
const FULL_RETRY_SECONDS: u16 = 5;

/// Deliveries, by `connector` and `outcome`.
pub const WEBHOOKS: &str = "entente_inbound_webhooks_total";

/// The path of a connection's own door.
#[must_use]
pub fn own_webhook_path(connector: &str, hook: &str) -> String {
    format!("{}/{hook}", webhook_path(connector))
}

/// At an app's door.
pub async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    path: web::Path<String>,
    state: Shared,
    known: web::Data<Unknown>,
) -> HttpResponse {
    let connector = state.core.registry.get(&path).cloned();
    let connector = connector.filter(|connector| has_door(connector.as_ref(), Door::App));
    let Some(connector) = connector else {
        return unknown(request, known).await;
    };
    let secrets = state
        .core
        .apps
        .get(connector.descriptor().id)
        .map(integrations::oauth::AppCredentials::webhook_secrets)
        .unwrap_or_default();
    take(
        request,
        payload,
        &state,
        connector.as_ref(),
        (secrets, None),
    )
    .await
}

/// At a connection's own door. One that does not exist answers like any address we do not know.
pub async fn receive_own(
    request: HttpRequest,
    payload: web::Payload,
    path: web::Path<(String, String)>,
    state: Shared,
    known: web::Data<Unknown>,
) -> HttpResponse {
    let (connector, hook) = path.into_inner();
    let connector = state.core.registry.get(&connector).cloned();
    let connector = connector.filter(|connector| has_door(connector.as_ref(), Door::Connection));
    let Some(connector) = connector else {
        return unknown(request, known).await;
    };
    let (id, hook) = (connector.descriptor().id, SecretString::from(hook));
    match state.core.engine.behind_hook(id, &hook).await {
        Ok(Some(row)) => {
            let whose = (vec![hook], Some(row.tenant_id));
            take(request, payload, &state, connector.as_ref(), whose).await
        }
        Ok(None) => unknown(request, known).await,
        Err(error) => {
            tracing::error!(connector = id, %error, "a door could not be looked up");
            problem(
                &request,
                ErrorCode::Unavailable,
                "The delivery could not be stored.",
            )
        }
    }
}

fn has_door(connector: &dyn Connector, door: Door) -> bool {
    connector.webhooks().map(Webhooks::door) == Some(door)
}

/// Verifies, stores and answers. `whose` is what verifies it, and the account whose own door it came to.
async fn take(
    request: HttpRequest,
    payload: web::Payload,
    state: &Shared,
    connector: &dyn Connector,
    (secrets, tenant_id): (Vec<SecretString>, Option<String>),
) -> HttpResponse {
    let Some(webhooks) = connector.webhooks() else {
        return HttpResponse::NotFound().finish();
    };
    let id = connector.descriptor().id;
    let count = |outcome: &'static str| {
        metrics::counter!(WEBHOOKS, "connector" => id, "outcome" => outcome).increment(1);
    };
    let body = match tokio::time::timeout(LONGEST_ARRIVAL, read(&request, payload)).await {
        Ok(Ok(body)) => body,
        Ok(Err(code)) => {
            count("unread");
            return problem(
                &request,
                code,
                "The delivery cannot be read: at most 1 MiB is accepted.",
            );
        }
        Err(_) => {
            count("unread");
            return problem(
                &request,
                ErrorCode::BodyTimeout,
                "The delivery did not arrive in time.",
            );
        }
    };
    let address = request
        .uri()
        .path_and_query()
        .map_or_else(|| request.path(), |whole| whole.as_str());
    let public_url = state.public_url.at(address);
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        // A value that is not text still counts as an occurrence of its header.
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let inbound = InboundRequest {
        method: request.method().as_str(),
        public_url: &public_url,
        headers: &headers,
        body: &body,
        tenant_id: tenant_id.as_deref(),
    };
    match webhooks.verify(&secrets, &inbound, state.core.database.now().millis()) {
        Verdict::Rejected(reason) => {
            count(reason.as_str());
            tracing::warn!(
                connector = id,
                reason = reason.as_str(),
                "a webhook was rejected"
            );
            problem(
                &request,
                ErrorCode::Unauthenticated,
                "The delivery is not signed as it must be.",
            )
        }
        Verdict::Challenge(answer) => {
            count("challenge");
            answered(answer)
        }
        Verdict::Accepted { dedupe_key } => {
            let kept = webhooks.kept_headers();
            let kept = headers
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .filter(|(name, _)| kept.contains(&name.as_str()));
            let delivery = NewDelivery {
                connector: id.to_owned(),
                dedupe_key,
                headers: Headers(kept.collect()),
                tenant_id,
                body: body.to_vec(),
            };
            match state.inbox.store(delivery).await {
                Ok(stored) => {
                    count(match stored {
                        Stored::Inserted => "stored",
                        Stored::Duplicate => "duplicate",
                    });
                    answered(webhooks.accepted())
                }
                Err(IngestError::Full) => {
                    count("full");
                    let mut answer =
                        problem(&request, ErrorCode::RateLimited, "The inbox is full.");
                    answer
                        .headers_mut()
                        .insert(RETRY_AFTER, HeaderValue::from(FULL_RETRY_SECONDS));
                    answer
                }
                Err(error) => {
                    count("failed");
                    tracing::error!(connector = id, %error, "a webhook could not be stored");
                    problem(
                        &request,
                        ErrorCode::Unavailable,
                        "The delivery could not be stored.",
                    )
                }
            }
        }
    }
}

fn answered(answer: WebhookResponse) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    if answer.body.is_empty() {
        return HttpResponse::build(status).finish();
    }
    HttpResponse::build(status)
        .content_type(answer.content_type)
        .body(answer.body)
}

/// The whole body, or the code to refuse it with. A body that announces too much is refused unread.
async fn read(request: &HttpRequest, mut payload: web::Payload) -> Result<web::Bytes, ErrorCode> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > LONGEST_BODY) {
        return Err(ErrorCode::BodyTooLarge);
    }
    let mut body = web::BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| ErrorCode::BadRequest)?;
        if body.len().saturating_add(piece.len()) > LONGEST_BODY {
            return Err(ErrorCode::BodyTooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
