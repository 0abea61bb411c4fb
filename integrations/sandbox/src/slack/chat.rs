//! Posting, editing and taking back messages.
//!
//! Refuses: nothing to say, blocks that are not right, channels the app cannot write in, messages of others. Invariant: a refused message is
//! not there; whoever gets an id finds the message under it.

use serde_json::{Value, json};

use super::answer::{Done, Refusal};
use super::blocks::{self, BadBlocks};
use super::conversations::message as shown;
use super::ids::short_id;
use super::mentions;
use super::message::Author;
use super::methods::Call;
use super::store::{Draft, Edit};

/// Longer text is cut when posted.
const TEXT_CUT: usize = 40_000;
/// Longer text is refused in an edit.
const EDIT_MAX: usize = 4_000;
/// The most bytes of a message's metadata. The vendor publishes that there is a limit, not which.
const METADATA_MAX: usize = 8_000;
/// The most attachments of a message.
const ATTACHMENTS_MAX: usize = 100;

/// What a message says.
#[derive(Debug, Default)]
struct Content {
    text: Option<String>,
    cut: bool,
    blocks: Option<Vec<Value>>,
    attachments: Option<Vec<Value>>,
    metadata: Option<Value>,
    pings: Vec<String>,
}

fn content(call: &Call<'_>) -> Result<Content, Refusal> {
    let mut content = Content::default();
    if let Some(text) = call.args.text("text")? {
        content.cut = text.chars().count() > TEXT_CUT;
        let text: String = text.chars().take(TEXT_CUT).collect();
        content.pings.extend(mentions::marked(&text));
        let parse = call.args.text("parse")?;
        if parse.as_deref() == Some("full") || call.args.flag("link_names") {
            content.pings.extend(mentions::parsed(&text));
        }
        content.text = Some(mentions::stored(&text));
    }
    let format = |()| Refusal::new("invalid_blocks_format");
    if let Some(value) = call.args.json("blocks").map_err(format)? {
        let checked = blocks::check(&value, short_id).map_err(|bad| match bad {
            BadBlocks::Format => Refusal::new("invalid_blocks_format"),
            BadBlocks::TooLong => Refusal::new("msg_blocks_too_long"),
            BadBlocks::Invalid(problems) => Refusal::new("invalid_blocks")
                .with("errors", json!(problems))
                .with("response_metadata", json!({"messages": problems})),
        })?;
        content.pings.extend(checked.pings);
        content.blocks = Some(checked.blocks);
    }
    let wrong = |()| Refusal::new("invalid_attachments");
    if let Some(value) = call.args.json("attachments").map_err(wrong)? {
        let Value::Array(list) = value else {
            return Err(Refusal::new("invalid_attachments"));
        };
        if list.len() > ATTACHMENTS_MAX {
            return Err(Refusal::new("too_many_attachments"));
        }
        for text in list.iter().filter_map(|item| item.get("text")) {
            content
                .pings
                .extend(mentions::marked(text.as_str().unwrap_or_default()));
        }
        content.attachments = Some(list);
    }
    content.metadata = metadata(call)?;
    Ok(content)
}

fn metadata(call: &Call<'_>) -> Result<Option<Value>, Refusal> {
    let format = |()| Refusal::new("invalid_metadata_format");
    let Some(value) = call.args.json("metadata").map_err(format)? else {
        return Ok(None);
    };
    if value == json!({}) {
        return Ok(Some(value));
    }
    let named = value
        .get("event_type")
        .and_then(Value::as_str)
        .is_some_and(|name| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        });
    if !named || !value.get("event_payload").is_some_and(Value::is_object) {
        return Err(Refusal::new("invalid_metadata_format"));
    }
    if value.to_string().len() > METADATA_MAX {
        return Err(Refusal::new("metadata_too_large"));
    }
    Ok(Some(value))
}

/// The text that stands for blocks where only text fits.
fn fallback(blocks: &[Value]) -> String {
    blocks
        .iter()
        .filter_map(|block| block.pointer("/text/text").and_then(Value::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `chat.postMessage`.
pub(crate) fn post(call: &Call<'_>) -> Result<Done, Refusal> {
    let workspace = call.workspace;
    let named = call.args.need("channel", "channel_not_found")?;
    let content = content(call)?;
    if content.text.is_none() && content.blocks.is_none() && content.attachments.is_none() {
        return Err(Refusal::new("no_text"));
    }
    let username = call.args.text("username")?;
    if username.is_some() {
        call.need(&["chat:write.customize"])?;
    }
    let thread_ts = call.args.text("thread_ts")?;
    let id = workspace.store.read(|rooms| {
        let channel = rooms
            .seen(&named)
            .ok_or_else(|| Refusal::new("channel_not_found"))?;
        if channel.archived {
            return Err(Refusal::new("is_archived"));
        }
        if !channel.app_is_member && !call.has("chat:write.public") {
            return Err(Refusal::new("not_in_channel"));
        }
        Ok(channel.id.clone())
    })?;
    workspace.windows.take_channel(workspace, &id)?;
    let text = content
        .text
        .unwrap_or_else(|| fallback(content.blocks.as_deref().unwrap_or_default()));
    let draft = Draft {
        author: Author::App,
        username,
        text,
        blocks: content.blocks,
        attachments: content.attachments,
        metadata: content.metadata,
        thread_ts,
        only_for: None,
        pings: content.pings,
    };
    let app_id = workspace.app_id();
    let body = workspace.store.write(|rooms, now| {
        let posted = rooms.post(now, &id, draft);
        json!({
            "channel": id,
            "ts": posted.ts,
            "message": shown(rooms, &app_id, &posted, true),
        })
    });
    let done = Done::new(body);
    Ok(if content.cut {
        done.warn("message_truncated")
    } else {
        done
    })
}

/// `chat.update`.
pub(crate) fn update(call: &Call<'_>) -> Result<Done, Refusal> {
    let id = call.args.need("channel", "channel_not_found")?;
    let ts = call.args.need("ts", "message_not_found")?;
    let content = content(call)?;
    if content.text.is_none() && content.blocks.is_none() && content.attachments.is_none() {
        return Err(Refusal::new("no_text"));
    }
    if content
        .text
        .as_ref()
        .is_some_and(|text| text.chars().count() > EDIT_MAX)
    {
        return Err(Refusal::new("msg_too_long"));
    }
    let app_id = call.workspace.app_id();
    call.workspace.store.write(|rooms, now| {
        own_message(rooms, &id, &ts, "cant_update_message")?;
        if rooms.channel(&id).is_some_and(|channel| channel.archived) {
            return Err(Refusal::new("is_inactive"));
        }
        // What is not sent stays: blocks go by an empty list only.
        let text = content.text.or_else(|| {
            let blocks = content.blocks.as_deref()?;
            Some(fallback(blocks)).filter(|text| !text.is_empty())
        });
        let edit = Edit {
            text,
            blocks: content.blocks,
            attachments: content.attachments,
            metadata: content.metadata,
            pings: content.pings,
        };
        let message = rooms
            .edit(now, &id, &ts, edit)
            .ok_or_else(|| Refusal::new("message_not_found"))?;
        Ok(Done::new(json!({
            "channel": id,
            "ts": ts,
            "text": message.text,
            "message": shown(rooms, &app_id, &message, true),
        })))
    })
}

/// `chat.delete`.
pub(crate) fn delete(call: &Call<'_>) -> Result<Done, Refusal> {
    let id = call.args.need("channel", "channel_not_found")?;
    let ts = call.args.need("ts", "message_not_found")?;
    call.workspace.store.write(|rooms, _| {
        own_message(rooms, &id, &ts, "cant_delete_message")?;
        rooms.delete(&id, &ts);
        Ok(Done::new(json!({"channel": id, "ts": ts})))
    })
}

fn own_message(
    rooms: &super::store::Rooms,
    channel: &str,
    ts: &str,
    foreign: &str,
) -> Result<(), Refusal> {
    rooms
        .seen(channel)
        .filter(|known| known.id == channel)
        .ok_or_else(|| Refusal::new("channel_not_found"))?;
    let message = rooms
        .message(channel, ts)
        .filter(|message| message.only_for.is_none())
        .ok_or_else(|| Refusal::new("message_not_found"))?;
    if message.author == Author::App {
        Ok(())
    } else {
        Err(Refusal::new(foreign))
    }
}
