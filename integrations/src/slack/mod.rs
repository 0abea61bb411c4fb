//! Slack.
//!
//! Owns: everything that is true of Slack only: its errors with status 200, its markup, its way to sign. Refuses: to let its words out: a team is
//! a tenant, and what leaves is a message posted or a button pressed. Invariant: no text that came from elsewhere is ever read as markup, so a
//! partner called `<!channel>` calls nobody (see [`markup`]).
//!
//! How posting works: a message carries our reference in its metadata. Slack has no key that makes posting twice safe, and its `internal_error`
//! may have posted; so whoever doubts looks for the reference in the channel's history before posting again (see [`notify`]).
//!
//! An app with PKCE is a public client at Slack, for good: we are a confidential one, so the verifier is not used, and state and cookie bind the
//! consent. Installing in a whole organisation (Enterprise Grid) is refused: such an install names no team.

mod auth;
mod descriptor;
mod limits;
mod markup;
mod notify;
mod render;
mod webhook;
mod wire;

use crate::connector::{Authenticate, Connector, Descriptor, Notify, Webhooks};
use url::Url;

/// The id of this connector.
pub const ID: &str = "slack";

/// Slack's API has no versions; this names the way it is called.
pub const API_VERSION: &str = "web-api";

/// Where Slack is.
#[derive(Clone, Debug)]
pub struct SlackEndpoints {
    /// The API and the page where people agree.
    pub base: Url,
}

impl Default for SlackEndpoints {
    #[expect(clippy::expect_used, reason = "a constant, held by a test")]
    fn default() -> Self {
        Self {
            base: Url::parse("https://slack.com/").expect("a constant address"),
        }
    }
}

impl SlackEndpoints {
    /// At one address, as a sandbox is.
    #[must_use]
    pub const fn at(base: Url) -> Self {
        Self { base }
    }

    /// The address of a method. The name is one of our constants.
    fn method(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/api/{name}"));
        url
    }

    /// The page where people agree.
    fn consent(&self) -> Url {
        let mut url = self.base.clone();
        url.set_path("/oauth/v2/authorize");
        url
    }
}

/// The connector.
#[derive(Debug)]
pub struct Slack {
    endpoints: SlackEndpoints,
    descriptor: Descriptor,
}

impl Slack {
    /// The connector, at this address.
    #[must_use]
    pub fn new(endpoints: SlackEndpoints) -> Self {
        Self {
            endpoints,
            descriptor: descriptor::descriptor(),
        }
    }
}

impl Connector for Slack {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn auth(&self) -> &dyn Authenticate {
        self
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }

    fn notify(&self) -> Option<&dyn Notify> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
