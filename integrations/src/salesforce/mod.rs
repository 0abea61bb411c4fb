//! Salesforce.
//!
//! Owns: everything that is true of Salesforce only, from addresses to the meaning of its errors. Refuses: to let its words out: an organisation is a
//! tenant, `StageName` is a key in [`crate::record::Fields`] and nothing more. Invariant: one constant names the API's version, and a record leaves as
//! Salesforce holds it, in one spelling for each value ([`row`]).
//!
//! How reading works: see [`pull`]. How writing works: see [`push`]. Who may report changes, and how: see [`webhook`]. Changes over Salesforce's own
//! event bus (Pub/Sub, which speaks gRPC) are not read: messages and walks bring the same, a minute later.
//!
//! The one thing kept between calls is what an account's objects look like ([`shape`]), for some minutes.

mod auth;
mod bin;
mod bulk;
mod call;
mod changes;
mod cursor;
mod descriptor;
mod error_body;
mod everything;
mod id;
mod limits;
mod map;
mod metadata;
mod moment;
mod number;
mod partners;
mod pull;
mod push;
mod row;
mod shape;
mod site;
mod soql;
mod webhook;
mod wire;

pub use site::SalesforceEndpoints;

use crate::connector::{Authenticate, Connector, Descriptor, Pull, Push, Webhooks};
use shape::Shapes;

/// The id of this connector.
pub const ID: &str = "salesforce";

/// The version in the path of every call.
pub const API_VERSION: &str = "v68.0";

/// The connector.
#[derive(Debug)]
pub struct Salesforce {
    endpoints: SalesforceEndpoints,
    descriptor: Descriptor,
    shapes: Shapes,
}

impl Salesforce {
    /// The connector, for accounts at these addresses.
    #[must_use]
    pub fn new(endpoints: SalesforceEndpoints) -> Self {
        Self {
            endpoints,
            descriptor: descriptor::descriptor(),
            shapes: Shapes::default(),
        }
    }
}

impl Connector for Salesforce {
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
