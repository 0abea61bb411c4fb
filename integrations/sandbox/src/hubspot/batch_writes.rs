//! Writing records a hundred at a time. Inputs are taken one by one; what fails is told in a 207 beside what was done, under the trace id the
//! caller gave it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::Portal;
use super::answer::{Refusal, read_id, read_kind};
use super::batch::{answer, check_unique, error_entry, inputs};
use super::gate::Caller;
use super::happening::By;
use super::kind::Kind;
use super::objects::{CreateInput, ObjectRef, Written, create_one, locate, written};
use super::refused::Refused;

/// A batch names each record once.
fn check_distinct(inputs: &[UpdateInput]) -> Result<(), Refusal> {
    let mut seen = std::collections::BTreeSet::new();
    let twice: Vec<&str> = inputs
        .iter()
        .map(|input| input.id.as_str())
        .filter(|id| !seen.insert(*id))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Refusal::validation(format!(
        "Duplicate IDs found in batch input: {twice:?}. IDs must be unique"
    )))
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
    check_distinct(&inputs)?;
    for input in &inputs {
        if upsert && input.id_property.is_none() {
            return Err(Refusal::validation("An upsert needs an idProperty"));
        }
        check_unique(portal, kind, input.id_property.as_deref())?;
    }
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
