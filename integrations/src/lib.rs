//! The outside world: connectors, the one outgoing client, secrets at rest, and the engine that keeps records in step.
//!
//! Each vendor lives in its own folder and its words stay there. What leaves a folder is neutral ([`record`], [`webhook`]) or
//! opaque (a cursor). Everything that reaches out goes through [`http`], which refuses addresses that are not public; everything that
//! comes in passes a connector's [`webhook::Webhooks::verify`], which has no default.

pub mod automation;
pub mod capability;
pub mod connector;
pub mod error;
pub mod health;
pub mod http;
pub mod hubspot;
pub mod mail;
pub mod notify;
pub mod oauth;
pub mod outbound;
pub mod push;
pub mod record;
pub mod salesforce;
pub mod shopify;
pub mod signature;
pub mod slack;
pub mod sync;
pub mod timeline;
pub mod vault;
pub mod webhook;

use connector::Registry;
use hubspot::{HubSpot, HubSpotEndpoints};
use salesforce::{Salesforce, SalesforceEndpoints};
use shopify::{Shopify, ShopifyEndpoints};
use slack::{Slack, SlackEndpoints};
use std::sync::Arc;

/// Where each vendor is found. The defaults are the vendors' own addresses; only a demonstration or a test names others.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// HubSpot's.
    pub hubspot: HubSpotEndpoints,
    /// Shopify's.
    pub shopify: ShopifyEndpoints,
    /// Salesforce's.
    pub salesforce: SalesforceEndpoints,
    /// Slack's.
    pub slack: SlackEndpoints,
}

/// Every connector of this build.
#[must_use]
pub fn connectors(endpoints: Endpoints) -> Registry {
    Registry::new(vec![
        Arc::new(HubSpot::new(endpoints.hubspot)),
        Arc::new(Salesforce::new(endpoints.salesforce)),
        Arc::new(Shopify::new(endpoints.shopify)),
        Arc::new(Slack::new(endpoints.slack)),
    ])
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod test_server;
