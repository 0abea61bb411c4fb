//! The sandbox's own door: "a human in the shop", faults, the clock, statistics.
//!
//! It asks for no token, because it is no part of the vendor; the sandbox listens on loopback only. Writes must be `application/json`, so
//! that a web page a developer happens to visit cannot make a browser send one without asking first.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shop;
use super::drafts::{CompanyDraft, CustomerDraft, OrderDraft, OrderEdit};
use super::refused::Refused;
use super::rest;
use crate::faults::{Fault, Faults, WebhookFaults};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/__sandbox/stats", web::get().to(stats))
        .route("/__sandbox/clock", web::post().to(clock))
        .route("/__sandbox/faults", web::get().to(faults))
        .route("/__sandbox/faults", web::post().to(change_faults))
        .route("/__sandbox/faults", web::delete().to(clear_faults))
        .route("/__sandbox/app/{what}", web::post().to(app))
        .route("/__sandbox/records/{kind}", web::post().to(create))
        .route("/__sandbox/records/{kind}/{id}", web::get().to(show))
        .route("/__sandbox/records/{kind}/{id}", web::patch().to(edit))
        .route("/__sandbox/records/{kind}/{id}", web::delete().to(delete))
        .route("/__sandbox/records/{kind}/{id}/{what}", web::post().to(act));
}

/// Why the door refuses.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Bad(String),
    #[error("send this as application/json")]
    NotJson,
    #[error("there is nothing here")]
    Nothing,
}

impl actix_web::ResponseError for Closed {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused(Refused::NotFound { .. }) | Self::Nothing => StatusCode::NOT_FOUND,
            Self::Refused(Refused::Invalid(_)) | Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({"error": self.to_string()}))
    }
}

fn read<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, Closed> {
    if request.content_type() != "application/json" {
        return Err(Closed::NotJson);
    }
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Closed::Bad(error.to_string()))
}

async fn stats(shop: web::Data<Shop>) -> HttpResponse {
    let counts = shop.stats.current();
    let state = shop.store.read();
    HttpResponse::Ok().json(json!({
        "shop": shop.domain(),
        "installed": shop.tokens.installed(),
        "scopes": shop.tokens.granted(),
        "requests": counts.requests,
        "statuses": counts.statuses,
        "records": {
            "orders": state.orders.len(),
            "customers": state.customers.len(),
            "companies": state.companies.len(),
            "subscriptions": state.subscriptions.len(),
        },
        "webhooks": shop.deliveries.counts(),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn clock(
    shop: web::Data<Shop>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let body: Advance = read(&request, &body)?;
    shop.clock.advance(Duration::from_millis(body.advance_ms));
    Ok(HttpResponse::Ok().json(json!({"now": shop.clock.now_ms()})))
}

async fn faults(shop: web::Data<Shop>) -> HttpResponse {
    HttpResponse::Ok().json(shop.faults.current())
}

/// Present fields replace; absent ones stay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultChange {
    #[serde(default)]
    rules: Option<Vec<Fault>>,
    #[serde(default)]
    index_lag_ms: Option<u64>,
    #[serde(default)]
    webhooks: Option<WebhookFaults>,
    #[serde(default)]
    withhold_scopes: Option<Vec<String>>,
    #[serde(default)]
    expire_tokens: bool,
}

async fn change_faults(
    shop: web::Data<Shop>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let change: FaultChange = read(&request, &body)?;
    shop.faults.change(|faults| {
        if let Some(rules) = change.rules {
            faults.rules = rules;
        }
        if change.index_lag_ms.is_some() {
            faults.index_lag_ms = change.index_lag_ms;
        }
        if let Some(webhooks) = change.webhooks {
            faults.webhooks = webhooks;
        }
        if let Some(scopes) = change.withhold_scopes {
            faults.withhold_scopes = scopes;
        }
    });
    if change.expire_tokens {
        shop.tokens
            .expire_all()
            .map_err(|_| Closed::Bad("the tokens could not be saved".to_owned()))?;
    }
    Ok(HttpResponse::Ok().json(shop.faults.current()))
}

async fn clear_faults(shop: web::Data<Shop>) -> HttpResponse {
    shop.faults.change(|faults| *faults = Faults::default());
    HttpResponse::NoContent().finish()
}

async fn app(
    shop: web::Data<Shop>,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let _: Value = read(&request, &body)?;
    match path.as_str() {
        "uninstall" => shop.remove_app(),
        "redact" => shop.redact_shop(),
        _ => return Err(Closed::Nothing),
    }
    Ok(HttpResponse::NoContent().finish())
}

fn shown(shop: &Shop, kind: &str, id: u64) -> Result<HttpResponse, Closed> {
    let state = shop.store.read();
    let body = match kind {
        "orders" => state
            .orders
            .get(&id)
            .map(|order| rest::order(&state, order)),
        "customers" => state
            .customers
            .get(&id)
            .map(|one| rest::customer(one, &state.shop.currency)),
        "companies" => state.companies.get(&id).map(rest::company),
        _ => None,
    };
    body.map(|body| HttpResponse::Ok().json(body))
        .ok_or(Closed::Nothing)
}

async fn create(
    shop: web::Data<Shop>,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let id = match path.as_str() {
        "orders" => shop
            .store
            .place_order(read::<OrderDraft>(&request, &body)?)?,
        "customers" => shop
            .store
            .create_customer(read::<CustomerDraft>(&request, &body)?)?,
        "companies" => shop
            .store
            .create_company(read::<CompanyDraft>(&request, &body)?)?,
        _ => return Err(Closed::Nothing),
    };
    let mut answer = shown(&shop, &path, id)?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

async fn show(
    shop: web::Data<Shop>,
    path: web::Path<(String, u64)>,
) -> Result<HttpResponse, Closed> {
    shown(&shop, &path.0, path.1)
}

async fn edit(
    shop: web::Data<Shop>,
    request: HttpRequest,
    path: web::Path<(String, u64)>,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    match path.0.as_str() {
        "orders" => shop
            .store
            .edit_order(path.1, read::<OrderEdit>(&request, &body)?)?,
        "customers" => shop
            .store
            .edit_customer(path.1, read::<CustomerDraft>(&request, &body)?)?,
        "companies" => shop
            .store
            .edit_company(path.1, read::<CompanyDraft>(&request, &body)?)?,
        _ => return Err(Closed::Nothing),
    }
    shown(&shop, &path.0, path.1)
}

async fn delete(
    shop: web::Data<Shop>,
    path: web::Path<(String, u64)>,
) -> Result<HttpResponse, Closed> {
    match path.0.as_str() {
        "orders" => shop.store.delete_order(path.1)?,
        "customers" => shop.store.delete_customer(path.1)?,
        "companies" => shop.store.delete_company(path.1)?,
        _ => return Err(Closed::Nothing),
    }
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Act {
    amount: Option<String>,
    reason: Option<String>,
    other: Option<u64>,
}

async fn act(
    shop: web::Data<Shop>,
    request: HttpRequest,
    path: web::Path<(String, u64, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let body: Act = read(&request, &body)?;
    let (kind, id, what) = (path.0.as_str(), path.1, path.2.as_str());
    match (kind, what) {
        ("orders", "pay") => shop.store.pay_order(id)?,
        ("orders", "refund") => {
            shop.store.refund_order(id, body.amount.as_deref())?;
        }
        ("orders", "cancel") => shop
            .store
            .cancel_order(id, body.reason.as_deref().unwrap_or("customer"))?,
        ("customers", "merge") => {
            let other = body
                .other
                .ok_or_else(|| Closed::Bad("other is missing".to_owned()))?;
            shop.store.merge_customers(id, other)?;
        }
        ("customers", "data_request") => shop.privacy("customers/data_request", id)?,
        ("customers", "redact") => shop.privacy("customers/redact", id)?,
        _ => return Err(Closed::Nothing),
    }
    shown(&shop, kind, id)
}
