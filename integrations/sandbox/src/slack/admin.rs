//! The sandbox's own door: "a human in the team", faults, the clock, statistics, and what was posted.
//!
//! It asks for no token, because it is no part of the vendor; the sandbox listens on loopback only. Writes must be `application/json`, so
//! that a web page a developer happens to visit cannot make a browser send one without asking first.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Refusal;
use super::interactivity::press;
use super::{Workspace, page};
use crate::faults::{Fault, Faults, WebhookFaults};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/__sandbox", web::get().to(page::show))
        .route("/__sandbox/", web::get().to(page::show))
        .route("/__sandbox/stats", web::get().to(stats))
        .route("/__sandbox/clock", web::post().to(clock))
        .route("/__sandbox/faults", web::get().to(faults))
        .route("/__sandbox/faults", web::post().to(change_faults))
        .route("/__sandbox/faults", web::delete().to(clear_faults))
        .route("/__sandbox/uninstall", web::post().to(uninstall))
        .route("/__sandbox/users", web::get().to(users))
        .route("/__sandbox/pings", web::get().to(pings))
        .route("/__sandbox/press", web::post().to(press_button))
        .route("/__sandbox/channels", web::get().to(channels))
        .route("/__sandbox/channels", web::post().to(create))
        .route("/__sandbox/channels/{channel}", web::patch().to(edit))
        .route("/__sandbox/channels/{channel}", web::post().to(edit))
        .route("/__sandbox/channels/{channel}", web::delete().to(remove))
        .route(
            "/__sandbox/channels/{channel}/messages",
            web::get().to(messages),
        )
        .route(
            "/__sandbox/channels/{channel}/messages",
            web::post().to(say),
        );
}

/// A refusal of this door: unlike the vendor's, it has a status.
fn refused(status: StatusCode, problem: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"error": problem}))
}

fn vendor_says(refusal: &Refusal) -> HttpResponse {
    refused(StatusCode::UNPROCESSABLE_ENTITY, refusal.error())
}

/// A request this door cannot read.
struct Unread(StatusCode, String);

impl Unread {
    fn answer(&self) -> HttpResponse {
        refused(self.0, &self.1)
    }
}

fn read<T: DeserializeOwned>(request: &HttpRequest, body: &[u8]) -> Result<T, Unread> {
    if request.content_type() != "application/json" {
        let problem = "send this as application/json".to_owned();
        return Err(Unread(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    serde_json::from_slice(body).map_err(|error| Unread(StatusCode::BAD_REQUEST, error.to_string()))
}

async fn stats(workspace: web::Data<Workspace>) -> HttpResponse {
    let counts = workspace.stats.current();
    let records = workspace.store.read(|rooms| {
        json!({
            "team_id": rooms.team.id,
            "channels": rooms.channels.len(),
            "messages": rooms.messages.values().map(Vec::len).sum::<usize>(),
            "pings": rooms.pings.len(),
        })
    });
    HttpResponse::Ok().json(json!({
        "requests": counts.requests,
        "statuses": counts.statuses,
        "records": records,
        "installed": workspace.tokens.installed(),
        "webhooks": workspace.deliveries.counts(),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

async fn clock(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    match read::<Advance>(&request, &body) {
        Ok(body) => {
            workspace
                .clock
                .advance(Duration::from_millis(body.advance_ms));
            HttpResponse::Ok().json(json!({"now": workspace.store.now()}))
        }
        Err(unread) => unread.answer(),
    }
}

async fn faults(workspace: web::Data<Workspace>) -> HttpResponse {
    HttpResponse::Ok().json(workspace.faults.current())
}

/// Present fields replace; absent ones stay. The last is done once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultChange {
    #[serde(default)]
    rules: Option<Vec<Fault>>,
    #[serde(default)]
    webhooks: Option<WebhookFaults>,
    #[serde(default)]
    withhold_scopes: Option<Vec<String>>,
    #[serde(default)]
    expire_tokens: bool,
}

async fn change_faults(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let change: FaultChange = match read(&request, &body) {
        Ok(change) => change,
        Err(unread) => return unread.answer(),
    };
    workspace.faults.change(|faults| {
        if let Some(rules) = change.rules {
            faults.rules = rules;
        }
        if let Some(webhooks) = change.webhooks {
            faults.webhooks = webhooks;
        }
        if let Some(scopes) = change.withhold_scopes {
            faults.withhold_scopes = scopes;
        }
    });
    if change.expire_tokens && workspace.tokens.expire_all().is_err() {
        let problem = "the tokens could not be saved";
        return refused(StatusCode::INTERNAL_SERVER_ERROR, problem);
    }
    HttpResponse::Ok().json(workspace.faults.current())
}

async fn clear_faults(workspace: web::Data<Workspace>) -> HttpResponse {
    workspace
        .faults
        .change(|faults| *faults = Faults::default());
    HttpResponse::NoContent().finish()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn uninstall(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    if let Err(unread) = read::<Nothing>(&request, &body) {
        return unread.answer();
    }
    match workspace.uninstall() {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(_) => refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the tokens could not be saved",
        ),
    }
}

async fn users(workspace: web::Data<Workspace>) -> HttpResponse {
    HttpResponse::Ok().json(workspace.store.read(|rooms| rooms.people.clone()))
}

async fn pings(workspace: web::Data<Workspace>) -> HttpResponse {
    HttpResponse::Ok().json(workspace.store.read(|rooms| rooms.pings.clone()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Press {
    channel: String,
    ts: String,
    action_id: String,
    /// The first member when absent.
    #[serde(default)]
    user: Option<String>,
}

async fn press_button(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let body: Press = match read(&request, &body) {
        Ok(body) => body,
        Err(unread) => return unread.answer(),
    };
    let first = || {
        let id = |rooms: &super::store::Rooms| rooms.people.first().map(|p| p.id.clone());
        workspace.store.read(id).unwrap_or_default()
    };
    let user = body.user.unwrap_or_else(first);
    let pressed = press(
        &workspace,
        &workspace.client,
        &body.channel,
        &body.ts,
        &body.action_id,
        &user,
    )
    .await;
    match pressed {
        Ok(pressed) => HttpResponse::Ok().json(pressed),
        Err(refusal) => vendor_says(&refusal),
    }
}

async fn channels(workspace: web::Data<Workspace>) -> HttpResponse {
    HttpResponse::Ok().json(workspace.store.read(|rooms| rooms.channels.clone()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChannel {
    name: String,
    #[serde(default)]
    private: bool,
}

async fn create(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let body: NewChannel = match read(&request, &body) {
        Ok(body) => body,
        Err(unread) => return unread.answer(),
    };
    match workspace.create_channel(&body.name, body.private) {
        Ok(channel) => HttpResponse::Created().json(channel),
        Err(refusal) => vendor_says(&refusal),
    }
}

/// Present fields are changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelChange {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) archived: Option<bool>,
    #[serde(default)]
    pub(crate) app_is_member: Option<bool>,
}

async fn edit(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    channel: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let change: ChannelChange = match read(&request, &body) {
        Ok(change) => change,
        Err(unread) => return unread.answer(),
    };
    match workspace.change_channel(&channel, change) {
        Ok(channel) => HttpResponse::Ok().json(channel),
        Err(refusal) => vendor_says(&refusal),
    }
}

async fn remove(workspace: web::Data<Workspace>, channel: web::Path<String>) -> HttpResponse {
    match workspace.delete_channel(&channel) {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(refusal) => vendor_says(&refusal),
    }
}

async fn messages(workspace: web::Data<Workspace>, channel: web::Path<String>) -> HttpResponse {
    let found = workspace.store.read(|rooms| {
        let channel = rooms.channel(&channel)?;
        Some(rooms.messages.get(&channel.id).cloned().unwrap_or_default())
    });
    match found {
        Some(messages) => HttpResponse::Ok().json(messages),
        None => refused(StatusCode::NOT_FOUND, "channel_not_found"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    user: String,
    text: String,
}

async fn say(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    channel: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let body: Words = match read(&request, &body) {
        Ok(body) => body,
        Err(unread) => return unread.answer(),
    };
    match workspace.say(&channel, &body.user, &body.text) {
        Ok(message) => HttpResponse::Created().json(message),
        Err(refusal) => vendor_says(&refusal),
    }
}
