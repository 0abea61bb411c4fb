//! The sandbox's own door: "a human edits in the CRM", faults, rules, the clock, statistics.
//!
//! It asks for no token, because it is no part of the vendor; the sandbox listens on loopback only. Writes must be `application/json`, so
//! that a web page a developer happens to visit cannot make a browser send one without asking first.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Org;
use super::answer::{Refusal, read_json};
use super::rules::Rules;
use crate::faults::{Fault, Faults, WebhookFaults};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let record = "/__sandbox/records/{object}/{id}";
    config
        .route("/__sandbox/stats", web::get().to(stats))
        .route("/__sandbox/clock", web::post().to(clock))
        .route("/__sandbox/faults", web::get().to(faults))
        .route("/__sandbox/faults", web::post().to(change_faults))
        .route("/__sandbox/faults", web::delete().to(clear_faults))
        .route("/__sandbox/rules", web::get().to(rules))
        .route("/__sandbox/rules", web::put().to(set_rules))
        .route("/__sandbox/records/{object}", web::get().to(list))
        .route("/__sandbox/records/{object}", web::post().to(create))
        .route(record, web::get().to(show))
        .route(record, web::patch().to(edit))
        .route(record, web::post().to(edit))
        .route(record, web::delete().to(delete))
        .route(&format!("{record}/restore"), web::post().to(restore))
        .route(&format!("{record}/merge"), web::post().to(merge))
        .route(&format!("{record}/convert"), web::post().to(convert));
}

fn json_only(request: &HttpRequest) -> Result<(), Refusal> {
    if request.content_type() == "application/json" {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "send this as application/json",
    ))
}

async fn stats(org: web::Data<Org>) -> HttpResponse {
    let names: Vec<String> = org.store.read().tables.keys().cloned().collect();
    let records: BTreeMap<String, Value> = names
        .into_iter()
        .map(|name| {
            let counts =
                json!({"live": org.store.count(&name), "deleted": org.store.count_deleted(&name)});
            (name, counts)
        })
        .collect();
    let counts = org.stats.current();
    let (used, max) = org.usage();
    HttpResponse::Ok().json(json!({
        "org_id": org.org_id(),
        "requests": counts.requests,
        "statuses": counts.statuses,
        "records": records,
        "webhooks": org.deliveries.counts(),
        "usage": {"used": used, "max": max},
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn clock(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let body: Advance = read_json(&body)?;
    org.clock.advance(Duration::from_millis(body.advance_ms));
    Ok(HttpResponse::Ok().json(json!({"now": org.clock.now_ms()})))
}

async fn faults(org: web::Data<Org>) -> HttpResponse {
    HttpResponse::Ok().json(org.faults.current())
}

/// Present fields replace; absent ones stay. The last ones are done once.
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
    empty_bin: bool,
    #[serde(default)]
    one_timestamp: Option<OneTimestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneTimestamp {
    object: String,
    #[serde(default)]
    at_ms: Option<i64>,
}

async fn change_faults(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let change: FaultChange = read_json(&body)?;
    org.change_faults(|faults| {
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
        org.tokens.expire_all().map_err(|_| {
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "NOT_SAVED",
                "the tokens could not be saved",
            )
        })?;
    }
    if change.empty_bin {
        org.store.empty_bin();
    }
    if let Some(stamp) = change.one_timestamp {
        let at = stamp.at_ms.unwrap_or_else(|| org.clock.now_ms());
        org.store.stamp_all(&stamp.object, at);
    }
    Ok(HttpResponse::Ok().json(org.faults.current()))
}

async fn clear_faults(org: web::Data<Org>) -> HttpResponse {
    org.change_faults(|faults| *faults = Faults::default());
    HttpResponse::NoContent().finish()
}

async fn rules(org: web::Data<Org>) -> HttpResponse {
    HttpResponse::Ok().json(org.store.rules())
}

async fn set_rules(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let rules: Rules = read_json(&body)?;
    org.store.set_rules(rules);
    Ok(HttpResponse::Ok().json(org.store.rules()))
}

async fn list(org: web::Data<Org>, path: web::Path<String>) -> HttpResponse {
    let all: Vec<Value> = org
        .store
        .ids(&path)
        .iter()
        .filter_map(|id| org.store.get(&path, id))
        .collect();
    HttpResponse::Ok().json(all)
}

fn shown(org: &Org, object: &str, id: &str) -> Result<HttpResponse, Refusal> {
    let record = org.store.get(object, id).ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Ok().json(record))
}

async fn create(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let id = org.store.create(&path, read_json(&body)?)?;
    Ok(HttpResponse::Created().json(org.store.get(&path, &id)))
}

async fn show(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    shown(&org, &path.0, &path.1)
}

async fn edit(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    org.store.update(&path.0, &path.1, read_json(&body)?)?;
    shown(&org, &path.0, &path.1)
}

async fn delete(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    org.store.delete(&path.0, &path.1)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn restore(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    org.store.undelete(&path.0, &path.1)?;
    shown(&org, &path.0, &path.1)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeBody {
    other: String,
}

async fn merge(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    let body: MergeBody = read_json(&body)?;
    org.store.merge(&path.0, &path.1, &[&body.other])?;
    shown(&org, &path.0, &path.1)
}

async fn convert(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    json_only(&request)?;
    if path.0 != "Lead" {
        return Err(Refusal::not_found());
    }
    let into = org.store.convert_lead(&path.1)?;
    Ok(HttpResponse::Ok().json(json!({
        "account": into.account, "contact": into.contact, "opportunity": into.opportunity,
    })))
}
