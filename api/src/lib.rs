//! The doors of Entente: GraphQL, HTTP, OAuth, and the command line that opens them.
//!
//! It owns transport and the wiring of a process: what exists and what may be done to it is in `entities`, the outside world in
//! `integrations`. Invariant: everything a process needs is handed to it by [`cli`] from [`config`]; nothing else reads the environment.

// The future of a whole query nests as deep as the schema does, and the compiler follows it to its end to see that it may be sent.
#![recursion_limit = "256"]

pub mod cli;
pub mod config;
pub mod data_dir;
pub mod demo;
pub mod graphql;
pub mod http;
pub mod import;
pub mod logging;
pub mod mail;
pub mod oauth;
pub mod people;
pub mod state;
pub mod webhook;
pub mod worker;
