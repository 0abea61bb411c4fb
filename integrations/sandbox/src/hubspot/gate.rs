//! What every request passes: statistics, faults, authentication, limits. In this order, so that a fault can hide a bad token.
//!
//! Refuses: a request without a valid token everywhere except the OAuth endpoints and the sandbox's own door; an app token outside the
//! app's settings. Invariant: a path added later is behind the gate without doing anything for it.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::json;

use super::Portal;
use super::answer::Refusal;
use super::kind::Kind;
use super::limits::too_many;
use super::spoiling::HubSpotManner;
use super::tokens::Standing;
use crate::params::Params;
use crate::spoiling::{after, before, dated};

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

pub(crate) fn expired(seconds: i64) -> Refusal {
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
        Some(effect) => match before(effect, &HubSpotManner, portal.stopping(), &request).await {
            Some(answer) => request.into_response(answer).map_into_boxed_body(),
            None => serve(&portal, request, next).await?,
        },
        None => serve(&portal, request, next).await?,
    };
    let response = match effect {
        Some(effect) => after(&effect, &HubSpotManner, response).await,
        None => response,
    };
    portal.stats.answered(response.status().as_u16());
    Ok(dated(response, portal.clock.now_ms()))
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
