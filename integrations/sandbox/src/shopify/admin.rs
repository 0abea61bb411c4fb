//! What only this vendor's sandbox has behind its own door ([`crate::door`]): "a human in the shop".

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shop;
use super::drafts::{CompanyDraft, CustomerDraft, OrderDraft, OrderEdit};
use super::refused::Refused;
use super::rest;
use super::start::saved;
use crate::delivery::Deliveries;
use crate::door::{self, Closed, Nothing, World, read};
use crate::faults::FaultBook;
use crate::stats::Stats;
use crate::{Clock, SandboxError};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(door::routes::<Shop>)
        .route("/__sandbox/app/{what}", web::post().to(app))
        .route("/__sandbox/records/{kind}", web::post().to(create))
        .route("/__sandbox/records/{kind}/{id}", web::get().to(show))
        .route("/__sandbox/records/{kind}/{id}", web::patch().to(edit))
        .route("/__sandbox/records/{kind}/{id}", web::delete().to(delete))
        .route("/__sandbox/records/{kind}/{id}/{what}", web::post().to(act));
}

impl From<Refused> for Closed {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::NotFound { .. } => StatusCode::NOT_FOUND,
            Refused::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refused.to_string())
    }
}

impl World for Shop {
    type Wish = Nothing;

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    fn fault_book(&self) -> &FaultBook {
        &self.faults
    }

    fn is_kept(&self) -> bool {
        self.store.is_kept()
    }

    fn keep(&self) -> Result<(), SandboxError> {
        self.store.keep()
    }

    fn expire_tokens(&self) -> Result<(), SandboxError> {
        self.tokens.expire_all().map_err(saved)
    }

    fn told(&self) -> Map<String, Value> {
        let state = self.store.read();
        let records = json!({
            "orders": state.orders.len(),
            "customers": state.customers.len(),
            "companies": state.companies.len(),
            "subscriptions": state.subscriptions.len(),
        });
        Map::from_iter([
            ("shop".to_owned(), self.domain().into()),
            ("installed".to_owned(), self.tokens.installed().into()),
            ("scopes".to_owned(), json!(self.tokens.granted())),
            ("records".to_owned(), records),
        ])
    }

    fn grant(&self, _: Nothing) {}
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
        _ => return Err(Closed::nothing()),
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
        .ok_or_else(Closed::nothing)
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
        _ => return Err(Closed::nothing()),
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
        _ => return Err(Closed::nothing()),
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
        _ => return Err(Closed::nothing()),
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
            let other = body.other.ok_or_else(|| Closed::bad("other is missing"))?;
            shop.store.merge_customers(id, other)?;
        }
        ("customers", "data_request") => shop.privacy("customers/data_request", id)?,
        ("customers", "redact") => shop.privacy("customers/redact", id)?,
        _ => return Err(Closed::nothing()),
    }
    shown(&shop, kind, id)
}
