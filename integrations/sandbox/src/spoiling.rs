//! Carrying out a fault: answers that are not given, cut, denied or wrong.
//!
//! Owns: the effects every vendor can have, and the connection's socket, so that a fault can close it. Leaves to each vendor, as its
//! `Manner`, the words of a denial and the shape of a wrong answer.

use std::future::Future;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::Duration;

use actix_web::body::{self, BoxBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{DATE, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::faults::Effect;

/// What a vendor says where a fault leaves the words to it.
pub(crate) trait Manner {
    /// An inner error with this status.
    fn denied(&self, status: StatusCode) -> HttpResponse;

    /// The caller is over a limit.
    fn limited(&self, policy: &str) -> HttpResponse;

    /// The token has expired.
    fn expired(&self) -> HttpResponse;

    /// Spoils the vendor's JSON (`WrongTypes`, `NoPaging`, `Partial`); returns the new status when it changes.
    fn spoil(&self, effect: &Effect, body: &mut Value) -> Option<u16>;
}

/// The connection's socket.
#[derive(Debug)]
struct Wire(Mutex<Option<TcpStream>>);

/// Keeps the socket of a new connection; for the server's `on_connect`.
pub(crate) fn keep_wire(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
        let copy = stream
            .as_fd()
            .try_clone_to_owned()
            .ok()
            .map(TcpStream::from);
        extensions.insert(Wire(Mutex::new(copy)));
    }
}

fn cut(request: &HttpRequest) -> HttpResponse {
    if let Some(wire) = request.conn_data::<Wire>()
        && let Ok(mut stream) = wire.0.lock()
        && let Some(stream) = stream.take()
    {
        // A connection that is already gone is closed as well.
        let _ = stream.shutdown(Shutdown::Both);
    }
    HttpResponse::InternalServerError().force_close().finish()
}

/// Gives an answer the vendor's time, as the sandbox's clock has it, also when a test has moved it.
pub(crate) fn dated(
    mut response: ServiceResponse<BoxBody>,
    now_ms: i64,
) -> ServiceResponse<BoxBody> {
    let now = chrono::DateTime::from_timestamp_millis(now_ms)
        .map(|now| now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(value) = now.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(DATE, value);
    }
    response
}

/// What a fault answers without the request being done. `stopping` ends when the sandbox stops, so that no wait outlives it.
pub(crate) async fn before(
    effect: &Effect,
    manner: &impl Manner,
    stopping: impl Future<Output = ()>,
    request: &ServiceRequest,
) -> Option<HttpResponse> {
    match effect {
        Effect::Status {
            status,
            body,
            retry_after,
        } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = match body {
                Some(body) => HttpResponse::build(status).json(body),
                None => manner.denied(status),
            };
            if let Some(seconds) = retry_after {
                let seconds = HeaderValue::from(*seconds);
                response.headers_mut().insert(RETRY_AFTER, seconds);
            }
            Some(response)
        }
        Effect::Html { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            Some(HttpResponse::build(status).content_type("text/html").body(format!(
                "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
            )))
        }
        Effect::RateLimited { policy } => Some(manner.limited(policy)),
        Effect::Expired {} => Some(manner.expired()),
        Effect::Delay { ms } => {
            let wait = tokio::time::sleep(Duration::from_millis(*ms));
            tokio::select! {
                () = wait => {}
                () = stopping => {}
            }
            None
        }
        Effect::Close {} => Some(cut(request.request())),
        _ => None,
    }
}

/// What a fault does to the answer of a request that was done.
pub(crate) async fn after(
    effect: &Effect,
    manner: &impl Manner,
    response: ServiceResponse<BoxBody>,
) -> ServiceResponse<BoxBody> {
    let spoils = matches!(
        effect,
        Effect::Truncate {}
            | Effect::WrongTypes {}
            | Effect::NoPaging {}
            | Effect::Partial {}
            | Effect::Replace { .. }
            | Effect::CloseAfter {}
            | Effect::StatusAfter { .. }
    );
    if !spoils {
        return response;
    }
    let (request, response) = response.into_parts();
    if matches!(effect, Effect::CloseAfter {}) {
        let cut = cut(&request);
        return ServiceResponse::new(request, cut);
    }
    if let Effect::StatusAfter { status } = effect {
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return ServiceResponse::new(request, manner.denied(status));
    }
    let status = response.status();
    let bytes = body::to_bytes(response.into_body())
        .await
        .unwrap_or_default();
    let spoiled = if matches!(effect, Effect::Truncate {}) {
        let half = bytes.slice(..bytes.len() / 2);
        HttpResponse::build(status)
            .content_type("application/json")
            .body(half)
    } else {
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(mut value) => {
                let changed = spoil(effect, manner, &mut value)
                    .and_then(|status| StatusCode::from_u16(status).ok());
                HttpResponse::build(changed.unwrap_or(status)).json(value)
            }
            Err(_) => HttpResponse::build(status).body(bytes),
        }
    };
    ServiceResponse::new(request, spoiled)
}

fn spoil(effect: &Effect, manner: &impl Manner, body: &mut Value) -> Option<u16> {
    if let Effect::Replace { pointer, value } = effect {
        if let Some(place) = body.pointer_mut(pointer) {
            *place = value.clone();
        }
        return None;
    }
    manner.spoil(effect, body)
}

/// Puts numbers, lists and objects where `fields`, the nth of their kind, should be.
pub(crate) fn mistype(n: usize, fields: &mut serde_json::Map<String, Value>) {
    for value in fields.values_mut() {
        *value = match n % 3 {
            0 => Value::from(17),
            1 => Value::Array(vec![value.take()]),
            _ => serde_json::json!({"value": value.take()}),
        };
    }
}
