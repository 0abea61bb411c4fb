//! A person presses a button: the app is told by a signed form, and may answer through a short-lived address.
//!
//! Owns: the payload and the addresses for answers. Refuses: buttons that are not there. Invariant: a press is sent once and not again, as at
//! the vendor; whether the app took it is told to whoever pressed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};

use super::Workspace;
use super::answer::Refusal;
use super::blocks;
use super::conversations::message as shown;
use super::events::sign;
use super::ids::short_id;
use super::mentions;
use super::message::{Author, Message, Person};
use super::store::{Draft, Edit, stamp};
use crate::ids::fresh_id;

/// How often an address for answers may be used, and for how long.
const USES: u32 = 5;
const LIFE_MS: i64 = 30 * 60 * 1000;

/// What came of a press.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pressed {
    /// The status the app answered; `None` when it did not answer in time. Anything but a success shows the person a warning.
    pub status: Option<u16>,
    /// What the app answered.
    pub body: String,
    /// Where the app may answer later.
    pub response_url: String,
}

#[derive(Debug, Clone)]
struct Open {
    channel: String,
    ts: String,
    user: String,
    uses: u32,
    until_ms: i64,
}

/// The open addresses for answers.
#[derive(Debug, Default)]
pub(crate) struct ResponseUrls {
    open: Mutex<BTreeMap<String, Open>>,
}

/// Presses; `user` is an id or a short name.
pub(crate) async fn press(
    workspace: &Workspace,
    client: &reqwest::Client,
    channel: &str,
    ts: &str,
    action_id: &str,
    user: &str,
) -> Result<Pressed, Refusal> {
    let Some(target) = workspace.target() else {
        return Err(Refusal::new("no_interactivity_address"));
    };
    let (payload, response_url) = payload(workspace, channel, ts, action_id, user)?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish();
    let request = sign(
        workspace,
        client.post(target),
        "application/x-www-form-urlencoded",
        form.into_bytes(),
    );
    let (status, body) = match request.send().await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            (Some(status), answer.text().await.unwrap_or_default())
        }
        Err(_) => (None, String::new()),
    };
    Ok(Pressed {
        status,
        body,
        response_url,
    })
}

fn payload(
    workspace: &Workspace,
    channel: &str,
    ts: &str,
    action_id: &str,
    user: &str,
) -> Result<(Value, String), Refusal> {
    let now = workspace.store.now();
    let app_id = workspace.app_id();
    let token = workspace.verification_token();
    let key = fresh_id().replace('-', "");
    let (payload, open) = workspace.store.read(|rooms| {
        let channel = rooms
            .channel(channel)
            .ok_or_else(|| Refusal::new("channel_not_found"))?;
        let message = rooms
            .message(&channel.id, ts)
            .ok_or_else(|| Refusal::new("message_not_found"))?;
        let (block, element) = message
            .element(action_id)
            .ok_or_else(|| Refusal::new("action_not_found"))?;
        let person = rooms
            .person(user)
            .ok_or_else(|| Refusal::new("user_not_found"))?;
        let response_url = format!("{}actions/{}/{key}", workspace.url(), rooms.team.id);
        let payload = json!({
            "type": "block_actions",
            "user": {
                "id": person.id,
                "username": person.name,
                "name": person.name,
                "team_id": rooms.team.id,
            },
            "api_app_id": app_id,
            "token": token,
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": channel.id,
                "is_ephemeral": false,
            },
            "trigger_id": format!("{now}.{}.{key}", rooms.last_us),
            "team": {"id": rooms.team.id, "domain": rooms.team.domain},
            "enterprise": null,
            "is_enterprise_install": false,
            "channel": {"id": channel.id, "name": channel.name},
            "message": shown(rooms, &app_id, message, true),
            "state": {"values": {}},
            "response_url": response_url,
            "actions": [action(block, element, now)],
        });
        let open = opened(&channel.id, message, person, now);
        Ok(((payload, response_url), open))
    })?;
    workspace
        .response_urls
        .open
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key, open);
    Ok(payload)
}

fn action(block: &Value, element: &Value, now: i64) -> Value {
    let mut action = element.clone();
    if let Some(object) = action.as_object_mut() {
        object.remove("confirm");
        object.remove("options");
        object.insert("block_id".to_owned(), json!(block.get("block_id")));
        object.insert("action_ts".to_owned(), json!(stamp(now * 1000)));
        if let Some(first) = element.pointer("/options/0") {
            object.insert("selected_option".to_owned(), first.clone());
        }
    }
    action
}

fn opened(channel: &str, message: &Message, person: &Person, now: i64) -> Open {
    Open {
        channel: channel.to_owned(),
        ts: message.ts.clone(),
        user: person.id.clone(),
        uses: USES,
        until_ms: now + LIFE_MS,
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/actions/{team}/{key}", web::post().to(respond));
}

async fn respond(
    workspace: web::Data<Workspace>,
    path: web::Path<(String, String)>,
    body: web::Bytes,
) -> HttpResponse {
    let (_, key) = path.into_inner();
    match responded(&workspace, &key, &body) {
        Ok(()) => HttpResponse::Ok().content_type("text/html").body("ok"),
        Err((status, error)) => {
            HttpResponse::build(status).json(json!({"ok": false, "error": error}))
        }
    }
}

fn responded(
    workspace: &Workspace,
    key: &str,
    body: &[u8],
) -> Result<(), (StatusCode, &'static str)> {
    let bad = |error| (StatusCode::BAD_REQUEST, error);
    let body: Value = serde_json::from_slice(body).map_err(|_| bad("invalid_payload"))?;
    let text = body.get("text").and_then(Value::as_str);
    let checked = body
        .get("blocks")
        .map(|blocks| blocks::check(blocks, short_id).map_err(|_| bad("invalid_blocks")))
        .transpose()?;
    let delete = body.get("delete_original") == Some(&json!(true));
    if text.is_none() && checked.is_none() && !delete {
        return Err(bad("no_text"));
    }
    let open = take(workspace, key)?;
    let mut pings = text.map(mentions::marked).unwrap_or_default();
    let blocks = checked.map(|checked| {
        pings.extend(checked.pings);
        checked.blocks
    });
    workspace.store.write(|rooms, now| {
        if delete {
            rooms.delete(&open.channel, &open.ts);
            return;
        }
        if body.get("replace_original") == Some(&json!(true)) {
            let edit = Edit {
                text: text.map(mentions::stored),
                blocks: Some(blocks.unwrap_or_default()),
                pings,
                ..Edit::default()
            };
            rooms.edit(now, &open.channel, &open.ts, edit);
            return;
        }
        let public = body.get("response_type") == Some(&json!("in_channel"));
        let draft = Draft {
            blocks,
            pings,
            only_for: (!public).then(|| open.user.clone()),
            ..Draft::text(Author::App, text.unwrap_or_default())
        };
        rooms.post(now, &open.channel, draft);
    });
    Ok(())
}

fn take(workspace: &Workspace, key: &str) -> Result<Open, (StatusCode, &'static str)> {
    let gone = |error| (StatusCode::NOT_FOUND, error);
    let mut urls = workspace
        .response_urls
        .open
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let open = urls.get_mut(key).ok_or_else(|| gone("used_url"))?;
    if open.until_ms <= workspace.store.now() {
        return Err(gone("expired_url"));
    }
    open.uses = open.uses.checked_sub(1).ok_or_else(|| gone("used_url"))?;
    Ok(open.clone())
}
