//! HTTP doubles of the vendors, for the demo and for tests.
//!
//! Owns: what a vendor's servers would do, as far as a connector can see it: the shapes, the limits, the delays and the
//! failures. Refuses: to share a wire type with the connectors (one misreading would then pass on both sides), to send
//! anything beyond loopback, and to invent an answer for an endpoint it does not know.
//! Invariant: what a caller was told (a code, a token, a record id) stays true over a restart, `kill -9` included, except for
//! record edits of the last second.

mod clock;
mod error;
pub mod hubspot;

pub use clock::Clock;
pub use error::SandboxError;
pub use hubspot::{App, Faults, HubSpot, HubSpotOptions, Kind, Limits, Source};
