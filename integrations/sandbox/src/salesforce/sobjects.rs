//! Single records: create, read, change, upsert, delete, and what was deleted.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Org;
use super::answer::{Refusal, json_text, read_json};
use super::describe::outline;
use super::gate::Version;
use super::held::{instant, read_instant};
use super::inner::BIN_MS;
use super::refused::SalesforceRefused as Refused;
use super::schema::Object;
use super::transaction::By;
use super::writes::{Allowed, external_field};
use super::{held::Held, id, shown};
use crate::params::Params;

const MINUTE: i64 = 60_000;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for (path, route) in [
        ("/{object}", web::get().to(about)),
        ("/{object}/", web::get().to(about)),
        ("/{object}", web::post().to(create)),
        ("/{object}/", web::post().to(create)),
        ("/{object}/deleted", web::get().to(deleted)),
        ("/{object}/deleted/", web::get().to(deleted)),
        ("/{object}/{id}", web::get().to(read)),
        ("/{object}/{id}", web::patch().to(update)),
        ("/{object}/{id}", web::delete().to(delete)),
        ("/{object}/{field}/{value}", web::get().to(read_external)),
        ("/{object}/{field}/{value}", web::patch().to(upsert)),
        (
            "/{object}/{field}/{value}",
            web::delete().to(delete_external),
        ),
    ] {
        config.route(
            &format!("/services/data/v{{version}}/sobjects{path}"),
            route,
        );
    }
}

/// Whether the caller saves duplicates that an alerting rule finds.
pub(crate) fn allowed(request: &HttpRequest) -> Allowed {
    let header = request.headers().get("sforce-duplicate-rule-header");
    let text = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    Allowed {
        duplicates: parts.any(|part| part.replace(' ', "").eq_ignore_ascii_case("allowSave=true")),
    }
}

fn described(org: &Org, name: &str) -> Result<Object, Refusal> {
    let found = org.store.read().schema.object(name).cloned();
    found.ok_or_else(Refusal::not_found)
}

async fn about(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let object = described(&org, &path.1)?;
    let outline = outline(&object, &version.0);
    Ok(HttpResponse::Ok().json(json!({"objectDescribe": outline, "recentItems": []})))
}

async fn create(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let object = described(&org, &path.1)?;
    let fields: Map<String, Value> = read_json(&body)?;
    let id = org.store.change(By::App, |transaction| {
        transaction.create(&object.name, &fields, allowed(&request))
    })?;
    Ok(HttpResponse::Created().json(json!({"id": id, "success": true, "errors": []})))
}

/// A record and the fields that were asked for.
fn show(
    org: &Org,
    version: &str,
    object: &Object,
    id: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let inner = org.store.read();
    let record = inner
        .record(&object.name, id)
        .ok_or_else(Refusal::not_found)?;
    if record.deleted_at.is_some() {
        return Err(Refused::deleted().into());
    }
    let asked = Params::of(request);
    let mut names = Vec::new();
    for name in asked.list("fields") {
        let field = object
            .field(name)
            .ok_or_else(|| Refused::no_such_column(name, &object.name))?;
        names.push(field.name.clone());
    }
    if asked.get("fields").is_none() {
        names = object
            .fields
            .iter()
            .map(|field| field.name.clone())
            .collect();
    }
    Ok(json_text(shown::fields(
        version,
        &object.name,
        record,
        &names,
    )))
}

/// Reads an id in a path; what is none is told as the vendor tells it.
fn read_id(object: &Object, text: &str) -> Result<String, Refusal> {
    let id = id::parse(text).ok_or_else(Refusal::not_found)?;
    if id.starts_with(&object.prefix) {
        return Ok(id);
    }
    Err(Refusal::not_found())
}

async fn read(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let object = described(&org, &path.1)?;
    let id = read_id(&object, &path.2)?;
    show(&org, &version.0, &object, &id, &request)
}

async fn update(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let object = described(&org, &path.1)?;
    let id = read_id(&object, &path.2)?;
    let fields: Map<String, Value> = read_json(&body)?;
    org.store
        .change(By::App, |transaction| {
            transaction.update(&object.name, &id, &fields, allowed(&request))
        })
        .map_err(missing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// A record that is not there is a missing page here, and a bad reference only among several.
fn missing(refused: Refused) -> Refusal {
    if refused.code == "INVALID_CROSS_REFERENCE_KEY" && refused.fields.is_empty() {
        return Refusal::not_found();
    }
    refused.into()
}

async fn delete(
    org: web::Data<Org>,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Refusal> {
    let object = described(&org, &path.1)?;
    let id = read_id(&object, &path.2)?;
    org.store
        .change(By::App, |transaction| transaction.delete(&object.name, &id))
        .map_err(missing)?;
    Ok(HttpResponse::NoContent().finish())
}

/// The object and the ids of the records with an external id.
fn find(
    org: &Org,
    path: &(String, String, String, String),
) -> Result<(Object, Vec<String>), Refusal> {
    let object = described(org, &path.1)?;
    let unknown = || {
        let message = format!(
            "Provided external ID field does not exist or is not accessible: {}",
            path.2
        );
        Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    };
    let field = external_field(&object, &path.2).map_err(|_| unknown())?;
    let held = Held::read(field, &Value::from(path.3.as_str()))?.ok_or_else(Refusal::not_found)?;
    let found = org
        .store
        .read()
        .find_external(&object.name, &field.name, &held);
    Ok((object, found))
}

/// The answer when an external id names no record, or several: then their addresses, with status 300.
fn not_one(version: &str, object: &Object, found: &[String]) -> HttpResponse {
    if found.is_empty() {
        return Refusal::not_found().response();
    }
    let name = &object.name;
    let urls: Vec<String> = found
        .iter()
        .map(|id| format!("/services/data/v{version}/sobjects/{name}/{id}"))
        .collect();
    HttpResponse::MultipleChoices().json(urls)
}

async fn read_external(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String, String, String)>,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let (object, found) = find(&org, &path)?;
    match found.as_slice() {
        [id] => show(&org, &version.0, &object, id, &request),
        _ => Ok(not_one(&version.0, &object, &found)),
    }
}

async fn delete_external(
    org: web::Data<Org>,
    path: web::Path<(String, String, String, String)>,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let (object, found) = find(&org, &path)?;
    match found.as_slice() {
        [id] => {
            org.store
                .change(By::App, |transaction| transaction.delete(&object.name, id))?;
            Ok(HttpResponse::NoContent().finish())
        }
        _ => Ok(not_one(&version.0, &object, &found)),
    }
}

async fn upsert(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String, String, String)>,
    body: web::Bytes,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let (object, found) = find(&org, &path)?;
    if found.len() > 1 {
        return Ok(not_one(&version.0, &object, &found));
    }
    let fields: Map<String, Value> = read_json(&body)?;
    if fields.keys().any(|name| name.eq_ignore_ascii_case(&path.2)) {
        let message = format!(
            "The {} field should not be specified in the sobject data.",
            path.2
        );
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID_FIELD",
            message,
        ));
    }
    let value = Value::from(path.3.as_str());
    let (id, created) = org.store.change(By::App, |transaction| {
        transaction.upsert(&object.name, &path.2, &value, &fields, allowed(&request))
    })?;
    let body = json!({"id": id, "success": true, "errors": [], "created": created});
    Ok(if created {
        HttpResponse::Created().json(body)
    } else {
        HttpResponse::Ok().json(body)
    })
}

/// Reads one end of a span of time; its seconds are ignored.
fn minute(params: &Params, name: &str) -> Result<i64, Refusal> {
    let text = params.get(name).unwrap_or_default();
    let at = read_instant(text).ok_or_else(|| {
        let message = format!("{name} must be a date and time, not '{text}'");
        Refusal::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", message)
    })?;
    Ok(at - at.rem_euclid(MINUTE))
}

async fn deleted(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    let object = described(&org, &path.1)?;
    if !object.replicateable {
        let message = format!("entity type {} does not support getDeleted", object.name);
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID_TYPE_FOR_OPERATION",
            message,
        ));
    }
    let params = Params::of(&request);
    let (start, end) = (minute(&params, "start")?, minute(&params, "end")?);
    let now = org.clock.now_ms();
    let replication =
        |message: &str| Refusal::new(StatusCode::BAD_REQUEST, "INVALID_REPLICATION_DATE", message);
    if end <= start {
        return Err(replication(
            "endDate must be at least one minute greater than startDate",
        ));
    }
    if start > now {
        return Err(replication("startDate cannot be in the future"));
    }
    let inner = org.store.read();
    let earliest = inner.log_from.max(now - BIN_MS);
    let covered = end.min(now - now.rem_euclid(MINUTE));
    let gone: Vec<Value> = inner
        .deletions
        .iter()
        .filter(|gone| gone.object == object.name && gone.at >= earliest)
        .filter(|gone| (start..covered).contains(&gone.at))
        .map(|gone| json!({"id": gone.id, "deletedDate": instant(gone.at)}))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "deletedRecords": gone,
        "earliestDateAvailable": instant(earliest),
        "latestDateCovered": instant(covered),
    })))
}
