//! The properties of the portal over HTTP: read, and made by the app.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Refusal, read_json, read_kind};
use super::gate::Caller;
use super::inner::Inner;
use super::kind::Kind;
use super::schema::{Property, ValueType};
use crate::clock::instant;
use crate::params::Params;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for base in [
        "/crm/properties/2026-09",
        "/crm/properties/2026-03",
        "/crm/v3/properties",
    ] {
        config
            .route(&format!("{base}/{{kind}}"), web::get().to(properties))
            .route(&format!("{base}/{{kind}}"), web::post().to(create_property))
            .route(
                &format!("{base}/{{kind}}/{{name}}"),
                web::get().to(property),
            );
    }
}

fn property_entry(inner: &Inner, kind: Kind, property: &Property) -> Value {
    let options: Vec<(String, String)> = match (kind, property.name.as_str()) {
        (Kind::Deals, "pipeline") => inner
            .pipelines
            .iter()
            .map(|p| (p.id.clone(), p.label.clone()))
            .collect(),
        (Kind::Deals, "dealstage") => inner
            .pipelines
            .iter()
            .flat_map(|p| &p.stages)
            .map(|s| (s.id.clone(), s.label.clone()))
            .collect(),
        _ => property
            .options
            .iter()
            .map(|o| (o.clone(), o.clone()))
            .collect(),
    };
    let options: Vec<Value> = options
        .into_iter()
        .enumerate()
        .map(|(order, (value, label))| json!({"value": value, "label": label, "displayOrder": order, "hidden": false}))
        .collect();
    let created = instant(inner.info.created_at);
    json!({
        "name": property.name,
        "label": property.label,
        "type": property.value_type.name(),
        "fieldType": field_type(property.value_type),
        "description": "",
        "groupName": format!("{}information", kind.singular()),
        "options": options,
        "displayOrder": -1,
        "calculated": false,
        "externalOptions": property.name == "hubspot_owner_id",
        "hasUniqueValue": property.unique && !property.hubspot_defined,
        "hidden": false,
        "hubspotDefined": property.hubspot_defined,
        "modificationMetadata": {
            "archivable": !property.hubspot_defined,
            "readOnlyDefinition": property.hubspot_defined,
            "readOnlyValue": property.read_only,
        },
        "formField": false,
        "createdAt": created,
        "updatedAt": created,
        "archived": false,
    })
}

fn field_type(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "text",
        ValueType::Number => "number",
        ValueType::Datetime | ValueType::Date => "date",
        ValueType::Enumeration => "select",
        ValueType::Bool => "booleancheckbox",
    }
}

async fn properties(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.read_schema(kind)?;
    let archived = Params::of(&request).flag("archived")?;
    let inner = portal.store.read();
    let results: Vec<Value> = inner
        .schema
        .all(kind)
        .filter(|_| !archived)
        .map(|property| property_entry(&inner, kind, property))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

async fn property(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path.0)?;
    caller.read_schema(kind)?;
    let inner = portal.store.read();
    let found = inner
        .schema
        .get(kind, &path.1)
        .ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Ok().json(property_entry(&inner, kind, found)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewProperty {
    name: String,
    label: String,
    #[serde(rename = "type")]
    value_type: ValueType,
    group_name: String,
    field_type: String,
    #[serde(default)]
    has_unique_value: bool,
    #[serde(default)]
    options: Vec<NewOption>,
}

#[derive(Debug, Deserialize)]
struct NewOption {
    value: String,
}

async fn create_property(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.need(&format!("crm.schemas.{}.write", kind.plural()))?;
    let body: NewProperty = read_json(&body)?;
    let fine = !body.name.is_empty()
        && body
            .name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if field_type(body.value_type) != body.field_type && body.value_type != ValueType::String {
        return Err(Refusal::validation(format!(
            "The field type {:?} does not go with the type {:?}",
            body.field_type,
            body.value_type.name()
        )));
    }
    if body.group_name != format!("{}information", kind.singular()) {
        return Err(Refusal::validation(format!(
            "The property group {:?} does not exist",
            body.group_name
        )));
    }
    if body.has_unique_value && !matches!(body.value_type, ValueType::String | ValueType::Number) {
        return Err(Refusal::validation(
            "Only text and number properties can have unique values",
        ));
    }
    if !fine {
        return Err(Refusal::validation(format!(
            "Property name {:?} is not valid",
            body.name
        )));
    }
    if portal.store.read().schema.get(kind, &body.name).is_some() {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "OBJECT_ALREADY_EXISTS",
            format!("A property named '{}' already exists.", body.name),
        ));
    }
    let property = Property {
        label: body.label,
        options: body.options.into_iter().map(|o| o.value).collect(),
        unique: body.has_unique_value,
        ..Property::custom(&body.name, body.value_type)
    };
    portal.store.define_property(kind, property);
    let inner = portal.store.read();
    let made = inner
        .schema
        .get(kind, &body.name)
        .ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Created().json(property_entry(&inner, kind, made)))
}
