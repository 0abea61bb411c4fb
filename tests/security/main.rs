//! What must never be possible, tried from outside: bad input, forged tokens, other partners' rows, forged deliveries, closed doors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure time and memory"
)]

mod audit;
mod automation_rows;
mod bad_input;
mod contract;
mod core_rows;
mod forgery;
mod hot_path;
mod hurtful;
mod isolation;
mod management;
mod mirror;
mod oauth;
mod open_paths;
mod people;
mod scopes;
mod secrets;
mod signing;
mod tokens;
mod visibility;
mod webhook_rows;
mod webhooks;
