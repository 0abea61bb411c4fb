//! Channels and what was said in them.
//!
//! The app sees public channels always and private ones when it was invited. A page of the list is cut before archived channels are left
//! out, so it may be short, or empty, although more follows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{Done, Refusal};
use super::message::{Author, Channel, Message};
use super::methods::Call;
use super::store::{Rooms, parse_stamp, stamp};

/// A channel as the app sees it.
pub(crate) fn shown(rooms: &Rooms, channel: &Channel) -> Value {
    let creator = rooms.people.first().map(|person| person.id.as_str());
    let note = json!({"value": "", "creator": "", "last_set": 0});
    json!({
        "id": channel.id,
        "name": channel.name,
        "is_channel": !channel.private,
        "is_group": channel.private,
        "is_im": false,
        "is_mpim": false,
        "is_private": channel.private,
        "created": channel.created_ms / 1000,
        "is_archived": channel.archived,
        "is_general": channel.general,
        "unlinked": 0,
        "name_normalized": channel.name,
        "is_shared": false,
        "is_org_shared": false,
        "is_pending_ext_shared": false,
        "pending_shared": [],
        "context_team_id": rooms.team.id,
        "updated": channel.updated_ms,
        "parent_conversation": null,
        "creator": creator,
        "is_ext_shared": false,
        "shared_team_ids": [rooms.team.id],
        "pending_connected_team_ids": [],
        "is_member": channel.app_is_member,
        "topic": note.clone(),
        "purpose": note,
        "previous_names": channel.previous_names,
        "num_members": rooms.people.len() + usize::from(channel.app_is_member),
    })
}

/// A message as the app sees it.
pub(crate) fn message(rooms: &Rooms, app_id: &str, message: &Message, metadata: bool) -> Value {
    let mut shown = json!({
        "type": "message",
        "ts": message.ts,
        "text": message.text,
        "team": rooms.team.id,
    });
    let Some(object) = shown.as_object_mut() else {
        return shown;
    };
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    match &message.author {
        Author::App => {
            set("user", json!(rooms.bot_user_id));
            set("bot_id", json!(rooms.bot_id));
            set("app_id", json!(app_id));
            set(
                "bot_profile",
                json!({"id": rooms.bot_id, "app_id": app_id, "name": "entente", "deleted": false, "team_id": rooms.team.id}),
            );
        }
        Author::Person(id) => set("user", json!(id)),
    }
    if let Some(name) = &message.username {
        set("username", json!(name));
        set("subtype", json!("bot_message"));
    }
    if let Some(blocks) = &message.blocks {
        set("blocks", json!(blocks));
    }
    if let Some(attachments) = &message.attachments {
        set("attachments", json!(attachments));
    }
    if let Some(thread) = &message.thread_ts {
        set("thread_ts", json!(thread));
    }
    if let Some(edited) = &message.edited_ts {
        set("edited", json!({"user": rooms.bot_user_id, "ts": edited}));
    }
    if metadata && let Some(kept) = &message.metadata {
        set("metadata", kept.clone());
    }
    shown
}

fn cursor(kind: &str, place: &str) -> String {
    STANDARD.encode(format!("{kind}:{place}"))
}

fn read_cursor(text: &str, kind: &str) -> Result<String, Refusal> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    String::from_utf8(bytes)
        .ok()
        .and_then(|text| Some(text.strip_prefix(kind)?.strip_prefix(':')?.to_owned()))
        .ok_or_else(|| Refusal::new("invalid_cursor"))
}

fn limit(call: &Call<'_>, default: usize) -> Result<usize, Refusal> {
    match call.args.text("limit")? {
        None => Ok(default),
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|limit| (1..=1000).contains(limit))
            .ok_or_else(|| Refusal::new("invalid_limit")),
    }
}

/// `conversations.list`.
pub(crate) fn list(call: &Call<'_>) -> Result<Done, Refusal> {
    let types = call
        .args
        .text("types")?
        .unwrap_or_else(|| "public_channel".to_owned());
    let (mut public, mut private) = (false, false);
    for kind in types.split(',').map(str::trim) {
        match kind {
            "public_channel" => public = true,
            "private_channel" => private = true,
            "mpim" | "im" => call.need(&[if kind == "im" { "im:read" } else { "mpim:read" }])?,
            _ => return Err(Refusal::new("invalid_types")),
        }
    }
    if public {
        call.need(&["channels:read"])?;
    }
    if private {
        call.need(&["groups:read"])?;
    }
    let limit = limit(call, 100)?;
    let after = call.args.text("cursor")?;
    let after = after.map(|text| read_cursor(&text, "team")).transpose()?;
    let without_archived = call.args.flag("exclude_archived");
    call.workspace.store.read(|rooms| {
        let seen: Vec<&Channel> = rooms
            .channels
            .iter()
            .filter(|channel| {
                if channel.private {
                    private && channel.app_is_member
                } else {
                    public
                }
            })
            .collect();
        let start = match &after {
            None => 0,
            // The cursor names the first channel of the page.
            Some(id) => seen
                .iter()
                .position(|channel| channel.id == *id)
                .ok_or_else(|| Refusal::new("invalid_cursor"))?,
        };
        let page: Vec<Value> = seen
            .iter()
            .skip(start)
            .take(limit)
            .filter(|channel| !(without_archived && channel.archived))
            .map(|channel| shown(rooms, channel))
            .collect();
        let next = seen.get(start + limit);
        let next = next.map_or(String::new(), |channel| cursor("team", &channel.id));
        Ok(Done::new(json!({
            "channels": page,
            "response_metadata": {"next_cursor": next},
        })))
    })
}

fn need_read(call: &Call<'_>, channel: &Channel, what: &str) -> Result<(), Refusal> {
    let family = if channel.private {
        "groups"
    } else {
        "channels"
    };
    call.need(&[&format!("{family}:{what}")])
}

/// `conversations.info`.
pub(crate) fn info(call: &Call<'_>) -> Result<Done, Refusal> {
    let id = call.args.need("channel", "channel_not_found")?;
    call.workspace.store.read(|rooms| {
        let channel = by_id(rooms, &id)?;
        need_read(call, channel, "read")?;
        Ok(Done::new(json!({"channel": shown(rooms, channel)})))
    })
}

/// Only ids name a channel here; names are for posting.
fn by_id<'a>(rooms: &'a Rooms, id: &str) -> Result<&'a Channel, Refusal> {
    rooms
        .seen(id)
        .filter(|channel| channel.id == id)
        .ok_or_else(|| Refusal::new("channel_not_found"))
}

/// `conversations.join`.
pub(crate) fn join(call: &Call<'_>) -> Result<Done, Refusal> {
    let id = call.args.need("channel", "channel_not_found")?;
    call.workspace.store.write(|rooms, now| {
        let channel = by_id(rooms, &id)?;
        if channel.private {
            return Err(Refusal::new("method_not_supported_for_channel_type"));
        }
        if channel.archived {
            return Err(Refusal::new("is_archived"));
        }
        let already = channel.app_is_member;
        if let Some(channel) = rooms.channels.iter_mut().find(|channel| channel.id == id) {
            channel.app_is_member = true;
            channel.updated_ms = now;
        }
        let done = Done::new(json!({"channel": shown(rooms, by_id(rooms, &id)?)}));
        Ok(if already {
            done.warn("already_in_channel")
        } else {
            done
        })
    })
}

/// `conversations.history`: newest first, replies in threads left out.
pub(crate) fn history(call: &Call<'_>) -> Result<Done, Refusal> {
    let id = call.args.need("channel", "channel_not_found")?;
    let most = call.workspace.limits.history_page;
    let limit = limit(call, 100.min(most))?.min(most);
    let bound = |name: &str, error: &str| match call.args.text(name)? {
        None => Ok(None),
        Some(text) => parse_stamp(&text)
            .map(Some)
            .ok_or_else(|| Refusal::new(error)),
    };
    let oldest = bound("oldest", "invalid_ts_oldest")?;
    let mut latest = bound("latest", "invalid_ts_latest")?;
    let mut inclusive = call.args.flag("inclusive");
    if let Some(text) = call.args.text("cursor")? {
        let place = read_cursor(&text, "next_ts")?;
        latest = Some(parse_stamp(&place).ok_or_else(|| Refusal::new("invalid_cursor"))?);
        // The page before ended with this message.
        inclusive &= oldest.is_some();
    }
    let metadata = call.args.flag("include_all_metadata");
    let app_id = call.workspace.app_id();
    let continued = call.args.text("cursor")?.is_some();
    call.workspace.store.read(|rooms| {
        let channel = by_id(rooms, &id)?;
        need_read(call, channel, "history")?;
        if !channel.app_is_member {
            return Err(Refusal::new("not_in_channel"));
        }
        let wanted = |message: &&Message| {
            let at = parse_stamp(&message.ts).unwrap_or_default();
            let edge = |bound: i64| inclusive && at == bound;
            message.only_for.is_none()
                && message
                    .thread_ts
                    .as_ref()
                    .is_none_or(|thread| *thread == message.ts)
                && oldest.is_none_or(|oldest| at > oldest || edge(oldest))
                && latest.is_none_or(|latest| at < latest || (!continued && edge(latest)))
        };
        let all = rooms
            .messages
            .get(&id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let found: Vec<&Message> = all.iter().rev().filter(wanted).take(limit + 1).collect();
        let more = found.len() > limit;
        let page: Vec<&Message> = found.into_iter().take(limit).collect();
        let next = page
            .last()
            .filter(|_| more)
            .and_then(|last| parse_stamp(&last.ts))
            .map(|at| cursor("next_ts", &stamp(at)));
        let page: Vec<Value> = page
            .into_iter()
            .map(|kept| message(rooms, &app_id, kept, metadata))
            .collect();
        let mut body = json!({"messages": page, "has_more": more, "pin_count": 0});
        if let (Some(next), Some(object)) = (next, body.as_object_mut()) {
            object.insert("response_metadata".to_owned(), json!({"next_cursor": next}));
        }
        Ok(Done::new(body))
    })
}
