//! What Slack offers us.
//!
//! Owns: scopes and budgets. Refuses: guesses: each line is from Slack's documentation. Invariant: what is not needed to post into a channel is
//! optional.

use super::{API_VERSION, ID};
use crate::connector::{Category, Descriptor, Lane, RateLimit, TokenHeader};
use std::time::Duration;

pub(super) const CHAT_WRITE: &str = "chat:write";
pub(super) const CHANNELS_READ: &str = "channels:read";

pub(super) const REQUIRED_SCOPES: [&str; 2] = [CHAT_WRITE, CHANNELS_READ];

/// `chat:write.public` posts into public channels nobody invited us to; `groups:read` lists private ones that somebody did. The two histories
/// are read for one thing: whether a message is there after an answer that does not say so.
pub(super) const OPTIONAL_SCOPES: [&str; 4] = [
    "chat:write.public",
    "groups:read",
    "channels:history",
    "groups:history",
];

pub(super) fn descriptor() -> Descriptor {
    Descriptor {
        id: ID,
        name: "Slack",
        category: Category::Chat,
        api_version: API_VERSION,
        resources: Vec::new(),
        required_scopes: REQUIRED_SCOPES.to_vec(),
        optional_scopes: OPTIONAL_SCOPES.to_vec(),
        // Posting is held to one message a second and channel by whoever posts; a team takes several hundred a minute in all. Lists and
        // histories are counted apart, the lists being the scarcer of the two.
        limits: vec![
            RateLimit {
                lane: Lane::Standard,
                requests: 200,
                per: Duration::from_secs(60),
                burst: Some(20),
            },
            RateLimit {
                lane: Lane::Search,
                requests: 20,
                per: Duration::from_secs(60),
                burst: Some(10),
            },
        ],
        limit_headers: None,
        site: None,
        token_header: TokenHeader::Bearer,
    }
}
