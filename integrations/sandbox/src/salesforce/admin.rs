//! What only this vendor's sandbox has behind its own door ([`crate::door`]): "a human edits in the CRM", rules.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::rules::Rules;
use super::{Org, saved};
use crate::delivery::Deliveries;
use crate::door::{self, Closed, World, json_only, read};
use crate::faults::FaultBook;
use crate::stats::Stats;
use crate::{Clock, SandboxError};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let record = "/__sandbox/records/{object}/{id}";
    config
        .configure(door::routes::<Org>)
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

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        Self::new(closed.status, "NOT_READ", closed.problem)
    }
}

impl World for Org {
    type Wish = Wish;

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
        let names: Vec<String> = self.store.read().tables.keys().cloned().collect();
        let count = |name: String| {
            let (live, deleted) = (self.store.count(&name), self.store.count_deleted(&name));
            (name, json!({"live": live, "deleted": deleted}))
        };
        let records: Map<String, Value> = names.into_iter().map(count).collect();
        let (used, max) = self.usage();
        Map::from_iter([
            ("org_id".to_owned(), self.org_id().into()),
            ("records".to_owned(), records.into()),
            ("usage".to_owned(), json!({"used": used, "max": max})),
        ])
    }

    fn grant(&self, wish: Wish) {
        if wish.empty_bin {
            self.store.empty_bin();
        }
        if let Some(stamp) = wish.one_timestamp {
            let at = stamp.at_ms.unwrap_or_else(|| self.clock.now_ms());
            self.store.stamp_all(&stamp.object, at);
        }
    }

    fn set_lag(&self, lag: Option<Duration>) {
        let lag = lag.unwrap_or(self.limits.visibility_lag);
        self.store
            .set_lag(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
    }
}

/// An empty bin, and records that all changed at one moment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    #[serde(default)]
    empty_bin: bool,
    one_timestamp: Option<OneTimestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneTimestamp {
    object: String,
    at_ms: Option<i64>,
}

async fn rules(org: web::Data<Org>) -> HttpResponse {
    HttpResponse::Ok().json(org.store.rules())
}

async fn set_rules(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let rules: Rules = read(&request, &body)?;
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
    let id = org.store.create(&path, read(&request, &body)?)?;
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
    let fields = read(&request, &body)?;
    org.store.update(&path.0, &path.1, fields)?;
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
    let body: MergeBody = read(&request, &body)?;
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
