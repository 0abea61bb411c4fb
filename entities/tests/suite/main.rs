//! The domain on its databases: each test runs on SQLite, and on PostgreSQL where the run has one. One program, so that it is linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod agreement;
mod audit;
mod bed;
mod booking;
mod claim;
mod daily;
mod deal_registration;
mod late_revenue;
mod ledger;
mod payout;
mod programme;
mod promise;
mod queue;
mod replay;
mod revenue;
mod signing;
mod upgrade;
mod write;
