//! The app's webhook settings: its one address and what it is subscribed to.
//!
//! A new portal's app is subscribed to everything the sandbox can tell, every property included; the endpoints switch parts off.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::Portal;
use super::answer::{Refusal, read_json};
use super::gate::Caller;
use super::kind::Kind;
use crate::app::check_target;
use crate::clock::instant;

const EVENTS: [&str; 5] = [
    "creation",
    "deletion",
    "associationChange",
    "merge",
    "restore",
];

#[derive(Debug, Clone)]
struct Subscription {
    active: bool,
}

/// What the app hears, by event type and property.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: BTreeMap<u64, (String, Option<String>, Subscription)>,
    ids: BTreeMap<(String, Option<String>), u64>,
}

impl Known {
    fn id(&mut self, event_type: &str, property: Option<&str>) -> u64 {
        let key = (event_type.to_owned(), property.map(str::to_owned));
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = self
            .by_id
            .keys()
            .next_back()
            .map_or(5_100_001, |last| last + 1);
        let entry = (key.0.clone(), key.1.clone(), Subscription { active: true });
        self.by_id.insert(id, entry);
        self.ids.insert(key, id);
        id
    }
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The active subscription for an event; one per property for changes of properties.
    pub(crate) fn find(&self, event_type: &str, property: Option<&str>) -> Option<u64> {
        let mut known = self.lock();
        let id = known.id(event_type, property);
        known
            .by_id
            .get(&id)
            .filter(|(.., subscription)| subscription.active)
            .map(|_| id)
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for base in [
        "/app-webhooks/2026-09/{app}",
        "/app-webhooks/2026-03/{app}",
        "/webhooks/v3/{app}",
    ] {
        config
            .route(&format!("{base}/settings"), web::get().to(settings))
            .route(&format!("{base}/settings"), web::put().to(put_settings))
            .route(
                &format!("{base}/settings"),
                web::delete().to(delete_settings),
            )
            .route(&format!("{base}/subscriptions"), web::get().to(list))
            .route(&format!("{base}/subscriptions"), web::post().to(create))
            .route(
                &format!("{base}/subscriptions/batch/update"),
                web::post().to(batch_update),
            )
            .route(
                &format!("{base}/subscriptions/{{id}}"),
                web::patch().to(update),
            )
            .route(
                &format!("{base}/subscriptions/{{id}}"),
                web::delete().to(delete),
            );
    }
}

fn own_app(portal: &Portal, app: &str, caller: &Caller) -> Result<(), Refusal> {
    caller.need_app()?;
    if app != portal.app().app_id.to_string() {
        return Err(Refusal::not_found());
    }
    Ok(())
}

fn settings_body(portal: &Portal) -> Result<Value, Refusal> {
    let target = portal.webhooks.target().ok_or_else(Refusal::not_found)?;
    let created = instant(portal.store.read().info.created_at);
    Ok(json!({
        "targetUrl": target.as_str(),
        "throttling": {"maxConcurrentRequests": portal.limits.webhook_concurrency},
        "createdAt": created,
        "updatedAt": created,
    }))
}

async fn settings(
    portal: web::Data<Portal>,
    app: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &app, &caller)?;
    Ok(HttpResponse::Ok().json(settings_body(&portal)?))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    target_url: String,
}

async fn put_settings(
    portal: web::Data<Portal>,
    app: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &app, &caller)?;
    let body: Settings = read_json(&body)?;
    let target = Url::parse(&body.target_url)
        .map_err(|error| error.to_string())
        .and_then(|url| check_target(&url).map(|()| url))
        .map_err(Refusal::validation)?;
    portal.webhooks.set_target(Some(target));
    portal.save_head().map_err(|_| not_saved())?;
    Ok(HttpResponse::Ok().json(settings_body(&portal)?))
}

fn not_saved() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL_ERROR",
        "internal error",
    )
}

async fn delete_settings(
    portal: web::Data<Portal>,
    app: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &app, &caller)?;
    portal.webhooks.set_target(None);
    portal.save_head().map_err(|_| not_saved())?;
    Ok(HttpResponse::NoContent().finish())
}

fn entry(
    portal: &Portal,
    id: u64,
    event_type: &str,
    property: Option<&str>,
    active: bool,
) -> Value {
    let created = instant(portal.store.read().info.created_at);
    let mut entry = json!({
        "id": id.to_string(),
        "eventType": event_type,
        "active": active,
        "createdAt": created,
        "updatedAt": created,
    });
    if let (Some(property), Some(object)) = (property, entry.as_object_mut()) {
        object.insert("propertyName".to_owned(), json!(property));
    }
    entry
}

async fn list(
    portal: web::Data<Portal>,
    app: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &app, &caller)?;
    let mut wanted: Vec<(String, Option<String>)> = Vec::new();
    {
        let inner = portal.store.read();
        for kind in Kind::ALL {
            let singular = kind.singular();
            wanted.extend(
                EVENTS
                    .iter()
                    .map(|event| (format!("{singular}.{event}"), None)),
            );
            wanted.extend(
                inner
                    .schema
                    .all(kind)
                    .map(|p| (format!("{singular}.propertyChange"), Some(p.name.clone()))),
            );
        }
    }
    wanted.push(("contact.privacyDeletion".to_owned(), None));
    let mut known = portal.webhooks.subscriptions.lock();
    for (event_type, property) in &wanted {
        known.id(event_type, property.as_deref());
    }
    let results: Vec<Value> = known
        .by_id
        .iter()
        .map(|(id, (event_type, property, s))| {
            entry(&portal, *id, event_type, property.as_deref(), s.active)
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    event_type: String,
    #[serde(default)]
    property_name: Option<String>,
    #[serde(default)]
    active: bool,
}

async fn create(
    portal: web::Data<Portal>,
    app: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &app, &caller)?;
    let body: New = read_json(&body)?;
    let mut known = portal.webhooks.subscriptions.lock();
    let id = known.id(&body.event_type, body.property_name.as_deref());
    if let Some((.., subscription)) = known.by_id.get_mut(&id) {
        subscription.active = body.active;
    }
    Ok(HttpResponse::Created().json(entry(
        &portal,
        id,
        &body.event_type,
        body.property_name.as_deref(),
        body.active,
    )))
}

fn set_active(portal: &Portal, id: u64, active: bool) -> Result<Value, Refusal> {
    let mut known = portal.webhooks.subscriptions.lock();
    let (event_type, property, subscription) =
        known.by_id.get_mut(&id).ok_or_else(Refusal::not_found)?;
    subscription.active = active;
    Ok(entry(portal, id, event_type, property.as_deref(), active))
}

#[derive(Debug, Deserialize)]
struct Active {
    active: bool,
}

async fn update(
    portal: web::Data<Portal>,
    path: web::Path<(String, u64)>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &path.0, &caller)?;
    let body: Active = read_json(&body)?;
    Ok(HttpResponse::Ok().json(set_active(&portal, path.1, body.active)?))
}

async fn delete(
    portal: web::Data<Portal>,
    path: web::Path<(String, u64)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &path.0, &caller)?;
    set_active(&portal, path.1, false)?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize)]
struct BatchUpdate {
    inputs: Vec<BatchActive>,
}

#[derive(Debug, Deserialize)]
struct BatchActive {
    id: u64,
    active: bool,
}

async fn batch_update(
    portal: web::Data<Portal>,
    app: web::Path<String>,
    body: web::Bytes,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    own_app(&portal, &app, &caller)?;
    let body: BatchUpdate = read_json(&body)?;
    let now = instant(portal.store.now());
    let results = body
        .inputs
        .iter()
        .map(|input| set_active(&portal, input.id, input.active))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now,
    })))
}
