//! What every request passes: statistics, and the faults that hide or spoil its answer. The token is the methods' own business.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use serde_json::{Value, json};

use super::Workspace;
use super::answer::Refusal;
use crate::faults::Effect;
use crate::spoiling::{Manner, after, before, dated, mistype};

/// The vendor's manner of failing.
#[derive(Debug)]
struct SlackManner;

impl Manner for SlackManner {
    /// Behind a status of its own the vendor sends the error it would send with 200.
    fn denied(&self, status: StatusCode) -> HttpResponse {
        let error = match status {
            StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
            StatusCode::TOO_MANY_REQUESTS => "ratelimited",
            _ => "fatal_error",
        };
        HttpResponse::build(status).json(json!({"ok": false, "error": error}))
    }

    /// The policy is the number of seconds to wait; 30 when it is none.
    fn limited(&self, policy: &str) -> HttpResponse {
        Refusal::limited(policy.parse().unwrap_or(30)).response()
    }

    fn expired(&self) -> HttpResponse {
        Refusal::new("token_expired").response()
    }

    fn spoil(&self, effect: &Effect, body: &mut Value) -> Option<u16> {
        let object = body.as_object_mut()?;
        match effect {
            Effect::NoPaging {} => {
                object.remove("response_metadata");
            }
            Effect::WrongTypes {} => {
                for list in ["channels", "messages"] {
                    let items = object.get_mut(list).and_then(Value::as_array_mut);
                    for (n, item) in items.into_iter().flatten().enumerate() {
                        if let Some(fields) = item.as_object_mut() {
                            mistype(n, fields);
                        }
                    }
                }
                if let Some(ts) = object.get_mut("ts") {
                    *ts = json!([ts.take()]);
                }
            }
            _ => {}
        }
        None
    }
}

/// The middleware.
pub(crate) async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(workspace) = request.app_data::<web::Data<Workspace>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let path = request.path().to_owned();
    if path.starts_with("/__sandbox") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    // Methods are counted by their names; the rest by their routes, which name no secret.
    let route = if path.starts_with("/api/") {
        path.clone()
    } else {
        request.match_pattern().unwrap_or_else(|| path.clone())
    };
    workspace.stats.count(request.method().as_str(), &route);
    let effect = workspace.faults.strike(request.method().as_str(), &path);
    let response = match &effect {
        Some(effect) => {
            let stopping = workspace.stopping();
            match before(effect, &SlackManner, stopping, &request).await {
                Some(answer) => request.into_response(answer).map_into_boxed_body(),
                None => next.call(request).await?.map_into_boxed_body(),
            }
        }
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let response = match effect {
        Some(effect) => after(&effect, &SlackManner, response).await,
        None => response,
    };
    workspace.stats.answered(response.status().as_u16());
    Ok(dated(response, workspace.store.now()))
}

/// Answers `{"ok": false}` with this error instead of doing anything.
#[must_use]
pub fn error_before(error: &str) -> Effect {
    Effect::Status {
        status: 200,
        body: Some(json!({"ok": false, "error": error})),
        retry_after: None,
    }
}

/// Does the request, then answers `{"ok": false}` with this error all the same, as the vendor's `internal_error` may.
#[must_use]
pub fn error_after(error: &str) -> Effect {
    Effect::Replace {
        pointer: String::new(),
        value: json!({"ok": false, "error": error}),
    }
}
