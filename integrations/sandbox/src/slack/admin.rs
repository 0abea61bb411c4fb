//! What only this vendor's sandbox has behind its own door ([`crate::door`]): "a human in the team", and what was posted.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::interactivity::press;
use super::workspace::not_saved;
use super::{Workspace, page};
use crate::delivery::Deliveries;
use crate::door::{self, Closed, Nothing, World, read};
use crate::faults::FaultBook;
use crate::stats::Stats;
use crate::{Clock, SandboxError};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/__sandbox", web::get().to(page::show))
        .route("/__sandbox/", web::get().to(page::show))
        .configure(door::routes::<Workspace>)
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

impl From<Refusal> for Closed {
    /// Unlike the vendor's, a refusal of this door has a status.
    fn from(refusal: Refusal) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.error())
    }
}

impl World for Workspace {
    type Wish = Nothing;

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    fn fault_book(&self) -> &FaultBook {
        &self.faults
    }

    fn is_kept(&self) -> bool {
        self.store.is_kept()
    }

    fn keep(&self) -> Result<(), SandboxError> {
        self.store.save_now()
    }

    fn expire_tokens(&self) -> Result<(), SandboxError> {
        self.tokens.expire_all().map_err(not_saved)
    }

    fn told(&self) -> Map<String, Value> {
        let records = self.store.read(|rooms| {
            json!({
                "team_id": rooms.team.id,
                "channels": rooms.channels.len(),
                "messages": rooms.messages.values().map(Vec::len).sum::<usize>(),
                "pings": rooms.pings.len(),
            })
        });
        Map::from_iter([
            ("records".to_owned(), records),
            ("installed".to_owned(), self.tokens.installed().into()),
        ])
    }

    fn grant(&self, _: Nothing) {}
}

async fn uninstall(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Closed> {
    let _: Nothing = read(&request, &body)?;
    workspace.uninstall().map_err(not_saved)?;
    Ok(HttpResponse::NoContent().finish())
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
) -> Result<HttpResponse, Closed> {
    let body: Press = read(&request, &body)?;
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
    .await?;
    Ok(HttpResponse::Ok().json(pressed))
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
) -> Result<HttpResponse, Closed> {
    let body: NewChannel = read(&request, &body)?;
    let channel = workspace.create_channel(&body.name, body.private)?;
    Ok(HttpResponse::Created().json(channel))
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
) -> Result<HttpResponse, Closed> {
    let change: ChannelChange = read(&request, &body)?;
    let channel = workspace.change_channel(&channel, change)?;
    Ok(HttpResponse::Ok().json(channel))
}

async fn remove(
    workspace: web::Data<Workspace>,
    channel: web::Path<String>,
) -> Result<HttpResponse, Closed> {
    workspace.delete_channel(&channel)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn messages(
    workspace: web::Data<Workspace>,
    channel: web::Path<String>,
) -> Result<HttpResponse, Closed> {
    let found = workspace.store.read(|rooms| {
        let channel = rooms.channel(&channel)?;
        Some(rooms.messages.get(&channel.id).cloned().unwrap_or_default())
    });
    let unknown = || Closed::new(StatusCode::NOT_FOUND, "channel_not_found");
    Ok(HttpResponse::Ok().json(found.ok_or_else(unknown)?))
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
) -> Result<HttpResponse, Closed> {
    let body: Words = read(&request, &body)?;
    let message = workspace.say(&channel, &body.user, &body.text)?;
    Ok(HttpResponse::Created().json(message))
}
