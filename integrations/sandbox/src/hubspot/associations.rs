//! Associations over HTTP: batch read, the pages of one record, labels. Writing them is in `associating`.
//!
//! The dated endpoints print ids as strings, the v4 endpoints as numbers; both are the vendor's. A record without an association is no
//! result but an error entry in a 207.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Refusal, read_id, read_json, read_kind};
use super::associating::{self, may_write};
use super::gate::Caller;
use super::inner::Inner;
use super::kind::Kind;
use super::links::{Category, LinkType};
use super::objects::ObjectRef;
use crate::clock::instant;
use crate::params::Params;

/// How many associated records one answer holds per record.
const PAGE: usize = 500;
const MAX_READ: usize = 1000;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for base in [
        "/crm/associations/2026-09",
        "/crm/associations/2026-03",
        "/crm/v4/associations",
    ] {
        let pair = format!("{base}/{{from}}/{{to}}");
        config
            .route(&format!("{pair}/batch/read"), web::post().to(batch_read))
            .route(
                &format!("{pair}/batch/create"),
                web::post().to(associating::batch_create),
            )
            .route(
                &format!("{pair}/batch/archive"),
                web::post().to(associating::batch_archive),
            )
            .route(
                &format!("{pair}/batch/labels/archive"),
                web::post().to(associating::batch_labels_archive),
            )
            .route(
                &format!("{pair}/batch/associate/default"),
                web::post().to(associating::batch_default),
            )
            .route(&format!("{pair}/labels"), web::get().to(labels))
            .route(&format!("{pair}/labels"), web::post().to(create_label));
    }
    config.route(
        "/crm/v3/associations/{from}/{to}/batch/read",
        web::post().to(batch_read_v3),
    );
    config.route(
        "/crm/v3/associations/{from}/{to}/types",
        web::get().to(types_v3),
    );
    for base in [
        "/crm/objects/2026-09",
        "/crm/objects/2026-03",
        "/crm/v4/objects",
    ] {
        let of = format!("{base}/{{from}}/{{id}}/associations");
        config
            .route(
                &format!("{of}/default/{{to}}/{{to_id}}"),
                web::put().to(associating::put_default),
            )
            .route(
                &format!("{of}/{{to}}/{{to_id}}"),
                web::put().to(associating::put_types),
            )
            .route(
                &format!("{of}/{{to}}/{{to_id}}"),
                web::delete().to(associating::delete_pair),
            )
            .route(&format!("{of}/{{to}}"), web::get().to(page));
    }
}

pub(crate) fn pair(from: &str, to: &str) -> Result<(Kind, Kind), Refusal> {
    Ok((read_kind(from)?, read_kind(to)?))
}

fn may_read(caller: &Caller, from: Kind, to: Kind) -> Result<(), Refusal> {
    caller.read(from)?;
    caller.read(to)
}

fn type_entry(inner: &Inner, from: Kind, to: Kind, link_type: LinkType) -> Value {
    let label = inner
        .definition(from, to, link_type)
        .and_then(|d| d.label.clone());
    json!({"category": link_type.category, "typeId": link_type.type_id, "label": label})
}

/// The associated records behind `after`, at most a page, and the cursor of the next.
fn targets(
    inner: &Inner,
    from: (Kind, u64),
    to: Kind,
    after: u64,
    limit: usize,
    numbers: bool,
) -> (Vec<Value>, Option<u64>) {
    let mut grouped: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for link in inner.links.of(from.0, from.1, to, after) {
        if !inner.shelf(to).live.contains_key(&link.to) {
            continue;
        }
        if grouped.len() > limit && !grouped.contains_key(&link.to) {
            break;
        }
        grouped
            .entry(link.to)
            .or_default()
            .push(type_entry(inner, from.0, to, link.link_type));
    }
    let more = grouped.len() > limit;
    let shown: Vec<(u64, Vec<Value>)> = grouped.into_iter().take(limit).collect();
    let next = if more {
        shown.last().map(|(id, _)| *id)
    } else {
        None
    };
    let rows = shown
        .into_iter()
        .map(|(id, types)| {
            let id = if numbers {
                json!(id)
            } else {
                json!(id.to_string())
            };
            json!({"toObjectId": id, "associationTypes": types})
        })
        .collect();
    (rows, next)
}

pub(crate) fn batch_body(
    portal: &Portal,
    started: i64,
    results: &[Value],
    errors: &[Value],
    whole: StatusCode,
) -> HttpResponse {
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "startedAt": instant(started),
        "completedAt": instant(portal.store.now()),
    });
    let mut status = whole;
    if !errors.is_empty() {
        status = StatusCode::MULTI_STATUS;
        if let Some(object) = body.as_object_mut() {
            object.insert("numErrors".to_owned(), json!(errors.len()));
            object.insert("errors".to_owned(), json!(errors));
        }
    }
    HttpResponse::build(status).json(body)
}

#[derive(Debug, Deserialize)]
struct Batch<T> {
    inputs: Vec<T>,
}

pub(crate) fn inputs<T: for<'de> Deserialize<'de>>(
    body: &[u8],
    max: usize,
) -> Result<Vec<T>, Refusal> {
    let body: Batch<T> = read_json(body)?;
    if body.inputs.len() > max {
        return Err(Refusal::validation(format!(
            "The maximum number of inputs for this operation is {max}; the request had {}.",
            body.inputs.len()
        )));
    }
    Ok(body.inputs)
}

#[derive(Debug, Deserialize)]
struct ReadInput {
    id: String,
    #[serde(default)]
    after: Option<String>,
}

async fn batch_read(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_read(&caller, from, to)?;
    let inputs: Vec<ReadInput> = inputs(&body, MAX_READ)?;
    let numbers = request.path().starts_with("/crm/v4/");
    let started = portal.store.now();
    let base = portal.url();
    let inner = portal.store.read();
    inner.unlabelled(from, to)?;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in &inputs {
        let after = match input.after.as_deref() {
            None | Some("") => 0,
            Some(text) => text
                .parse()
                .map_err(|_| Refusal::validation(format!("after is not a valid cursor: {text}")))?,
        };
        let id = input.id.parse::<u64>().ok();
        let id = id.and_then(|id| inner.live_id((from, id)).ok());
        let (rows, next) = match id {
            Some(id) => targets(&inner, (from, id), to, after, PAGE, numbers),
            None => (Vec::new(), None),
        };
        if rows.is_empty() {
            errors.push(json!({
                "status": "error",
                "category": "OBJECT_NOT_FOUND",
                "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                "message": format!("No {} is associated with {} {}.", to.singular(), from.singular(), input.id),
                "context": {
                    "fromObjectId": [input.id],
                    "fromObjectType": [from.singular()],
                    "toObjectType": [to.singular()],
                },
                "errors": [],
                "links": {},
            }));
            continue;
        }
        let mut result = json!({"from": {"id": input.id}, "to": rows});
        if let (Some(next), Some(object)) = (next, result.as_object_mut()) {
            let link = format!(
                "{base}crm/v4/objects/{}/{}/associations/{}?after={next}",
                from.plural(),
                input.id,
                to.plural()
            );
            object.insert(
                "paging".to_owned(),
                json!({"next": {"after": next.to_string(), "link": link}}),
            );
        }
        results.push(result);
    }
    Ok(batch_body(
        &portal,
        started,
        &results,
        &errors,
        StatusCode::OK,
    ))
}

async fn batch_read_v3(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_read(&caller, from, to)?;
    let inputs: Vec<ObjectRef> = inputs(&body, MAX_READ)?;
    let started = portal.store.now();
    let inner = portal.store.read();
    let mut results = Vec::new();
    for input in &inputs {
        let from_id = read_id(&input.id)?;
        let rows: Vec<Value> = inner
            .links
            .of(from, from_id, to, 0)
            .filter(|link| inner.shelf(to).live.contains_key(&link.to))
            .take(100)
            .map(|link| {
                let name = inner
                    .definition(from, to, link.link_type)
                    .map(|d| d.name.clone());
                json!({"id": link.to.to_string(), "type": name})
            })
            .collect();
        if !rows.is_empty() {
            results.push(json!({"from": {"id": input.id}, "to": rows}));
        }
    }
    Ok(batch_body(&portal, started, &results, &[], StatusCode::OK))
}

async fn types_v3(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_read(&caller, from, to)?;
    let inner = portal.store.read();
    let rows: Vec<Value> = inner
        .definitions
        .iter()
        .filter(|d| d.from == from && d.to == to)
        .map(|d| json!({"id": d.link_type.type_id.to_string(), "name": d.name}))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": rows})))
}

async fn page(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, id, to) = path.into_inner();
    let (from, to) = pair(&from, &to)?;
    may_read(&caller, from, to)?;
    let params = Params::of(&request);
    let limit = params.limit(PAGE, PAGE)?;
    let after = params.after()?;
    let numbers = request.path().starts_with("/crm/v4/");
    let base = portal.url();
    let inner = portal.store.read();
    let id = inner.live_id((from, read_id(&id)?))?;
    let (rows, next) = targets(&inner, (from, id), to, after, limit, numbers);
    let mut body = json!({"results": rows});
    if let (Some(next), Some(object)) = (next, body.as_object_mut()) {
        let query = params.next_query(&next.to_string());
        let link = format!("{base}{}?{query}", request.path().trim_start_matches('/'));
        object.insert(
            "paging".to_owned(),
            json!({"next": {"after": next.to_string(), "link": link}}),
        );
    }
    Ok(HttpResponse::Ok().json(body))
}

async fn labels(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_read(&caller, from, to)?;
    let inner = portal.store.read();
    let rows: Vec<Value> = inner
        .definitions
        .iter()
        .filter(|d| d.from == from && d.to == to)
        .map(|d| type_entry(&inner, from, to, d.link_type))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": rows})))
}

#[derive(Debug, Deserialize)]
struct LabelBody {
    label: String,
}

async fn create_label(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_write(&caller, from, to)?;
    let body: LabelBody = read_json(&body)?;
    let link_type = portal.store.add_label(from, to, &body.label);
    let inner = portal.store.read();
    let inverse = inner.definition(from, to, link_type).map(|d| d.inverse);
    let mut rows = vec![type_entry(&inner, from, to, link_type)];
    if let Some(inverse) = inverse.filter(|i| i.category == Category::UserDefined) {
        rows.push(type_entry(&inner, to, from, inverse));
    }
    Ok(HttpResponse::Ok().json(json!({"results": rows})))
}
