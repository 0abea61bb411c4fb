//! Records a hundred at a time: reading, and what all batches share. Writing is in `batch_writes`. A batch in which some inputs fail answers 207 with `errors` beside `results`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Refusal, read_id, read_json, read_kind};
use super::gate::Caller;
use super::kind::Kind;
use super::objects::{ObjectRef, locate};
use super::shown::{Shown, Wanted};
use crate::clock::instant;

const MAX: usize = 100;

#[derive(Debug, Deserialize)]
struct Inputs<T> {
    inputs: Vec<T>,
}

pub(crate) fn inputs<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<Vec<T>, Refusal> {
    let body: Inputs<T> = read_json(body)?;
    check_size(body.inputs.len())?;
    Ok(body.inputs)
}

fn check_size(len: usize) -> Result<(), Refusal> {
    if len > MAX {
        return Err(Refusal::validation(format!(
            "The maximum number of inputs supported in a batch request for this operation is {MAX}. The request had {len} inputs"
        )));
    }
    Ok(())
}

/// A record is named by its id or by a property whose values are unique.
pub(crate) fn check_unique(portal: &Portal, kind: Kind, name: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = name.filter(|name| !matches!(*name, "" | "hs_object_id")) else {
        return Ok(());
    };
    if portal
        .store
        .read()
        .schema
        .get(kind, name)
        .is_some_and(|property| property.unique)
    {
        return Ok(());
    }
    Err(Refusal::validation(format!(
        "Unable to read or write {} by non-unique property {name}",
        kind.plural()
    )))
}

/// One result to print: id, newly created, trace id.
pub(crate) type Done = (u64, Option<bool>, Option<String>);

/// An entry of `errors`, without the fields only a whole answer has.
pub(crate) fn error_entry(refusal: &Refusal, context: Value) -> Value {
    let body = refusal.body();
    json!({
        "status": "error",
        "category": body.get("category"),
        "message": body.get("message"),
        "context": context,
        "errors": body.get("errors").cloned().unwrap_or_else(|| json!([])),
        "links": {},
    })
}

pub(crate) fn answer(
    portal: &Portal,
    kind: Kind,
    started: i64,
    done: &[Done],
    errors: &[Value],
    asked: Option<&[String]>,
    whole: StatusCode,
) -> HttpResponse {
    let inner = portal.store.read();
    let mut results = Vec::with_capacity(done.len());
    let shared = asked.map(|names| Wanted::of(&inner, kind, names.iter().map(String::as_str)));
    let records: Vec<_> = done
        .iter()
        .filter_map(|done| inner.shelf(kind).find(done.0).map(|record| (done, record)))
        .collect();
    let wanted: Vec<Arc<Wanted>> = match shared {
        Some(wanted) => {
            let wanted = Arc::new(wanted);
            records.iter().map(|_| Arc::clone(&wanted)).collect()
        }
        None => records
            .iter()
            .map(|(_, record)| {
                let names = record.properties.iter().map(|(name, _)| name.as_ref());
                Arc::new(Wanted::of(&inner, kind, names))
            })
            .collect(),
    };
    for (((_, new, trace), record), wanted) in records.iter().zip(&wanted) {
        results.push(Shown {
            new: *new,
            trace: trace.as_deref(),
            ..Shown::plain(record.view(kind), wanted)
        });
    }
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "startedAt": instant(started),
        "completedAt": instant(portal.store.now()),
    });
    let status = if errors.is_empty() {
        whole
    } else {
        if let Some(object) = body.as_object_mut() {
            object.insert("numErrors".to_owned(), json!(errors.len()));
            object.insert("errors".to_owned(), json!(errors));
        }
        StatusCode::MULTI_STATUS
    };
    HttpResponse::build(status).json(body)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadBody {
    inputs: Vec<ObjectRef>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    id_property: Option<String>,
}

pub(crate) async fn read(
    portal: web::Data<Portal>,
    request: actix_web::HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.read(kind)?;
    let body: ReadBody = read_json(&body)?;
    check_size(body.inputs.len())?;
    check_unique(&portal, kind, body.id_property.as_deref())?;
    let started = portal.store.now();
    if crate::params::Params::of(&request).flag("archived")? {
        return read_archived(&portal, kind, started, &body);
    }
    let (mut done, mut missing): (Vec<Done>, Vec<&str>) = (Vec::new(), Vec::new());
    {
        let inner = portal.store.read();
        for input in &body.inputs {
            match locate(&inner, kind, &input.id, body.id_property.as_deref()) {
                // Two inputs that became one record by a merge are answered once.
                Ok(id) if done.iter().all(|(known, ..)| *known != id) => {
                    done.push((id, None, None));
                }
                Ok(_) => {}
                Err(_) => missing.push(&input.id),
            }
        }
    }
    let errors = missing_errors(kind, &missing);
    Ok(answer(
        &portal,
        kind,
        started,
        &done,
        &errors,
        Some(&body.properties),
        StatusCode::OK,
    ))
}

fn missing_errors(kind: Kind, missing: &[&str]) -> Vec<Value> {
    if missing.is_empty() {
        return Vec::new();
    }
    vec![json!({
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": format!(
            "Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.",
            kind.plural().to_uppercase()
        ),
        "context": {"ids": missing},
        "errors": [],
        "links": {},
    })]
}

fn read_archived(
    portal: &Portal,
    kind: Kind,
    started: i64,
    body: &ReadBody,
) -> Result<HttpResponse, Refusal> {
    let inner = portal.store.read();
    let wanted = Wanted::of(&inner, kind, body.properties.iter().map(String::as_str));
    let mut results = Vec::new();
    let mut missing = Vec::new();
    for input in &body.inputs {
        match inner.shelf(kind).archived.get(&read_id(&input.id)?) {
            Some(record) => results.push(Shown::plain(record.view(kind), &wanted)),
            None => missing.push(input.id.as_str()),
        }
    }
    let errors = missing_errors(kind, &missing);
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "startedAt": instant(started),
        "completedAt": instant(portal.store.now()),
    });
    if errors.is_empty() {
        return Ok(HttpResponse::Ok().json(body));
    }
    if let Some(object) = body.as_object_mut() {
        object.insert("numErrors".to_owned(), json!(errors.len()));
        object.insert("errors".to_owned(), json!(errors));
    }
    Ok(HttpResponse::MultiStatus().json(body))
}
