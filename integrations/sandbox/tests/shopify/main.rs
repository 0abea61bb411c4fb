//! The Shopify sandbox from outside: what a connector meets over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking"
)]

mod access;
mod bulk;
mod client;
mod costs;
mod documents;
mod faults;
mod fields;
mod harness;
mod lists;
mod oauth;
mod orders;
mod published;
mod state;
mod webhooks;
mod writes;
