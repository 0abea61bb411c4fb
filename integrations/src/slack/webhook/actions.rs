//! What a press says.
//!
//! Owns: presses of buttons below our messages. Refuses: presses by people of another team, who see a channel that is shared with them: what they
//! press decides nothing here. Invariant: a press names team, person, place and message, or it is none.

use super::{instant_ms, unreadable};
use crate::{
    error::Result,
    record::{MalformedRecord, is_sound_id},
    webhook::{ChatAction, Signals},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    team: Option<Named>,
    user: User,
    #[serde(default)]
    channel: Option<Named>,
    #[serde(default)]
    container: Container,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    actions: Vec<Value>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    team_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Container {
    #[serde(default)]
    message_ts: Option<String>,
    #[serde(default)]
    channel_id: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    ts: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    action_ts: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    selected_option: Option<Chosen>,
}

#[derive(Deserialize)]
struct Chosen {
    value: String,
}

/// Who pressed, and where.
struct Place {
    tenant_id: String,
    user_id: String,
    user_name: Option<String>,
    channel: String,
    message: String,
}

pub(super) fn parse(payload: &str) -> Result<Signals> {
    let whole: Value =
        serde_json::from_str(payload).map_err(|_| unreadable("a form whose payload is no JSON"))?;
    let kind = whole.get("type").and_then(Value::as_str);
    let Some(kind) = kind else {
        return Err(unreadable("a payload that does not say what it is"));
    };
    if kind != "block_actions" {
        return Ok(Signals {
            ignored: vec![crate::slack::wire::clipped(kind)],
            ..Signals::default()
        });
    }
    let mut signals = Signals::default();
    let payload: Payload = match serde_json::from_value(whole.clone()) {
        Ok(payload) => payload,
        Err(error) => {
            signals
                .malformed
                .push(malformed(&whole, &error.to_string()));
            return Ok(signals);
        }
    };
    let (place, actions) = match placed(payload) {
        Ok(found) => found,
        Err(reason) => {
            signals.malformed.push(malformed(&whole, reason));
            return Ok(signals);
        }
    };
    for raw in actions {
        match serde_json::from_value::<Action>(raw.clone()) {
            // A link button only tells that somebody followed it.
            Ok(action) if action.url.is_some() => {
                if signals.ignored.is_empty() {
                    signals.ignored.push("block_actions.url".to_owned());
                }
            }
            Ok(action) => match pressed(&place, action) {
                Some(action) => signals.actions.push(action),
                None => signals
                    .malformed
                    .push(malformed(&raw, "the press has no time")),
            },
            Err(error) => signals.malformed.push(malformed(&raw, &error.to_string())),
        }
    }
    Ok(signals)
}

fn malformed(raw: &Value, reason: &str) -> MalformedRecord {
    // The address for answers lets whoever holds it write in the channel.
    let mut raw = raw.clone();
    if let Some(object) = raw.as_object_mut() {
        object.remove("response_url");
        object.remove("token");
        object.remove("trigger_id");
    }
    MalformedRecord {
        external_id: None,
        reason: reason.to_owned(),
        raw,
    }
}

fn placed(payload: Payload) -> std::result::Result<(Place, Vec<Value>), &'static str> {
    let sound = |id: String| is_sound_id(&id).then_some(id);
    let team = payload.team.and_then(|team| sound(team.id));
    let tenant_id = team.ok_or("the press names no team")?;
    if payload
        .user
        .team_id
        .is_some_and(|of_user| of_user != tenant_id)
    {
        return Err("the press is by somebody of another team");
    }
    let user_id = sound(payload.user.id).ok_or("the press names no person")?;
    let channel = payload
        .channel
        .map(|channel| channel.id)
        .or(payload.container.channel_id)
        .and_then(sound)
        .ok_or("the press names no channel")?;
    let message = payload
        .message
        .map(|message| message.ts)
        .or(payload.container.message_ts)
        .and_then(sound)
        .ok_or("the press names no message")?;
    let user_name = payload
        .user
        .name
        .or(payload.user.username)
        .map(|name| crate::slack::wire::clipped(&name))
        .filter(|name| !name.is_empty());
    let place = Place {
        tenant_id,
        user_id,
        user_name,
        channel,
        message,
    };
    Ok((place, payload.actions))
}

fn pressed(place: &Place, action: Action) -> Option<ChatAction> {
    let occurred_at_ms = instant_ms(&action.action_ts)?;
    let mut hash = Sha256::new();
    for part in [
        &place.tenant_id,
        &place.user_id,
        &place.channel,
        &place.message,
        &action.action_id,
        &action.action_ts,
    ] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    Some(ChatAction {
        tenant_id: place.tenant_id.clone(),
        action: action.action_id,
        value: action
            .value
            .or(action.selected_option.map(|chosen| chosen.value))
            .unwrap_or_default(),
        user_id: place.user_id.clone(),
        user_name: place.user_name.clone(),
        channel: place.channel.clone(),
        message: place.message.clone(),
        occurred_at_ms,
        dedupe: hex::encode(hash.finalize()),
    })
}
