//! A plain page that shows the channels and what was posted, for people who watch the demo. Its buttons press the messages' buttons.
//!
//! Refuses: to show anything unescaped; what was posted is text to this page, whatever it holds.

use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::Workspace;
use super::message::{Author, Message};
use super::store::Rooms;

/// The page may load nothing and run only its own script.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

const HEAD: &str = "<!doctype html><meta charset=utf-8><title>Slack sandbox</title><style>\
body{font:15px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}\
h2{font-size:1rem;margin:2rem 0 .5rem;border-bottom:1px solid #ddd}h2 small{color:#888;font-weight:400}\
article{margin:.75rem 0}article p{margin:.15rem 0;white-space:pre-wrap}\
time,em{color:#888;font-size:.85rem;font-style:normal}button{margin:.25rem .5rem 0 0}</style>";

const SCRIPT: &str = "<script>addEventListener('click',async e=>{const b=e.target.closest('button');if(!b)return;b.disabled=true;\
const a=await fetch('/__sandbox/press',{method:'POST',headers:{'content-type':'application/json'},\
body:JSON.stringify({channel:b.dataset.channel,ts:b.dataset.ts,action_id:b.dataset.action})});\
const d=await a.json();if(d.status>=200&&d.status<300)setTimeout(()=>location.reload(),1500);\
else{b.disabled=false;alert('The app did not take it: '+(d.error||d.status||'no answer'))}})</script>";

pub(crate) async fn show(workspace: web::Data<Workspace>) -> HttpResponse {
    let page = workspace.store.read(render);
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("cache-control", "no-store"))
        .body(page)
}

fn render(rooms: &Rooms) -> String {
    let mut out = String::from(HEAD);
    out.push_str(&format!("<h1>{}</h1>", escaped(&rooms.team.name)));
    for channel in &rooms.channels {
        let messages = rooms
            .messages
            .get(&channel.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let notes: Vec<&str> = [
            (channel.private, "private"),
            (channel.archived, "archived"),
            (channel.app_is_member, "the app is in it"),
        ]
        .into_iter()
        .filter_map(|(applies, note)| applies.then_some(note))
        .collect();
        out.push_str(&format!(
            "<h2>#{} <small>{} {}</small></h2>",
            escaped(&channel.name),
            escaped(&channel.id),
            notes.join(", "),
        ));
        for message in messages {
            write_message(&mut out, rooms, &channel.id, message);
        }
    }
    out.push_str(SCRIPT);
    out
}

fn write_message(out: &mut String, rooms: &Rooms, channel: &str, message: &Message) {
    let author = match &message.author {
        Author::App => "entente (app)",
        Author::Person(id) => rooms
            .person(id)
            .map_or("somebody", |p| p.real_name.as_str()),
    };
    let edited = if message.edited_ts.is_some() {
        " (edited)"
    } else {
        ""
    };
    out.push_str(&format!(
        "<article><b>{}</b> <time>{}{edited}</time>",
        escaped(author),
        escaped(&message.ts),
    ));
    match &message.blocks {
        None => out.push_str(&format!("<p>{}</p>", shown(&message.text))),
        Some(blocks) => {
            for block in blocks {
                write_block(out, channel, &message.ts, block);
            }
        }
    }
    if !message.pings.is_empty() {
        let pings = message.pings.join(" ");
        out.push_str(&format!("<em>pinged {}</em>", escaped(&pings)));
    }
    out.push_str("</article>");
}

fn write_block(out: &mut String, channel: &str, ts: &str, block: &Value) {
    let texts = block.get("text").into_iter().chain(
        block
            .get("fields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten(),
    );
    for text in texts {
        write_text(out, text);
    }
    let elements = block
        .get("elements")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .chain(block.get("accessory"));
    for element in elements {
        let action = element.get("action_id").and_then(Value::as_str);
        let label = element.pointer("/text/text").and_then(Value::as_str);
        match (action, label) {
            (Some(action), Some(label)) => out.push_str(&format!(
                "<button data-channel=\"{}\" data-ts=\"{}\" data-action=\"{}\">{}</button>",
                escaped(channel),
                escaped(ts),
                escaped(action),
                escaped(label),
            )),
            _ => write_text(out, element),
        }
    }
}

fn write_text(out: &mut String, text: &Value) {
    let words = text.get("text").and_then(Value::as_str).unwrap_or_default();
    if words.is_empty() {
        return;
    }
    let plain = text.get("type").and_then(Value::as_str) == Some("plain_text");
    let words = if plain { escaped(words) } else { shown(words) };
    out.push_str(&format!("<p>{words}</p>"));
}

/// Stored text as a person reads it: the vendor's three entities stand for their signs.
fn shown(stored: &str) -> String {
    let plain = stored
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    escaped(&plain)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
