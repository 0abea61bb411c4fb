//! HTTP doubles of the vendors, for the demo and for tests.
//!
//! Owns: what a vendor's servers would do, as far as a connector can see it: the shapes, the limits, the delays and the
//! failures. Refuses: to share a wire type with the connectors (one misreading would then pass on both sides), to send
//! anything beyond loopback, and to invent an answer for an endpoint it does not know.
//! Invariant: what a caller was told (a code, a token, a record id) stays true over a restart, `kill -9` included, except for
//! record edits of the last second.

#![recursion_limit = "256"]

mod app;
mod clock;
mod delivery;
mod door;
mod error;
mod faults;
mod folder;
pub mod hubspot;
mod ids;
mod listening;
mod params;
pub mod salesforce;
pub mod shopify;
pub mod slack;
mod snapshot;
mod spoiling;
mod starting;
mod stats;
mod window;

pub use app::App;
pub use clock::Clock;
pub use delivery::WebhookCounts;
pub use error::SandboxError;
pub use faults::{Effect, Fault, Faults, WebhookFaults};
pub use hubspot::{HubSpot, HubSpotOptions, Kind, Limits, Source};
pub use salesforce::{
    Salesforce, SalesforceFeatures, SalesforceLimits, SalesforceOptions, SalesforceSource,
};
pub use shopify::{ShopSource, Shopify, ShopifyLimits, ShopifyOptions};
pub use slack::{Slack, SlackLimits, SlackOptions};
pub use stats::Counts;
