//! The sandbox's own door: "a human edits in the CRM", faults, the clock, statistics.
//!
//! It asks for no token, because it is no part of the vendor; the sandbox listens on loopback only. Writes must be `application/json`, so
//! that a web page a developer happens to visit cannot make a browser send one without asking first.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::Portal;
use super::answer::{Refusal, read_id, read_json, read_kind};
use super::happening::By;
use super::kind::Kind;
use super::links::{Category, LinkType};
use super::objects::{Written, written};
use super::rules::Rule;
use crate::faults::{Fault, Faults, WebhookFaults};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/__sandbox/stats", web::get().to(stats))
        .route("/__sandbox/clock", web::post().to(clock))
        .route("/__sandbox/faults", web::get().to(faults))
        .route("/__sandbox/faults", web::post().to(change_faults))
        .route("/__sandbox/faults", web::delete().to(clear_faults))
        .route("/__sandbox/associations", web::post().to(associate))
        .route("/__sandbox/associations", web::delete().to(dissociate))
        .route("/__sandbox/rules/{kind}", web::get().to(rules))
        .route("/__sandbox/rules/{kind}", web::put().to(set_rules))
        .route("/__sandbox/records/{kind}", web::post().to(create))
        .route("/__sandbox/records/{kind}/{id}", web::get().to(show))
        .route("/__sandbox/records/{kind}/{id}", web::patch().to(edit))
        .route("/__sandbox/records/{kind}/{id}", web::post().to(edit))
        .route("/__sandbox/records/{kind}/{id}", web::delete().to(archive))
        .route(
            "/__sandbox/records/{kind}/{id}/restore",
            web::post().to(restore),
        )
        .route(
            "/__sandbox/records/{kind}/{id}/merge",
            web::post().to(merge),
        );
}

fn json_only(request: &HttpRequest) -> Result<(), Refusal> {
    if request.content_type() == "application/json" {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "VALIDATION_ERROR",
        "send this as application/json",
    ))
}

async fn stats(portal: web::Data<Portal>) -> HttpResponse {
    let records: BTreeMap<&str, serde_json::Value> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let counts = json!({
                "live": portal.store.count(kind),
                "archived": portal.store.count_archived(kind),
            });
            (kind.plural(), counts)
        })
        .collect();
    let counts = portal.stats.current();
    HttpResponse::Ok().json(json!({
        "portal_id": portal.store.portal_id(),
        "requests": counts.requests,
        "statuses": counts.statuses,
        "records": records,
        "webhooks": portal.webhooks.deliveries.counts(),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn clock(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let body: Advance = read_json(&body)?;
    portal.clock.advance(Duration::from_millis(body.advance_ms));
    Ok(HttpResponse::Ok().json(json!({"now": portal.store.now()})))
}

async fn faults(portal: web::Data<Portal>) -> HttpResponse {
    HttpResponse::Ok().json(portal.faults.current())
}

/// Present fields replace; absent ones stay. The last two are done once.
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
    #[serde(default)]
    one_timestamp: Option<OneTimestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneTimestamp {
    kind: Kind,
    #[serde(default)]
    at_ms: Option<i64>,
}

async fn change_faults(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let change: FaultChange = read_json(&body)?;
    portal.change_faults(|faults| {
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
        portal
            .tokens
            .expire_all()
            .map_err(|_| Refusal::validation("the tokens could not be saved"))?;
    }
    if let Some(stamp) = change.one_timestamp {
        let at = stamp.at_ms.unwrap_or_else(|| portal.store.now());
        portal.store.stamp_all(stamp.kind, at);
    }
    Ok(HttpResponse::Ok().json(portal.faults.current()))
}

async fn clear_faults(portal: web::Data<Portal>) -> HttpResponse {
    portal.change_faults(|faults| *faults = Faults::default());
    HttpResponse::NoContent().finish()
}

async fn rules(
    portal: web::Data<Portal>,
    path: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    Ok(HttpResponse::Ok().json(portal.store.rules(read_kind(&path)?)))
}

async fn set_rules(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let kind = read_kind(&path)?;
    let rules: Vec<Rule> = read_json(&body)?;
    portal.store.set_rules(kind, rules);
    Ok(HttpResponse::Ok().json(portal.store.rules(kind)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordBody {
    properties: Written,
}

async fn create(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let kind = read_kind(&path)?;
    let body: RecordBody = read_json(&body)?;
    let properties = written(body.properties)?;
    let id = portal
        .store
        .create_by(By::Human, kind, &properties, false)?;
    Ok(HttpResponse::Created().json(portal.store.get(kind, id)))
}

fn place(path: &(String, String)) -> Result<(Kind, u64), Refusal> {
    Ok((read_kind(&path.0)?, read_id(&path.1)?))
}

fn shown(portal: &Portal, kind: Kind, id: u64) -> Result<HttpResponse, Refusal> {
    let record = portal.store.get(kind, id).ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Ok().json(record))
}

async fn show(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let (kind, id) = place(&path)?;
    shown(&portal, kind, id)
}

async fn edit(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let (kind, id) = place(&path)?;
    let body: RecordBody = read_json(&body)?;
    let properties = written(body.properties)?;
    portal
        .store
        .update_by(By::Human, kind, id, &properties, false)?;
    shown(&portal, kind, id)
}

async fn archive(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let (kind, id) = place(&path)?;
    portal.store.archive(kind, id)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restore(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let (kind, id) = place(&path)?;
    portal.store.restore(kind, id)?;
    shown(&portal, kind, id)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeBody {
    other: u64,
}

async fn merge(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let (kind, id) = place(&path)?;
    let body: MergeBody = read_json(&body)?;
    let into = portal.store.merge(kind, id, body.other)?;
    shown(&portal, kind, into)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairBody {
    from: End,
    to: End,
    /// The unlabelled type when absent.
    #[serde(default)]
    category: Option<Category>,
    #[serde(default)]
    type_id: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    kind: Kind,
    id: u64,
}

async fn associate(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let body: PairBody = read_json(&body)?;
    let link_type = match (body.category, body.type_id) {
        (Some(category), Some(type_id)) => LinkType { category, type_id },
        (None, None) => portal
            .store
            .read()
            .unlabelled(body.from.kind, body.to.kind)?,
        _ => return Err(Refusal::validation("category and type_id belong together")),
    };
    let (from, to) = ((body.from.kind, body.from.id), (body.to.kind, body.to.id));
    portal.store.associate(from, to, link_type)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn dissociate(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let body: PairBody = read_json(&body)?;
    let (from, to) = ((body.from.kind, body.from.id), (body.to.kind, body.to.id));
    portal.store.dissociate(from, to)?;
    Ok(HttpResponse::NoContent().finish())
}
