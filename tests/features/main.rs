//! What Entente does, seen from outside: over HTTP with a token, on both databases, one file for each stem.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod crm;
mod partner;
