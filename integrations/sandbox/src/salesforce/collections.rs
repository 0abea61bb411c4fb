//! Several records in one request, each with its own result, in the order they were sent.
//!
//! Invariant: with `allOrNone` either every record is written or none; without it, a refused record does not stop the others. A request
//! that cannot be read writes nothing.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Org;
use super::answer::{Refusal, json_text, per_record, read_json};
use super::gate::Version;
use super::id;
use super::refused::SalesforceRefused as Refused;
use super::shown;
use super::sobjects::allowed;
use super::transaction::{By, Transaction};
use super::writes::external_field;
use crate::params::Params;

/// Records in a request.
const MOST: usize = 200;
/// Records that can be read in a request.
const MOST_READ: usize = 2000;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let base = "/services/data/v{version}/composite/sobjects";
    config
        .route(base, web::post().to(create))
        .route(base, web::patch().to(update))
        .route(base, web::delete().to(delete))
        .route(&format!("{base}/"), web::post().to(create))
        .route(&format!("{base}/{{object}}"), web::post().to(retrieve))
        .route(
            &format!("{base}/{{object}}/{{field}}"),
            web::patch().to(upsert),
        );
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    all_or_none: bool,
    records: Vec<Map<String, Value>>,
}

fn few(count: usize, most: usize) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    let message =
        format!("record limit reached. cannot submit more than {most} records into this request");
    Err(Refusal::new(
        StatusCode::BAD_REQUEST,
        "LIMIT_EXCEEDED",
        message,
    ))
}

fn read(body: &[u8]) -> Result<Body, Refusal> {
    let body: Body = read_json(body)?;
    few(body.records.len(), MOST)?;
    Ok(body)
}

/// The object a record says it is of.
fn object_of(record: &Map<String, Value>) -> Result<String, Refused> {
    let named = record
        .get("attributes")
        .and_then(|attributes| attributes.get("type"));
    let name = named.and_then(Value::as_str).map(str::to_owned);
    name.ok_or_else(|| {
        Refused::unreadable(
            "INVALID_INPUT",
            "attributes.type must be specified for every record",
        )
    })
}

/// What one record answers when it is written.
type Written = Result<Value, Refused>;

/// Writes each item, and undoes what must not stay.
fn each<T>(
    org: &Org,
    all_or_none: bool,
    items: &[T],
    mut write: impl FnMut(&mut Transaction<'_>, &T) -> Written,
) -> Result<HttpResponse, Refusal> {
    let mut transaction = org.store.begin(By::App);
    let start = transaction.savepoint();
    let mut results: Vec<Written> = Vec::with_capacity(items.len());
    for item in items {
        let before = transaction.savepoint();
        let result = write(&mut transaction, item);
        if let Err(refused) = &result {
            if refused.whole {
                return Err(refused.clone().into());
            }
            transaction.roll_back(before);
        }
        results.push(result);
    }
    if all_or_none && results.iter().any(Result::is_err) {
        transaction.roll_back(start);
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(Refused::new(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using AllOrNone header",
            ));
        }
    }
    transaction.commit();
    let shown: Vec<Value> = results
        .iter()
        .map(|result| match result {
            Ok(value) => value.clone(),
            Err(refused) => per_record(refused),
        })
        .collect();
    Ok(HttpResponse::Ok().json(shown))
}

fn done(id: &str) -> Value {
    json!({"id": id, "success": true, "errors": []})
}

async fn create(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let body = read(&body)?;
    let allowed = allowed(&request);
    each(
        &org,
        body.all_or_none,
        &body.records,
        |transaction, record| {
            let object = object_of(record)?;
            transaction
                .create(&object, record, allowed)
                .map(|id| done(&id))
        },
    )
}

/// The id of a record to change, given as a field.
fn id_of(record: &Map<String, Value>) -> Result<String, Refused> {
    let given = record
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("id"))
        .and_then(|(_, value)| value.as_str())
        .ok_or_else(|| {
            Refused::new("MISSING_ARGUMENT", "Id not specified in an update call").on("Id")
        })?;
    id::parse(given).ok_or_else(|| {
        Refused::new(
            "MALFORMED_ID",
            format!("Record ID: id value of incorrect type: {given}"),
        )
        .on("Id")
    })
}

/// A record cannot come twice in a request.
fn once(seen: &mut BTreeSet<String>, key: &str, what: &str) -> Result<(), Refused> {
    if seen.insert(key.to_owned()) {
        return Ok(());
    }
    Err(Refused::new(
        "DUPLICATE_VALUE",
        format!("Duplicate {what} specified: {key}"),
    ))
}

async fn update(
    org: web::Data<Org>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let body = read(&body)?;
    let allowed = allowed(&request);
    let mut seen = BTreeSet::new();
    each(
        &org,
        body.all_or_none,
        &body.records,
        |transaction, record| {
            let object = object_of(record)?;
            let id = id_of(record)?;
            once(&mut seen, &id, "id")?;
            let mut fields = record.clone();
            fields.retain(|name, _| !name.eq_ignore_ascii_case("id"));
            transaction.update(&object, &id, &fields, allowed)?;
            Ok(done(&id))
        },
    )
}

async fn delete(org: web::Data<Org>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let params = Params::of(&request);
    let ids: Vec<String> = params.list("ids").into_iter().map(str::to_owned).collect();
    few(ids.len(), MOST)?;
    let all_or_none = params.flag("allOrNone")?;
    each(&org, all_or_none, &ids, |transaction, given| {
        let malformed = || Refused::new("MALFORMED_ID", format!("malformed id {given}"));
        let id = id::parse(given).ok_or_else(malformed)?;
        let object = transaction
            .inner
            .schema
            .of_id(&id)
            .map(|object| object.name.clone())
            .ok_or_else(malformed)?;
        transaction.delete(&object, &id)?;
        Ok(done(&id))
    })
}

async fn upsert(
    org: web::Data<Org>,
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let body = read(&body)?;
    let (_, object, field) = path.into_inner();
    let described = org.store.read().schema.object(&object).cloned();
    let described = described.ok_or_else(Refusal::not_found)?;
    let key = external_field(&described, &field)?.name.clone();
    let allowed = allowed(&request);
    let mut seen = BTreeSet::new();
    each(
        &org,
        body.all_or_none,
        &body.records,
        |transaction, record| {
            let named = object_of(record)?;
            if !named.eq_ignore_ascii_case(&described.name) {
                let message = format!("record of type {named} in a request for {}", described.name);
                return Err(Refused::unreadable("INVALID_INPUT", message));
            }
            let mut fields = record.clone();
            let given = fields
                .keys()
                .find(|name| name.eq_ignore_ascii_case(&key))
                .cloned();
            let value = given
                .and_then(|name| fields.remove(&name))
                .unwrap_or(Value::Null);
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            once(&mut seen, &shown.to_lowercase(), "external id")?;
            let (id, created) =
                transaction.upsert(&described.name, &key, &value, &fields, allowed)?;
            Ok(json!({"id": id, "success": true, "errors": [], "created": created}))
        },
    )
}

#[derive(Debug, Deserialize)]
struct Wanted {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// Several records by id; what is not there is null in its place.
async fn retrieve(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let wanted: Wanted = read_json(&body)?;
    few(wanted.ids.len(), MOST_READ)?;
    let inner = org.store.read();
    let object = inner
        .schema
        .object(&path.1)
        .ok_or_else(Refusal::not_found)?;
    let mut names = Vec::new();
    for name in &wanted.fields {
        let field = object
            .field(name)
            .ok_or_else(|| Refused::no_such_column(name, &object.name))?;
        names.push(field.name.clone());
    }
    let rows: Vec<String> = wanted
        .ids
        .iter()
        .map(|given| {
            id::parse(given)
                .and_then(|id| inner.record(&object.name, &id))
                .filter(|record| record.deleted_at.is_none())
                .map_or_else(
                    || "null".to_owned(),
                    |record| shown::fields(&version.0, &object.name, record, &names),
                )
        })
        .collect();
    Ok(json_text(format!("[{}]", rows.join(","))))
}
