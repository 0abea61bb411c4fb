//! The Slack sandbox from outside: over HTTP, as a connector meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod chat;
mod conversations;
mod door;
mod events;
mod faults;
mod harness;
mod limits;
mod oauth;
mod presses;
mod samples;
mod state;
