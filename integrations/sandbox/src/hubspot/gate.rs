//! What every request passes: statistics, faults, authentication, limits. In this order, so that a fault can hide a bad token.
//!
//! Refuses: a request without a valid token everywhere except the OAuth endpoints and the sandbox's own door; an app token outside the
//! app's settings. Invariant: a path added later is behind the gate without doing anything for it.

use std::future::{Ready, ready};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::Duration;

use actix_web::body::{self, BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Params, Refusal};
use super::faults::{Effect, spoil};
use super::kind::Kind;
use super::limits::too_many;
use super::tokens::Standing;

/// The connection's socket, kept so that a fault can close it.
#[derive(Debug)]
pub(crate) struct Wire(Mutex<Option<TcpStream>>);

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

/// Who calls: the token's scopes. Only the gate makes one.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    scopes: Vec<String>,
    app_only: bool,
}

impl Caller {
    pub(crate) fn read(&self, kind: Kind) -> Result<(), Refusal> {
        self.need(&format!("crm.objects.{}.read", kind.plural()))
    }

    pub(crate) fn write(&self, kind: Kind) -> Result<(), Refusal> {
        self.need(&format!("crm.objects.{}.write", kind.plural()))
    }

    /// Properties and pipelines can be read with the schema scope or the record scope.
    pub(crate) fn read_schema(&self, kind: Kind) -> Result<(), Refusal> {
        self.need(&format!("crm.schemas.{}.read", kind.plural()))
            .or_else(|_| self.read(kind))
    }

    pub(crate) fn need(&self, scope: &str) -> Result<(), Refusal> {
        if !self.app_only && self.scopes.iter().any(|held| held == scope) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "MISSING_SCOPES",
            "This app hasn't been granted all required scopes to make this call.",
        )
        .with(
            "errors",
            json!([{
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": [scope]},
            }]),
        ))
    }

    pub(crate) fn need_app(&self) -> Result<(), Refusal> {
        if self.app_only {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "MISSING_SCOPES",
            "This call needs the app's own token.",
        ))
    }
}

impl FromRequest for Caller {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(
            request
                .extensions()
                .get::<Self>()
                .cloned()
                .ok_or_else(unauthenticated),
        )
    }
}

fn unauthenticated() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
    )
}

fn expired(seconds: i64) -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "EXPIRED_AUTHENTICATION",
        format!("The OAuth token used to make this call expired {seconds} second(s) ago."),
    )
}

fn authenticate(portal: &Portal, request: &ServiceRequest) -> Result<Caller, Refusal> {
    let bearer = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let app_path =
        request.path().starts_with("/webhooks/") || request.path().starts_with("/app-webhooks/");
    match bearer {
        Some(token) => match portal.tokens.standing(token) {
            Standing::Valid(access) if access.app_only && !app_path => Err(unauthenticated()),
            Standing::Valid(access) => Ok(Caller {
                scopes: access.scopes,
                app_only: access.app_only,
            }),
            Standing::Expired { seconds } => Err(expired(seconds)),
            Standing::Unknown => Err(unauthenticated()),
        },
        // The older webhook settings take a developer key in the query; the sandbox's is the client secret.
        None if app_path
            && Params::of(request.request()).get("hapikey")
                == Some(portal.app().client_secret.as_str()) =>
        {
            Ok(Caller {
                scopes: Vec::new(),
                app_only: true,
            })
        }
        None => Err(unauthenticated()),
    }
}

/// The middleware.
pub(crate) async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(portal) = request.app_data::<web::Data<Portal>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let path = request.path().to_owned();
    if path.starts_with("/__sandbox") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let route = request.match_pattern().unwrap_or_else(|| path.clone());
    portal.stats.count(request.method().as_str(), &route);
    let effect = portal.faults.strike(request.method().as_str(), &path);
    let response = match &effect {
        Some(effect) => match before(effect, &portal, &request).await {
            Some(answer) => request.into_response(answer).map_into_boxed_body(),
            None => serve(&portal, request, next).await?,
        },
        None => serve(&portal, request, next).await?,
    };
    let response = match effect {
        Some(effect) => after(&effect, response).await,
        None => response,
    };
    portal.stats.answered(response.status().as_u16());
    Ok(dated(response, portal.clock.now_ms()))
}

/// The vendor's time as the vendor's clock has it, also when a test has moved it.
fn dated(mut response: ServiceResponse<BoxBody>, now_ms: i64) -> ServiceResponse<BoxBody> {
    let now = chrono::DateTime::from_timestamp_millis(now_ms)
        .map(|now| now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(value) = now.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(DATE, value);
    }
    response
}

async fn serve(
    portal: &Portal,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.path();
    if path.starts_with("/oauth/") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let caller = match authenticate(portal, &request) {
        Ok(caller) => caller,
        Err(refusal) => return Ok(request.into_response(refusal.response())),
    };
    let search = request.method() == Method::POST && path.ends_with("/search");
    let now = portal.store.now();
    let (window, policy) = if search {
        (&portal.search_window, "SECONDLY")
    } else {
        (&portal.window, "TEN_SECONDLY_ROLLING")
    };
    let place = window.take(now);
    request.extensions_mut().insert(caller);
    let mut response = match place {
        Ok(_) => next.call(request).await?.map_into_boxed_body(),
        Err(_) => request
            .into_response(HttpResponse::TooManyRequests().json(too_many(policy)))
            .map_into_boxed_body(),
    };
    // Search carries no limit headers at the vendor.
    let shown = match place {
        Ok(Some(shown)) => Some(shown),
        Ok(None) => None,
        Err(max) => Some((max, 0)),
    };
    if let Some((max, remaining)) = shown
        && !search
    {
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-hubspot-ratelimit-max", u64::from(max)),
            ("x-hubspot-ratelimit-remaining", u64::from(remaining)),
            ("x-hubspot-ratelimit-interval-milliseconds", 10_000),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
    Ok(response)
}

/// What a fault answers without the request being done.
async fn before(
    effect: &Effect,
    portal: &Portal,
    request: &ServiceRequest,
) -> Option<HttpResponse> {
    match effect {
        Effect::Status {
            status,
            body,
            retry_after,
        } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = body.clone().unwrap_or_else(|| {
                Refusal::new(status, "INTERNAL_ERROR", "internal error")
                    .body()
                    .clone()
            });
            let mut response = HttpResponse::build(status);
            if let Some(seconds) = retry_after {
                response.insert_header((RETRY_AFTER, seconds.to_string()));
            }
            Some(response.json(body))
        }
        Effect::Html { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            Some(HttpResponse::build(status).content_type("text/html").body(format!(
                "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
            )))
        }
        Effect::RateLimited { policy } => {
            Some(HttpResponse::TooManyRequests().json(too_many(policy)))
        }
        Effect::Expired {} => Some(expired(7).response()),
        Effect::Delay { ms } => {
            let wait = tokio::time::sleep(Duration::from_millis(*ms));
            tokio::select! {
                () = wait => {}
                () = portal.stopping() => {}
            }
            None
        }
        Effect::Close {} => Some(cut(request.request())),
        _ => None,
    }
}

/// What a fault does to the answer of a request that was done.
async fn after(effect: &Effect, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
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
        let denied = Refusal::new(status, "INTERNAL_ERROR", "internal error").response();
        return ServiceResponse::new(request, denied);
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
                let changed = spoil(effect, &mut value).and_then(|s| StatusCode::from_u16(s).ok());
                HttpResponse::build(changed.unwrap_or(status)).json(value)
            }
            Err(_) => HttpResponse::build(status).body(bytes),
        }
    };
    ServiceResponse::new(request, spoiled)
}
