//! The sandbox from outside: over HTTP, as a connector meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod associations;
mod crm;
mod faults;
mod harness;
mod oauth;
mod objects;
mod official_client;
mod samples;
mod search;
mod state;
mod webhooks;
mod writes;
