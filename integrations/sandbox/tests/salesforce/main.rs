//! The sandbox of Salesforce from outside: over HTTP, as a connector meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod bulk;
mod collections;
mod faults;
mod harness;
mod human;
mod oauth;
mod outbound;
mod query;
mod records;
mod samples;
mod state;
