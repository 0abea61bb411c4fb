//! What an event says.
//!
//! Owns: the two events about our app. Refuses: events about anything else, which are named and left alone. Invariant: the two may come in any
//! order and any number; each says the same thing however often it is read.

use super::unreadable;
use crate::{
    error::Result,
    record::{MalformedRecord, is_sound_id},
    webhook::{AccountSignal, AccountSignalKind, Signals},
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Callback {
    #[serde(default)]
    team_id: Option<String>,
    #[serde(default)]
    event_time: i64,
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    tokens: Tokens,
}

/// Whose tokens were taken back: ids of users, not tokens.
#[derive(Default, Deserialize)]
struct Tokens {
    #[serde(default)]
    bot: Vec<String>,
}

pub(super) fn parse(body: &[u8]) -> Result<Signals> {
    let whole: Value =
        serde_json::from_slice(body).map_err(|_| unreadable("what is neither JSON nor a form"))?;
    let kind = whole.get("type").and_then(Value::as_str);
    let Some(kind) = kind else {
        return Err(unreadable("a body that does not say what it is"));
    };
    if kind != "event_callback" {
        // Such as `app_rate_limited`: more happened in the team than Slack tells of.
        return Ok(Signals {
            ignored: vec![name(kind)],
            ..Signals::default()
        });
    }
    let malformed = |reason: &str| Signals {
        malformed: vec![MalformedRecord {
            external_id: None,
            reason: reason.to_owned(),
            raw: whole.clone(),
        }],
        ..Signals::default()
    };
    let callback: Callback = match serde_json::from_value(whole.clone()) {
        Ok(callback) => callback,
        Err(error) => return Ok(malformed(&error.to_string())),
    };
    let kind = match callback.event.kind.as_str() {
        "app_uninstalled" => AccountSignalKind::Uninstalled,
        // Only the app's own token is ours; tokens of users were never asked for.
        "tokens_revoked" if !callback.event.tokens.bot.is_empty() => {
            AccountSignalKind::TokensRevoked
        }
        other => {
            return Ok(Signals {
                ignored: vec![name(other)],
                ..Signals::default()
            });
        }
    };
    let Some(tenant_id) = callback.team_id.filter(|id| is_sound_id(id)) else {
        return Ok(malformed("the event names no team"));
    };
    Ok(Signals {
        account: vec![AccountSignal {
            tenant_id,
            kind,
            occurred_at_ms: callback.event_time.saturating_mul(1000),
        }],
        ..Signals::default()
    })
}

fn name(kind: &str) -> String {
    crate::slack::wire::clipped(kind)
}
