//! What every request passes: statistics, faults, version, session, quota. In this order, so that a fault can hide a bad token.
//!
//! Refuses: a request without a live session everywhere except the OAuth endpoints, the list of versions and the sandbox's own door.
//! Invariant: a path added later is behind the gate without doing anything for it.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::Org;
use super::answer::Refusal;
use super::version::{self, Standing};
use crate::faults::Effect;
use crate::spoiling::{Manner, after, before, dated, mistype};

/// The longest address that is taken.
const LONGEST_URI: usize = 16_384;

/// Salesforce's words and shapes where a fault spoils an answer.
#[derive(Debug)]
pub(crate) struct SalesforceManner;

impl Manner for SalesforceManner {
    fn denied(&self, status: StatusCode) -> HttpResponse {
        let (code, message) = match status {
            StatusCode::SERVICE_UNAVAILABLE => ("SERVER_UNAVAILABLE", "Server is unavailable"),
            _ => (
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred. Please include this ErrorId if you contact support: 1",
            ),
        };
        Refusal::new(status, code, message).response()
    }

    fn limited(&self, policy: &str) -> HttpResponse {
        let policy = if policy.is_empty() {
            "TotalRequests"
        } else {
            policy
        };
        over_limit(policy).response()
    }

    fn expired(&self) -> HttpResponse {
        Refusal::session().response()
    }

    fn spoil(&self, effect: &Effect, body: &mut Value) -> Option<u16> {
        match effect {
            Effect::WrongTypes {} => {
                let rows = body.get_mut("records").and_then(Value::as_array_mut);
                for (n, row) in rows.into_iter().flatten().enumerate() {
                    if let Some(fields) = row.as_object_mut() {
                        let attributes = fields.remove("attributes");
                        mistype(n, fields);
                        fields.extend(attributes.map(|value| ("attributes".to_owned(), value)));
                    }
                }
                None
            }
            Effect::NoPaging {} => {
                if let Some(object) = body.as_object_mut() {
                    object.remove("nextRecordsUrl");
                }
                None
            }
            Effect::Partial {} => {
                let first = body.as_array_mut()?.first_mut()?;
                *first = serde_json::json!({
                    "success": false,
                    "errors": [{
                        "statusCode": "UNABLE_TO_LOCK_ROW",
                        "message": "unable to obtain exclusive access to this record",
                        "fields": [],
                    }],
                });
                None
            }
            _ => None,
        }
    }
}

fn over_limit(which: &str) -> Refusal {
    let message = format!("{which} Limit exceeded.");
    Refusal::new(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", message)
}

/// The token a request carries.
pub(crate) fn bearer(request: &HttpRequest) -> Option<&str> {
    token_of(request.headers())
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // Both words are taken, as at the vendor.
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    known.then(|| token.trim())
}

/// The version of the API the request named, `68.0`.
#[derive(Debug, Clone)]
pub(crate) struct Version(pub(crate) String);

impl FromRequest for Version {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let found = version_of(request.path()).map(|text| Self(text.to_owned()));
        ready(found.ok_or_else(Refusal::not_found))
    }
}

fn version_of(path: &str) -> Option<&str> {
    path.strip_prefix("/services/data/v")?.split('/').next()
}

/// The middleware.
pub(crate) async fn pass(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(org) = request.app_data::<web::Data<Org>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let path = request.path().to_owned();
    if path.starts_with("/__sandbox") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let route = request.match_pattern().unwrap_or_else(|| path.clone());
    org.stats.count(request.method().as_str(), &route);
    let effect = org.faults.strike(request.method().as_str(), &path);
    let response = match &effect {
        Some(effect) => match before(effect, &SalesforceManner, org.stopping(), &request).await {
            Some(answer) => request.into_response(answer).map_into_boxed_body(),
            None => serve(&org, request, next).await?,
        },
        None => serve(&org, request, next).await?,
    };
    let mut response = match effect {
        Some(effect) => after(&effect, &SalesforceManner, response).await,
        None => response,
    };
    if path.starts_with("/services/data/v") {
        usage(&org, response.headers_mut());
    }
    org.stats.answered(response.status().as_u16());
    Ok(dated(response, org.clock.now_ms()))
}

async fn serve(
    org: &Org,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.path();
    let open = path.starts_with("/services/oauth2/")
        || path.starts_with("/id/")
        || matches!(path, "/services/data" | "/services/data/");
    if open {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match allow(org, &request) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(refusal) => Ok(request.into_response(refusal.response())),
    }
}

fn allow(org: &Org, request: &ServiceRequest) -> Result<(), Refusal> {
    if request.uri().to_string().len() > LONGEST_URI {
        let message = "The length of the URI exceeds the limit";
        return Err(Refusal::new(
            StatusCode::URI_TOO_LONG,
            "URI_TOO_LONG",
            message,
        ));
    }
    match version_of(request.path()).map(version::judge) {
        Some(Standing::Retired) => {
            let message = "The requested resource has been retired or removed";
            return Err(Refusal::new(
                StatusCode::GONE,
                "UNSUPPORTED_API_VERSION",
                message,
            ));
        }
        Some(Standing::Unknown) => return Err(Refusal::not_found()),
        Some(Standing::Served) | None => {}
    }
    let session = token_of(request.headers())
        .and_then(|token| org.tokens.session(token))
        .ok_or_else(Refusal::session)?;
    if !session
        .scopes
        .iter()
        .any(|scope| scope == "api" || scope == "full")
    {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "INVALID_SESSION_ID",
            "This session is not valid for use with the REST API",
        ));
    }
    let now = org.clock.now_ms();
    org.quota
        .take(now)
        .map_err(|_| over_limit("TotalRequests"))
        .map(|_| ())
}

/// Every answer of the data API says how much of the quota is used.
fn usage(org: &Org, headers: &mut HeaderMap) {
    let (used, max) = org.usage();
    let text = format!("api-usage={used}/{max}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(HeaderName::from_static("sforce-limit-info"), value);
    }
}
