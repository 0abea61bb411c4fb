//! The harness: a whole Entente in the test's own process, a database of its own for every test, and the real binary.
//!
//! Players: [`TestApp`] is the server as `serve` builds it, on a loopback port, with a worker that moves only when a test drains it;
//! [`TestDatabase`] is SQLite in a folder or a clone of a migrated PostgreSQL template; [`Entente`] is the built binary as a process.
//! Time, chance and the log are the test's: [`TestClock`] moves when it is told to, [`seed`] is printed and can be given again, and a
//! warning that nobody announced fails the test in [`TestApp::finish`].
//!
//! It refuses to sleep: a test drains the worker or waits for a condition with a bound ([`eventually`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a harness fails by panicking, and reads the environment of the test run"
)]

mod answer;
mod app;
mod binary;
mod browser;
pub mod chaos;
mod clock;
mod condition;
mod database;
mod hubspot;
mod identity_provider;
mod log;
mod mail_server;
pub mod people;
pub mod programme;
mod receiver;
mod seed;
mod statements;
mod stream;
mod vendors;

pub use answer::Answer;
pub use app::{Options, TestApp, vault};
pub use binary::{Ended, Entente, entente};
pub use browser::{Browser, Page};
pub use chaos::Chaos;
pub use clock::TestClock;
pub use condition::{eventually, shared_folder};
pub use database::{Backend, TestDatabase};
pub use hubspot::{CLIENT_ID, CLIENT_SECRET, HubSpotSetup};
pub use identity_provider::IdentityProvider;
pub use log::{heard, listen};
pub use mail_server::MailServer;
pub use receiver::{Message, Receiver, Reply};
pub use seed::{proptest_config, rng, rounds, seed};
pub use statements::StatementLog;
pub use stream::ServerEvents;
pub use vendors::{SHOP, SIGNING_SECRET, SalesforceSetup, Setups, ShopifySetup, SlackSetup};
