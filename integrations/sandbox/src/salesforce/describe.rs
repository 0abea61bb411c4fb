//! What the org is made of: versions, resources, objects, fields, limits.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::Org;
use super::answer::Refusal;
use super::gate::Version;
use super::refused::SalesforceRefused as Refused;
use super::schema::{FieldKind, Object, SalesforceField};
use super::version;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/services/data", web::get().to(versions))
        .route("/services/data/", web::get().to(versions));
    for (path, route) in [
        ("", web::get().to(resources)),
        ("/", web::get().to(resources)),
        ("/limits", web::get().to(limits)),
        ("/limits/", web::get().to(limits)),
        ("/sobjects", web::get().to(objects)),
        ("/sobjects/", web::get().to(objects)),
        ("/sobjects/{object}/describe", web::get().to(describe)),
        ("/sobjects/{object}/describe/", web::get().to(describe)),
    ] {
        config.route(&format!("/services/data/v{{version}}{path}"), route);
    }
}

async fn versions() -> HttpResponse {
    HttpResponse::Ok().json(version::list())
}

async fn resources(org: web::Data<Org>, version: Version) -> HttpResponse {
    let at = |name: &str| format!("/services/data/v{}/{name}", version.0);
    let mut all = Map::new();
    for name in [
        "query",
        "queryAll",
        "sobjects",
        "composite",
        "limits",
        "jobs",
    ] {
        all.insert(name.to_owned(), json!(at(name)));
    }
    all.insert("identity".to_owned(), json!(org.identity_url()));
    HttpResponse::Ok().json(all)
}

async fn limits(org: web::Data<Org>) -> HttpResponse {
    let (used, max) = org.usage();
    HttpResponse::Ok().json(json!({
        "DailyApiRequests": {"Max": max, "Remaining": max.saturating_sub(used)},
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000 - org.bulk.count().min(10_000)},
    }))
}

async fn objects(org: web::Data<Org>, version: Version) -> HttpResponse {
    let inner = org.store.read();
    let all: Vec<Value> = inner
        .schema
        .all()
        .map(|object| outline(object, &version.0))
        .collect();
    HttpResponse::Ok().json(json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all}))
}

async fn describe(
    org: web::Data<Org>,
    path: web::Path<(String, String)>,
    version: Version,
) -> Result<HttpResponse, Refusal> {
    let inner = org.store.read();
    let object = inner
        .schema
        .object(&path.1)
        .ok_or_else(Refused::not_found)?;
    let mut whole = outline(object, &version.0);
    let fields: Vec<Value> = object.fields.iter().map(|f| field(object, f)).collect();
    let children: Vec<Value> = object
        .children
        .iter()
        .map(|child| {
            json!({
                "childSObject": child.object, "field": child.field,
                "relationshipName": child.relationship, "cascadeDelete": child.relationship != "ChildAccounts",
            })
        })
        .collect();
    if let Some(whole) = whole.as_object_mut() {
        whole.insert("fields".to_owned(), json!(fields));
        whole.insert("childRelationships".to_owned(), json!(children));
        whole.insert("recordTypeInfos".to_owned(), json!([]));
    }
    Ok(HttpResponse::Ok().json(whole))
}

/// An object without its fields.
pub(crate) fn outline(object: &Object, version: &str) -> Value {
    let url = format!("/services/data/v{version}/sobjects/{}", object.name);
    json!({
        "name": object.name,
        "label": object.label(),
        "labelPlural": object.plural,
        "keyPrefix": object.prefix,
        "custom": false,
        "customSetting": false,
        "activateable": false,
        "createable": object.createable,
        "updateable": object.updateable,
        "deletable": object.deletable,
        "undeletable": object.deletable,
        "mergeable": object.mergeable,
        "replicateable": object.replicateable,
        "queryable": true,
        "retrieveable": true,
        "searchable": object.createable,
        "layoutable": true,
        "triggerable": object.createable,
        "urls": {
            "sobject": url,
            "describe": format!("{url}/describe"),
            "rowTemplate": format!("{url}/{{ID}}"),
        },
    })
}

fn field(object: &Object, field: &SalesforceField) -> Value {
    let values: Vec<Value> = field
        .picklist
        .iter()
        .map(|value| {
            json!({"active": true, "defaultValue": false, "label": value, "value": value, "validFor": null})
        })
        .collect();
    let (precision, scale) = match field.kind {
        FieldKind::Currency => (18, 2),
        FieldKind::Percent => (3, 0),
        FieldKind::Double => (18, 6),
        _ => (0, 0),
    };
    let system = matches!(field.name.as_str(), "Id" | "IsDeleted") || field.name.ends_with("Date");
    json!({
        "name": field.name,
        "label": field.label(),
        "type": field.kind.name(),
        "soapType": field.kind.soap(),
        "length": field.length,
        "precision": precision,
        "scale": scale,
        "digits": if field.kind == FieldKind::Int { 8 } else { 0 },
        "custom": field.custom(),
        "nillable": !field.required && field.kind != FieldKind::Boolean && !system && field.name != "SystemModstamp",
        "createable": object.createable && field.createable,
        "updateable": object.updateable && field.updateable,
        "defaultedOnCreate": field.kind == FieldKind::Boolean || field.name == "OwnerId",
        "externalId": field.external_id,
        "idLookup": field.external_id || field.name == "Id",
        "unique": field.unique,
        "caseSensitive": false,
        "calculated": false,
        "filterable": field.kind != FieldKind::TextArea || field.length <= 255,
        "sortable": field.kind != FieldKind::TextArea || field.length <= 255,
        "nameField": field.name == "Name",
        "restrictedPicklist": field.restricted,
        "picklistValues": values,
        "referenceTo": field.refers_to,
        "relationshipName": field.relationship,
    })
}
