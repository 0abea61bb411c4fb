//! Records a hundred at a time. A batch in which some inputs fail answers 207 with `errors` beside `results`.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Refusal, read_id, read_json, read_kind};
use super::gate::Caller;
use super::happening::By;
use super::kind::Kind;
use super::objects::{CreateInput, ObjectRef, Written, create_one, locate, written};
use super::refused::Refused;
use super::shown::{Shown, Wanted};
use crate::clock::instant;

const MAX: usize = 100;

#[derive(Debug, Deserialize)]
struct Inputs<T> {
    inputs: Vec<T>,
}

fn inputs<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<Vec<T>, Refusal> {
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

/// One result to print: id, newly created, trace id.
type Done = (u64, Option<bool>, Option<String>);

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

fn answer(
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
    let started = portal.store.now();
    if super::answer::Params::of(&request).flag("archived")? {
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

pub(crate) async fn create(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.write(kind)?;
    let inputs: Vec<CreateInput> = inputs(&body)?;
    let started = portal.store.now();
    let mut done = Vec::new();
    let mut errors = Vec::new();
    for input in inputs {
        let trace = input.object_write_trace_id.clone();
        match create_one(&portal, kind, input) {
            Ok((id, trace)) => done.push((id, None, trace)),
            // Only the first clash is told, and the others are not tried: a client must read the id out of the text.
            Err(refusal) if trace.is_none() && done.is_empty() => return Err(refusal),
            Err(refusal) => errors.push(error_entry(
                &refusal,
                json!({"objectWriteTraceId": [trace]}),
            )),
        }
    }
    Ok(answer(
        &portal,
        kind,
        started,
        &done,
        &errors,
        None,
        StatusCode::CREATED,
    ))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateInput {
    id: String,
    #[serde(default)]
    id_property: Option<String>,
    properties: Written,
    #[serde(default)]
    object_write_trace_id: Option<String>,
}

pub(crate) async fn update(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    write(&portal, &path, &body, &caller, false)
}

pub(crate) async fn upsert(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    write(&portal, &path, &body, &caller, true)
}

fn write(
    portal: &Portal,
    path: &str,
    body: &[u8],
    caller: &Caller,
    upsert: bool,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(path)?;
    caller.write(kind)?;
    let inputs: Vec<UpdateInput> = inputs(body)?;
    let started = portal.store.now();
    let mut done = Vec::new();
    let mut errors = Vec::new();
    for input in inputs {
        let (id, trace) = (input.id.clone(), input.object_write_trace_id.clone());
        match write_one(portal, kind, input, upsert) {
            Ok((id, new)) => done.push((id, upsert.then_some(new), trace)),
            Err(refusal) => {
                let mut context = json!({"ids": [id]});
                if let (Some(trace), Some(object)) = (trace, context.as_object_mut()) {
                    object.insert("objectWriteTraceId".to_owned(), json!([trace]));
                }
                errors.push(error_entry(&refusal, context));
            }
        }
    }
    Ok(answer(
        portal,
        kind,
        started,
        &done,
        &errors,
        None,
        StatusCode::OK,
    ))
}

fn write_one(
    portal: &Portal,
    kind: Kind,
    input: UpdateInput,
    upsert: bool,
) -> Result<(u64, bool), Refusal> {
    let mut properties = written(input.properties)?;
    let by = By::App(portal.app().app_id);
    let id_property = input.id_property.as_deref();
    let found = locate(&portal.store.read(), kind, &input.id, id_property);
    match (found, id_property) {
        (Ok(id), _) => {
            portal.store.update_by(by, kind, id, &properties, true)?;
            Ok((id, false))
        }
        (Err(_), Some(name))
            if upsert
                && portal
                    .store
                    .read()
                    .schema
                    .get(kind, name)
                    .is_some_and(|p| p.unique) =>
        {
            if properties.iter().all(|(known, _)| known != name) {
                properties.push((name.to_owned(), input.id.clone()));
            }
            let id = portal.store.create_by(by, kind, &properties, true)?;
            Ok((id, true))
        }
        (Err(refusal), _) => Err(refusal),
    }
}

pub(crate) async fn archive(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.write(kind)?;
    let inputs: Vec<ObjectRef> = inputs(&body)?;
    let by = By::App(portal.app().app_id);
    for input in inputs {
        match portal.store.archive_by(by, kind, read_id(&input.id)?) {
            Ok(()) | Err(Refused::NotFound { .. }) => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Ok(HttpResponse::NoContent().finish())
}
