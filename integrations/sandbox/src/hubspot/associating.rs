//! Writing associations over HTTP: create with types or the default, archive whole pairs or single labels.
//!
//! Inputs are taken one by one; what fails is told in a 207 beside what was done.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Refusal, read_id, read_json};
use super::associations::{batch_body, inputs, pair};
use super::batch::error_entry;
use super::gate::Caller;
use super::happening::By;
use super::kind::Kind;
use super::links::LinkType;
use super::objects::{ObjectRef, TypeRef};

const MAX_WRITE: usize = 2000;

pub(crate) fn may_write(caller: &Caller, from: Kind, to: Kind) -> Result<(), Refusal> {
    caller.write(from)?;
    caller.write(to)
}

#[derive(Debug, Deserialize)]
struct CreateInput {
    from: ObjectRef,
    to: ObjectRef,
    #[serde(default)]
    types: Vec<TypeRef>,
}

pub(crate) async fn batch_create(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    create_all(&portal, &path, &body, &caller, false)
}

pub(crate) async fn batch_default(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    create_all(&portal, &path, &body, &caller, true)
}

fn create_all(
    portal: &Portal,
    path: &(String, String),
    body: &[u8],
    caller: &Caller,
    default: bool,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_write(caller, from, to)?;
    let inputs: Vec<CreateInput> = inputs(body, MAX_WRITE)?;
    let started = portal.store.now();
    let plain = portal.store.read().unlabelled(from, to)?;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in &inputs {
        let types: Vec<LinkType> = if default {
            vec![plain]
        } else {
            input.types.iter().map(TypeRef::link_type).collect()
        };
        match associate(portal, (from, &input.from.id), (to, &input.to.id), &types) {
            Ok(()) if default => results.push(json!({
                "from": {"id": input.from.id},
                "to": {"id": input.to.id},
                "associationSpec": {"associationCategory": plain.category, "associationTypeId": plain.type_id},
            })),
            Ok(()) => results.push(pair_entry(portal, (from, &input.from.id), (to, &input.to.id), &types)),
            Err(refusal) => errors.push(error_entry(
                &refusal,
                json!({"fromObjectId": [input.from.id], "toObjectId": [input.to.id]}),
            )),
        }
    }
    let whole = if default {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(batch_body(portal, started, &results, &errors, whole))
}

fn associate(
    portal: &Portal,
    from: (Kind, &str),
    to: (Kind, &str),
    types: &[LinkType],
) -> Result<(), Refusal> {
    let from = (from.0, read_id(from.1)?);
    let to = (to.0, read_id(to.1)?);
    let by = By::App(portal.app().app_id);
    Ok(portal.store.associate_by(by, from, to, types)?)
}

fn pair_entry(portal: &Portal, from: (Kind, &str), to: (Kind, &str), types: &[LinkType]) -> Value {
    let inner = portal.store.read();
    let labels: Vec<String> = types
        .iter()
        .filter_map(|t| inner.definition(from.0, to.0, *t)?.label.clone())
        .collect();
    json!({
        "fromObjectTypeId": from.0.type_id(),
        "fromObjectId": from.1,
        "toObjectTypeId": to.0.type_id(),
        "toObjectId": to.1,
        "labels": labels,
    })
}

#[derive(Debug, Deserialize)]
struct ArchiveInput {
    from: ObjectRef,
    to: Vec<ObjectRef>,
}

pub(crate) async fn batch_archive(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_write(&caller, from, to)?;
    let by = By::App(portal.app().app_id);
    for input in inputs::<ArchiveInput>(&body, MAX_WRITE)? {
        for target in &input.to {
            portal.store.dissociate_by(
                by,
                (from, read_id(&input.from.id)?),
                (to, read_id(&target.id)?),
                None,
            )?;
        }
    }
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn batch_labels_archive(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, to) = pair(&path.0, &path.1)?;
    may_write(&caller, from, to)?;
    let by = By::App(portal.app().app_id);
    for input in inputs::<CreateInput>(&body, MAX_WRITE)? {
        let types: Vec<LinkType> = input.types.iter().map(TypeRef::link_type).collect();
        portal.store.dissociate_by(
            by,
            (from, read_id(&input.from.id)?),
            (to, read_id(&input.to.id)?),
            Some(&types),
        )?;
    }
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) type PairPath = web::Path<(String, String, String, String)>;

pub(crate) async fn put_default(
    portal: web::Data<Portal>,
    path: PairPath,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, id, to, to_id) = path.into_inner();
    let (from, to) = pair(&from, &to)?;
    may_write(&caller, from, to)?;
    let plain = portal.store.read().unlabelled(from, to)?;
    associate(&portal, (from, &id), (to, &to_id), &[plain])?;
    let now = portal.store.now();
    let row = json!({
        "from": {"id": id},
        "to": {"id": to_id},
        "associationSpec": {"associationCategory": plain.category, "associationTypeId": plain.type_id},
    });
    Ok(batch_body(&portal, now, &[row], &[], StatusCode::OK))
}

pub(crate) async fn put_types(
    portal: web::Data<Portal>,
    path: PairPath,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, id, to, to_id) = path.into_inner();
    let (from, to) = pair(&from, &to)?;
    may_write(&caller, from, to)?;
    let types: Vec<TypeRef> = read_json(&body)?;
    let types: Vec<LinkType> = types.iter().map(TypeRef::link_type).collect();
    associate(&portal, (from, &id), (to, &to_id), &types)?;
    Ok(HttpResponse::Created().json(pair_entry(&portal, (from, &id), (to, &to_id), &types)))
}

pub(crate) async fn delete_pair(
    portal: web::Data<Portal>,
    path: PairPath,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (from, id, to, to_id) = path.into_inner();
    let (from, to) = pair(&from, &to)?;
    may_write(&caller, from, to)?;
    let by = By::App(portal.app().app_id);
    portal
        .store
        .dissociate_by(by, (from, read_id(&id)?), (to, read_id(&to_id)?), None)?;
    Ok(HttpResponse::NoContent().finish())
}
