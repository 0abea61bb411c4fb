//! What only this vendor's sandbox has behind its own door ([`crate::door`]): "a human edits in the CRM".

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Refusal, read_id, read_kind};
use super::happening::By;
use super::kind::Kind;
use super::links::{Category, LinkType};
use super::objects::{Written, written};
use super::rules::Rule;
use super::{Portal, saved};
use crate::delivery::Deliveries;
use crate::door::{self, Closed, World, json_only, read};
use crate::faults::FaultBook;
use crate::stats::Stats;
use crate::{Clock, SandboxError};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(door::routes::<Portal>)
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

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        Self::new(closed.status, "VALIDATION_ERROR", closed.problem)
    }
}

impl World for Portal {
    type Wish = Wish;

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn deliveries(&self) -> &Deliveries {
        &self.webhooks.deliveries
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
        let count = |kind: Kind| {
            let (live, archived) = (self.store.count(kind), self.store.count_archived(kind));
            let counts = json!({"live": live, "archived": archived});
            (kind.plural().to_owned(), counts)
        };
        let records: Map<String, Value> = Kind::ALL.into_iter().map(count).collect();
        Map::from_iter([
            ("portal_id".to_owned(), self.store.portal_id().into()),
            ("records".to_owned(), records.into()),
        ])
    }

    fn grant(&self, wish: Wish) {
        if let Some(stamp) = wish.one_timestamp {
            let at = stamp.at_ms.unwrap_or_else(|| self.store.now());
            self.store.stamp_all(stamp.kind, at);
        }
    }

    fn set_lag(&self, lag: Option<Duration>) {
        let lag = lag.unwrap_or(self.limits.index_lag);
        self.store
            .set_lag(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX));
    }
}

/// Records that all changed at one moment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    one_timestamp: Option<OneTimestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneTimestamp {
    kind: Kind,
    at_ms: Option<i64>,
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
    let kind = read_kind(&path)?;
    let rules: Vec<Rule> = read(&request, &body)?;
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
    let kind = read_kind(&path)?;
    let body: RecordBody = read(&request, &body)?;
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
    let (kind, id) = place(&path)?;
    let body: RecordBody = read(&request, &body)?;
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
    let (kind, id) = place(&path)?;
    let body: MergeBody = read(&request, &body)?;
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
    let body: PairBody = read(&request, &body)?;
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
    let body: PairBody = read(&request, &body)?;
    let (from, to) = ((body.from.kind, body.from.id), (body.to.kind, body.to.id));
    portal.store.dissociate(from, to)?;
    Ok(HttpResponse::NoContent().finish())
}
