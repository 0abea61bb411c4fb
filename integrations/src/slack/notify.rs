//! Posting, editing and finding messages.
//!
//! Owns: the calls and what their answers mean. Refuses: to post twice by itself: whoever gets `Transient` looks first. Invariant: what says that
//! it was posted names the message; an answer to a post that cannot be understood is `Transient`, because the message may be there.

use super::{Slack, render, wire};
use crate::{
    connector::{Context, Lane},
    error::{ConnectorError, Result},
    http::{Answer, Body, Call},
    notify::{CANNOT_LOOK, Channel, ChatMessage, Notify, Posted},
    record::is_sound_id,
};
use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Under which name Slack keeps what we say about a message.
const EVENT_TYPE: &str = "entente_message";
/// Slack's clock and ours may differ by this much.
const CLOCKS_MS: i64 = 120_000;
/// A page of a channel's history; Slack gives some apps fewer.
const HISTORY_PAGE: &str = "200";
/// How far back is looked at most, in pages: more was said than anybody can search.
const HISTORY_PAGES: usize = 50;
/// A page of channels: Slack takes less than a thousand.
const CHANNEL_PAGE: &str = "999";
/// No team has more channels than this many pages hold; more is a cursor that leads in circles.
const CHANNEL_PAGES: usize = 500;

#[derive(Deserialize)]
struct PostedAnswer {
    channel: String,
    ts: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    response_metadata: wire::Metadata,
}

#[derive(Deserialize)]
struct History {
    messages: Vec<Value>,
    #[serde(default)]
    has_more: bool,
    #[serde(flatten)]
    page: Page,
}

#[derive(Deserialize)]
struct Channels {
    channels: Vec<Value>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Deserialize)]
struct ListedChannel {
    id: String,
    name: String,
    #[serde(default)]
    is_member: bool,
    #[serde(default)]
    is_archived: bool,
}

#[derive(Deserialize)]
struct Me {
    user_id: String,
}

impl Slack {
    async fn write(&self, ctx: &Context<'_>, method: &str, body: &Value) -> Result<Answer> {
        // Slack warns of JSON that does not name its charset.
        let body = Body::Bytes(
            "application/json; charset=utf-8",
            body.to_string().into_bytes().into(),
        );
        let url = self.endpoints.method(method);
        Ok(ctx.http.send(&Call::new(Method::POST, url, body)).await?)
    }

    async fn ask(&self, ctx: &Context<'_>, method: &str, query: &[(&str, &str)]) -> Result<Answer> {
        let mut url = self.endpoints.method(method);
        url.query_pairs_mut().extend_pairs(query);
        Ok(ctx.http.send(&Call::get(url).in_lane(Lane::Search)).await?)
    }

    /// One walk over the channels of these types.
    async fn channels_of(&self, ctx: &Context<'_>, types: &str) -> Result<Vec<Channel>> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        let mut seen = BTreeSet::new();
        for _ in 0..CHANNEL_PAGES {
            let mut query = vec![
                ("types", types),
                ("exclude_archived", "true"),
                ("limit", CHANNEL_PAGE),
            ];
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor.as_str()));
            }
            let answer = self.ask(ctx, "conversations.list", &query).await?;
            let page: Channels = wire::read(&answer)?;
            // One that cannot be read is left out; it cannot be chosen then.
            found.extend(page.channels.into_iter().filter_map(channel));
            match page.page.response_metadata.next() {
                None => return Ok(found),
                Some(next) if seen.insert(next.clone()) => cursor = Some(next),
                Some(_) => break,
            }
        }
        Err(ConnectorError::schema(
            "Slack's list of channels leads in circles",
        ))
    }
}

fn channel(value: Value) -> Option<Channel> {
    let listed: ListedChannel = serde_json::from_value(value).ok()?;
    (is_sound_id(&listed.id) && !listed.is_archived).then(|| Channel {
        external_id: listed.id,
        name: wire::clipped(&listed.name),
        is_member: listed.is_member,
    })
}

/// What both posting and editing send.
fn content(channel: &str, message: &ChatMessage) -> Result<Value> {
    let (text, blocks) = render::render(message)?;
    Ok(json!({
        "channel": channel,
        "text": text,
        "blocks": blocks,
        "parse": "none",
        "link_names": false,
        "metadata": {
            "event_type": EVENT_TYPE,
            "event_payload": {"reference": message.reference},
        },
    }))
}

/// An answer that says neither yes nor no may stand for a message that is there.
fn uncertain(error: ConnectorError) -> ConnectorError {
    match error {
        ConnectorError::Schema { message } => {
            ConnectorError::transient(format!("{message}; the message may nevertheless be there"))
        }
        other => other,
    }
}

/// Milliseconds as Slack prints an instant.
fn instant(ms: i64) -> String {
    let ms = ms.max(0);
    format!("{}.{:03}000", ms / 1000, ms % 1000)
}

fn cannot_look(message: impl Into<String>) -> ConnectorError {
    ConnectorError::permanent(CANNOT_LOOK, message)
}

#[async_trait]
impl Notify for Slack {
    async fn post(&self, ctx: &Context<'_>, message: &ChatMessage) -> Result<Posted> {
        let mut body = content(&message.channel, message)?;
        if let Some(object) = body.as_object_mut() {
            object.insert("unfurl_links".to_owned(), json!(false));
            object.insert("unfurl_media".to_owned(), json!(false));
        }
        let answer = self.write(ctx, "chat.postMessage", &body).await?;
        let posted: PostedAnswer = wire::read(&answer).map_err(uncertain)?;
        if !is_sound_id(&posted.channel) || !is_sound_id(&posted.ts) {
            return Err(uncertain(ConnectorError::schema(
                "Slack's answer names no message",
            )));
        }
        Ok(Posted {
            channel: posted.channel,
            external_id: posted.ts,
        })
    }

    async fn update(
        &self,
        ctx: &Context<'_>,
        posted: &Posted,
        message: &ChatMessage,
    ) -> Result<()> {
        let mut body = content(&posted.channel, message)?;
        if let Some(object) = body.as_object_mut() {
            object.insert("ts".to_owned(), json!(posted.external_id));
        }
        let answer = self.write(ctx, "chat.update", &body).await?;
        wire::body(&answer).map(drop)
    }

    async fn find(
        &self,
        ctx: &Context<'_>,
        channel: &str,
        reference: &str,
        since_ms: i64,
    ) -> Result<Option<Posted>> {
        // Anybody in the team could post something that carries our reference; only what our own user said counts.
        let url = self.endpoints.method("auth.test");
        let me: Me = wire::read(&ctx.http.send(&Call::get(url)).await?)?;
        let oldest = instant(since_ms.saturating_sub(CLOCKS_MS));
        let mut cursor: Option<String> = None;
        for _ in 0..HISTORY_PAGES {
            let mut query = vec![
                ("channel", channel),
                ("oldest", oldest.as_str()),
                ("limit", HISTORY_PAGE),
                ("include_all_metadata", "true"),
            ];
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor.as_str()));
            }
            let answer = self.ask(ctx, "conversations.history", &query).await?;
            let page: History = wire::read(&answer).map_err(unreadable)?;
            let mine = |message: &&Value| is_mine(message, &me.user_id, reference);
            if let Some(message) = page.messages.iter().find(mine) {
                let ts = message.get("ts").and_then(Value::as_str);
                let ts = ts.filter(|ts| is_sound_id(ts)).ok_or_else(|| {
                    ConnectorError::schema("Slack shows a message without its id")
                })?;
                return Ok(Some(Posted {
                    channel: channel.to_owned(),
                    external_id: ts.to_owned(),
                }));
            }
            match page.page.response_metadata.next() {
                Some(next) => cursor = Some(next),
                None if page.has_more => {
                    return Err(ConnectorError::schema(
                        "Slack has more messages and does not say where",
                    ));
                }
                None => return Ok(None),
            }
        }
        Err(cannot_look(
            "more was said in the channel since then than can be searched",
        ))
    }

    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>> {
        match self
            .channels_of(ctx, "public_channel,private_channel")
            .await
        {
            // Private channels need a scope that a team may not have granted.
            Err(ConnectorError::Auth {
                reconnect: true, ..
            }) => self.channels_of(ctx, "public_channel").await,
            outcome => outcome,
        }
    }
}

/// What keeps us from reading a channel is not what ends the connection.
fn unreadable(error: ConnectorError) -> ConnectorError {
    match error {
        ConnectorError::Auth {
            reconnect: true,
            message,
        } => cannot_look(message),
        ConnectorError::Permanent { code, message }
            if matches!(
                code.as_str(),
                "not_in_channel" | "channel_not_found" | "channel_is_limited_access"
            ) =>
        {
            cannot_look(message)
        }
        other => other,
    }
}

fn is_mine(message: &Value, user_id: &str, reference: &str) -> bool {
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    text("/user") == Some(user_id)
        && text("/metadata/event_type") == Some(EVENT_TYPE)
        && text("/metadata/event_payload/reference") == Some(reference)
}
