//! Records one at a time: list, read, create, change, archive, merge.
//!
//! Refuses: pages above 100, writes the schema refuses, ids that are not live (unless `archived=true` asks for the others).

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::Value;

use super::Portal;
use super::answer::{Refusal, read_id, read_json, read_kind};
use super::gate::Caller;
use super::happening::By;
use super::inner::Inner;
use super::kind::Kind;
use super::links::{Category, LinkType};
use super::refused::Refused;
use super::shown::{Page, Shown, Wanted};
use super::{batch, batch_writes, search};
use crate::params::Params;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for base in [
        "/crm/objects/2026-09",
        "/crm/objects/2026-03",
        "/crm/v3/objects",
    ] {
        let kind = format!("{base}/{{kind}}");
        config
            .route(&kind, web::get().to(list))
            .route(&kind, web::post().to(create))
            .route(&format!("{kind}/search"), web::post().to(search::search))
            .route(&format!("{kind}/merge"), web::post().to(merge))
            .route(&format!("{kind}/gdpr-delete"), web::post().to(gdpr_delete))
            .route(&format!("{kind}/batch/read"), web::post().to(batch::read))
            .route(
                &format!("{kind}/batch/create"),
                web::post().to(batch_writes::create),
            )
            .route(
                &format!("{kind}/batch/update"),
                web::post().to(batch_writes::update),
            )
            .route(
                &format!("{kind}/batch/upsert"),
                web::post().to(batch_writes::upsert),
            )
            .route(
                &format!("{kind}/batch/archive"),
                web::post().to(batch_writes::archive),
            )
            .route(&format!("{kind}/{{id}}"), web::get().to(get))
            .route(&format!("{kind}/{{id}}"), web::patch().to(update))
            .route(&format!("{kind}/{{id}}"), web::delete().to(archive));
    }
}

/// Properties as a caller writes them: strings, though numbers and booleans are taken as well; null clears.
pub(crate) type Written = BTreeMap<String, Value>;

pub(crate) fn written(properties: Written) -> Result<Vec<(String, String)>, Refusal> {
    properties
        .into_iter()
        .map(|(name, value)| match value {
            Value::Null => Ok((name, String::new())),
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            Value::Bool(flag) => Ok((name, flag.to_string())),
            Value::Array(_) | Value::Object(_) => Err(Refusal::validation(format!(
                "Invalid input JSON: the value of {name} must be a string"
            ))),
        })
        .collect()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateInput {
    #[serde(default)]
    pub(crate) properties: Written,
    #[serde(default)]
    pub(crate) associations: Vec<CreateLink>,
    #[serde(default)]
    pub(crate) object_write_trace_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CreateLink {
    to: ObjectRef,
    types: Vec<TypeRef>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ObjectRef {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeRef {
    association_category: Category,
    association_type_id: u32,
}

impl TypeRef {
    pub(crate) fn link_type(&self) -> LinkType {
        LinkType {
            category: self.association_category,
            type_id: self.association_type_id,
        }
    }
}

/// Creates a record with its associations, or nothing at all.
pub(crate) fn create_one(
    portal: &Portal,
    kind: Kind,
    input: CreateInput,
) -> Result<(u64, Option<String>), Refusal> {
    let properties = written(input.properties)?;
    let mut links = Vec::new();
    {
        let inner = portal.store.read();
        for link in &input.associations {
            let to = read_id(&link.to.id)?;
            for type_ref in &link.types {
                let link_type = type_ref.link_type();
                let to_kind = Kind::ALL
                    .into_iter()
                    .find(|to_kind| inner.definition(kind, *to_kind, link_type).is_some())
                    .ok_or_else(|| {
                        Refusal::validation(format!(
                            "No association type {} exists from {}",
                            link_type.type_id,
                            kind.plural()
                        ))
                    })?;
                inner.live_id((to_kind, to)).map_err(|_| {
                    Refusal::validation(format!("No {} with id {to} exists", to_kind.singular()))
                })?;
                links.push((to_kind, to, link_type));
            }
        }
    }
    let by = By::App(portal.app().app_id);
    let id = portal.store.create_by(by, kind, &properties, true)?;
    for (to_kind, to, link_type) in links {
        portal
            .store
            .associate_by(by, (kind, id), (to_kind, to), &[link_type])?;
    }
    Ok((id, input.object_write_trace_id))
}

/// Finds a live record by id or by a unique property.
pub(crate) fn locate(
    inner: &Inner,
    kind: Kind,
    id: &str,
    id_property: Option<&str>,
) -> Result<u64, Refusal> {
    match id_property {
        None | Some("" | "hs_object_id") => {
            let id = read_id(id)?;
            Ok(inner.live_id((kind, id))?)
        }
        Some(name) => {
            if !inner.schema.get(kind, name).is_some_and(|p| p.unique) {
                return Err(Refusal::validation(format!(
                    "{name} is not a unique property of {}",
                    kind.plural()
                )));
            }
            inner
                .shelf(kind)
                .holder(name, id)
                .ok_or_else(Refusal::not_found)
        }
    }
}

/// Prints one live record.
pub(crate) fn show_one(
    portal: &Portal,
    kind: Kind,
    id: u64,
    status: StatusCode,
) -> Result<HttpResponse, Refusal> {
    let inner = portal.store.read();
    let record = inner
        .shelf(kind)
        .find(id)
        .ok_or(Refused::NotFound { kind, id })?;
    let names: Vec<&str> = record
        .properties
        .iter()
        .map(|(name, _)| name.as_ref())
        .collect();
    let wanted = Wanted::of(&inner, kind, names);
    Ok(HttpResponse::build(status).json(Shown::plain(record.view(kind), &wanted)))
}

fn kinds(names: &[&str]) -> Result<Vec<Kind>, Refusal> {
    names.iter().map(|name| read_kind(name)).collect()
}

async fn list(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.read(kind)?;
    let params = Params::of(&request);
    let limit = params.limit(10, 100)?;
    let from = params.after()?;
    let archived = params.flag("archived")?;
    let link_kinds = kinds(&params.list("associations"))?;
    let base = portal.url();
    let inner = portal.store.read();
    let wanted = Wanted::of(&inner, kind, params.list("properties"));
    let shelf = inner.shelf(kind);
    let records = if archived {
        &shelf.archived
    } else {
        &shelf.live
    };
    let mut found = records.range(from..);
    let results: Vec<Shown<'_>> = found
        .by_ref()
        .take(limit)
        .map(|(_, record)| Shown {
            links: (!link_kinds.is_empty()).then_some((
                &*inner,
                link_kinds.as_slice(),
                base.as_str(),
            )),
            ..Shown::plain(record.view(kind), &wanted)
        })
        .collect();
    let next = found.next().map(|(id, _)| {
        let after = id.to_string();
        let link = format!(
            "{}{}?{}",
            base,
            request.path().trim_start_matches('/'),
            params.next_query(&after)
        );
        (after, Some(link))
    });
    Ok(HttpResponse::Ok().json(Page {
        total: None,
        results,
        next,
    }))
}

async fn get(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (kind, id) = path.into_inner();
    let kind = read_kind(&kind)?;
    caller.read(kind)?;
    let params = Params::of(&request);
    let link_kinds = kinds(&params.list("associations"))?;
    let base = portal.url();
    let inner = portal.store.read();
    let wanted = Wanted::of(&inner, kind, params.list("properties"));
    let shelf = inner.shelf(kind);
    let record = if params.flag("archived")? {
        shelf.archived.get(&read_id(&id)?)
    } else {
        shelf.find(locate(&inner, kind, &id, params.get("idProperty"))?)
    };
    let record = record.ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Ok().json(Shown {
        links: (!link_kinds.is_empty()).then_some((&*inner, link_kinds.as_slice(), base.as_str())),
        ..Shown::plain(record.view(kind), &wanted)
    }))
}

async fn create(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.write(kind)?;
    let (id, _) = create_one(&portal, kind, read_json(&body)?)?;
    show_one(&portal, kind, id, StatusCode::CREATED)
}

#[derive(Debug, Deserialize)]
struct UpdateBody {
    properties: Written,
}

async fn update(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (kind, id) = path.into_inner();
    let kind = read_kind(&kind)?;
    caller.write(kind)?;
    let body: UpdateBody = read_json(&body)?;
    let properties = written(body.properties)?;
    let params = Params::of(&request);
    let id = locate(&portal.store.read(), kind, &id, params.get("idProperty"))?;
    let by = By::App(portal.app().app_id);
    portal.store.update_by(by, kind, id, &properties, true)?;
    show_one(&portal, kind, id, StatusCode::OK)
}

async fn archive(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let (kind, id) = path.into_inner();
    let kind = read_kind(&kind)?;
    caller.write(kind)?;
    let by = By::App(portal.app().app_id);
    // The vendor answers 204 for records that are gone already as well.
    match portal.store.archive_by(by, kind, read_id(&id)?) {
        Ok(()) | Err(Refused::NotFound { .. }) => Ok(HttpResponse::NoContent().finish()),
        Err(refused) => Err(refused.into()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MergeBody {
    primary_object_id: String,
    object_id_to_merge: String,
}

async fn merge(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.write(kind)?;
    let body: MergeBody = read_json(&body)?;
    let by = By::App(portal.app().app_id);
    let into = portal.store.merge_by(
        by,
        kind,
        read_id(&body.primary_object_id)?,
        read_id(&body.object_id_to_merge)?,
    )?;
    show_one(&portal, kind, into, StatusCode::OK)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ForgetBody {
    object_id: String,
    #[serde(default)]
    id_property: Option<String>,
}

async fn gdpr_delete(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.write(kind)?;
    if kind != Kind::Contacts {
        return Err(Refusal::not_found());
    }
    let body: ForgetBody = read_json(&body)?;
    let id = locate(
        &portal.store.read(),
        kind,
        &body.object_id,
        body.id_property.as_deref(),
    )?;
    portal
        .store
        .forget_by(By::App(portal.app().app_id), kind, id)?;
    Ok(HttpResponse::NoContent().finish())
}
