//! HubSpot.
//!
//! Owns: everything that is true of HubSpot only, from addresses to the meaning of its errors. Refuses: to let its words out: a portal is
//! a tenant, `dealstage` is a key in [`crate::record::Fields`] and nothing more. Invariant: one constant names the API's date, and a
//! record leaves exactly as HubSpot answered it.
//!
//! How reading works: a backfill lists (pages of 100, in the order of ids), a delta searches by time of change (see [`pull`]), and
//! both read labelled associations in batches, because a list knows no labels and a search knows no associations. Owners, pipelines and
//! labels are few and have no delta: every walk over them reads all.
//!
//! How writing works: see [`push`].

mod associations;
mod auth;
mod cursor;
mod delta;
mod descriptor;
mod error_body;
mod limits;
mod map;
mod metadata;
mod pull;
mod push;
mod webhook;
mod wire;

use crate::connector::{Authenticate, Connector, Descriptor, Pull, Push, Webhooks};
use crate::oauth::Server;
use url::Url;

/// The id of this connector.
pub const ID: &str = "hubspot";

/// The date in the path of every call: the API version.
pub const API_DATE: &str = "2026-09";

/// Where HubSpot is.
#[derive(Clone, Debug)]
pub struct HubSpotEndpoints {
    /// The API.
    pub api: Url,
    /// The web application, where people agree.
    pub app: Url,
}

impl Default for HubSpotEndpoints {
    #[expect(clippy::expect_used, reason = "two constants, held by a test")]
    fn default() -> Self {
        Self {
            api: Url::parse("https://api.hubapi.com/").expect("a constant address"),
            app: Url::parse("https://app.hubspot.com/").expect("a constant address"),
        }
    }
}

impl HubSpotEndpoints {
    /// Both parts at one address, as a sandbox has them.
    #[must_use]
    pub fn at(base: Url) -> Self {
        Self {
            api: base.clone(),
            app: base,
        }
    }

    /// The address of an API path. The path is ours or made of checked parts; anything but a path below the API is refused.
    fn api_url(&self, path: &str) -> Url {
        let mut url = self.api.clone();
        url.set_path(path);
        url
    }
}

/// The connector.
#[derive(Debug)]
pub struct HubSpot {
    endpoints: HubSpotEndpoints,
    descriptor: Descriptor,
    server: Server,
}

impl HubSpot {
    /// The connector, at these addresses.
    #[must_use]
    pub fn new(endpoints: HubSpotEndpoints) -> Self {
        let mut authorize = endpoints.app.clone();
        authorize.set_path("/oauth/authorize");
        let token = endpoints.api_url(&format!("/oauth/{API_DATE}/token"));
        Self {
            descriptor: descriptor::descriptor(),
            server: Server {
                authorize,
                token,
                refusal: auth::refusal,
            },
            endpoints,
        }
    }
}

impl Connector for HubSpot {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn auth(&self) -> &dyn Authenticate {
        self
    }

    fn pull(&self) -> Option<&dyn Pull> {
        Some(self)
    }

    fn push(&self) -> Option<&dyn Push> {
        Some(self)
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;
