//! What every request passes: statistics, faults, authentication. In this order, so that a fault can hide a bad token.
//!
//! Refuses: a request without a valid token everywhere except the OAuth endpoints, the results of bulk operations (whose addresses are
//! unguessable) and the sandbox's own door. Invariant: a path added later is behind the gate without doing anything for it.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, error, web};
use serde_json::{Value, json};

use super::Shop;
use super::tokens::{Access, Standing};
use crate::faults::Effect;
use crate::ids::fresh_id;
use crate::spoiling::{self, Manner, mistype};

const HEADER: &str = "x-shopify-access-token";

/// Who calls: the token's scopes. Only the gate makes one.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Access);

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| {
            error::InternalError::from_response("no caller", unauthenticated()).into()
        }))
    }
}

/// The vendor's answer to a dead token.
pub(crate) fn unauthenticated() -> HttpResponse {
    HttpResponse::Unauthorized()
        .json(json!({"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}))
}

/// What the vendor says where a fault leaves the words to the sandbox.
struct Words<'a>(&'a Shop);

impl Manner for Words<'_> {
    fn denied(&self, status: StatusCode) -> HttpResponse {
        let words = match status.as_u16() {
            402 => "Unavailable Shop",
            423 => "Locked",
            429 => {
                "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
            }
            _ => "Internal Server Error",
        };
        HttpResponse::build(status).json(json!({"errors": words}))
    }

    fn limited(&self, _policy: &str) -> HttpResponse {
        // Over the limit, the vendor answers 200 and says so inside.
        self.0.bucket.empty(self.0.clock.now_ms());
        HttpResponse::Ok().json(throttled(self.0, 112))
    }

    fn expired(&self) -> HttpResponse {
        unauthenticated()
    }

    fn spoil(&self, effect: &Effect, body: &mut Value) -> Option<u16> {
        let data = body.get_mut("data").and_then(Value::as_object_mut)?;
        for list in data.values_mut() {
            match effect {
                Effect::NoPaging {} => {
                    if let Some(list) = list.as_object_mut() {
                        list.remove("pageInfo");
                    }
                }
                Effect::WrongTypes {} => {
                    let nodes = list.get_mut("nodes").and_then(Value::as_array_mut);
                    for (n, node) in nodes.into_iter().flatten().enumerate() {
                        if let Some(fields) = node.as_object_mut() {
                            mistype(n, fields);
                        }
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The answer to a request the bucket does not hold.
pub(crate) fn throttled(shop: &Shop, cost: u64) -> Value {
    json!({
        "errors": [{
            "message": "Throttled",
            "extensions": {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"},
        }],
        "extensions": {"cost": shop.bucket.shown(cost, None, shop.clock.now_ms())},
    })
}

/// The middleware.
pub(crate) async fn pass(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(shop) = request.app_data::<web::Data<Shop>>().cloned() else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let path = request.path().to_owned();
    if path.starts_with("/__sandbox") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let route = request.match_pattern().unwrap_or_else(|| path.clone());
    let words = Words(&shop);
    let asked = asked(&mut request).await;
    // Everything but tokens goes to one address, so what was asked there is part of what is counted.
    shop.stats
        .count(request.method().as_str(), &format!("{route}{asked}"));
    let struck = format!("{path}{asked}");
    let effect = shop.faults.strike(request.method().as_str(), &struck);
    let response = match &effect {
        Some(effect) => match spoiling::before(effect, &words, shop.stopping(), &request).await {
            Some(answer) => request.into_response(answer).map_into_boxed_body(),
            None => serve(&shop, request, next).await?,
        },
        None => serve(&shop, request, next).await?,
    };
    let mut response = match effect {
        Some(effect) => spoiling::after(&effect, &words, response).await,
        None => response,
    };
    shop.stats.answered(response.status().as_u16());
    if let Ok(id) = fresh_id().parse() {
        let name = actix_web::http::header::HeaderName::from_static("x-request-id");
        response.headers_mut().insert(name, id);
    }
    Ok(spoiling::dated(response, shop.clock.now_ms()))
}

/// The fields a document asks for at its top, as rules of faults name them: `#orders`. Empty for what is no document.
async fn asked(request: &mut ServiceRequest) -> String {
    if !request.path().ends_with("/graphql.json") {
        return String::new();
    }
    let Ok(bytes) = request.extract::<web::Bytes>().await else {
        return String::new();
    };
    request.set_payload(Payload::from(bytes.clone()));
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Ok(document) = async_graphql_parser::parse_query(query) else {
        return String::new();
    };
    let mut out = String::new();
    for (_, operation) in document.operations.iter() {
        for selection in &operation.node.selection_set.node.items {
            if let async_graphql_parser::types::Selection::Field(field) = &selection.node {
                out.push('#');
                out.push_str(field.node.name.node.as_str());
            }
        }
    }
    out
}

async fn serve(
    shop: &Shop,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.path();
    let open = path.starts_with("/bulk/")
        || (path.starts_with("/admin/oauth/") && !path.ends_with(".json"));
    if open {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let token = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let access = match shop.tokens.standing(token) {
        Standing::Valid(access) => access,
        Standing::Unknown => {
            return Ok(request
                .into_response(unauthenticated())
                .map_into_boxed_body());
        }
    };
    if access.expires_at.is_none() && shop.limits.expiring_tokens_only {
        let words = "[API] Non-expiring access tokens are no longer accepted for the Admin API.";
        let answer = HttpResponse::Forbidden().json(json!({"errors": words}));
        return Ok(request.into_response(answer).map_into_boxed_body());
    }
    request.extensions_mut().insert(Caller(access));
    Ok(next.call(request).await?.map_into_boxed_body())
}
