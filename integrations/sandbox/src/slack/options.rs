//! What a team is started with. Refuses what every sandbox refuses: addresses beyond loopback, an app without secrets.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::SandboxError;
use crate::app::{App, check_start};
use crate::faults::Faults;

/// A secret that is kept on disk and never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Everything a team is started with.
#[derive(Clone)]
pub struct SlackOptions {
    /// Where to listen; loopback only. Port 0 takes the port of the last run when it is free, else any.
    pub listen: SocketAddr,
    /// The folder that keeps the team; `None` keeps it in memory only.
    pub state: Option<PathBuf>,
    /// How many public channels there are besides the few every team has.
    pub more_channels: usize,
    /// The application that connects to it.
    pub app: App,
    /// What signs events and button presses. With this vendor it is not the client secret.
    pub signing_secret: String,
    /// Where events and button presses go; loopback only. A stored target is used when this is `None`.
    pub webhook_target: Option<Url>,
    /// The events the app has subscribed to.
    pub events: Vec<String>,
    /// Limits, lifetimes and delays.
    pub limits: SlackLimits,
    /// Failures switched on from the start.
    pub faults: Faults,
    /// The seed of the team's ids.
    pub seed: u64,
}

impl fmt::Debug for SlackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackOptions")
            .field("listen", &self.listen)
            .field("state", &self.state)
            .field("more_channels", &self.more_channels)
            .field("app", &self.app)
            .field("signing_secret", &"…")
            .field("webhook_target", &self.webhook_target)
            .field("events", &self.events)
            .field("limits", &self.limits)
            .field("faults", &self.faults)
            .field("seed", &self.seed)
            .finish()
    }
}

impl SlackOptions {
    /// The events about the app itself, which every app gets that asks for any.
    #[must_use]
    pub fn usual_events() -> Vec<String> {
        ["app_uninstalled", "tokens_revoked"]
            .map(str::to_owned)
            .to_vec()
    }

    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        check_start(&self.app, self.listen, self.webhook_target.as_ref())?;
        if self.signing_secret.is_empty() {
            return Err(SandboxError::Option {
                name: "signing_secret",
                problem: "it must not be empty".to_owned(),
            });
        }
        Ok(())
    }

    /// How the team's making is remembered and compared over restarts.
    pub(crate) fn describe(&self) -> String {
        format!("a team with {} more channels", self.more_channels)
    }
}

/// Limits, lifetimes and delays of the vendor; the default is what the vendor publishes.
#[derive(Debug, Clone)]
pub struct SlackLimits {
    /// Calls per minute and method for the tiers 1 to 4; `None` is no limit.
    pub tiers_per_minute: Option<[u32; 4]>,
    /// Messages per second and channel; `None` is no limit.
    pub posts_per_second: Option<u32>,
    /// Whether access tokens end and refresh tokens rotate.
    pub rotate_tokens: bool,
    /// Life of an access token when tokens rotate, in seconds.
    pub access_token_seconds: u32,
    /// Life of an authorization code, in seconds.
    pub code_seconds: u32,
    /// The most messages in one page of a channel's history. Apps outside the vendor's marketplace get 15.
    pub history_page: usize,
    /// How long an event or a button press may take to be answered.
    pub webhook_timeout: Duration,
    /// Multiplies the waits between an event's attempts; 0 retries at once.
    pub webhook_time_scale: f64,
}

impl Default for SlackLimits {
    fn default() -> Self {
        Self {
            tiers_per_minute: Some([1, 20, 50, 100]),
            posts_per_second: Some(1),
            rotate_tokens: false,
            access_token_seconds: 43_200,
            code_seconds: 600,
            history_page: 999,
            webhook_timeout: Duration::from_secs(3),
            webhook_time_scale: 1.0,
        }
    }
}

impl SlackLimits {
    /// No rate limit; lifetimes as published.
    #[must_use]
    pub fn none() -> Self {
        Self {
            tiers_per_minute: None,
            posts_per_second: None,
            ..Self::default()
        }
    }
}
